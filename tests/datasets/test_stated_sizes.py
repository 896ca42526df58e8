"""Label files that state the size of their image: turned or scaled with it, or a sentence."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hydranet.core.dataset import Dataset
from hydranet.core.sample import DataError
from hydranet.datasets.camvid import CamVid
from hydranet.datasets.coco import Coco
from hydranet.datasets.table import Table
from hydranet.datasets.voc import Voc
from hydranet.datasets.yolo import Yolo
from hydranet.io.columns import BoxColumns, LineColumn, PointColumns
from hydranet.io.orientation import Extent, turn, turn_box

WIDE = (24, 40)
RED = (4, 6, 14, 12)
"""Left top right bottom of a red patch in the image as stored."""


def stored_image(path: Path, orientation: int) -> Extent:
    """An image of 40x24 stored pixels with the red patch."""
    pixels = np.full((*WIDE, 3), 30, np.uint8)
    left, top, right, bottom = RED
    pixels[top:bottom, left:right] = (250, 10, 10)
    exif = Image.Exif()
    exif[0x0112] = orientation
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, exif=exif)
    return Extent(WIDE[::-1] if orientation > 4 else WIDE, orientation)


def coco(root: Path, xyxy: tuple[float, ...], size: object) -> Coco:
    left, top, right, bottom = xyxy
    height, width = size if isinstance(size, tuple) else (size, size)
    tables = {
        "images": [{"id": 1, "file_name": "a.png", "height": height, "width": width}],
        "categories": [{"id": 1, "name": "car"}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [left, top, right - left, bottom - top]}],
    }
    (root / "labels.json").write_text(json.dumps(tables))
    return Coco(str(root), annotations="labels.json", images="images")


def voc(root: Path, xyxy: tuple[float, ...], size: object) -> Voc:
    left, top, right, bottom = xyxy
    height, width = size if isinstance(size, tuple) else (size, size)
    (root / "labels").mkdir(exist_ok=True)
    (root / "labels/a.xml").write_text(
        f"<annotation><size><width>{width}</width><height>{height}</height><depth>3</depth></size><object>"
        f"<name>car</name><bndbox><xmin>{left + 1}</xmin><ymin>{top + 1}</ymin><xmax>{right}</xmax>"
        f"<ymax>{bottom}</ymax></bndbox></object></annotation>"
    )
    return Voc(str(root), names=("car",), images="images", annotations="labels")


def table(root: Path, xyxy: tuple[float, ...], size: object) -> Table:
    height, width = size if isinstance(size, tuple) else (size, size)
    row = ",".join(map(str, ["a.png", width, height, "car", *xyxy]))
    (root / "labels.csv").write_text(f"image,width,height,class,xmin,ymin,xmax,ymax\n{row}\n")
    boxes = BoxColumns(("xmin", "ymin", "xmax", "ymax"), column="class", names=("car",))
    return Table(str(root), labels={"detection": boxes}, size=("height", "width"))


def covers_red(dataset: Dataset) -> bool:
    """Whether the one box is the red patch, exactly."""
    sample = dataset[0]
    (box,) = sample.labels["detection"].xyxy
    red = np.argwhere(sample.image[..., 0] > 200)
    return np.array_equal(box, [*red.min(0)[::-1], *(red.max(0)[::-1] + 1)])


@pytest.mark.parametrize("make", [coco, voc, table])
@pytest.mark.parametrize("orientation", [1, 5, 6, 7, 8])
def test_labels_of_the_stored_image_are_turned_with_it(tmp_path: Path, make, orientation: int) -> None:
    stored_image(tmp_path / "images/a.png", orientation)
    assert covers_red(make(tmp_path, RED, WIDE))


@pytest.mark.parametrize("make", [coco, voc, table])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_labels_of_the_upright_image_stay(tmp_path: Path, make, orientation: int) -> None:
    extent = stored_image(tmp_path / "images/a.png", orientation)
    upright = turn_box(RED, extent)
    assert covers_red(make(tmp_path, upright, extent.size))
    assert covers_red(make(tmp_path, upright, -1)), "-1 means not stated"
    assert covers_red(make(tmp_path, upright, 0)), "0 means not stated"


@pytest.mark.parametrize("orientation", range(1, 9))
def test_shares_are_those_of_the_upright_image(tmp_path: Path, orientation: int) -> None:
    extent = stored_image(tmp_path / "images/train/a.png", orientation)
    left, top, right, bottom = turn_box(RED, extent)
    height, width = extent.size
    row = [(left + right) / 2 / width, (top + bottom) / 2 / height, (right - left) / width, (bottom - top) / height]
    (tmp_path / "labels/train").mkdir(parents=True)
    (tmp_path / "labels/train/a.txt").write_text(" ".join(map(str, [0, *row])))
    (box,) = Yolo(str(tmp_path), names=("car",))[0].labels["detection"].xyxy
    np.testing.assert_allclose(box, (left, top, right, bottom), atol=1e-4)


@pytest.mark.parametrize("make", [coco, voc, table])
def test_labels_of_a_larger_copy_are_scaled(tmp_path: Path, make) -> None:
    stored_image(tmp_path / "images/a.png", 1)
    assert covers_red(make(tmp_path, tuple(2 * side for side in RED), (48, 80)))
    stored_image(tmp_path / "images/a.png", 6)
    assert covers_red(make(tmp_path, tuple(2 * side for side in RED), (48, 80))), "of the stored image, too"


@pytest.mark.parametrize("make", [coco, voc, table])
def test_a_size_of_another_shape_is_refused(tmp_path: Path, make) -> None:
    stored_image(tmp_path / "images/a.png", 1)
    with pytest.raises(DataError, match=r"states 40x30 pixels, the image has 40x24; correct the label file"):
        make(tmp_path, RED, (30, 40))[0]
    with pytest.raises(DataError, match=r"states 24x40 pixels \(height and width swapped\?\), the image has 40x24"):
        make(tmp_path, RED, (40, 24))[0]
    with pytest.raises(DataError, match=r"height 'tall', expected a whole number of pixels"):
        make(tmp_path, RED, ("tall", 40))[0]


@pytest.mark.parametrize("make", [coco, voc, table])
@pytest.mark.parametrize("size", [(1, 1), (1, 2), (2, 3), (7, 12)])
def test_a_tiny_size_is_no_copy_of_the_image(tmp_path: Path, make, size: tuple[int, int]) -> None:
    stored_image(tmp_path / "images/a.png", 1)
    with pytest.raises(DataError, match=rf"states {size[1]}x{size[0]} pixels, the image has 40x24; correct the label"):
        make(tmp_path, RED, size)[0]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_boxes_turn_as_pixels_do(orientation: int) -> None:
    stored = np.zeros(WIDE, np.uint8)
    left, top, right, bottom = RED
    stored[top:bottom, left:right] = 1
    upright = turn(stored, orientation)
    extent = Extent(upright.shape, orientation)
    assert extent.stored == WIDE
    patch = np.argwhere(upright)
    assert turn_box(RED, extent) == (*patch.min(0)[::-1], *(patch.max(0)[::-1] + 1))


def masks(root: Path, orientation: int, turned: bool) -> CamVid:
    """An image and its mask, which is upright or as stored; class 3 is where the image is red."""
    stored_image(root / "train/a.png", orientation)
    ids = np.zeros(WIDE, np.uint8)
    left, top, right, bottom = RED
    ids[top:bottom, left:right] = 3
    (root / "trainannot").mkdir(parents=True, exist_ok=True)
    Image.fromarray(turn(ids, orientation) if turned else ids).save(root / "trainannot/a.png")
    return CamVid(str(root))


@pytest.mark.parametrize("turned", [True, False])
@pytest.mark.parametrize("orientation", [1, 5, 6, 7, 8])
def test_a_mask_lies_over_its_image_turned_or_not(tmp_path: Path, orientation: int, turned: bool) -> None:
    sample = masks(tmp_path, orientation, turned)[0]
    assert np.array_equal(sample.labels["semantic"].ids == 3, sample.image[..., 0] > 200)


@pytest.mark.parametrize("orientation", [2, 3, 4])
def test_a_mask_whose_shape_cannot_tell_its_turn_is_refused(tmp_path: Path, orientation: int) -> None:
    with pytest.raises(DataError, match=rf"EXIF orientation {orientation}, and the shape of the map cannot tell"):
        masks(tmp_path, orientation, True)[0]


@pytest.mark.parametrize("label", [LineColumn("line"), PointColumns("line", count=2)], ids=["line", "points"])
def test_points_and_lines_of_a_table_are_not_scaled_but_refused(tmp_path: Path, label) -> None:
    stored_image(tmp_path / "images/a.png", 1)
    text = "image,h,w,line\na.png,{},{},1 2 3 4\n"
    (tmp_path / "labels.csv").write_text(text.format(24, 40))
    assert "line" in Table(str(tmp_path), labels={"line": label}, size=("h", "w"))[0].labels
    (tmp_path / "labels.csv").write_text(text.format(48, 80))
    with pytest.raises(DataError, match=r"labels.csv:2: states 80x48 pixels, the image has 40x24 upright"):
        Table(str(tmp_path), labels={"line": label}, size=("h", "w"))[0]


def test_rows_of_an_image_state_one_size(tmp_path: Path) -> None:
    stored_image(tmp_path / "images/a.png", 1)
    (tmp_path / "labels.csv").write_text("image,h,w,x1,y1,x2,y2\na.png,24,40,1,2,3,4\na.png,48,80,1,2,3,4\n")
    boxes = {"detection": BoxColumns(("x1", "y1", "x2", "y2"), names=("car",))}
    with pytest.raises(DataError, match=r"labels.csv:2: its image has several sizes \[\(24, 40\), \(48, 80\)\]"):
        Table(str(tmp_path), labels=boxes, size=("h", "w"))[0]
