"""What a detector would cut out: each image is the surroundings of its one labeled object."""

from dataclasses import dataclass, field

import numpy as np

from hydranet.annotations import Boxes, Keypoints
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

    dataset: the samples.    label: boxes or points, of one instance in each image.
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
        if not isinstance(label, Boxes | Keypoints):
            raise DataError(
                f"{sample.key}: label {self.label!r} is a {type(label).__name__}, expected Boxes or Keypoints; name "
                "another label in Around"
            )
        count = len(label.xyxy if isinstance(label, Boxes) else label.xy)
        if count > 1:
            raise DataError(
                f"{sample.key}: {count} instances in {self.label!r}, expected one; images are cut around it"
            )
        if isinstance(label, Boxes):
            return np.asarray(label.xyxy[0]) if count else None
        known = np.asarray(label.xy)[np.asarray(label.visible) > 0]
        return np.concatenate([known.min(0), known.max(0)]) if len(known) else None
