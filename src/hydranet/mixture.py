"""Sources that label different things, mixed into steps.

Everything random is a pure function of (seed, slot), where a slot is the number of an image in the whole run: step s
with batch size b holds slots s*b ... s*b + b - 1. So a run resumes exactly from its step number alone, and several
processes that share out the slots of a step see the images that one process would.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as TorchDataset

from hydranet.annotations import NO_BOX, OTHER_CLASS, UNKNOWN_ID, Annotation, Boxes, ClassMap, Polylines, Tag, rows
from hydranet.augment.policy import Augment
from hydranet.core.batch import Batch, collate
from hydranet.core.sample import DataError, Sample
from hydranet.core.spec import SpecError, unknown
from hydranet.core.task import Task
from hydranet.recipe import Recipe, Source

GOLDEN = (5**0.5 - 1) / 2
NEIGHBOUR, FOREIGN, BACKGROUND = -3, OTHER_CLASS, -1
"""Where a class of a data set goes that the task does not have: too like class k to be told from it (NEIGHBOUR - k),
unknown, or known to be none of its classes."""


def plan(weights: Sequence[float], slots: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Which source each slot draws from, and the how-manieth draw of that source it is; both int, length `slots`.

    A golden-ratio sequence instead of a random one: every stretch of slots holds the sources in proportion.
    """
    edges = np.cumsum(np.asarray(weights, dtype=np.float64) / np.sum(weights))
    start = np.random.default_rng((seed, 0)).random()
    source = np.searchsorted(edges, (start + GOLDEN * np.arange(slots)) % 1.0, side="right").clip(max=len(weights) - 1)
    draw = np.zeros(slots, dtype=np.int64)
    for i in range(len(weights)):
        draw[source == i] = np.arange(np.count_nonzero(source == i))
    return source, draw


@dataclass(frozen=True)
class ClassTable:
    """Where the classes of a data set's label go in a task.

    target: by id of the data set, an id of the task, BACKGROUND, FOREIGN, or NEIGHBOUR - an id of the task.
    known:  by id of the task, whether the data set labels it.
    """

    target: np.ndarray
    known: np.ndarray

    def apply(self, label: Annotation) -> Annotation:
        """The label in the task's ids."""
        known = None if self.known.all() else self.known
        if isinstance(label, ClassMap):
            table = np.full(256, UNKNOWN_ID, dtype=np.uint8)
            table[: len(self.target)] = np.where(self.target < 0, UNKNOWN_ID, self.target)
            return ClassMap(table[label.ids], self._probabilities(label.probs), known)
        if isinstance(label, Boxes):
            target = self._of(label.label)
            ignore = (target <= FOREIGN) | (np.zeros(len(target), bool) if label.ignore is None else label.ignore)
            # A foreign object might be any of ours: its region is ignored for every class, which a label below 0 says.
            target = np.where(
                np.asarray(label.label) < 0, NO_BOX, np.where(target <= NEIGHBOUR, NEIGHBOUR - target, target)
            )
            return rows(replace(label, label=target, ignore=ignore, known=known), (target != BACKGROUND) | ignore)
        if isinstance(label, Polylines) and label.label is not None:
            target = self._of(label.label)
            return rows(replace(label, label=target), target >= 0)
        if isinstance(label, Tag):
            target = self._of(np.atleast_1d(label.label))
            return replace(label, label=np.where(target < 0, UNKNOWN_ID, target)[0], mirror=self._mirror(label.mirror))
        return label

    def _of(self, ids: np.ndarray) -> np.ndarray:
        ids = np.asarray(ids)
        valid = (ids >= 0) & (ids < len(self.target))
        return np.where(valid, self.target[ids.clip(0, len(self.target) - 1)], FOREIGN)

    def _probabilities(self, probs: np.ndarray | None) -> np.ndarray | None:
        if probs is None:
            return None
        mapped = np.zeros((len(self.known), *probs.shape[1:]), dtype=probs.dtype)
        for own, target in enumerate(self.target):
            if target >= 0:
                mapped[target] += probs[own]
        return mapped

    def _mirror(self, mirror: tuple[int, ...]) -> tuple[int, ...]:
        mapped = [-1] * len(self.known) if mirror else []
        for own, other in enumerate(mirror):
            if self.target[own] >= 0 and other >= 0 and self.target[other] >= 0:
                mapped[self.target[own]] = int(self.target[other])
        return tuple(mapped)


def class_table(own: Sequence[str], task: Task, names: Mapping[str, str | None], where: str) -> ClassTable:
    """How classes called `own` become the task's. Raises SpecError for a name that neither side has."""
    for mine, theirs in names.items():
        if mine not in own:
            raise SpecError(unknown(mine, own, f"class of {where}"))
        if theirs is not None and theirs not in task.classes:
            raise SpecError(unknown(theirs, task.classes, f"class of task {task.name!r}"))
    target = np.full(max(len(own), 1), FOREIGN, dtype=np.int64)
    for i, name in enumerate(own):
        goal = names.get(name, name)
        if goal is None:
            target[i] = BACKGROUND
        elif goal in task.classes:
            target[i] = task.classes.index(goal)
        elif task.neighbours.get(goal) in task.classes:
            target[i] = NEIGHBOUR - task.classes.index(task.neighbours[goal])
    known = np.isin(np.arange(len(task.classes)), target)
    if not known.any():
        raise SpecError(
            f"{where} has classes {', '.join(own)}, of which task {task.name!r} ({', '.join(task.classes)}) has none; "
            "map them in Source.classes or switch the label off in Source.labels"
        )
    return ClassTable(target, known)


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
                self.tables[name] = class_table(own[label], self.tasks[name], source.classes.get(name, {}), where)

    def __len__(self) -> int:
        return len(self.source.dataset)

    def __getitem__(self, index: int) -> Sample:
        """Raises DataError, naming source and file, for a label that its task cannot use."""
        sample = self.source.dataset[index]
        labels = {}
        for name, label_name in self.label_of.items():
            if label_name in sample.labels:
                label = sample.labels[label_name]
                try:
                    self._check_ids(label, name)
                    labels[name] = self.tables[name].apply(label) if name in self.tables else label
                    self.tasks[name].check(labels[name])
                except DataError as error:
                    raise DataError(f"{self.source.name}:{sample.key}: {error}") from error
        return sample.but(labels=labels, source=self.source.name)

    def class_of(self, name: str) -> dict[str, str]:
        """What each class of the data set is for a task with classes: one of its own, "background", "unknown"..."""
        own = self.source.dataset.classes[self.label_of[name] or name]
        classes = dict(enumerate(self.tasks[name].classes)) | {FOREIGN: "unknown", BACKGROUND: "background"}
        classes |= {NEIGHBOUR - i: f"ignored for {one}" for i, one in enumerate(self.tasks[name].classes)}
        return {mine: classes[int(target)] for mine, target in zip(own, self.tables[name].target, strict=True)}

    def provenance(self, name: str) -> str:
        """The network that made a task's labels, in words; "" where people or instruments did."""
        return self.source.dataset.provenance.get(self.label_of[name] or name, "")

    def _check_ids(self, label: Annotation, name: str) -> None:
        """An id that the data set's own class list does not have is an error, not an unknown class."""
        if name not in self.tables:
            return
        classes = len(self.tables[name].target)
        present = np.unique([i for i in ids_of(label) if i >= classes and i != UNKNOWN_ID])
        if len(present):
            raise DataError(
                f"{self.label_of[name]!r} holds class ids {present.tolist()}, expected 0..{classes - 1} or "
                f"{UNKNOWN_ID} (unknown); correct the label file or the data set's class list"
            )


def ids_of(label: Annotation) -> np.ndarray:
    """The class ids that occur in a label of any kind that has them."""
    if isinstance(label, ClassMap):
        return np.bincount(label.ids.reshape(-1), minlength=256).nonzero()[0]
    if isinstance(label, Boxes | Polylines | Tag) and label.label is not None:
        return np.unique(label.label)
    return np.zeros(0, dtype=np.int64)


@dataclass(frozen=True)
class Broken:
    """A sample that could not be read, brought home from a worker process as a sentence."""

    message: str


class Mixture(TorchDataset[list[Batch] | Broken]):
    """Step number to the batches of that step: one for each micro-batch and image size.

    rank, world: this process and the number of processes; each takes its share of every step's slots.
    """

    def __init__(self, recipe: Recipe, rank: int = 0, world: int = 1) -> None:
        if recipe.batch % (recipe.accumulate * world):
            raise SpecError(
                f"batch {recipe.batch} cannot be split over {world} processes with {recipe.accumulate} micro-batches; "
                "choose a batch that is a multiple of their product"
            )
        self.recipe, self.rank, self.world = recipe, rank, world
        self.readers = [Reader(source, recipe.tasks) for source in recipe.data]
        for reader in self.readers:
            if len(reader) == 0:
                raise DataError(f"source {reader.source.name!r} has no samples; check its root and split")
        weights = [source.weight for source in recipe.data]
        self.source_of, self.draw_of = plan(weights, recipe.steps * recipe.batch, recipe.seed)
        self._order: dict[int, tuple[int, np.ndarray]] = {}

    def __len__(self) -> int:
        return self.recipe.steps

    def __getitem__(self, step: int) -> list[Batch] | Broken:
        cv2.setNumThreads(0)  # processes are the parallelism here
        share = self.recipe.batch // self.world
        first = step * self.recipe.batch + self.rank * share
        micro = share // self.recipe.accumulate
        try:
            return [
                batch
                for begin in range(first, first + share, micro)
                for batch in self._batches([self.sample(slot) for slot in range(begin, begin + micro)])
            ]
        except DataError as error:
            return Broken(str(error))

    def sample(self, slot: int) -> Sample:
        """The augmented sample of a slot."""
        source = int(self.source_of[slot])
        reader = self.readers[source]
        epoch, place = divmod(int(self.draw_of[slot]), len(reader))
        augment: Augment = reader.source.augment or self.recipe.augment
        index = int(self._permutation(source, epoch)[place])
        rng = np.random.default_rng((self.recipe.seed, 2, slot))
        return augment(reader[index], reader.source.size, rng, lambda rng: reader[int(rng.integers(len(reader)))])

    def _permutation(self, source: int, epoch: int) -> np.ndarray:
        cached = self._order.get(source)
        if cached is None or cached[0] != epoch:
            rng = np.random.default_rng((self.recipe.seed, 1, source, epoch))
            cached = self._order[source] = (epoch, rng.permutation(len(self.readers[source])))
        return cached[1]

    @staticmethod
    def _batches(samples: list[Sample]) -> list[Batch]:
        sizes = dict.fromkeys(sample.size for sample in samples)
        return [collate([sample for sample in samples if sample.size == size]) for size in sizes]


def load(mixture: Mixture, start: int = 0) -> Iterator[list[Batch]]:
    """The batches of every step from `start` on, prepared ahead by worker processes. Raises DataError."""
    # More workers than cores only wait for each other, and torch warns of them; which batches they make is the same.
    workers = min(mixture.recipe.workers, cores())
    loader: DataLoader[list[Batch] | Broken] = DataLoader(
        mixture,
        batch_size=None,
        sampler=range(start, len(mixture)),
        num_workers=workers,
        collate_fn=_as_is,
        prefetch_factor=2 if workers else None,
        pin_memory=False,
        multiprocessing_context="fork" if workers and not torch.cuda.is_available() else None,
    )
    for batches in loader:
        if isinstance(batches, Broken):
            raise DataError(batches.message)
        yield batches


def cores() -> int:
    """How many cores this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # macOS and Windows do not say
        return os.cpu_count() or 1


def _as_is(item: list[Batch] | Broken) -> list[Batch] | Broken:
    return item
