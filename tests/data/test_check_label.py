"""Images and labels are refused where they enter, with the cure, if they are not what their kinds say."""

from dataclasses import replace

import numpy as np
import pytest

from fakes import FAKES, picture
from hydranet.annotations import (
    Annotation,
    Boxes,
    ClassMap,
    Keypoints,
    NormalMap,
    Polylines,
    Quantity,
    ScalarMap,
    Tag,
    UnknownKind,
)
from hydranet.core.known_elements import known_elements
from hydranet.core.sample import DataError, Sample
from hydranet.data.check_label import check_label, check_labels

HEIGHT, WIDTH = 48, 64
IMAGE = np.zeros((HEIGHT, WIDTH, 3), np.uint8)


@pytest.mark.parametrize("kind", Annotation.KINDS, ids=lambda kind: kind.__name__)
def test_a_sound_label_of_every_kind_passes(kind: type[Annotation]) -> None:
    rng = np.random.default_rng(0)
    label = FAKES[kind](rng, HEIGHT, WIDTH)
    check_labels(Sample(picture(rng, HEIGHT, WIDTH), {"label": label}))
    assert known_elements(label) > 0


def test_a_distance_may_be_farther_than_anybody_measures() -> None:
    sky = Sample(IMAGE, {"sky": ScalarMap(np.full((HEIGHT, WIDTH), np.inf), unit="m")})
    check_labels(sky)
    assert known_elements(sky.labels["sky"]) == 0  # nobody measured it, so nobody is scored on it


@pytest.mark.parametrize(
    ("image", "cure"),
    [
        (np.zeros((8, 8, 3), np.float32), r"float32 8 8 3, expected uint8 h w 3 .* \(255 \* image\).round\(\)"),
        (np.zeros((8, 8), np.uint8), "a gray image needs its channel three times"),
        (np.zeros((8, 8, 1), np.uint8), "a gray image needs its channel three times"),
        (np.zeros((8, 8, 4), np.uint8), "leave the transparency out"),
        (np.zeros((3, 8, 8), np.uint8), "put the channels last"),
        (np.zeros((8, 8, 3), np.uint16), "bring its range to 0..255"),
        (np.zeros((0, 8, 3), np.uint8), "give one image"),
        ([[1]], "type list, expected a numpy array"),
    ],
)
def test_images_of_another_type_or_shape(image: np.ndarray, cure: str) -> None:
    with pytest.raises(DataError, match=cure):
        Sample(image)


BOX = np.array([[1.0, 2.0, 9.0, 9.0]])
LINE = np.zeros((1, 2, 2))


@pytest.mark.parametrize(
    ("label", "message"),
    [
        (
            ClassMap(np.full((HEIGHT, WIDTH), -1)),
            r"ClassMap.ids is int64 48 64, expected uint8 48 64; .*-1 and 256 are no",
        ),
        (ClassMap(np.full((HEIGHT, WIDTH), 256, np.uint16)), "ids is uint16"),
        (ClassMap(np.zeros((HEIGHT, 9), np.uint8)), "ids is uint8 48 9, expected uint8 48 64"),
        (
            ClassMap(np.zeros((HEIGHT, WIDTH), np.uint8), np.zeros((2, 9, 9))),
            "probs is float64 2 9 9, expected float any 48",
        ),
        (ScalarMap(np.zeros((HEIGHT, WIDTH), np.uint16)), "values is uint16 48 64, expected float 48 64"),
        (ScalarMap(np.full((HEIGHT, WIDTH), np.inf)), "values holds infinite numbers"),
        (ScalarMap(np.full((HEIGHT, WIDTH), -np.inf), unit="m"), "values holds infinite numbers"),
        (NormalMap(np.zeros((HEIGHT, WIDTH, 3))), "xyz is float64 48 64 3, expected float 3 48 64"),
        (Boxes(np.array([[30.0, 20, 10, 40]]), np.array([0])), "is it left, top, width, height"),
        (Boxes(BOX + 500, np.array([0])), "lies outside the image of 64x48"),
        (Boxes(BOX * np.nan, np.array([0])), "expected finite numbers"),
        (Boxes(BOX, np.array([0.0])), "label is float64 1, expected int 1; give a class id"),
        (Boxes(BOX, np.array([0, 1])), "xyxy is float64 1 4, expected float 2 4"),
        (Boxes(BOX.astype(int), np.array([0])), "xyxy is int64 1 4, expected float 1 4"),
        (Boxes(BOX, np.array([0]), ignore=np.array([1])), "ignore is int64 1, expected bool 1"),
        (Polylines(LINE, np.ones((1, 3), bool)), "valid is bool 1 3, expected bool 1 2"),
        (Polylines(LINE * np.nan, np.ones((1, 2), bool)), "points holds numbers that are not finite"),
        (Keypoints(LINE, np.array([[0, 3]])), "visible holds .0, 3., expected 0, 1 or 2"),
        (Keypoints(LINE * np.nan, np.array([[0, 1]])), "xy holds numbers that are not finite"),
        (Tag(np.array([1])), "label is int64 1, expected int no axis"),
        (Tag(np.asarray(256)), "label is 256, expected a class id"),
        (Quantity(np.asarray(3)), "value is int64 no axis, expected float no axis"),
        (Quantity(3.0), "value is a float, expected a numpy array"),
        ("road", "label 'label' is a str, expected a kind"),
    ],
)
def test_labels_that_are_not_what_their_kind_says(label: Annotation, message: str) -> None:
    with pytest.raises(DataError, match=message):
        check_labels(Sample(IMAGE, {"label": label}))


def test_ignored_regions_may_have_any_shape() -> None:
    boxes = Boxes(np.array([[70.0, 2, 90, 1], [1, 1, 9, 9]]), np.array([-1, 0]), ignore=np.array([True, False]))
    assert check_labels(Sample(IMAGE, {"label": boxes})) is None
    with pytest.raises(DataError, match="label"):
        check_labels(Sample(IMAGE, {"label": replace(boxes, label=np.array([0, 0]), ignore=None)}))


def test_a_new_kind_must_say_how_it_is_checked_and_counted() -> None:
    with pytest.raises(UnknownKind, match=r"no check for a Annotation; add one in data/check_label.py"):
        check_label(Annotation(), (4, 4))
    with pytest.raises(UnknownKind, match=r"no count for a Annotation; add one in core/known_elements.py"):
        known_elements(Annotation())


def test_nothing_known_counts_nothing() -> None:
    assert known_elements(ClassMap(np.full((4, 4), 255, np.uint8))) == 0
    assert known_elements(ScalarMap(np.full((4, 4), np.nan))) == 0
    assert known_elements(Tag(np.asarray(255))) == 0
    assert known_elements(Quantity(np.asarray(np.nan))) == 0
    nothing = Boxes(np.zeros((0, 4)), np.zeros(0, int))
    assert known_elements(nothing) == known_elements(replace(nothing)) == 1, "somebody looked and there is none"
