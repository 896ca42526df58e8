"""Where the classes of a data set's label go in a task, and the label in the task's classes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import singledispatch

import numpy as np

from hydranet.annotations import (
    NO_BOX,
    OTHER_CLASS,
    UNKNOWN_ID,
    Annotation,
    Boxes,
    ClassMap,
    Instances,
    Keypoints,
    NormalMap,
    Polylines,
    Quantity,
    ScalarMap,
    Tag,
    UnknownKind,
    rows,
)
from hydranet.core.spec import SpecError, unknown
from hydranet.core.task import Task

SIMILAR, UNMAPPED, BACKGROUND = -3, OTHER_CLASS, -1
"""Where a class of a data set goes that the task does not have: too similar to class k to be distinguished from it
(SIMILAR - k), unknown, or known to be none of its classes."""


@dataclass(frozen=True)
class ClassTable:
    """Where the classes of a data set's label go in a task.

    target: by id of the data set, an id of the task, BACKGROUND, UNMAPPED, or SIMILAR - an id of the task.
    annotated_classes: by id of the task, whether the data set labels it.
    """

    target: np.ndarray
    annotated_classes: np.ndarray

    def apply(self, label: Annotation) -> Annotation:
        """The label in the task's ids."""
        return _in_task_ids(label, self)

    @property
    def known(self) -> np.ndarray | None:
        """What `Annotation.annotated_classes` is to be: bool c, or None where the data set labels all classes."""
        return None if self.annotated_classes.all() else self.annotated_classes

    def ids(self, ids: np.ndarray) -> np.ndarray:
        """Where each of these ids of the data set goes; ids that it does not have are UNMAPPED."""
        ids = np.asarray(ids)
        valid = (ids >= 0) & (ids < len(self.target))
        return np.where(valid, self.target[ids.clip(0, len(self.target) - 1)], UNMAPPED)

    def probabilities(self, probs: np.ndarray | None) -> np.ndarray | None:
        """Probabilities of the data set's classes (float c h w) as those of the task's."""
        if probs is None:
            return None
        mapped = np.zeros((len(self.annotated_classes), *probs.shape[1:]), dtype=probs.dtype)
        for own, target in enumerate(self.target):
            if target >= 0:
                mapped[target] += probs[own]
        return mapped

    def mirror(self, mirror: tuple[int, ...]) -> tuple[int, ...]:
        """Counterparts of the data set's classes (`Tag.mirror`) as those of the task's."""
        mapped = [-1] * len(self.annotated_classes) if mirror else []
        for own, other in enumerate(mirror):
            if self.target[own] >= 0 and other >= 0 and self.target[other] >= 0:
                mapped[self.target[own]] = int(self.target[other])
        return tuple(mapped)


@singledispatch
def _in_task_ids(label: Annotation, table: ClassTable) -> Annotation:
    raise UnknownKind("mapping of classes", type(label), "data/class_table.py")


@_in_task_ids.register
def _(label: ClassMap, table: ClassTable) -> ClassMap:
    ids = np.full(256, UNKNOWN_ID, dtype=np.uint8)
    ids[: len(table.target)] = np.where(table.target < 0, UNKNOWN_ID, table.target)
    return ClassMap(ids[label.ids], table.probabilities(label.probs), table.known)


@_in_task_ids.register
def _(label: Boxes | Polylines | Keypoints, table: ClassTable) -> Instances:
    """A foreign object might be any of ours: it is ignored for every class; a label below 0 means that."""
    if label.label is None:
        return label
    target = table.ids(label.label)
    ignore = (target <= UNMAPPED) | (np.zeros(len(target), bool) if label.ignore is None else label.ignore)
    target = np.where(np.asarray(label.label) < 0, NO_BOX, np.where(target <= SIMILAR, SIMILAR - target, target))
    return rows(
        replace(label, label=target, ignore=ignore, annotated_classes=table.known), (target != BACKGROUND) | ignore
    )


@_in_task_ids.register
def _(label: Tag, table: ClassTable) -> Tag:
    target = table.ids(np.atleast_1d(label.label))[0]
    return replace(
        label,
        label=np.asarray(UNKNOWN_ID if target < 0 else target),
        probs=table.probabilities(label.probs),
        mirror=table.mirror(label.mirror),
    )


@_in_task_ids.register
def _(label: ScalarMap | NormalMap | Quantity, table: ClassTable) -> Annotation:
    return label  # numbers have no classes


def class_table(own: Sequence[str], task: Task, names: Mapping[str, str | None], where: str) -> ClassTable:
    """How classes called `own` become the task's. Raises SpecError for a name that neither side has."""
    for mine, theirs in names.items():
        if mine not in own:
            raise SpecError(unknown(mine, own, f"class of {where}"))
        if theirs is not None and theirs not in task.classes:
            raise SpecError(unknown(theirs, task.classes, f"class of task {task.name!r}"))
    target = np.full(max(len(own), 1), UNMAPPED, dtype=np.int64)
    for i, name in enumerate(own):
        goal = names.get(name, name)
        if goal is None:
            target[i] = BACKGROUND
        elif goal in task.classes:
            target[i] = task.classes.index(goal)
        elif task.neighbors.get(goal) in task.classes:
            target[i] = SIMILAR - task.classes.index(task.neighbors[goal])
    known = np.isin(np.arange(len(task.classes)), target)
    if not known.any():
        raise SpecError(
            f"{where} has classes {', '.join(own)}, of which task {task.name!r} ({', '.join(task.classes)}) has none; "
            "map them in Source.classes or switch the label off in Source.labels"
        )
    return ClassTable(target, known)
