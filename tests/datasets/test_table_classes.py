"""Classes in the cells of a table: words that usually mean nothing, names that are numbers, numbers that are none."""

import json
from pathlib import Path

import numpy as np
import pytest

from dataset_folders import noise, write
from hydranet.core.sample import DataError
from hydranet.data.recognize import Answers, recognize
from hydranet.datasets.table import Table
from hydranet.io.columns import BoxColumns, NumberColumn, TagColumn


def classes(root: Path, names: tuple[str, ...], *cells: object) -> list[int | None]:
    """The class of an image for each cell."""
    rows = []
    for i, cell in enumerate(cells):
        write(root / f"images/{i}.png", noise(channels=3))
        rows.append({"image": f"{i}.png", "kind": cell})
    write(root / "labels.jsonl", "\n".join(map(json.dumps, rows)))
    dataset = Table(str(root), "labels.jsonl", labels={"kind": TagColumn("kind", names)})
    labels = [dataset[i].labels.get("kind") for i in range(len(dataset))]
    return [None if label is None else int(label.label) for label in labels]


@pytest.mark.parametrize("word", ["none", "na", "nan", "null", "n/a", "None", "NA"])
def test_a_word_that_is_a_class_is_that_class(tmp_path: Path, word: str) -> None:
    assert classes(tmp_path, ("stop", word), word, "stop", f" {word} ", "", None) == [1, 0, 1, None, None]


def test_words_that_name_no_class_are_empty_cells(tmp_path: Path) -> None:
    assert classes(tmp_path, ("stop", "None"), "none", "nan", "None", "N/A") == [None, None, 1, None]


def test_the_box_of_a_class_called_none(tmp_path: Path) -> None:
    write(tmp_path / "images/a.png", noise(channels=3))
    write(tmp_path / "labels.csv", "image,x1,y1,x2,y2,kind\na.png,1,2,9,8,none\na.png,2,2,9,8,car\n")
    columns = BoxColumns(("x1", "y1", "x2", "y2"), column="kind", names=("car", "none"))
    (label,) = Table(str(tmp_path), labels={"boxes": columns})[0].labels.values()
    assert label.label.tolist() == [1, 0]


def test_an_image_may_be_called_nan(tmp_path: Path) -> None:
    write(tmp_path / "images/nan.png", noise(channels=3))
    write(tmp_path / "labels.csv", "image,age\nnan,30\n")
    dataset = Table(str(tmp_path), labels={"age": NumberColumn("age")})
    assert [path.name for path in dataset.frames] == ["nan.png"]
    assert float(dataset[0].labels["age"].value) == 30


def test_ids_do_not_count_where_a_name_is_a_number(tmp_path: Path) -> None:
    assert classes(tmp_path, ("1", "2", "3"), "1", 3, 2.0) == [0, 2, 1]
    assert classes(tmp_path, ("one", "two"), "1", 0, 1.0) == [1, 0, 1]
    for names in (("1", "2", "3"), ("one", "2.5")):
        for cell in ("0", 0, 0.0):
            with pytest.raises(
                DataError, match=r"labels.jsonl:1: 'kind' is '?0(\.0)?'?, expected one of .*a name is a n"
            ):
                classes(tmp_path, names, cell)


@pytest.mark.parametrize("cell", ["1_000", "\u0663", "1 000", "0x10", "inf"])
def test_a_word_that_is_no_number_is_one_sentence(tmp_path: Path, cell: str) -> None:
    write(tmp_path / "images/a.png", noise(channels=3))
    write(tmp_path / "labels.csv", f"image,age\na.png,{cell}\n")
    dataset = Table(str(tmp_path), labels={"age": NumberColumn("age")})
    with pytest.raises(DataError, match=r"labels.csv:2: 'age' is '.*', expected a number; correct it"):
        dataset[0]


@pytest.mark.parametrize("cell", [float("inf"), float("-inf"), float("nan"), 1.5, True, [1], {"a": 1}])
def test_a_cell_that_is_no_class_is_one_sentence(tmp_path: Path, cell: object) -> None:
    with pytest.raises(DataError, match=r"labels.jsonl:1: 'kind' is .*, expected one of one, two; correct it or the n"):
        classes(tmp_path, ("one", "two"), cell)


def test_a_drafted_recipe_reads_words_that_usually_mean_nothing(tmp_path: Path) -> None:
    lines = ["image,kind,age"]
    for i in range(8):
        write(tmp_path / f"images/k{i}.png", np.full((24, 32, 3), 9 * i, np.uint8))
        lines.append(f"k{i}.png,{('none', 'stop')[i % 2]},{i + 0.5 if i else 'nan'}")
    write(tmp_path / "labels.csv", "\n".join(lines))
    (one,) = recognize(tmp_path, Answers())
    assert isinstance(one.dataset, Table)
    assert one.dataset.classes == {"kind": ("none", "stop")}
    labels = [one.dataset[i].labels for i in range(3)]
    assert [int(given["kind"].label) for given in labels] == [0, 1, 0]
    assert "age" not in labels[0]
    assert [float(given["age"].value) for given in labels[1:]] == [1.5, 2.5]


def test_drafted_classes_of_boxes_are_those_of_rows_with_a_box(tmp_path: Path) -> None:
    for i in range(2):
        write(tmp_path / f"images/k{i}.png", np.full((24, 32, 3), 9 * i, np.uint8))
    write(
        tmp_path / "labels.csv", "image,x1,y1,x2,y2,class\nk0.png,1,2,9,8,none\nk0.png,1,1,9,9,car\nk1.png,,,,,null\n"
    )
    (one,) = recognize(tmp_path, Answers())
    assert one.dataset.classes == {"detection": ("car", "none")}
    assert one.dataset[0].labels["detection"].label.tolist() == [1, 0]
    assert len(one.dataset[1].labels["detection"].label) == 0
