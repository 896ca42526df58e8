"""What training saw of its labels: which classes occurred, which tasks learned, what was left out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import singledispatch
from typing import Any

import cv2
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
from hydranet.core.ledger import Ledger, Omission
from hydranet.core.sample import Sample
from hydranet.core.task import Task


@dataclass(frozen=True)
class Observed:
    """Counts of the images that were drawn; they add over steps, workers and processes.

    classes: by task with classes, how many pixels or objects of each class, in the order of its classes.
    learned: by task, in how many steps it had a counted element.
    ledger:  what was left out of the images, each counted the first time that it was drawn.
    """

    classes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    learned: Mapping[str, int] = field(default_factory=dict)
    ledger: Ledger = field(default_factory=Ledger)

    def __add__(self, other: "Observed") -> "Observed":
        names = {**self.classes, **other.classes}
        classes = {}
        for name in names:
            mine, theirs = self.classes.get(name), other.classes.get(name)
            both = [counts for counts in (mine, theirs) if counts is not None]
            classes[name] = tuple(sum(counts) for counts in zip(*both, strict=True))
        tasks = {**self.learned, **other.learned}
        learned = {name: self.learned.get(name, 0) + other.learned.get(name, 0) for name in tasks}
        return Observed(classes, learned, self.ledger + other.ledger)

    def omissions(self, tasks: Sequence[Task], steps: int) -> Ledger:
        """The ledger, with tasks that learned in none of `steps` steps and classes that no label held."""
        ledger = self.ledger
        for task in tasks:
            if not self.learned.get(task.name):
                reason = f"no counted element in {steps} steps"
                ledger = ledger.noted(Omission.TASK_NOT_LEARNED, task.name, reason, count=1)
            absent = [
                one for one, count in zip(task.classes, self.classes.get(task.name, ()), strict=False) if not count
            ]
            if absent:
                reason = f"in no label of {steps} steps"
                ledger = ledger.noted(Omission.CLASS_NOT_SEEN, f"task {task.name}", reason, *absent)
        return ledger

    def to_json(self) -> dict[str, Any]:
        """JSON values."""
        classes = {name: list(counts) for name, counts in self.classes.items()}
        return {"classes": classes, "learned": dict(self.learned), "ledger": self.ledger.to_json()}

    @staticmethod
    def from_json(tree: Mapping[str, Any]) -> "Observed":
        """The inverse of `to_json`. Raises ValueError, KeyError or TypeError for other values."""
        classes = {str(name): tuple(map(int, counts)) for name, counts in dict(tree["classes"]).items()}
        learned = {str(name): int(count) for name, count in dict(tree["learned"]).items()}
        return Observed(classes, learned, Ledger.from_json(tree["ledger"]))


def observe(samples: Sequence[Sample], tasks: Sequence[Task], ledger: Ledger) -> Observed:
    """The classes in the labels of some samples, for every task with classes that one of them has a label of."""
    classes: dict[str, tuple[int, ...]] = {}
    for task in tasks:
        labels = [sample.labels[task.name] for sample in samples if task.name in sample.labels]
        if task.classes and labels:
            total = np.sum([class_counts(label, len(task.classes)) for label in labels], axis=0)
            classes[task.name] = tuple(total.tolist())
    return Observed(classes, {}, ledger)


@singledispatch
def class_counts(label: Annotation, classes: int) -> np.ndarray:
    """int64 `classes`: pixels or objects of each class in one label (numpy); zeros for kinds without classes."""
    raise UnknownKind("count of classes", type(label), "data/observed.py")


@class_counts.register
def _(label: ClassMap, classes: int) -> np.ndarray:
    counts = cv2.calcHist([np.ascontiguousarray(label.ids)], [0], None, [256], [0, 256])
    return counts.reshape(-1)[:classes].astype(np.int64)


@class_counts.register(Boxes)
@class_counts.register(Polylines)
@class_counts.register(Keypoints)
def _(label: Boxes | Polylines | Keypoints, classes: int) -> np.ndarray:
    if label.label is None:
        return np.zeros(classes, dtype=np.int64)
    return _counted(label.label if label.ignore is None else label.label[~label.ignore], classes)


@class_counts.register
def _(label: Tag, classes: int) -> np.ndarray:
    return _counted(np.atleast_1d(label.label), classes)


@class_counts.register(ScalarMap)
@class_counts.register(NormalMap)
@class_counts.register(Quantity)
def _(label: Annotation, classes: int) -> np.ndarray:
    return np.zeros(classes, dtype=np.int64)


def _counted(ids: np.ndarray, classes: int) -> np.ndarray:
    return np.bincount(ids[(ids >= 0) & (ids < classes)], minlength=classes)
