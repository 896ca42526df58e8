"""Semantic segmentation: a class for every pixel."""

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from hydranet.annotations import UNKNOWN_ID, Annotation, ClassMap
from hydranet.core.features import Features
from hydranet.core.sample import DataError
from hydranet.core.spec import SpecError
from hydranet.core.task import Loss, Raw, Stats, Task
from hydranet.nn.dense import DenseHead, full_size


@dataclass(frozen=True)
class Semantic(Task):
    """Cross-entropy over pixels whose class is known; mean IoU from one confusion matrix over the whole set.

    class_weights: a factor on the loss of each class's pixels, in the order of `classes`; empty = all 1.
    smoothing:     label smoothing, 0..1.
    """

    kind: ClassVar[type[Annotation]] = ClassMap
    headline: ClassVar[tuple[str, Literal["higher", "lower"]]] = ("miou", "higher")

    class_weights: tuple[float, ...] = ()
    smoothing: float = 0.0

    def __post_init__(self) -> None:
        if not 1 < len(self.classes) <= UNKNOWN_ID:
            raise SpecError(f"{self.name!r} got {len(self.classes)} classes, expected 2 to {UNKNOWN_ID}; name them")
        if self.class_weights and len(self.class_weights) != len(self.classes):
            raise SpecError(
                f"{self.name!r} got {len(self.class_weights)} class weights for {len(self.classes)} classes; "
                "give one for each class or none"
            )

    def head(self, features: Features) -> nn.Module:
        return DenseHead(features, len(self.classes))

    def loss(self, raw: Raw, label: Annotation) -> Loss:
        """Sum of -w_y log softmax(z)_y over known pixels; the count is the sum of their weights.

        Where a data set labels some of the classes only (`ClassMap.known`), the softmax runs over these: classes
        nobody looked for are not pushed down. With `probs` the label is soft.
        """
        assert isinstance(label, ClassMap)
        logits = full_size(raw)
        if label.known is not None:
            logits = logits.masked_fill(~label.known.bool()[:, :, None, None], -1e4)
        weight = torch.tensor(self.class_weights, device=logits.device) if self.class_weights else None
        ids = label.ids.long()
        known = ids != UNKNOWN_ID
        if label.probs is not None:
            return _soft(logits, label.probs.float(), known, weight)
        total = nn.functional.cross_entropy(
            logits, ids, weight, ignore_index=UNKNOWN_ID, reduction="sum", label_smoothing=self.smoothing
        )
        count = known.sum() if weight is None else weight[ids[known]].sum()
        return Loss(total, count.float())

    def decode(self, raw: Raw) -> Annotation:
        # max(1).indices is an order of magnitude faster than argmax(1) on CPUs.
        return ClassMap(full_size(raw).max(1).indices.to(torch.uint8))

    def measure(self, seen: Annotation, label: Annotation) -> Stats:
        """int64 c c, rows = label, columns = prediction, over the pixels whose class is known."""
        assert isinstance(seen, ClassMap)
        assert isinstance(label, ClassMap)
        count = len(self.classes)
        valid = (label.ids != UNKNOWN_ID) & (seen.ids < count)
        pairs = label.ids[valid].astype(np.int64) * count + seen.ids[valid]
        return {"confusion": np.bincount(pairs, minlength=count * count).reshape(count, count)}

    def score(self, stats: Stats) -> dict[str, float]:
        """miou averages over the classes that occur in the labels."""
        confusion = stats["confusion"].astype(np.float64)
        hit, there, said = np.diag(confusion), confusion.sum(1), confusion.sum(0)
        with np.errstate(invalid="ignore", divide="ignore"):
            iou = np.where(there > 0, hit / (there + said - hit), np.nan)
            accuracy = hit.sum() / confusion.sum()
            recall = hit / there
        present = there > 0
        scores = {
            "miou": float(iou[present].mean()) if present.any() else float("nan"),
            "pixel_accuracy": float(accuracy),
            "class_accuracy": float(recall[present].mean()) if present.any() else float("nan"),
        }
        return scores | {f"iou/{name}": float(value) for name, value in zip(self.classes, iou, strict=True)}

    def protocol(self) -> dict[str, Any]:
        how = "one confusion matrix over the set, at the label's resolution; classes that occur in the labels"
        return {**super().protocol(), "miou": how}

    def check(self, label: Annotation) -> None:
        super().check(label)
        assert isinstance(label, ClassMap)
        count = np.bincount(np.asarray(label.ids).reshape(-1), minlength=256)
        bad = count[len(self.classes) : UNKNOWN_ID].nonzero()[0] + len(self.classes)
        if len(bad):
            raise DataError(
                f"{self.name!r} got class ids {bad.tolist()}, expected 0..{len(self.classes) - 1} or {UNKNOWN_ID} "
                "(unknown); map the data set's classes to the task's"
            )


def _soft(
    logits: Float[Tensor, "b c h w"], probs: Float[Tensor, "b c h w"], known: Tensor, weight: Tensor | None
) -> Loss:
    """Sum of -sum_k w_k p_k log softmax(z)_k."""
    weighted = probs * known[:, None]
    if weight is not None:
        weighted = weighted * weight[:, None, None]
    total = -(weighted * nn.functional.log_softmax(logits, 1)).sum()
    return Loss(total, weighted.sum())
