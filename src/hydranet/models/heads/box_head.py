"""What a detection head is, and what its loss reads from a label. One file beside this one is one head."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from hydranet.annotations import Boxes
from hydranet.core.features import Features
from hydranet.core.spec import Component, SpecError
from hydranet.core.task import Loss, Raw
from hydranet.models.layers.boxes import inside


@dataclass(frozen=True)
class BoxHead(Component, ABC):
    """A way to find boxes. A frozen dataclass whose fields are its hyper-parameters.

    Raw outputs are a dict of tensors, each with the batch axis first, so that images can be picked from it.
    """

    @abstractmethod
    def build(self, features: Features, classes: int) -> nn.Module:
        """A module `Pyramid -> Raw`. Raises SpecError where the pyramid lacks levels that the head needs."""

    @abstractmethod
    def loss(self, raw: Raw, label: Boxes, classes: int) -> Loss:
        """Assignment and loss from raw outputs and stacked labels alone; `count` is never 0 for a batch."""

    @abstractmethod
    def decode(self, raw: Raw, candidates: int) -> Boxes:
        """The `candidates` best boxes of each image before NMS; torch ops with static shapes."""


class Truth(NamedTuple):
    """A stacked label, sorted into what to detect, what to ignore and what was looked for.

    xyxy:    float b n 4.
    label:   int b n; 0 where there is no object.
    object:  bool b n; rows to be detected: not padding, not ignored, of a class that was looked for, not empty.
    ignored: bool b n c; for which classes a row says "do not judge here".
    annotated_classes: bool b c; the classes that were looked for.
    """

    xyxy: Float[Tensor, "b n 4"]
    label: Int64[Tensor, "b n"]
    object: Bool[Tensor, "b n"]
    ignored: Bool[Tensor, "b n c"]
    annotated_classes: Bool[Tensor, "b c"]

    def judged(self, points: Float[Tensor, "b a 2"]) -> Bool[Tensor, "b a c"]:
        """Where and for which classes the absence of an object is certain."""
        rows = self.ignored.any(2).any(0)  # most boxes are not ignored, and padding never is
        covered = inside(points, self.xyxy[:, rows]).float().transpose(1, 2) @ self.ignored[:, rows].float()
        return self.annotated_classes[:, None] & (covered == 0)


def truth(label: Boxes, classes: int) -> Truth:
    """Sorts a stacked label. An ignored row with a class concerns that class, one with label -1 every class."""
    xyxy, ids = label.xyxy.float(), label.label.long()
    if not xyxy.shape[1]:  # one padding row, so that nobody has to handle n = 0
        xyxy, ids = xyxy.new_zeros(len(xyxy), 1, 4), ids.new_full((len(ids), 1), -1)
    ignore = ids.new_zeros(ids.shape, dtype=torch.bool)
    if label.ignore is not None and label.ignore.shape == ids.shape:
        ignore = label.ignore.bool()
    known = torch.ones(len(ids), classes, dtype=torch.bool, device=ids.device)
    if label.annotated_classes is not None:
        known = label.annotated_classes.bool()
    safe = ids.clamp(min=0)
    solid = (xyxy[..., 2:] > xyxy[..., :2]).all(-1)
    concerns = nn.functional.one_hot(safe, classes).bool() | (ids < 0)[..., None]
    return Truth(xyxy, safe, (ids >= 0) & ~ignore & solid & known.gather(1, safe), concerns & ignore[..., None], known)


def levels_of(features: Features, strides: tuple[int, ...]) -> tuple[int, ...]:
    """Index of the level for each stride; where two levels share one, the last (it has passed more layers).

    Raises SpecError where a stride is missing.
    """
    last = {spec.stride: index for index, spec in enumerate(features)}
    if missing := [stride for stride in strides if stride not in last]:
        raise SpecError(
            f"got levels of strides {sorted(last)}, expected {list(strides)} ({missing} missing); "
            "read another part of the network (reads='encoder' or 'decoder') or give the head other strides"
        )
    return tuple(last[stride] for stride in strides)
