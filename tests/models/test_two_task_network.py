"""Encoder and decoder together: how they run, what they cost, and that nothing in them acts on its own."""

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from hydranet.core.features import Pyramid
from hydranet.core.task import Task
from hydranet.models.decoders.lw_refinenet import ChainedResidualPooling, LightWeightRefineNet
from hydranet.models.encoders.mobilenetv2 import MobileNetV2
from hydranet.models.encoders.timm import Timm
from hydranet.models.hydranet import HydraNet
from hydranet.models.layers.normalize import Normalize
from hydranet.models.sharing.hard import HardSharing
from hydranet.models.summary import count, parts
from hydranet.tasks.depth.task import Depth
from hydranet.tasks.normals.task import Normals
from hydranet.tasks.semantic.task import Semantic


def published(classes: int, *others: Task) -> HydraNet:
    """Nekrasov et al., arXiv 1809.04766: a head for `classes` classes, one for depth, and others."""
    tasks = (Semantic("classes", tuple(f"class {i}" for i in range(classes))), Depth("meters"), *others)
    reads = {task.name: task.reads for task in tasks}
    return HydraNet(HardSharing(reads, lambda: MobileNetV2(weights=None), LightWeightRefineNet), tasks)


@pytest.mark.parametrize(
    ("classes", "others", "millions"), [(6, (), 2.99), (40, (), 3.07), (40, (Normals("n"),), 3.08)]
)
def test_the_whole_network_has_the_published_parameters(
    classes: int, others: tuple[Task, ...], millions: float
) -> None:
    assert round(count(published(classes, *others)) / 1e6, 2) == millions


def test_macs_of_convolutions_are_below_the_published_total() -> None:
    """The paper states 6.45 GMAC at 1200 x 350 (table 3); its convolutions alone are 6.00, as published sizes round.

    The rest is what we do not count: norms, activations, pooling and enlargement.
    """
    model = published(6).eval()
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        image = torch.zeros(1, 3, 350, 1200)  # no multiples of 32, as there; so without the padding of `forward`
        model.answer(model.trunk.branch(model.trunk.shared(image), list(model.tasks)))
    macs = counter.get_total_flops() / 2
    assert macs / 1e9 == pytest.approx(6.00, abs=0.005)
    assert 0.9 < macs / 6.45e9 < 1


def test_cost_grows_with_area() -> None:
    model = published(6)
    small, large = (parts(model, size)[-1].macs for size in ((64, 96), (128, 192)))
    assert large == 4 * small


@pytest.fixture(scope="module", params=[MobileNetV2, Timm])
def backbone(request: pytest.FixtureRequest) -> nn.Sequential:
    torch.manual_seed(0)
    encoder = request.param(weights=None)
    return nn.Sequential(encoder, LightWeightRefineNet(encoder.features, width=16))


def image() -> torch.Tensor:
    return torch.rand(2, 3, 64, 96, generator=torch.Generator().manual_seed(0))


@torch.no_grad()
def test_memory_format_changes_nothing(backbone: nn.Sequential) -> None:
    plain: Pyramid = backbone.eval()(image())
    last: Pyramid = backbone(image().contiguous(memory_format=torch.channels_last))
    for a, b in zip(plain, last, strict=True):
        assert (a - b).norm() < 1e-4 * a.norm()


def test_bf16_autocast_is_close(backbone: nn.Sequential) -> None:
    """With running statistics: in an untrained network a batch's own magnify rounding, to 0.4 of the coarsest level."""
    plain: Pyramid = backbone.eval()(image())
    with torch.autocast("cpu", torch.bfloat16):
        low: Pyramid = backbone(image())
    for a, b in zip(plain, low, strict=True):
        assert (a - b.float()).norm() < 0.1 * a.norm()


def test_bf16_autocast_trains(backbone: nn.Sequential) -> None:
    with torch.autocast("cpu", torch.bfloat16):
        low: Pyramid = backbone.train()(image())
    sum(level.float().square().mean() for level in low).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in backbone.parameters())
    backbone.zero_grad()


def test_statistics_are_saved_with_the_weights_and_never_learned(backbone: nn.Sequential) -> None:
    assert {"0.normalize.mean", "0.normalize.std"} <= backbone.state_dict().keys()
    assert not list(backbone[0].normalize.parameters())
    # In the autocast of training, pixels must not be rounded to eight bits of mantissa before their mean is removed.
    with torch.autocast("cpu", torch.bfloat16):
        assert Normalize((0.5,) * 3, (0.25,) * 3)(image()).dtype == torch.float32


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (5, 5), (17, 30)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_separable_maximum_is_bit_exact(size: tuple[int, int], dtype: torch.dtype) -> None:
    block, x = ChainedResidualPooling(4), torch.randn(2, 4, *size).to(dtype)
    assert torch.equal(block.columns(block.rows(x)), nn.functional.max_pool2d(x, 5, stride=1, padding=2))


@torch.no_grad()
def test_coarse_levels_reach_fine_ones_and_not_the_other_way() -> None:
    features = MobileNetV2.features
    decoder = LightWeightRefineNet(features, width=8).eval()
    pyramid = [torch.randn(1, f.channels, 64 // f.stride, 96 // f.stride) for f in features]
    before = decoder(pyramid)
    finest = decoder([pyramid[0] + 1, *pyramid[1:]])
    coarsest = decoder([*pyramid[:-1], pyramid[-1] + 1])
    assert [torch.equal(a, b) for a, b in zip(before, finest, strict=True)] == [False, True, True, True]
    assert [torch.equal(a, b) for a, b in zip(before, coarsest, strict=True)] == [False] * 4
