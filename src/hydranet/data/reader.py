"""A source as the tasks see it: labels under the tasks' names, in the tasks' classes, checked."""

from collections.abc import Mapping, Sequence
from functools import singledispatch

import numpy as np

from hydranet.annotations import (
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
)
from hydranet.config.source import Source
from hydranet.core.dataset import Dataset
from hydranet.core.errors import UserError
from hydranet.core.ledger import Ledger, Omission
from hydranet.core.sample import DataError, Sample
from hydranet.core.spec import SpecError, unknown
from hydranet.core.task import Task
from hydranet.data.check_label import check_camera, check_labels
from hydranet.data.class_table import BACKGROUND, SIMILAR, UNMAPPED, ClassTable, class_table
from hydranet.data.observed import class_counts

SKIPPED = "each broken, on_error='skip'"
IGNORED_CLASSES = "objects of classes that the task does not have; their boxes are neither object nor background"


def read(dataset: Dataset, index: int, where: str) -> Sample:
    """A sample whose image and labels are what their kinds say; `where` names the source in errors.

    Raises DataError, naming source, item and file, for whatever the data set's code raises; IndexError past the end;
    other errors for users, such as those of options, as they are.
    """
    try:
        sample = dataset[index]
        if not isinstance(sample, Sample):
            raise DataError(f"{type(dataset).__name__} gave a {type(sample).__name__}, expected a Sample")
    except DataError as error:
        raise DataError(f"{where}, item {index}: {error}") from error
    except UserError:
        raise
    except Exception as error:
        if isinstance(error, IndexError) and index >= len(dataset):
            raise
        raise DataError(
            f"{where}, item {index}: {type(dataset).__name__} raised {type(error).__name__}: {error}; repair the file "
            "or the data set, or leave such items out with Source.on_error='skip'"
        ) from error
    try:
        check_labels(sample)
    except DataError as error:
        raise DataError(f"{where}:{sample.key or index}: {error}") from error
    return sample


class Reader:
    """A source as the tasks see it: its labels under the tasks' names, in the tasks' classes, checked."""

    def __init__(self, source: Source, tasks: Sequence[Task]) -> None:
        self.source = source
        self.tasks = {task.name: task for task in tasks}
        for name in [*source.labels, *source.classes]:
            if name not in self.tasks:
                raise SpecError(unknown(name, self.tasks, f"task (in source {source.name!r})"))
        self.label_of = {name: source.labels.get(name, name) for name in self.tasks}
        self.tables: dict[str, ClassTable] = {}
        own = source.dataset.classes
        for name, label in self.label_of.items():
            if label is not None and label in own and self.tasks[name].classes:
                where = f"{label!r} in source {source.name!r}"
                names = source.classes.get(name, {})
                self.tables[name] = class_table(own[label], self.tasks[name], names, where)
                if not issubclass(self.tasks[name].kind, Boxes):
                    _refuse_unmapped(own[label], self.tables[name], self.tasks[name], names, where)

    def __len__(self) -> int:
        return len(self.source.dataset)

    def __getitem__(self, index: int) -> Sample:
        """Raises DataError, naming source and file, for an item that cannot be read or that its task cannot use."""
        return self.use(read(self.source.dataset, index, self.source.name), str(index))

    def use(self, sample: Sample, index: str = "") -> Sample:
        """A sample of the data set with the labels that the tasks can use. Raises DataError as above."""
        check_ids(sample, self.source.dataset.classes, f"{self.source.name}:{sample.key or index}")
        sample = self.source.with_camera(sample)
        labels, ledger = dict[str, Annotation](), sample.ledger
        for name, label_name in self.label_of.items():
            if label_name in sample.labels:
                label = sample.labels[label_name]
                try:
                    labels[name] = self.tables[name].apply(label) if name in self.tables else label
                    self.tasks[name].check(labels[name])
                    check_camera(sample, self.tasks[name], self.source.name)
                except DataError as error:
                    raise DataError(f"{self.source.name}:{sample.key or index}: {error}") from error
                ledger += self._foreign(label, name)
        return sample.but(labels=labels, source=self.source.name, ledger=ledger)

    def attempt(self, index: int) -> tuple[Sample | None, Ledger]:
        """The sample, and what was left out; None where it is broken and the source skips such items."""
        try:
            sample = self[index]
        except DataError as error:
            if self.source.on_error == "refuse":
                raise
            return None, Ledger().noted(Omission.IMAGE_LEFT_OUT, self.source.name, SKIPPED, str(error))
        return sample, sample.ledger

    def class_of(self, name: str) -> dict[str, str]:
        """What each class of the data set is for a task with classes: one of its own, "background", "unknown"..."""
        own, task = self.source.dataset.classes[self.label_of[name] or name], self.tasks[name]
        mapped_to_none = "background" if issubclass(task.kind, Instances) else "unknown"
        classes = dict(enumerate(task.classes)) | {UNMAPPED: "unknown", BACKGROUND: mapped_to_none}
        classes |= {SIMILAR - i: f"ignored for {one}" for i, one in enumerate(task.classes)}
        return {mine: classes[int(target)] for mine, target in zip(own, self.tables[name].target, strict=True)}

    def provenance(self, name: str) -> str:
        """The network that made a task's labels, in words; "" where people or instruments did."""
        return self.source.dataset.provenance.get(self.label_of[name] or name, "")

    def _foreign(self, label: Annotation, name: str) -> Ledger:
        """Boxes of classes that the task does not have."""
        if name not in self.tables:
            return Ledger()
        own = self.source.dataset.classes[self.label_of[name] or name]
        counts = zip(own, class_counts(label, len(own)).tolist(), self.tables[name].target, strict=True)
        foreign = {one: count for one, count, target in counts if count and target == UNMAPPED}
        where = f"{self.source.name}, {name}"
        if not foreign:
            return Ledger()
        return Ledger().noted(Omission.LABEL_IGNORED, where, IGNORED_CLASSES, *foreign, count=sum(foreign.values()))


def _refuse_unmapped(
    own: Sequence[str], table: ClassTable, task: Task, names: Mapping[str, str | None], where: str
) -> None:
    """Raises SpecError for classes that nobody mapped: their pixels would vanish from learning and scores."""
    unmapped = [
        name for name, target in zip(own, table.target, strict=True) if target == UNMAPPED and name not in names
    ]
    if unmapped:
        raise SpecError(
            f"{where} has classes {', '.join(unmapped)}, which task {task.name!r} ({', '.join(task.classes)}) does not "
            f"have; map each in Source.classes ({{{task.name!r}: {{{unmapped[0]!r}: ...}}}}), to one of its classes or "
            "to None where its pixels shall be unknown"
        )


def check_ids(sample: Sample, classes: Mapping[str, Sequence[str]], where: str) -> None:
    """Raises DataError for an id that the data set's own class list does not have: an error, not an unknown class."""
    for name in sample.labels.keys() & classes.keys():
        count = len(classes[name])
        present = [int(i) for i in ids_of(sample.labels[name]) if i >= count and i != UNKNOWN_ID]
        if present:
            raise DataError(
                f"{where}: {name!r} holds class ids {present}, expected 0..{count - 1} or {UNKNOWN_ID} (unknown); "
                "correct the label file or the data set's class list"
            )


@singledispatch
def ids_of(label: Annotation) -> np.ndarray:
    """int n: the class ids that occur in a label; none for kinds without classes."""
    raise UnknownKind("list of class ids", type(label), "data/reader.py")


@ids_of.register
def _(label: ClassMap) -> np.ndarray:
    return np.bincount(label.ids.reshape(-1), minlength=256).nonzero()[0]


@ids_of.register
def _(label: Boxes | Polylines | Keypoints | Tag) -> np.ndarray:
    return np.zeros(0, dtype=np.int64) if label.label is None else np.unique(label.label)


@ids_of.register
def _(label: ScalarMap | NormalMap | Quantity) -> np.ndarray:
    return np.zeros(0, dtype=np.int64)
