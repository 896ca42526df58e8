"""Predictions in the format of COCO, for tools that show or correct labels: https://cocodataset.org/#format-data"""

from collections.abc import Mapping, Sequence
from functools import singledispatch
from typing import Any

import numpy as np

from hydranet.annotations import (
    UNKNOWN_ID,
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
)


def coco(
    predictions: Mapping[str, Annotation], classes: Mapping[str, Sequence[str]], size: tuple[int, int], name: str
) -> dict[str, Any]:
    """One image with its annotations as COCO's JSON: boxes, keypoints, and class maps as run-length masks.

    size: height and width. Categories are "class" with the head as their supercategory; ids begin at 1, as COCO's.
    What COCO has no words for (distances per pixel, lines, tags) is named in `info.left_out`.
    """
    rows, categories, left_out = list[dict[str, Any]](), list[dict[str, Any]](), list[str]()
    for head, prediction in predictions.items():
        made = _rows(prediction)
        if made is None:
            left_out.append(head)
            continue
        first = len(categories) + 1
        used = max((row["category_id"] for row in made), default=-1) + 1
        names = [*classes.get(head, ()), *(str(i) for i in range(len(classes.get(head, ())), used))]
        categories += [{"id": first + i, "name": one, "supercategory": head} for i, one in enumerate(names)]
        rows += [{**row, "category_id": first + row["category_id"]} for row in made]
    image = {"id": 1, "file_name": name, "height": size[0], "width": size[1]}
    annotations = [{"id": i, "image_id": 1, "iscrowd": 0, **row} for i, row in enumerate(rows, 1)]
    return {
        "info": {"description": "predictions of HydraNet", "left_out": left_out},
        "images": [image],
        "categories": categories,
        "annotations": annotations,
    }


@singledispatch
def _rows(prediction: Annotation) -> list[dict[str, Any]] | None:
    """Annotations whose category_id is the class index; None for a kind that COCO has no words for."""
    raise UnknownKind("COCO annotation", type(prediction), "serving/web/coco.py")


@_rows.register
def _(prediction: ScalarMap | NormalMap | Polylines | Tag | Quantity) -> None:
    return None


def _scored(prediction: Instances, i: int) -> dict[str, Any]:
    label = 0 if prediction.label is None else int(prediction.label[i])
    return {"category_id": label, "score": 1.0 if prediction.score is None else round(float(prediction.score[i]), 4)}


@_rows.register
def _(prediction: Boxes) -> list[dict[str, Any]]:
    rows = []
    for i, (x0, y0, x1, y1) in enumerate(np.asarray(prediction.xyxy, float).round(3).tolist()):
        box = [x0, y0, round(x1 - x0, 3), round(y1 - y0, 3)]
        rows.append({**_scored(prediction, i), "bbox": box, "area": round(box[2] * box[3], 3)})
    return rows


@_rows.register
def _(prediction: Keypoints) -> list[dict[str, Any]]:
    rows = []
    for i, (points, visible) in enumerate(zip(np.asarray(prediction.xy, float), prediction.visible, strict=True)):
        triples = [(round(x, 3), round(y, 3), int(v)) for (x, y), v in zip(points.tolist(), visible, strict=True)]
        known = points[np.asarray(visible) > 0]
        corner = known.min(0) if len(known) else np.zeros(2)
        box = np.concatenate([corner, (known.max(0) if len(known) else corner) - corner]).round(3)
        area = float(box[2] * box[3]) if prediction.area is None else float(prediction.area[i])
        row = {"keypoints": [value for one in triples for value in one], "num_keypoints": len(known)}
        rows.append({**_scored(prediction, i), **row, "bbox": box.tolist(), "area": round(area, 3)})
    return rows


@_rows.register
def _(prediction: ClassMap) -> list[dict[str, Any]]:
    ids = np.asarray(prediction.ids)
    rows = []
    for label in np.unique(ids[ids != UNKNOWN_ID]).tolist():
        mask = ids == label
        (ys,), (xs,) = mask.any(1).nonzero(), mask.any(0).nonzero()
        box = [int(xs[0]), int(ys[0]), int(xs[-1] - xs[0] + 1), int(ys[-1] - ys[0] + 1)]
        area = int(mask.sum())
        rows.append({"category_id": label, "bbox": box, "area": area, "segmentation": run_lengths(mask)})
    return rows


def run_lengths(mask: np.ndarray) -> dict[str, Any]:
    """A bool h w mask as COCO's uncompressed run-length code: lengths of 0s and 1s in turn, down the columns."""
    flat = np.asarray(mask, bool).T.reshape(-1)
    (edges,) = np.nonzero(np.diff(np.concatenate([[False], flat, [False]]).astype(np.int8)))
    ends = np.concatenate([[0], edges, [flat.size] if not edges.size or edges[-1] != flat.size else []])
    return {"size": list(mask.shape), "counts": np.diff(ends).astype(int).tolist()}
