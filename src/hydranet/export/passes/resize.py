"""Fitting a camera's frames into the network's size inside the graph, with the predictor's own numbers."""

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from hydranet.transforms.shrink import block_of
from hydranet.transforms.view import Size, View, letterbox, stretch
from hydranet.transforms.warp_maps import PAD


def view_of(frame: Size, size: Size, fit: str) -> View:
    """How a frame lies in the network's input."""
    return stretch(frame, size) if fit == "stretch" else letterbox(frame, size)


class Resize(nn.Module):
    """Frames of one size into images of another: blocks of pixels are averaged, the rest is linear (`shrink`).

    Each output row is a weighted sum of two rows, then the same for columns: constant gathers, products and sums, which
    every runtime has and which equal OpenCV's, up to the rounding of its last bit.
    """

    def __init__(self, frame: Size, size: Size, fit: str) -> None:
        super().__init__()
        view = view_of(frame, size, fit)
        inner = tuple(round(side * scale) for side, scale in zip(frame, view.scale[::-1], strict=True))
        left, top = round(view.matrix[0, 2]), round(view.matrix[1, 2])
        self.border = (left, size[1] - inner[1] - left, top, size[0] - inner[0] - top)
        self.block = block_of(view.scale)
        self.more = (0, -frame[1] % self.block[1], 0, -frame[0] % self.block[0])
        for axis, name in enumerate(("rows", "columns")):
            index, weight = taps(frame[axis], inner[axis], self.block[axis])
            self.register_buffer(f"{name}_index", torch.from_numpy(index), persistent=False)
            self.register_buffer(f"{name}_weight", torch.from_numpy(weight), persistent=False)

    def forward(self, pixels: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b 3 h2 w2"]:
        rows, columns = self.get_buffer("rows_index"), self.get_buffer("columns_index")
        tall, wide = self.get_buffer("rows_weight"), self.get_buffer("columns_weight")
        if any(self.more):
            pixels = nn.functional.pad(pixels, self.more, mode="replicate")
        if self.block != (1, 1):
            pixels = torch.floor(nn.functional.avg_pool2d(pixels, self.block) + 0.5)
        pixels = torch.stack([pixels[:, :, rows[k]] * tall[k, :, None] for k in range(2)]).sum(0)
        pixels = torch.stack([pixels[:, :, :, columns[k]] * wide[k] for k in range(2)]).sum(0)
        pixels = torch.floor(pixels + 0.5)  # the network was trained on whole gray levels
        return nn.functional.pad(pixels, self.border, value=float(PAD)) if any(self.border) else pixels


def taps(length: int, to: int, block: int) -> tuple[np.ndarray, np.ndarray]:
    """int64 2 n and float32 2 n: between which two blocks each of the n outputs lies, and their weights (sum: 1)."""
    blocks = -(-length // block)
    center = np.clip((np.arange(to) + 0.5) * (length / to / block) - 0.5, 0, blocks - 1)
    low = np.floor(center).astype(np.int64)
    share = (center - low).astype(np.float32)
    return np.stack([low, np.minimum(low + 1, blocks - 1)]), np.stack([1 - share, share])
