"""Lines from masks: for data sets that label lanes by pixels alone."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from hydranet.annotations import UNKNOWN_ID, ClassMap, Polylines
from hydranet.core.dataset import Dataset
from hydranet.core.errors import SpecError
from hydranet.core.sample import Sample
from hydranet.core.spec import unknown
from hydranet.core.wrapper import Wrapper
from hydranet.postprocess.steps import postprocess

LEAST_ROWS = 10


@dataclass(frozen=True)
class LinesFromMasks(Wrapper):
    """Another data set's masks as lines, traced as a network's masks are (`postprocess/trace_lines.py`).

    dataset: has a label of class ids, the first of which is "no line".
    mask:    that label's name.    lines: the name of the new label, `Polylines`.
    single:  whether each class is one line (masks by place or by instance); else a class may hold several.
    keep_classes: whether lines have the classes of their pixels; else they have none.
    mirror:  with `keep_classes`, class after a left-right flip, by class, where classes are places, as in `Polylines`.

    Where an image's mask has unknown pixels, what lies there is no line. Curves are not smoothed.
    """

    dataset: Dataset
    mask: str = "lane_mask"
    lines: str = "lanes"
    single: bool = True
    keep_classes: bool = False
    mirror: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if self.mirror and (not self.keep_classes or sorted(self.mirror) != list(range(len(self.mirror)))):
            raise SpecError(
                f"got mirror={self.mirror}, expected each class of lines once, with keep_classes=True; correct it"
            )

    @property
    def classes(self) -> Mapping[str, tuple[str, ...]]:
        own = self.dataset.classes
        if self.mask not in own and self.keep_classes:
            raise SpecError(unknown(self.mask, own, "label with classes"))
        return {**own, self.lines: own[self.mask][1:]} if self.keep_classes else own

    @property
    def provenance(self) -> Mapping[str, str]:
        own = self.dataset.provenance
        return {**own, self.lines: own[self.mask]} if self.mask in own else own

    def __getitem__(self, index: int) -> Sample:
        sample = self.dataset[index]
        if self.mask not in sample.labels:
            return sample
        mask = sample.labels[self.mask]
        if not isinstance(mask, ClassMap):
            raise SpecError(f"got label {self.mask!r} of kind {type(mask).__name__}, expected a ClassMap")
        return sample.but(labels={**sample.labels, self.lines: self._lines(mask)})

    def _lines(self, mask: ClassMap) -> Polylines:
        ids = np.asarray(mask.ids)
        height = ids.shape[0]
        options = {
            "cell_px": 1,
            "smooth": 0,
            "score_threshold": 0.0,
            "lines_per_class": 1 if self.single else 16,
            "max_lines": 64,
            "least_rows": LEAST_ROWS,
            "gap": max(height // 4, 1),
            "reach": 4.0,
        }
        ids = np.where(ids == UNKNOWN_ID, 0, ids)
        lines = postprocess(ClassMap(ids), {"trace_lines": options})
        assert isinstance(lines, Polylines)
        label = lines.label if self.keep_classes else None
        if self.keep_classes and label is None:
            label = np.zeros(len(lines.points), np.int64)
        return replace(lines, score=None, label=label, mirror=self.mirror)
