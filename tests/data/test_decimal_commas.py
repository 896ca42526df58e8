"""Tables of spreadsheets that write 12,5 for 12.5: numbers stay numbers."""

from pathlib import Path

import pytest

from foreign_layouts import scene, write
from hydranet.annotations import Boxes, Quantity
from hydranet.core.spec import SpecError
from hydranet.data.recognize import Answers, Recognized, recognize
from hydranet.datasets.table import Table
from hydranet.io.columns import BoxColumns, NumberColumn


def found(root: Path, text: str) -> Recognized:
    """What is recognized in a folder of four images and this table, as Windows writes it."""
    for i in range(4):
        write(root / f"images/{i}.jpg", scene(i)[0])
    (root / "labels.csv").write_bytes(f"\ufeff{text}".replace("\n", "\r\n").encode())
    (one,) = recognize(root, Answers())
    return one


@pytest.mark.parametrize("weights", ["12,5 13,25 12,5 13,25", "-3,5 ,25 1,5e1 7"])
def test_a_number_with_a_comma_is_no_class(weights: str, tmp_path: Path) -> None:
    words = weights.split()
    one = found(tmp_path, "bild;gewicht\n" + "".join(f"{i}.jpg;{word}\n" for i, word in enumerate(words)))
    assert isinstance(one.dataset, Table)
    assert one.dataset.labels == {"gewicht": NumberColumn("gewicht")}
    for i, word in enumerate(words):
        weight = one.dataset[i].labels["gewicht"]
        assert isinstance(weight, Quantity)
        assert float(weight.value) == float(word.replace(",", "."))


def test_boxes_with_commas(tmp_path: Path) -> None:
    one = found(tmp_path, "bild;class;x1;y1;x2;y2\n" + "".join(f"{i}.jpg;car;10,5;12;50,25;60\n" for i in range(4)))
    boxes = one.dataset[2].labels["detection"]
    assert isinstance(boxes, Boxes)
    assert boxes.xyxy.tolist() == [[10.5, 12, 50.25, 60]]


def test_shares_with_commas_are_shares(tmp_path: Path) -> None:
    one = found(tmp_path, "bild;class;x1;y1;x2;y2\n" + "".join(f"{i}.jpg;car;0,25;0,5;0,75;1\n" for i in range(4)))
    assert isinstance(one.dataset, Table)
    columns = one.dataset.labels["detection"]
    assert isinstance(columns, BoxColumns)
    assert columns.relative


def test_a_comma_between_commas_may_mean_either(tmp_path: Path) -> None:
    rows = "".join(f'{i}.jpg,"{1 + i % 2},500"\n' for i in range(4))
    with pytest.raises(SpecError, match="column 'price' holds 1,500, with a decimal comma or one between thousands"):
        found(tmp_path, f"image,price\n{rows}")
