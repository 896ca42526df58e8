"""An open network behind the server: several requests at a time, computed together where it takes batches."""

import asyncio
import time
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hydranet.annotations import Annotation
from hydranet.core.spec import unknown
from hydranet.deploy.manifest import IMAGE, Head, Manifest
from hydranet.deploy.manifest_fit import check_arrays
from hydranet.deploy.options import PredictorError, check_share, check_useful
from hydranet.deploy.predictor import SessionPredictor
from hydranet.serving.web.batching import Batcher
from hydranet.serving.web.limits import Refusal
from hydranet.serving.web.metrics import Metrics

MOST_AT_ONCE = 8
"""Requests that are computed together, where the file takes any number of images."""

MOST_CHOICES = 16
"""Sets of heads for which a network of its own is kept; beyond, all heads are computed and some shown."""


@dataclass(frozen=True)
class Question:
    """What is asked about an image. heads: none = all.    threshold, iou, focal_px: None = the model's own."""

    heads: tuple[str, ...] = ()
    threshold: float | None = None
    iou: float | None = None
    focal_px: float | None = None


@dataclass(frozen=True)
class _Predict:
    """Requests that one call of the predictor answers."""

    heads: tuple[str, ...]
    threshold: float | None
    iou: float | None


@dataclass(frozen=True)
class _Infer:
    """Requests whose arrays can be put together along the first axis."""

    shapes: tuple[tuple[str, tuple[int, ...]], ...]
    outputs: tuple[str, ...]


class ServedModel:
    """A predictor with a name, and a thread in which it computes.

    Raises what the predictor raises for an image of its own size: a model that cannot compute is never served.
    """

    def __init__(self, name: str, predictor: SessionPredictor, metrics: Metrics) -> None:
        self.name, self.manifest, self._metrics = name, predictor.manifest, metrics
        self._predictors = {tuple(predictor.every): predictor}
        self._whole = predictor
        given = self.manifest.input
        self.most = given.batch or MOST_AT_ONCE
        self._together = given.batch is None and not self.manifest.thresholds
        predictor(np.zeros((*(given.frame or given.size), 3), np.uint8), camera=self._any_camera())
        self._batcher: Batcher[Any, Any] = Batcher(self._run, self.most, f"hydranet-{name}")

    @property
    def heads(self) -> tuple[str, ...]:
        """Names of the heads that are served."""
        return tuple(self._whole.every)

    @property
    def described(self) -> Mapping[str, Head]:
        """What is known of each head, those of crops included."""
        return self._whole.heads

    @property
    def cameras(self) -> tuple[str, ...]:
        """Heads whose answers depend on the camera."""
        return self.manifest.camera.heads if self.manifest.camera else ()

    @property
    def classes(self) -> dict[str, tuple[str, ...]]:
        """Class names of each head."""
        return self._whole.classes

    @property
    def ready(self) -> bool:
        """Whether requests are computed."""
        return self._batcher.alive

    def close(self) -> None:
        """Ends after the computation under way."""
        self._batcher.close()

    def check(self, question: Question) -> None:
        """Raises PredictorError for a head that is not served, for thresholds that are none, and for what is said of
        heads that it does not change."""
        for name in question.heads:
            if name not in self.heads:
                raise PredictorError(unknown(name, self.heads, f"head of {self.name}"))
        check_share(question.threshold, "threshold")
        check_share(question.iou, "iou")
        if question.focal_px is not None and not 1e-3 <= question.focal_px <= 1e9:
            raise PredictorError(f"got focal_px {question.focal_px!r}, expected a focal length in pixels")
        asked = {name: self.described[name] for name in question.heads or self.heads}
        given = {"threshold": question.threshold, "iou": question.iou, "focal_px": question.focal_px}
        check_useful(asked, self.cameras, given)

    async def predict(self, image: np.ndarray, question: Question) -> dict[str, Annotation]:
        """The predictions for an image (uint8 h w 3 RGB), by head in the order asked for. Raises what `check` does."""
        self.check(question)
        heads = tuple(name for name in self.heads if name in question.heads) or self.heads
        computed = heads if heads in self._predictors or len(self._predictors) < MOST_CHOICES else self.heads
        kind = _Predict(computed, question.threshold, question.iou)
        answers: dict[str, Annotation] = await asyncio.wrap_future(
            self._batcher.submit(kind, (image, question.focal_px))
        )
        return {name: answers[name] for name in question.heads or heads}

    async def infer(
        self, arrays: Mapping[str, np.ndarray], outputs: Sequence[str] | None = None
    ) -> dict[str, np.ndarray]:
        """The network's own arrays, `task.field`, as any server of the same file gives them.

        Raises InputError for arrays that it does not take, Refusal for outputs that it does not have.
        """
        check_arrays(self.manifest, arrays)
        names = tuple(outputs or self.manifest.outputs)
        for name in names:
            if name not in self.manifest.outputs:
                raise Refusal(400, unknown(name, self.manifest.outputs, "output of this model"))
        # the set of outputs decides which part of the network is opened: as many sets as there are sets of heads
        tasks = {name.rpartition(".")[0] for name in names}
        computed = tuple(
            name for task in self.manifest.heads if task in tasks for name in self.manifest.outputs_of(task)
        )
        shapes = tuple((name, np.shape(array)) for name, array in arrays.items())
        kind = _Infer(shapes, computed if len(tasks) == 1 else tuple(self.manifest.outputs))
        computed_arrays: dict[str, np.ndarray] = await asyncio.wrap_future(self._batcher.submit(kind, arrays))
        return {name: computed_arrays[name] for name in names}

    def _any_camera(self) -> float | None:
        """A focal length for the first image, where somebody must say one."""
        known = self.manifest.camera
        return float(self.manifest.input.size[1]) if known is not None and known.fixed is None else None

    def _run(self, kind: Hashable, jobs: Sequence[Any]) -> Sequence[Any]:
        """One call of the network for several requests; in the batcher's thread."""
        begin = time.perf_counter()
        try:
            return self._predict(kind, jobs) if isinstance(kind, _Predict) else self._infer(kind, jobs)
        finally:
            labels = {"model": self.name}
            self._metrics.observe("hydranet_network_seconds", time.perf_counter() - begin, labels)
            self._metrics.observe("hydranet_batch_images", len(jobs), labels)

    def _predict(
        self, kind: _Predict, jobs: Sequence[tuple[np.ndarray, float | None]]
    ) -> Sequence[dict[str, Annotation]]:
        if kind.heads not in self._predictors:
            self._predictors[kind.heads] = SessionPredictor(
                self._whole.session,
                kind.heads,
                threshold=self._whole.threshold,
                iou=self._whole.iou,
                size=self._whole.size,
                options={name: one for name, one in self._whole.options.items() if name in kind.heads},
            )
        predictor = self._predictors[kind.heads]
        if len(jobs) == 1:
            ((image, focal_px),) = jobs
            return [predictor(image, kind.threshold, kind.iou, focal_px)]
        images, cameras = zip(*jobs, strict=True)
        return predictor(list(images), kind.threshold, kind.iou, list(cameras))

    def _infer(self, kind: Any, jobs: Sequence[Mapping[str, np.ndarray]]) -> Sequence[dict[str, np.ndarray]]:
        session = self._whole.session
        if len(jobs) == 1 or not self._together:
            return [session(job, kind.outputs) for job in jobs]
        together = {name: np.concatenate([job[name] for job in jobs]) for name in jobs[0]}
        ends = np.cumsum([len(job[IMAGE]) for job in jobs])[:-1]
        split = {name: np.split(array, ends) for name, array in session(together, kind.outputs).items()}
        return [{name: parts[i] for name, parts in split.items()} for i in range(len(jobs))]


def description(manifest: Manifest, name: str) -> dict[str, Any]:
    """A model's metadata as the Open Inference Protocol wants it; -1 for an axis of any length."""
    from hydranet.serving.web.tensors import NAMES

    def row(name: str, dtype: str, shape: Sequence[int | None]) -> dict[str, Any]:
        return {"name": name, "datatype": NAMES[dtype], "shape": [-1 if side is None else side for side in shape]}

    return {
        "name": name,
        "versions": ["1"],
        "platform": "hydranet",
        "inputs": [row(one, dtype, shape) for one, (dtype, shape) in manifest.inputs.items()],
        "outputs": [row(one, output.dtype, output.shape) for one, output in manifest.outputs.items()],
    }
