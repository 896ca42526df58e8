"""A predictor at work on a source of images, frame by frame: what `hydranet predict` does."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Protocol

import numpy as np

from hydranet.annotations import Annotation
from hydranet.core.ledger import Ledger, Omission
from hydranet.core.sample import DataError
from hydranet.deploy.video.frames import Frame, Frames, ImageLeftOut
from hydranet.deploy.video.live import Live
from hydranet.deploy.video.stopwatch import Pace
from hydranet.deploy.video.tracking import Tracks
from hydranet.deploy.writer import Writer


class PredictorProtocol(Protocol):
    """A predictor, with or without torch."""

    @property
    def classes(self) -> Mapping[str, Sequence[str]]: ...

    def __call__(self, image: np.ndarray, /) -> Mapping[str, Annotation]: ...


def run_pipeline(
    source: Frames | Live,
    see: PredictorProtocol,
    writer: Writer,
    pace: Pace,
    note: Callable[[DataError], None],
    tracks: Tracks | None = None,
) -> Iterator[Frame]:
    """Predicts on every frame, tracks its boxes if `tracks` is given, writes the predictions, and yields the frame.

    Still images of a writer with a frame rate are the frames of a video. `note` gets an error for each image that
    cannot be read or that the predictor cannot take, such as one of another size than an exported file was made for;
    the others are kept. `writer.ledger` counts images that were left out, also by the source itself, and frames that
    were dropped; heads that were not computed are counted by the predictor.
    """
    writer.ledger += source.left_out
    after = 0  # the number that the next frame of a live source has if none is dropped

    def noted(error: DataError) -> None:
        writer.ledger += _left_out(error, source, after)
        note(error)

    for frame in source.readable(noted):
        if isinstance(source, Live) and frame.index > after:
            dropped = "the network was slower than the source"
            writer.ledger = writer.ledger.noted(Omission.FRAME_DROPPED, source.name, dropped, count=frame.index - after)
        after = frame.index + 1
        pace.lap("reading")
        if writer.fps and source.fps is None:
            frame = replace(frame, time_s=frame.index / writer.fps)
        try:
            predictions = see(frame.image)
        except DataError as error:  # an image of another size than a file takes; the frames of a video are all alike
            if source.fps is not None:
                raise
            noted(ImageLeftOut(frame.name, "not of the size that the network takes", f"{frame.name}: {error}"))
            continue
        predictions = tracks(predictions, frame.time_s) if tracks else predictions
        pace.lap("network")
        writer.add(frame, predictions)
        pace.lap("writing")
        pace.done()
        yield frame


def _left_out(error: DataError, source: Frames | Live, frames: int) -> Ledger:
    """What an error of a source leaves out: an image, or the rest of a damaged video. frames: read until then."""
    if isinstance(error, ImageLeftOut):
        return Ledger().noted(Omission.IMAGE_LEFT_OUT, source.name, error.reason, error.image)
    if isinstance(source, Live):
        return Ledger()  # it ended: nobody knows of a frame that was not looked at
    lost = max((source.count or 0) - frames, 1)
    return Ledger().noted(Omission.FRAME_DROPPED, source.name, "the file is damaged there", count=lost)
