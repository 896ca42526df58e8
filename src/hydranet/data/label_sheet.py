"""Labels drawn on a few images, on one sheet: what `data check` shows of a source."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np

from hydranet.core.sample import Sample
from hydranet.io.atomic import write
from hydranet.visualization.draw import captioned, composite

COLUMNS, COLUMN_PX, GAP_PX = 2, 960, 12


def drawn_labels(sample: Sample, classes: Mapping[str, Sequence[str]]) -> np.ndarray:
    """uint8 h w 3, as wide as a column: a sample's image with each of its labels drawn on it."""
    drawn = {name: captioned(sample.image, label, classes.get(name, ())) for name, label in sample.labels.items()}
    image = composite(sample.image, drawn)
    height = round(image.shape[0] * COLUMN_PX / image.shape[1])
    return cv2.resize(image, (COLUMN_PX, height), interpolation=cv2.INTER_AREA)


def sheet(images: Sequence[np.ndarray]) -> np.ndarray:
    """Images of one width (uint8 h w 3) on white in columns, each in turn under the column that is shortest."""
    columns: list[list[np.ndarray]] = [[] for _ in range(min(COLUMNS, len(images)))]
    for image in images:
        shortest = min(columns, key=lambda column: sum(p.shape[0] + GAP_PX for p in column))
        shortest.append(image)
    height = max(sum(p.shape[0] + GAP_PX for p in column) for column in columns)
    width = images[0].shape[1]
    canvas = np.full((height, len(columns) * (width + GAP_PX), 3), 255, dtype=np.uint8)
    for i, column in enumerate(columns):
        top = 0
        for image in column:
            canvas[top : top + image.shape[0], i * (width + GAP_PX) :][:, :width] = image
            top += image.shape[0] + GAP_PX
    return canvas


def save(path: Path, image: np.ndarray) -> None:
    """Writes an image (uint8 h w 3) as PNG. Raises CheckpointError where it cannot."""
    _, data = cv2.imencode(".png", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    write(path, data.tobytes())
