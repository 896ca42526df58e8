"""Files that name the classes in another order: an id would mean another class, so it is asked which is right."""

from pathlib import Path

import pytest

from foreign_layouts import scene, write
from hydranet.core.spec import SpecError
from hydranet.data.recognize import Answers, recognize
from hydranet.datasets.yolo import Yolo


@pytest.fixture
def boxes(tmp_path: Path) -> Path:
    for i in range(3):
        write(tmp_path / f"images/{i}.jpg", scene(i)[0])
        (tmp_path / "labels").mkdir(exist_ok=True)
        (tmp_path / f"labels/{i}.txt").write_text("1 0.5 0.5 0.2 0.2\n")
    (tmp_path / "data.yaml").write_text("names:\n  1: car\n  0: person\n")
    return tmp_path


def names(folder: Path, answers: Answers | None = None) -> tuple[str, ...]:
    (found,) = recognize(folder, answers or Answers())
    assert isinstance(found.dataset, Yolo)
    return found.dataset.names


def test_another_order_in_another_file_is_refused(boxes: Path) -> None:
    (boxes / "labels/classes.txt").write_text("car\nperson\n")
    with pytest.raises(
        SpecError, match=r"classes.txt names the classes car, person, .*yaml names person, car: ids would"
    ):
        recognize(boxes, Answers())
    assert names(boxes, Answers({"": ("person", "car")})) == ("person", "car")


def test_two_text_files_are_compared_too(boxes: Path) -> None:
    (boxes / "classes.txt").write_text("person\ncar\n")
    (boxes / "obj.names").write_text("person\nbus\n")
    with pytest.raises(SpecError, match=r"classes.txt names the classes person, car, .*obj.names names person, bus"):
        recognize(boxes, Answers())


def test_files_that_agree_are_taken(boxes: Path) -> None:
    (boxes / "classes.txt").write_text("person\ncar\n")
    (boxes / "obj.names").write_text("person\ncar\n")
    assert names(boxes) == ("person", "car")
