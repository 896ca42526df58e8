"""Tables of sweeps: means, spreads and delta-m by hand; baselines that scored nothing; other protocols."""

import csv
import io
import json
import math

import pytest

from hydranet.core.ledger import Omission
from hydranet.evaluation.report import Report
from hydranet.evaluation.spread import mean_and_spread, spread
from hydranet.sweep.plan import SINGLE, Group, Plan, Trial, plan
from hydranet.sweep.results import results
from hydranet.sweep.table import columns, lines, markdown, notes
from toys import toy_recipe

HEADLINES = {"up": ("acc", "higher"), "down": ("mae", "lower")}


def report(images: int = 5, **scores: float) -> Report:
    """Scores of the tasks up (higher is better) and down (lower is better) on one source."""
    measured = {task: {HEADLINES[task][0]: value} for task, value in scores.items()}
    return Report("m", {"val": measured}, {"val": {t: {"images": images} for t in scores}}, HEADLINES)


def two_groups(baseline: str = "a") -> Plan:
    """Groups a and b with seeds 0 and 1; single-task networks beside them."""
    singles = {seed: {task: f"single-{task}-{seed}" for task in HEADLINES} for seed in (0, 1)}
    equal = "images" if baseline == SINGLE else ""
    groups = tuple(
        Group(name, {"balancer": name}, {0: f"{name}0", 1: f"{name}1"}, singles if equal else {}, equal)
        for name in "ab"
    )
    names = {name for group in groups for name in group.runs.values()} | {
        n for s in singles.values() for n in s.values()
    }
    recipe = toy_recipe()
    made = Plan("toy", tuple(Trial(name, recipe) for name in sorted(names)), groups, baseline)
    assert made.tasks == ("bright", "glow")
    object.__setattr__(made, "trials", tuple(Trial(name, _Tasks()) for name in sorted(names)))
    return made


class _Tasks:
    """A stand-in recipe: the tasks of these reports."""

    steps, batch = 10, 4
    tasks = tuple(type("Named", (), {"name": name})() for name in HEADLINES)


def test_delta_m_is_the_mean_relative_gain_seed_by_seed() -> None:
    made = results(
        two_groups(),
        {
            "a0": report(up=0.5, down=2.0),
            "a1": report(up=0.4, down=1.0),
            "b0": report(up=0.6, down=1.5),  # +20 % and +25 %
            "b1": report(up=0.3, down=1.1),  # -25 % and -10 %
        },
        {},
    )
    a, b = made.rows
    assert a.delta_m == {0: 0.0, 1: 0.0}
    assert b.delta_m == pytest.approx({0: 22.5, 1: -17.5})
    assert b.kept[("val", "up")] == pytest.approx({0: 1.2, 1: 0.75})
    assert b.kept[("val", "down")] == pytest.approx({0: 2 / 1.5, 1: 1 / 1.1})
    assert spread(b.delta_m.values()) == pytest.approx((2.5, 40 / math.sqrt(2)))
    assert mean_and_spread(b.scores[("val", "up")].values()) == "0.45 ± 0.21"
    assert mean_and_spread(b.delta_m.values(), "+.1f") == "+2.5 ± 28.3", "a spread has no sign"
    assert not made.ledger


@pytest.mark.parametrize("nothing", [0.0, math.nan])
def test_a_metric_in_which_the_baseline_scored_nothing_is_left_out_and_counted(nothing: float) -> None:
    reports = {
        "a0": report(up=nothing, down=2.0),
        "a1": report(up=0.4, down=1.0),
        "b0": report(up=0.6, down=1.5),
        "b1": report(up=0.3, down=1.1),
    }
    made = results(two_groups(), reports, {})
    assert made.rows[1].delta_m == pytest.approx({0: 25.0, 1: -10.0})  # of `down` alone, with both seeds
    assert made.ledger.count(Omission.NOT_COMPARED) == 1
    assert "val/up acc is not compared, 1 time: the baseline scored 0 or nothing (a0)" in notes(made)
    json.loads(made.to_json(), parse_constant=lambda word: pytest.fail(f"{word} in JSON"))


def test_where_the_baseline_scored_nothing_at_all_there_is_no_delta_m() -> None:
    made = results(two_groups(), {"a0": report(up=0.0), "b0": report(up=0.5)}, {"b1": "the loss is not finite"})
    assert made.rows[1].delta_m == {}
    assert [cells[-1] for cells in lines(made)] == ["0", "–"]
    assert "run b1 is not scored: the loss is not finite" in notes(made)


def test_a_run_that_scored_nothing_has_no_delta_m_and_says_so() -> None:
    made = results(two_groups(), {"a0": report(up=0.5, down=1.0), "b0": report(up=math.nan, down=1.0)}, {})
    assert math.isnan(made.rows[1].delta_m[0])
    assert "run b0 is not compared, 1 time: it scored nothing (up)" in notes(made)
    assert lines(made)[1][-1] == "–"


def test_runs_that_were_measured_otherwise_are_not_compared() -> None:
    made = results(two_groups(), {"a0": report(up=0.5), "b0": report(images=6, up=0.5)}, {})
    assert made.rows[1].delta_m == {}
    assert "run b0 is not compared, 1 time: measured in another way: val/up.images: 5 / 6" in notes(made)


def test_single_task_networks_make_a_row_and_a_share() -> None:
    reports = {
        **{f"single-{task}-{seed}": report(**{task: 0.5}) for task in HEADLINES for seed in (0, 1)},
        "b0": report(up=0.4, down=0.5),
        "b1": report(up=0.6, down=0.4),
    }
    made = results(two_groups(SINGLE), reports, {})
    assert [row.label for row in made.rows] == ["single-task networks", "a", "b"]
    assert made.rows[0].images == 2 * made.rows[2].images == 80
    assert made.rows[2].delta_m == pytest.approx({0: -10.0, 1: 20.0})
    table = lines(made)
    assert columns(made) == ["runs", "seeds", "images", "up acc ↑", "down mae ↓", "delta-m %"]
    assert table[0] == ["single-task networks", "2", "80", "0.5 ± 0", "0.5 ± 0", "0"]
    assert table[1][:4] == ["b", "2", "40", "0.5 ± 0.14 (100.0 ± 28.3 %)"]
    assert table[2][1] == "0"  # a is not finished


def test_unfinished_single_task_networks_make_no_delta_m() -> None:
    made = results(two_groups(SINGLE), {"single-up-0": report(up=0.5), "b0": report(up=0.4, down=0.5)}, {})
    assert made.rows[2].delta_m == {}


def test_two_sources_of_a_task_count_once() -> None:
    def twice(first: float, second: float, down: float) -> Report:
        scores = {"one": {"up": {"acc": first}, "down": {"mae": down}}, "two": {"up": {"acc": second}}}
        protocol = {source: {task: {"images": 1} for task in tasks} for source, tasks in scores.items()}
        return Report("m", scores, protocol, HEADLINES)

    made = results(two_groups(), {"a0": twice(0.5, 0.5, 1.0), "b0": twice(0.6, 0.7, 1.0)}, {})
    assert made.rows[1].delta_m[0] == pytest.approx(((20 + 40) / 2 + 0) / 2)
    assert columns(made)[3:5] == ["one up acc ↑", "two up acc ↑"]


def test_files_hold_every_value() -> None:
    made = results(two_groups(), {"a0": report(up=0.5, down=2.0), "b0": report(up=0.6, down=1.5)}, {})
    rows = list(csv.DictReader(io.StringIO(made.to_csv())))
    assert {(row["group"], row["metric"]): float(row["value"]) for row in rows} == {
        ("a", "acc"): 0.5,
        ("a", "mae"): 2.0,
        ("a", "delta_m"): 0.0,
        ("b", "acc"): 0.6,
        ("b", "mae"): 1.5,
        ("b", "delta_m"): 22.5,
    }
    assert {row["unit"] for row in rows if row["metric"] == "delta_m"} == {"%"}
    tree = json.loads(made.to_json())
    assert tree["rows"][1]["delta_m"] == {
        "mean": pytest.approx(22.5),
        "spread": None,
        "by_seed": {"0": pytest.approx(22.5)},
    }
    assert tree["rows"][1]["runs"] == {"0": ["b0"], "1": ["b1"]}


def test_names_of_a_user_do_not_break_the_table() -> None:
    made = plan(toy_recipe(), ["start=x|y,[bold]\x1b[0m"])
    text = markdown(results(made, {}, {}))
    assert "x\\|y" in text
    assert "\x1b" not in text
    assert all(
        line.count("|") - line.count("\\|") == len(columns(results(made, {}, {}))) + 1
        for line in text.splitlines()
        if line.startswith("|")
    )
