"""Names are plain words wherever they enter."""

import pytest

from hydranet.core.checks.names import check_classes, check_name, is_name, listed_names
from hydranet.core.errors import SpecError


@pytest.mark.parametrize("name", ["depth", "held-out", "A_1", "x" * 100])
def test_plain_words(name: str) -> None:
    assert is_name(name)
    assert check_name(name, "task") in (None, name)


@pytest.mark.parametrize(
    "name", ["", "1a", "-a", "_a", "a b", "a.b", "a/b", "a\n", "a\r", 'a")', "ä", "é1", "x" * 101, None, 3, ["a"]]
)
def test_other_names(name: object) -> None:
    assert not is_name(name)
    with pytest.raises(SpecError, match=r"got task named .*, expected a letter, then letters, digits, - and _"):
        check_name(name, "task")


def test_class_names_are_free_but_one_line_and_different() -> None:
    check_classes(["traffic light", "<b>", "=1+1", "Straße"], "task 'a'")
    for wrong in ("", "a\nb", "a\0", "\x1b[31m", 3, None, "x" * 101):
        with pytest.raises(SpecError, match=r"task 'a' got a class named .*, expected text of one line"):
            check_classes(["car", wrong], "task 'a'")
    with pytest.raises(SpecError, match="got two classes named 'car', expected every name once"):
        check_classes(["car", "bus", "car"], "task 'a'")


def test_names_with_commas_between() -> None:
    assert listed_names("", "--heads") == ()
    assert listed_names(" lanes, cars ,", "--heads") == ("lanes", "cars")
    for nothing in (",", " ", ", ,"):
        with pytest.raises(SpecError, match=r"got --heads '.*', expected names such as lanes,cars"):
            listed_names(nothing, "--heads")
