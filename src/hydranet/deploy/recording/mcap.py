"""An .mcap file for Foxglove: images and their annotations in Foxglove's own messages, and JSON by task."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import singledispatch
from pathlib import Path
from typing import Any, Literal

import numpy as np

from hydranet.annotations import (
    Annotation,
    Boxes,
    ClassMap,
    Instances,
    Keypoints,
    NormalMap,
    Polylines,
    Quantity,
    ScalarMap,
    Tag,
    UnknownKind,
    row_count,
)
from hydranet.deploy.recording.mcap_records import McapRecords
from hydranet.deploy.recording.recording import jpeg
from hydranet.deploy.video.frames import Frame
from hydranet.visualization.class_colors import colors_of
from hydranet.visualization.draw import draw
from hydranet.visualization.draw_instances import box_title
from hydranet.visualization.primitives import Color, line_px, readable, text_px

CAMERA = "/camera"
FRAME_ID = "camera"

CHUNK_BYTES = 256 * 1024
"""Whole chunks can be read after a kill: a few frames are lost at most."""


class File:
    """Topics: /camera (image), /TASK/image (maps, drawn), /TASK/annotations (boxes and lines, to be shown on
    /camera) and /TASK/json (the same as in `predictions.jsonl`).

    Frames of live sources have their time of arrival; recordings begin at zero.
    Raises ImportError where the extra [record] is missing, OSError for a file that cannot be written.
    """

    def __init__(self, path: Path, classes: Mapping[str, Sequence[str]]) -> None:
        try:
            import foxglove
            import foxglove.channels
            import foxglove.mcap
            import foxglove.messages
        except ImportError as error:
            raise ImportError('writing .mcap needs foxglove-sdk; pip install "hydranet[record]"') from error
        self._foxglove: Any = foxglove
        self._context = foxglove.Context()
        options = foxglove.mcap.MCAPWriteOptions(chunk_size=CHUNK_BYTES, disable_seeking=True)
        self._path, self._file = path, McapRecords(path)
        self._writer = foxglove.open_mcap(self._file, context=self._context, writer_options=options)
        self._classes = classes
        self._channels: dict[str, Any] = {}

    def add(self, frame: Frame, predictions: Mapping[str, Annotation], messages: Mapping[str, Any]) -> None:
        """Appends a frame."""
        time_ns = round((frame.time_s if frame.clock_s is None else frame.clock_s) * 1e9)
        self._image(CAMERA, frame.image, time_ns)
        for task, prediction in predictions.items():
            names = self._classes.get(task, ())
            marks = _marks(prediction, names)
            if marks is None:
                self._image(f"/{task}/image", draw(frame.image, prediction, names), time_ns)
            elif marks:
                self._annotate(f"/{task}/annotations", frame, marks, time_ns)
            message = {"frame": frame.index, "name": frame.name, **messages[task]}
            self._channel(f"/{task}/json", self._foxglove.Channel).log(message, log_time=time_ns)
        self._check()

    def close(self) -> None:
        """Finishes the file. Raises OSError where it could not be written to its end; it can be opened even then."""
        self._writer.close()
        self._file.close()
        if self._path.stat().st_size == 0:
            self._path.unlink()
        self._check()

    def _check(self) -> None:
        """Foxglove's writer says nothing of writes that fail."""
        if error := self._file.error:
            raise error

    def _channel(self, topic: str, kind: Any) -> Any:
        if topic not in self._channels:
            self._channels[topic] = kind(topic, context=self._context)
        return self._channels[topic]

    def _stamp(self, time_ns: int) -> Any:
        return self._foxglove.messages.Timestamp(sec=time_ns // 10**9, nsec=time_ns % 10**9)

    def _image(self, topic: str, image: Any, time_ns: int) -> None:
        kinds = self._foxglove.messages
        drawn = kinds.CompressedImage(
            timestamp=self._stamp(time_ns), frame_id=FRAME_ID, data=jpeg(image), format="jpeg"
        )
        self._channel(topic, self._foxglove.channels.CompressedImageChannel).log(drawn, log_time=time_ns)

    def _annotate(self, topic: str, frame: Frame, marks: "Sequence[Mark]", time_ns: int) -> None:
        kinds, at = self._foxglove.messages, self._stamp(time_ns)
        shapes = {
            "loop": kinds.PointsAnnotationType.LineLoop,
            "line": kinds.PointsAnnotationType.LineStrip,
            "points": kinds.PointsAnnotationType.Points,
        }
        points, texts = [], []
        for mark in marks:
            points.append(
                kinds.PointsAnnotation(
                    timestamp=at,
                    type=shapes[mark.shape],
                    points=[kinds.Point2(x=x, y=y) for x, y in mark.path],
                    outline_color=_color(kinds, mark.color),
                    thickness=float(line_px(frame.image)),
                )
            )
            if mark.title:
                texts.append(
                    kinds.TextAnnotation(
                        timestamp=at,
                        position=kinds.Point2(x=mark.path[0][0], y=mark.path[0][1]),
                        text=mark.title,
                        font_size=float(text_px(frame.image)),
                        text_color=_color(kinds, readable(mark.color)),
                        background_color=_color(kinds, mark.color),
                    )
                )
        drawn = kinds.ImageAnnotations(circles=[], points=points, texts=texts)
        self._channel(topic, self._foxglove.channels.ImageAnnotationsChannel).log(drawn, log_time=time_ns)


@dataclass(frozen=True)
class Mark:
    """A line or points on the camera's image: x, y in pixels from its corner, which is Foxglove's origin, too."""

    shape: Literal["loop", "line", "points"]
    path: list[list[float]]
    color: Color
    title: str = ""


@singledispatch
def _marks(prediction: Annotation, names: Sequence[str]) -> list[Mark] | None:
    """What is drawn on the camera's image; None for maps, which are images of their own."""
    raise UnknownKind("Foxglove message", type(prediction), "deploy/recording/mcap.py")


@_marks.register
def _(prediction: ClassMap | ScalarMap | NormalMap, names: Sequence[str]) -> None:
    return None


@_marks.register
def _(prediction: Tag | Quantity, names: Sequence[str]) -> list[Mark]:
    return []  # to be read in the JSON beside it


@_marks.register
def _(prediction: Boxes, names: Sequence[str]) -> list[Mark]:
    colors = _colors(prediction, names)
    titles = [box_title(prediction, i, names) for i in range(len(prediction.xyxy))]
    corners = [[[x0, y0], [x1, y0], [x1, y1], [x0, y1]] for x0, y0, x1, y1 in prediction.xyxy.tolist()]
    return [Mark("loop", path, color, text) for path, color, text in zip(corners, colors, titles, strict=True)]


@_marks.register
def _(prediction: Polylines, names: Sequence[str]) -> list[Mark]:
    return _paths("line", prediction, prediction.points, np.asarray(prediction.valid, bool), names)


@_marks.register
def _(prediction: Keypoints, names: Sequence[str]) -> list[Mark]:
    return _paths("points", prediction, prediction.xy, np.asarray(prediction.visible) > 0, names)


def _paths(
    shape: Literal["line", "points"], label: Instances, points: np.ndarray, valid: np.ndarray, names: Sequence[str]
) -> list[Mark]:
    rows = zip(points, valid, _colors(label, names), strict=True)
    return [Mark(shape, xy[known].tolist(), color) for xy, known, color in rows if known.any()]


def _colors(prediction: Instances, names: Sequence[str]) -> list[Color]:
    ids = [0] * row_count(prediction) if prediction.label is None else [max(int(i), 0) for i in prediction.label]
    by_class = colors_of(None, names, max(ids, default=0))
    return [by_class[i] for i in ids]


def _color(kinds: Any, color: Color) -> Any:
    red, green, blue = (c / 255 for c in color)
    return kinds.Color(r=red, g=green, b=blue, a=1.0)
