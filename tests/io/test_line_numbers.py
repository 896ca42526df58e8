"""The line that an error names is the one that an editor shows: empty lines count, whatever ends them."""

import json
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from hydranet.core.sample import DataError
from hydranet.datasets.culane import read_culane_lines
from hydranet.datasets.face_keypoints import FaceKeypoints
from hydranet.datasets.folder import Folder
from hydranet.datasets.gtsrb import COLUMNS, parse_sign, table_rows
from hydranet.datasets.image_list import ImageList
from hydranet.datasets.kitti_tracking import read_tracked
from hydranet.datasets.tusimple import TuSimple
from hydranet.datasets.yolo import Yolo
from hydranet.io.files import read_lines
from hydranet.io.kitti import read_calibration, read_objects
from hydranet.io.table_file import read_table

CAR = "Car 0.00 0 0.00 1 2 30 40 1 1 1 1 1 1 0"


def _image(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(folder / "a.png"), np.zeros((48, 64, 3), np.uint8))
    return folder


def _yolo(path: Path) -> None:
    _image(path.parent / "images/train")
    (path.parent / "labels/train").mkdir(parents=True)
    path.rename(path.parent / "labels/train/a.txt")
    Yolo(str(path.parent), names=("car",))[0]


def _list(path: Path) -> None:
    len(ImageList(Folder(str(_image(path.parent / "images"))), str(path)))


def _numbers_of(path: Path) -> None:
    for row in read_table(path):
        row.number("age")


def _signs(path: Path) -> None:
    for where, row in table_rows(path):
        parse_sign(row, where)


def _faces(path: Path) -> None:
    len(FaceKeypoints(str(path.parent), annotations=path.name))


SIGN = "a.ppm;64;48;1;1;9;9;3"
READERS: dict[str, tuple[Callable[[Path], object], str, str, str]] = {
    "a.txt YOLO": (_yolo, "", "0 .5 .5 .5 .5", "0 x .5 .5 .5"),
    "val.txt list": (_list, "", "a.png", "b.png"),
    "a.txt KITTI": (read_objects, "", CAR, "Car x"),
    "a.txt tracking": (read_tracked, "", f"0 1 {CAR}", "x 1 Car"),
    "a.txt calibration": (read_calibration, "", "P2: 1", "P2: x"),
    "a.lines.txt": (read_culane_lines, "", "1 2 3 4", "1 2 3 x"),
    "a.json TuSimple": (
        lambda path: len(TuSimple(str(path.parent), annotations=(path.name,))),
        "",
        json.dumps({"raw_file": "a.jpg", "lanes": [], "h_samples": [1]}),
        "{",
    ),
    "a.csv": (_numbers_of, "image;age", "a.png;3", "a.png;x"),
    "a.tsv": (_numbers_of, "image\tage", "a.png\t3", "a.png\tx"),
    "a.jsonl": (_numbers_of, "", '{"image": "a.png", "age": 3}', '{"image": "a.png", "age": "x"}'),
    "a.csv signs": (_signs, ";".join(("Filename", *COLUMNS)), SIGN, SIGN.replace("64", "x")),
    "a.csv faces": (_faces, ",x,y", "", "a.png,1,2"),
}


@pytest.mark.parametrize("end", ["\n", "\r\n"], ids=["unix", "windows"])
@pytest.mark.parametrize("reader", READERS)
def test_empty_lines_count(tmp_path: Path, reader: str, end: str) -> None:
    read, head, good, bad = READERS[reader]
    path = tmp_path / reader.split()[0]
    path.write_bytes(end.join(["", head, "", good, "", "  ", bad, ""]).encode())
    with pytest.raises(DataError, match=rf"{path.name}(:|, line )7\b"):
        read(path)


def test_a_row_whose_cell_holds_lines_is_named_by_its_first(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text('note,age\n"one\ntwo",3\n"three\nfour",x\n')
    assert [row.where for row in read_table(path)] == [f"{path}:2", f"{path}:4"]


def test_a_row_of_a_json_list_is_named_by_its_place_and_not_as_a_line(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text('[\n{"age": 3},\n{"age": "x"}\n]')
    with pytest.raises(DataError, match=r"a\.json: row 2: 'age' is 'x', expected a number"):
        _numbers_of(path)


def test_only_ends_of_lines_end_lines(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes("a\u2028b\x0c c\r\rd\n".encode())
    assert read_lines(path) == [(1, "a\u2028b\x0c c"), (3, "d")]
