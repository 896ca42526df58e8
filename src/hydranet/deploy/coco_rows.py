"""Boxes and points as annotations of COCO: https://cocodataset.org/#format-data"""

from typing import Any

import numpy as np

from hydranet.annotations import Boxes, Keypoints


def box_rows(prediction: Boxes) -> list[dict[str, Any]]:
    """An annotation per box, in pixels to three decimals; `category_id` is the class index, from 0.

    What COCO has no words for stands beside, where the prediction has it: `track_id`, `distance_m`, and `value` with
    `value_unit`; null where it is not known.
    """
    rows = []
    for i, (left, top, right, bottom) in enumerate(np.asarray(prediction.xyxy, np.float64).round(3).tolist()):
        box = [left, top, round(right - left, 3), round(bottom - top, 3)]
        rows.append({**_named(prediction, i), "bbox": box, "area": round(box[2] * box[3], 3), **_more(prediction, i)})
    return rows


def _more(prediction: Boxes, i: int) -> dict[str, Any]:
    more: dict[str, Any] = {}
    if prediction.distance_m is not None:
        more["distance_m"] = _known(prediction.distance_m[i])
    if prediction.value is not None:
        more |= {"value": _known(prediction.value[i])}
        more |= {"value_unit": prediction.value_unit} if prediction.value_unit else {}
    return more


def _known(value: float) -> float | None:
    """To three decimals; None for what is no finite number, as JSON has none."""
    return round(float(value), 3) if np.isfinite(value) else None


def point_rows(prediction: Keypoints) -> list[dict[str, Any]]:
    """An annotation per instance: its points (0, 0, 0 where one is unknown), and the box around those that are known.

    `area` is the prediction's own where it has one, else that of the box.
    """
    rows = []
    for i, points in enumerate(np.asarray(prediction.xy, np.float64).round(3)):
        visible = np.asarray(prediction.visible)[i]
        known = np.nan_to_num(points[visible > 0])
        given = np.zeros_like(points)
        given[visible > 0] = known
        flat = [value for (x, y), v in zip(given.tolist(), visible.tolist(), strict=True) for value in (x, y, int(v))]
        low, high = (known.min(0), known.max(0)) if len(known) else (np.zeros(2), np.zeros(2))
        box = [*low.tolist(), *(high - low).round(3).tolist()]
        area = box[2] * box[3] if prediction.area is None else float(prediction.area[i])
        row = {"keypoints": flat, "num_keypoints": len(known), "bbox": box, "area": round(area, 3)}
        rows.append({**_named(prediction, i), **row})
    return rows


def _named(prediction: Boxes | Keypoints, i: int) -> dict[str, Any]:
    label = 0 if prediction.label is None else int(prediction.label[i])
    score = 1.0 if prediction.score is None else round(float(np.nan_to_num(prediction.score[i])), 4)
    track = {} if prediction.track is None else {"track_id": int(prediction.track[i])}
    return {"category_id": label, "score": score, **track}
