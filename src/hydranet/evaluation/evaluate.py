"""Scores of a network: decode, bring predictions back to the label's own pixels, measure, add up, score."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from hydranet.annotations import Annotation
from hydranet.config.source import Source
from hydranet.core.batch import collate
from hydranet.core.ledger import Ledger, Omission, add_up
from hydranet.core.sample import DataError, Sample
from hydranet.core.task import Stats, Task, merge, to_numpy
from hydranet.data.observed import class_counts
from hydranet.data.reader import Reader
from hydranet.evaluation.report import Report, Scores, described, digest
from hydranet.io.fingerprint import values
from hydranet.models.hydranet import HydraNet
from hydranet.transforms.augment import fit
from hydranet.transforms.warp import View, unwarp


@dataclass(frozen=True, eq=False)
class EvaluatedImage:
    """One evaluated image: the sample as labeled, and the predictions in its pixels."""

    sample: Sample
    predictions: dict[str, Annotation]
    done: int
    total: int


@torch.inference_mode()
def predict_batch(
    model: HydraNet, samples: Sequence[Sample], size: tuple[int, int], tasks: Sequence[str] | None = None
) -> list[dict[str, Annotation]]:
    """Predictions for samples of any size, each in its own pixels, before thresholds (`Task.postprocess`)."""
    device = next(model.parameters()).device
    fitted: list[tuple[Sample, View]] = [fit(sample.but(labels={}), size) for sample in samples]
    batch = collate([sample for sample, _ in fitted]).to(device, channels_last=True)
    decoded = model.decode(model(batch.pixels, tasks), batch.camera)
    predictions = []
    for i, (sample, (_, view)) in enumerate(zip(samples, fitted, strict=True)):
        ones = {name: to_numpy(annotation, i) for name, annotation in decoded.items()}
        predictions.append(
            {name: unwarp(model.tasks[name].postprocess(one), view, sample.size) for name, one in ones.items()}
        )
    return predictions


class MetricAccumulator:
    """Statistics of one source that are still being added up.

    keep: keep those of each image, too (`each`), for the paired bootstrap of `evaluation.resampling`.
    """

    def __init__(self, tasks: Sequence[Task], keep: bool = False) -> None:
        self.keep = keep
        self.each: dict[str, list[Stats]] = {}
        self.tasks = {task.name: task for task in tasks}
        self.stats: dict[str, Stats] = {}
        self.images: dict[str, list[str]] = {}
        self.labels: dict[str, list[str]] = {}
        self.classes: dict[str, np.ndarray] = {}

    def add(self, sample: Sample, predictions: dict[str, Annotation]) -> None:
        """Measures every task that the image has a label and a prediction for."""
        for name in (name for name in self.tasks if name in sample.labels and name in predictions):
            stats = self.tasks[name].measure(predictions[name], sample.labels[name])
            self.stats[name] = merge([self.stats[name], stats] if name in self.stats else [stats])
            if self.keep:
                self.each.setdefault(name, []).append(stats)
            self.images.setdefault(name, []).append(sample.key)
            counts = class_counts(sample.labels[name], len(self.tasks[name].classes))
            self.classes[name] = self.classes.get(name, np.zeros_like(counts)) + counts
            label = sample.labels[name]
            arrays = {key: vars(label)[key] for key in label.arrays()}
            bits = values(np.asarray(array) for array in arrays.values() if array is not None)
            self.labels.setdefault(name, []).append(f"{sample.key} {bits}")

    def scores(self) -> dict[str, dict[str, float]]:
        """Metrics of each task that was measured."""
        return {name: self.tasks[name].score(self.stats[name]) for name in self.tasks if name in self.stats}

    def confusion(self) -> dict[str, list[list[int]]]:
        """Confusion matrices of the tasks that count them."""
        matrices = {name: self.tasks[name].confusion_matrix(stats) for name, stats in self.stats.items()}
        return {name: matrix.astype(int).tolist() for name, matrix in matrices.items() if matrix is not None}

    def omissions(self, source: str) -> Ledger:
        """Classes that no label held, and tasks that no image has a label of."""
        ledger = Ledger()
        for name, task in self.tasks.items():
            counts = self.classes.get(name, np.zeros(0))
            absent = [one for one, count in zip(task.classes, counts, strict=False) if not count]
            if absent:
                ledger = ledger.noted(Omission.CLASS_NOT_MEASURED, f"{source}, {name}", "in no label", *absent)
        return ledger

    def protocol(self, reader: Reader) -> dict[str, dict[str, Any]]:
        """How each task was measured: on which images (a digest of their names), with which classes made of which."""
        options = described(reader.source.dataset)
        return {
            name: {
                **self.tasks[name].protocol(),
                "images": len(keys),
                "images_digest": digest(sorted(keys)),
                "data_digest": digest([options, sorted(self.labels[name])]),
                **({"class_of": reader.class_of(name)} if name in reader.tables else {}),
                **({"labels": made} if (made := reader.provenance(name)) else {}),
            }
            for name, keys in self.images.items()
        }


def evaluate(
    model: HydraNet, sources: Sequence[Source], *, name: str = "", batch: int = 4
) -> Iterator[EvaluatedImage | Report]:
    """Evaluates on every source; yields each image once it is evaluated, and the report last.

    Scores are computed at the label's own resolution from one set of statistics per source and task, so they do
    not depend on the batch size. Raises DataError for a bad file and where no image has a label for any task.
    """
    model.eval()
    scores: Scores = {}
    protocol: dict[str, dict[str, dict[str, Any]]] = {}
    confusion: dict[str, dict[str, list[list[int]]]] = {}
    total = sum(len(source.dataset) for source in sources)
    done, ledger = 0, add_up(source.dataset.ledger() for source in sources)
    for source in sources:
        reader, accumulator = (
            Reader(source.only(model.tasks), list(model.tasks.values())),
            MetricAccumulator(list(model.tasks.values())),
        )
        for first in range(0, len(reader), batch):
            attempts = [reader.attempt(i) for i in range(first, min(first + batch, len(reader)))]
            ledger += add_up(noted for _, noted in attempts)
            samples = [sample for sample, _ in attempts if sample is not None]
            done += len(attempts) - len(samples)
            if not samples:
                continue
            for sample, predictions in zip(samples, predict_batch(model, samples, source.size), strict=True):
                accumulator.add(sample, predictions)
                done += 1
                yield EvaluatedImage(sample, predictions, done, total)
        ledger += accumulator.omissions(source.name)
        scores[source.name], protocol[source.name] = accumulator.scores(), accumulator.protocol(reader)
        confusion |= {source.name: counts} if (counts := accumulator.confusion()) else {}
    if not any(scores.values()):
        raise DataError(
            f"nothing to evaluate: sources {[source.name for source in sources]} hold no label for "
            f"{', '.join(model.tasks)}; check validation in the recipe"
        )
    for task in model.tasks:
        if not any(task in measured for measured in scores.values()):
            ledger = ledger.noted(Omission.NOT_SCORED, f"task {task}", "no validation source labels it", count=1)
    headlines: dict[str, tuple[str, str]] = {task.name: task.headline for task in model.tasks.values()}
    units = {task.name: dict(task.score_units) for task in model.tasks.values() if task.score_units}
    yield Report(name, scores, protocol, headlines, ledger, confusion, units)
