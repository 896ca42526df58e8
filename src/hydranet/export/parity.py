"""Proof that an exported file answers what PyTorch answers: every array and every score, on real images."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np
import torch

from hydranet.annotations import Annotation
from hydranet.config.source import Source
from hydranet.core.errors import UserError
from hydranet.core.sample import Camera, DataError, Sample
from hydranet.core.task import Task
from hydranet.data.reader import Reader
from hydranet.deploy.camera_input import CAMERA
from hydranet.deploy.cameras import camera_array, usual_camera
from hydranet.deploy.graph_arrays import answer, first_image, prepared
from hydranet.deploy.manifest import IMAGE, IOU, SCORE, Manifest
from hydranet.deploy.session import Session
from hydranet.evaluation.evaluate import MetricAccumulator
from hydranet.evaluation.report import finite
from hydranet.evaluation.resampling import paired
from hydranet.export.differences import Gap, gaps
from hydranet.export.graph import ExportGraph
from hydranet.io.atomic import write
from hydranet.transforms.view import View

STEP = 32
"""Sizes are multiples of it."""


class ParityError(UserError):
    """An export that does not answer what PyTorch answers: which output, by how much."""


@dataclass(frozen=True)
class Bounds:
    """The largest differences that pass.

    arrays: relative, as in `differences.gaps`.    metrics: of a metric in 0..1, 0.001 is 0.1 point; of another one it
    is relative to its value in PyTorch.
    """

    arrays: float = 1e-3
    metrics: float = 1e-3


@dataclass(frozen=True)
class MetricPair:
    """One metric in PyTorch and in a runtime. unit: of both; empty where they have none."""

    torch: float
    exported: float
    unit: str = ""

    @property
    def change(self) -> float:
        """Absolute difference of metrics in 0..1, relative one of others."""
        if np.isnan(self.torch) and np.isnan(self.exported):
            return 0.0
        return abs(self.exported - self.torch) / max(1.0, abs(self.torch))


@dataclass
class Parity:
    """What one runtime answered for one file.

    arrays:  "task.field" -> largest difference over all images.    metrics: "source task metric" -> both values.
    resampled: the same names -> both values in each draw of images (`evaluation.resampling`), where asked for.
    counts:  "source task" -> images that were measured.
    """

    file: str
    runtime: str
    bounds: Bounds
    images: int = 0
    arrays: dict[str, Gap] = field(default_factory=dict)
    metrics: dict[str, MetricPair] = field(default_factory=dict)
    resampled: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)

    @property
    def failures(self) -> list[str]:
        """What lies beyond the bounds, as sentences."""
        arrays = [
            f"{name} differs by {gap.relative:.2g} (bound {self.bounds.arrays:g})"
            for name, gap in self.arrays.items()
            if not gap.relative <= self.bounds.arrays
        ]
        metrics = [
            f"{name} is {loss.exported:.4g} instead of {loss.torch:.4g}"
            for name, loss in self.metrics.items()
            if not loss.change <= self.bounds.metrics
        ]
        return [f"{self.file} in {self.runtime}: {sentence}" for sentence in arrays + metrics]

    def add(
        self,
        manifest: Manifest,
        mine: Mapping[str, np.ndarray],
        theirs: Mapping[str, np.ndarray],
        index: int,
        size: tuple[int, int],
    ) -> None:
        """Compares one image of a batch."""
        for task, head in manifest.heads.items():
            a, b = (head.annotation({n: made[f"{task}.{n}"][index] for n in head.fields}) for made in (mine, theirs))
            for name, gap in gaps(a, b, size).items():
                self.arrays[f"{task}.{name}"] = self.arrays.get(f"{task}.{name}", Gap()) | gap

    def tree(self) -> dict[str, object]:
        """As JSON values."""
        tree = asdict(self)
        del tree["resampled"], tree["counts"]
        tree["metrics"] = {
            n: {"torch": finite(m.torch), "exported": finite(m.exported)} for n, m in self.metrics.items()
        }
        tree["arrays"] = {n: {k: finite(v) for k, v in asdict(gap).items()} for n, gap in self.arrays.items()}
        return {**tree, "passed": not self.failures, "failures": self.failures}


def compare(
    graph: ExportGraph, sessions: Mapping[tuple[str, str], Session], samples: Sequence[Sample], bounds: Bounds
) -> list[Parity]:
    """Arrays of each (file, runtime) against PyTorch on images, whether they have labels or not.

    Images are left out, and DataError raised, as by `measure`.
    """
    parities = [Parity(file, runtime, bounds) for file, runtime in sessions]
    frame = _frame(graph)
    fitting = [sample for sample in samples if frame in (None, sample.size)]
    if not fitting:
        raise DataError(_none(len(samples), frame))
    for count, sample in enumerate(fitting):
        for _ in _predictions(graph, list(sessions.values()), parities, sample):
            pass
        if not count:
            _other_shapes(graph, list(sessions.values()), parities, sample)
    return parities


def measure(
    graph: ExportGraph,
    sessions: Mapping[tuple[str, str], Session],
    sources: Sequence[Source],
    bounds: Bounds,
    limit: int | None = None,
    resample: bool = False,
) -> Iterator[tuple[int, int] | list[Parity]]:
    """Arrays and scores on labeled sources; yields (done, total) for each image, and the report last.

    limit: images of each source, evenly spread; None = all. Where the graph fits frames of one size, images of
    another are left out. resample: also score 50 draws of the images (`evaluation.resampling`). Raises DataError where
    no image remains.
    """
    frame = _frame(graph)
    tasks = list(graph.model.tasks.values())
    parities = [Parity(file, runtime, bounds) for file, runtime in sessions]
    chosen = {source.name: spread(len(source.dataset), limit) for source in sources}
    done, total = 0, sum(map(len, chosen.values()))
    for source in sources:
        reader = Reader(source.only(graph.model.tasks), tasks)
        accumulators = [MetricAccumulator(tasks, keep=resample) for _ in range(len(parities) + 1)]
        for index in chosen[source.name]:
            sample, _ = reader.attempt(index)  # a broken one that its source skips is in no score of training, either
            if sample is not None and frame in (None, sample.size):
                if not parities[0].images:
                    _other_shapes(graph, list(sessions.values()), parities, sample)
                each = _predictions(graph, list(sessions.values()), parities, sample)
                for accumulator, predictions in zip(accumulators, each, strict=True):
                    accumulator.add(sample, predictions)
            done += 1
            yield done, total
        first, *others = [accumulator.scores() for accumulator in accumulators]
        for parity, scores in zip(parities, others, strict=True):
            for task, metrics in first.items():
                units = graph.model.tasks[task].score_units
                for metric, value in metrics.items():
                    unit = units.get(metric.partition("/")[0], "")
                    parity.metrics[f"{source.name} {task} {metric}"] = MetricPair(value, scores[task][metric], unit)
        for parity, accumulator in zip(parities, accumulators[1:], strict=True):
            for task, stats in accumulators[0].each.items():
                parity.counts[f"{source.name} {task}"] = len(stats)
                for metric, pairs in paired(graph.model.tasks[task], stats, accumulator.each[task]).items():
                    parity.resampled[f"{source.name} {task} {metric}"] = pairs
    if not all(parity.images for parity in parities):
        raise DataError(_none(total, frame))
    yield parities


def _frame(graph: ExportGraph) -> tuple[int, int] | None:
    """The only size of images that a graph takes if it fits them itself; None if it does not."""
    return graph.shape.taken if graph.shape.fit != "none" else None


def _none(count: int, frame: tuple[int, int] | None) -> str:
    size = "" if frame is None else f" of {frame[0]}x{frame[1]}, the size of the frames that the file is for"
    return f"got {count} images, none{size}; give the camera's own frames (--images)"


def spread(count: int, limit: int | None) -> list[int]:
    """At most `limit` indices of `count`, evenly spread."""
    return sorted({int(i) for i in np.linspace(0, count - 1, min(count, limit or count))}) if count else []


def save(path: Path, parities: Sequence[Parity]) -> None:
    """Writes parity.json."""
    write(path, json.dumps([parity.tree() for parity in parities], indent=2).encode())


def _predictions(
    graph: ExportGraph, sessions: Sequence[Session], parities: Sequence[Parity], sample: Sample
) -> Iterator[dict[str, Annotation]]:
    """Answers in the sample's pixels, before display thresholds: PyTorch's first, then each session's."""
    manifest = sessions[0].manifest
    images, (view, *_) = prepared([sample.image], manifest, manifest.input.size)
    batch = manifest.input.batch or 1
    given = _given(graph, np.stack(images * batch), _cameras(manifest, sample, view).repeat(batch, 0))
    mine = _ours(graph, manifest, given)
    heads = {task: replace(head, score_threshold=0.0) for task, head in manifest.heads.items()}
    yield {task: answer(first_image(mine), task, head, view, sample.size) for task, head in heads.items()}
    for session, parity in zip(sessions, parities, strict=True):
        theirs = _theirs(session, parity, given)
        parity.images += 1
        parity.add(manifest, mine, theirs, 0, manifest.input.size)
        yield {task: answer(first_image(theirs), task, head, view, sample.size) for task, head in heads.items()}


def _other_shapes(graph: ExportGraph, sessions: Sequence[Session], parities: Sequence[Parity], sample: Sample) -> None:
    """The same for different images in one batch, and for the other sizes that a dynamic file promises."""
    manifest = sessions[0].manifest
    if manifest.input.batch == 1 and not manifest.input.dynamic:
        return
    height, width = manifest.input.size
    sizes = [(height, width)]
    if manifest.input.dynamic:
        sizes += [(width + STEP, height), (height, width + STEP)]  # upright instead of wide, and wider
    for size in sizes:
        (image,), (view,) = prepared([sample.image], manifest, size)
        batch = [image, image[:, ::-1], image[::-1]]
        chosen = [i % 3 for i in range(manifest.input.batch or 3)]
        focal = np.array([[1.0], [0.7], [1.5]], np.float32)[chosen]
        cameras = _cameras(manifest, sample, view) * np.concatenate([focal, focal, focal**0, focal**0], 1)
        given = _given(graph, np.stack([batch[i] for i in chosen]), cameras)
        mine = _ours(graph, manifest, given)
        for session, parity in zip(sessions, parities, strict=True):
            theirs = _theirs(session, parity, given)
            for i in range(len(given[IMAGE])):
                parity.add(manifest, mine, theirs, i, size)


def _given(graph: ExportGraph, images: np.ndarray, cameras: np.ndarray) -> dict[str, np.ndarray]:
    given = {IMAGE: images, CAMERA: cameras} | (thresholds(graph.model.tasks.values()) if graph.thresholds else {})
    return {name: given[name] for name in graph.inputs}


def _cameras(manifest: Manifest, sample: Sample, view: View) -> np.ndarray:
    """float32 1 4: the sample's camera as the graph takes it, or a usual one: any will do to compare answers."""
    camera = sample.camera or usual_camera(manifest, view, sample.size)
    return camera_array(manifest, [view], [camera or Camera.centered(float(sample.size[1]), sample.size)])


def _ours(graph: ExportGraph, manifest: Manifest, given: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    with torch.inference_mode():
        arrays = graph(*(torch.from_numpy(array) for array in given.values()))
    return {name: array.numpy() for name, array in zip(manifest.outputs, arrays, strict=True)}


def _theirs(session: Session, parity: Parity, given: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    try:
        return session(given)
    except Exception as error:  # each runtime raises its own type
        lines = str(error).strip().splitlines() or [type(error).__name__]
        size = "x".join(map(str, given[IMAGE].shape))
        raise ParityError(
            f"{parity.file} does not run in {parity.runtime} on images of {size} ({lines[-1]}); nothing was shipped: "
            "export for another runtime, or with a fixed size and batch"
        ) from error


def thresholds(tasks: Iterable[Task]) -> dict[str, np.ndarray]:
    """The evaluation's thresholds, for a graph that suppresses boxes itself."""
    steps = [task.postprocess_steps()["nms"] for task in tasks if "nms" in task.postprocess_steps()]
    score, overlap = min(s["score_threshold"] for s in steps), min(s["iou_threshold"] for s in steps)
    return {SCORE: np.array([score], np.float32), IOU: np.array([overlap], np.float32)}
