"""Surface normals: a direction for every pixel."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from hydranet.annotations import Annotation, NormalMap
from hydranet.core.features import Features
from hydranet.core.sample import DataError
from hydranet.core.task import Loss, Raw, Stats, Task
from hydranet.models.heads.dense import DenseHead, decoded_size, full_size

BINS_PER_DEGREE = 10
LIMITS_DEG = {"within_11.25": 11.25, "within_22.5": 22.5, "within_30": 30.0}


@dataclass(frozen=True)
class Normals(Task):
    """Unit vectors in camera axes; the loss is 1 - cos of the angle to the label, over known pixels."""

    kind: ClassVar[type[Annotation]] = NormalMap
    headline: ClassVar[tuple[str, Literal["higher", "lower"]]] = ("mean_deg", "lower")

    def head(self, features: Features) -> nn.Module:
        return DenseHead(features, 3)

    def loss(self, raw: Raw, label: Annotation) -> Loss:
        assert isinstance(label, NormalMap)
        wanted = label.xyz.float()
        valid = torch.isfinite(wanted).all(1)
        wanted = torch.where(valid[:, None], wanted, 0.0)
        cosine = (unit(full_size(raw)) * wanted).sum(1)
        return Loss(((1 - cosine) * valid).sum(), valid.sum().float())

    def decode(self, raw: Raw) -> Annotation:
        return NormalMap(unit(decoded_size(raw)))

    def measure(self, prediction: Annotation, label: Annotation) -> Stats:
        """A histogram of angles in tenths of a degree, so that the median adds up too; exact sums beside it."""
        assert isinstance(prediction, NormalMap)
        assert isinstance(label, NormalMap)
        valid = np.isfinite(label.xyz).all(0)
        a, b = prediction.xyz[:, valid].astype(np.float64), label.xyz[:, valid].astype(np.float64)
        # Exact for small angles, where the arc cosine of a dot product is not.
        angle = np.degrees(np.arctan2(np.linalg.norm(np.cross(a, b, axis=0), axis=0), (a * b).sum(0)))
        # No answer (NaN, or no direction) is the worst answer.
        angle = np.where(np.linalg.norm(a, axis=0) > 0.5, angle, 180.0)
        bins = np.minimum((angle * BINS_PER_DEGREE).astype(np.int64), 180 * BINS_PER_DEGREE - 1)
        within = np.array([np.count_nonzero(angle < limit) for limit in LIMITS_DEG.values()])
        histogram = np.bincount(bins, minlength=180 * BINS_PER_DEGREE)
        return {"histogram": histogram, "sum_deg": float(angle.sum()), "within": within, "pixels": int(valid.sum())}

    def score(self, stats: Stats) -> dict[str, float]:
        count = stats["pixels"]
        if not count:
            return dict.fromkeys(("mean_deg", "median_deg", *LIMITS_DEG), float("nan"))
        # The two middle ones of an even number, twice the middle one of an odd number.
        ranks = ((count - 1) // 2 + 1, count // 2 + 1)
        median = np.searchsorted(np.cumsum(stats["histogram"]), ranks).mean() / BINS_PER_DEGREE
        shares = {name: float(n / count) for name, n in zip(LIMITS_DEG, stats["within"], strict=True)}
        return {"mean_deg": stats["sum_deg"] / count, "median_deg": float(median), **shares}

    @property
    def score_units(self) -> Mapping[str, str]:
        return {"mean_deg": "°", "median_deg": "°"}

    def protocol(self) -> dict[str, Any]:
        return {"average": "over all known pixels of the set", "median": "lower edge of bins of 0.1 degree"}

    def check(self, label: Annotation) -> None:
        super().check(label)
        assert isinstance(label, NormalMap)
        length = np.linalg.norm(label.xyz, axis=0)
        known = np.isfinite(length)
        bad = np.count_nonzero(np.abs(length[known] - 1) > 0.02)
        if bad:
            raise DataError(f"{self.name!r} got {bad} vectors that are not of length 1; normalize them, NaN = unknown")
        if known.any() and label.xyz[2][known].mean() > 0:
            raise DataError(
                f"{self.name!r} got normals that point away from the camera (mean z > 0), expected x right, y down, "
                "z forward, facing the camera (z < 0); negate them or their axes"
            )


def unit(xyz: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b 3 h w"]:
    """Each vector at length 1; the zero vector, which has no direction, stays 0."""
    return nn.functional.normalize(xyz, dim=1, eps=1e-6)
