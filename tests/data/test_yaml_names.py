"""Names of classes in YOLO's data.yaml: every usual form, by id and never by place."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from hydranet.core.sample import DataError
from hydranet.core.spec import SpecError
from hydranet.data.recognition.yaml_names import names_of
from hydranet.data.recognize import Answers, recognize


@pytest.mark.parametrize(
    "text",
    [
        "names: [car, bus, van]",
        "names: ['car', \"bus\", van]",
        "names: [car,\n  bus,  # with wheels\n  van]\nnc: 3",
        "nc: 3\nnames:\n- car\n- bus\n- van\n",
        "names:\n  - car\n  - 'bus'\n\n  # the last\n  - van\ntrain: images",
        "names:\n  0: car\n  1: bus\n  2: van\n",
        "names:\n  2: van\n  0: car  # red\n  1: 'bus'\n",
        "names: {0: car, 1: bus, 2: van}",
        "names: {2: van, 1: bus, 0: car}",
        "names:\n  \"0\": car\n  '1': bus\n  2: van",
        "{nc: 3, names: [car, bus, van]}",
        '{"names": {"0": "car", "1": "bus", "2": "van"}}',
        "names:\r\n  0: car\r\n  1: bus\r\n  2: van\r\n",
    ],
)
def test_every_usual_form(text: str) -> None:
    assert names_of(text, "data.yaml") == ("car", "bus", "van")


def test_words_stay_words() -> None:
    assert names_of("names: [no, on, 1.0, null, 007, it's, 'a: b']", "data.yaml") == (
        *("no", "on", "1.0", "null", "007", "it's", "a: b"),
    )


def test_more_than_nine_ids_are_in_the_order_of_numbers() -> None:
    lines = "".join(f"  {i}: c{i}\n" for i in sorted(range(12), key=str))
    assert names_of(f"names:\n{lines}", "data.yaml") == tuple(f"c{i}" for i in range(12))


@pytest.mark.parametrize(
    "text", ["", "nc: 2", "names:", "names: []", "names: data/coco.names", "- names", "other: names: x"]
)
def test_no_names(text: str) -> None:
    assert names_of(text, "data.yaml") == ()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("names: {1: a, 2: b}", r"`names` has the ids \[1, 2\], expected 0, 1, 2, ..., each once; add the missing"),
        ("names:\n  0: a\n  2: b", r"`names` has the ids \[0, 2\]"),
        ("names: {0: a, 0: b}", r"`names` has the ids \[0, 0\]"),
        ("names: {a: 0, b: 1}", r"`names` has the key 'a', expected an id such as 0; correct it"),
        ("names: {0: [a, b]}", r"`names` holds a list or a table inside, expected a word per class"),
        ("names: [a, a]", r"got two classes named 'a', expected every name once"),
        ("names: [a]\nnames: [b]", r"has `names` 2 times, expected once"),
        ("names: [a, b]\nnc: 3", r"has 2 `names` and nc: '3'; correct one of them"),
        ("names: [a, b", r"is no YAML: .*; correct it"),
    ],
)
def test_what_is_wrong_is_one_sentence(text: str, sentence: str) -> None:
    with pytest.raises(DataError, match=f"^data.yaml:? .*{sentence}|^data.yaml {sentence}"):
        names_of(text, "data.yaml")


def yolo_folder(root: Path, yaml: str, lines: tuple[str, ...] = ("0", "1", "2")) -> None:
    for name in ("images", "labels"):
        (root / name).mkdir(parents=True)
    for i, word in enumerate(lines):
        cv2.imwrite(str(root / f"images/{i}.png"), np.full((24, 32, 3), 40 * i, np.uint8))
        (root / f"labels/{i}.txt").write_text(f"{word} .5 .5 .3 .3\n")
    (root / "data.yaml").write_text(yaml)


def test_a_folder_whose_yaml_is_not_in_order(tmp_path: Path) -> None:
    yolo_folder(tmp_path, "names:\n  2: van\n  0: car\n  1: bus\n")
    (one,) = recognize(tmp_path, Answers())
    assert one.dataset.classes == {"detection": ("car", "bus", "van")}


def test_a_list_of_classes_with_numbers(tmp_path: Path) -> None:
    """By number, on whatever line; why it cannot be read where it must be."""
    yolo_folder(tmp_path / "mixed", "")
    (tmp_path / "mixed/classes.txt").write_text("2 van\n0 car\n1 bus\n")
    (one,) = recognize(tmp_path / "mixed", Answers())
    assert one.dataset.classes == {"detection": ("car", "bus", "van")}
    yolo_folder(tmp_path / "gap", "")
    (tmp_path / "gap/classes.txt").write_text("0 car\n2 van\n3 bus\n")
    with pytest.raises(
        SpecError, match=r"ids up to 2, and .*classes.txt numbers its classes \[0, 2, 3\], expected 0, 1"
    ):
        recognize(tmp_path / "gap", Answers())


def test_a_folder_whose_yaml_has_a_gap_or_too_few(tmp_path: Path) -> None:
    yolo_folder(tmp_path / "gap", "names: {0: car, 2: van}")
    with pytest.raises(DataError, match=r"data.yaml: `names` has the ids \[0, 2\], expected 0, 1, 2"):
        recognize(tmp_path / "gap", Answers())
    (named,) = recognize(tmp_path / "gap", Answers(classes={"": ("car", "bus", "van")}))
    assert named.dataset.classes == {"detection": ("car", "bus", "van")}
    yolo_folder(tmp_path / "few", "names: [car, bus]")
    with pytest.raises(SpecError, match=r"have ids up to 2, and 2 classes named \(car, bus\); name the others"):
        recognize(tmp_path / "few", Answers())


def test_a_broken_line_is_named_when_its_image_is_read(tmp_path: Path) -> None:
    yolo_folder(tmp_path, "names: [car, bus, van]", ("0", "2"))
    (tmp_path / "labels/1.txt").write_text("0 .5 .5 .3 .3\n" * 5 + "car .5 .5 .3 .3\n")
    (one,) = recognize(tmp_path, Answers())
    with pytest.raises(DataError, match=r"1.txt:6: got 'car'; expected a number"):
        one.dataset[one.dataset.keys().index("images/1.png")]
