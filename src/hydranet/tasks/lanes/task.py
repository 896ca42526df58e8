"""Lane lines as curves: a mask in the network, lines after it."""

from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal, Self

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from hydranet.annotations import UNKNOWN_ID, Annotation, ClassMap, Polylines, rows
from hydranet.core.checks.points import check_mirror
from hydranet.core.checks.ranges import check_range
from hydranet.core.features import Features
from hydranet.core.sample import DataError
from hydranet.core.spec import SpecError
from hydranet.core.task import Loss, Raw, Stats, Task, to_numpy
from hydranet.metrics import culane, line_pixels, tusimple
from hydranet.models.heads.dense import STRIDE, DenseHead, is_broken
from hydranet.models.heads.unet import UNetHead
from hydranet.postprocess.steps import postprocess
from hydranet.tasks.lanes.raster import line_map


@dataclass(frozen=True)
class Lanes(Task):
    """Finds lane lines. Classes, where there are some, are kinds of lines or places of lanes, a mask each.

    branch:         "dense" = two convolutions on the finest decoder level, at stride 4; "unet" = a U-Net style decoder
                    of its own on the levels that it reads (`reads="encoder"` for the encoder's taps).
    stride:         of the mask in pixels of the network's input: 4, with "unet" also 2 or 1.
    width:          channels of "unet".
    teach_px:       how wide lines are drawn to teach the mask, in pixels of the network's input.
    line_share:     weight of the pixels of lines in the cross-entropy, by image; the others have the rest.
    mirror:         class after a left-right flip, by class, where classes are places (`Polylines.mirror`).
    max_lines:      lines of an image that are kept, at most.    lines_per_class: of each class, at most.
    least_probability, least_rows, gap, reach, smooth: see `postprocess/trace_lines.py`.
    score_floor:    lines below do not enter the scores.    score_threshold: lines below are not shown.
    canvas_px:      height and width of the images whose lines are scored, as the CULane protocol needs them; lines are
                    cut off at its border.
    draw_px:        how wide lines are drawn on it for the CULane protocol.
    pixel_width_px: how wide lines are drawn on it for pixel IoU and accuracies.
    """

    kind: ClassVar[type[Annotation]] = Polylines
    headline: ClassVar[tuple[str, Literal["higher", "lower"]]] = ("f1", "higher")

    branch: Literal["dense", "unet"] = "dense"
    stride: int = STRIDE
    width: int = 32
    teach_px: float = 8.0
    line_share: float = 0.3
    mirror: tuple[int, ...] = ()
    max_lines: int = 8
    lines_per_class: int = 8
    least_probability: float = 0.5
    least_rows: int = 6
    gap: int = 12
    reach: float = 2.5
    smooth: int = 3
    score_floor: float = 0.3
    score_threshold: float = 0.3
    canvas_px: tuple[int, int] = culane.CANVAS_PX
    draw_px: float = culane.DRAW_PX
    pixel_width_px: float = 8.0

    def __post_init__(self) -> None:
        if self.branch not in ("dense", "unet"):
            raise SpecError(f"got {self.name}.branch={self.branch!r}, expected 'dense' or 'unet'")
        if self.stride not in ((STRIDE,) if self.branch == "dense" else (1, 2, 4)):
            raise SpecError(f"got {self.name}.stride={self.stride}, expected 4, with branch='unet' also 1 or 2")
        if len(set(self.classes)) != len(self.classes) or len(self.classes) >= UNKNOWN_ID:
            raise SpecError(f"got {self.name}.classes={self.classes}, expected names, each once, fewer than 255")
        check_mirror(self.name, self.channels, self.mirror, "line")
        for what in ("line_share", "least_probability", "score_floor", "score_threshold"):
            check_range(f"{self.name}.{what}", vars(self)[what], 0, 1)
        for what, low, high in (
            ("width", 1, 8192),
            ("teach_px", 1, 1000),
            ("draw_px", 1, 1000),
            ("pixel_width_px", 1, 1000),
            ("max_lines", 1, 1000),
            ("lines_per_class", 1, 1000),
            ("least_rows", 2, 10_000),
            ("gap", 1, 10_000),
            ("reach", 0, 1000),
            ("smooth", 0, 5),
        ):
            check_range(f"{self.name}.{what}", vars(self)[what], low, high)
        for side in self.canvas_px:
            check_range(f"{self.name}.canvas_px", side, 1, 16_384)

    def for_images(self, size: tuple[int, int]) -> Self:
        """Scored on a canvas of the images' own size, on which lines are as wide a share as on CULane's."""
        return replace(self, canvas_px=size, draw_px=max(1.0, round(culane.DRAW_PX * size[1] / culane.CANVAS_PX[1], 1)))

    @property
    def channels(self) -> int:
        """Masks: one for each class, or one for all lines."""
        return max(len(self.classes), 1)

    def head(self, features: Features) -> nn.Module:
        if self.branch == "unet":
            return UNetHead(features, self.channels, self.stride, self.width)
        return DenseHead(features, self.channels)

    def loss(self, raw: Raw, label: Annotation) -> Loss:
        """Per image: balanced cross-entropy of the mask + Dice loss of "a line" against "none"; count = images.

        Cross-entropy: mean over known pixels of lines times `line_share`, plus that over the others times the rest.
        Dice: 1 - (2 sum p t + 1) / (sum p + sum t + 1). Classes nobody looked for (`annotated_classes`) are left out
        of the softmax.
        """
        target = self._target(label, raw)
        logits = _with_none(raw.float())
        looked_for = _lines(label).annotated_classes
        if looked_for is not None:
            listed = nn.functional.pad(looked_for.bool(), (1, 0), value=True)
            logits = logits.masked_fill(~listed[:, : logits.shape[1], None, None], torch.finfo(logits.dtype).min)
        log_p = logits.log_softmax(1)
        known, line = target != UNKNOWN_ID, (target != UNKNOWN_ID) & (target > 0)
        entropy = nn.functional.nll_loss(log_p, target.where(known, 0), reduction="none").clamp(max=100.0)
        parts = [(line, self.line_share), (known & ~line, 1 - self.line_share)]
        cross = sum(share * (entropy * mask).sum((1, 2)) / mask.sum((1, 2)).clamp(min=1) for mask, share in parts)
        p = (1 - log_p[:, 0].exp()) * known
        overlap, both = (p * line).sum((1, 2)), p.sum((1, 2)) + line.sum((1, 2))
        dice = 1 - (2 * overlap + 1) / (both + 1)
        counted = known.any(2).any(1).float()
        sums = {"cross_entropy": (cross * counted).sum(), "dice": (dice * counted).sum()}
        return Loss(sums["cross_entropy"] + sums["dice"], counted.sum(), sums)

    def decode(self, raw: Raw) -> Annotation:
        """Probabilities of no line and of each class, and the greatest one's id, at the mask's stride."""
        probs = _with_none(raw.float()).softmax(1)
        ids = torch.where(is_broken(raw)[:, 0], UNKNOWN_ID, probs.max(1).indices).to(torch.uint8)
        return ClassMap(ids, probs)

    def postprocess(self, prediction: Annotation) -> Polylines:
        return replace(_lines(postprocess(prediction, self.postprocess_steps())), mirror=self.mirror)

    def postprocess_steps(self) -> dict[str, dict[str, float]]:
        options = {
            "score_threshold": self.score_floor,
            "least_probability": self.least_probability,
            "max_lines": self.max_lines,
            "lines_per_class": self.lines_per_class,
            "least_rows": self.least_rows,
            "gap": self.gap,
            "reach": self.reach,
            "smooth": self.smooth,
            "cell_px": self.stride,
        }
        return {"trace_lines": options}

    def measure(self, prediction: Annotation, label: Annotation) -> Stats:
        """Counts of the CULane and TuSimple protocols and of pixels, of all lines as one class."""
        predicted, labeled = _lines(prediction), _lines(label)
        if predicted.ignore is not None:
            predicted = rows(predicted, ~np.asarray(predicted.ignore, bool))
        if labeled.annotated_classes is not None and predicted.label is not None:
            predicted = rows(predicted, np.flatnonzero(np.asarray(labeled.annotated_classes)[predicted.label]))
        return {
            **culane.counts(predicted, labeled, self.canvas_px, self.draw_px),
            **tusimple.sums(predicted, labeled),
            **line_pixels.counts(predicted, labeled, self.canvas_px, self.pixel_width_px),
        }

    def score(self, stats: Stats) -> dict[str, float]:
        return {**culane.scores(stats), **tusimple.scores(stats), **line_pixels.scores(stats)}

    def protocol(self) -> dict[str, Any]:
        return {
            **super().protocol(),
            "f1": culane.protocol(self.canvas_px, self.draw_px),
            "tusimple_accuracy": tusimple.PROTOCOL,
            "line_iou": line_pixels.protocol(self.canvas_px, self.pixel_width_px),
            "score_floor": self.score_floor,
            "limit": self.max_lines,
        }

    def check(self, label: Annotation) -> None:
        super().check(label)
        lines = _lines(label)
        points, valid = np.asarray(lines.points), np.asarray(lines.valid)
        where = f"{self.name!r}"
        if points.shape != (*valid.shape, 2):
            raise DataError(f"{where} got points of shape {points.shape} for valid of {valid.shape}, expected n p 2")
        if not np.isfinite(points[valid.astype(bool)]).all():
            raise DataError(f"{where} got points that are no finite numbers; set valid to False there")
        if self.classes and lines.label is not None:
            ids = np.asarray(lines.label)
            lowest = 0 if lines.ignore is None else np.where(lines.ignore, -2, 0)
            bad = (ids < lowest) | (ids >= len(self.classes))
            if bad.any():
                raise DataError(
                    f"{where} got class id {ids[bad][0]}, expected 0..{len(self.classes) - 1}; map the data set's "
                    "classes to the task's"
                )
        if lines.mirror != self.mirror:
            raise DataError(
                f"{where} got lines whose classes are mirrored as {lines.mirror}, expected {self.mirror}, as the task "
                "says; make them equal, or a flip would mix left and right"
            )
        if self.classes and lines.label is None and len(points):
            raise DataError(f"{where} got lines without a class, expected one of {', '.join(self.classes)}")

    def _target(self, label: Annotation, raw: Float[Tensor, "b c h w"]) -> UInt8[Tensor, "b h w"]:
        """Labels as maps of classes at the mask's stride; all lines are of one class where the task has none."""
        lines = _lines(label)
        size = (raw.shape[2], raw.shape[3])
        maps = []
        for i in range(len(raw)):
            one = _lines(to_numpy(lines, i))
            one = one if self.classes or one.label is None else _of_one_class(one)
            maps.append(line_map(one, size, self.stride, self.teach_px))
        stacked = np.stack(maps) if maps else np.zeros((0, *size), np.uint8)
        return torch.from_numpy(stacked).to(raw.device, torch.int64)


def _with_none(raw: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d h w"]:
    """Logits with that of "no line", 0, in front: for one class the softmax is a sigmoid."""
    return torch.cat([torch.zeros_like(raw[:, :1]), raw], 1)


def _of_one_class(lines: Polylines) -> Polylines:
    """The lines without what padding is not: every line of any class is a line."""
    return Polylines(
        lines.points, lines.valid, np.minimum(np.asarray(lines.label), 0), score=lines.score, ignore=lines.ignore
    )


def _lines(annotation: Annotation) -> Polylines:
    if not isinstance(annotation, Polylines):
        raise DataError(f"got a {type(annotation).__name__}, expected Polylines")
    return annotation
