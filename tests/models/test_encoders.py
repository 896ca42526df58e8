"""What every encoder must do, for all that are found in the package, and the taps of MobileNet-v2."""

import importlib
from collections.abc import Callable

import pytest
import torch

from hydranet.config import catalog
from hydranet.core.features import Encoder, StagedEncoder
from hydranet.core.spec import SpecError
from hydranet.models.encoders.mobilenetv2 import MobileNetV2
from hydranet.models.encoders.timm import Timm
from hydranet.models.layers.normalize import Normalize

ENCODERS = [found.path for found in catalog.members("encoders")]


def build(path: str) -> Encoder:
    """The encoder without pretrained weights, always the same."""
    module, _, name = path.rpartition(".")
    torch.manual_seed(0)
    encoder: Encoder = getattr(importlib.import_module(module), name)(weights=None)
    return encoder


def test_encoders_are_found() -> None:
    assert len(ENCODERS) >= 2


@pytest.mark.parametrize("path", ENCODERS)
def test_levels_are_as_announced(path: str) -> None:
    encoder = build(path).eval()
    pyramid = encoder(torch.rand(2, 3, 64, 96))
    strides = [level.stride for level in encoder.features]
    assert strides == sorted(strides)
    assert strides[0] >= 4
    for tensor, level in zip(pyramid, encoder.features, strict=True):
        assert tensor.shape == (2, level.channels, 64 // level.stride, 96 // level.stride)


@pytest.mark.parametrize("path", ENCODERS)
def test_normalisation_is_the_first_layer(path: str) -> None:
    encoder, fed = build(path).eval(), []
    layers = [module for module in encoder.modules() if isinstance(module, Normalize)]
    assert len(layers) == 1
    layers[0].register_forward_hook(lambda module, inputs, output: fed.append((inputs[0], output)))
    image = torch.rand(1, 3, 64, 64)
    encoder(image)
    (seen, normalized), *more = fed
    assert not more
    assert torch.equal(seen, image)
    torch.testing.assert_close(normalized * layers[0].std + layers[0].mean, image)


@pytest.mark.parametrize("path", ENCODERS)
def test_gradients_reach_every_parameter(path: str) -> None:
    encoder = build(path)
    sum(level.square().mean() for level in encoder(torch.rand(2, 3, 64, 64))).backward()
    assert [name for name, p in encoder.named_parameters() if p.grad is None or not p.grad.any()] == []


@pytest.mark.parametrize("path", ENCODERS)
def test_images_of_a_batch_do_not_meet(path: str) -> None:
    encoder, images = build(path).eval(), torch.rand(2, 3, 64, 64)
    for both, one in zip(encoder(images), encoder(images[1:]), strict=True):
        torch.testing.assert_close(both[1:], one, rtol=1e-3, atol=1e-4)


def test_mobilenetv2_has_the_six_taps() -> None:
    encoder = MobileNetV2(weights=None)
    assert [(level.channels, level.stride) for level in encoder.features] == [
        (24, 4),
        (32, 8),
        (64, 16),
        (96, 16),
        (160, 32),
        (320, 32),
    ]
    assert round(sum(p.numel() for p in encoder.parameters()) / 1e6, 2) == 1.81


@pytest.mark.parametrize("model", ["resnet18", "convnext_atto", "ghostnet_050", "mobilenetv3_small_100", "regnetx_002"])
def test_any_convolutional_network_of_timm(model: str) -> None:
    encoder = Timm(model, weights=None).eval()
    pyramid = encoder(torch.rand(1, 3, 64, 64))
    assert [(p.shape[1], 64 // p.shape[2]) for p in pyramid] == [(f.channels, f.stride) for f in encoder.features]
    assert [level.stride for level in encoder.features] == [4, 8, 16, 32]


def test_unknown_network() -> None:
    with pytest.raises(SpecError, match="no model of timm is called 'resnet5'; did you mean 'resnet50'"):
        Timm("resnet5", weights=None)


def test_a_network_that_is_no_pyramid() -> None:
    with pytest.raises(SpecError, match=r"mixer_s16_224 has levels of strides \[16, 16, .*choose a convolutional"):
        Timm("mixer_s16_224", weights=None)


def test_mobilenetv2_is_timms_to_the_last_bit() -> None:
    """Random numbers of a seed, names and order of tensors, what comes out, and how many numbers were drawn."""
    import timm

    from hydranet.models.encoders.mobilenetv2 import Classifier, MobileNetV2

    torch.manual_seed(5)
    theirs, drawn = timm.create_model("mobilenetv2_100"), torch.rand(3)
    torch.manual_seed(5)
    ours = Classifier()
    assert torch.equal(torch.rand(3), drawn)
    wanted = theirs.state_dict()
    assert list(ours.state_dict()) == list(wanted)
    assert all(torch.equal(tensor, wanted[name]) for name, tensor in ours.state_dict().items())
    encoder, image = MobileNetV2(weights=None).train(), torch.rand(2, 3, 64, 96)
    encoder.stem[0], encoder.stem[1], encoder.stages = ours.conv_stem, ours.bn1, ours.blocks
    x = theirs.train().bn1(theirs.conv_stem(encoder.normalize(image)))
    levels = []
    for stage in theirs.blocks:
        x = stage(x)
        levels.append(x)
    for found, expected in zip(encoder(image), levels[1:], strict=True):
        assert torch.equal(found, expected)
    cfg = theirs.pretrained_cfg
    assert torch.equal(encoder.normalize.mean.flatten(), torch.tensor(cfg["mean"]))
    assert torch.equal(encoder.normalize.std.flatten(), torch.tensor(cfg["std"]))


@pytest.mark.parametrize(
    ("made", "left"),
    [
        (lambda taps: MobileNetV2(weights=None, taps=taps), 4),
        (lambda taps: Timm("tf_efficientnet_lite0", None, taps), 3),
    ],
    ids=["mobilenetv2", "efficientnet"],
)
def test_fewer_taps_leave_the_last_stages_out(made: Callable[[int | None], StagedEncoder], left: int) -> None:
    torch.manual_seed(0)
    whole = made(None).eval()
    torch.manual_seed(0)
    fewer = made(left).eval()
    assert fewer.features == whole.features[:left]
    assert fewer.features[-1].stride == 16
    assert sum(p.numel() for p in fewer.parameters()) < 0.4 * sum(p.numel() for p in whole.parameters())
    image = torch.rand(1, 3, 64, 96)
    for mine, theirs in zip(fewer(image), whole(image), strict=False):
        assert torch.equal(mine, theirs)
    assert len(fewer.segments()) == left
    with pytest.raises(SpecError, match=r"got encoder\.taps=9, expected a number from 1"):
        made(9)
