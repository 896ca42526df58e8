"""Sharing structures: what every one must do, and for each its parameters and one pass, computed by hand."""

import importlib
import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from hydranet.balancers.pcgrad import PCGrad
from hydranet.balancers.uniform import Uniform
from hydranet.config import catalog
from hydranet.config.recipe import Recipe
from hydranet.config.source import Source
from hydranet.core.features import Decoder, Features, FeatureSpec, Pyramid, StagedEncoder, Trunk
from hydranet.core.spec import Part, SpecError
from hydranet.models.encoders.mobilenetv2 import MobileNetV2
from hydranet.models.encoders.timm import Timm
from hydranet.models.sharing.branched import Branched
from hydranet.models.sharing.cross_connected import CrossConnected
from hydranet.models.sharing.cross_stitch import CrossStitch
from hydranet.models.sharing.cross_task_attention import CrossTaskAttention
from hydranet.models.sharing.gated_adapters import GatedAdapters
from hydranet.models.sharing.grouped import Grouped
from hydranet.models.sharing.hard import HardSharing
from hydranet.models.sharing.mtan import Mtan
from hydranet.models.sharing.split import SplitDecoders
from hydranet.models.sharing.task_norms import TaskNorms
from hydranet.training.feature_gradients import parameter_users
from hydranet.training.train import train
from toys import Brightness, Noise, ToyEncoder, toy_recipe

READS: Mapping[str, Any] = {"a": "decoder", "b": "decoder", "c": "encoder"}
NORMS = "hydranet.models.sharing.task_norms.TaskNorms"
PATHS = [found.path for found in catalog.members("sharing")]


class Chain(StagedEncoder):
    """Two levels; a constant image x with weights w gives 48 w x, then 8 w' of that."""

    def __init__(self, weights: str | None = None) -> None:
        super().__init__()
        self.features = (FeatureSpec(2, 4), FeatureSpec(3, 8))
        self.first = nn.Conv2d(3, 2, 4, stride=4, bias=False)
        self.second = nn.Conv2d(2, 3, 2, stride=2, bias=False)

    def segments(self) -> list[nn.Module]:
        return [self.first, self.second]


class Twice(Decoder):
    """A 1x1 convolution to two channels on every level."""

    def __init__(self, features: Features) -> None:
        super().__init__()
        self.features = tuple(FeatureSpec(2, level.stride) for level in features)
        self.layers = nn.ModuleList(nn.Conv2d(level.channels, 2, 1, bias=False) for level in features)

    def forward(self, pyramid: Pyramid) -> Pyramid:
        return [layer(level) for layer, level in zip(self.layers, pyramid, strict=True)]


def built(path: str, **options: Any) -> Trunk:
    module, _, name = path.rpartition(".")
    torch.manual_seed(0)
    trunk: Trunk = getattr(importlib.import_module(module), name)(READS, Chain, Twice, **options)
    return trunk.eval()


def count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def constant(module: nn.Module, value: float) -> None:
    for parameter in module.parameters():
        nn.init.constant_(parameter, value)


ENCODER, DECODER = 3 * 2 * 16 + 2 * 3 * 4, 2 * 2 + 3 * 2
MASKS = 54 + 6 + (2 + 2 + 4) + (6 + 2 + 6)
"""Of one task in MTAN: 3x3 carry and its norm, then for each level 1x1, norm, 1x1 with bias, one channel inside."""
EXCHANGE = 2 * (2 * 4 + 4) + 2 * (4 * 4 + 4) + 2 * 4 * 4
"""Of one level with two tasks and four channels: own features, gates, messages."""

ADAPTER = (2 * 4 + 4) + (4 * 2 + 2) + 2
"""Of one task and level with four channels inside: both 1x1 convolutions, and the gates."""


@pytest.mark.parametrize(
    ("made", "parameters"),
    [
        (lambda: HardSharing(READS, Chain, Twice), ENCODER + DECODER),
        (lambda: SplitDecoders(READS, Chain, Twice), ENCODER + 2 * DECODER),
        (lambda: SplitDecoders(READS, Chain, Twice, (("a", "b"), ("c",))), ENCODER + DECODER),
        (lambda: Grouped(READS, Chain, Twice), 3 * ENCODER + 2 * DECODER),
        (lambda: Grouped(READS, Chain, Twice, (("a", "c"), ("b",))), 2 * ENCODER + 2 * DECODER),
        (lambda: CrossStitch(READS, Chain, Twice), 3 * ENCODER + 2 * DECODER + 9 * (2 + 3)),
        (lambda: CrossConnected(READS, Chain, Twice), 3 * ENCODER + 2 * DECODER + 9 * (2**2 + 3**2)),
        (lambda: Mtan(READS, Chain, Twice), ENCODER + 2 * DECODER + 3 * MASKS),
        (lambda: Branched(READS, Chain, Twice), ENCODER + 2 * DECODER),
        (
            lambda: Branched(READS, Chain, Twice, ((("a", "b", "c"),), (("a", "b"), ("c",)), (("a",), ("b",), ("c",)))),
            96 + 2 * 24 + 2 * DECODER,
        ),
        (lambda: CrossTaskAttention(READS, Chain, Twice, width=4), ENCODER + DECODER + 2 * EXCHANGE),
        (lambda: GatedAdapters(READS, Chain, Twice, width=4), ENCODER + DECODER + 2 * 2 * ADAPTER),
        (lambda: TaskNorms(READS, Chain, Twice), ENCODER + DECODER + 2 * (2 + 2) * 2),
        (lambda: TaskNorms(READS, Chain, Twice, at="taps"), ENCODER + DECODER + 2 * (2 + 3) * 2),
    ],
)
def test_parameters_equal_a_count_by_hand(made: Any, parameters: int) -> None:
    assert count(made()) == parameters


@pytest.mark.parametrize("path", PATHS)
class TestEveryStructure:
    def test_a_task_alone_gets_what_it_gets_among_others(self, path: str) -> None:
        trunk, image = built(path), torch.rand(2, 3, 16, 24)
        together = trunk(image, list(READS))
        for task in READS:
            alone = trunk(image, [task])
            assert list(alone) == [task]
            for mine, among, spec in zip(alone[task], together[task], trunk.features[task], strict=True):
                assert torch.equal(mine, among)
                assert mine.shape == (2, spec.channels, 16 // spec.stride, 24 // spec.stride)

    def test_sides_between_strides_are_padded_and_cut(self, path: str) -> None:
        trunk = built(path)
        for task, pyramid in trunk(torch.rand(1, 3, 12, 20), list(READS)).items():
            for level, spec in zip(pyramid, trunk.features[task], strict=True):
                assert level.shape[-2:] == (math.ceil(12 / spec.stride), math.ceil(20 / spec.stride))

    def test_every_parameter_learns_and_belongs_to_who_uses_it(self, path: str) -> None:
        trunk = built(path).train()
        pyramids = trunk(torch.rand(2, 3, 16, 24), list(READS))
        torch.stack([level.square().mean() for levels in pyramids.values() for level in levels]).sum().backward()
        assert [name for name, p in trunk.named_parameters() if p.grad is None] == []
        users = parameter_users(trunk)
        assert set(users.anywhere) == {name for name, _ in trunk.named_parameters()}
        assert all(users.anywhere.values()), "each parameter has a user"

    def test_images_of_a_batch_do_not_meet(self, path: str) -> None:
        trunk, images = built(path), torch.rand(2, 3, 16, 24)
        both, one = trunk(images, list(READS)), trunk(images[1:], list(READS))
        for task in READS:
            for pair, single in zip(both[task], one[task], strict=True):
                torch.testing.assert_close(pair[1:], single)

    @pytest.mark.parametrize("balancer", [Uniform, PCGrad])
    def test_it_trains_with_partial_labels_and_comes_back_from_its_file(
        self, path: str, balancer: Any, tmp_path: Path
    ) -> None:
        module, _, name = path.rpartition(".")
        part = Part(getattr(importlib.import_module(module), name))
        sources = tuple(
            Source(name, Noise(labels=("bright",)), (32, 64), labels={name: "bright", other: None})
            for name, other in (("first", "second"), ("second", "first"))
        )
        recipe = replace(
            toy_recipe(sources, steps=2),
            tasks=(Brightness("first"), Brightness("second")),
            encoder=Part(Chain),
            decoder=Part(Twice),
            sharing=part,
            balancer=Part(balancer),
            validation=(),
        )
        assert Recipe.from_json(recipe.to_json()) == recipe
        before = {n: p.clone() for n, p in recipe.build().named_parameters()}
        model = list(train(recipe, tmp_path))[-1].run.model
        assert all(torch.isfinite(p).all() for p in model.parameters())
        moved = [n for n, p in model.named_parameters() if not torch.equal(p, before[n])]
        assert {n.split(".")[0] for n in moved} == {"trunk", "heads"}

    def test_with_fewer_tasks_its_options_hold(self, path: str) -> None:
        module, _, name = path.rpartition(".")
        cls = getattr(importlib.import_module(module), name)
        options = {"groups": (("a", "c"), ("b",))} if "groups" in Part(cls).takes else {}
        options |= {"tree": ((("a", "c"), ("b",)),)} if "tree" in Part(cls).takes else {}
        cls(READS, Chain, Twice, **options)
        for kept in (("a",), ("b", "c")):
            fewer = cls({task: READS[task] for task in kept}, Chain, Twice, **cls.options_for(options, kept))
            assert set(fewer.features) == set(kept)


@torch.no_grad()
def mixed(trunk: Trunk) -> list[list[float]]:
    """The value of each level of the columns a and b, whose first stages make 1 and 2 of a white image."""
    for name, first in (("a", 1.0), ("b", 2.0)):
        column = trunk.get_submodule(f"encoder.{name}")
        constant(column.get_submodule("first"), first / 48)
        constant(column.get_submodule("second"), 1 / 8)
    pyramids = trunk(torch.ones(1, 3, 8, 8), ["a", "b"])
    return [[round(float(level.mean()), 5) for level in pyramids[task]] for task in ("a", "b")]


@pytest.mark.parametrize("structure", [CrossStitch, CrossConnected])
def test_columns_are_mixed_after_each_stage(structure: Any) -> None:
    """.9 * 1 + .1 * 2 = 1.1 and .9 * 2 + .1 * 1 = 1.9; the next stage keeps them, and its unit makes 1.18, 1.82."""
    trunk = structure({"a": "encoder", "b": "encoder"}, Chain, Twice)
    assert mixed(trunk) == [[1.1, 1.18], [1.9, 1.82]]
    kept = structure({"a": "encoder", "b": "encoder"}, Chain, Twice, keep=1.0)
    assert mixed(kept) == [[1.0, 1.0], [2.0, 2.0]]


def test_a_column_sees_other_channels_where_columns_are_connected() -> None:
    """The first level of a becomes: channel 0 of b, and twice channel 1 of a."""
    trunk = CrossConnected({"a": "encoder", "b": "encoder"}, Chain, Twice)
    weight = trunk.get_submodule("mix.0.convs.0").weight
    with torch.no_grad():
        weight.zero_()
        weight[0, 2], weight[1, 1] = 1.0, 2.0
    levels = trunk.get_submodule("mix.0")([torch.tensor([3.0, 5.0]).view(1, 2, 1, 1), torch.full((1, 2, 1, 1), 7.0)])
    assert levels[0].flatten().tolist() == [7.0, 10.0]


def test_masks_of_mtan_scale_the_shared_levels() -> None:
    """With weights 0 and a bias of log 3 inside, a mask is sigmoid(log 3) = 3/4 everywhere."""
    trunk = Mtan({"a": "encoder", "b": "encoder"}, Chain, Twice).eval()
    for mask in trunk.get_submodule("attention.a").get_submodule("mask"):
        constant(mask, 0.0)
        nn.init.constant_(mask[3].bias, math.log(3))
    image = torch.rand(1, 3, 16, 16)
    for attended, level in zip(trunk(image, ["a"])["a"], trunk.encoder(image), strict=True):
        torch.testing.assert_close(attended, 0.75 * level)


def test_a_mask_of_mtan_sees_what_was_attended_before() -> None:
    """The mask of level 1 is sigmoid(of what level 0 attended): all of it, 3x3 cells of 2 channels, here a corner."""
    trunk = Mtan({"a": "encoder"}, Chain, Twice).eval()
    attention = trunk.get_submodule("attention.a")
    constant(attention, 1.0)  # norms: mean 0, variance 1, so only their epsilon is left
    nn.init.zeros_(attention.mask[0][3].weight)
    nn.init.constant_(attention.mask[0][3].bias, 100.0)  # the first mask lets everything through
    p = [torch.full((1, 2, 2, 2), 0.01), torch.full((1, 3, 1, 1), 0.02)]
    carried = 4 * 2 * 0.01 + 1  # four cells inside, two channels; the norm's bias is 1
    inside = 3 * carried + 3 * 0.02 + 1
    wanted = 0.02 / (1 + math.exp(-(inside + 1)))
    torch.testing.assert_close(attention(p)[1], torch.full((1, 3, 1, 1), wanted), rtol=1e-4, atol=0)


def test_a_tree_parts_where_it_says() -> None:
    """a and b share both stages, c leaves after the first; the first stage is computed for all at once."""
    trunk = Branched(READS, Chain, Twice, ((("a", "b", "c"),), (("a", "b"), ("c",)))).eval()
    constant(trunk.get_submodule("encoder.0-a"), 1 / 48)
    constant(trunk.get_submodule("encoder.1-a"), 1 / 8)
    constant(trunk.get_submodule("encoder.1-c"), 3 / 8)
    constant(trunk.decoder, 1.0)
    image = torch.ones(1, 3, 8, 8)
    assert [round(float(level.detach().mean()), 5) for level in trunk.shared(image)] == [1.0]
    pyramids = trunk(image, ["a", "b", "c"])
    means = {task: [round(float(level.detach().mean()), 5) for level in levels] for task, levels in pyramids.items()}
    assert means == {"a": [2.0, 3.0], "b": [2.0, 3.0], "c": [1.0, 3.0]}  # a sum over 2 and 3 channels; c: three times 1
    assert pyramids["a"][0] is pyramids["b"][0]
    users = parameter_users(trunk)
    assert users.owned("c") == ["encoder.1-c.weight"]


def test_tasks_exchange_what_their_gates_let_through() -> None:
    """F_a = 2, F_b = 4, messages are F_s itself, gates sigmoid(0) = 1/2: a gets 2 + 4 / 2, b gets 4 + 2 / 2."""
    trunk = CrossTaskAttention({"a": "decoder", "b": "decoder"}, Chain, Twice, width=1)
    exchange = trunk.get_submodule("exchange.0")
    constant(exchange, 0.0)
    for task, value in (("a", 1.0), ("b", 2.0)):
        nn.init.constant_(exchange.own[task].weight, value)
        nn.init.constant_(exchange.message[task].weight, 1.0)
    made = exchange(torch.ones(1, 2, 1, 1), ["a", "b"])
    assert [one.item() for one in made] == [4.0, 5.0]


def test_gates_decide_what_a_task_sees_of_its_adapter() -> None:
    """Adapters of ones: two channels x = 1 give 2 + 1 inside, 3 + 1 outside; gates 0 and 1/2 let 0 and 2 in."""
    trunk = GatedAdapters({"a": "decoder", "b": "decoder", "c": "encoder"}, Chain, Twice, width=1)
    shared = HardSharing({"a": "decoder", "b": "decoder", "c": "encoder"}, Chain, Twice)
    missing = trunk.load_state_dict(shared.state_dict(), strict=False)
    assert not missing.unexpected_keys
    assert {name.split(".")[0] for name in missing.missing_keys} == {"adapters"}
    for task, gate in (("a", 0.0), ("b", 0.5)):
        constant(trunk.get_submodule(f"adapters.{task}"), 1.0)
        for level in trunk.get_submodule(f"adapters.{task}").children():
            nn.init.constant_(level.gate, gate)
    adapter = trunk.get_submodule("adapters.b.0")
    assert adapter(torch.ones(1, 2, 1, 1)).flatten().tolist() == [3.0, 3.0]
    image = torch.rand(1, 3, 16, 16)
    pyramids, plain = trunk(image, ["a", "b", "c"]), shared(image, ["a", "b", "c"])
    for task in ("a", "c"):
        for mine, theirs in zip(pyramids[task], plain[task], strict=True):
            assert torch.equal(mine, theirs)
    assert parameter_users(trunk).owned("a") == [
        name for name, _ in trunk.named_parameters() if name.startswith("adapters.a.")
    ]


@pytest.mark.parametrize(("at", "value"), [("taps", 48.0), ("levels", 96.0)])
def test_a_tasks_norm_has_the_statistics_of_its_own_images(at: Any, value: float) -> None:
    """The encoder's level 0 of a constant image x is 48 x; the decoder adds its two channels."""
    trunk = TaskNorms(READS, Chain, Twice, at=at).train()
    constant(trunk.encoder, 1.0)
    constant(trunk.get_submodule("decoder"), 1.0)
    half, full = torch.full((1, 3, 16, 16), 0.5), torch.ones(1, 3, 16, 16)
    for task, image in (("a", half), ("b", full)):
        trunk(image, [task])
    means = {task: trunk.state_dict()[f"norms.{task}.0.running_mean"].tolist() for task in ("a", "b")}
    assert means == {"a": pytest.approx([0.1 * value * 0.5] * 2), "b": pytest.approx([0.1 * value] * 2)}
    assert parameter_users(trunk).owned("a") == [
        name for name, _ in trunk.named_parameters() if name.startswith("norms.a.")
    ]


@pytest.mark.parametrize(
    ("made", "sentence"),
    [
        (
            lambda: Grouped(READS, Chain, Twice, (("a", "b"),)),
            r"got groups \[\['a', 'b'\]\], expected each task",
        ),
        (lambda: Grouped(READS, Chain, Twice, (("a", "b"), ("b", "c"))), "expected each task of a, b, c in one group"),
        (lambda: Grouped(READS, Chain, Twice, (("a", "b", "c"), ())), "expected each task of a, b, c in one group"),
        (lambda: CrossStitch(READS, Chain, Twice, keep=0.0), r"got sharing.keep=0.0, expected"),
        (lambda: CrossStitch(READS, ToyEncoder, Twice), "got encoder ToyEncoder, which is no chain of stages"),
        (lambda: Branched(READS, ToyEncoder, Twice), "which is no chain of stages, for Branched"),
        (
            lambda: Branched(READS, Chain, Twice, ((("a", "b", "c"),),) * 4),
            "got a tree of 4 entries",
        ),
        (
            lambda: Branched(READS, Chain, Twice, ((("a", "b"), ("c",)), (("a", "c"), ("b",)))),
            r"got group \['a', 'c'\] after .*: what has parted stays apart",
        ),
        (lambda: Mtan(READS, Chain, Twice, reduction=0), "got sharing.reduction=0"),
        (lambda: CrossTaskAttention(READS, Chain, Twice, width=0), "got sharing.width=0"),
        (lambda: GatedAdapters(READS, Chain, Twice, width=0), "got sharing.width=0"),
        (lambda: built(NORMS, at="heads"), "got sharing.at='heads', expected 'levels' or 'taps'"),
    ],
)
def test_what_means_nothing_is_refused(made: Any, sentence: str) -> None:
    with pytest.raises(SpecError, match=sentence):
        made()


@pytest.mark.parametrize(
    "encoder",
    [
        lambda: MobileNetV2(weights=None),
        lambda: Timm("tf_efficientnet_lite0", None),
        lambda: Timm("resnet18", None),
    ],
    ids=["mobilenetv2", "efficientnet", "resnet"],
)
def test_an_encoder_is_the_chain_of_its_segments(encoder: Any) -> None:
    made: StagedEncoder = encoder().eval()
    image = torch.rand(1, 3, 64, 64)
    x: Tensor = image
    for segment, level, spec in zip(made.segments(), made(image), made.features, strict=True):
        x = segment(x)
        assert torch.equal(x, level)
        assert x.shape == (1, spec.channels, 64 // spec.stride, 64 // spec.stride)


def test_timm_networks_that_are_no_chain_are_refused() -> None:
    with pytest.raises(SpecError, match="layers are no chain to be cut into stages; choose resnet50 or MobileNetV2"):
        Timm("hrnet_w18_small", None).segments()


def test_named_on_the_command_line() -> None:
    recipe = replace(toy_recipe(), encoder=Part(Chain), decoder=Part(Twice))
    assert recipe.changed(["sharing=grouped"]).sharing == Part(Grouped)
    tree = recipe.changed(["sharing=branched", 'sharing.tree=[[["bright","glow"]],[["bright"],["glow"]]]'])
    assert tree.build().trunk.get_submodule("encoder.1-glow") is not None
    assert recipe.changed(["sharing=cross_stitch", "sharing.keep=0.8"]).sharing == Part(CrossStitch, keep=0.8)
