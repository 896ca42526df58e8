"""Somebody else's ONNX or OpenVINO file, run as it is: image in, arrays out. For teachers of a few lines."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np

from hydranet.annotations import UNKNOWN_ID, Boxes, ClassMap
from hydranet.core.extras import needing
from hydranet.core.spec import SpecError
from hydranet.deploy.runtimes.openvino import core


class ForeignFile:
    """A network in an .onnx, .xml or .tflite file that knows nothing of hydranet, as a function of an image.

    path:   opened by OpenVINO.
    size:   height, width that it sees; images are stretched to it, bilinearly.
    color:  order of the channels that it was trained with.    layout: "nchw" or "nhwc".
    mean, std: in the units of pixels (0..255), one number or three in the order of `color`; it sees (x - mean) / std.
    Raises SpecError for a file that cannot be opened.
    """

    def __init__(
        self,
        path: Path | str,
        size: tuple[int, int],
        color: Literal["rgb", "bgr"] = "rgb",
        layout: Literal["nchw", "nhwc"] = "nchw",
        mean: float | Sequence[float] = 0.0,
        std: float | Sequence[float] = 1.0,
    ) -> None:
        with needing("a teacher in a file of others"):
            engine = core()
        if color not in ("rgb", "bgr") or layout not in ("nchw", "nhwc"):
            raise SpecError(f"got color={color!r}, layout={layout!r}, expected rgb or bgr, and nchw or nhwc")
        if not Path(path).is_file():
            raise SpecError(f"no file {path}; give an .onnx, .xml or .tflite file")
        self.size, self.color, self.layout = size, color, layout
        self.mean, self.std = np.asarray(mean, np.float32), np.asarray(std, np.float32)
        try:
            self._network: Any = engine.compile_model(str(path), "CPU")
        except RuntimeError as error:
            raise SpecError(f"{path} cannot be opened by OpenVINO: {str(error).strip().splitlines()[-1]}") from error

    def __call__(self, rgb: np.ndarray) -> list[np.ndarray]:
        """Its outputs, in the order of the file, for one image: uint8 h w 3. Without the axis of the batch."""
        height, width = self.size
        image = cv2.resize(rgb, (width, height), interpolation=cv2.INTER_LINEAR).astype(np.float32)
        image = ((image[..., ::-1] if self.color == "bgr" else image) - self.mean) / self.std
        given = image.transpose(2, 0, 1) if self.layout == "nchw" else image
        answer = self._network(np.ascontiguousarray(given)[None])
        return [np.array(answer[output])[0] for output in self._network.outputs]


def class_map(probabilities: np.ndarray, size: tuple[int, int], least: float = 0.0) -> ClassMap:
    """Probabilities (float c h w) as a class map of another size: enlarged first, then the greatest; 255 below `least`.

    size: height, width of the image.
    """
    enlarged = np.stack([cv2.resize(one, size[::-1], interpolation=cv2.INTER_LINEAR) for one in probabilities])
    greatest = enlarged.max(0)
    ids = np.where(greatest >= least, enlarged.argmax(0), UNKNOWN_ID).astype(np.uint8)
    return ClassMap(ids, confidence=greatest.astype(np.float32))


def boxes(rows: np.ndarray, size: tuple[int, int], labels: Sequence[int | None], least: float = 0.0) -> Boxes:
    """Rows of an SSD's output layer as boxes in pixels.

    rows:   float ... 7: image (-1 = end), label, score, left, top, right, bottom as shares of the image.
    size:   height, width of the image.
    labels: for each of the file's labels the class id, or None for one that is left out.
    """
    height, width = size
    table = np.asarray(rows, np.float32).reshape(-1, 7)
    ended = np.flatnonzero(table[:, 0] < 0)
    table = table[: ended[0]] if len(ended) else table
    ids = [labels[int(row[1])] if 0 <= int(row[1]) < len(labels) else None for row in table]
    kept = np.array([i for i, one in enumerate(ids) if one is not None and table[i, 2] >= least], int)
    xyxy = (table[kept, 3:] * [width, height, width, height]).clip(0, [width, height, width, height])
    inside = ((xyxy[:, 2:] - xyxy[:, :2]) > 0).all(1)
    label = np.array([ids[i] for i in kept], np.int64)
    return Boxes(xyxy[inside].astype(np.float32), label[inside], score=table[kept, 2][inside])
