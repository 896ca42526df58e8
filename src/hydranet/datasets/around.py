"""What a detector would cut out: each image is the surroundings of its one labeled object."""

from dataclasses import dataclass, field
from functools import singledispatch

import numpy as np

from hydranet.annotations import (
    Annotation,
    Boxes,
    ClassMap,
    Keypoints,
    NormalMap,
    Polylines,
    Quantity,
    ScalarMap,
    Tag,
    UnknownKind,
)
from hydranet.core.checks.ranges import check_range
from hydranet.core.dataset import Dataset
from hydranet.core.sample import DataError, Sample
from hydranet.core.wrapper import Wrapper
from hydranet.postprocess.per_box import windows
from hydranet.transforms.view import crop
from hydranet.transforms.warp import warp


@dataclass(frozen=True)
class Around(Wrapper):
    """A data set whose images are cut to the square around their one object, as a cascade cuts boxes out.

    For heads that see crops: what they learn from and are scored on is then what they see at work. The square is taken
    from the label, which a detector only comes near to: a protocol to state.

    dataset: the samples.    label: boxes, points or lines, of one instance in each image.
    margin:  added to each side of the box around it, as a share of its longer side.
    An image without the label, or without a known point, stays whole. Raises DataError for several instances.
    """

    dataset: Dataset
    label: str = field(kw_only=True)
    margin: float = field(default=0.2, kw_only=True)

    def __post_init__(self) -> None:
        check_range("Around.margin", self.margin, 0, 10)

    def __getitem__(self, index: int) -> Sample:
        sample = self.dataset[index]
        box = self._box(sample)
        if box is None:
            return sample
        ((left, top, right, bottom),) = windows(Boxes(box[None], np.zeros(1, int)), sample.size, self.margin, True)
        return warp(sample, crop(top, left, (bottom - top, right - left)))

    def _box(self, sample: Sample) -> np.ndarray | None:
        """float 4: around the one instance, where there is one."""
        label = sample.labels.get(self.label)
        if label is None:
            return None
        try:
            boxes = extents(label)
        except DataError as error:
            raise DataError(f"{sample.key}: label {self.label!r}: {error}") from error
        if len(boxes) > 1:
            raise DataError(
                f"{sample.key}: {len(boxes)} instances in {self.label!r}, expected one; images are cut around it"
            )
        return boxes[0] if len(boxes) and np.isfinite(boxes).all() else None


@singledispatch
def extents(label: Annotation) -> np.ndarray:
    """float n 4, left top right bottom: the box around each instance, NaN where nothing of it is known.

    Raises DataError for labels of whole images.
    """
    raise UnknownKind("box around an instance", type(label), "datasets/around.py")


@extents.register(ClassMap)
@extents.register(ScalarMap)
@extents.register(NormalMap)
@extents.register(Tag)
@extents.register(Quantity)
def _(label: Annotation) -> np.ndarray:
    raise DataError(f"a {type(label).__name__} has no instances; name a label of boxes, points or lines in Around")


@extents.register
def _(label: Boxes) -> np.ndarray:
    return np.asarray(label.xyxy, np.float64).reshape(-1, 4)


@extents.register
def _(label: Keypoints) -> np.ndarray:
    return _around(np.asarray(label.xy), np.asarray(label.visible) > 0)


@extents.register
def _(label: Polylines) -> np.ndarray:
    return _around(np.asarray(label.points), np.asarray(label.valid))


def _around(points: np.ndarray, known: np.ndarray) -> np.ndarray:
    """float n 4 of points n k 2, of which some are known."""
    rows = [
        np.r_[xy[k].min(0), xy[k].max(0)] if k.any() else np.full(4, np.nan)
        for xy, k in zip(points, known, strict=True)
    ]
    return np.array(rows, np.float64).reshape(-1, 4)
