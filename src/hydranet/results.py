"""Predictions on disk: a picture a task, one of all, and JSON; for a video, videos and JSON lines."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import cv2
import numpy as np

from hydranet.annotations import Annotation
from hydranet.deploy.draw import composite, draw
from hydranet.deploy.frames import Frame, VideoFile
from hydranet.deploy.messages import message


class Writer:
    """Writes what a predictor saw into a folder; used in a `with` statement, which finishes videos and JSON lines.

    classes: class names by task.    fps: of the video the frames come from, None for still pictures.
    arrays:  also write every array as it is to NAME.npz, under `task.field`: class ids, metres, boxes.
    """

    def __init__(
        self, folder: Path, classes: Mapping[str, Sequence[str]], fps: float | None = None, *, arrays: bool = False
    ) -> None:
        self.folder, self.classes, self.fps, self.arrays, self.count = folder, classes, fps, arrays, 0
        folder.mkdir(parents=True, exist_ok=True)
        self._videos: dict[str, VideoFile] = {}
        self._lines = (folder / "predictions.jsonl").open("w") if fps else None

    def add(self, frame: Frame, predictions: Mapping[str, Annotation]) -> None:
        """Adds one frame."""
        drawn = {name: draw(frame.image, seen, self.classes.get(name, ())) for name, seen in predictions.items()}
        pictures = {**drawn, "all": composite(frame.image, drawn)}
        said = {name: message(seen, self.classes.get(name, ())) for name, seen in predictions.items()}
        height, width = frame.image.shape[:2]
        text = {"name": frame.name, "width": width, "height": height, "tasks": said}
        if self.fps and self._lines:
            self._lines.write(json.dumps({"frame": frame.index, "time_s": round(frame.time_s, 4), **text}) + "\n")
            for name, picture in pictures.items():
                if name not in self._videos:
                    self._videos[name] = VideoFile(self.folder / f"{name}.mp4", self.fps)
                self._videos[name].add(picture)
        else:
            for name, picture in pictures.items():
                save_picture(self.folder / f"{frame.name}.{name}.png", picture)
            (self.folder / f"{frame.name}.json").write_text(json.dumps(text, indent=2))
        if self.arrays:
            np.savez_compressed(self.folder / f"{frame.name}.npz", **arrays(predictions))  # type: ignore[arg-type]
        self.count += 1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        for video in self._videos.values():
            video.close()
        if self._lines:
            self._lines.close()


def arrays(predictions: Mapping[str, Annotation]) -> dict[str, np.ndarray]:
    """The arrays of every prediction as "task.field", such as "depth.values" and "detection.xyxy"."""
    return {
        f"{task}.{name}": np.asarray(value)
        for task, seen in predictions.items()
        for name in seen.arrays()
        if (value := getattr(seen, name)) is not None
    }


def save_picture(path: Path, image: np.ndarray) -> None:
    """Writes uint8 h w 3 RGB as PNG or JPEG by suffix. Raises OSError where it cannot."""
    path.parent.mkdir(parents=True, exist_ok=True)
    good, data = cv2.imencode(path.suffix, cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    if not good:
        raise OSError(f"cannot encode a picture as {path.suffix}")
    path.write_bytes(data.tobytes())
