"""Fitting a camera's frames into the network's size inside the graph, with the predictor's own numbers."""

from itertools import pairwise

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from hydranet.transforms.view import Size, View, letterbox, stretch
from hydranet.transforms.warp_maps import PAD


def view_of(frame: Size, size: Size, fit: str) -> View:
    """How a frame lies in the network's input."""
    return stretch(frame, size) if fit == "stretch" else letterbox(frame, size)


class Resize(nn.Module):
    """Frames of one size into images of another: area averages where it shrinks, linear where it grows.

    Each output row is a weighted sum of a few input rows, then the same for columns: constant gathers, products and
    sums, which every runtime has and which equal OpenCV's INTER_AREA, up to the rounding of its last bit.
    """

    def __init__(self, frame: Size, size: Size, fit: str) -> None:
        super().__init__()
        view = view_of(frame, size, fit)
        inner = tuple(round(side * scale) for side, scale in zip(frame, view.scale[::-1], strict=True))
        left, top = round(view.matrix[0, 2]), round(view.matrix[1, 2])
        self.border = (left, size[1] - inner[1] - left, top, size[0] - inner[0] - top)
        self.taps = []
        for axis, name in enumerate(("rows", "columns")):
            index, weight = taps(frame[axis], inner[axis])
            self.register_buffer(f"{name}_index", torch.from_numpy(index), persistent=False)
            self.register_buffer(f"{name}_weight", torch.from_numpy(weight), persistent=False)
            self.taps.append(len(index))

    def forward(self, pixels: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b 3 h2 w2"]:
        rows, columns = self.get_buffer("rows_index"), self.get_buffer("columns_index")
        tall, wide = self.get_buffer("rows_weight"), self.get_buffer("columns_weight")
        pixels = torch.stack([pixels[:, :, rows[k]] * tall[k, :, None] for k in range(self.taps[0])]).sum(0)
        pixels = torch.stack([pixels[:, :, :, columns[k]] * wide[k] for k in range(self.taps[1])]).sum(0)
        pixels = torch.floor(pixels + 0.5)  # the network was trained on whole gray levels
        return nn.functional.pad(pixels, self.border, value=float(PAD)) if any(self.border) else pixels


def taps(length: int, to: int) -> tuple[np.ndarray, np.ndarray]:
    """int64 k n and float32 k n: which k inputs make each of the n outputs, and their weights, which sum to 1."""
    edges = np.arange(to + 1) * (length / to)
    weights = np.zeros((to, length))
    for i, (first, last) in enumerate(pairwise(edges)):
        if to < length:
            cells = np.arange(length)
            weights[i] = np.clip(np.minimum(cells + 1, last) - np.maximum(cells, first), 0, None)
        else:
            center = np.clip((first + last) / 2 - 0.5, 0, length - 1)
            low = min(int(center), max(length - 2, 0))
            weights[i, low] = 1 - (center - low)
            weights[i, min(low + 1, length - 1)] += center - low
    weights /= weights.sum(1, keepdims=True)
    weights[weights < 1e-9] = 0
    count = int((weights > 0).sum(1).max())
    index = np.argsort(-(weights > 0).astype(np.int8), axis=1, kind="stable")[:, :count]
    return index.T.copy(), np.take_along_axis(weights, index, 1).T.astype(np.float32)
