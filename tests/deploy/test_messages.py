"""Every kind of annotation becomes strict JSON."""

import json

import numpy as np
import pytest

from fakes import FAKES
from hydranet.annotations import Annotation, Boxes, ClassMap, Quantity, ScalarMap, Tag
from hydranet.deploy.messages import message


@pytest.mark.parametrize("kind", Annotation.KINDS, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("classes", [(), ("road", "car", "person", "sky")])
def test_every_kind_is_json(kind: type[Annotation], classes: tuple[str, ...]) -> None:
    annotation = FAKES[kind](np.random.default_rng(0), 24, 40)
    said = json.loads(json.dumps(message(annotation, classes), allow_nan=False))
    assert said["kind"] == kind.__name__


def test_values_that_json_cannot_say_are_null() -> None:
    assert message(Quantity(np.float32("nan")))["value"] is None
    assert "median" not in message(ScalarMap(np.full((2, 2), np.nan, dtype=np.float32), "m"))


def test_names_and_numbers() -> None:
    ids = np.array([[0, 1], [1, 255]], dtype=np.uint8)
    assert message(ClassMap(ids), ("road", "car"))["share"] == {"road": 0.3333, "car": 0.6667}
    box = Boxes(np.array([[1, 2, 3, 4.00049]]), np.array([1]), score=np.array([0.5], dtype=np.float32))
    row = {"class": "car", "label": 1, "xyxy": [1, 2, 3, 4], "score": 0.5}
    assert message(box, ("road", "car"))["boxes"] == [row]
    assert message(Tag(np.asarray(255)), ("stop",))["class"] == "unknown"
    assert message(ScalarMap(np.array([[1.0, 3.0]]), "m")) == {
        "kind": "ScalarMap",
        "size": [1, 2],
        "unit": "m",
        "min": 1.0,
        "median": 2.0,
        "max": 3.0,
    }
