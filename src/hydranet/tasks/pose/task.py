"""Pose: the named points of every instance in the image, such as the joints of persons."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from hydranet.annotations import Annotation, Keypoints
from hydranet.core.checks.points import check_mirror, check_points, known_points, points_of
from hydranet.core.checks.ranges import check_range
from hydranet.core.features import Features
from hydranet.core.sample import DataError
from hydranet.core.spec import SpecError
from hydranet.core.task import Loss, PerImage, Raw, Stats, Task
from hydranet.metrics.oks import PERSON_SIGMAS, oks_scores
from hydranet.models.heads.center_points import (
    CenterHead,
    CenterMaps,
    at_cells,
    cell_of,
    covered,
    focal,
    peaks,
    refined,
    splat,
)
from hydranet.models.heads.dense import STRIDE
from hydranet.postprocess.steps import postprocess

MOST_POINTS, MOST_INSTANCES = 1024, 10_000
WIDTH_SHARE = 1 / 24
"""Sigma of a heatmap's Gaussians as a share of the instance's size; one cell at least."""


@dataclass(frozen=True)
class Pose(Task):
    """Centers, offsets to the points, and heatmaps that make them exact (Objects as Points, arXiv 1904.07850).

    points:        how many an instance has.    mirror: as in the labels; empty = no point has a left-right counterpart.
    sigmas:        of OKS, per point; empty = COCO's, for its 17 points of a person.
    offset_gain:   weight of the offsets from centers to points beside the heatmaps.
    candidates:    instances that leave the network for an image.
    least_peak:    a peak of a point's heatmap below does not move a point.
    score_floor:   instances below do not enter the scores.    max_detections: how many of an image are kept.
    score_threshold: instances below are not shown unless a caller asks for another threshold.
    """

    kind: ClassVar[type[Annotation]] = Keypoints
    headline: ClassVar[tuple[str, Literal["higher", "lower"]]] = ("ap", "higher")

    points: int = 0
    mirror: tuple[int, ...] = ()
    sigmas: tuple[float, ...] = ()
    offset_gain: float = 0.25
    candidates: int = 30
    least_peak: float = 0.1
    score_floor: float = 0.001
    max_detections: int = 20
    score_threshold: float = 0.25

    def __post_init__(self) -> None:
        check_range(f"{self.name}.points", self.points, 1, MOST_POINTS)
        check_mirror(self.name, self.points, self.mirror)
        check_range(f"{self.name}.offset_gain", self.offset_gain, 0)
        for what in ("candidates", "max_detections"):
            check_range(f"{self.name}.{what}", vars(self)[what], 1, MOST_INSTANCES)
        for what in ("least_peak", "score_floor", "score_threshold"):
            check_range(f"{self.name}.{what}", vars(self)[what], 0, 1)
        if len(self.sigmas) not in (0, self.points) or any(not sigma > 0 for sigma in self.sigmas):
            raise SpecError(
                f"{self.name!r} got {len(self.sigmas)} sigmas for {self.points} points, expected one above 0 for each"
            )

    @classmethod
    def fitting(cls, name: str, classes: tuple[str, ...], labels: Sequence[Annotation]) -> "Pose":
        """With as many points as the labels have, and their mirror images."""
        points, mirror = points_of(labels)
        task = cls(name, points=points, mirror=mirror)
        for label in labels:
            task.check(label)
        return task

    @property
    def oks_sigmas(self) -> tuple[float, ...]:
        """The sigmas of OKS: those given, COCO's for 17 points, the mean of COCO's for others."""
        if self.sigmas:
            return self.sigmas
        mean = sum(PERSON_SIGMAS) / len(PERSON_SIGMAS)
        return PERSON_SIGMAS if self.points == len(PERSON_SIGMAS) else (mean,) * self.points

    def head(self, features: Features) -> nn.Module:
        return CenterHead(features, self.points)

    def loss(self, raw: Raw, label: Annotation) -> Loss:
        """Focal losses of both kinds of heatmaps, L1 of offsets and of places within cells; count = instances + images.

        Unknown points teach nothing: neither do cells of ignored instances, nor those of a point's map inside the box
        of an instance whose point is not known. The one per image keeps the mean finite where nobody is.
        """
        assert isinstance(label, Keypoints)
        maps = CenterMaps.of(raw, self.points)
        size = (raw.shape[2], raw.shape[3])
        targets = _Targets.of(label)
        center = splat(targets.center[:, :, None], targets.real[:, :, None], targets.sigma, size)
        doubtful = covered(targets.xyxy, ~targets.real[:, :, None] & targets.placed[:, :, None], size)
        of_points = splat(targets.xy, targets.known, targets.sigma, size)
        unsure = covered(targets.xyxy, ~targets.known & targets.placed[:, :, None], size)
        parts = {
            "center": focal(maps.center, center, ~doubtful),
            "points": focal(maps.points, of_points, ~unsure) / self.points,
            "offset": self.offset_gain * _offset_loss(maps.offset, targets, size),
            "within": _within_loss(maps.within, targets, size),
        }
        count = targets.real.sum() + len(raw)
        return Loss(sum(parts.values(), raw.new_zeros((), dtype=torch.float32)), count.float(), parts)

    def decode(self, raw: Raw) -> Annotation:
        """The `candidates` best centers, best first, with all their points; `point_score` is the heatmap's value."""
        maps = CenterMaps.of(raw, self.points)
        size = (raw.shape[2], raw.shape[3])
        score, cells = peaks(maps.center.sigmoid(), self.candidates)
        score, cells = score[:, 0], cells[:, 0]
        ways = at_cells(maps.offset, cells).unflatten(2, (self.points, 2))
        xy = cells[:, :, None].float() + 0.5 + ways
        heat = maps.points.sigmoid()
        height, places = peaks(heat, self.candidates)
        within = at_cells(maps.within, places.flatten(1, 2)).view(places.shape)
        xy = refined(xy, places.float() + 0.5 + within, height, self.least_peak)
        there = cell_of(xy, size)
        values = at_cells(heat, there.flatten(1, 2)).unflatten(1, (-1, self.points))
        sure = values.diagonal(dim1=2, dim2=3)
        return Keypoints(
            xy * STRIDE,
            torch.full_like(sure, 2, dtype=torch.int64),
            score=score,
            point_score=sure,
            mirror=self.mirror,
        )

    def postprocess(self, prediction: Annotation) -> Annotation:
        return postprocess(prediction, self.postprocess_steps())

    def postprocess_steps(self) -> dict[str, dict[str, float]]:
        return {"top_instances": {"score_threshold": self.score_floor, "max_detections": self.max_detections}}

    def measure(self, prediction: Annotation, label: Annotation) -> Stats:
        return {"images": [(prediction, label)]}

    def score(self, stats: Stats) -> dict[str, float]:
        images: list[PerImage] = stats.get("images", [])
        return oks_scores(images, self.oks_sigmas)

    def protocol(self) -> dict[str, Any]:
        return {
            "points": self.points,
            "evaluator": "COCO keypoint AP, OKS .50:.95, 101 recalls, the 20 best instances, ignored = crowd",
            "sigmas": list(self.oks_sigmas),
            "candidates": self.candidates,
            "score_floor": self.score_floor,
            "limit": self.max_detections,
        }

    def check(self, label: Annotation) -> None:
        super().check(label)
        assert isinstance(label, Keypoints)
        check_points(self.name, label, self.points, self.mirror)
        ids = np.zeros(0) if label.label is None else np.asarray(label.label)
        if (ids > 0).any():
            raise DataError(f"{self.name!r} got class {int(ids.max())}, expected 0: it has one class; choose its rows")

    def counted(self, labels: Sequence[Annotation]) -> tuple[int, str]:
        return known_points(labels), f"no label of {self.name!r} has a known point; look at how labels are read"


@dataclass(frozen=True)
class _Targets:
    """A stacked label in cells.

    xy: b n k 2.    known: b n k; of real instances.    real: b n; to be found.    placed: b n; a box is known.
    xyxy: b n 4.    center: b n 2.    sigma: b n.
    """

    xy: Float[Tensor, "b n k 2"]
    known: Bool[Tensor, "b n k"]
    real: Bool[Tensor, "b n"]
    placed: Bool[Tensor, "b n"]
    xyxy: Float[Tensor, "b n 4"]
    center: Float[Tensor, "b n 2"]
    sigma: Float[Tensor, "b n"]

    @staticmethod
    def of(label: Keypoints) -> "_Targets":
        labeled = label.visible > 0
        real = labeled.any(2)
        if label.ignore is not None:
            real = real & ~label.ignore.bool()
        xy = torch.where(labeled[..., None], label.xy.float() / STRIDE, 0.0)
        far = torch.where(labeled[..., None], xy, torch.inf)
        hull = torch.cat([far.amin(2), torch.where(labeled[..., None], xy, -torch.inf).amax(2)], 2)
        if label.xyxy is not None:
            stated = label.xyxy.float() / STRIDE
            hull = torch.where(stated.isfinite().all(2, keepdim=True), stated, hull)
        placed = hull.isfinite().all(2)
        hull = torch.where(placed[..., None], hull, 0.0)
        size = (hull[..., 2:] - hull[..., :2]).clamp(min=0).prod(2).sqrt()
        center = (hull[..., :2] + hull[..., 2:]) / 2
        return _Targets(xy, labeled & real[..., None], real, placed, hull, center, (WIDTH_SHARE * size).clamp(min=1.0))


def _offset_loss(offset: Tensor, targets: _Targets, size: tuple[int, int]) -> Tensor:
    """Sum over instances of the mean over known points of |dx| + |dy| in cells, at the cells of the centers."""
    cells = cell_of(targets.center, size)
    ways = at_cells(offset, cells).unflatten(2, (targets.known.shape[2], 2))
    apart = (ways - (targets.xy - cells[:, :, None] - 0.5)).abs().sum(3)
    return (apart * targets.known).sum(2).div(targets.known.sum(2).clamp(min=1)).sum()


def _within_loss(within: Tensor, targets: _Targets, size: tuple[int, int]) -> Tensor:
    """The same of where points lie in their cells, at the cells of the points."""
    cells = cell_of(targets.xy, size)
    places = at_cells(within, cells.flatten(1, 2)).view(targets.xy.shape)
    apart = (places - (targets.xy - cells - 0.5)).abs().sum(3)
    return (apart * targets.known).sum(2).div(targets.known.sum(2).clamp(min=1)).sum()
