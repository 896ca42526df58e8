"""Fake quantization while training: the network learns to live with the rounding that INT8 will bring.

Jacob et al., "Quantization and training of neural networks for efficient integer-arithmetic-only inference"
(CVPR 2018, arXiv 1712.05877, section 3).
"""

from collections.abc import Iterable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from hydranet.models.hydranet import HydraNet

LEVELS = 255
NARROW = 127
KEEP = 0.95
"""How much of an activation's range stays from step to step."""


class FakeConv:
    """Takes the place of a convolution's `forward`: inputs and weights are rounded to eight bits, gradients pass.

    Weights are rounded per output channel and symmetrically, inputs by one range that follows the data. Rounding per
    output channel is the same before and after BatchNorm is folded in, which only scales channels.
    """

    def __init__(self, conv: nn.Conv2d) -> None:
        self.conv = conv
        self.low, self.high = torch.tensor(0.0), torch.tensor(0.0)
        self.calibrated = False

    def __call__(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d h2 w2"]:
        conv = self.conv
        if conv.training:
            self._look(x)
        return conv._conv_forward(self._rounded(x), by_channel(conv.weight), conv.bias)

    def _look(self, x: Tensor) -> None:
        low, high = x.detach().amin().clamp(max=0), x.detach().amax().clamp(min=0)
        keep = KEEP if self.calibrated else 0.0
        self.low, self.high = keep * self.low.to(low) + (1 - keep) * low, keep * self.high.to(high) + (1 - keep) * high
        self.calibrated = True

    def _rounded(self, x: Tensor) -> Tensor:
        if not self.calibrated:
            return x
        scale = ((self.high - self.low) / LEVELS).clamp(min=1e-8).float()
        zero = (-self.low / scale).round().clamp(0, LEVELS).to(torch.int32)
        return torch.fake_quantize_per_tensor_affine(x.float(), scale, zero, 0, LEVELS)


def by_channel(weight: Float[Tensor, "d c h w"]) -> Float[Tensor, "d c h w"]:
    """Weights rounded to -127..127 steps of each output channel's own size."""
    scale = (weight.detach().abs().amax((1, 2, 3)) / NARROW).clamp(min=1e-12)
    zero = torch.zeros_like(scale, dtype=torch.int32)
    return torch.fake_quantize_per_channel_affine(weight, scale, zero, 0, -NARROW, NARROW)


def fake_quantized(model: HydraNet, float_heads: Iterable[str] = ()) -> int:
    """Rounds every convolution of the trunk and of all heads but those in `float_heads`, from now on; returns how many.

    Names and values of the weights stay as they are, and so do checkpoints.
    """
    kept = tuple(f"heads.{name}." for name in float_heads)
    convs = [
        module
        for name, module in model.named_modules()
        if isinstance(module, nn.Conv2d) and not name.startswith(kept or "\0")
    ]
    for conv in convs:
        conv.forward = FakeConv(conv)  # type: ignore[assignment]
    return len(convs)
