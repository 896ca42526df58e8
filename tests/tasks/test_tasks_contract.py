"""What every task must do, for all that are found in the package: a new one is tested on arrival."""

import dataclasses
import importlib
import inspect
import json
import math
from contextlib import suppress
from dataclasses import replace
from functools import singledispatch
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from fakes import CLASSES, FAKES
from hydranet.annotations import UNKNOWN_ID, Annotation, Boxes, ClassMap, Keypoints, Polylines, ScalarMap, rows
from hydranet.config import catalog
from hydranet.core.batch import stack
from hydranet.core.distillation_target import DistillationTarget
from hydranet.core.features import FeatureSpec, Pyramid
from hydranet.core.sample import DataError
from hydranet.core.spec import SpecError, from_json, to_json
from hydranet.core.task import Raw, Stats, Task, merge, pick, to_numpy
from hydranet.distillation.certainty import label_of
from hydranet.postprocess.steps import kind_after

HEIGHT, WIDTH, IMAGES = 64, 96, 3
FEATURES = tuple(FeatureSpec(16, stride) for stride in (4, 8, 16, 32))
REQUIRED = {"name": "task", "classes": tuple(f"class {i}" for i in range(CLASSES))}
POINTS = {"points": 3, "mirror": (0, 2, 1)}
"""As the keypoints of `fakes` have them."""


def build(path: str) -> Task:
    """The task with its default options; with classes or points only if it asks for them."""
    module, _, name = path.rpartition(".")
    cls = getattr(importlib.import_module(module), name)
    options = {field.name for field in dataclasses.fields(cls)}
    for given in ({"name": REQUIRED["name"]}, REQUIRED, {"name": REQUIRED["name"], **POINTS}):
        if set(given) <= options:
            with suppress(SpecError):
                return cls(**given)
    return cls(**REQUIRED, **POINTS)


TASKS = {found.name: build(found.path) for found in catalog.members("tasks")}


@pytest.fixture(params=TASKS, autouse=True)
def task(request: pytest.FixtureRequest) -> Task:
    torch.manual_seed(0)
    return TASKS[request.param]


@pytest.fixture
def head(task: Task) -> nn.Module:
    return task.head(FEATURES).eval()


def pyramid() -> Pyramid:
    generator = torch.Generator().manual_seed(1)
    shapes = [(IMAGES, f.channels, HEIGHT // f.stride, WIDTH // f.stride) for f in FEATURES]
    return [torch.randn(shape, generator=generator) for shape in shapes]


def tensors(raw: Raw | Annotation) -> list[Tensor]:
    """All tensors of a raw output or annotation."""
    return [leaf for leaf in pytree.tree_leaves(raw) if isinstance(leaf, Tensor)]


def labels(task: Task, head: nn.Module) -> list[Annotation]:
    """A random label for each image, with the units the task decodes to."""
    candidates = to_numpy(task.decode(head(pyramid())), 0)
    decoded = task.postprocess(candidates)
    settings = {name: getattr(decoded, name) for name in task.kind.metadata()}
    rng = np.random.default_rng(0)
    return [fitting(replace(FAKES[task.kind](rng, HEIGHT, WIDTH), **settings), candidates) for _ in range(IMAGES)]


@singledispatch
def fitting(label: Annotation, candidates: Annotation) -> Annotation:
    """The label of an image that the task can describe."""
    return label


@fitting.register
def _(label: ScalarMap, candidates: Annotation) -> ScalarMap:
    """Numbers without a unit are strengths of lines: a tilted one and an upright one, some of the image unknown."""
    if label.unit:
        return label
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    start = int(label.values[np.isfinite(label.values)][0]) % 20 + 10  # another place in each image
    lines = (np.abs(y - x // 2 - start) < 1) | (x == start + 50)
    return replace(label, values=np.where(y > HEIGHT - 5, np.nan, lines).astype(np.float32))


@fitting.register
def _(label: Keypoints, candidates: Annotation) -> Keypoints:
    """As many instances as the task has room for; of the only class where the task has no classes."""
    assert isinstance(candidates, Keypoints)
    some = rows(label, slice(len(candidates.xy)))
    return some if candidates.label is not None else replace(some, label=None)


def unknown(label: Annotation) -> Annotation:
    """The label of somebody who knows nothing; for instances: who looked and found none."""
    if isinstance(label, Boxes | Polylines | Keypoints):
        arrays = {name: getattr(label, name) for name in label.arrays() if name != "annotated_classes"}
        return replace(label, **{name: array[:0] for name, array in arrays.items() if array is not None})
    first = label.arrays()[0]
    array = getattr(label, first)
    return replace(label, **{first: np.full_like(array, UNKNOWN_ID if array.dtype.kind in "iu" else np.nan)})


def measured(task: Task, seen: list[Annotation], there: list[Annotation]) -> list[Stats]:
    """Statistics of each image."""
    return [task.measure(task.postprocess(one), label) for one, label in zip(seen, there, strict=True)]


def predictions(task: Task, head: nn.Module) -> list[Annotation]:
    with torch.no_grad():
        decoded = task.decode(head(pyramid()))
    return [to_numpy(decoded, i) for i in range(IMAGES)]


def test_tasks_are_found() -> None:
    assert len(TASKS) >= 3


def test_it_is_a_value_that_a_recipe_can_hold(task: Task) -> None:
    assert from_json(json.loads(json.dumps(to_json(task))), lambda cls: True) == task
    with pytest.raises(dataclasses.FrozenInstanceError):
        task.name = "other"  # type: ignore[misc]


def test_it_explains_itself(task: Task) -> None:
    folder = Path(inspect.getfile(type(task))).parent
    assert f"`{task.headline[0]}`" in (folder / "README.md").read_text()
    json.dumps(task.protocol())


def test_raw_outputs_can_be_picked_by_image(task: Task, head: nn.Module) -> None:
    raw, rows = head(pyramid()), torch.tensor([2, 0])
    assert tensors(raw)
    assert {len(t) for t in tensors(raw)} == {IMAGES}
    assert all(torch.equal(a, b[rows]) for a, b in zip(tensors(pick(raw, rows)), tensors(raw), strict=True))
    picked, whole = task.decode(pick(raw, rows)), task.decode(raw)
    for a, b in zip(tensors(picked), tensors(whole), strict=True):
        torch.testing.assert_close(a, b[rows])  # sigmoids of a longer tensor may differ in the last bit


def test_decoded_outputs_are_annotations_of_static_shape(task: Task, head: nn.Module) -> None:
    raw = head(pyramid())
    first, second = task.decode(raw), task.decode(pytree.tree_map(lambda t: t.flip(0), raw))
    assert kind_after(type(first), task.postprocess_steps()) is task.kind
    assert type(task.postprocess(to_numpy(first, 0))) is task.kind
    assert {len(t) for t in tensors(first)} == {IMAGES}
    assert [t.shape for t in tensors(first)] == [t.shape for t in tensors(second)]
    assert all(t.isfinite().all() for t in tensors(first) if t.is_floating_point())


def test_head_and_decoding_can_be_exported(task: Task, head: nn.Module) -> None:
    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.head = head

        def forward(self, levels: Pyramid) -> list[Tensor]:
            return tensors(task.decode(self.head(levels)))

    exported = torch.export.export(Network(), (pyramid(),)).module()
    for ours, theirs in zip(tensors(task.decode(head(pyramid()))), exported(pyramid()), strict=True):
        torch.testing.assert_close(theirs, ours)


def test_the_loss_teaches_every_parameter(task: Task) -> None:
    head = task.head(FEATURES).train()
    loss = task.loss(head(pyramid()), stack(labels(task, head)))
    assert loss.count > 0
    loss.mean().backward()
    for name, parameter in head.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.any(), name


def test_losses_add_up_over_images(task: Task, head: nn.Module) -> None:
    raw, there = head(pyramid()), labels(task, head)
    whole = task.loss(raw, stack(there))
    singles = [task.loss(pick(raw, torch.tensor([i])), stack([there[i]])) for i in range(IMAGES)]
    torch.testing.assert_close(whole.total, sum(one.total for one in singles), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(whole.count, sum(one.count for one in singles), rtol=1e-5, atol=1e-5)
    assert set(whole.parts) == set(singles[0].parts)
    if whole.parts:
        torch.testing.assert_close(sum(whole.parts.values()), whole.total)


def test_the_loss_is_computed_in_float32(task: Task, head: nn.Module) -> None:
    half = pytree.tree_map(lambda t: t.bfloat16() if t.is_floating_point() else t, head(pyramid()))
    with torch.autocast("cpu", torch.bfloat16):
        inside = task.loss(half, stack(labels(task, head)))
    outside = task.loss(pytree.tree_map(lambda t: t.float(), half), stack(labels(task, head)))
    assert inside.total.dtype == inside.count.dtype == torch.float32
    torch.testing.assert_close(inside.total, outside.total)


@pytest.mark.parametrize("how_many", [1, IMAGES], ids=["one image", "all images"])
def test_labels_that_know_nothing_are_safe(task: Task, how_many: int) -> None:
    head = task.head(FEATURES).train()
    there = labels(task, head)
    raw = head(pyramid())
    loss = task.loss(raw, stack([unknown(label) for label in there[:how_many]] + there[how_many:]))
    loss.mean().backward()
    assert loss.mean().isfinite()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in head.parameters())


def test_nothing_known_means_nothing_measured(task: Task, head: nn.Module) -> None:
    there = [unknown(label) for label in labels(task, head)]
    scores = task.score(merge(measured(task, predictions(task, head), there)))
    assert math.isnan(scores[task.headline[0]])


def test_a_perfect_prediction_scores_best(task: Task, head: nn.Module) -> None:
    there = labels(task, head)
    metric, better = task.headline
    scores = task.score(merge([task.measure(label, label) for label in there]))
    random = task.score(merge(measured(task, predictions(task, head), there)))
    best = {"higher": 1.0, "lower": 0.0}[better]
    assert scores[metric] == pytest.approx(best, abs=1e-6)
    assert abs(random[metric] - best) > 0.1
    assert scores.keys() == random.keys()


def test_measurements_add_up(task: Task, head: nn.Module) -> None:
    a, b, c = measured(task, predictions(task, head), labels(task, head))
    whole = task.score(merge([a, b, c]))
    assert task.score(merge([merge([a, b]), merge([c])])) == pytest.approx(whole, nan_ok=True)
    assert task.score(merge([c, a, b])) == pytest.approx(whole, nan_ok=True)


def test_a_student_can_learn_from_its_teacher(task: Task, head: nn.Module) -> None:
    teacher = task.head(FEATURES).eval()
    for temperature in (0.0, 3.0):
        with torch.no_grad():
            answer = teacher(pyramid())
            decoded = task.to_label(answer, temperature)
            target = label_of(decoded, task.kind, task.postprocess, least=0.0)
        distilled_target = DistillationTarget(
            "task", torch.arange(IMAGES), target, temperature=temperature, raw=answer, teacher=task
        )
        loss = task.distill(head(pyramid()), distilled_target).mean()
        loss.backward()
        assert loss.isfinite()
        assert any(p.grad is not None and p.grad.any() for p in head.parameters())


def test_good_labels_pass_and_other_kinds_are_refused(task: Task, head: nn.Module) -> None:
    for label in labels(task, head):
        task.check(label)
        task.check(unknown(label))
    other = next(kind for kind in FAKES if kind is not task.kind)
    with pytest.raises(DataError, match=f"got a {other.__name__}, expected a {task.kind.__name__}"):
        task.check(FAKES[other](np.random.default_rng(0), HEIGHT, WIDTH))


def test_class_ids_beyond_the_list_are_refused(task: Task, head: nn.Module) -> None:
    if not task.classes:
        pytest.skip("no classes")
    label = labels(task, head)[0]
    wrong = "ids" if task.kind is ClassMap else "label"
    ids = np.array(getattr(label, wrong))
    ids.flat[-1] = CLASSES + 3
    with pytest.raises(DataError, match=rf"{CLASSES + 3}.*expected 0\.\.{CLASSES - 1}"):
        task.check(replace(label, **{wrong: ids}))
