"""Tables of boxes as tools write them: shares or pixels, of this image or of a copy, of which class."""

from pathlib import Path

import numpy as np
import pytest

from foreign_layouts import HEIGHT, WIDTH, scene, write
from hydranet.annotations import Boxes
from hydranet.core.sample import DataError
from hydranet.core.spec import SpecError
from hydranet.data.recognize import Answers, Recognized, recognize
from hydranet.datasets.table import Table
from hydranet.io.columns import BoxColumns


def found(root: Path, text: str) -> tuple[Recognized, Table, BoxColumns]:
    """What is recognized in a folder of two images and this table."""
    for i in range(2):
        write(root / f"images/{i}.jpg", scene(i)[0])
    (root / "train.csv").write_text(text)
    (one,) = recognize(root, Answers())
    assert isinstance(one.dataset, Table)
    boxes = one.dataset.labels["detection"]
    assert isinstance(boxes, BoxColumns)
    return one, one.dataset, boxes


def boxes_of(dataset: Table, index: int) -> list[list[float]]:
    boxes = dataset[index].labels["detection"]
    assert isinstance(boxes, Boxes)
    corners: list[list[float]] = np.asarray(boxes.xyxy).tolist()
    return corners


def test_shares_of_open_images(tmp_path: Path) -> None:
    rows = "0,xclick,/m/01,1,.25,.75,0.5,1\n1,xclick,/m/02,1,0,1,0,1\n"
    one, dataset, boxes = found(tmp_path, f"ImageID,Source,LabelName,Confidence,XMin,XMax,YMin,YMax\n{rows}")
    assert (boxes.relative, boxes.column, boxes.names) == (True, "LabelName", ("/m/01", "/m/02"))
    assert "boxes as shares of their images" in one.why
    np.testing.assert_allclose(boxes_of(dataset, 0)[0], (WIDTH / 4, HEIGHT / 2, WIDTH * 3 / 4, HEIGHT))


def test_pixels_of_a_larger_copy(tmp_path: Path) -> None:
    rows = "".join(f"{i}.jpg,{2 * WIDTH},{2 * HEIGHT},car,20,40,60,80\n" for i in range(2))
    one, dataset, boxes = found(tmp_path, f"filename,width,height,class,xmin,ymin,xmax,ymax\n{rows}")
    assert (dataset.size, boxes.relative) == (("height", "width"), False)
    assert "for images of the size in height and width" in one.why
    assert boxes_of(dataset, 1) == [[10, 20, 30, 40]]


@pytest.mark.parametrize(
    "rows",
    [
        "0.jpg,40,40,20,40,60,80\n1.jpg,40,40,20,40,60,80\n",  # width and height of the box
        "0.jpg,80,90,20,40,60,80\n0.jpg,160,96,20,40,60,80\n",  # two sizes of one image
        "0.jpg,tall,90,20,40,60,80\n1.jpg,tall,90,20,40,60,80\n",
    ],
)
def test_width_and_height_of_something_else(rows: str, tmp_path: Path) -> None:
    _, dataset, _ = found(tmp_path, f"filename,width,height,xmin,ymin,xmax,ymax\n{rows}")
    assert dataset.size == ()
    assert boxes_of(dataset, 0)[0] == [20, 40, 60, 80]


def test_the_name_of_an_image_is_no_class(tmp_path: Path) -> None:
    one, _, boxes = found(tmp_path, "name,x1,y1,x2,y2\n0.jpg,0,0,1,1\n1.jpg,1,1,2,2\n")
    assert (boxes.column, boxes.names, boxes.relative) == ("", ("object",), False)
    assert one.why.endswith("all of one class (no column is called class, label, category, name ...)")


@pytest.mark.parametrize("first", [0, 1])
def test_points_with_numbers_are_no_boxes(first: int, tmp_path: Path) -> None:
    for i in range(2):
        write(tmp_path / f"images/{i}.jpg", scene(i)[0])
    columns = ",".join(f"x{i},y{i}" for i in range(first, first + 3))  # x1 y1 x2 y2 among them
    (tmp_path / "train.csv").write_text(f"image,{columns}\n0.jpg,1,2,3,4,5,6\n1.jpg,1,2,3,4,5,7\n")
    (one,) = recognize(tmp_path, Answers())
    assert set(one.dataset[0].labels) == {"landmarks"}
    assert np.asarray(vars(one.dataset[1].labels["landmarks"])["xy"]).tolist() == [[[1, 2], [3, 4], [5, 7]]]


@pytest.mark.parametrize(
    ("header", "row", "words"),
    [
        ("x,y,w,h", "10,12,30,20", "left, top, width, height"),
        ("x,y,width,height", "10,12,30,20", "left, top, width, height"),
        ("xmin,ymin,width,height", "10,12,30,20", "left, top, width, height"),
        ("x_center,y_center,width,height", "25,22,30,20", "middle, width, height"),
        ("cx,cy,w,h", "25,22,30,20", "middle, width, height"),
        ("bbox", '"[10, 12, 30, 20]"', "left, top, width, height"),
    ],
)
def test_a_corner_or_the_middle_and_sizes(header: str, row: str, words: str, tmp_path: Path) -> None:
    other = '"[60, 50, 9, 11]"' if header == "bbox" else "60,50,9,11"
    one, dataset, _ = found(tmp_path, f"file,class,{header}\n0.jpg,car,{row}\n1.jpg,bus,{other}\n")
    assert f"boxes as {words}" in one.why
    assert boxes_of(dataset, 0) == [[10, 12, 40, 32]]


def test_four_numbers_that_may_be_either_are_asked_for(tmp_path: Path) -> None:
    rows = '0.jpg,car,"10 12 30 20"\n1.jpg,car,"60 50 90 70"\n'
    with pytest.raises(SpecError, match=r"column 'bbox' may hold left, top, right, bottom, or left, top, width, heig"):
        found(tmp_path, f"file,class,bbox\n{rows}")
    with pytest.raises(DataError, match="no labels that are recognized"):  # the same class for all images is none
        recognize(tmp_path, Answers(columns={"bbox": "skip"}))
    with pytest.raises(SpecError, match=r"column 'box' holds '7', expected four numbers in every row"):
        found(tmp_path, "file,class,box\n0.jpg,car,7\n1.jpg,bus,8\n")


def test_sizes_of_images_are_no_boxes(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="column 'x' holds whole numbers"):
        found(tmp_path, f"file,x,y,width,height\n0.jpg,5,6,{WIDTH},{HEIGHT}\n1.jpg,7,8,{WIDTH},{HEIGHT}\n")
