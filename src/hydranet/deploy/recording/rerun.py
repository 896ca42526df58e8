"""An .rrd file for the Rerun viewer: images, class maps, depth in meters, boxes, numbers."""

import json
from collections.abc import Mapping, Sequence
from functools import singledispatch
from pathlib import Path
from typing import Any

import numpy as np

from hydranet.annotations import (
    Annotation,
    Boxes,
    ClassMap,
    Keypoints,
    NormalMap,
    Polylines,
    Quantity,
    ScalarMap,
    Tag,
    UnknownKind,
)
from hydranet.deploy.recording.recording import jpeg
from hydranet.deploy.video.frames import Frame
from hydranet.io.piped_file import PipedFile
from hydranet.visualization.class_colors import class_colors
from hydranet.visualization.draw import draw
from hydranet.visualization.primitives import name_of


class File:
    """Entities camera/image, camera/TASK and camera/TASK/json on the time lines "frame" and "time".

    Rerun's thread writes into a pipe: a full disk would leave it, and the program, standing still.
    Raises ImportError where the extra [viz] is missing, OSError for a file that cannot be written.
    """

    def __init__(self, path: Path, classes: Mapping[str, Sequence[str]]) -> None:
        try:
            import rerun
        except ImportError as error:
            raise ImportError('writing .rrd needs rerun-sdk; pip install "hydranet[viz]"') from error
        self._rerun: Any = rerun
        self._classes = classes
        self._file = rerun.RecordingStream("hydranet")
        self._path, self._disk = path, PipedFile(path)
        self._file.save(self._disk.inlet)
        self._disk.opened()
        for task, names in classes.items():
            colors = class_colors(names)
            rows = [(i, name, colors[i]) for i, name in enumerate(names)]
            if rows:
                self._file.log(f"camera/{task}", rerun.AnnotationContext(rows), static=True)

    def add(self, frame: Frame, predictions: Mapping[str, Annotation], messages: Mapping[str, Any]) -> None:
        """Appends a frame."""
        rerun, file = self._rerun, self._file
        file.set_time("frame", sequence=frame.index)
        if frame.clock_s is None:
            file.set_time("time", duration=frame.time_s)
        else:
            file.set_time("time", timestamp=frame.clock_s)
        file.log("camera/image", rerun.EncodedImage(contents=jpeg(frame.image), media_type="image/jpeg"))
        for task, prediction in predictions.items():
            entity = f"camera/{task}"
            shown = _shown(prediction, rerun, frame, self._classes.get(task, ()))
            if shown is not None:
                file.log(entity, shown)
            text = json.dumps(messages[task])
            file.log(f"{entity}/json", rerun.TextDocument(text, media_type="application/json"))
        self._check()

    def close(self) -> None:
        """Finishes the file. Raises OSError where it could not be written to its end; it can be opened even then."""
        self._file.disconnect()
        self._disk.close()
        if self._path.stat().st_size == 0:
            self._path.unlink()
        self._check()

    def _check(self) -> None:
        if error := self._disk.error:
            raise error


@singledispatch
def _shown(prediction: Annotation, rerun: Any, frame: Frame, names: Sequence[str]) -> Any:
    """A prediction as Rerun's own type; None for kinds that are to be read in the JSON beside it."""
    raise UnknownKind("Rerun entity", type(prediction), "deploy/recording/rerun.py")


@_shown.register
def _(prediction: ClassMap, rerun: Any, frame: Frame, names: Sequence[str]) -> Any:
    return rerun.SegmentationImage(np.asarray(prediction.ids), opacity=0.5)


@_shown.register
def _(prediction: ScalarMap, rerun: Any, frame: Frame, names: Sequence[str]) -> Any:
    if prediction.unit == "m":
        return rerun.DepthImage(np.nan_to_num(np.asarray(prediction.values, np.float32)), meter=1.0)
    return _image(prediction, rerun, frame, names)


@_shown.register
def _(prediction: NormalMap, rerun: Any, frame: Frame, names: Sequence[str]) -> Any:
    return _image(prediction, rerun, frame, names)


def _image(prediction: Annotation, rerun: Any, frame: Frame, names: Sequence[str]) -> Any:
    return rerun.EncodedImage(contents=jpeg(draw(frame.image, prediction, names)), media_type="image/jpeg")


@_shown.register
def _(prediction: Boxes, rerun: Any, frame: Frame, names: Sequence[str]) -> Any:
    track = [""] * len(prediction.label) if prediction.track is None else [f" #{int(t)}" for t in prediction.track]
    return rerun.Boxes2D(
        array=np.asarray(prediction.xyxy, np.float32).reshape(-1, 4),
        array_format=rerun.Box2DFormat.XYXY,
        class_ids=np.maximum(np.asarray(prediction.label), 0),
        labels=[name_of(names, int(label)) + t for label, t in zip(prediction.label, track, strict=True)],
    )


@_shown.register
def _(prediction: Polylines, rerun: Any, frame: Frame, names: Sequence[str]) -> Any:
    pairs = zip(prediction.points, prediction.valid, strict=True)
    return rerun.LineStrips2D([points[np.asarray(valid, bool)] for points, valid in pairs])


@_shown.register
def _(prediction: Keypoints, rerun: Any, frame: Frame, names: Sequence[str]) -> Any:
    return rerun.Points2D(np.asarray(prediction.xy)[np.asarray(prediction.visible) > 0])


@_shown.register
def _(prediction: Quantity, rerun: Any, frame: Frame, names: Sequence[str]) -> Any:
    return rerun.Scalars([float(prediction.value)])


@_shown.register
def _(prediction: Tag, rerun: Any, frame: Frame, names: Sequence[str]) -> None:
    return None
