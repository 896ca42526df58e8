"""Metric depth: meters along the camera's axis for every pixel."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from hydranet.annotations import Annotation, ScalarMap
from hydranet.core.features import Features
from hydranet.core.fixed_after_training import FixedAfterTraining
from hydranet.core.sample import DataError
from hydranet.core.spec import SpecError, unknown
from hydranet.core.task import Cameras, CameraTask, Loss, Raw, Stats
from hydranet.models.heads.dense import DenseHead, decoded_size, full_size, is_broken
from hydranet.tasks.depth.losses import LOSSES

CROPS = {
    "none": (0.0, 1.0, 0.0, 1.0),
    "garg": (0.40810811, 0.99189189, 0.03594771, 0.96405229),
    "eigen": (0.3324324, 0.91351351, 0.0359477, 0.96405229),
}
"""Top, bottom, left, right of the scored part, as shares of the image (KITTI's usual protocols)."""

METRICS = ("abs_rel", "sq_rel", "rmse", "rmse_log", "delta1", "delta2", "delta3")

FARTHEST = 8.0
"""Beyond e^8 times the middle of the range, squared errors only overflow."""


def canonical(focal_px: float, camera: Cameras) -> Float[Tensor, "b 1 1"]:
    """By how much canonical meters exceed those of each image: f_c / f; NaN where an image has no camera."""
    return (focal_px / (camera[:, 0] * camera[:, 1]).sqrt())[:, None, None]


@dataclass(frozen=True)
class Depth(CameraTask, FixedAfterTraining):
    """The head predicts z, the distance is d = sqrt(min_m max_m) exp(z) meters.

    So d is positive everywhere, a step in z is the same relative step near and far, and the range ends of a data set
    are no limits where gradients vanish: d is clipped to min_m..max_m only when it is decoded.

    min_m, max_m: the range that is decoded and scored; labels beyond it are unknown, but inf, "farther than anybody
                  measures", is learned as max_m and not scored. Part of what weights mean: fixed once the network is
                  trained.
    cap_m:        scores stop here instead of at max_m: farther labels do not count, predictions are clipped to it.
    canonical_focal_px: None = the network learns meters as labels say them: right for one camera, wrong by the ratio of
                  the focal lengths for another. A number f_c = it learns the distance at which a camera of this focal
                  length would see the same, d f_c / f with the image's own f = sqrt(fx fy), and decodes meters for that
                  camera (Metric3D, Yin et al., ICCV 2023, arXiv 2307.10984, section 3.2). In pixels of the network's
                  input; best about the focal lengths of the data. Images must then say their camera. min_m and max_m
                  stay meters in the scene: labels are chosen and answers clipped there, not in canonical meters.
                  Fixed once the network is trained.
    objective:    "berhu", "l1", "log_l1", "abs_rel", "silog" (see losses.py).
    crop:         scored part, "none", "garg" or "eigen".
    """

    kind: ClassVar[type[Annotation]] = ScalarMap
    headline: ClassVar[tuple[str, Literal["higher", "lower"]]] = ("abs_rel", "lower")
    alternative: ClassVar[str] = "cap_m"

    min_m: float = 1e-1
    max_m: float = 80.0
    objective: str = "berhu"
    crop: str = "none"
    cap_m: float | None = None
    canonical_focal_px: float | None = None

    def __post_init__(self) -> None:
        if not 0 < self.min_m < self.max_m:
            raise SpecError(f"{self.name!r} got a range of {self.min_m} to {self.max_m} m, expected 0 < min_m < max_m")
        if self.cap_m is not None and not self.min_m < self.cap_m <= self.max_m:
            raise SpecError(
                f"{self.name!r} got cap_m={self.cap_m}, expected a number above min_m={self.min_m} and up to "
                f"max_m={self.max_m}, or null for max_m"
            )
        if self.objective not in LOSSES:
            raise SpecError(unknown(self.objective, LOSSES, "depth loss"))
        if self.crop not in CROPS:
            raise SpecError(unknown(self.crop, CROPS, "crop"))
        if self.canonical_focal_px is not None and not 0 < self.canonical_focal_px < math.inf:
            raise SpecError(
                f"{self.name!r} got canonical_focal_px={self.canonical_focal_px}, expected a focal length above 0 in "
                "pixels of the network's input, or null to learn meters as labels say them"
            )

    @classmethod
    def fitting(cls, name: str, classes: tuple[str, ...], labels: Sequence[Annotation]) -> "Depth":
        """With a range that holds what was measured, rounded to one digit."""
        values = np.concatenate([_known(label) for label in labels])
        near, far = np.quantile(values[values > 0], (0.001, 0.9999)) if (values > 0).any() else (0.1, 80.0)
        task = cls(name, min_m=_rounded(near, math.floor), max_m=_rounded(max(far, 2 * near), math.ceil))
        for label in labels:
            task.check(label)
        return task

    @property
    def needs_camera(self) -> bool:
        return self.canonical_focal_px is not None

    @property
    def range_m(self) -> tuple[float, float]:
        return self.min_m, self.max_m

    @property
    def farthest_m(self) -> float:
        """Where scores stop."""
        return self.max_m if self.cap_m is None else self.cap_m

    def calibration(self) -> dict[str, Any]:
        return {"min_m": self.min_m, "max_m": self.max_m, "canonical_focal_px": self.canonical_focal_px}

    def head(self, features: Features) -> nn.Module:
        return DenseHead(features, 1)

    def meters(self, z: Float[Tensor, "b 1 h w"]) -> Float[Tensor, "b h w"]:
        """float32, not yet clipped to the range; canonical meters, where the task has a canonical focal length."""
        z = z[:, 0]
        # Bounded in value only: a gradient leads back from any z.
        z = z + (z.clamp(-FARTHEST, FARTHEST) - z).detach()
        return math.sqrt(self.min_m * self.max_m) * z.exp()

    def loss(self, raw: Raw, label: Annotation, camera: Cameras | None = None) -> Loss:
        """Sum over images of the objective on their pixels with a label inside the range; there may be no such pixel.

        Image by image, since some objectives take a threshold or a mean from the pixels they get: so sums over any
        split of a batch are the same. With a canonical focal length, prediction and label are in canonical meters.
        """
        assert isinstance(label, ScalarMap)
        wanted = label.values.float()
        wanted = torch.where(wanted.isposinf(), self.max_m, wanted)
        # Comparing with NaN gives False.
        valid = (wanted >= self.min_m) & (wanted <= self.max_m)
        if self.canonical_focal_px is not None:
            wanted = wanted * canonical(self.canonical_focal_px, self.given(camera))
            valid = valid & wanted.isfinite()
        objective = LOSSES[self.objective]
        images = zip(self.meters(full_size(raw)), wanted, valid, strict=True)
        total = torch.stack([objective(d[known], target[known]) for d, target, known in images]).sum()
        return Loss(total, valid.sum().float())

    def decode(self, raw: Raw, camera: Cameras | None = None) -> Annotation:
        meters = self.meters(decoded_size(raw))
        meters = (
            meters / canonical(self.canonical_focal_px, self.given(camera))
            if self.canonical_focal_px is not None
            else meters
        )
        meters = torch.where(is_broken(raw)[:, 0], float("nan"), meters.clamp(self.min_m, self.max_m))
        return ScalarMap(meters, unit="m")

    def measure(self, prediction: Annotation, label: Annotation) -> Stats:
        """Errors averaged over the image's scored pixels, then added up over images, as Eigen et al. do."""
        assert isinstance(prediction, ScalarMap)
        assert isinstance(label, ScalarMap)
        height, width = label.values.shape
        top, bottom, left, right = CROPS[self.crop]
        rows, columns = slice(int(top * height), int(bottom * height)), slice(int(left * width), int(right * width))
        wanted = label.values[rows, columns].astype(np.float64)
        predicted = prediction.values[rows, columns].astype(np.float64)
        valid = (wanted >= self.min_m) & (wanted <= self.farthest_m)
        # No prediction counts as the worst one: the end of the range that is farther off.
        worst = np.where(wanted * wanted > self.min_m * self.farthest_m, self.min_m, self.farthest_m)
        predicted = np.where(np.isfinite(predicted), predicted, worst)
        if not valid.any():
            return {"images": 0, "pixels": 0, "sums": np.zeros(len(METRICS))}
        errors = metrics(predicted[valid].clip(self.min_m, self.farthest_m), wanted[valid])
        return {"images": 1, "pixels": int(valid.sum()), "sums": np.array([errors[name] for name in METRICS])}

    def score(self, stats: Stats) -> dict[str, float]:
        count = stats["images"]
        means = stats["sums"] / count if count else np.full(len(METRICS), np.nan)
        return dict(zip(METRICS, map(float, means), strict=True))

    @property
    def score_units(self) -> Mapping[str, str]:
        return {"sq_rel": "m", "rmse": "m"}

    def protocol(self) -> dict[str, Any]:
        return {
            "range_m": [self.min_m, self.farthest_m],
            "crop": self.crop,
            "average": "over the pixels of an image, then over images; no alignment of scale",
        }

    def check(self, label: Annotation) -> None:
        super().check(label)
        assert isinstance(label, ScalarMap)
        if label.unit != "m":
            raise DataError(f"{self.name!r} got values in {label.unit!r}, expected meters ('m'); convert the label")
        if np.any(np.asarray(label.values) < 0):
            raise DataError(
                f"{self.name!r} got negative distances, expected meters, NaN where nobody knows; convert the label"
            )

    def counted(self, labels: Sequence[Annotation]) -> tuple[int, str]:
        known, cure = super().counted(labels)
        values = np.zeros(0)
        for label in labels:
            assert isinstance(label, ScalarMap)
            values = np.append(values, label.values[np.isfinite(label.values)])
        if known:
            cure = (
                f"no label of {self.name!r} lies in {self.min_m:g}..{self.max_m:g} m; median is "
                f"{np.median(values):,.6g}; convert the labels to meters (millimeters / 1000), or widen min_m and max_m"
            )
        return int(np.count_nonzero((values >= self.min_m) & (values <= self.max_m))), cure


def _known(label: Annotation) -> np.ndarray:
    assert isinstance(label, ScalarMap)
    return label.values[np.isfinite(label.values)][::7]


def _rounded(value: float, towards: Callable[[float], int]) -> float:
    """The number with one digit that is not 0, rounded down or up."""
    digits = math.floor(math.log10(value))
    return float(round(towards(value / 10.0**digits) * 10.0**digits, 6))


def metrics(predicted: np.ndarray, wanted: np.ndarray) -> dict[str, float]:
    """The seven numbers of Eigen, Puhrsch, Fergus (NeurIPS 2014, arXiv 1406.2283) for float n and n, both > 0."""
    error, ratio = predicted - wanted, np.maximum(predicted / wanted, wanted / predicted)
    return {
        "abs_rel": float(np.mean(np.abs(error) / wanted)),
        "sq_rel": float(np.mean(error**2 / wanted)),
        "rmse": float(np.sqrt(np.mean(error**2))),
        "rmse_log": float(np.sqrt(np.mean((np.log(predicted) - np.log(wanted)) ** 2))),
    } | {f"delta{i}": float(np.mean(ratio < 1.25**i)) for i in (1, 2, 3)}
