"""The images that a network answers worst and best, by each task's headline metric of one image."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

from hydranet.config.source import Source
from hydranet.core.task import Task
from hydranet.data.first_look import spread
from hydranet.data.reader import Reader
from hydranet.evaluation.evaluate import EvaluatedImage, predict_batch
from hydranet.models.hydranet import HydraNet


@dataclass(frozen=True, eq=False)
class Scored:
    """An image and the headline of one task on it alone."""

    value: float
    image: EvaluatedImage


@dataclass(eq=False)
class Extremes:
    """What one source showed of one task.

    looked_at, total: images whose headline was a number, and images of the source.
    worst, best: the first is the worst, or the best. An image is in one of them only.
    """

    source: str
    task: str
    metric: str
    better: str
    total: int
    looked_at: int = 0
    worst: list[Scored] = field(default_factory=list)
    best: list[Scored] = field(default_factory=list)

    def add(self, one: Scored, keep: int) -> None:
        """Takes an image into account; keeps `keep` at each end."""
        self.looked_at += 1
        falling = self.better == "higher"
        every = {id(kept.image): kept for kept in (*self.worst, *self.best, one)}
        ranked = sorted(every.values(), key=lambda kept: kept.value, reverse=falling)
        self.best = ranked[: min(keep, len(ranked) // 2)]
        rest = ranked[len(self.best) :]
        self.worst = rest[::-1][:keep]


def extremes(model: HydraNet, sources: tuple[Source, ...], limit: int, keep: int = 3) -> Iterator[Extremes | int]:
    """Looks at up to `limit` images of each source, evenly spread; yields how many are done, and what they showed last.

    A headline of one image is not a part of the set's: average precision ranks the boxes of all images together.
    Raises DataError for a bad file.
    """
    model.eval()
    tasks, done = list(model.tasks.values()), 0
    made: dict[tuple[str, str], Extremes] = {}
    for source in sources:
        reader = Reader(source.only(model.tasks), tasks)
        for index in spread(len(reader), min(limit, len(reader))):
            sample, _ = reader.attempt(index)
            done += 1
            if sample is None:
                continue
            predictions = predict_batch(model, [sample], source.size)[0]
            image = EvaluatedImage(sample, predictions, done, done)
            for task in tasks:
                value = _alone(task, image)
                if math.isfinite(value):
                    first = Extremes(source.name, task.name, *task.headline, len(reader))
                    made.setdefault((source.name, task.name), first).add(Scored(value, image), keep)
            yield done
    yield from made.values()


def _alone(task: Task, image: EvaluatedImage) -> float:
    """The headline of one image; NaN where it has no label of the task."""
    if task.name not in image.sample.labels:
        return math.nan
    stats = task.measure(image.predictions[task.name], image.sample.labels[task.name])
    return float(task.score(stats)[task.headline[0]])
