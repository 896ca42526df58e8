"""Scores are properties of network and data: not of the batch size, not of the network's input size."""

import json
import math
from dataclasses import dataclass, replace

import numpy as np
import pytest

from hydranet.annotations import ClassMap
from hydranet.config.source import Source
from hydranet.core.ledger import Ledger, Omission
from hydranet.core.sample import DataError, Sample
from hydranet.evaluation.compare import NotComparable, changes
from hydranet.evaluation.evaluate import MetricAccumulator, evaluate
from hydranet.evaluation.report import Report
from hydranet.tasks.semantic.task import Semantic
from toys import Noise, toy_recipe

SOURCES = (
    Source("even", Noise(count=5, seed=1), (32, 64)),
    Source("odd", Noise(count=3, seed=2, size=(33, 71), labels=("glow",), holes=0.0), (32, 64)),
)


@dataclass(frozen=True)
class Stored(Noise):
    """Noise from a folder; the folder `corrected` has one other label."""

    root: str = ""

    def __getitem__(self, index: int) -> Sample:
        sample = super().__getitem__(index)
        if self.root == "corrected" and index == 2:
            sample.labels["glow"].values[3, 3] = 0.25
        return sample


def report(batch: int = 4, sources: tuple[Source, ...] = SOURCES) -> Report:
    last = list(evaluate(toy_recipe().build(), sources, name="toy", batch=batch))[-1]
    assert isinstance(last, Report)
    return last


def test_scores_do_not_depend_on_the_batch_size() -> None:
    one, many = report(1), report(5)
    assert one.protocol == many.protocol
    for source, tasks in one.scores.items():
        for task, metrics in tasks.items():
            assert metrics == pytest.approx(many.scores[source][task], rel=1e-5)


def test_every_source_is_scored_for_what_it_labels() -> None:
    found = report()
    assert {source: set(tasks) for source, tasks in found.scores.items()} == {
        "even": {"bright", "glow"},
        "odd": {"glow"},
    }
    assert found.protocol["even"]["bright"]["images"] == 5
    assert found.protocol["odd"]["glow"]["images"] == 3


def test_predictions_have_the_labels_own_resolution() -> None:
    *seen, _ = evaluate(toy_recipe().build(), SOURCES[1:])
    assert [one.predictions["glow"].values.shape for one in seen] == [(33, 71)] * 3
    assert (seen[-1].done, seen[-1].total) == (3, 3)


def test_report_survives_json_and_csv() -> None:
    found = report()
    again = Report.from_json(found.to_json())
    assert again == found
    assert again.protocol_hash == found.protocol_hash
    rows = [line.split(",") for line in found.to_csv().splitlines()]
    assert rows[0] == ["source", "task", "metric", "value", "unit"]
    assert {tuple(row[:3]) for row in rows[1:]} == {
        ("even", "bright", "mae"),
        ("even", "glow", "mae"),
        ("odd", "glow", "mae"),
    }
    assert float(rows[1][3]) == pytest.approx(found.scores["even"][rows[1][1]]["mae"], rel=1e-5)


def test_not_a_number_becomes_null_and_comes_back() -> None:
    found = replace(report(), scores={"even": {"glow": {"mae": math.nan}}})
    text = found.to_json()
    assert json.loads(text)["scores"]["even"]["glow"]["mae"] is None
    assert math.isnan(Report.from_json(text).scores["even"]["glow"]["mae"])


def test_the_hash_is_of_the_protocol_alone() -> None:
    found = report()
    other = {source: {task: {"mae": np.pi} for task in tasks} for source, tasks in found.scores.items()}
    assert replace(found, scores=other, model="other").protocol_hash == found.protocol_hash
    larger = report(sources=(replace(SOURCES[0], size=(64, 64)),))
    assert larger.protocol_hash == report(sources=SOURCES[:1]).protocol_hash, "scores have the label's resolution"
    assert report(sources=SOURCES[:1]).protocol_hash != found.protocol_hash


def test_what_is_no_report() -> None:
    for text in ("{", "[]", "{}", '{"protocol_hash": 1}'):
        with pytest.raises(DataError, match="this is no report of `hydranet evaluate`"):
            Report.from_json(text)


def test_nothing_to_evaluate() -> None:
    sources = (Source("bare", Noise(labels=()), (32, 64)),)
    with pytest.raises(DataError, match=r"nothing to evaluate: sources \['bare'\] hold no label for bright, glow"):
        list(evaluate(toy_recipe().build(), sources))


def test_other_data_of_the_same_names_are_not_comparable() -> None:
    def on(dataset: Noise) -> Report:
        return report(sources=(Source("even", dataset, (32, 64)),))

    here = on(Stored(root="here"))
    assert on(Stored(root="there")).protocol == here.protocol, "where the files are is no matter"
    for other in (Stored(root="corrected"), Stored(root="here", holes=0.2)):
        with pytest.raises(
            NotComparable, match=r"even/glow.data_digest: .*other options of the data set, or other labels"
        ):
            changes(here, on(other))
    alone = on(Stored(root="here", labels=("glow",)))
    assert alone.protocol["even"]["glow"] == here.protocol["even"]["glow"], "which other labels are read is no matter"


def test_older_reports_are_comparable_to_each_other_alone() -> None:
    new = report()
    without = {
        source: {task: {k: v for k, v in how.items() if k != "data_digest"} for task, how in tasks.items()}
        for source, tasks in new.protocol.items()
    }
    old = replace(new, protocol=without)
    assert changes(old, old)
    with pytest.raises(NotComparable, match="the second report is of an older HydraNet and does not say on which data"):
        changes(new, old)


def test_classes_that_no_label_holds_are_said_beside_the_score() -> None:
    ledger = Ledger().noted(Omission.CLASS_NOT_MEASURED, "street, seg", "in no label", "lane")
    scores, protocol = (
        {"street": {"seg": {"miou": 1.0}}},
        {"street": {"seg": {"classes": ["road", "lane"], "images": 3}}},
    )
    report = Report("net", scores, protocol, {"seg": ("miou", "higher")}, ledger)
    assert report.measured("street", "seg") == "1 of 2 classes measured"
    again = Report.from_json(report.to_json())
    assert again == report
    assert replace(report, ledger=Ledger()).measured("street", "seg") == ""
    assert again.protocol_hash == replace(report, ledger=Ledger()).protocol_hash
    older = json.loads(report.to_json())
    del older["ledger"]
    assert Report.from_json(json.dumps(older)) == replace(report, ledger=Ledger())


def test_an_evaluation_counts_the_classes_of_its_labels() -> None:
    task = Semantic("seg", ("road", "lane"))
    accumulator = MetricAccumulator([task])
    road = ClassMap(np.zeros((32, 64), np.uint8))
    accumulator.add(Sample(np.zeros((32, 64, 3), np.uint8), {"seg": road}, key="a"), {"seg": road})
    assert accumulator.omissions("street").sentences() == ["street, seg: 1 class not measured, in no label (lane)"]
