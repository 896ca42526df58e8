"""Predictions in the formats that other programs read: one folder or file per task, by kind of annotation."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import singledispatch
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from hydranet.annotations import (
    UNKNOWN_ID,
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
from hydranet.core.sample import DataError
from hydranet.deploy.coco_rows import box_rows, point_rows
from hydranet.io.atomic import CheckpointError, write

STEPS = 256
"""Steps per unit in a map of numbers, as in KITTI's depth: 1/256 m, up to 255.996 m."""

LEAST, GREATEST = 1, 65535
"""Stored numbers; 0 is unknown."""

LINE_COLUMNS = ("image", "class", "score", "points")
"""Of a table of curves, also where none was found."""

ImageSize = tuple[int, int]


class StandardFiles:
    """Collects predictions of still images and writes them below a folder; `close` writes what is one file per task.

    FOLDER/TASK/NAME.png for maps, with FOLDER/TASK/format.json that says what the numbers mean; FOLDER/TASK.coco.json
    for boxes and points; FOLDER/TASK.csv for curves, and for classes and numbers of whole images.
    """

    def __init__(self, folder: Path, classes: Mapping[str, Sequence[str]]) -> None:
        self.folder, self.classes = folder, classes
        self.images: list[dict[str, Any]] = []
        self.rows: dict[str, list[dict[str, Any]]] = {}
        self.kinds: dict[str, type[Annotation]] = {}
        self.units: dict[str, str] = {}
        self.beyond: dict[str, int] = {}

    def add(self, name: str, size: ImageSize, predictions: Mapping[str, Annotation], file: str = "") -> None:
        """One image: name, (height, width), predictions. Raises DataError naming a file that cannot be written.

        file: the image's own, with its suffix, by which readers of COCO look for it; where there is none, `name`.
        """
        number = len(self.images) + 1
        self.images.append({"id": number, "file_name": file or name, "height": size[0], "width": size[1]})
        for task, prediction in predictions.items():
            self.kinds[task] = type(prediction)
            self.units[task] = str(vars(prediction).get("unit", ""))
            names = self.classes.get(task, ())
            pixels = as_pixels(prediction)
            self.beyond[task] = self.beyond.get(task, 0) + _beyond(prediction, pixels)
            if pixels is not None:
                good, data = cv2.imencode(".png", pixels if pixels.ndim == 2 else pixels[..., ::-1])
                assert good
                _save(self.folder / task / f"{name}.png", data.tobytes())
            self.rows.setdefault(task, []).extend(
                {"image": name, "image_id": number, **row} for row in as_rows(prediction, names)
            )

    def close(self) -> list[str]:
        """Writes the files of whole tasks. A line per task: what lies where."""
        lines = []
        for task, kind in self.kinds.items():
            if issubclass(kind, ClassMap | ScalarMap | NormalMap):
                _save(
                    self.folder / task / "format.json",
                    json.dumps(self._format(task), indent=1).encode(),
                )
                lines.append(f"{self.folder / task}/*.png: {self._format(task)['pixels']}{self._cut(task)}")
            elif issubclass(kind, Boxes | Keypoints):
                path = self.folder / f"{task}.coco.json"
                _save(path, json.dumps(self._coco(task), allow_nan=False).encode())
                lines.append(f"{path}: COCO, with a score per object")
            else:
                path = self.folder / f"{task}.csv"
                of_lines = issubclass(kind, Polylines)
                _save(path, _csv(self.rows[task], LINE_COLUMNS if of_lines else ("image",)))
                lines.append(f"{path}: a row per {'line' if of_lines else 'image'}")
        return lines

    def _coco(self, task: str) -> dict[str, Any]:
        """COCO's three tables; ids of categories are class ids + 1, as 0 means background in some tools."""
        used = max((row["category_id"] + 1 for row in self.rows[task]), default=1)
        given = self.classes.get(task) or ["object"]
        names = [*given, *(str(i) for i in range(len(given), used))]
        annotations = [
            {"id": i, "iscrowd": 0, **{key: value for key, value in row.items() if key != "image"}}
            | {"category_id": row["category_id"] + 1}
            for i, row in enumerate(self.rows[task], start=1)
        ]
        categories = [{"id": i, "name": name} for i, name in enumerate(names, start=1)]
        return {"images": self.images, "categories": categories, "annotations": annotations}

    def _format(self, task: str) -> dict[str, Any]:
        """What the pixels of a map's PNG mean."""
        if issubclass(self.kinds[task], ClassMap):
            return {"pixels": "class ids, 255 = unknown", "classes": list(self.classes.get(task, ()))}
        if issubclass(self.kinds[task], ScalarMap):
            unit = self.units[task]
            pixels = f"value{' in ' * bool(unit)}{unit} x {STEPS} in 16 bits, 0 = unknown"
            limits = {"least": LEAST / STEPS, "greatest": GREATEST / STEPS, "pixels_beyond": self.beyond[task]}
            return {"pixels": pixels, "unit": unit, "scale": 1 / STEPS, "unknown": 0, **limits}
        return {"pixels": "red, green, blue = (x + 1, y + 1, z + 1) x 127.5 of the camera's axes, black = unknown"}

    def _cut(self, task: str) -> str:
        """That some values do not fit, in words; empty where all do."""
        count, unit = self.beyond[task], f" {self.units[task]}".rstrip()
        if not count:
            return ""
        return (
            f"; {count} pixels were cut to {LEAST / STEPS:.3f} .. {GREATEST / STEPS:.3f}{unit}, which is all that 16 "
            "bits hold: --arrays keeps them"
        )


def _beyond(annotation: Annotation, pixels: np.ndarray | None) -> int:
    """How many known numbers of a map do not fit into its `pixels` of 16 bits; 0 for other kinds."""
    if pixels is None or pixels.dtype != np.uint16:
        return 0
    steps = np.round(np.asarray(vars(annotation)["values"], np.float64) * STEPS)
    return int(np.count_nonzero(np.isfinite(steps) & ((steps < 0) | (steps > GREATEST))))


@singledispatch
def as_pixels(annotation: Annotation) -> np.ndarray | None:
    """The prediction as an image to store, h w or h w 3 in RGB; None for kinds that are no map."""
    raise UnknownKind("image file", type(annotation), "deploy/standard_files.py")


@as_pixels.register
def _(annotation: ClassMap) -> np.ndarray:
    return np.asarray(annotation.ids, np.uint8)


@as_pixels.register
def _(annotation: ScalarMap) -> np.ndarray:
    steps = np.round(np.asarray(annotation.values, np.float64) * STEPS)
    return np.where(np.isfinite(steps), steps.clip(LEAST, GREATEST), 0).astype(np.uint16)


@as_pixels.register
def _(annotation: NormalMap) -> np.ndarray:
    xyz = np.moveaxis(np.asarray(annotation.xyz, np.float64), 0, 2)
    known = np.isfinite(xyz).all(2, keepdims=True)
    return np.where(known, np.round((np.nan_to_num(xyz) + 1) * 127.5), 0).clip(0, 255).astype(np.uint8)


@as_pixels.register(Boxes)
@as_pixels.register(Polylines)
@as_pixels.register(Keypoints)
@as_pixels.register(Tag)
@as_pixels.register(Quantity)
def _(annotation: Annotation) -> None:
    return None


@singledispatch
def as_rows(annotation: Annotation, names: Sequence[str]) -> list[dict[str, Any]]:
    """The prediction as rows of a table, one per instance or one for the image; none for maps."""
    raise UnknownKind("rows of a table", type(annotation), "deploy/standard_files.py")


@as_rows.register(ClassMap)
@as_rows.register(ScalarMap)
@as_rows.register(NormalMap)
def _(annotation: Annotation, names: Sequence[str]) -> list[dict[str, Any]]:
    return []


@as_rows.register
def _(annotation: Boxes, names: Sequence[str]) -> list[dict[str, Any]]:
    return box_rows(annotation)


@as_rows.register
def _(annotation: Keypoints, names: Sequence[str]) -> list[dict[str, Any]]:
    return point_rows(annotation)


@as_rows.register
def _(annotation: Polylines, names: Sequence[str]) -> list[dict[str, Any]]:
    rows = []
    for i, (points, valid) in enumerate(zip(np.asarray(annotation.points), np.asarray(annotation.valid), strict=True)):
        label = "" if annotation.label is None else _name(names, int(annotation.label[i]))
        flat = " ".join(f"{value:.2f}" for value in points[valid].reshape(-1))
        rows.append({"class": label, "score": _score(annotation.score, i), "points": flat})
    return rows


@as_rows.register
def _(annotation: Tag, names: Sequence[str]) -> list[dict[str, Any]]:
    index = int(annotation.label)
    sure = None if annotation.probs is None or index == UNKNOWN_ID else round(float(annotation.probs[index]), 4)
    return [{"class": _name(names, index), "class_id": index, "probability": "" if sure is None else sure}]


@as_rows.register
def _(annotation: Quantity, names: Sequence[str]) -> list[dict[str, Any]]:
    value = float(annotation.value)
    return [{"value": round(value, 4) if np.isfinite(value) else "", "unit": annotation.unit}]


def _name(names: Sequence[str], index: int) -> str:
    return "unknown" if index == UNKNOWN_ID else names[index] if 0 <= index < len(names) else str(index)


def _score(scores: np.ndarray | None, index: int) -> float:
    return 1.0 if scores is None else round(float(np.nan_to_num(scores[index])), 4)


def _csv(rows: Sequence[Mapping[str, Any]], first: Sequence[str]) -> bytes:
    """Rows as CSV (RFC 4180); the first line names the columns. Image and class names are text of the user's own.

    first: columns that are there even without a row.
    """
    columns = [key for key in dict.fromkeys((*first, *(key for row in rows for key in row))) if key != "image_id"]
    stream = io.StringIO()
    writer = csv.DictWriter(stream, columns, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return stream.getvalue().encode()


def _save(path: Path, data: bytes) -> None:
    with suppress(FileExistsError):
        path.parent.mkdir(parents=True, exist_ok=True)
    try:
        write(path, data)
    except CheckpointError as error:
        raise DataError(f"cannot write {path}: {error}; make room or choose another folder") from error
