"""A 1x1 depthwise convolution that is multiplied out while it trains gives the numbers of the convolution."""

import pytest
import torch
from torch import nn

from hydranet.models.decoders.lw_refinenet import ChainedResidualPooling
from hydranet.models.layers.channel_scale import ChannelScale


@pytest.mark.parametrize("half", [False, True])
def test_training_and_evaluation_are_the_convolution(half: bool) -> None:
    torch.manual_seed(0)
    scale, plain = ChannelScale(6), nn.Conv2d(6, 6, 1, bias=False, groups=6)
    plain.load_state_dict(scale.state_dict())
    x = torch.randn(2, 6, 5, 7)
    with torch.autocast("cpu", torch.bfloat16, enabled=half):
        wanted, training, evaluated = plain(x), scale.train()(x), scale.eval()(x)
    assert training.dtype == evaluated.dtype == wanted.dtype == (torch.bfloat16 if half else torch.float32)
    assert torch.equal(training, wanted)
    assert torch.equal(evaluated, wanted)


def test_gradients_are_those_of_the_convolution() -> None:
    torch.manual_seed(0)
    scale, plain = ChannelScale(6).train(), nn.Conv2d(6, 6, 1, bias=False, groups=6)
    plain.load_state_dict(scale.state_dict())
    x, up = torch.randn(2, 6, 5, 7, requires_grad=True), torch.randn(2, 6, 5, 7)
    for found, wanted in zip(
        torch.autograd.grad(scale(x), (x, scale.weight), up),
        torch.autograd.grad(plain(x), (x, plain.weight), up),
        strict=True,
    ):
        assert found.shape == wanted.shape
        torch.testing.assert_close(found, wanted)


def test_files_hold_a_convolution() -> None:
    pooling = ChainedResidualPooling(4, stages=1, grouped=True)
    assert {name: tuple(value.shape) for name, value in pooling.state_dict().items()} == {
        "convs.0.weight": (4, 1, 1, 1)
    }
    graph = torch.export.export(pooling.eval(), (torch.randn(1, 4, 8, 8),)).graph
    called = [str(node.target) for node in graph.nodes if node.op == "call_function"]
    assert "aten.conv2d.default" in called
    assert not any("mul" in name for name in called)
