"""The table of parts equals a count by hand."""

import torch

from hydranet.models.hydranet import HydraNet
from hydranet.models.sharing.hard import HardSharing
from hydranet.models.summary import alone, count, parts
from toys import Brightness, Glow, ToyDecoder, ToyEncoder


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
