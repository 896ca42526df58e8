"""Convolutions with few outputs, written so that runtimes do them quickly: the same sums in another order."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

FEW = 4
"""Runtimes compute outputs in groups of 8 or 16: up to here, most of a group would be padding."""

MANY = 16
"""Inputs from which on it pays."""


class Narrow(nn.Module):
    """A k x k convolution as a 1x1 convolution to k k outputs for each of its own, and a sum of their shifted maps.

    y_o(p) = b_o + sum_d (w_od . x)(p + d): the products do not depend on where they are read, so one matrix product
    makes them all, and a small convolution of zeros and ones gathers them (`quantization.node_scopes` leaves it in
    float). From 128 to 1 channels at 48x160 this takes a third of the time in ONNX Runtime.
    """

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        outputs, inputs, height, width = conv.weight.shape
        taps = height * width
        ones = torch.eye(taps * outputs).reshape(taps, outputs, taps, outputs).permute(3, 0, 1, 2)
        self.products = nn.Conv2d(inputs, taps * outputs, 1, bias=False)
        self.gather = nn.Conv2d(taps * outputs, outputs, (height, width), padding=(height // 2, width // 2))
        bias = torch.zeros(outputs) if conv.bias is None else conv.bias.detach().clone()
        self.gather.bias = nn.Parameter(bias)
        with torch.no_grad():
            self.products.weight.copy_(conv.weight.permute(2, 3, 0, 1).reshape(-1, inputs, 1, 1))
            self.gather.weight.copy_(ones.reshape(outputs, -1, height, width))

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b o h w"]:
        return self.gather(self.products(x))


def narrowed(network: nn.Module) -> nn.Module:
    """The network, in which every convolution from many to few channels is a `Narrow`; it is changed in place."""
    for parent in list(network.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.Conv2d) and _fits(child):
                setattr(parent, name, Narrow(child))
    return network


def _fits(conv: nn.Conv2d) -> bool:
    plain = conv.stride == conv.dilation == (1, 1) and conv.groups == 1 and conv.padding_mode == "zeros"
    centered = conv.padding == tuple(side // 2 for side in conv.kernel_size) and all(k % 2 for k in conv.kernel_size)
    wide = max(conv.kernel_size) > 1 and conv.in_channels >= MANY
    return plain and centered and wide and conv.out_channels <= FEW
