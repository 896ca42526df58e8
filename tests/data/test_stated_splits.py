"""Splits that a folder states, in folders or in lists, are kept: what is for validation is never trained on."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from hydranet.core.dataset import Dataset
from hydranet.data.recognition.folder import Answers, Recognized
from hydranet.data.recognize import recognize
from hydranet.datasets.folder_part import FolderPart
from hydranet.datasets.image_list import ImageList


def yolo(root: Path, *names: str) -> None:
    """Images and labels of YOLO below `images` and `labels`."""
    for i, name in enumerate(names):
        for folder in ("images", "labels"):
            (root / folder / name).parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(root / f"images/{name}.png"), np.full((24, 32, 3), 10 * i, np.uint8))
        (root / f"labels/{name}.txt").write_text("0 .5 .5 .3 .3\n")


def one(root: Path) -> Recognized:
    (part,) = recognize(root, Answers(classes={"": ("car",)}))
    return part


def stems(dataset: Dataset | None) -> list[str]:
    assert dataset is not None
    return sorted(Path(sample.key).stem for sample in dataset)


def test_folders_called_train_and_val(tmp_path: Path) -> None:
    yolo(tmp_path, "train/a", "train/b", "Valid/c", "test/d")
    part = one(tmp_path)
    assert (stems(part.dataset), stems(part.validation)) == (["a", "b"], ["c"])
    assert "folders split them: train 2, valid 1; 1 other (test) not used" in part.why


def test_without_validation_test_is_scored(tmp_path: Path) -> None:
    yolo(tmp_path, "train/a", "train/b", "test/c")
    part = one(tmp_path)
    assert (stems(part.dataset), stems(part.validation)) == (["a", "b"], ["c"])


@pytest.mark.parametrize(
    "names", [("train/a", "other/b"), ("train/a", "train/b"), ("val/train/a", "train/val/b"), "ab"]
)
def test_other_folders_state_no_split(tmp_path: Path, names: tuple[str, ...]) -> None:
    yolo(tmp_path, *names)
    part = one(tmp_path)
    assert (stems(part.dataset), part.validation) == (["a", "b"], None)


def test_lists_called_train_and_val(tmp_path: Path) -> None:
    yolo(tmp_path, *"abcde")
    (tmp_path / "train.txt").write_text("./images/a.png\n./images/b.png\n")
    (tmp_path / "val.txt").write_text("./images/c.png\n./images/lost.png\n")
    (tmp_path / "test.txt").write_text("./images/d.png\n")
    part = one(tmp_path)
    assert isinstance(part.dataset, ImageList)
    assert part.dataset.file == "train.txt"
    assert (stems(part.dataset), stems(part.validation)) == (["a", "b"], ["c"])
    assert "lists split them: train.txt 2, val.txt 1; 2 others (test) not used" in part.why
    assert part.validation is not None
    assert "1 image left out, a line that means no single image (./images/lost.png)" in str(
        part.validation.ledger().sentences()
    )


def test_lists_that_share_an_image_state_no_split(tmp_path: Path) -> None:
    yolo(tmp_path, *"abc")
    for name in ("train", "val"):
        (tmp_path / f"{name}.txt").write_text("images/a.png\nimages/b.png\n")
    assert one(tmp_path).validation is None


def test_a_label_of_an_image_called_test_is_no_list(tmp_path: Path) -> None:
    yolo(tmp_path, "test", "b")
    assert stems(one(tmp_path).dataset) == ["b", "test"]


def test_lists_of_pascal_voc(tmp_path: Path) -> None:
    for i, name in enumerate("abc"):
        for folder in ("JPEGImages", "Annotations", "ImageSets/Main"):
            (tmp_path / folder).mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(tmp_path / f"JPEGImages/{name}.jpg"), np.full((24, 32, 3), 40 * i, np.uint8))
        box = "<bndbox><xmin>2</xmin><ymin>3</ymin><xmax>9</xmax><ymax>8</ymax></bndbox>"
        text = f"<annotation><object><name>car</name>{box}</object></annotation>"
        (tmp_path / f"Annotations/{name}.xml").write_text(text)
    (tmp_path / "ImageSets/Main/train.txt").write_text("a\nc\n")
    (tmp_path / "ImageSets/Main/val.txt").write_text("b\n")
    part = one(tmp_path)
    assert (stems(part.dataset), stems(part.validation)) == (["a", "c"], ["b"])


def test_a_folder_that_no_image_lies_in(tmp_path: Path) -> None:
    yolo(tmp_path, "train/a", "val/b")
    whole = one(tmp_path).dataset
    assert isinstance(whole, FolderPart)
    with pytest.raises(ValueError, match=r"none of the 2 images lies in a folder 'dev'; check the names"):
        len(FolderPart(whole.dataset, ("dev",)))
