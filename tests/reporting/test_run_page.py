"""`hydranet report`: classes, confusion, the network and its costs, balance of data, extreme images, figures as PNG."""

import csv
import re
from dataclasses import dataclass, replace
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import cv2
import numpy as np
import pytest

from commands import hydranet
from dataset_folders import masks
from hydranet.annotations import ClassMap
from hydranet.config.recipe import Recipe
from hydranet.config.source import Source
from hydranet.core.dataset import Dataset
from hydranet.core.sample import DataError, Sample
from hydranet.data.balance import balance
from hydranet.evaluation.evaluate import EvaluatedImage, evaluate
from hydranet.evaluation.extremes import Extremes, Scored, extremes
from hydranet.evaluation.report import Report
from hydranet.models.architecture import architecture
from hydranet.models.summary import alone, count
from hydranet.reporting.curves import curves
from hydranet.reporting.figure import Figure
from hydranet.reporting.network_sections import diagram
from hydranet.tasks.semantic.task import Semantic
from hydranet.training.log import RunLog
from hydranet.training.train import train
from hydranet.visualization.charts import COLORS, Line, bar_chart, line_chart
from hydranet.visualization.diagram import cost
from hydranet.visualization.matrix_chart import confusion_chart
from hydranet.visualization.rasterize import rasterize
from toys import Noise, toy_recipe

CLASSES = ("dark", "middle", "light")


@dataclass(frozen=True)
class Grays(Dataset):
    """Images of one gray, darker or lighter, with their class; every second has no label of it."""

    count: int = 6
    labels: tuple[str, ...] = ("shade", "bright", "glow")

    @property
    def classes(self) -> dict[str, tuple[str, ...]]:
        return {"shade": CLASSES}

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Sample:
        sample = Noise(count=self.count)[index]
        if index % 2:
            return sample
        return sample.but(labels={**sample.labels, "shade": ClassMap(np.full(sample.size, index // 2 % 3, np.uint8))})


def recipe_of_grays() -> Recipe:
    source = Source("grays", Grays(), (32, 64))
    recipe = toy_recipe((source, Source("noise", Noise(count=4), (32, 64), weight=3.0)), steps=2)
    held = replace(source, name="held-out", dataset=Grays(count=5))
    return replace(recipe, tasks=(Semantic("shade", CLASSES), *recipe.tasks), validation=(held,))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two steps of three tasks, evaluated."""
    folder = tmp_path_factory.mktemp("runs") / "grays"
    recipe = recipe_of_grays()
    with RunLog(folder) as log:
        for progress in train(recipe, folder):
            log.step(progress)
    report = list(evaluate(progress.run.evaluated(), recipe.validation, name="grays"))[-1]
    assert isinstance(report, Report)
    report.save(folder / "report")
    return folder


class Tags(HTMLParser):
    """Which tags are open at the end."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_of_one_run_has_everything_in_one_file(run: Path, tmp_path: Path) -> None:
    ended = hydranet("report", run, "--out", tmp_path / "page.html", "--look", 4, "--figures", tmp_path / "figures")
    assert ended.code == 0, ended.err
    text = (tmp_path / "page.html").read_text()
    for heading in (
        "Losses",
        "Scores by class",
        "Confusion",
        "Architecture",
        "Costs against networks of one task",
        "Balance of the training data",
        "Worst and best images",
    ):
        assert f"<h2>{heading}</h2>" in text
    assert not re.search(r'(src|href)="(?!data:)', text)  # nothing is loaded from elsewhere
    tags = Tags()
    tags.feed(text)
    assert tags.open == []
    assert "From samples spread over each source: grays 4 of 6, noise 4 of 4." in text
    assert "held-out: shade, miou ↑ of single images, 2 of 5 looked at" in text
    for svg in re.findall(r"<svg .*?</svg>", text, re.S):
        ElementTree.fromstring(svg)
    images = sorted((tmp_path / "figures").iterdir())
    assert f"{len(images)} figures: {tmp_path / 'figures'}" in ended.out
    assert images[0].name == "01-bright-loss.png"
    assert all(path.suffix == ".png" and cv2.imread(str(path)).std() > 1 for path in images)
    assert len(images) == text.count('role="img"')


def test_confusion_is_in_the_report_its_csv_and_the_page(run: Path) -> None:
    report = curves(run).report
    assert report is not None
    counts = np.array(report.confusion["held-out"]["shade"])
    assert counts.shape == (3, 4)
    assert counts.sum(1).tolist() == [32 * 64] * 3  # images 0, 2 and 4 have one class each
    assert counts.trace() / counts.sum() == pytest.approx(report.scores["held-out"]["shade"]["pixel_accuracy"])
    with open(run / "report.csv") as file:
        rows = {tuple(row[:3]): row[3] for row in csv.reader(file)}
    assert rows["held-out", "shade", "confusion/light/none"] == "0"
    assert int(rows["held-out", "shade", "confusion/dark/dark"]) == counts[0, 0]
    again = Report.from_json(report.to_json())
    assert again.confusion == report.confusion
    broken = report.to_json().replace('"classes": [\n', '"classes": [\n"more",', 1)
    with pytest.raises(DataError, match="confusion of held-out/shade is no table of 4 classes"):
        Report.from_json(broken)


def test_several_runs_are_side_by_side_and_looked_into_when_asked(run: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    recipe = replace(recipe_of_grays(), optim=replace(recipe_of_grays().optim, lr=0.5))
    with RunLog(other) as log:
        for progress in train(recipe, other):
            log.step(progress)
    report = list(evaluate(progress.run.evaluated(), recipe.validation, name="other"))[-1]
    assert isinstance(report, Report)
    report.save(other / "report")
    assert hydranet("report", run, other, "--out", tmp_path / "both.html").code == 0
    text = (tmp_path / "both.html").read_text()
    assert "grays, held-out: shade</figcaption>" in text
    assert "other, held-out: shade</figcaption>" in text
    assert "Architecture" not in text
    assert hydranet("report", run, other, "--out", tmp_path / "both.html", "--look", 1).code == 0
    text = (tmp_path / "both.html").read_text()
    assert "<h2>Architecture of grays</h2>" in text
    assert "<h2>Architecture of other</h2>" in text


def test_a_run_whose_images_are_gone_still_has_its_page(tmp_path: Path) -> None:
    whole = masks(tmp_path / "data")
    source = Source("masks", whole, (32, 64))
    recipe = replace(toy_recipe((source,), steps=2), tasks=(Semantic("semantic", whole.names),), validation=(source,))
    with RunLog(tmp_path / "run") as log:
        for progress in train(recipe, tmp_path / "run"):
            log.step(progress)
    (tmp_path / "data").rename(tmp_path / "gone")
    ended = hydranet("report", tmp_path / "run")
    assert ended.code == 0, ended.err
    assert "the page is without the network and images of" in ended.out
    assert "no data folder" in ended.out
    assert "Losses" in (tmp_path / "run/report.html").read_text()


def test_architecture_has_shapes_and_costs_that_add_up() -> None:
    model = recipe_of_grays().build()
    built = architecture(model, (64, 96))
    assert [node.name for node in built.trunk] == ["encoder", "decoder"]
    assert built.trunk[0].outputs == ((8, 4, 6), (8, 2, 3))
    assert built.trunk[1].outputs == ((6, 4, 6), (6, 2, 3))
    assert [node.name for node in built.heads] == ["head shade", "head bright", "head glow"]
    assert built.heads[1].outputs == ((1,),)
    assert sum(node.parameters for node in (*built.trunk, *built.heads)) == built.whole.parameters == count(model)
    drawn = ElementTree.fromstring(diagram(built))
    words = [text.text for text in drawn.findall("text")]
    assert {"image", "3 x 64 x 96", "8 x 4 x 6", "head glow", "ToyEncoder"} <= set(words)
    assert len(drawn.findall("rect")) == 1 + 2 + 3
    assert len(drawn.findall("line")) == 2 + 3


def test_costs_are_those_of_networks_of_one_task() -> None:
    recipe = recipe_of_grays()
    model = recipe.build()
    for line in alone(model, (32, 64)):
        single = replace(recipe, tasks=tuple(task for task in recipe.tasks if task.name == line.name)).build()
        assert line.parameters == count(single)
    assert cost(1_810_000, 412_000_000) == "1.81 M parameters, 0.412 GMAC"
    assert cost(641, 2_130_000) == "641 parameters, 2.13 MMAC"


def test_balance_counts_what_training_draws() -> None:
    grays, noise = balance(recipe_of_grays(), limit=100)
    assert (grays.share, noise.share) == (0.25, 0.75)
    assert grays.labeled == {"shade": 3, "bright": 6, "glow": 6}
    assert noise.labeled == {"shade": 0, "bright": 4, "glow": 4}
    assert grays.classes == {"shade": (2048, 2048, 2048)}
    assert noise.classes == {}
    few = next(balance(recipe_of_grays(), limit=2))
    assert (few.looked_at, few.samples) == (2, 6)


@pytest.mark.parametrize(("better", "worst", "best"), [("lower", [9, 8], [0, 1]), ("higher", [0, 1], [9, 8])])
def test_extremes_keep_the_ends(better: str, worst: list[int], best: list[int]) -> None:
    one = Extremes("held-out", "depth", "error", better, 10)
    image = Sample(np.zeros((4, 4, 3), np.uint8))
    for value in np.random.default_rng(0).permutation(10):
        one.add(Scored(float(value), EvaluatedImage(image.but(key=str(value)), {}, 1, 1)), keep=2)
    assert [scored.value for scored in one.worst] == worst
    assert [scored.value for scored in one.best] == best
    assert one.looked_at == 10


def test_extremes_of_a_network_are_those_of_its_single_images() -> None:
    recipe = recipe_of_grays()
    model = recipe.build()
    every = [one for one in extremes(model, recipe.validation, 10, keep=1) if isinstance(one, Extremes)]
    by_task = {one.task: one for one in every}
    assert set(by_task) == {"shade", "bright", "glow"}
    errors = {}
    for index in range(5):
        one = replace(recipe.validation[0], dataset=Only(recipe.validation[0].dataset, index))
        report = list(evaluate(model, (one,)))[-1]
        assert isinstance(report, Report)
        errors[str(index)] = report.scores["held-out"]["bright"]["mae"]
    worst, best = by_task["bright"].worst[0], by_task["bright"].best[0]
    assert worst.value == pytest.approx(max(errors.values()))
    assert errors[worst.image.sample.key] == max(errors.values())
    assert errors[best.image.sample.key] == min(errors.values())


@dataclass(frozen=True)
class Only(Dataset):
    """One sample of another data set."""

    dataset: Dataset
    index: int

    @property
    def classes(self) -> dict[str, tuple[str, ...]]:
        return dict(self.dataset.classes)

    def __len__(self) -> int:
        return 1

    def __getitem__(self, index: int) -> Sample:
        return self.dataset[self.index]


# --- figures --------------------------------------------------------------------------------------------------------


def rgb(color: str) -> tuple[int, int, int]:
    return int(color[1:3], 16), int(color[3:5], 16), int(color[5:], 16)


def test_bars_have_their_lengths_in_the_image() -> None:
    image = rasterize(bar_chart(["road", "car"], {"": [1.0, 0.5]}), scale=2)
    blue = (image == rgb(COLORS[0])).all(2)
    rows = blue.sum(1)
    long, short = rows.max(), rows[rows > 0].min()
    assert blue.any()
    assert abs(np.median(rows[:32][rows[:32] > 0]) / np.median(rows[40:][rows[40:] > 0]) - 2) < 0.05
    assert long > short


def test_a_line_goes_through_its_values() -> None:
    image = rasterize(line_chart([Line("a", [0, 1, 2], [0.0, 1.0, 2.0])]), scale=1)
    blue = np.abs(image.astype(int) - rgb(COLORS[0])).sum(2) < 60
    rows, columns = blue.nonzero()
    assert image.shape == (240, 460, 3)
    assert abs(np.polyfit(columns, rows, 1)[0] + (240 - 26 - 10) / 1.1 / (460 - 52 - 12)) < 0.05


def test_confusion_is_darker_where_more_is_confused() -> None:
    chart = confusion_chart(["a", "b"], [[90, 10, 0], [0, 0, 0]])
    root = ElementTree.fromstring(chart)
    cells = [float(rect.get("fill-opacity", 0)) for rect in root.findall("rect")]
    assert cells == pytest.approx([0.81, 0.09, 0, 0])
    assert [text.text for text in root.findall("text") if (text.text or "").isdigit()] == ["90", "10"]
    assert len(ElementTree.fromstring(confusion_chart(["a"], [[1, 1]])).findall("rect")) == 2  # the column of none
    dark = rasterize(chart, scale=2)
    assert (np.abs(dark.astype(int) - (0.81 * np.array(rgb(COLORS[0])) + 0.19 * 255)).sum(2) < 6).sum() > 500


def test_dashes_bands_and_turned_words_are_drawn() -> None:
    many = [Line(str(i), [0, 1], [i, i]) for i in range(8)]
    image = rasterize(line_chart(many), scale=2)
    whole = rasterize(line_chart(many[:7]), scale=2)
    assert image.shape == whole.shape
    dashed = (np.abs(image.astype(int) - rgb(COLORS[0])).sum(2) < 40).any(0)
    assert dashed.any()
    band = rasterize(line_chart([Line("a", [0, 1], [1.0, 2.0], [([0, 1], [3.0, 4.0])])]), scale=1)
    pale = (255 * 0.87 + np.array(rgb(COLORS[0])) * 0.13).round()
    assert (np.abs(band - pale).sum(2) < 8).sum() > 5000
    with pytest.raises(ValueError, match="got a <path> in a chart, expected rect"):
        rasterize('<svg viewBox="0 0 9 9"><path d="M0 0"/></svg>')


def test_a_figure_alone_says_what_it_shows() -> None:
    lines = [Line("first", [0, 1], [0.0, 1.0]), Line("second", [0, 1], [1.0, 0.0])]
    chart = line_chart(lines)
    figure = Figure("held-out: depth ↓", chart, ("first", "second"))
    image = figure.image(scale=1)
    assert image.shape[0] > rasterize(chart, 1).shape[0] + 30  # a title and a key
    assert image.shape[1] == 460
    assert Figure("t", chart, ("first",)).html().count("legend") == 0
    assert 'class="legend"' in figure.html()
    assert 'class="legend"' not in replace(figure, shared_key=True).html()


def test_a_line_of_which_nothing_was_measured_is_left_out_of_the_image() -> None:
    nan = float("nan")
    lines = [Line(f"run {i}", (1.0, 2.0), (nan, nan) if i % 7 == 3 else (0.2, 0.5)) for i in range(16)]  # solid, dashed
    chart = line_chart(lines)
    assert chart.count("<polyline") == 14
    assert rasterize(chart).shape[2] == 3
