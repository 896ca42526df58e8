"""Where people keep YOLO's text files: beside the images of each part, with readmes and a data.yaml."""

from pathlib import Path

import pytest

from foreign_layouts import HEIGHT, WIDTH, scene, write
from hydranet.annotations import Boxes
from hydranet.core.spec import SpecError
from hydranet.data.recognize import Answers, recognize
from hydranet.datasets.folder_part import FolderPart
from hydranet.datasets.yolo import Yolo

YAML = "train: ../train/images\nval: ../valid/images\n\nnc: 2\nnames: ['car', 'person']\n\nroboflow:\n  version: 1\n"


def by_parts(root: Path, line: str = "{} 0.5 0.25 0.5 0.5") -> Path:
    """train/images, train/labels, valid/images, valid/labels, as Roboflow exports them."""
    for part, count in (("train", 5), ("valid", 3)):
        for i in range(count):
            name = f"{part}_{i}_jpg.rf.{i}a0"
            write(root / part / f"images/{name}.jpg", scene(10 * count + i)[0])
            (root / part / "labels").mkdir(parents=True, exist_ok=True)
            (root / part / f"labels/{name}.txt").write_text(line.format(i % 2) + "\n")
    (root / "data.yaml").write_text(YAML)
    (root / "README.roboflow.txt").write_text("cars - v1\n=========\nThis dataset was exported via roboflow.com\n")
    return root


def test_parts_with_images_and_labels_inside(tmp_path: Path) -> None:
    (one,) = recognize(by_parts(tmp_path), Answers())
    assert isinstance(one.dataset, FolderPart)
    assert one.dataset.dataset == Yolo(str(tmp_path), ("car", "person"), ".", ".", {"images/": "labels/"})
    assert "train 5, valid 3" in one.why
    keys = [one.dataset[i].key for i in range(len(one.dataset))]
    assert keys == [f"train/images/train_{i}_jpg.rf.{i}a0.jpg" for i in range(5)]
    boxes = one.dataset[3].labels["detection"]
    assert isinstance(boxes, Boxes)
    assert boxes.xyxy.tolist() == [[WIDTH / 4, 0, WIDTH * 3 / 4, HEIGHT / 2]]
    assert boxes.label.tolist() == [1]
    assert not one.dataset.dataset.ledger().ranked()


def test_outlines_are_named(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"more than four numbers per line \(YOLO's outlines or points\).*export"):
        recognize(by_parts(tmp_path, "{} 0.1 0.1 0.5 0.1 0.5 0.6"), Answers())
