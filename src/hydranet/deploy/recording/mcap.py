"""An .mcap file for Foxglove: images and their annotations in Foxglove's own messages, and JSON by task."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hydranet.annotations import Annotation, Boxes, ClassMap, NormalMap, Polylines, ScalarMap
from hydranet.deploy.recording.recording import jpeg
from hydranet.deploy.video.frames import Frame
from hydranet.visualization.draw import draw
from hydranet.visualization.primitives import Color, colors_of, line_px, name_of, readable, text_px

CAMERA = "/camera"
FRAME_ID = "camera"


class File:
    """Topics: /camera (image), /TASK/image (maps, drawn), /TASK/annotations (boxes and lines, to be shown on
    /camera) and /TASK/json (the same as in `predictions.jsonl`).

    Frames of live sources have their time of arrival; recordings begin at zero.
    Raises ImportError where the extra [record] is missing.
    """

    def __init__(self, path: Path, classes: Mapping[str, Sequence[str]]) -> None:
        try:
            import foxglove
            import foxglove.channels
            import foxglove.messages
        except ImportError as error:
            raise ImportError('writing .mcap needs foxglove-sdk; pip install "hydranet[record]"') from error
        self._foxglove: Any = foxglove
        self._context = foxglove.Context()
        self._writer = foxglove.open_mcap(path, allow_overwrite=True, context=self._context)
        self._classes = classes
        self._channels: dict[str, Any] = {}

    def add(self, frame: Frame, predictions: Mapping[str, Annotation], messages: Mapping[str, Any]) -> None:
        """Appends a frame."""
        time_ns = round((frame.time_s if frame.clock_s is None else frame.clock_s) * 1e9)
        self._image(CAMERA, frame.image, time_ns)
        for task, prediction in predictions.items():
            names = self._classes.get(task, ())
            match prediction:
                case ClassMap() | ScalarMap() | NormalMap():
                    self._image(f"/{task}/image", draw(frame.image, prediction, names), time_ns)
                case Boxes() | Polylines():
                    self._marks(f"/{task}/annotations", frame, prediction, names, time_ns)
            message = {"frame": frame.index, "name": frame.name, **messages[task]}
            self._channel(f"/{task}/json", self._foxglove.Channel).log(message, log_time=time_ns)

    def close(self) -> None:
        """Finishes the file."""
        self._writer.close()

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

    def _marks(
        self, topic: str, frame: Frame, prediction: Boxes | Polylines, names: Sequence[str], time_ns: int
    ) -> None:
        kinds, at = self._foxglove.messages, self._stamp(time_ns)
        paths = _paths(prediction)
        ids = [0] * len(paths) if prediction.label is None else [max(int(label), 0) for label in prediction.label]
        by_class = colors_of(None, names, max(ids, default=0))
        points, texts = [], []
        for i, path in enumerate(paths):
            points.append(
                kinds.PointsAnnotation(
                    timestamp=at,
                    type=kinds.PointsAnnotationType.LineLoop
                    if isinstance(prediction, Boxes)
                    else kinds.PointsAnnotationType.LineStrip,
                    points=[kinds.Point2(x=x, y=y) for x, y in path],
                    outline_color=_color(kinds, by_class[ids[i]]),
                    thickness=float(line_px(frame.image)),
                )
            )
            if isinstance(prediction, Boxes):
                texts.append(
                    kinds.TextAnnotation(
                        timestamp=at,
                        position=kinds.Point2(x=path[0][0], y=path[0][1]),
                        text=_title(prediction, i, names),
                        font_size=float(text_px(frame.image)),
                        text_color=_color(kinds, readable(by_class[ids[i]])),
                        background_color=_color(kinds, by_class[ids[i]]),
                    )
                )
        marks = kinds.ImageAnnotations(circles=[], points=points, texts=texts)
        self._channel(topic, self._foxglove.channels.ImageAnnotationsChannel).log(marks, log_time=time_ns)


def _paths(prediction: Boxes | Polylines) -> list[list[list[float]]]:
    """Corners of boxes, points of lines: x, y in pixels from the corner of the image, which is Foxglove's origin."""
    if isinstance(prediction, Polylines):
        return [
            points[valid.astype(bool)].tolist()
            for points, valid in zip(prediction.points, prediction.valid, strict=True)
        ]
    return [[[x0, y0], [x1, y0], [x1, y1], [x0, y1]] for x0, y0, x1, y1 in prediction.xyxy.tolist()]


def _title(prediction: Boxes, i: int, names: Sequence[str]) -> str:
    track = "" if prediction.track is None else f" #{int(prediction.track[i])}"
    score = "" if prediction.score is None else f" {float(prediction.score[i]):.2f}"
    return name_of(names, int(prediction.label[i])) + track + score


def _color(kinds: Any, color: Color) -> Any:
    red, green, blue = (c / 255 for c in color)
    return kinds.Color(r=red, g=green, b=blue, a=1.0)
