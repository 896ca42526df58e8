"""Recordings that viewers play: camera images and the network's predictions on one time line."""

import importlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np

from hydranet.annotations import Annotation
from hydranet.core.sample import DataError
from hydranet.deploy.video.frames import Frame

WRITERS = {".mcap": "hydranet.deploy.recording.mcap", ".rrd": "hydranet.deploy.recording.rerun"}
"""For Foxglove and for Rerun."""

JPEG_QUALITY = 88


class Recording(Protocol):
    """An open file of recordings."""

    def add(self, frame: Frame, predictions: Mapping[str, Annotation], messages: Mapping[str, Any]) -> None:
        """Appends a frame, its predictions, and the same predictions as JSON values by task (`messages.message`)."""

    def close(self) -> None:
        """Finishes the file; after this call it is complete."""


def open_recording(path: Path, classes: Mapping[str, Sequence[str]]) -> Recording:
    """A new recording, by suffix: .mcap for Foxglove, .rrd for Rerun. classes: names by task.

    Raises DataError for another suffix, ImportError naming the extra that is missing.
    """
    if path.suffix not in WRITERS:
        raise DataError(f"got recording {path.name!r}, expected a name that ends in {' or '.join(WRITERS)}")
    path.parent.mkdir(parents=True, exist_ok=True)
    recording: Recording = importlib.import_module(WRITERS[path.suffix]).File(path, classes)
    return recording


def jpeg(image: np.ndarray) -> bytes:
    """uint8 h w 3 RGB as JPEG."""
    _, data = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    return bytes(data)
