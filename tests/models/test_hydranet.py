"""The network: it computes what is asked for and nothing else, and frozen parts stay as they are, bit by bit."""

import copy

import pytest
import torch
from torch import Tensor, nn

from hydranet.core.features import Features, FeatureSpec, Pyramid
from hydranet.core.spec import SpecError
from hydranet.models.freeze import freeze, unfreeze
from hydranet.models.hydranet import HydraNet
from hydranet.models.sharing.hard import HardSharing
from hydranet.training.ema import Average
from toys import Brightness, Glow, ToyDecoder, ToyEncoder

IMAGE = torch.rand(2, 3, 32, 64)


class Dropping(ToyEncoder):
    """Has everything that changes by itself: running statistics and dropout."""

    def __init__(self) -> None:
        super().__init__(norm=True, dropout=0.5)


class Sulking(ToyDecoder):
    """Fails when it is used."""

    def forward(self, pyramid: Pyramid) -> Pyramid:
        raise AssertionError("nobody asked the decoder")


def network(decoder=ToyDecoder, encoder=ToyEncoder, tasks=None) -> HydraNet:
    """Brightness reads the encoder, Glow the decoder."""
    torch.manual_seed(0)
    tasks = tasks or (Brightness("bright", reads="encoder"), Glow("glow"))
    return HydraNet(HardSharing({task.name: task.reads for task in tasks}, encoder, decoder), tasks)


def test_a_subset_computes_only_what_it_needs():
    model = network(decoder=Sulking).eval()
    assert set(model(IMAGE, ["bright"])) == {"bright"}
    assert set(model.subset("bright")(IMAGE)) == {"bright"}
    with pytest.raises(AssertionError, match="nobody asked the decoder"):
        model(IMAGE)


def test_a_network_of_encoder_readers_has_no_decoder():
    assert network(tasks=(Brightness("bright", reads="encoder"),)).trunk.decoder is None


def test_a_subset_shares_weights_and_answers_alike():
    model = network().eval()
    smaller = model.subset("glow")
    assert list(smaller.heads) == ["glow"]
    assert all(any(mine is theirs for theirs in model.parameters()) for mine in smaller.parameters())
    torch.testing.assert_close(smaller(IMAGE)["glow"], model(IMAGE)["glow"], rtol=0, atol=0)
    assert not smaller.training


def test_taking_a_subset_leaves_modes_alone():
    model = network().train()
    model.trunk.encoder.eval()
    model.subset("glow")
    assert not model.trunk.encoder.norm.training


def test_names_and_sizes_are_checked():
    with pytest.raises(SpecError, match="expected every name once"):
        network(tasks=(Glow("glow"), Brightness("glow")))
    for name, sentence in {
        "": "got task named '', expected a letter, then letters, digits, - and _",
        "lane.left": "got task named 'lane.left', expected a letter",
        "keys": r"got tasks named \['keys'\], expected no word of torch",
    }.items():
        with pytest.raises(SpecError, match=sentence):
            network(tasks=(Glow(name),))
    model = network()
    with pytest.raises(ValueError, match=r"got an image of 32 x 65 pixels, expected multiples of 4; letterbox"):
        model(torch.rand(1, 3, 32, 65))
    with pytest.raises(SpecError, match="did you mean 'glow'"):
        model.subset("glwo")
    with pytest.raises(SpecError, match="got no task"):
        model(IMAGE, [])


def state(module: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in module.state_dict().items()}


def same(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


OPTIMIZERS = {
    "adamw": lambda p: torch.optim.AdamW(p, lr=0.1, weight_decay=0.5),
    "sgd": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, weight_decay=0.5),
}


def learn(model: HydraNet, optimizer: torch.optim.Optimizer, steps: int, set_to_none: bool = True) -> None:
    for _ in range(steps):
        model.train()
        optimizer.zero_grad(set_to_none)
        sum(raw.square().sum() for raw in model(IMAGE).values()).backward()
        optimizer.step()


@pytest.mark.parametrize("make", OPTIMIZERS.values(), ids=OPTIMIZERS)
@pytest.mark.parametrize("set_to_none", [True, False])
def test_frozen_parts_stay_bit_identical(make, set_to_none):
    model = network(encoder=Dropping)
    optimizer = make(list(model.parameters()))
    learn(model, optimizer, 2)  # the optimizer has momentum for what will be frozen, and its gradients
    freeze(model.trunk.encoder)
    average = Average(model, 0.5)
    before, seen = state(model.trunk.encoder), model.trunk.encoder(IMAGE)
    head = state(model.heads)
    for step in range(3):
        learn(model, optimizer, 1, set_to_none)
        average.update(model, step)
    assert same(state(model.trunk.encoder), before)
    averaged = {n.removeprefix("trunk.encoder."): t for n, t in average.tensors.items() if "encoder" in n}
    assert same(averaged, before)
    for again, first in zip(model.trunk.encoder(IMAGE), seen, strict=True):
        assert torch.equal(again, first)
    assert not same(state(model.heads), head)


def test_without_eval_a_frozen_part_would_move():
    model = network(encoder=Dropping)
    model.trunk.encoder.requires_grad_(False)
    before = state(model.trunk.encoder)
    learn(model, OPTIMIZERS["sgd"](model.parameters()), 1)
    assert not same(state(model.trunk.encoder), before)


def test_a_copy_of_a_frozen_part_is_frozen_by_itself():
    model = network()
    freeze(model.trunk)
    copied = copy.deepcopy(model)
    unfreeze(model.trunk)
    copied.train()
    assert model.trunk.encoder.norm.training
    assert not copied.trunk.encoder.norm.training
    assert copied.trunk.encoder.norm.train() is copied.trunk.encoder.norm


def test_unfrozen_parts_learn_again():
    model = network(encoder=Dropping)
    freeze(model.trunk.encoder)
    before = state(model.trunk.encoder)
    unfreeze(model.trunk.encoder)
    learn(model, OPTIMIZERS["sgd"](model.parameters()), 1)
    moved = {n for n, t in model.trunk.encoder.state_dict().items() if not torch.equal(t, before[n])}
    assert moved == set(before)


def test_trunk_features_are_those_each_task_reads():
    features: dict[str, Features] = dict(network().trunk.features)
    assert features["bright"] == (FeatureSpec(8, 16), FeatureSpec(8, 32))
    assert features["glow"] == (FeatureSpec(6, 16), FeatureSpec(6, 32))
