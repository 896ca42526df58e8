"""What every decoder must do, for all that are found in the package, and Light-Weight RefineNet in particular."""

import importlib

import pytest
import torch
from torch import nn

from hydranet.config import catalog
from hydranet.core.features import Decoder, Features, FeatureSpec, Pyramid
from hydranet.core.spec import SpecError
from hydranet.models.decoders.lw_refinenet import ChainedResidualPooling, LightWeightRefineNet
from hydranet.models.encoders.mobilenetv2 import MobileNetV2
from hydranet.models.heads.dense import DenseHead, decoded_size, full_size

DECODERS = [found.path for found in catalog.members("decoders")]
TAPS = {
    "one level a stride": tuple(FeatureSpec(8 * (i + 1), 4 * 2**i) for i in range(4)),
    "two taps of one stride": MobileNetV2.features,
}


def build(path: str, features: Features) -> Decoder:
    """The decoder with its default options, always the same."""
    module, _, name = path.rpartition(".")
    torch.manual_seed(0)
    decoder: Decoder = getattr(importlib.import_module(module), name)(features)
    return decoder


def taps(features: Features, batch: int = 1, height: int = 64, width: int = 96) -> Pyramid:
    """A random pyramid."""
    return [torch.randn(batch, f.channels, height // f.stride, width // f.stride) for f in features]


def parameters(*modules: nn.Module) -> int:
    return sum(p.numel() for module in modules for p in module.parameters())


@pytest.mark.parametrize("features", TAPS.values(), ids=TAPS.keys())
@pytest.mark.parametrize("path", DECODERS)
class TestEveryDecoder:
    def test_levels_are_as_announced(self, path: str, features: Features) -> None:
        decoder = build(path, features).eval()
        strides = [level.stride for level in decoder.features]
        assert strides == sorted(strides)
        for tensor, level in zip(decoder(taps(features, 2)), decoder.features, strict=True):
            assert tensor.shape == (2, level.channels, 64 // level.stride, 96 // level.stride)

    def test_gradients_reach_every_parameter_and_tap(self, path: str, features: Features) -> None:
        decoder, pyramid = build(path, features), [tap.requires_grad_() for tap in taps(features, 2)]
        sum(level.square().mean() for level in decoder(pyramid)).backward()
        assert [name for name, p in decoder.named_parameters() if p.grad is None or not p.grad.any()] == []
        assert all(tap.grad is not None and tap.grad.any() for tap in pyramid)

    def test_images_of_a_batch_do_not_meet(self, path: str, features: Features) -> None:
        decoder, pyramid = build(path, features).eval(), taps(features, 2)
        for both, one in zip(decoder(pyramid), decoder([tap[1:] for tap in pyramid]), strict=True):
            torch.testing.assert_close(both[1:], one, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(("outputs", "millions"), [((6, 1), 2.99), ((40, 1), 3.07), ((40, 1, 3), 3.08)])
def test_parameters_of_the_published_network(outputs: tuple[int, ...], millions: float) -> None:
    """Two tasks on six and on forty classes, and with surface normals (Nekrasov et al., arXiv 1809.04766)."""
    encoder = MobileNetV2(weights=None)
    decoder = LightWeightRefineNet(encoder.features)
    heads = [DenseHead(decoder.features, channels) for channels in outputs]
    assert round(parameters(encoder, decoder, *heads) / 1e6, 2) == millions


@pytest.mark.parametrize("width", [64, 128])
def test_slim_decoders(width: int) -> None:
    decoder = LightWeightRefineNet(MobileNetV2.features, width=width)
    assert [(f.channels, f.stride) for f in decoder.features] == [(width, 4), (width, 8), (width, 16), (width, 32)]
    assert parameters(decoder) < 0.55e6
    assert DenseHead(decoder.features, 6)(decoder(taps(MobileNetV2.features))).shape == (1, 6, 16, 24)


@torch.no_grad()
def test_separable_pooling_is_exact() -> None:
    block, image = ChainedResidualPooling(16), torch.randn(2, 16, 13, 17)
    pooled = expected = image
    for conv in block.convs:
        pooled = conv(nn.functional.max_pool2d(pooled, 5, stride=1, padding=2))
        expected = expected + pooled
    assert torch.equal(block(image), expected)


def test_the_finest_block_is_grouped() -> None:
    blocks = LightWeightRefineNet(MobileNetV2.features).pool
    assert [conv.groups for conv in blocks[0].convs] == [256] * 4
    assert {conv.groups for block in list(blocks)[1:] for conv in block.convs} == {1}


def test_sizes_that_do_not_halve() -> None:
    """The published network ran on 350 x 1200 pixels: levels are enlarged to the next one's size, whatever it is."""
    decoder = LightWeightRefineNet(MobileNetV2.features, width=16)
    sizes = {4: (88, 300), 8: (44, 150), 16: (22, 75), 32: (11, 38)}
    levels = decoder([torch.randn(1, f.channels, *sizes[f.stride]) for f in MobileNetV2.features])
    assert [tuple(level.shape[2:]) for level in levels] == list(sizes.values())


@pytest.mark.parametrize("strides", [(4, 8), (2, 4, 8), (8, 16), (32,)])
def test_dense_head_answers_at_stride_4(strides: tuple[int, ...]) -> None:
    features = tuple(FeatureSpec(16, stride) for stride in strides)
    raw = DenseHead(features, 5)(taps(features))
    assert raw.shape == (1, 5, 16, 24)
    assert full_size(raw.bfloat16()).shape == (1, 5, 64, 96)
    assert full_size(raw.bfloat16()).dtype == torch.float32


@pytest.mark.parametrize("strides", [(2,), (1, 2), (6, 18)])
def test_dense_head_without_a_usable_level(strides: tuple[int, ...]) -> None:
    with pytest.raises(SpecError, match=r"got levels of strides .*, expected a multiple of 4 among them"):
        DenseHead(tuple(FeatureSpec(16, stride) for stride in strides), 5)


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (16, 24)])
def test_decoding_enlarges_as_training_does(size: tuple[int, int]) -> None:
    raw = torch.randn(2, 3, *size)
    torch.testing.assert_close(decoded_size(raw), full_size(raw))
    assert decoded_size(raw.bfloat16()).dtype == torch.float32
