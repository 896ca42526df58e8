"""Depthwise convolutions in float32 beside bfloat16: the same results as in float32, and the same types."""

import pytest
import torch
from timm.layers import Conv2dSame
from torch import nn

from hydranet.models.layers.depthwise import depthwise_in_float32


def image() -> torch.Tensor:
    return torch.randn(2, 8, 12, 20, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("layer", [nn.Conv2d, Conv2dSame])
def test_a_depthwise_convolution_is_exact_where_others_round(layer: type[nn.Conv2d]) -> None:
    torch.manual_seed(0)
    convolution = layer(8, 8, 5, 2, groups=8)
    half = image().bfloat16()
    exact = convolution(half.float())
    network = nn.Sequential(convolution)
    with torch.autocast("cpu", torch.bfloat16):
        rounded = network(half)
        assert depthwise_in_float32(network) == 1
        result = network(half)
    assert result.dtype == torch.bfloat16
    assert torch.equal(result, exact.bfloat16())
    assert not torch.equal(rounded, result)
    result.float().sum().backward()
    assert convolution.weight.grad is not None
    assert convolution.weight.grad.dtype == torch.float32


def test_all_others_and_float32_stay_as_they_are() -> None:
    others = nn.Sequential(nn.Conv2d(8, 8, 3), nn.Conv2d(8, 8, 3, groups=4), nn.Conv2d(8, 8, 1, groups=8))
    assert depthwise_in_float32(others) == 0
    depthwise = nn.Sequential(nn.Conv2d(8, 16, 3, groups=8))
    before = depthwise(image())
    assert depthwise_in_float32(depthwise) == 1
    assert torch.equal(depthwise(image()), before)
    assert list(depthwise.state_dict()) == ["0.weight", "0.bias"]
