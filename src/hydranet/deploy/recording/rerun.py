"""An .rrd file for the Rerun viewer: images, class maps, depth in meters, boxes, numbers."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hydranet.annotations import Annotation, Boxes, ClassMap, Keypoints, NormalMap, Polylines, Quantity, ScalarMap
from hydranet.deploy.recording.recording import jpeg
from hydranet.deploy.video.frames import Frame
from hydranet.visualization.draw import draw
from hydranet.visualization.primitives import colors_of, name_of


class File:
    """Entities camera/image, camera/TASK and camera/TASK/json on the time lines "frame" and "time".

    Raises ImportError where the extra [viz] is missing.
    """

    def __init__(self, path: Path, classes: Mapping[str, Sequence[str]]) -> None:
        try:
            import rerun
        except ImportError as error:
            raise ImportError('writing .rrd needs rerun-sdk; pip install "hydranet[viz]"') from error
        self._rerun: Any = rerun
        self._classes = classes
        self._file = rerun.RecordingStream("hydranet")
        self._file.save(str(path))
        for task, names in classes.items():
            colors = colors_of(None, names, 0)
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
            shown = self._shown(frame, prediction, self._classes.get(task, ()))
            if shown is not None:
                file.log(entity, shown)
            text = json.dumps(messages[task])
            file.log(f"{entity}/json", rerun.TextDocument(text, media_type="application/json"))

    def close(self) -> None:
        """Finishes the file."""
        self._file.disconnect()

    def _shown(self, frame: Frame, prediction: Annotation, names: Sequence[str]) -> Any:
        rerun = self._rerun
        match prediction:
            case ClassMap():
                return rerun.SegmentationImage(np.asarray(prediction.ids), opacity=0.5)
            case ScalarMap() if prediction.unit == "m":
                return rerun.DepthImage(np.nan_to_num(np.asarray(prediction.values, np.float32)), meter=1.0)
            case ScalarMap() | NormalMap():
                image = jpeg(draw(frame.image, prediction, names))
                return rerun.EncodedImage(contents=image, media_type="image/jpeg")
            case Boxes():
                return self._boxes(prediction, names)
            case Polylines():
                pairs = zip(prediction.points, prediction.valid, strict=True)
                return rerun.LineStrips2D([points[np.asarray(valid, bool)] for points, valid in pairs])
            case Keypoints():
                return rerun.Points2D(np.asarray(prediction.xy)[np.asarray(prediction.visible) > 0])
            case Quantity():
                return rerun.Scalars([float(prediction.value)])
        return None

    def _boxes(self, prediction: Boxes, names: Sequence[str]) -> Any:
        track = [""] * len(prediction.label) if prediction.track is None else [f" #{int(t)}" for t in prediction.track]
        return self._rerun.Boxes2D(
            array=np.asarray(prediction.xyxy, np.float32).reshape(-1, 4),
            array_format=self._rerun.Box2DFormat.XYXY,
            class_ids=np.maximum(np.asarray(prediction.label), 0),
            labels=[name_of(names, int(label)) + t for label, t in zip(prediction.label, track, strict=True)],
        )
