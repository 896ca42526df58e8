"""COCO's keypoints: points, boxes, areas and crowds as written; counterparts by name; what is wrong is named."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dataset_folders import coco_keypoints
from hydranet.core.ledger import Omission
from hydranet.core.sample import DataError
from hydranet.datasets.coco_keypoints import CocoKeypoints, mirror_of


def changed(root: Path, table: str, row: int, **values: Any) -> CocoKeypoints:
    dataset = coco_keypoints(root)
    file = root / dataset.annotations
    tree = json.loads(file.read_text())
    tree[table][row] |= values
    file.write_text(json.dumps(tree))
    return dataset


def test_what_is_written_is_read(tmp_path: Path) -> None:
    dataset = coco_keypoints(tmp_path)
    label = dataset[0].labels["keypoints"]
    assert label.xy[0].tolist() == [[5, 4], [9, 4], [0, 0]]
    assert label.visible.tolist() == [[2, 1, 0], [0, 0, 0], [0, 0, 0]]
    assert label.area.tolist() == [30.5, 12, 60]
    assert label.xyxy[0].tolist() == [2, 3, 12, 8]
    assert label.ignore.tolist() == [False, False, True]
    assert label.mirror == (1, 0, 2)
    assert len(dataset[1].labels["keypoints"].xy) == 0, "somebody looked, and nobody is there"
    assert not dataset.ledger()


def test_counterparts_follow_from_names() -> None:
    assert mirror_of(("nose", "left_eye", "right_eye", "left_ear")) == (0, 2, 1, 3)


@pytest.mark.parametrize(
    ("table", "values", "sentence"),
    [
        ("annotations", {"num_keypoints": 3}, "annotation 0: num_keypoints 3, but 2 points have v > 0"),
        ("annotations", {"keypoints": [1, 2, 3]}, "annotation 0: keypoints .*expected 9 finite numbers"),
        ("annotations", {"keypoints": [5, 4, 7, 9, 4, 1, 0, 0, 0]}, "a visibility or a place that cannot be"),
        ("annotations", {"image_id": 9}, "no image has id 9"),
        ("annotations", {"area": -1}, "area -1, expected square pixels"),
        ("annotations", {"bbox": [1, 1, -2, 2]}, "expected left, top, width, height"),
        ("categories", {"name": "dog"}, "has 0 categories 'person'"),
        ("categories", {"keypoints": None}, "has keypoints None"),
        ("images", {"height": 25}, "states 32x25 pixels for a.jpg, the image has 32x24"),
        ("images", {"id": 3}, "image id 3 occurs more than once"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, table: str, values: dict[str, Any], sentence: str) -> None:
    dataset = changed(tmp_path, table, 0, **values)
    with pytest.raises(DataError, match=sentence):
        dataset[0]
    if table == "annotations":
        skipping = replace(dataset, on_error="skip")
        assert len(skipping[0].labels["keypoints"].xy) == 2
        assert skipping.ledger().count(Omission.LABEL_IGNORED) == 1


def test_points_outside_and_other_categories_are_counted(tmp_path: Path) -> None:
    outside = changed(tmp_path, "annotations", 0, keypoints=[5, 4, 2, 99, 4, 1, 0, 0, 0])
    sample = outside[0]
    assert np.asarray(sample.labels["keypoints"].visible)[0].tolist() == [2, 0, 0]
    assert sample.ledger.count(Omission.LABEL_IGNORED) == 1
    other = changed(tmp_path, "annotations", 0, category_id=2)
    assert len(other[0].labels["keypoints"].xy) == 2
    assert other.ledger().count(Omission.LABEL_IGNORED) == 1
