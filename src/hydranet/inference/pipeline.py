"""A predictor at work on a source of images, frame by frame: what `hydranet predict` does."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

import numpy as np

from hydranet.annotations import Annotation
from hydranet.core.sample import DataError
from hydranet.core.spec import SpecError
from hydranet.deploy.session import runtimes_for
from hydranet.deploy.video.frames import Frame, Frames
from hydranet.deploy.video.live import Live
from hydranet.deploy.video.stopwatch import Pace
from hydranet.deploy.video.tracking import Tracks
from hydranet.deploy.writer import Writer


class PredictorProtocol(Protocol):
    """A predictor, with or without torch."""

    @property
    def classes(self) -> Mapping[str, Sequence[str]]: ...

    def __call__(self, image: np.ndarray, /) -> Mapping[str, Annotation]: ...


@dataclass(frozen=True)
class RuntimeOptions:
    """Options of exported files alone; named as in `hydranet.deploy.predictor.Predictor`."""

    runtime: str = ""
    iou: float | None = None
    every: Mapping[str, int] = field(default_factory=dict)
    threads: int | None = None


def open_predictor(
    path: Path,
    heads: Sequence[str] | None,
    size: tuple[int, int] | None,
    threshold: float,
    device: str,
    shipped: RuntimeOptions,
) -> PredictorProtocol:
    """A predictor of a run, or of a file that `hydranet export` wrote; for the latter torch is not needed.

    Raises SpecError for options of exported files with a run, or a device with an exported file.
    """
    if path.is_file() and runtimes_for(path):
        from hydranet.deploy.predictor import Predictor as Exported

        if device != "cpu":
            raise SpecError(
                f"got device {device!r} with an exported file, expected a run; exported files use the CPU here"
            )
        return Exported(
            path,
            heads,
            threshold=threshold,
            iou=shipped.iou,
            every=shipped.every,
            size=size,
            runtime=shipped.runtime,
            threads=shipped.threads,
        )
    if shipped != RuntimeOptions():
        usual = vars(RuntimeOptions())
        given = [f"--{name}" for name, value in vars(shipped).items() if value != usual[name]]
        raise SpecError(
            f"got {', '.join(given)} with a run, expected an exported file such as model.onnx; hydranet export {path}"
        )
    from hydranet.inference.predictor import Predictor
    from hydranet.models.device import available_device

    return Predictor(path, heads, size=size, threshold=threshold, device=available_device(device))


def run_pipeline(
    source: Frames | Live,
    see: PredictorProtocol,
    writer: Writer,
    pace: Pace,
    note: Callable[[DataError], None],
    tracks: Tracks | None = None,
) -> Iterator[Frame]:
    """Predicts on every frame, tracks its boxes if `tracks` is given, writes the predictions, and yields the frame.

    Still images of a writer with a frame rate are the frames of a video.
    """
    for frame in source.readable(note):
        pace.lap("reading")
        if writer.fps and source.fps is None:
            frame = replace(frame, time_s=frame.index / writer.fps)
        predictions = see(frame.image)
        predictions = tracks(predictions) if tracks else predictions
        pace.lap("network")
        writer.add(frame, predictions)
        pace.lap("writing")
        pace.done()
        yield frame
