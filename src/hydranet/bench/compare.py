"""The comparison itself: one process per variant, rounds in turn."""

import os
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from hydranet.bench.plan import Variant, Work
from hydranet.bench.row import Row, rounds_of
from hydranet.bench.runner import Times
from hydranet.bench.worker import BenchError, Worker


@dataclass(frozen=True)
class Pace:
    """rounds: how often every variant has its turn.    frames: measured in a turn.    threads: of a runtime.

    threshold: least score of a box; None = what its task says.
    """

    rounds: int = 10
    frames: int = 5
    threads: int = 2
    threshold: float | None = None


def measured(variants: Sequence[Variant], frames: Path, pace: Pace) -> Iterator[str | BenchError | list[Row]]:
    """Opens a process for every variant, then measures them in turn; yields its progress, and the rows last.

    The order changes in every round, so that no variant always runs after the same neighbor.
    A variant that does not run is yielded as its error, and has no row. Raises BenchError where none runs.
    """
    workers: list[Worker] = []
    running: list[Variant] = []
    try:
        for variant in variants:
            yield f"opening {variant.name}"
            try:
                workers.append(Worker(Work(variant, str(frames), pace.threads, pace.threshold)))
                running.append(variant)
            except BenchError as error:
                if variant is variants[-1] and not running:
                    raise
                yield error
        times: list[list[Times]] = [[] for _ in workers]
        order, shuffle = list(range(len(workers))), random.Random(0)
        for turn in range(pace.rounds):
            shuffle.shuffle(order)
            for place in order:
                times[place].append(workers[place].measure(pace.frames))
            yield f"round {turn + 1} of {pace.rounds}"
    finally:
        for worker in workers:
            worker.close()
    yield [
        Row(v.network, v.runtime, v.precision, worker.opened, rounds_of(turns), any(file.unproven for file in v.files))
        for v, worker, turns in zip(running, workers, times, strict=True)
    ]


def load() -> float | None:
    """Processes that want the processor, on average over the last minute; None where the system does not tell."""
    try:
        return round(os.getloadavg()[0], 2)
    except OSError:
        return None
