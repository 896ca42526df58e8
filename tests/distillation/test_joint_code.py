"""The joint code: its loss restated, where gradients go, what is filled in, exact sums, resume, what is refused."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from hydranet.annotations import UNKNOWN_ID, Boxes, ClassMap, NormalMap, ScalarMap
from hydranet.checkpoint import checkpoint
from hydranet.config.joint import Joint
from hydranet.config.recipe import Recipe
from hydranet.config.source import Source
from hydranet.core.batch import Batch
from hydranet.core.spec import Part, SpecError
from hydranet.core.task import Loss, pick
from hydranet.datasets.scenes.dataset import Scenes
from hydranet.distillation.joint_code import Code, JointCode, joint_code, planes
from hydranet.models.sharing.split import SplitDecoders
from hydranet.tasks.classification.task import Classification
from hydranet.tasks.depth.task import Depth
from hydranet.tasks.edges.task import Edges
from hydranet.tasks.normals.task import Normals
from hydranet.tasks.semantic.task import Semantic
from hydranet.training.train import train
from toys import toy_recipe

SIZE = (32, 48)
TASKS = (
    Semantic("classes", ("road", "car", "sky")),
    Depth("far", min_m=1.0, max_m=64.0, canonical_focal_px=40.0),
    Normals("normals"),
)


def code_of(**settings: object) -> JointCode:
    code = joint_code(Joint(weight=1.0, **settings), {task.name: task for task in TASKS})
    assert code is not None
    return code


def batch_of(seed: int = 0) -> Batch:
    """Four images: 0 and 2 have classes, 1 has depth and 2, too; 3 has nothing."""
    generator = torch.Generator().manual_seed(seed)
    ids = torch.randint(0, 3, (2, *SIZE), generator=generator, dtype=torch.uint8)
    ids[0, :16] = UNKNOWN_ID
    meters = 1 + 60 * torch.rand(2, *SIZE, generator=generator)
    meters[0, :, :24] = float("nan")
    camera = torch.full((4, 4), 40.0)
    camera[3] = float("nan")
    labels = {"classes": ClassMap(ids), "far": ScalarMap(meters, unit="m")}
    rows = {"classes": torch.tensor([0, 2]), "far": torch.tensor([1, 2])}
    image = torch.zeros(4, 3, *SIZE, dtype=torch.uint8)
    return Batch(image, labels, rows, ("s",) * 4, ("0", "1", "2", "3"), camera)


def raw_of(seed: int = 1) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    shapes = {"classes": 3, "far": 1, "normals": 3}
    return {n: torch.randn(4, c, 8, 12, generator=generator).requires_grad_() for n, c in shapes.items()}


def loss_of(code: JointCode, head: Code, raw: dict[str, Tensor], batch: Batch) -> Loss:
    target = code.target(batch)
    assert target is not None
    outputs = {name: pick(raw[name], target.rows) for name in target.also}
    return code.distill({**outputs, code.name: head}, target)


def test_the_loss_is_the_restated_one() -> None:
    torch.manual_seed(0)
    code, batch, raw = code_of(width=5), batch_of(), raw_of()
    head = code.head(())
    assert isinstance(head, Code)
    ours = loss_of(code, head, raw, batch)
    total = 0.0
    for image in (0, 1, 2):
        said, true = [], []
        for task in TASKS:
            answer = task.with_camera(torch.full((1, 4), 40.0)).to_label(raw[task.name][image : image + 1], 1.0)
            if task.name == "classes":
                numbers = answer.probs[0, :, 2::4, 2::4]
            elif task.name == "far":
                numbers = (answer.values[:, 2::4, 2::4].log() / np.log(8)) - 1
            else:
                numbers = answer.xyz[0, :, 2::4, 2::4]
            said.append(numbers)
            label = numbers.detach().clone()
            if image in batch.rows.get(task.name, torch.tensor([])).tolist():
                place = batch.rows[task.name].tolist().index(image)
                if task.name == "classes":
                    ids = batch.labels["classes"].ids[place, 2::4, 2::4]
                    for k in range(3):
                        label[k][ids != UNKNOWN_ID] = (ids == k)[ids != UNKNOWN_ID].float()
                else:
                    meters = batch.labels["far"].values[place, 2::4, 2::4]
                    label[0] = torch.where(meters.isnan(), label[0], meters.clamp(1, 64).log() / np.log(8) - 1)
            true.append(label)
        a, b = torch.cat(said)[None], torch.cat(true)[None]
        p, q = head.encode(a)[0], head.encode(b)[0]
        cosine = (p * q).sum(0) / (p.norm(dim=0) * q.norm(dim=0))
        total += float((1 - cosine).mean().detach())
        decoded = head.decode(q[None], b.shape[-2:]).detach()
        total += float((decoded - b.detach()).square().mean() / b.detach().square().mean())
    assert int(ours.count) == 3  # the image without a label is not compared
    assert float(ours.total.detach()) == pytest.approx(total, rel=1e-4)
    assert float(sum(ours.parts.values()).detach()) == pytest.approx(total, rel=1e-4)
    assert float(loss_of(replace(code, strength=0.5), head, raw, batch).total.detach()) == pytest.approx(
        total / 2, rel=1e-4
    )


def test_answers_without_labels_learn_and_reconstruction_moves_the_code_alone() -> None:
    torch.manual_seed(0)
    code, batch, raw = code_of(), batch_of(), raw_of()
    head = code.head(())
    loss = loss_of(code, head, raw, batch)
    distance = torch.autograd.grad(loss.parts["distance"], list(raw.values()), retain_graph=True)
    for gradient in distance:
        assert gradient.isfinite().all()
        assert gradient[:3].abs().sum((1, 2, 3)).min() > 0  # in image 0 only classes are labeled, and all learn
        assert not gradient[3].any()
    none = torch.autograd.grad(loss.parts["reconstruction"], list(raw.values()), retain_graph=True, allow_unused=True)
    assert all(one is None for one in none)
    loss.total.backward()
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in head.parameters())


def test_weak_edges_learn_too() -> None:
    """A teacher's label says 0 below `least_edge`, which has no gradient; a code must see the strength itself."""
    torch.manual_seed(0)
    edges = Edges("edges")
    code = joint_code(Joint(weight=1.0), {"classes": TASKS[0], "edges": edges})
    assert code is not None
    head = code.head(())
    assert isinstance(head, Code)
    ids = torch.randint(0, 3, (1, *SIZE), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    rows = {"classes": torch.tensor([0])}
    image = torch.zeros(1, 3, *SIZE, dtype=torch.uint8)
    batch = Batch(image, {"classes": ClassMap(ids)}, rows, ("s",), ("0",), torch.full((1, 4), 40.0))
    weak = torch.full((1, 1, 8, 12), -2.0, requires_grad=True)  # a strength of .12 everywhere
    raw = {"classes": torch.randn(1, 3, 8, 12, generator=torch.Generator().manual_seed(1)), "edges": weak}
    (gradient,) = torch.autograd.grad(loss_of(code, head, raw, batch).parts["distance"], [weak])
    assert (gradient != 0).float().mean() > 0.9


def test_sums_are_the_same_over_any_split() -> None:
    torch.manual_seed(0)
    code, batch, raw = code_of(), batch_of(), raw_of()
    head = code.head(())
    whole = loss_of(code, head, raw, batch)
    parts = []
    for image in (0, 1, 2):
        rows = {n: (index == image).nonzero()[:, 0] for n, index in batch.rows.items()}
        labels = {n: pick_label(batch.labels[n], index) for n, index in rows.items() if len(index)}
        one = Batch(
            batch.image[image : image + 1],
            labels,
            {n: torch.tensor([0]) for n in labels},
            ("s",),
            ("k",),
            batch.camera[image : image + 1],
        )
        parts.append(loss_of(code, head, {n: r[image : image + 1] for n, r in raw.items()}, one))
    assert sum(float(one.total.detach()) for one in parts) == pytest.approx(float(whole.total.detach()), rel=1e-4)
    assert sum(int(one.count) for one in parts) == 3


def pick_label(label: ClassMap | ScalarMap, index: Tensor) -> ClassMap | ScalarMap:
    return ClassMap(label.ids[index]) if type(label) is ClassMap else ScalarMap(label.values[index], unit="m")


def test_a_batch_without_labels_is_not_compared() -> None:
    batch = batch_of()
    assert code_of().target(replace(batch, labels={}, rows={})) is None


def test_planes_of_kinds() -> None:
    ids = torch.tensor([[0, 1, UNKNOWN_ID]], dtype=torch.uint8).repeat_interleave(4, 1).repeat(4, 1)[None]
    numbers, known = planes(ClassMap(ids), TASKS[0])
    assert numbers[0, :, 0].T.tolist()[:2] == [[1, 0, 0], [0, 1, 0]]
    assert known[0, 0, 0].tolist() == [True, True, False]
    values = torch.tensor([[1.0, 8.0, 64.0, float("nan"), float("inf")]]).repeat_interleave(4, 1).repeat(4, 1)[None]
    numbers, known = planes(ScalarMap(values, unit="m"), TASKS[1])
    assert numbers[0, 0, 0].tolist() == pytest.approx([-1, 0, 1, 0, 1], abs=1e-6)
    assert known[0, 0, 0].tolist() == [True, True, True, False, True]
    numbers, _ = planes(ScalarMap(values), Edges("edges"))
    assert numbers[0, 0, 0].tolist()[:3] == [1.0, 8.0, 64.0]
    xyz = torch.tensor([0.6, 0.0, -0.8]).view(1, 3, 1, 1).repeat(1, 1, 4, 8)
    xyz[0, 1, :, 4:] = float("nan")
    numbers, known = planes(NormalMap(xyz), TASKS[2])
    assert numbers[0, :, 0].T.tolist() == [pytest.approx([0.6, 0.0, -0.8]), [0, 0, 0]]
    assert known[0, 0, 0].tolist() == [True, False]
    with pytest.raises(SpecError, match="got Boxes of 'classes' for a code, expected a map"):
        planes(Boxes(torch.zeros(1, 0, 4), torch.zeros(1, 0)), TASKS[0])


def half_labeled(**settings: object) -> Recipe:
    parts = (("semantic",), ("depth",))
    sources = tuple(
        Source(name, Scenes(count=6, seed=seed, size=(64, 96), labels=labels), (64, 96))
        for seed, (name, labels) in enumerate(zip(("a", "b"), parts, strict=True))
    )
    tasks = (Semantic("semantic", sources[0].dataset.classes["semantic"]), Depth("depth", min_m=1.0, max_m=80.0))
    base = toy_recipe(steps=6)
    chosen = {"joint": Joint(weight=0.5), "data": sources, "validation": (), "tasks": tasks, "batch": 4, **settings}
    return replace(base, **chosen)


def test_a_run_learns_it_goes_on_exactly_and_ships_without_it(tmp_path: Path) -> None:
    recipe = half_labeled(save_every=3)
    lines = [progress.result.losses for progress in train(recipe, tmp_path / "whole")]
    assert all("joint" in one for one in lines)
    for progress in train(recipe, tmp_path / "half"):
        if progress.step == 3:
            break
    list(train(recipe, tmp_path / "half", resume=True))
    whole, half = (checkpoint.read(tmp_path / name / checkpoint.MODEL)[0] for name in ("whole", "half"))
    assert whole.keys() == half.keys()
    assert all(torch.equal(whole[name], half[name]) for name in whole)
    assert not any("joint" in name for name in whole)


def test_without_a_weight_nothing_changes(tmp_path: Path) -> None:
    assert Recipe.from_json(half_labeled().to_json()) == half_labeled()
    none = half_labeled(joint=Joint())
    assert half_labeled().changed(["joint.weight=0"]) == none
    (first, *_) = [progress.result.losses for progress in train(replace(none, steps=1), tmp_path)]
    assert set(first) == {"semantic", "depth"}


def test_what_cannot_be_coded_is_said(tmp_path: Path) -> None:
    known = {task.name: task for task in (*TASKS, Classification("light", ("red", "green")))}
    with pytest.raises(SpecError, match=r"joint.tasks"):
        joint_code(Joint(tasks=("far", "classes2"), weight=1.0), known)
    with pytest.raises(SpecError, match=r"got task 'light' in joint.tasks, which answers with Tag"):
        joint_code(Joint(tasks=("far", "light"), weight=1.0), known)
    with pytest.raises(SpecError, match=r"got 1 task with a map for joint, expected two or more"):
        joint_code(Joint(weight=1.0), {"far": TASKS[1], "light": known["light"]})
    with pytest.raises(SpecError, match=r"got joint.weight=-1.0, expected a number >= 0"):
        Joint(weight=-1.0)
    with pytest.raises(SpecError, match=r"got joint with SplitDecoders, expected HardSharing"):
        half_labeled(sharing=Part(SplitDecoders))
    with pytest.raises(SpecError, match="it has neither labels nor answers"):
        code_of().decode(None)


def test_the_network_asks_for_all_heads_of_the_code() -> None:
    code, batch = code_of(), batch_of()
    target = code.target(batch)
    assert target is not None
    taught = replace(batch, distillation=(target,))
    assert taught.asked == {"joint", "classes", "far", "normals"}
