"""Edges: how strong a boundary is at every pixel."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from hydranet.annotations import Annotation, ScalarMap
from hydranet.core.checks.ranges import check_range
from hydranet.core.distillation_target import DistillationTarget
from hydranet.core.features import Features
from hydranet.core.sample import DataError
from hydranet.core.spec import SpecError
from hydranet.core.task import Loss, Raw, Stats, Task
from hydranet.metrics.edges import EDGE, MAX_DISTANCE, edge_scores, measure_edges
from hydranet.models.heads.dense import STRIDE, DenseHead, decoded_size, full_size, is_broken

MOST_THRESHOLDS = 999


@dataclass(frozen=True)
class Edges(Task):
    """Class-balanced cross-entropy (HED, arXiv 1504.06375, equation 2); ODS, OIS and AP by the protocol of BSDS.

    stride:     input pixels per output of the head: 4, or 2 or 1 for finer edges: the head then predicts 4 or 16
                numbers per place, which are spread over its pixels (arXiv 1609.05158), before the rest is bilinear.
    least_edge: labels from here on are edges, 0 is none; between them annotators disagree: unknown to the loss.
    thresholds: how many strengths are tried as thresholds; 99 is official.
    """

    kind: ClassVar[type[Annotation]] = ScalarMap
    headline: ClassVar[tuple[str, Literal["higher", "lower"]]] = ("ods", "higher")

    stride: int = STRIDE
    least_edge: float = EDGE
    thresholds: int = 99

    def __post_init__(self) -> None:
        if self.stride not in (1, 2, STRIDE):
            raise SpecError(f"{self.name!r} got stride={self.stride}, expected 1, 2 or {STRIDE}")
        check_range(f"{self.name}.least_edge", self.least_edge, 0, 1, above=True)
        check_range(f"{self.name}.thresholds", self.thresholds, 1, MOST_THRESHOLDS)

    def head(self, features: Features) -> nn.Module:
        return DenseHead(features, (STRIDE // self.stride) ** 2)

    def logits(self, raw: Raw) -> Float[Tensor, "b h w"]:
        """float32 at the size of the network's input."""
        if self.stride == STRIDE:
            return full_size(raw)[:, 0]
        z = nn.functional.pixel_shuffle(raw.float(), STRIDE // self.stride)
        if self.stride > 1:
            z = nn.functional.interpolate(z, scale_factor=float(self.stride), mode="bilinear", align_corners=False)
        return z[:, 0]

    def loss(self, raw: Raw, label: Annotation) -> Loss:
        """Sum over known pixels of -w log p of their class, w the other class's share of the image; count = sum of w.

        An image without an edge, or with nothing else, teaches nothing: the share of the other class is 0.
        """
        assert isinstance(label, ScalarMap)
        strength = label.values.float()
        # comparing with NaN gives False
        positive, negative = strength >= self.least_edge, strength == 0
        return balanced(self.logits(raw), positive.float(), positive | negative)

    def decode(self, raw: Raw) -> Annotation:
        z = decoded_size(raw)[:, 0] if self.stride == STRIDE else self.logits(raw)
        strength = z.sigmoid()
        return ScalarMap(torch.where(is_broken(raw)[:, 0], float("nan"), strength))

    def to_label(self, raw: Raw, temperature: float = 0.0, least: float = 0.0) -> Annotation:
        """Strengths from `least_edge` on, and 0 below: no network answers the 0 that the loss takes for "no edge"."""
        answer = self.decode(raw)
        assert isinstance(answer, ScalarMap)
        return replace(answer, values=torch.where(answer.values < self.least_edge, 0.0, answer.values))

    def distill(self, raw: Raw, distilled_target: DistillationTarget) -> Loss:
        """The same loss against the teacher's strengths as probabilities."""
        target = distilled_target.target
        assert isinstance(target, ScalarMap)
        strength = target.values.float()
        return balanced(self.logits(raw), strength, strength.isfinite())

    def measure(self, prediction: Annotation, label: Annotation) -> Stats:
        assert isinstance(prediction, ScalarMap)
        assert isinstance(label, ScalarMap)
        return measure_edges(np.asarray(prediction.values), np.asarray(label.values), self.thresholds)

    def score(self, stats: Stats) -> dict[str, float]:
        images = stats.get("counts", [])
        return edge_scores(np.stack(images) if images else np.zeros((0, self.thresholds, 3), np.int64))

    def protocol(self) -> dict[str, Any]:
        return {
            "evaluator": "BSDS for one label map per image: non-maximum suppression, thinning, one-to-one matching",
            "thresholds": self.thresholds,
            "max_distance": f"{MAX_DISTANCE:g} of the diagonal",
            "labeled_edge": f"strength from {EDGE:g}, thinned",
        }

    def check(self, label: Annotation) -> None:
        super().check(label)
        assert isinstance(label, ScalarMap)
        if label.unit:
            raise DataError(f"{self.name!r} got values in {label.unit!r}, expected edge strengths, which have no unit")
        values = np.asarray(label.values)
        if np.any(values < 0) or np.any(values > 1):
            raise DataError(
                f"{self.name!r} got strengths {np.nanmin(values):g}..{np.nanmax(values):g}, expected 0..1, NaN where "
                "nobody knows; divide gray values by 255"
            )

    def counted(self, labels: Sequence[Annotation]) -> tuple[int, str]:
        edges = 0
        for label in labels:
            assert isinstance(label, ScalarMap)
            edges += int(np.count_nonzero(np.asarray(label.values) >= self.least_edge))
        return edges, f"no label of {self.name!r} has an edge (a strength from {self.least_edge:g}); look at its files"


def balanced(z: Float[Tensor, "b h w"], p: Float[Tensor, "b h w"], known: Bool[Tensor, "b h w"]) -> Loss:
    """Sum of -(beta p log s(z) + (1 - beta) (1 - p) log(1 - s(z))), beta the share of non-edges of the image.

    p: probability of an edge; 0 or 1 for labels.    count: the sum of these weights.
    """
    p = torch.where(known, p, 0.0)
    known_f = known.float()
    beta = ((1 - p) * known_f).sum((1, 2), keepdim=True) / known_f.sum((1, 2), keepdim=True).clamp(min=1)
    for_edge, against = beta * p * known_f, (1 - beta) * (1 - p) * known_f
    total = (for_edge * nn.functional.softplus(-z) + against * nn.functional.softplus(z)).sum()
    return Loss(total, (for_edge + against).sum())
