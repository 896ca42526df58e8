"""What follows a norm stays, whoever takes the norm's place."""

import pytest
import torch
from timm.layers import BatchNormAct2d
from torch import Tensor, nn

from hydranet.core.spec import SpecError
from hydranet.export.passes.fold_batchnorm import folded
from hydranet.models.encoders.mobilenetv2 import MobileNetV2
from hydranet.models.layers.active_norm import ActiveNorm, after_norm, allow_single_values
from hydranet.models.layers.sync_norm import SyncNorm, synchronize


class Doubling(nn.BatchNorm2d):
    """A norm of somebody else's, that does more than normalize."""

    def forward(self, x: Tensor) -> Tensor:
        return 2 * super().forward(x)


def worn(network: nn.Module) -> nn.Module:
    """With statistics and parameters as after training."""
    generator = torch.Generator().manual_seed(0)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            for tensor in (module.weight.data, module.bias.data, module.running_mean):
                tensor.normal_(0.2, 1, generator=generator)
            module.running_var.uniform_(0.5, 2, generator=generator)
    return network.eval()


NORMS = {
    "plain": lambda: nn.BatchNorm2d(8),
    "with ReLU6": lambda: ActiveNorm(8, nn.ReLU6(inplace=True)),
    "alone": lambda: ActiveNorm(8),
    "of timm": lambda: BatchNormAct2d(8),
    "of all processes": lambda: SyncNorm(ActiveNorm(8, nn.ReLU6())),
    "unknown": lambda: Doubling(8),
}


@pytest.mark.parametrize("name", NORMS)
def test_folding_keeps_what_follows_a_norm_and_leaves_norms_that_nobody_knows(name: str) -> None:
    network = worn(nn.Sequential(nn.Conv2d(3, 8, 3), NORMS[name](), nn.Conv2d(8, 4, 1)))
    image = torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(1)) * 4
    with torch.no_grad():
        small = folded(network, image)
        torch.testing.assert_close(small(image), network(image), rtol=1e-4, atol=1e-4)
    left = [module for module in small.modules() if isinstance(module, nn.BatchNorm2d)]
    assert len(left) == (name == "unknown")
    assert (after_norm(NORMS[name]()) is None) == (name == "unknown")


def test_mobilenet_answers_the_same_folded_and_synchronized() -> None:
    torch.manual_seed(0)
    encoder = worn(MobileNetV2(weights=None))
    image = torch.rand(1, 3, 64, 96, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        wanted = encoder(image)
        small = folded(encoder, image)
        assert not [module for module in small.modules() if isinstance(module, nn.BatchNorm2d)]
        for ours, theirs in zip(small(image), wanted, strict=True):
            torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-3)
        synchronize(encoder)
        for ours, theirs in zip(encoder(image), wanted, strict=True):
            torch.testing.assert_close(ours, theirs, rtol=0, atol=0)


def test_a_norm_that_might_do_more_is_not_replaced() -> None:
    with pytest.raises(
        SpecError, match=r"sync_norm got a Doubling, .* might do more than normalize; set sync_norm=false"
    ):
        SyncNorm(Doubling(8))


SINGLE = NORMS | {"of vectors": lambda: nn.BatchNorm1d(8)}


@pytest.mark.parametrize("name", sorted(SINGLE.keys() - {"unknown"}))
def test_a_single_value_is_normalized_by_the_running_statistics(name: str) -> None:
    network = nn.Sequential(SINGLE[name]())
    worn(network).train()
    before = {key: value.clone() for key, value in network.state_dict().items()}
    x = torch.randn(1, 8) if name == "of vectors" else torch.randn(1, 8, 1, 1)
    allow_single_values(network)
    assert network.state_dict().keys() == before.keys()
    trained = network(x)
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())
    torch.testing.assert_close(trained, network.eval()(x))


@pytest.mark.parametrize("name", sorted(SINGLE.keys() - {"unknown"}))
def test_two_values_are_normalized_by_their_own(name: str) -> None:
    network = nn.Sequential(SINGLE[name]())
    worn(network).train()
    x = torch.randn(2, 8) if name == "of vectors" else torch.randn(1, 8, 2, 1)
    wanted = network(x)
    before = network[0].running_mean.clone()
    allow_single_values(network)
    torch.testing.assert_close(network(x), wanted)
    assert not torch.equal(network[0].running_mean, before)


def test_an_unknown_norm_stays_as_it_is() -> None:
    network = nn.Sequential(Doubling(8))
    allow_single_values(network)
    assert type(network[0]) is Doubling
