"""Sources that label different things, mixed into steps.

Everything random is a pure function of (seed, slot), where a slot is the number of an image in the whole run: step s
with batch size b holds slots s*b ... s*b + b - 1. So a run resumes exactly from its step number alone, and several
processes that share out the slots of a step see the images that one process would.
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import torch
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as TorchDataset

from hydranet.config.recipe import Recipe
from hydranet.core.batch import Batch, collate
from hydranet.core.ledger import Ledger, add_up
from hydranet.core.sample import DataError, Sample
from hydranet.core.spec import SpecError
from hydranet.data.observed import Observed, observe
from hydranet.data.packed_recipe import check_packs
from hydranet.data.reader import Reader
from hydranet.transforms.augment import Augment

GOLDEN = (5**0.5 - 1) / 2


def plan(weights: Sequence[float], slots: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Which source each slot draws from, and its draw index within that source; both int, length `slots`.

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
class Broken:
    """A sample that could not be read, returned from a worker process as a message."""

    message: str


@dataclass(frozen=True)
class Step:
    """The batches of one step, and what was observed in them."""

    batches: list[Batch]
    observed: Observed


class Mixture(TorchDataset[list[Batch] | Broken]):
    """Maps a step number to the batches of that step: one for each micro-batch and image size.

    rank, world: this process and the number of processes; each takes its share of every step's slots.
    observed:    what was seen of the steps that `load` gave out.
    """

    def __init__(self, recipe: Recipe, rank: int = 0, world: int = 1) -> None:
        if recipe.batch % (recipe.accumulate * world):
            raise SpecError(
                f"batch {recipe.batch} cannot be split over {world} processes with {recipe.accumulate} micro-batches; "
                "choose a batch that is a multiple of their product"
            )
        check_packs(recipe)
        self.recipe, self.rank, self.world = recipe, rank, world
        self.readers = [Reader(source, recipe.tasks) for source in recipe.data]
        for reader in self.readers:
            if len(reader) == 0:
                raise DataError(f"source {reader.source.name!r} has no samples; check its root and split")
        weights = [source.weight for source in recipe.data]
        self.source_of, self.draw_of = plan(weights, recipe.steps * recipe.batch, recipe.seed)
        self.observed = Observed()
        self._order: dict[int, tuple[int, np.ndarray]] = {}

    def __len__(self) -> int:
        return self.recipe.steps

    def __getitem__(self, step: int) -> list[Batch] | Broken:
        loaded = self.step(step)
        return loaded if isinstance(loaded, Broken) else loaded.batches

    def step(self, step: int) -> Step | Broken:
        """The batches of a step and what was observed in their samples."""
        cv2.setNumThreads(0)  # processes are the parallelism here
        share = self.recipe.batch // self.world
        first = step * self.recipe.batch + self.rank * share
        micro = share // self.recipe.accumulate
        try:
            drawn = [self._draw(slot) for slot in range(first, first + share)]
            samples = [sample for sample, _ in drawn]
            batches = [batch for i in range(0, share, micro) for batch in self._batches(samples[i : i + micro])]
        except DataError as error:
            return Broken(str(error))
        return Step(batches, observe(samples, self.recipe.tasks, add_up(ledger for _, ledger in drawn)))

    def sample(self, slot: int) -> Sample:
        """The augmented sample of a slot."""
        return self._draw(slot)[0]

    def _draw(self, slot: int) -> tuple[Sample, Ledger]:
        """The augmented sample of a slot, and what is left out where an image is drawn for the first time."""
        source = int(self.source_of[slot])
        reader = self.readers[source]
        epoch, place = divmod(int(self.draw_of[slot]), len(reader))
        augment: Augment = reader.source.augment or self.recipe.augment
        order = self._permutation(source, epoch)
        sample, ledger = reader.attempt(int(order[place]))
        if sample is None:
            sample = self._next_whole(reader, order, place)
        rng = np.random.default_rng((self.recipe.seed, 2, slot))
        augmented = augment(sample, reader.source.size, rng, lambda rng: _partner(reader, rng))
        return augmented, Ledger() if epoch else ledger

    @staticmethod
    def _next_whole(reader: Reader, order: np.ndarray, place: int) -> Sample:
        """The next item of the epoch's order that is not broken, the same for every process. Raises DataError."""
        for further in range(1, len(order)):
            sample, _ = reader.attempt(int(order[(place + further) % len(order)]))
            if sample is not None:
                return sample
        raise DataError(f"source {reader.source.name!r} has no item that can be used; run `hydranet data check`")

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


def _partner(reader: Reader, rng: np.random.Generator) -> Sample:
    """A random sample for a mosaic, from the first drawn index on that is not broken."""
    index = int(rng.integers(len(reader)))
    sample, _ = reader.attempt(index)
    return Mixture._next_whole(reader, np.arange(len(reader)), index) if sample is None else sample


class _Steps(TorchDataset[Step | Broken]):
    """A mixture as the loader's processes read it."""

    def __init__(self, mixture: Mixture) -> None:
        self.mixture = mixture

    def __getitem__(self, step: int) -> Step | Broken:
        return self.mixture.step(step)


def load(mixture: Mixture, start: int = 0) -> Iterator[list[Batch]]:
    """The batches of every step from `start` on, prepared ahead by worker processes. Raises DataError.

    Adds what the workers observed to `mixture.observed`.
    """
    # More workers than cores only wait for each other, and torch warns about them; the batches are the same anyway.
    workers = min(mixture.recipe.workers, cores())
    loader: DataLoader[Step | Broken] = DataLoader(
        _Steps(mixture),
        batch_size=None,
        sampler=range(start, len(mixture)),
        num_workers=workers,
        collate_fn=_as_is,
        prefetch_factor=2 if workers else None,
        pin_memory=False,
        multiprocessing_context="fork" if workers and not torch.cuda.is_available() else None,
    )
    try:
        for step in loader:
            if isinstance(step, Broken):
                raise DataError(step.message)
            mixture.observed += step.observed
            yield step.batches
    except RuntimeError as error:
        if "DataLoader worker" not in str(error):
            raise
        raise DataError(
            f"a process that reads images was ended from outside ({str(error).partition('.')[0]}), most often because "
            "memory is short; use fewer (workers=0 = none) or a smaller batch, and go on with --resume"
        ) from error


def cores() -> int:
    """How many cores this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # macOS and Windows do not say
        return os.cpu_count() or 1


def _as_is(item: Any) -> Any:
    return item
