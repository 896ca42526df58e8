"""Predictions beside labels, to look at before believing a score."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np

from hydranet.annotations import Annotation
from hydranet.core.spec import SpecError
from hydranet.core.task import Task
from hydranet.deploy.writer import save_image
from hydranet.evaluation.evaluate import EvaluatedImage
from hydranet.io.atomic import write
from hydranet.postprocess.nms import above
from hydranet.visualization.draw import Row, captioned, composite, gallery_html


def write_gallery(
    rows: Sequence[EvaluatedImage],
    tasks: Mapping[str, Task],
    path: Path,
    *,
    title: str,
    note: str = "",
    threshold: float | None = None,
) -> None:
    """Writes an HTML page, or one image of predictions where `path` ends in .png or .jpg.

    threshold: least score of the boxes and lines that are shown; default: each task's own.
    Raises SpecError for another ending, CheckpointError or DataError where the file cannot be written.
    """
    check_format(path)
    if path.suffix == ".html":
        write(path, gallery_html([_row(row, tasks, threshold) for row in rows], title, note).encode())
    else:
        save_image(path, sheet(rows, tasks, threshold))


def check_format(path: Path) -> None:
    """Raises SpecError for a file name whose ending `write_gallery` does not know."""
    if path.suffix not in (".html", ".png", ".jpg"):
        raise SpecError(f"got gallery {str(path)!r}, expected a name that ends in .html, .png or .jpg")


def sheet(rows: Sequence[EvaluatedImage], tasks: Mapping[str, Task], threshold: float | None = None) -> np.ndarray:
    """The predictions for several images below one another, uint8 h w 3."""
    grids = [composite(row.sample.image, _drawn(row.sample.image, row.predictions, tasks, threshold)) for row in rows]
    width = min(grid.shape[1] for grid in grids)
    heights = [round(grid.shape[0] * width / grid.shape[1]) for grid in grids]
    return np.concatenate(
        [
            cv2.resize(grid, (width, height), interpolation=cv2.INTER_AREA)
            for grid, height in zip(grids, heights, strict=True)
        ]
    )


def shown(
    predictions: Mapping[str, Annotation], tasks: Mapping[str, Task], threshold: float | None = None
) -> dict[str, Annotation]:
    """Predictions without the boxes and lines below a score; default: each task's own, as a predictor does."""
    return {
        name: above(one, tasks[name].score_threshold if threshold is None else threshold)
        for name, one in predictions.items()
    }


def _drawn(
    image: np.ndarray, annotations: Mapping[str, Annotation], tasks: Mapping[str, Task], threshold: float | None
) -> dict[str, np.ndarray]:
    kept = shown(annotations, tasks, threshold)
    return {name: captioned(image, annotation, tasks[name].classes) for name, annotation in kept.items()}


def _row(row: EvaluatedImage, tasks: Mapping[str, Task], threshold: float | None) -> Row:
    image, name = row.sample.image, f"{row.sample.source}: {Path(row.sample.key).name}"
    return Row(
        name, image, _drawn(image, row.predictions, tasks, threshold), _drawn(image, row.sample.labels, tasks, 0.0)
    )
