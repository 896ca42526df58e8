"""Classification: one class for the whole image, such as a traffic sign's or a gender."""

from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal, Self

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from hydranet.annotations import UNKNOWN_ID, Annotation, Tag
from hydranet.core.distillation_target import DistillationTarget
from hydranet.core.features import Features, Reads
from hydranet.core.sample import DataError
from hydranet.core.spec import SpecError
from hydranet.core.task import Loss, Raw, Stats, Task
from hydranet.metrics.top_k import accuracies, confused
from hydranet.models.heads.pooled import HIDDEN, PooledHead, check_hidden


@dataclass(frozen=True)
class Classification(Task):
    """Cross-entropy over images whose class is known; share of images that are right.

    class_weights: a factor on the loss of each class's images, in the order of `classes`; empty = all 1.
    smoothing:     share of the target that is spread evenly over the classes, 0 <= smoothing < 1.
    hidden:        widths of the layers between pooling and the last layer; () = linear.
    dropout:       after each of them.
    mirror:        class after a left-right flip, by class, as in `Tag.mirror`: it goes along with the answers, so that
                   those of a teacher are flipped as labels are.
    probabilities: answers carry the probability of every class, beside the most probable one.
    confusion:     scores list `confusion/<label>/<prediction>`, too: shares of the label's images.
    """

    kind: ClassVar[type[Annotation]] = Tag
    headline: ClassVar[tuple[str, Literal["higher", "lower"]]] = ("top1", "higher")

    reads: Reads = "encoder"
    class_weights: tuple[float, ...] = ()
    smoothing: float = 0.0
    hidden: tuple[int, ...] = HIDDEN
    dropout: float = 0.5
    mirror: tuple[int, ...] = ()
    probabilities: bool = True
    confusion: bool = False

    def __post_init__(self) -> None:
        if not 1 < len(self.classes) <= UNKNOWN_ID:
            raise SpecError(f"{self.name!r} got {len(self.classes)} classes, expected 2 to {UNKNOWN_ID}; name them")
        if len(set(self.classes)) != len(self.classes):
            raise SpecError(f"{self.name!r} got classes {self.classes}, expected every name once; rename one")
        if self.class_weights and len(self.class_weights) != len(self.classes):
            raise SpecError(
                f"{self.name!r} got {len(self.class_weights)} class weights for {len(self.classes)} classes; "
                "give one for each class or none"
            )
        if any(weight < 0 for weight in self.class_weights) or (self.class_weights and not any(self.class_weights)):
            raise SpecError(f"{self.name!r} got class weights {self.class_weights}, expected numbers >= 0, not all 0")
        if not 0 <= self.smoothing < 1:
            raise SpecError(f"{self.name!r} got smoothing={self.smoothing}, expected 0 <= smoothing < 1")
        if self.mirror and len(self.mirror) != len(self.classes):
            raise SpecError(f"{self.name!r} got mirror of {len(self.mirror)} classes, expected {len(self.classes)}")
        check_hidden(self.hidden, self.dropout)

    def head(self, features: Features) -> nn.Module:
        return PooledHead(features, len(self.classes), self.hidden, self.dropout)

    def loss(self, raw: Raw, label: Annotation) -> Loss:
        """Sum of -w_y log softmax(z)_y over images whose class y is known; the count is the sum of w_y.

        With smoothing e the target is 1 - e for y and e / C more for each of the C classes; with `probs` the label is
        soft: -sum_k w_k p_k log softmax(z)_k, whose count is the sum of w_k p_k.
        """
        assert isinstance(label, Tag)
        log_p = raw.float().log_softmax(1)
        weight = self._weights(log_p)
        known = label.label.long() != UNKNOWN_ID
        if label.probs is None:
            target = nn.functional.one_hot(label.label.long().where(known, 0), len(self.classes)).float()
        else:
            target = label.probs.float()
        target = target * known[:, None]
        count = (target * weight).sum()
        if self.smoothing and label.probs is None:
            target = (1 - self.smoothing) * target + self.smoothing / len(self.classes) * known[:, None]
        return Loss(-(target * weight * log_p).sum(), count)

    def _weights(self, like: Tensor) -> Float[Tensor, " c"]:
        return like.new_tensor(self.class_weights or [1.0] * len(self.classes))

    def decode(self, raw: Raw) -> Annotation:
        """The most probable class, int64 b, 255 where the outputs are no numbers; float b c probabilities by choice."""
        probs = raw.float().softmax(1)
        best = probs.max(1).indices
        best = torch.where(torch.isfinite(raw.float().sum(1)), best, UNKNOWN_ID)
        return Tag(best, probs if self.probabilities else None, mirror=self.mirror)

    def with_confidence(self) -> Self:
        """With the probability of every class."""
        return replace(self, probabilities=True)

    def to_label(self, raw: Raw, temperature: float = 0.0, least: float = 0.0) -> Annotation:
        """Classes, unknown where the greatest probability is below `least`."""
        logits = raw.float()
        sure, best = logits.softmax(1).max(1)
        probs = (logits / temperature).softmax(1) if temperature else None
        return Tag(best.where(sure >= least, UNKNOWN_ID), probs, mirror=self.mirror)

    def distill(self, raw: Raw, distilled_target: DistillationTarget) -> Loss:
        """Sum of w T^2 KL(p || softmax(z / T)) over images of which the teacher is sure (Hinton, Vinyals, Dean,
        arXiv 1503.02531), w = the weight of the class that it predicts; the loss of a label at temperature 0."""
        target, temperature = distilled_target.target, distilled_target.temperature
        assert isinstance(target, Tag)
        if target.probs is None or not temperature:
            return self.loss(raw, target)
        known = target.label.long() != UNKNOWN_ID
        weight = self._weights(raw.float())[target.label.long().where(known, 0)] * known
        wanted = target.probs.float()
        wanted = wanted / wanted.sum(1, keepdim=True).clamp(min=1e-6)  # over the classes that both have
        divergence = (torch.xlogy(wanted, wanted) - wanted * (raw.float() / temperature).log_softmax(1)).sum(1)
        return Loss(temperature**2 * (divergence * weight).sum(), weight.sum())

    def measure(self, prediction: Annotation, label: Annotation) -> Stats:
        """See `metrics.top_k.confused`; an image of unknown class is not measured."""
        assert isinstance(prediction, Tag)
        assert isinstance(label, Tag)
        return confused(prediction, label, len(self.classes))

    def score(self, stats: Stats) -> dict[str, float]:
        return accuracies(stats, self.classes, self.confusion)

    def confusion_matrix(self, stats: Stats) -> np.ndarray | None:
        counts: np.ndarray = stats["confusion"]
        return counts

    def protocol(self) -> dict[str, Any]:
        how = "share of images whose most probable class is the label's; one confusion matrix over the set"
        balanced = "mean over the classes that occur in labels of the share of their images that are right"
        return {**super().protocol(), "top1": how, "balanced_accuracy": balanced}

    def check(self, label: Annotation) -> None:
        super().check(label)
        assert isinstance(label, Tag)
        given, classes = int(label.label), len(self.classes)
        if not 0 <= given < classes and given != UNKNOWN_ID:
            raise DataError(
                f"{self.name!r} got class id {given}, expected 0..{classes - 1} or {UNKNOWN_ID} (unknown); map the "
                "data set's classes to the task's"
            )
        if label.probs is not None and len(label.probs) != classes:
            raise DataError(f"{self.name!r} got probs of {len(label.probs)} classes, expected {classes}: the task's")
        if label.mirror and label.mirror != (self.mirror or label.mirror):
            raise DataError(
                f"{self.name!r} got a label whose classes are mirrored as {label.mirror}, expected {self.mirror}, as "
                "the task says; make them equal"
            )
