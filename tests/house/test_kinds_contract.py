"""Every operation on annotations knows every kind, or says why it means nothing for it; a new kind fails loudly."""

import ast
import io
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fakes import CLASSES, FAKES, picture
from hydranet import annotations
from hydranet.annotations import (
    CLASS,
    INSTANCE,
    Annotation,
    Boxes,
    ClassMap,
    Instances,
    Keypoints,
    NormalMap,
    Polylines,
    Quantity,
    ScalarMap,
    Tag,
    UnknownKind,
    array,
    row_count,
    rows,
)
from hydranet.core.batch import stack
from hydranet.core.errors import UserError
from hydranet.core.known_elements import known_elements
from hydranet.core.sample import Sample
from hydranet.core.task import to_numpy
from hydranet.data import peculiar
from hydranet.data.check_label import check_label
from hydranet.data.class_table import ClassTable
from hydranet.data.label_statistics import label_statistics
from hydranet.data.observed import class_counts
from hydranet.data.reader import ids_of
from hydranet.datasets import around, pseudo
from hydranet.deploy import standard_files
from hydranet.deploy.finite import broken_field
from hydranet.deploy.messages import message
from hydranet.deploy.recording import mcap, rerun
from hydranet.deploy.video.frames import Frame
from hydranet.deploy.video.tracking import Tracks
from hydranet.distillation.certainty import agreed, certainty, mirrored, sure
from hydranet.distillation.consensus import consensus
from hydranet.export.differences import Gap, gaps
from hydranet.io.pseudo_label_cache import file_of, packed, unpack
from hydranet.io.pseudo_label_index import Made
from hydranet.postprocess.distance import measured, meters_of
from hydranet.postprocess.nms import above
from hydranet.postprocess.padding import unpadded
from hydranet.postprocess.per_box import per_box
from hydranet.postprocess.steps import known_steps, postprocess
from hydranet.serving.web.coco import coco
from hydranet.transforms import mosaic
from hydranet.transforms.fast_unletterbox import unfitted
from hydranet.transforms.warp import can_flip, flip, letterbox, unwarp, warp_annotation
from hydranet.visualization.draw import captioned, draw

SOURCE = Path(annotations.__file__).parent
SIZE, SEEN = (48, 64), (96, 160)
VIEW = letterbox(SIZE, SEEN)
NAMES = ("road", "car", "person", "sky")
IMAGE = picture(np.random.default_rng(0), *SIZE)
TABLE = ClassTable(np.arange(CLASSES), np.ones(CLASSES, bool))
KINDS = tuple(FAKES)
WINDOWS = [(i, 0, i + 10, 10) for i in range(5)]


class Anything:
    """Stands for a recording library: whatever is asked of it is there."""

    def __getattr__(self, name: str) -> "Anything":
        return Anything()

    def __call__(self, *args: object, **options: object) -> "Anything":
        return Anything()


def made(annotation: Annotation) -> Made:
    static = {name: getattr(annotation, name) for name in annotation.metadata()}
    return Made(type(annotation).__name__, NAMES, static)


def torch_one(annotation: Annotation) -> Annotation:
    return stack([annotation])


def read_back(annotation: Annotation, folder: Path) -> Annotation:
    path = folder / file_of("label", "image", made(annotation))
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(packed(annotation, made(annotation)))
    return unpack(path, made(annotation), SIZE)


OPERATIONS: dict[str, Callable[[Any], Any]] = {
    "warp": lambda a: warp_annotation(a, VIEW, SIZE),
    "unwarp": lambda a: unwarp(a, letterbox(SEEN, SIZE), SEEN),
    "quick unwarp": lambda a: unfitted(a, VIEW, SIZE),
    "can flip": lambda a: can_flip(Sample(IMAGE, {"x": a})),
    "may be in a mosaic": lambda a: mosaic.survives(Sample(IMAGE, {"x": a})),
    "mosaic": lambda a: mosaic._moved(a, np.array([3, 4])),
    "stack": torch_one,
    "draw": lambda a: draw(IMAGE, a, NAMES),
    "legend": lambda a: captioned(IMAGE, a, NAMES),
    "message": lambda a: message(a, NAMES),
    "coco": lambda a: coco({"x": a}, {"x": NAMES}, SIZE, "image"),
    "image file": standard_files.as_pixels,
    "rows of a table": lambda a: standard_files.as_rows(a, NAMES),
    "look at oddities": lambda a: peculiar._numbers(a, SIZE),
    "threshold": lambda a: above(a, 0.5),
    "map of distances": meters_of,
    "distance": lambda a: measured(a, np.ones(SIZE)),
    **{f"step {name}": lambda a, name=name: postprocess(a, {name: {}}) for name in known_steps()},
    "unpad": unpadded,
    "statistics": lambda a: label_statistics(a, SIZE),
    "map classes": TABLE.apply,
    "list classes": ids_of,
    "map classes of pseudo-labels": lambda a: pseudo._in_ids(a, np.arange(CLASSES), np.ones(CLASSES, bool), "x"),
    "certainty": lambda a: certainty(type(a)),
    "sure": lambda a: sure(a, lambda one: one, 0.5),
    "mirror": mirrored,
    "agree": lambda a: agreed(a, a, 0.5),
    "consensus": lambda a: consensus(a, a),
    "compare": lambda a: gaps(a, a, SIZE),
    "mcap": lambda a: mcap._marks(a, NAMES),
    "rerun": lambda a: rerun._shown(a, Anything(), Frame("x", IMAGE), NAMES),
    "write a pseudo-label": lambda a: packed(a, made(a)),
    "name a pseudo-label": lambda a: file_of("x", "y", made(a)),
    "finite": broken_field,
    "answer per box": lambda a: per_box(type(a), fake(Boxes), WINDOWS, [a] * len(WINDOWS)),
    "track": lambda a: Tracks()({"x": a}, 0.0),
    "check": lambda a: check_label(a, SIZE),
    "count known elements": known_elements,
    "count classes": lambda a: class_counts(a, CLASSES),
    "box around instances": around.extents,
}
"""What the package does with annotations. A new operation on kinds belongs here."""

STACKED = ("sure", "mirror", "agree")
"""Operations on stacked torch annotations."""

NOT_NUMBERS = {ClassMap, Boxes, Polylines, Keypoints, Tag, Quantity}
REFUSED: dict[str, set[type[Annotation]]] = {
    "mosaic": {Polylines, Tag, Quantity},
    **{f"step {name}": set(KINDS) - set(step.kinds) for name, step in known_steps().items()},
    "map classes of pseudo-labels": set(KINDS) - {ClassMap, Boxes},
    "mirror": NOT_NUMBERS,
    "box around instances": set(KINDS) - {Boxes, Polylines, Keypoints},
    "agree": NOT_NUMBERS,
    "consensus": {Tag, Quantity, Polylines, Keypoints},
    "answer per box": set(KINDS) - {Tag, Quantity, Keypoints},
}
"""Where an operation means nothing for a kind, it says so in a sentence."""


def fake(kind: type[Annotation], seed: int = 0) -> Annotation:
    return FAKES[kind](np.random.default_rng(seed), *SIZE)


def test_every_kind_has_a_fake() -> None:
    assert set(Annotation.KINDS) == set(FAKES)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("operation", OPERATIONS)
def test_every_operation_knows_every_kind(operation: str, kind: type[Annotation]) -> None:
    if (operation, kind) == ("track", Boxes):
        pytest.importorskip("similari")
    label = torch_one(fake(kind)) if operation in STACKED else fake(kind)
    if kind in REFUSED.get(operation, ()):
        with pytest.raises(UserError, match=kind.__name__):
            OPERATIONS[operation](label)
    else:
        OPERATIONS[operation](label)


@pytest.fixture(params=["of its own", "of instances"])
def new_kind(request: pytest.FixtureRequest) -> Iterator[Annotation]:
    """A kind that nobody but this test knows."""
    before = Annotation.KINDS

    @dataclass(frozen=True, eq=False)
    class Cloud(Annotation):
        xyz: Any = array(INSTANCE)

    @dataclass(frozen=True, eq=False)
    class Boxes3D(Instances):
        xyz: Any = array(INSTANCE)
        label: Any = array(INSTANCE, None)
        score: Any = array(INSTANCE, None)
        ignore: Any = array(INSTANCE, None)
        track: Any = array(INSTANCE, None)
        annotated_classes: Any = array(CLASS, None)

    yield Cloud(np.zeros((2, 3))) if request.param == "of its own" else Boxes3D(np.zeros((2, 3)), np.zeros(2, int))
    Annotation.KINDS = before


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_new_kind_fails_loudly_everywhere(operation: str, new_kind: Annotation) -> None:
    with pytest.raises(UnknownKind, match=rf"^no .* for a {type(new_kind).__name__}; add one in \S+\.py") as caught:
        OPERATIONS[operation](new_kind)
    named = re.search(r"add one in (\S+\.py)", str(caught.value))
    assert named
    assert (SOURCE / named[1]).is_file()


def test_a_kind_says_what_its_fields_are() -> None:
    before = Annotation.KINDS
    with pytest.raises(TypeError, match=r"Cloud\.xyz does not say what it is; make it an `array` or `static` field"):
        type("Cloud", (Annotation,), {"__annotations__": {"xyz": Any}})
    with pytest.raises(TypeError, match="Cloud is a kind of instances without label, score, ignore, track"):
        type("Cloud", (Instances,), {"__annotations__": {"xyz": Any}, "xyz": array(INSTANCE)})
    assert before == Annotation.KINDS


def kinds_asked(tree: ast.Module) -> Iterator[ast.AST]:
    """Places where a program asks for the kind of an annotation, but for assertions and sentences to the user."""
    fine: set[ast.AST] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Assert):
            fine |= set(ast.walk(node))
        if isinstance(node, ast.If) and isinstance(node.body[0], ast.Raise):
            fine |= set(ast.walk(node.test))
    names = {kind.__name__ for kind in KINDS}
    for node in ast.walk(tree):
        if isinstance(node, ast.MatchClass) and isinstance(node.cls, ast.Name) and node.cls.id in names:
            yield node
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "isinstance":
            asked = {one.id for one in ast.walk(node.args[1]) if isinstance(one, ast.Name)}
            if asked & names and node not in fine:
                yield node
        if isinstance(node, ast.Compare):
            named = {one.value for one in ast.walk(node) if isinstance(one, ast.Constant)}
            if named & {"annotated_classes", *names} and not any(isinstance(one, ast.Call) for one in ast.walk(node)):
                yield node


@pytest.mark.parametrize("path", sorted(SOURCE.rglob("*.py")), ids=lambda path: str(path.relative_to(SOURCE)))
def test_nobody_asks_for_the_kind_of_an_annotation(path: Path) -> None:
    lines = [node.lineno for node in kinds_asked(ast.parse(path.read_text()))]  # type: ignore[attr-defined]
    assert not lines, f"lines {lines} choose by kind; register the kinds with functools.singledispatch"


# --- properties ---------------------------------------------------------------------------------------------------

every_kind = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
seeds = st.integers(0, 2**32 - 1)


def arrays(annotation: Annotation) -> dict[str, np.ndarray]:
    return {name: np.asarray(value) for name, value in annotations.given(annotation).items()}


@every_kind
@settings(max_examples=10, deadline=None)
@given(seed=seeds)
def test_stack_then_index_is_the_label_itself(kind: type[Annotation], seed: int) -> None:
    labels = [fake(kind, seed), fake(kind, seed + 1)]
    if issubclass(kind, Instances):
        labels[0] = rows(labels[0], slice(1, None))
    stacked = stack(labels)
    for i, label in enumerate(labels):
        back = arrays(unpadded(to_numpy(stacked, i)))
        for name, value in arrays(label).items():
            if back[name].ndim > 1 and label.roles()[name].ragged:
                back[name] = back[name][:, : value.shape[1]]
            np.testing.assert_array_equal(back[name], value.astype(back[name].dtype), err_msg=name)


@every_kind
@settings(max_examples=10, deadline=None)
@given(seed=seeds)
def test_warped_and_back_is_the_label_itself(kind: type[Annotation], seed: int) -> None:
    label = fake(kind, seed)
    for size, smoothed in (((48, 100), ()), ((96, 200), ("probs",))):  # padded left and right; twice as large, too
        view = letterbox(SIZE, size)
        back = arrays(unwarp(warp_annotation(label, view, SIZE), view, SIZE))
        for name, value in arrays(label).items():
            if name not in smoothed or kind is not ClassMap:
                np.testing.assert_allclose(back[name], value, rtol=1e-4, atol=1e-3, err_msg=name)


@settings(max_examples=30, deadline=None)
@given(height=st.integers(20, 90), width=st.integers(20, 160))
def test_no_prediction_for_padding_gets_into_the_image(height: int, width: int) -> None:
    size, view = (height, width), letterbox((height, width), (64, 224))
    inside = warp_annotation(ClassMap(np.zeros(size, np.uint8)), view, size)
    assert isinstance(inside, ClassMap)
    padding = inside.ids == 255
    ids = unwarp(ClassMap(np.where(padding, 1, 0).astype(np.uint8)), view, size)
    assert not ids.ids.any()
    meters = unwarp(ScalarMap(np.where(padding, 1e6, 1).astype(np.float32), "m"), view, size)
    np.testing.assert_allclose(meters.values, 1, rtol=1e-5)


def spoiled(annotation: Annotation, seed: int) -> Annotation:
    """The annotation of a network whose weights are broken: NaN and infinity among its numbers."""
    rng = np.random.default_rng(seed)
    broken = {}
    for name, value in arrays(annotation).items():
        if value.dtype.kind == "f":
            bad = rng.choice([np.nan, np.inf, -np.inf], value.shape)
            broken[name] = np.where(rng.random(value.shape) < rng.choice([0.1, 1.0]), bad, value).astype(value.dtype)
    return replace(annotation, **broken)


@every_kind
@settings(max_examples=20, deadline=None)
@given(seed=seeds)
def test_a_message_is_strict_json_whatever_the_network_answers(kind: type[Annotation], seed: int) -> None:
    for label in (fake(kind, seed), spoiled(fake(kind, seed), seed)):
        text = json.dumps(message(label, NAMES), allow_nan=False)
        assert json.loads(text)["kind"] == kind.__name__


@every_kind
@settings(max_examples=10, deadline=None)
@given(seed=seeds)
def test_a_threshold_of_zero_keeps_all(kind: type[Annotation], seed: int) -> None:
    label = fake(kind, seed)
    for name, value in arrays(above(label, 0.0)).items():
        np.testing.assert_array_equal(value, getattr(label, name))
    if issubclass(kind, Instances):
        assert row_count(above(label, 1.0)) == 0
        assert row_count(above(replace(label, score=None), 1.0)) == row_count(label), "an annotator is sure"


@every_kind
@settings(max_examples=5, deadline=None)
@given(seed=seeds, height=st.integers(8, 80), width=st.integers(8, 80))
def test_drawing_keeps_shape_and_type_of_the_image(kind: type[Annotation], seed: int, height: int, width: int) -> None:
    size = (height, width)
    drawn = draw(picture(np.random.default_rng(seed), *size), FAKES[kind](np.random.default_rng(seed), *size), NAMES)
    assert drawn.dtype == np.uint8
    assert drawn.shape[0] * width == drawn.shape[1] * height
    assert drawn.shape[0] % height == 0


@every_kind
def test_equal_answers_have_no_gap(kind: type[Annotation]) -> None:
    assert set(gaps(fake(kind), fake(kind), SIZE).values()) == {Gap()}


@every_kind
def test_pseudo_labels_are_read_back(kind: type[Annotation], tmp_path: Path) -> None:
    label = fake(kind)
    back = arrays(read_back(label, tmp_path))
    first = label.arrays()[0]
    tolerance = {NormalMap: 0.01, ScalarMap: 0.002}.get(kind, 0)
    np.testing.assert_allclose(back[first], arrays(label)[first], atol=tolerance)


def test_the_size_of_a_person_scales_with_the_image() -> None:
    people = fake(Keypoints)
    twice = warp_annotation(people, letterbox(SIZE, (96, 128)), SIZE)
    np.testing.assert_allclose(twice.area, 4 * people.area, rtol=1e-6)
    assert twice.area.dtype == np.float32
    flipped = warp_annotation(people, flip(SIZE), SIZE)
    np.testing.assert_allclose(flipped.area, people.area)
    np.testing.assert_array_equal(flipped.point_score, people.point_score[:, [0, 2, 1]])
    np.testing.assert_array_equal(flipped.score, people.score)


def test_a_stacked_kind_is_one_value_to_torch() -> None:
    for kind in KINDS:
        leaves = torch.utils._pytree.tree_leaves(stack([fake(kind)]))
        assert all(isinstance(leaf, torch.Tensor) for leaf in leaves)
        buffer = io.BytesIO()
        torch.save(leaves, buffer)
