"""Landmarks: the same k named points of the one object in the image, such as a face."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from hydranet.annotations import Annotation, Keypoints
from hydranet.core.checks.points import check_mirror, check_points, known_points, points_of
from hydranet.core.checks.ranges import check_range
from hydranet.core.features import Features
from hydranet.core.sample import DataError
from hydranet.core.spec import SpecError
from hydranet.core.task import Loss, Raw, Stats, Task
from hydranet.metrics.landmarks import measure_points, point_scores
from hydranet.models.heads.dense import STRIDE, DenseHead
from hydranet.models.heads.heatmap import divergence, expectation, log_probabilities, peakedness, probabilities

MOST_POINTS = 1024
"""Of one object: more is a slip of the keyboard."""


@dataclass(frozen=True)
class Landmarks(Task):
    """Each point's heatmap is a distribution over the image; its mean is the point (DSNT, arXiv 1801.07372).

    points:      how many there are.
    mirror:      for each point the index of its left-right counterpart (itself if it has none): what a flipped image
                 calls it. Empty = no point has another one. Labels must agree.
    sigma_cells: width of the Gaussians that the heatmaps are drawn towards, in cells of 4 input pixels.
    offset_gain: weight of the distance between mean and label beside the divergence of the heatmaps.
    reference:   two points whose distance is the unit of errors, such as (36, 45), the outer corners of the eyes among
                 68 (300-W); empty = the square root of the area of the box around the labeled points.
    pck_share:   PCK counts points within this share of the reference length.
    """

    kind: ClassVar[type[Annotation]] = Keypoints
    headline: ClassVar[tuple[str, Literal["higher", "lower"]]] = ("nme", "lower")

    points: int = 0
    mirror: tuple[int, ...] = ()
    sigma_cells: float = 1.0
    offset_gain: float = 1.0
    reference: tuple[int, ...] = ()
    pck_share: float = 0.1

    def __post_init__(self) -> None:
        check_range(f"{self.name}.points", self.points, 1, MOST_POINTS)
        check_range(f"{self.name}.sigma_cells", self.sigma_cells, 0.1, 100)
        check_range(f"{self.name}.offset_gain", self.offset_gain, 0)
        check_range(f"{self.name}.pck_share", self.pck_share, 0, above=True)
        check_mirror(self.name, self.points, self.mirror)
        within = all(0 <= index < self.points for index in self.reference)
        if self.reference and (len(set(self.reference)) != 2 or len(self.reference) != 2 or not within):
            raise SpecError(
                f"{self.name!r} got reference={self.reference}, expected two different points of 0..{self.points - 1}, "
                "or none for the box around the points"
            )

    @classmethod
    def fitting(cls, name: str, classes: tuple[str, ...], labels: Sequence[Annotation]) -> "Landmarks":
        """With as many points as the labels have, and their mirror images."""
        points, mirror = points_of(labels)
        task = cls(name, points=points, mirror=mirror)
        for label in labels:
            task.check(label)
        return task

    def head(self, features: Features) -> nn.Module:
        return DenseHead(features, self.points)

    def loss(self, raw: Raw, label: Annotation) -> Loss:
        """Sum over known points (visible > 0) of KL(Gaussian || heatmap) + gain * (|dx| + |dy|), distances in cells."""
        wanted, known = _only_instance(label)
        log_p = log_probabilities(raw)
        if not known.shape[1]:
            none = log_p.sum() * 0.0
            return Loss(none, none.detach(), {"heatmap": none, "offset": none})
        wanted = wanted / STRIDE
        heatmap = divergence(log_p, wanted, known, self.sigma_cells)
        distance = (expectation(log_p.exp()) - torch.where(known[..., None], wanted, 0.0)).abs().sum(2)
        offset = self.offset_gain * (distance * known).sum()
        return Loss(heatmap + offset, known.sum().float(), {"heatmap": heatmap, "offset": offset})

    def decode(self, raw: Raw) -> Annotation:
        """One instance for each image: the means of the heatmaps; `point_score` is how peaked they are."""
        p = probabilities(raw)
        sure = peakedness(p, self.sigma_cells)
        return Keypoints(
            (expectation(p) * STRIDE)[:, None],
            torch.full_like(sure, 2, dtype=torch.int64)[:, None],
            score=sure.mean(1, keepdim=True),
            point_score=sure[:, None],
            mirror=self.mirror,
        )

    def measure(self, prediction: Annotation, label: Annotation) -> Stats:
        assert isinstance(prediction, Keypoints)
        assert isinstance(label, Keypoints)
        return measure_points(prediction, label, self.reference, self.pck_share)

    def score(self, stats: Stats) -> dict[str, float]:
        return point_scores(stats)

    def protocol(self) -> dict[str, Any]:
        unit = f"distance of points {self.reference[0]} and {self.reference[1]}" if self.reference else "box of points"
        return {
            "points": self.points,
            "nme": f"distance / {unit}, mean over known points of an image, then over images; none = 1",
            "pck": f"share of known points within {self.pck_share:g} of that length",
        }

    def check(self, label: Annotation) -> None:
        super().check(label)
        assert isinstance(label, Keypoints)
        check_points(self.name, label, self.points, self.mirror)
        if len(label.xy) > 1:
            raise DataError(
                f"{self.name!r} got {len(label.xy)} instances, expected one at most: it finds the points of one "
                "object; crop the images to one, or use a task of several instances"
            )

    def counted(self, labels: Sequence[Annotation]) -> tuple[int, str]:
        return known_points(labels), f"no label of {self.name!r} has a known point; look at how labels are read"


def _only_instance(label: Annotation) -> tuple[Float[Tensor, "b k 2"], Bool[Tensor, "b k"]]:
    """Points and which are known, of a stacked label of at most one instance per image; k = 0 where there is none."""
    assert isinstance(label, Keypoints)
    if not label.xy.shape[1]:
        return label.xy.new_zeros(len(label.xy), 0, 2).float(), label.visible.new_zeros(len(label.xy), 0).bool()
    known = label.visible[:, 0] > 0
    if label.ignore is not None:
        known = known & ~label.ignore[:, :1]
    return label.xy[:, 0].float(), known
