"""Predictions on disk: an image per task, one of all tasks, and JSON; for a video, videos and JSON lines."""

import io
import json
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import cv2
import numpy as np

from hydranet.annotations import Annotation
from hydranet.core.errors import UserError
from hydranet.core.ledger import Ledger, Omission
from hydranet.core.sample import DataError
from hydranet.core.spec import SpecError
from hydranet.deploy.messages import message
from hydranet.deploy.recording.recording import Recording, open_recording
from hydranet.deploy.standard_files import StandardFiles
from hydranet.deploy.video.frames import LEDGER_STEM, Frame
from hydranet.deploy.video.video_file import VideoFile
from hydranet.io.growing_file import GrowingFile
from hydranet.transforms.view import stretch
from hydranet.transforms.warp import unwarp
from hydranet.visualization.contact_sheet import tile_size
from hydranet.visualization.draw import captioned, composite

IMAGES = ("each", "all", "none")

WIDEST_PX = 1920
"""The image of all tasks is no wider in a video, which is watched on a screen."""

SMALLER = 0.8
"""A drawing is made at its size in the image of all tasks where that is at most this share of the frame's width."""

AHEAD = 4
"""Frames that may wait to be drawn; then the network waits, too."""


class Writer:
    """Writes predictions into a folder; used in a `with` statement, which finishes videos and JSON lines.

    Drawing, encoding and recording are done by a thread of their own, so that the network goes on meanwhile; what fails
    there is raised by the next call.

    classes:  class names by task.    fps: of the video the frames come from, None for still images.
    arrays:   also write every array as it is to NAME.npz, under `task.field`: class ids, meters, boxes.
    images:   "each" = an image (or video) per task and one of all; "all" = only the one of all; "none"; by default
              "each" for still images and "all" for videos.
    files:    also files in standard formats (`deploy.standard_files`); `written` then says which, at the end.
    record:   also a recording that viewers play, FILE.mcap or FILE.rrd.
    `ledger` is for whoever drives it: what of the source was not used.
    Raises SpecError for other `images`, DataError for another suffix of a recording and for what cannot be written,
    ImportError where an extra is missing.
    """

    def __init__(
        self,
        folder: Path,
        classes: Mapping[str, Sequence[str]],
        fps: float | None = None,
        *,
        arrays: bool = False,
        images: str = "",
        record: Path | None = None,
        files: bool = False,
    ) -> None:
        if images and images not in IMAGES:
            raise SpecError(f"got images {images!r}, expected one of {', '.join(IMAGES)}")
        self.folder, self.classes, self.fps, self.arrays, self.count = folder, classes, fps, arrays, 0
        self.ledger = Ledger()
        self.images = images or ("all" if fps else "each")
        folder.mkdir(parents=True, exist_ok=True)
        self._videos: dict[str, VideoFile] = {}
        self._recording: Recording | None = open_recording(record, classes) if record else None
        self._record = record
        self._files = StandardFiles(folder, classes) if files else None
        self.written: list[str] = []
        self._lines = GrowingFile(folder / "predictions.jsonl") if fps else None
        self._worker = ThreadPoolExecutor(1, "hydranet-writer")
        self._waiting: deque[Future[None]] = deque()

    def add(self, frame: Frame, predictions: Mapping[str, Annotation]) -> None:
        """Adds one frame. Raises DataError, naming the file, where this or an earlier one cannot be written."""
        messages = {name: message(prediction, self.classes.get(name, ())) for name, prediction in predictions.items()}
        height, width = frame.image.shape[:2]
        text: dict[str, Any] = {"name": frame.name, "width": width, "height": height, "tasks": messages}
        if self._lines:
            times = {"frame": frame.index, "time_s": round(frame.time_s, 4)}
            clock = {} if frame.clock_s is None else {"unix_s": round(frame.clock_s, 4)}
            with named(self.folder / "predictions.jsonl"):
                line = json.dumps({**times, **clock, **text}, allow_nan=False)
                self._lines.append(f"{line}\n".encode())  # whoever follows the file sees every frame at once
        else:
            save(self.folder / f"{frame.name}.json", json.dumps(text, indent=2, allow_nan=False).encode())
        while len(self._waiting) >= AHEAD or (self._waiting and self._waiting[0].done()):
            self._waiting.popleft().result()
        self._waiting.append(self._worker.submit(self._write, frame, predictions, messages))
        self.count += 1

    def _write(self, frame: Frame, predictions: Mapping[str, Annotation], messages: Mapping[str, Any]) -> None:
        """What takes long; in the writer's thread."""
        for name, image in self._drawn(frame, predictions).items():
            self._show(frame, name, image)
        if self._recording and self._record:
            with named(self._record):
                self._recording.add(frame, predictions, messages)
        if self._files:
            name = f"{frame.index:06d}" if self.fps else frame.name
            self._files.add(name, (frame.image.shape[0], frame.image.shape[1]), predictions, frame.file)
        if self.arrays:
            packed = io.BytesIO()
            np.savez_compressed(packed, **arrays(predictions))  # type: ignore[arg-type]
            save(self.folder / f"{frame.name}.npz", packed.getvalue())

    def _drawn(self, frame: Frame, predictions: Mapping[str, Annotation]) -> dict[str, np.ndarray]:
        if self.images == "none":
            return {}
        image = frame.image
        if self.images == "all":
            image, predictions = _shrunk(image, predictions)
        drawn = {
            name: captioned(image, prediction, self.classes.get(name, ())) for name, prediction in predictions.items()
        }
        sheet = composite(image, drawn)
        if self.fps and sheet.shape[1] > WIDEST_PX:
            height = round(sheet.shape[0] * WIDEST_PX / sheet.shape[1])
            sheet = cv2.resize(sheet, (WIDEST_PX, height), interpolation=cv2.INTER_AREA)
        return {**(drawn if self.images == "each" else {}), "all": sheet}

    def _show(self, frame: Frame, name: str, image: np.ndarray) -> None:
        if self.fps is None:
            save_image(self.folder / f"{frame.name}.{name}.png", image)
            return
        if name not in self._videos:
            self._videos[name] = VideoFile(self.folder / f"{name}.mp4", self.fps)
        self._videos[name].add(image, frame.time_s)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        """Finishes all files, even where one of them fails; raises that unless another error is under way."""
        failures: list[Exception] = []
        self._worker.shutdown()
        closing = [one.result for one in self._waiting] + [video.close for video in self._videos.values()]
        closing += [self._close_files]
        closing += [self._close_recording, self._lines.close] if self._lines else [self._close_recording]
        for close in closing:
            try:
                close()
            except (UserError, OSError) as failure:
                failures.append(failure)
        if failures and kind is None:
            raise failures[0]

    def _close_files(self) -> None:
        if self._files:
            self.written = self._files.close()

    def _close_recording(self) -> None:
        if self._recording and self._record:
            with named(self._record):
                self._recording.close()


def _shrunk(image: np.ndarray, predictions: Mapping[str, Annotation]) -> tuple[np.ndarray, Mapping[str, Annotation]]:
    """An image and its predictions at the size at which the image of all tasks shows them: the rest is not drawn."""
    full = image.shape[0], image.shape[1]
    size = tile_size(full, len(predictions))
    in_px = any(vars(one).get("unit") == "px" for one in predictions.values())
    if size[1] > SMALLER * full[1] or in_px:  # numbers in pixels would change with the size, and their legend
        return image, predictions
    view = stretch(size, full)
    small = cv2.resize(image, size[::-1], interpolation=cv2.INTER_AREA)
    return small, {name: unwarp(prediction, view, size) for name, prediction in predictions.items()}


def save_ledger(folder: Path, ledger: Ledger, broken: Sequence[str] = ()) -> None:
    """Writes FOLDER/ledger.json, what was not used; where all was used there is none, and one of before goes.

    broken: why images could not be used, a sentence each, of which the file holds the first few and the number.
    Raises DataError where it cannot be written.
    """
    path = folder / f"{LEDGER_STEM}.json"
    if broken:
        ledger = ledger.noted(Omission.IMAGE_LEFT_OUT, "images", "broken", *broken)
    if ledger:
        save(path, json.dumps(ledger.to_json(), indent=1).encode())
    else:
        path.unlink(missing_ok=True)


@contextmanager
def named(path: Path) -> Iterator[None]:
    """An OSError inside the `with` statement becomes a DataError with the file's name."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise DataError(f"cannot write {path}: {reason}; make room or choose another folder") from error


def arrays(predictions: Mapping[str, Annotation]) -> dict[str, np.ndarray]:
    """The arrays of every prediction as "task.field", such as "depth.values" and "detection.xyxy"."""
    return {
        f"{task}.{name}": np.asarray(value)
        for task, prediction in predictions.items()
        for name in prediction.arrays()
        if (value := getattr(prediction, name)) is not None
    }


def save_image(path: Path, image: np.ndarray) -> None:
    """Writes uint8 h w 3 RGB as PNG or JPEG by suffix, whole or not at all. Raises DataError where it cannot."""
    good, data = cv2.imencode(path.suffix, cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    if not good:
        raise DataError(f"cannot encode an image as {path.suffix}; name it .png or .jpg")
    save(path, data.tobytes())


def save(path: Path, data: bytes) -> None:
    """Puts a file in place, whole or not at all. Raises DataError where it cannot be written."""
    partial = path.with_name(path.name + ".partial")
    with named(path):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            partial.write_bytes(data)
            partial.replace(path)
        except OSError:
            with suppress(OSError):
                partial.unlink()
            raise
