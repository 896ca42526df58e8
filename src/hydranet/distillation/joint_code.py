"""Joint-task regularization: one code of all answers about an image, for images that label only some of the tasks."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import singledispatch
from typing import ClassVar, Literal, NoReturn

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from hydranet.annotations import (
    UNKNOWN_ID,
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
from hydranet.config.joint import Joint
from hydranet.core.batch import Batch
from hydranet.core.distillation_target import DistillationTarget
from hydranet.core.features import Features, Pyramid
from hydranet.core.spec import SpecError, unknown
from hydranet.core.task import Cameras, Loss, Raw, Task
from hydranet.distillation.training_task import TrainingTask

NAME = "joint"

MAPS = (ClassMap, ScalarMap, NormalMap)
"""Kinds of annotations that a code can hold: one value, or one vector, for every pixel."""

STEP = 4
"""The code looks at every fourth row and column: heads answer at this stride."""

Planes = tuple[Float[Tensor, "b c h w"], Bool[Tensor, "b 1 h w"]]
"""Numbers of about -1 to 1, and where they are known."""


def joint_code(joint: Joint, tasks: Mapping[str, Task]) -> "JointCode | None":
    """The task that exists while training only. Raises SpecError for tasks that are not there or have no maps."""
    if not joint.weight:
        return None
    for name in joint.tasks:
        if name not in tasks:
            raise SpecError(unknown(name, tasks, "task (in joint.tasks)"))
        if tasks[name].kind not in MAPS:
            raise SpecError(
                f"got task {name!r} in joint.tasks, which answers with {tasks[name].kind.__name__}, expected a task "
                "with a map; take it out"
            )
    names = joint.tasks or tuple(name for name, task in tasks.items() if task.kind in MAPS)
    if len(names) < 2:
        raise SpecError(f"got {len(names)} task with a map for joint, expected two or more; set joint.weight=0")
    return JointCode(NAME, of=tuple(tasks[name] for name in names), strength=joint.weight, width=joint.width)


@dataclass(frozen=True)
class JointCode(TrainingTask):
    """An encoder g and a decoder g' of all answers Y, stacked; of Y*, the same with labels where there are any.

    Loss of an image (arXiv 2404.01976, section 3): the distance 1 - cos(g(Y), g(Y*)), averaged over places, which moves
    heads and encoder, and the reconstruction |g'(g(Y*)) - Y*|^2 relative to |Y*|^2, which keeps the code from saying
    nothing and moves encoder and decoder alone. An image without a label has nothing to be compared with.
    """

    headline: ClassVar[tuple[str, Literal["higher", "lower"]]] = ("distance", "lower")

    of: tuple[Task, ...] = field(default=(), kw_only=True)
    strength: float = field(default=1.0, kw_only=True)
    width: int = field(default=32, kw_only=True)

    def head(self, features: Features) -> nn.Module:
        return Code(sum(map(channels, self.of)), self.width)

    def target(self, batch: Batch) -> DistillationTarget | None:
        """What it compares in a batch; None where nothing is labeled."""
        labeled = [batch.rows[task.name] for task in self.of if task.name in batch.rows]
        if not labeled:
            return None
        rows = torch.unique(torch.cat(labeled))
        return DistillationTarget(self.name, rows, None, raw=batch, also=tuple(task.name for task in self.of))

    def distill(self, raw: Raw, distilled_target: DistillationTarget) -> Loss:
        """raw: outputs of `of`, and the code itself under its own name, for the target's images."""
        code, batch, rows = raw[self.name], distilled_target.raw, distilled_target.rows
        answers, wanted = [], []
        for task in self.of:
            learner = task.with_camera(_filled(batch, rows))
            # classes by their probabilities; numbers as they are decoded: a teacher's label may be cut off (edges)
            soft = learner.to_label(raw[task.name], 1.0) if task.kind is ClassMap else learner.decode(raw[task.name])
            answer, _ = planes(soft, task)
            answers.append(answer)
            wanted.append(self._labeled(answer.detach(), task, batch, rows))
        stacked, true = torch.cat(answers, 1), torch.cat(wanted, 1)
        encoded = code.encode(true)
        distance = 1 - nn.functional.cosine_similarity(code.encode(stacked), encoded, dim=1).mean((1, 2))
        error = (code.decode(encoded, true.shape[-2:]) - true).square().mean((1, 2, 3))
        lost = error / true.square().mean((1, 2, 3)).clamp(min=1e-6)
        parts = {"distance": self.strength * distance.sum(), "reconstruction": self.strength * lost.sum()}
        return Loss(sum(parts.values(), start=distance.new_zeros(())), distance.new_tensor(float(len(rows))), parts)

    def _labeled(self, answer: Tensor, task: Task, batch: Batch, rows: Tensor) -> Tensor:
        """The answer, with labels where they are known."""
        if task.name not in batch.rows:
            return answer
        own = batch.rows[task.name]
        label, known = planes(batch.labels[task.name], task)
        if task.needs_camera:
            known = known & batch.camera[own].isfinite().all(1)[:, None, None, None]
        places = torch.searchsorted(rows, own)
        filled = answer.clone()
        filled[places] = torch.where(known, label, answer[places])
        return filled


class Code(nn.Module):
    """A small convolutional encoder to 1/4 of the size, and back. Without BatchNorm: sums over any split are equal."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.encode = nn.Sequential(
            nn.Conv2d(channels, width, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(width, width, 1),
        )
        self.back = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1), nn.ReLU(), nn.Conv2d(width, channels, 3, padding=1)
        )

    def decode(self, code: Float[Tensor, "b w h w"], size: tuple[int, int]) -> Float[Tensor, "b c h2 w2"]:
        """What the code still knows of the answers."""
        larger = nn.functional.interpolate(code, size=size, mode="bilinear", align_corners=False)
        answers: Tensor = self.back(larger)
        return answers

    def forward(self, pyramid: Pyramid) -> "Code":
        """Itself: it reads answers (`JointCode.distill`), not features."""
        return self


def _filled(batch: Batch, rows: Tensor) -> Cameras:
    """Cameras of the images; one of 53 degrees where nobody knows it, so that no gradient is NaN."""
    camera = batch.camera[rows]
    height, width = batch.image.shape[-2:]
    usual = camera.new_tensor([width, width, width / 2, height / 2])
    return torch.where(camera.isfinite().all(1, keepdim=True), camera, usual)


def channels(task: Task) -> int:
    """How many numbers a place of the task's map has."""
    return {ClassMap: len(task.classes), ScalarMap: 1, NormalMap: 3}[task.kind]


@singledispatch
def planes(annotation: Annotation, task: Task) -> Planes:
    """A stacked answer or label as numbers of one size."""
    raise UnknownKind("code", type(annotation), "distillation/joint_code.py")


@planes.register
def _(annotation: ClassMap, task: Task) -> Planes:
    ids = annotation.ids[:, STEP // 2 :: STEP, STEP // 2 :: STEP].long()
    known = (ids != UNKNOWN_ID)[:, None]
    if annotation.probs is not None:
        return annotation.probs[:, :, STEP // 2 :: STEP, STEP // 2 :: STEP].float(), known
    one_hot = nn.functional.one_hot(ids.where(known[:, 0], 0), len(task.classes))
    return one_hot.permute(0, 3, 1, 2).float(), known


@planes.register
def _(annotation: ScalarMap, task: Task) -> Planes:
    values = annotation.values[:, None, STEP // 2 :: STEP, STEP // 2 :: STEP].float()
    known = ~values.isnan()
    if task.range_m is not None:  # the logarithm, -1 and 1 at the ends of the range
        near, far = task.range_m
        clamped = torch.where(known, values, near).clamp(near, far)
        values = (clamped.log() - math.log(near * far) / 2) / (math.log(far / near) / 2)
    return torch.where(known, values, 0.0), known


@planes.register
def _(annotation: NormalMap, task: Task) -> Planes:
    xyz = annotation.xyz[..., STEP // 2 :: STEP, STEP // 2 :: STEP].float()
    known = xyz.isfinite().all(1, keepdim=True)
    return torch.where(known, xyz, 0.0), known


@planes.register
def _(annotation: Boxes | Polylines | Keypoints | Tag | Quantity, task: Task) -> NoReturn:
    raise SpecError(f"got {type(annotation).__name__} of {task.name!r} for a code, expected a map")
