"""What tasks with an output for every pixel share: a head at stride 4, and the way back to full size."""

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from hydranet.core.features import Features, Pyramid
from hydranet.core.spec import SpecError

STRIDE = 4
"""Every dense head has its output at this stride, whatever its pyramid is."""


class DenseHead(nn.Module):
    """Grouped 1x1 convolution, ReLU6, 3x3 convolution with bias on the finest level (arXiv 1809.04766, section III).

    Its output is at stride 4: finer levels are skipped, and if the next one is coarser, it is enlarged. Raises
    SpecError where no level can be used.
    """

    def __init__(self, features: Features, out_channels: int) -> None:
        super().__init__()
        usable = [(i, level) for i, level in enumerate(features) if level.stride % STRIDE == 0]
        if not usable:
            raise SpecError(
                f"got levels of strides {[f.stride for f in features]}, expected a multiple of {STRIDE} among them; "
                "read another part of the network (reads='encoder' or 'decoder')"
            )
        self.place, level = usable[0]
        self.enlarge = level.stride // STRIDE
        channels = level.channels
        self.before = nn.Conv2d(channels, channels, 1, groups=channels, bias=False)
        self.after = nn.Conv2d(channels, out_channels, 3, padding=1)

    def forward(self, pyramid: Pyramid) -> Float[Tensor, "b c h w"]:
        x = nn.functional.relu6(self.before(pyramid[self.place]))
        if self.enlarge > 1:
            x = nn.functional.interpolate(x, scale_factor=float(self.enlarge), mode="bilinear", align_corners=False)
        return self.after(x)


def is_broken(raw: Tensor) -> Tensor:
    """bool b 1 1 1: whether a head's raw map, b c h w, holds NaN or infinity, by its sum, which costs next to nothing.

    Decoding hides them: the greatest of NaNs is the first class, and some runtimes clamp NaN to a limit.
    """
    return torch.isfinite(raw.sum((1, 2, 3), keepdim=True)).logical_not()


def full_size(raw: Float[Tensor, "b c h w"], block_px: int = 1) -> Float[Tensor, "b c h4 w4"]:
    """A dense head's output at the size of the network's input, in float32; or at 1 / block_px of it."""
    times = STRIDE // block_px
    if times == 1:
        return raw.float()
    return nn.functional.interpolate(raw.float(), scale_factor=float(times), mode="bilinear", align_corners=False)


def decoded_size(raw: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h4 w4"]:
    """`full_size`, up to rounding, as runtimes do it quickly where channels are few.

    Weighted sums of rows, then of columns. Runtimes resize a narrow map in a layout of 8 or 16 channels, most of them
    padding; sums leave that layout behind (in OpenVINO two to four milliseconds of one core at 192x640).
    """
    return _four_between(_four_between(raw.float(), 2), 3)


def _four_between(x: Tensor, axis: int) -> Tensor:
    """Four samples for each along an axis, between it and its neighbors, as `align_corners=False` places them."""
    count = x.shape[axis]
    last = torch.cat([x.narrow(axis, 0, 1), x.narrow(axis, 0, count - 1)], axis)
    then = torch.cat([x.narrow(axis, 1, count - 1), x.narrow(axis, count - 1, 1)], axis)
    four = (0.375 * last + 0.625 * x, 0.125 * last + 0.875 * x, 0.875 * x + 0.125 * then, 0.625 * x + 0.375 * then)
    return torch.stack(four, axis + 1).flatten(axis, axis + 1)


def repeated(values: Float[Tensor, "b h w"], block_px: int) -> Float[Tensor, "b hk wk"]:
    """Every number repeated over a square of block_px x block_px pixels."""
    return nn.functional.interpolate(values[:, None], scale_factor=float(block_px), mode="nearest")[:, 0]


def in_blocks(ids: UInt8[Tensor, "b h w"], block_px: int) -> UInt8[Tensor, "b hk wk"]:
    """Every id repeated over a square of block_px x block_px pixels."""
    # As numbers to be resized: runtimes have quick code for that, and repeat bytes one by one (1 ms at 192x640).
    return repeated(ids.float(), block_px).byte()
