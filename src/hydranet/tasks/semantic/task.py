"""Semantic segmentation: a class for every pixel."""

from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal, Self

import numpy as np
import torch
from jaxtyping import Bool
from torch import Tensor, nn

from hydranet.annotations import UNKNOWN_ID, Annotation, ClassMap
from hydranet.core.distillation_target import DistillationTarget
from hydranet.core.features import Features
from hydranet.core.sample import DataError
from hydranet.core.spec import SpecError
from hydranet.core.task import Loss, Raw, Stats, Task
from hydranet.models.heads.dense import STRIDE, DenseHead, full_size, in_blocks, is_broken, repeated
from hydranet.tasks.semantic.soft import soft_cross_entropy, softened_divergence


@dataclass(frozen=True)
class Semantic(Task):
    """Cross-entropy over pixels whose class is known; mean IoU from one confusion matrix over the whole set.

    class_weights: a factor on the loss of each class's pixels, in the order of `classes`; empty = all 1.
    smoothing:     share of the target that is spread evenly over the classes, 0 <= smoothing < 1.
    block_px:      side of the squares of input pixels that share a class: 1, 2 or 4. Decoding is the most costly
                   work after the network; at 2 it costs about a quarter, and outlines lose a little.
    confidence:    answers carry the probability of the chosen class of each pixel, too.
    """

    kind: ClassVar[type[Annotation]] = ClassMap
    headline: ClassVar[tuple[str, Literal["higher", "lower"]]] = ("miou", "higher")

    class_weights: tuple[float, ...] = ()
    smoothing: float = 0.0
    block_px: int = 1
    confidence: bool = False

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
        if not 0 <= self.smoothing < 1:
            raise SpecError(f"{self.name!r} got smoothing={self.smoothing}, expected 0 <= smoothing < 1")
        if self.block_px < 1 or STRIDE % self.block_px:
            raise SpecError(f"{self.name!r} got block_px={self.block_px}, expected 1, 2 or 4")

    def head(self, features: Features) -> nn.Module:
        return DenseHead(features, len(self.classes))

    def loss(self, raw: Raw, label: Annotation) -> Loss:
        """Sum of -w_y log softmax(z)_y over pixels whose class y is known; the count is the sum of w_y.

        Where a data set labels some of the classes only (`ClassMap.annotated_classes`), the softmax and the smoothing
        run over these: classes nobody looked for are not pushed down. With `probs` the label is soft
        (`soft_cross_entropy`).
        """
        assert isinstance(label, ClassMap)
        logits = full_size(raw)
        listed, certain = _certain(label, logits)
        weight = logits.new_tensor(self.class_weights or [1.0] * len(self.classes))
        # Not -inf: an image without any listed class would give NaN.
        log_p = logits.masked_fill(~listed[:, :, None, None], torch.finfo(logits.dtype).min).log_softmax(1)
        ids = label.ids.long()
        if label.probs is not None:
            return soft_cross_entropy(log_p, label.probs.float(), listed, certain, weight)
        target = ids.where(certain, UNKNOWN_ID)
        total = nn.functional.nll_loss(log_p, target, weight, ignore_index=UNKNOWN_ID, reduction="sum")
        if self.smoothing:
            share = listed / listed.sum(1, keepdim=True).clamp(min=1)
            even = torch.where(listed[:, :, None, None], log_p, 0.0) * (share * weight)[:, :, None, None]
            total = (1 - self.smoothing) * total - self.smoothing * (even.sum(1) * certain).sum()
        return Loss(total, weight[ids[certain]].sum())

    def decode(self, raw: Raw) -> Annotation:
        """The most probable class of every pixel, or block; with its probability, float32, where `confidence` asks."""
        # max(1).indices is an order of magnitude faster than argmax(1) on CPUs.
        logits, broken = full_size(raw, self.block_px), is_broken(raw)[:, 0]
        best = logits.max(1)
        ids = torch.where(broken, UNKNOWN_ID, best.indices).to(torch.uint8)
        sure = None
        if self.confidence:
            sure = torch.where(broken, 0.0, 1 / (logits - best.values[:, None]).exp().sum(1))  # softmax at the maximum
            sure = sure if self.block_px == 1 else repeated(sure, self.block_px)
        return ClassMap(ids if self.block_px == 1 else in_blocks(ids, self.block_px), confidence=sure)

    def with_confidence(self) -> Self:
        """With the probability of the chosen class."""
        return replace(self, confidence=True)

    def to_label(self, raw: Raw, temperature: float = 0.0, least: float = 0.0) -> Annotation:
        """Classes, unknown where the greatest probability is below `least`."""
        logits = full_size(raw)
        sure, ids = logits.softmax(1).max(1)
        ids = ids.to(torch.uint8).where(sure >= least, UNKNOWN_ID)
        return ClassMap(ids, (logits / temperature).softmax(1) if temperature else None)

    def distill(self, raw: Raw, distilled_target: DistillationTarget) -> Loss:
        """`softened_divergence` at the teacher's temperature over pixels where it is sure, each with the weight of the
        class that the teacher predicts; the loss of a label where there are decisions alone (temperature 0, exported
        teachers)."""
        target = distilled_target.target
        assert isinstance(target, ClassMap)
        if target.probs is None or not distilled_target.temperature:
            return self.loss(raw, target)
        logits = full_size(raw)
        listed, certain = _certain(target, logits)
        of_class = logits.new_tensor(self.class_weights or [1.0] * len(self.classes))
        weight = of_class[target.ids.long().where(certain, 0)] * certain
        return softened_divergence(logits, target.probs.float(), listed, weight, distilled_target.temperature)

    def measure(self, prediction: Annotation, label: Annotation) -> Stats:
        """int64 c c+1: rows = label, columns = prediction (the last: none), over pixels whose class is known.

        A pixel where the prediction is a class that nobody looked for (`annotated_classes`) is neither right nor wrong.
        """
        assert isinstance(prediction, ClassMap)
        assert isinstance(label, ClassMap)
        count = len(self.classes)
        predicted = np.minimum(prediction.ids, count)
        valid = label.ids != UNKNOWN_ID
        if label.annotated_classes is not None:
            valid &= np.append(label.annotated_classes, True)[predicted]
        pairs = label.ids[valid].astype(np.int64) * (count + 1) + predicted[valid]
        return {"confusion": np.bincount(pairs, minlength=count * (count + 1)).reshape(count, count + 1)}

    def score(self, stats: Stats) -> dict[str, float]:
        """IoU, pixel accuracy and mean class accuracy (recall); means are over the classes that occur in labels."""
        confusion = stats["confusion"].astype(np.float64)
        hit, labeled, predicted = np.diag(confusion), confusion.sum(1), confusion[:, :-1].sum(0)
        with np.errstate(invalid="ignore", divide="ignore"):
            iou = np.where(labeled > 0, hit / (labeled + predicted - hit), np.nan)
            accuracy = hit.sum() / confusion.sum()
            recall = hit / labeled
        present = labeled > 0
        scores = {
            "miou": float(iou[present].mean()) if present.any() else float("nan"),
            "pixel_accuracy": float(accuracy),
            "class_accuracy": float(recall[present].mean()) if present.any() else float("nan"),
        }
        return scores | {f"iou/{name}": float(value) for name, value in zip(self.classes, iou, strict=True)}

    def confusion_matrix(self, stats: Stats) -> np.ndarray | None:
        counts: np.ndarray = stats["confusion"]
        return counts

    def protocol(self) -> dict[str, Any]:
        how = "one confusion matrix over the set, at the label's resolution; classes that occur in the labels"
        return {**super().protocol(), "miou": how}

    def check(self, label: Annotation) -> None:
        super().check(label)
        assert isinstance(label, ClassMap)
        classes = len(self.classes)
        count = np.bincount(np.asarray(label.ids).reshape(-1), minlength=256)
        bad = count[classes:UNKNOWN_ID].nonzero()[0] + classes
        if len(bad):
            raise DataError(
                f"{self.name!r} got class ids {bad.tolist()}, expected 0..{classes - 1} or {UNKNOWN_ID} (unknown); "
                "map the data set's classes to the task's"
            )
        for what, array in (("probs", label.probs), ("annotated_classes", label.annotated_classes)):
            if array is not None and len(array) != classes:
                raise DataError(f"{self.name!r} got {what} of {len(array)} classes, expected {classes}: the task's")


def _certain(label: ClassMap, logits: Tensor) -> tuple[Bool[Tensor, "b c"], Bool[Tensor, "b h w"]]:
    """The classes that were looked for, and the pixels whose class is known and one of these."""
    listed = (
        torch.ones_like(logits[:, :, 0, 0], dtype=torch.bool)
        if label.annotated_classes is None
        else label.annotated_classes.bool()
    )
    ids = label.ids.long()
    certain = ids != UNKNOWN_ID
    certain &= listed.gather(1, ids.where(certain, 0).flatten(1)).view_as(ids)
    return listed, certain
