"""A detector of others on tiles beside the whole image: what is small there is large enough in a tile."""

from collections.abc import Callable

import numpy as np

from hydranet.annotations import Boxes
from hydranet.core.checks.ranges import check_range
from hydranet.core.sample import DataError
from hydranet.postprocess.nms import nms

BORDER_PX = 2.0
"""A box that comes this near to a tile's border inside the image is of an object that the tile may have cut."""


def in_tiles(
    detect: Callable[[np.ndarray], Boxes],
    rgb: np.ndarray,
    rows: int = 1,
    columns: int = 3,
    overlap: float = 0.25,
    iou: float = 0.55,
) -> Boxes:
    """The boxes of the whole image and of its tiles, with scores, after suppression within each class.

    detect:  uint8 h w 3 -> boxes with scores, in its pixels.    rgb: uint8 h w 3.
    rows, columns: how many tiles of equal size.    overlap: of neighbors, as a share of a tile.
    iou:     of two boxes of a class that overlap more, the one with the higher score stays.
    Boxes at a tile's border inside the image are left to its neighbor, or to the whole.
    Raises SpecError for a number that means nothing, DataError for ignored regions, which no score ranks.
    """
    check_range("rows", rows, 1, 64)
    check_range("columns", columns, 1, 64)
    check_range("overlap", overlap, 0, 0.9)
    check_range("iou", iou, 0, 1)
    height, width = rgb.shape[:2]
    parts = [detect(rgb)]
    tiles = [(top, left) for top in _spans(height, rows, overlap) for left in _spans(width, columns, overlap)]
    for (top, bottom), (left, right) in tiles if len(tiles) > 1 else ():
        boxes = detect(np.ascontiguousarray(rgb[top:bottom, left:right]))
        xyxy = np.asarray(boxes.xyxy, np.float32).reshape(-1, 4) + np.array([left, top, left, top], np.float32)
        inner = np.array([left > 0, top > 0, right < width, bottom < height])
        near = np.abs(xyxy - np.array([left, top, right, bottom])) < BORDER_PX
        whole = ~(near & inner).any(1)
        parts.append(Boxes(xyxy[whole], np.asarray(boxes.label)[whole], score=_scores(boxes)[whole]))
    every = Boxes(
        np.concatenate([np.asarray(one.xyxy, np.float32).reshape(-1, 4) for one in parts]),
        np.concatenate([np.asarray(one.label, np.int64) for one in parts]),
        score=np.concatenate([_scores(one) for one in parts]),
    )
    return nms(
        every, score=0.0, iou=iou, max_detections=max(len(every.label), 1), pre_nms_topk=max(len(every.label), 1)
    )


def _scores(boxes: Boxes) -> np.ndarray:
    if boxes.ignore is not None and np.asarray(boxes.ignore).any():
        raise DataError("got ignored regions from a detector on tiles, expected boxes with scores; leave them out")
    return np.ones(len(boxes.label), np.float32) if boxes.score is None else np.asarray(boxes.score, np.float32)


def _spans(length: int, count: int, overlap: float) -> list[tuple[int, int]]:
    """First and last pixel + 1 of `count` equal parts of a line, which overlap by that share of a part."""
    part = min(length, int(np.ceil(length / (count - (count - 1) * overlap))))
    begins = np.linspace(0, length - part, count).round().astype(int)
    return [(int(begin), int(begin) + part) for begin in begins]
