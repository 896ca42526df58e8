"""How long a whole frame takes in one runtime, for several networks side by side; their weights are random."""

import shutil
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hydranet.bench import files, plan
from hydranet.bench.compare import Pace, measured
from hydranet.bench.row import Row
from hydranet.bench.runner import frames_file
from hydranet.bench.worker import BenchError
from hydranet.config.recipe import Recipe
from hydranet.core.spec import SpecError

TOGETHER = 4
"""Networks that are measured in turn; each is a process with its runtime in memory."""


@dataclass(frozen=True)
class Target:
    """Where a network is to run. size: height and width of its input.    threads: of the runtime."""

    runtime: str
    precision: str
    size: tuple[int, int]
    threads: int = 2

    def __post_init__(self) -> None:
        _, missing = plan.chosen([self.runtime], [self.precision])
        if missing:
            offered = ", ".join(plan.OFFERED[self.runtime])
            raise SpecError(f"got precision {self.precision!r}, expected one of {offered} in {self.runtime}")

    def tree(self) -> dict[str, Any]:
        """As JSON values, with the processor's name: times of others are no times here."""
        return {**asdict(self), "size": list(self.size), "processor": plan.processor()[0]}


def frame_ms(
    recipes: Mapping[str, Recipe], target: Target, folder: Path, pace: Pace
) -> Iterator[tuple[str, float | str]]:
    """For each name the median milliseconds of a whole frame, from uint8 pixels to answers; or why there are none.

    A few networks at a time take turns. Their files lie in `folder` while they are measured.
    Raises ImportError, naming the extra, where the runtime is not installed.
    """
    names = list(recipes)
    for first in range(0, len(names), TOGETHER):
        yield from _some({name: recipes[name] for name in names[first : first + TOGETHER]}, target, folder, pace)


def _some(recipes: Mapping[str, Recipe], target: Target, folder: Path, pace: Pace) -> Iterator[tuple[str, float | str]]:
    variants: list[plan.Variant] = []
    images, _ = files.images(files.Candidate("first", None, next(iter(recipes.values()))), None)
    pair = [(target.runtime, target.precision)]
    for name, recipe in recipes.items():
        networks = {name: [files.Candidate(name, None, recipe)]}
        try:
            variants += [
                v for v in files.prepare(networks, pair, target.size, folder, images) if not isinstance(v, str)
            ]
        except SpecError as error:  # the parts do not fit together
            yield name, str(error)
    known: dict[str, float | str] = {}
    try:
        for event in measured(variants, frames_file(folder / "frames.npz", images), pace) if variants else ():
            known |= _times(event)
    except BenchError as error:
        known |= {variant.network: str(error) for variant in variants}
    for variant in variants:
        yield variant.network, known.get(variant.network, "it did not run")
        shutil.rmtree(folder / variant.network, ignore_errors=True)


def _times(event: str | BenchError | list[Row]) -> dict[str, float | str]:
    return {row.network: row.ms("whole") for row in event} if isinstance(event, list) else {}
