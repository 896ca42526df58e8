"""Predictions on disk: an image per task, one of all tasks, and JSON; for a video, videos and JSON lines."""

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import cv2
import numpy as np

from hydranet.annotations import Annotation
from hydranet.core.spec import SpecError
from hydranet.deploy.messages import message
from hydranet.deploy.recording.recording import Recording, open_recording
from hydranet.deploy.video.frames import Frame, VideoFile
from hydranet.visualization.draw import captioned, composite

IMAGES = ("each", "all", "none")


class Writer:
    """Writes predictions into a folder; used in a `with` statement, which finishes videos and JSON lines.

    classes:  class names by task.    fps: of the video the frames come from, None for still images.
    arrays:   also write every array as it is to NAME.npz, under `task.field`: class ids, meters, boxes.
    images:   "each" = an image (or video) per task and one of all; "all" = only the one of all; "none".
    record:   also a recording that viewers play, FILE.mcap or FILE.rrd.
    Raises SpecError for other `images`, DataError for another suffix, ImportError where an extra is missing.
    """

    def __init__(
        self,
        folder: Path,
        classes: Mapping[str, Sequence[str]],
        fps: float | None = None,
        *,
        arrays: bool = False,
        images: str = "each",
        record: Path | None = None,
    ) -> None:
        if images not in IMAGES:
            raise SpecError(f"got images {images!r}, expected one of {', '.join(IMAGES)}")
        self.folder, self.classes, self.fps, self.arrays, self.count = folder, classes, fps, arrays, 0
        self.images = images
        folder.mkdir(parents=True, exist_ok=True)
        self._videos: dict[str, VideoFile] = {}
        self._recording: Recording | None = open_recording(record, classes) if record else None
        self._lines = (folder / "predictions.jsonl").open("w") if fps else None

    def add(self, frame: Frame, predictions: Mapping[str, Annotation]) -> None:
        """Adds one frame."""
        messages = {name: message(prediction, self.classes.get(name, ())) for name, prediction in predictions.items()}
        height, width = frame.image.shape[:2]
        text: dict[str, Any] = {"name": frame.name, "width": width, "height": height, "tasks": messages}
        if self._lines:
            times = {"frame": frame.index, "time_s": round(frame.time_s, 4)}
            clock = {} if frame.clock_s is None else {"unix_s": round(frame.clock_s, 4)}
            self._lines.write(json.dumps({**times, **clock, **text}) + "\n")
            self._lines.flush()  # whoever follows the file sees every frame at once
        else:
            (self.folder / f"{frame.name}.json").write_text(json.dumps(text, indent=2))
        for name, image in self._drawn(frame, predictions).items():
            self._show(frame, name, image)
        if self._recording:
            self._recording.add(frame, predictions, messages)
        if self.arrays:
            np.savez_compressed(self.folder / f"{frame.name}.npz", **arrays(predictions))  # type: ignore[arg-type]
        self.count += 1

    def _drawn(self, frame: Frame, predictions: Mapping[str, Annotation]) -> dict[str, np.ndarray]:
        if self.images == "none":
            return {}
        drawn = {
            name: captioned(frame.image, prediction, self.classes.get(name, ()))
            for name, prediction in predictions.items()
        }
        return {**(drawn if self.images == "each" else {}), "all": composite(frame.image, drawn)}

    def _show(self, frame: Frame, name: str, image: np.ndarray) -> None:
        if self.fps is None:
            save_image(self.folder / f"{frame.name}.{name}.png", image)
            return
        if name not in self._videos:
            self._videos[name] = VideoFile(self.folder / f"{name}.mp4", self.fps)
        self._videos[name].add(image, None if frame.clock_s is None else frame.time_s)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        for video in self._videos.values():
            video.close()
        if self._recording:
            self._recording.close()
        if self._lines:
            self._lines.close()


def arrays(predictions: Mapping[str, Annotation]) -> dict[str, np.ndarray]:
    """The arrays of every prediction as "task.field", such as "depth.values" and "detection.xyxy"."""
    return {
        f"{task}.{name}": np.asarray(value)
        for task, prediction in predictions.items()
        for name in prediction.arrays()
        if (value := getattr(prediction, name)) is not None
    }


def save_image(path: Path, image: np.ndarray) -> None:
    """Writes uint8 h w 3 RGB as PNG or JPEG by suffix, whole or not at all. Raises OSError where it cannot."""
    path.parent.mkdir(parents=True, exist_ok=True)
    good, data = cv2.imencode(path.suffix, cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    if not good:
        raise OSError(f"cannot encode an image as {path.suffix}")
    partial = path.with_name(path.name + ".partial")  # checkpoint.write does the same, but needs torch
    try:
        partial.write_bytes(data.tobytes())
        partial.replace(path)
    except OSError as error:
        with suppress(OSError):
            partial.unlink()
        raise OSError(error.errno, f"{error.strerror}; make room or choose another folder", str(path)) from error
