"""What a task is: a head, a loss, a decoding, and additive measurements. One folder in `tasks/` is one of these."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, Self

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from hydranet.annotations import Annotation
from hydranet.core.distillation_target import DistillationTarget
from hydranet.core.features import Features, Reads
from hydranet.core.known_elements import known_elements
from hydranet.core.sample import DataError
from hydranet.core.spec import Component

Raw = Any
"""What a head returns: a tensor, or a list or dict of tensors, each with the batch axis first."""

PerImage = tuple[Any, Any]
"""Prediction and label of one image: two annotations of one kind, with numpy arrays."""

Stats = dict[str, Any]
"""Additive measurements: numpy arrays and numbers add, lists concatenate (`merge`)."""


@dataclass(frozen=True, eq=False)
class Loss:
    """A sum and the number of elements it was summed over; total / count is the mean.

    Means over micro-batches and processes are (sum of totals) / (sum of counts); a mean of means would be wrong
    whenever labels are spread unequally.

    total: float tensor, attached to the graph even where count is 0.
    count: how many elements; may be 0.
    parts: named sums that make up total, for the log.
    """

    total: Tensor
    count: Tensor
    parts: Mapping[str, Tensor] = field(default_factory=dict)

    def mean(self) -> Tensor:
        """total / count, and 0 where count is 0."""
        return self.total / self.count.clamp(min=torch.finfo(self.total.dtype).tiny)


Cameras = Float[Tensor, "b 4"]
"""By image, fx, fy, cx, cy in pixels of the network's input; NaN where an image has no camera."""


class Learner(Component, ABC):
    """How a task learns, from labels and from teachers."""

    @abstractmethod
    def loss(self, raw: Raw, label: Annotation) -> Loss:
        """Loss of a stacked label; `raw` holds the labeled images only. Computed in float32, also under autocast."""

    @abstractmethod
    def decode(self, raw: Raw) -> Annotation:
        """Raw outputs to a stacked annotation in network-input pixels; torch ops with static shapes: it is exported.

        Of the task's kind, or of one that the steps after the graph turn into it.
        """

    def to_label(self, raw: Raw, temperature: float = 0.0, least: float = 0.0) -> Annotation:
        """Raw outputs to a teacher's answers, unknown where it is less sure than `least`.

        temperature: softens the class probabilities that go along with the answers (0 = none go along).
        """
        return self.decode(raw)

    def distill(self, raw: Raw, distilled_target: DistillationTarget) -> Loss:
        """Loss against a teacher; by default its answer serves as the label. `raw` holds the target's images only."""
        assert distilled_target.target is not None
        return self.loss(raw, distilled_target.target)


@dataclass(frozen=True)
class Task(Learner):
    """A perception task. A frozen dataclass whose fields are its hyper-parameters.

    It knows no encoder, no data set, no trainer. `name` is the key of its labels, losses, weights and outputs.
    """

    name: str
    classes: tuple[str, ...] = ()
    """Class names in the order of ids; empty for tasks without classes."""
    reads: Reads = "decoder"
    """Whether the head reads decoder levels or encoder taps."""

    kind: ClassVar[type[Annotation]]
    """The kind of its labels, of its answers and of what is measured. `decode` may give another kind, which
    `postprocess_steps` turn into this one: lines of a map."""
    headline: ClassVar[tuple[str, Literal["higher", "lower"]]]
    """The metric that stands for the task in tables, and which direction is better."""
    neighbors: ClassVar[Mapping[str, str]] = {}
    """By class, a similar class that it may be taken for without penalty. Where the task has only the similar class,
    boxes of the first are ignored for that class, and for no other."""

    @classmethod
    def fitting(cls, name: str, classes: tuple[str, ...], labels: Sequence[Annotation]) -> "Task":
        """A task of this class for labels such as these (numpy), its options as what they hold asks for.

        Raises SpecError or DataError where it cannot learn from such labels.
        """
        task = cls(name, classes) if classes else cls(name)
        for label in labels:
            task.check(label)
        return task

    def for_images(self, size: tuple[int, int]) -> Self:
        """The task for data whose images have this height and width in pixels, where its scores depend on that."""
        return self

    @property
    def needs_camera(self) -> bool:
        """Whether its answers depend on the camera, so that images must say theirs (`CameraTask`)."""
        return False

    def with_camera(self, camera: Cameras | None) -> Learner:
        """How it learns from and decodes images of these cameras: like any others, unless it needs to know them.

        The one place where cameras meet tasks: who has images asks this for `loss`, `decode`, `to_label`, `distill`.
        """
        return self

    def with_confidence(self) -> Self | None:
        """The task with an answer that also says how sure it is, where it otherwise does not; None where it cannot.

        For exports: on some runtimes probabilities cost more than the head itself, so they are a choice.
        """
        return None

    @property
    def score_threshold(self) -> float:
        """Score from which its boxes or lines are shown unless a caller asks for another one; 0 = all."""
        return 0.0

    @property
    def score_units(self) -> Mapping[str, str]:
        """Units of those of its scores that have one, by metric, such as {"rmse": "m"}; others are shares or ratios."""
        return {}

    @property
    def range_m(self) -> tuple[float, float] | None:
        """Nearest and farthest distance it can predict, in meters, by which predictions and labels are drawn alike."""
        return None

    @abstractmethod
    def head(self, features: Features) -> nn.Module:
        """A module `Pyramid -> Raw` for levels with these channels and strides."""

    def postprocess(self, prediction: Annotation) -> Annotation:
        """One image's decoded numpy annotation after `postprocess_steps`, of `kind`; options are fields of the task."""
        return prediction

    def postprocess_steps(self) -> dict[str, dict[str, float]]:
        """What `postprocess` does, as steps of `hydranet.postprocess.steps`; exported files hold them."""
        return {}

    @abstractmethod
    def measure(self, prediction: Annotation, label: Annotation) -> Stats:
        """Additive statistics of one image: numpy prediction and label at the label's own resolution."""

    @abstractmethod
    def score(self, stats: Stats) -> dict[str, float]:
        """Metrics of accumulated statistics; `headline[0]` is among them. NaN where nothing was measured."""

    def confusion_matrix(self, stats: Stats) -> np.ndarray | None:
        """int c c+1: elements of each class of labels (rows) by predicted class (the last column: none); None where
        the statistics do not say.
        """
        return None

    def protocol(self) -> dict[str, Any]:
        """What a reader must know to compare the scores: classes, caps, crops, thresholds, evaluator."""
        return {"classes": list(self.classes)} if self.classes else {}

    def check(self, label: Annotation) -> None:
        """Raises DataError for a label this task cannot learn from (wrong kind, id out of range, wrong shape)."""
        if not isinstance(label, self.kind):
            raise DataError(f"task {self.name!r} got a {type(label).__name__}, expected a {self.kind.__name__}")

    def counted(self, labels: Sequence[Annotation]) -> tuple[int, str]:
        """How many elements of these labels (numpy, checked) the loss counts, and what to say and do if it is 0."""
        cure = f"all labels of {self.name!r} are unknown everywhere; look at the label files and how they are read"
        return sum(map(known_elements, labels)), cure


class CameraTask(Task):
    """A task whose answers depend on the camera, such as metric depth or boxes in space.

    Its methods take the cameras of the images in `raw`; an image whose camera is NaN has unknown answers, and its
    labels teach nothing. `needs_camera` may depend on its options; where it is False, no camera is given.
    """

    @property
    def needs_camera(self) -> bool:
        return True

    @abstractmethod
    def loss(self, raw: Raw, label: Annotation, camera: Cameras | None = None) -> Loss: ...

    @abstractmethod
    def decode(self, raw: Raw, camera: Cameras | None = None) -> Annotation: ...

    def to_label(
        self, raw: Raw, temperature: float = 0.0, least: float = 0.0, camera: Cameras | None = None
    ) -> Annotation:
        """As in `Learner`."""
        return self.decode(raw, camera)

    def distill(self, raw: Raw, distilled_target: DistillationTarget, camera: Cameras | None = None) -> Loss:
        """As in `Learner`."""
        assert distilled_target.target is not None
        return self.loss(raw, distilled_target.target, camera)

    def with_camera(self, camera: Cameras | None) -> Learner:
        """Raises ValueError where it needs cameras and gets none."""
        return _WithCamera(self, self.given(camera)) if self.needs_camera else self

    def given(self, camera: Cameras | None) -> Cameras:
        """The cameras themselves. Raises ValueError for none."""
        if camera is None:
            raise ValueError(
                f"{self.name!r} needs the cameras of its images, got none, expected float32 b 4 (fx, fy, cx, cy in "
                "pixels of the input); give Batch.camera"
            )
        return camera


class _WithCamera(Learner):
    """A task of which the cameras are given."""

    def __init__(self, task: CameraTask, camera: Cameras) -> None:
        self.task, self.camera = task, camera

    def loss(self, raw: Raw, label: Annotation) -> Loss:
        return self.task.loss(raw, label, self.camera)

    def decode(self, raw: Raw) -> Annotation:
        return self.task.decode(raw, self.camera)

    def to_label(self, raw: Raw, temperature: float = 0.0, least: float = 0.0) -> Annotation:
        return self.task.to_label(raw, temperature, least, self.camera)

    def distill(self, raw: Raw, distilled_target: DistillationTarget) -> Loss:
        return self.task.distill(raw, distilled_target, self.camera)


def merge(stats: Iterable[Stats]) -> Stats:
    """Adds statistics up: arrays and numbers add, lists concatenate. Exact over images, data sets and processes."""
    total: Stats = {}
    for part in stats:
        for name, value in part.items():
            total[name] = value if name not in total else total[name] + value
    return total


def pick(raw: Raw, rows: Tensor) -> Raw:
    """The given images of a raw output."""
    return pytree.tree_map(lambda t: t[rows] if isinstance(t, Tensor) else t, raw)


def to_numpy(annotation: Annotation, index: int) -> Annotation:
    """One image of a stacked torch annotation, as numpy arrays."""
    kind = type(annotation)
    arrays = {n: _numpy(getattr(annotation, n), index) for n in kind.arrays()}
    return kind(**arrays, **{n: getattr(annotation, n) for n in kind.metadata()})


def _numpy(value: Tensor | None, index: int) -> np.ndarray | None:
    if value is None:
        return None
    one = value[index].detach().cpu()
    return (one.float() if one.dtype in (torch.bfloat16, torch.float16) else one).numpy()
