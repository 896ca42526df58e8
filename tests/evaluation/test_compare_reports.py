"""Reports are compared only where they were measured in the same way."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from hydranet.core.sample import DataError
from hydranet.evaluation.compare import NotComparable, changes
from hydranet.evaluation.report import Report, read_report

ONE = Report(
    "a",
    {"val": {"seg": {"miou": 0.5, "iou/car": 0.4}, "far": {"abs_rel": 0.2}}},
    {"val": {"seg": {"classes": ["car", "road"], "images": 3}, "far": {"range_m": [1, 80], "images": 3}}},
    {"seg": ("miou", "higher"), "far": ("abs_rel", "lower")},
)
OTHER = replace(ONE, model="b", scores={"val": {"seg": {"miou": 0.6, "iou/car": 0.3}, "far": {"abs_rel": 0.3}}})


def test_differences_have_a_direction() -> None:
    found = {change.metric: change for change in changes(ONE, OTHER)}
    assert found["miou"].difference == pytest.approx(0.1)
    assert found["miou"].better is True
    assert found["abs_rel"].better is False
    assert "iou/car" not in found
    assert "iou/car" in {change.metric for change in changes(ONE, OTHER, every=True)}


def test_other_classes_are_refused_and_named() -> None:
    protocol = {"val": {**ONE.protocol["val"], "seg": {"classes": ["car"], "images": 3}}}
    with pytest.raises(NotComparable, match=r"val/seg.classes: \['car', 'road'\] / \['car'\]"):
        changes(ONE, replace(OTHER, protocol=protocol))


def test_nothing_in_common() -> None:
    with pytest.raises(NotComparable, match="nothing in common: one has val/seg, val/far, the other test/seg"):
        changes(ONE, replace(OTHER, protocol={"test": {"seg": {}}}))


def test_reports_come_from_runs_and_files(tmp_path: Path) -> None:
    ONE.save(tmp_path / "report")
    assert read_report(tmp_path) == read_report(tmp_path / "report.json") == ONE
    with pytest.raises(DataError, match="make one with `hydranet evaluate"):
        read_report(tmp_path / "nowhere")


def test_a_score_that_is_no_number_is_not_better() -> None:
    protocol = {"val": {"far": {}}}
    first, second = replace(ONE, protocol=protocol), replace(OTHER, protocol=protocol)
    second = replace(second, scores={"val": {"far": {"abs_rel": float("nan")}}})
    assert [change.better for change in changes(first, second)] == [None]


def test_every_measurement_has_an_id_that_people_can_read() -> None:
    ids = ONE.protocol_ids
    assert re.fullmatch(r"miou-2classes-3images-[0-9a-f]{12}", ids["val"]["seg"])
    assert re.fullmatch(r"abs_rel-3images-[0-9a-f]{12}", ids["val"]["far"])
    assert json.loads(ONE.to_json())["protocol_ids"] == ids == OTHER.protocol_ids
    fewer = {"val": {**ONE.protocol["val"], "seg": {"classes": ["car", "road"], "images": 4}}}
    changed = replace(ONE, protocol=fewer).protocol_ids["val"]
    assert changed["seg"] != ids["val"]["seg"]
    assert changed["far"] == ids["val"]["far"]


@pytest.mark.parametrize("content", [b"{", b'{"scores": "none"}', b"\xff\xfe"])
def test_a_damaged_report_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "report.json").write_bytes(content)
    with pytest.raises(
        DataError, match=rf"{tmp_path}/report.json is damaged.*again with `hydranet evaluate {tmp_path}`"
    ):
        read_report(tmp_path)
