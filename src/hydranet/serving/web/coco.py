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
    Keypoints,
    NormalMap,
    Polylines,
    Quantity,
    ScalarMap,
    Tag,
    UnknownKind,
)
from hydranet.deploy.coco_rows import box_rows, point_rows


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


@_rows.register
def _(prediction: Boxes) -> list[dict[str, Any]]:
    return box_rows(prediction)


@_rows.register
def _(prediction: Keypoints) -> list[dict[str, Any]]:
    return point_rows(prediction)


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
