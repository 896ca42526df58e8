"""Every array of every kind has a unit or rightly none, and every output of every head of the package says it."""

from dataclasses import replace

import pytest

from export_toys import SIZE, every_recipe
from hydranet.annotations import Annotation
from hydranet.deploy.manifest import Manifest
from hydranet.export.build_manifest import described
from hydranet.export.graph import Shape, plain

STATIC = "<a static field says it>"
UNITS = {
    "ClassMap": {},
    "ScalarMap": {"values": STATIC},
    "NormalMap": {},
    "Boxes": {"xyxy": "px", "distance_m": "m", "value": STATIC},
    "Polylines": {"points": "px"},
    "Keypoints": {"xy": "px", "area": "px^2", "xyxy": "px"},
    "Tag": {},
    "Quantity": {"value": STATIC},
}
NONE = {"ids", "probs", "annotated_classes", "confidence", "xyz", "label", "score", "ignore", "truncation", "occlusion"}
NONE |= {"track", "valid", "visible", "point_score"}
"""Ids, shares, flags and directions: whatever kind they belong to."""


@pytest.mark.parametrize("kind", Annotation.KINDS)
def test_every_array_of_a_kind_has_a_unit_or_rightly_none(kind: type[Annotation]) -> None:
    given = {name: kind.unit_of(name, dict.fromkeys(kind.metadata(), STATIC)) for name in kind.arrays()}
    assert {name: unit for name, unit in given.items() if unit} == UNITS[kind.__name__]
    assert {name for name, unit in given.items() if not unit} <= NONE, "a new array says its unit, or is listed here"


def test_every_output_of_every_head_says_its_unit() -> None:
    recipe = every_recipe()
    manifest = described(plain(recipe.build(), None, Shape(SIZE)), recipe, "toy")
    said = {name: output.unit for name, output in manifest.outputs.items() if output.unit}
    boxes = {f"{name}.xyxy": "px" for name, head in manifest.heads.items() if head.kind == "Boxes"}
    assert len(boxes) >= 3
    assert said == {"depth.values": "m", "landmarks.xy": "px", "pose.xy": "px", **boxes}
    for name, head in manifest.heads.items():
        for field in head.fields:
            assert manifest.outputs[f"{name}.{field}"].unit == head.unit_of(field)
    years = tuple(replace(task, unit="years") for task in recipe.tasks if task.name == "regression")
    manifest = described(plain(replace(recipe, tasks=years).build(), None, Shape(SIZE)), recipe, "toy")
    assert {name: output.unit for name, output in manifest.outputs.items()} == {"regression.value": "years"}


def test_a_file_of_before_has_no_unit_of_boxes_and_opens() -> None:
    recipe = every_recipe()
    boxes = replace(recipe, tasks=tuple(task for task in recipe.tasks if task.name == "yolov8"))
    manifest = described(plain(boxes.build(), None, Shape(SIZE)), boxes, "toy")
    assert manifest.format == 5
    assert Manifest.from_json(manifest.to_json()) == manifest
    outputs = {name: replace(one, unit="") for name, one in manifest.outputs.items()}
    assert Manifest.from_json(replace(manifest, outputs=outputs, format=4).to_json()).outputs == outputs
