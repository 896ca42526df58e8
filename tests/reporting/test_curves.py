"""`hydranet report`: the curves of runs in a page that needs nothing else."""

import math
import re
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from commands import hydranet, refused
from hydranet.balancers.plain_sum import PlainSum
from hydranet.balancers.upgrad import UPGrad
from hydranet.core.spec import Part
from hydranet.evaluation.report import Report
from hydranet.reporting.curves import Curves, Group, bars, curves, grouped, losses, runs_in
from hydranet.reporting.run_page import headlines, sections, write_page
from hydranet.training.log import RunLog
from hydranet.training.train import train
from hydranet.visualization import charts
from hydranet.visualization.charts import Line, axis_label, bar_chart, binned, line_chart, log_ticks, ticks
from toys import toy_recipe

NAMES = ("first & best", "second")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two short runs with logs and reports; one balances gradients, so that it knows cosines."""
    folders = [tmp_path_factory.mktemp("runs") / name for name in NAMES]
    for folder, balancer in zip(folders, (UPGrad, PlainSum), strict=True):
        recipe = replace(toy_recipe(), balancer=Part(balancer))
        report = Report(
            folder.name,
            {"held-out": {"bright": {"mae": 0.5, "iou/road": 0.75, "iou/<car>": math.nan}}},
            {"held-out": {"bright": {}}},
            {"bright": ("mae", "lower")},
        )
        with RunLog(folder) as log:
            for progress in train(recipe, folder):
                log.step(progress)
                if progress.step % 3 == 0:
                    log.report(progress.step, report)
        report.save(folder / "report")
    return folders


def pictures(page: Path) -> list[ElementTree.Element]:
    """Every chart of a page, each well-formed."""
    return [ElementTree.fromstring(svg) for svg in re.findall(r"<svg .*?</svg>", page.read_text(), re.S)]


def test_a_page_of_several_runs_leaves_that_of_one_alone(runs: list[Path]) -> None:
    ended = hydranet("report", runs[0], runs[1], "--look", 0)
    assert (ended.code, ended.out.strip()) == (0, f"page: {runs[0] / 'comparison.html'}")


def test_one_run(runs: list[Path]) -> None:
    ended = hydranet("report", runs[0], "--look", 0)
    assert (ended.code, ended.out.strip()) == (0, f"page: {runs[0] / 'report.html'}")
    text = (runs[0] / "report.html").read_text()
    titles = ("Losses", "Weights of the balancer", "cosines", "gradients of the tasks", "gradient norm", "iou")
    for title in (*titles, "Scores while training", "Architecture", "Costs against networks of one task"):
        assert title in text
    assert "first &amp; best" in text
    assert "&lt;car&gt;" in text
    assert "http" not in text
    charts_of = [one for one in pictures(runs[0] / "report.html") if one.get("role") == "img"]
    assert len(charts_of) == 2 + 1 + 1 + 1 + 4 + 1 + 1 + 1 + 2


def test_several_runs_share_charts(runs: list[Path], tmp_path: Path) -> None:
    assert hydranet("report", *runs, "--out", tmp_path / "both.html").code == 0
    loss = next(one for one in pictures(tmp_path / "both.html") if one.get("role") == "img")
    assert [line.findtext("title") for line in loss.findall("polyline")] == list(NAMES)
    text = (tmp_path / "both.html").read_text()
    assert text.count('class="legend') == 1  # one for the whole page
    assert "<td>1</td><td>0.5</td>" in text


def measured(name: str, mae: float, road: float, images: int) -> Curves:
    scores = {"held-out": {"bright": {"mae": mae, "iou/road": road}}}
    protocol = {"held-out": {"bright": {"images": images}}}
    return Curves(
        name, [{"step": 1}], [], Report(name, scores, protocol, {"bright": ("mae", "lower")}), recipe=f"{mae}"
    )


def test_scores_that_were_measured_otherwise_are_not_compared() -> None:
    groups = grouped([measured("a", 0.5, 0.2, 9), measured("b", 0.4, 0.3, 9), measured("c", 0.1, 0.9, 2)])
    table = headlines(groups)
    assert re.findall(r"<td>(.*?)</td>", table) == ["1", "0.5", "–", "1", "<b>0.4</b>", "–", "1", "–", "0.1"]
    assert [title.split("-")[1] for title in re.findall(r"measured as (\S+?)<", table)] == ["9images", "2images"]
    assert [figure.title.partition(" measured as mae-")[2][:7] for figure in bars(groups)] == ["9images", "2images"]


def test_runs_of_one_name_in_two_folders_are_two() -> None:
    groups = grouped([measured("a", 0.5, 0.2, 9), measured("a", 0.4, 0.8, 9)])
    assert [group.name for group in groups] == ["a", "a (2)"]
    (chart,) = bars(groups)
    assert chart.key == ("a", "a (2)")
    assert re.findall(r">(0\.\d+)<", chart.svg) == ["0.2", "0.8"]


def test_a_run_given_twice_is_one_measurement(sweep: Path, tmp_path: Path) -> None:
    ended = hydranet("report", sweep, sweep / "lr-0.01-s0", "--out", tmp_path / "page.html")
    assert ended.code == 0, ended.err
    assert "<td>2</td><td>0.11 ± 0.14</td>" in (tmp_path / "page.html").read_text()


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as a sweep leaves it: two recipes, two seeds, evaluated at the end only; one run has not begun."""
    folder = tmp_path_factory.mktemp("sweep")
    for rate in (1e-2, 1e-3):
        for seed in (0, 1):
            recipe = replace(toy_recipe(steps=2, lr=rate), seed=seed, validation=())
            run = folder / f"lr-{rate}-s{seed}"
            scores = {"held-out": {"bright": {"mae": rate + 0.2 * seed}}}
            with RunLog(run) as log:
                for progress in train(recipe, run):
                    log.step(progress)
                report = Report(run.name, scores, {"held-out": {"bright": {}}}, {"bright": ("mae", "lower")})
                log.report(progress.step, report)
            report.save(run / "report")
    (folder / "lr-1-s0").mkdir()
    (folder / "lr-1-s0" / "recipe.json").write_text("{}")
    return folder


def test_seeds_of_a_recipe_are_one_line_with_a_band(sweep: Path) -> None:
    ended = hydranet("report", sweep)
    assert ended.code == 0, ended.err
    assert "1 runs have not begun and are not shown" in ended.out
    page = (sweep / "report.html").read_text()
    assert "lr-0.001 · lr-0.01" in page
    assert "<td>2</td><td><b>0.101 ± 0.14</b></td>" in page  # 0.001 and 0.201
    assert "<td>2</td><td>0.11 ± 0.14</td>" in page
    assert page.index('class="scores"') < page.index("Losses")
    loss = next(one for one in pictures(sweep / "report.html") if one.get("role") == "img")
    assert [line.findtext("title") for line in loss.findall("polyline")] == ["lr-0.001", "lr-0.01"]
    assert len(loss.findall("polygon")) == 2
    assert [run.name for run in grouped([curves(run) for run in runs_in(sweep)])] == ["lr-0.001", "lr-0.01"]


def test_a_band_reaches_from_the_least_to_the_greatest_repeat() -> None:
    line = Line("a", [1, 2, 3], [0.0, 1.0, 2.0], [([1, 2, 3], [4.0, 5.0, math.nan]), ([], [])])
    assert binned(line) == [charts.Stretch(1, 2.0, 0.0, 4.0), charts.Stretch(2, 3.0, 1.0, 5.0)]


def test_tasks_may_be_missing_in_some_steps(runs: list[Path], tmp_path: Path) -> None:
    run = curves(runs[0])
    for line in run.steps[1:4]:
        del line["losses"]["bright"], line["weights"]["bright"]
        line["cosines"] = {}
    run.steps[5]["gradient_norm"] = None
    write_page([run], sections([run]), tmp_path / "page.html")
    assert len(losses([Group("run", [run])])) == 2


def test_what_is_refused(tmp_path: Path) -> None:
    refused(hydranet("report", tmp_path), "no log of a run at .*give the folder of a run")
    (tmp_path / "log.jsonl").write_text("")
    refused(hydranet("report", tmp_path), "holds no step yet")


def test_long_series_become_stretches() -> None:
    y = [float(i % 10) for i in range(1000)]
    found = binned(Line("a", range(1000), y), 20)
    assert len(found) == 20
    assert all((s.low, s.mean, s.high) == (1.0, 4.5, 8.0) for s in found)
    assert sum(s.x for s in found) / 20 == pytest.approx(499.5)
    assert binned(Line("a", [0, 1], [math.nan, 2.0])) == [charts.Stretch(1, 2.0, 2.0, 2.0)]


def test_ticks_are_round() -> None:
    assert ticks(0, 1) == [0, 0.2, 0.4, 0.6, 0.8, 1.0]
    assert ticks(-1, 1, 4) == [-1, -0.5, 0, 0.5, 1]
    assert log_ticks(0.1, 10) == [0.1, 0.2, 0.5, 1, 2, 5, 10]
    assert log_ticks(1e-4, 1e2) == pytest.approx([1e-4, 1e-3, 1e-2, 1e-1, 1, 10, 100])
    assert [axis_label(v) for v in (0, 0.25, 1e-4, 2.5e-5, 123456, 40)] == [
        "0",
        "0.25",
        "1e-4",
        "2.5e-5",
        "1.2e5",
        "40",
    ]


def test_lines_lie_where_their_values_are() -> None:
    up = ElementTree.fromstring(line_chart([Line("a", [1, 2, 3], [0.0, 1.0, 2.0])])).find("polyline")
    assert up is not None
    points = [tuple(map(float, point.split(","))) for point in up.get("points", "").split()]
    assert [x for x, _ in points] == [charts.LEFT, (charts.LEFT + charts.WIDTH - charts.RIGHT) / 2, 448]
    assert points[0][1] - points[1][1] == pytest.approx(points[1][1] - points[2][1], abs=0.11)
    assert points[0][1] == charts.HEIGHT - charts.BOTTOM
    assert "nothing was measured" in line_chart([Line("a", [1], [math.nan])])
    assert "circle" in line_chart([Line("a", [1], [3.0])], log=True)


def test_bars_are_as_long_as_their_values() -> None:
    bars = ElementTree.fromstring(bar_chart(["road", "car", "sky"], {"a": [1.0, 0.5, math.nan]})).findall("rect")
    wide = [float(bar.get("width", "0")) for bar in bars]
    assert wide[1] == pytest.approx(wide[0] / 2, abs=0.1)
    assert wide[2] == 0


def test_damaged_lines_are_counted(runs: list[Path], tmp_path: Path) -> None:
    text = (runs[0] / "log.jsonl").read_text()
    (tmp_path / "log.jsonl").write_bytes(b'\xff\x00{\n[1]\n{"step": 3}\n' + text.encode() + b'{"step": 7, "los')
    ended = hydranet("report", tmp_path)
    assert ended.code == 0, ended.err
    assert ended.out.splitlines()[0] == f"{tmp_path / 'log.jsonl'}: 4 damaged lines were skipped"
    assert len(curves(tmp_path).steps) == len(curves(runs[0]).steps)
    (tmp_path / "log.jsonl").write_text("garbage\n")
    refused(hydranet("report", tmp_path), r"holds no step yet \(1 lines hold something else\)")
