"""Arithmetic on boxes that several detectors share. Boxes are left top right bottom in pixels."""

import math

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from hydranet.annotations import Boxes


def area(xyxy: Float[Tensor, "*n 4"]) -> Float[Tensor, "*n"]:
    """Width times height; 0 for an inverted box."""
    return (xyxy[..., 2:] - xyxy[..., :2]).clamp(min=0).prod(-1)


def intersection(a: Float[Tensor, "*b n 4"], b: Float[Tensor, "*b m 4"]) -> Float[Tensor, "*b n m"]:
    """Common area of every pair."""
    left_top = torch.maximum(a[..., :, None, :2], b[..., None, :, :2])
    right_bottom = torch.minimum(a[..., :, None, 2:], b[..., None, :, 2:])
    return (right_bottom - left_top).clamp(min=0).prod(-1)


def iou(a: Float[Tensor, "*b n 4"], b: Float[Tensor, "*b m 4"]) -> Float[Tensor, "*b n m"]:
    """Intersection over union of every pair, in 0..1; 0 where both boxes are empty."""
    common = intersection(a, b)
    union = area(a)[..., :, None] + area(b)[..., None, :] - common
    return common / union.clamp(min=torch.finfo(union.dtype).tiny)


def inside(points: Float[Tensor, "b a 2"], xyxy: Float[Tensor, "b n 4"], least_px: float = 0) -> Bool[Tensor, "b n a"]:
    """Which points lie in which boxes; boxes narrower than `least_px` count as that wide around their center."""
    center = (xyxy[..., :2] + xyxy[..., 2:]) / 2
    half = ((xyxy[..., 2:] - xyxy[..., :2]) / 2).clamp(min=least_px / 2)
    return ((points[:, None] - center[:, :, None]).abs() <= half[:, :, None]).all(-1)


def grid(height: int, width: int, stride: int, like: Tensor) -> Float[Tensor, "a 2"]:
    """Centers (x, y) in input pixels of the cells of a feature map, row by row."""
    x = (torch.arange(width, device=like.device, dtype=torch.float32) + 0.5) * stride
    y = (torch.arange(height, device=like.device, dtype=torch.float32) + 0.5) * stride
    rows, columns = torch.meshgrid(y, x, indexing="ij")
    return torch.stack((columns, rows), -1).reshape(-1, 2)


def strongest(xyxy: Float[Tensor, "b a 4"], scores: Float[Tensor, "b a c"], candidates: int) -> Boxes:
    """The `candidates` best pairs of box and class, by falling score: a static number, so that it can be exported.

    Torch leaves the order of equal scores open, ONNX takes the first; `postprocess.nms` puts equal ones in an order of
    its own, so that only which of several equal ones is the very last candidate depends on the runtime.
    """
    classes = scores.shape[2]
    flat = scores.flatten(1)
    score, index = flat.topk(min(candidates, flat.shape[1]), dim=1)
    row: Int64[Tensor, "b k"] = torch.div(index, classes, rounding_mode="floor")
    return Boxes(xyxy.gather(1, row[..., None].expand(-1, -1, 4)), index - row * classes, score)


def as_offsets(
    xyxy: Float[Tensor, "*n 4"], anchors: Float[Tensor, "*n 4"], gain: tuple[float, float] = (10.0, 5.0)
) -> Float[Tensor, "*n 4"]:
    """Boxes relative to anchors: shift of the center in anchor sizes, logarithm of the size ratio.

    Fast R-CNN (arXiv 1504.08083, section 2.3; R-CNN, eq. 6-9). gain: factors on shift and size that bring both to
    unit variance; SSD writes them as variances 0.1 and 0.2.
    """
    center, size = _center_and_size(xyxy)
    home, scale = _center_and_size(anchors)
    return torch.cat((gain[0] * (center - home) / scale, gain[1] * (size / scale).log()), -1)


def from_offsets(
    offsets: Float[Tensor, "*n 4"], anchors: Float[Tensor, "*n 4"], gain: tuple[float, float] = (10.0, 5.0)
) -> Float[Tensor, "*n 4"]:
    """The inverse of `as_offsets`; no box gets larger than 62.5 anchors, so that an extreme output stays finite."""
    home, scale = _center_and_size(anchors)
    center = home + offsets[..., :2] / gain[0] * scale
    half = scale / 2 * (offsets[..., 2:] / gain[1]).clamp(max=math.log(1000 / 16)).exp()
    return torch.cat((center - half, center + half), -1)


def _center_and_size(xyxy: Float[Tensor, "*n 4"]) -> tuple[Float[Tensor, "*n 2"], Float[Tensor, "*n 2"]]:
    return (xyxy[..., :2] + xyxy[..., 2:]) / 2, xyxy[..., 2:] - xyxy[..., :2]
