"""The table of parts equals a count by hand."""

import importlib
from typing import Any

import pytest
import torch
from torch import nn

from hydranet.config import catalog
from hydranet.models.encoders.mobilenetv2 import MobileNetV2
from hydranet.models.hydranet import HydraNet
from hydranet.models.part_costs import median_ms, spent_in
from hydranet.models.sharing.branched import Branched
from hydranet.models.sharing.cross_stitch import CrossStitch
from hydranet.models.sharing.hard import HardSharing
from hydranet.models.summary import alone, count, parts
from toys import Brightness, Glow, ToyDecoder, ToyEncoder, ToyStages


def network() -> HydraNet:
    tasks = (Brightness("bright"), Glow("glow"))
    return HydraNet(HardSharing({task.name: "decoder" for task in tasks}, ToyEncoder, ToyDecoder), tasks)


def test_parameters_and_macs_equal_a_count_by_hand():
    lines = {line.name: line for line in parts(network(), (32, 64))}
    # weights + biases; stem, BatchNorm (scale and shift), down; two 1x1 layers; one 1x1 layer a head
    stem, norm, down, decoder, head = 3 * 16 * 16 * 8 + 8, 2 * 8, 8 * 9 * 8 + 8, 2 * (8 * 6 + 6), 6 + 1
    assert lines["encoder"].parameters == stem + norm + down
    assert lines["decoder"].parameters == decoder
    assert lines["trunk (shared)"].parameters == stem + norm + down + decoder
    assert lines["head bright"].parameters == lines["head glow"].parameters == head
    assert lines["whole network"].parameters == stem + norm + down + decoder + 2 * head
    # cells x products a cell: 2 x 4 cells at stride 16, 1 x 2 at stride 32
    assert lines["encoder"].macs == 8 * (3 * 16 * 16 * 8) + 2 * (8 * 9 * 8)
    assert lines["decoder"].macs == 8 * 8 * 6 + 2 * 8 * 6
    assert lines["head bright"].macs == lines["head glow"].macs == 8 * 6
    assert lines["whole network"].macs == lines["trunk (shared)"].macs + 2 * 8 * 6


def test_counting_changes_nothing():
    model = network().train()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    parts(model, (32, 64))
    assert model.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


def test_shared_weights_count_once():
    model = network()
    assert count(model.subset("glow")) == count(model) - 7


def test_one_task_alone_costs_its_own_layers_only():
    tasks = (Brightness("bright", reads="encoder"), Glow("glow"))
    model = HydraNet(HardSharing({"bright": "encoder", "glow": "decoder"}, ToyEncoder, ToyDecoder), tasks)
    lines = {line.name: line for line in parts(model, (32, 64))}
    bright, glow = alone(model, (32, 64))
    assert (bright.name, glow.name) == ("bright", "glow")
    assert bright.parameters == lines["encoder"].parameters + lines["head bright"].parameters
    assert bright.macs == lines["encoder"].macs + lines["head bright"].macs
    assert glow.parameters == lines["trunk (shared)"].parameters + lines["head glow"].parameters
    assert glow.macs == lines["whole network"].macs - lines["head bright"].macs
    assert not any(module._forward_hooks for module in model.modules())


def structured(cls: Any, encoder: Any = ToyStages, **options: Any) -> HydraNet:
    tasks = (Brightness("bright"), Glow("glow"))
    return HydraNet(cls({task.name: "decoder" for task in tasks}, encoder, ToyDecoder, **options), tasks)


def test_branches_have_lines_of_their_own():
    tree = ((("bright", "glow"),), (("bright",), ("glow",)))
    lines = parts(structured(Branched, tree=tree), (32, 64))
    assert [line.name for line in lines if line.depth == 2] == ["0-bright", "1-bright", "1-glow", "bright", "glow"]
    by_name = {line.name: line for line in lines if line.depth}
    assert by_name["0-bright"].macs == 8 * (3 * 16 * 16 * 8)
    assert by_name["1-bright"].macs == by_name["1-glow"].macs == 2 * (8 * 9 * 8)
    assert by_name["encoder"].macs == sum(by_name[name].macs for name in ("0-bright", "1-bright", "1-glow"))
    assert by_name["decoder"].macs == 2 * (8 * 8 * 6 + 2 * 8 * 6)


def test_columns_whose_layers_are_called_one_by_one_are_counted_whole():
    """Segments of MobileNet-v2 are modules that the network does not know; their layers are counted nevertheless."""

    def encoder() -> MobileNetV2:
        return MobileNetV2(weights=None, taps=2)

    def macs(cls: Any) -> dict[str, int]:
        return {line.name: line.macs for line in parts(structured(cls, encoder), (64, 64)) if line.depth}

    hard, mixed = macs(HardSharing), macs(CrossStitch)
    one = spent_in({"all": list(encoder().modules())}, lambda: 0.0, lambda: None)[0]
    assert one == {"all": 0.0}
    assert mixed["encoder"] == 2 * hard["encoder"] > 0


@pytest.mark.parametrize("path", [one.path for one in catalog.members("sharing")])
def test_each_part_of_each_structure_is_timed(path: str):
    module, _, name = path.rpartition(".")
    model = structured(getattr(importlib.import_module(module), name)).train()
    for line in (*parts(model, (32, 64), 3), *alone(model, (32, 64), 3)):
        assert line.ms is not None
        assert line.ms > 0, line.name
    assert model.training
    assert not any(one._forward_hooks or one._forward_pre_hooks for one in model.modules())
    assert all(line.ms is None for line in parts(model, (32, 64)))


def test_a_part_is_timed_while_it_runs_and_only_then():
    """A clock that ticks within the second layer only."""
    first, second = nn.Identity(), nn.Identity()
    network = nn.Sequential(first, second)
    clock = {"now": 0.0}
    second.register_forward_hook(lambda *_: clock.__setitem__("now", clock["now"] + 5.0))
    named = {"first": [first], "second": [second], "both": [network, first, second]}
    spent, outermost = spent_in(named, lambda: clock["now"], lambda: network(torch.zeros(1)))
    assert spent == {"first": 0.0, "second": 5.0, "both": 5.0}
    assert outermost == {"first": [first], "second": [second], "both": [network]}
    times = median_ms({"both": [network]}, lambda: network(torch.zeros(1)), 3, lambda: None)
    assert times["both"] >= 0
