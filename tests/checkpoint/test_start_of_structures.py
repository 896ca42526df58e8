"""A network of any sharing structure starts from a hard-shared one: each of its copies of a part is that part."""

import importlib
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from hydranet.checkpoint.checkpoint import save_model
from hydranet.checkpoint.warm_start import load_pretrained
from hydranet.config import catalog
from hydranet.config.recipe import Recipe
from hydranet.core.spec import Part
from hydranet.models.decoders.lw_refinenet import LightWeightRefineNet
from hydranet.models.encoders.mobilenetv2 import MobileNetV2
from hydranet.models.encoders.timm import Timm
from hydranet.models.hydranet import HydraNet
from hydranet.models.sharing.branched import Branched
from hydranet.models.sharing.grouped import Grouped
from hydranet.models.sharing.split import SplitDecoders
from toys import Brightness, Glow, ToyStages, toy_recipe

TREE = ((("bright", "glow", "more"),), (("bright",), ("glow", "more")), (("bright",), ("glow",), ("more",)))
COPIES = [Part(Branched, tree=TREE), Part(SplitDecoders), Part(Grouped, groups=(("bright",), ("glow", "more")))]
OWN = {"mix", "attention", "exchange", "adapters", "norms"}
"""Parts that a hard-shared network does not have."""


def hard(encoder: Part) -> Recipe:
    tasks = (Brightness("bright"), Glow("glow"), Brightness("more", reads="encoder"))
    return replace(toy_recipe(), tasks=tasks, encoder=encoder)


@torch.no_grad()
def stored(recipe: Recipe, folder: Path) -> HydraNet:
    """A network with statistics and norms that are no longer those of a new one."""
    model = recipe.build()
    torch.manual_seed(5)
    for tensor in (*model.parameters(), *model.buffers()):
        if tensor.is_floating_point():
            tensor.add_(0.1 * torch.rand_like(tensor))
    save_model(folder, model, recipe)
    return model.eval()


@pytest.mark.parametrize("path", [one.path for one in catalog.members("sharing")])
def test_every_structure_takes_all_that_a_hard_shared_network_has(path: str, tmp_path: Path) -> None:
    recipe = hard(Part(ToyStages))
    before = stored(recipe, tmp_path).state_dict()
    module, _, name = path.rpartition(".")
    wanted = replace(recipe, sharing=Part(getattr(importlib.import_module(module), name)), start=str(tmp_path))
    model = wanted.build()
    report = load_pretrained(model, wanted)
    assert report is not None
    assert {n.split(".")[1] for n in report.new if n.startswith("trunk.")} <= OWN
    changed = set(report.left_out) | {n for n in report.new if n.startswith("heads.")}
    assert not changed or "attention" in path, "heads that read other features are new"
    own = model.state_dict()
    for here, there in model.trunk.hard_names().items():
        assert torch.equal(own[f"trunk.{here}"], before[f"trunk.{there}"])


@pytest.mark.parametrize("sharing", COPIES, ids=lambda part: part.cls.__name__)
@pytest.mark.parametrize(
    "encoder",
    [Part(ToyStages), Part(MobileNetV2, weights=None), Part(Timm, model="resnet18", weights=None)],
    ids=["toy", "mobilenetv2", "resnet"],
)
def test_copies_answer_bit_by_bit_as_the_network_they_came_from(sharing: Part, encoder: Part, tmp_path: Path) -> None:
    recipe = hard(encoder)
    if encoder.cls is not ToyStages:
        recipe = replace(recipe, decoder=Part(LightWeightRefineNet, width=16), tasks=recipe.tasks[::2])
        sharing = Part(sharing.cls, **sharing.cls.options_for(sharing.options, ["bright", "more"]))
    model = stored(recipe, tmp_path)
    wanted = replace(recipe, sharing=sharing, start=str(tmp_path))
    other = wanted.build()
    load_pretrained(other, wanted)
    image = torch.rand(2, 3, 96, 160)
    with torch.no_grad():
        answers, others = model(image), other.eval()(image)
    assert answers.keys() == others.keys()
    for task, answer in answers.items():
        assert torch.equal(answer, others[task]), task


def test_tensors_of_an_encoder_alone_reach_every_branch(tmp_path: Path) -> None:
    recipe = hard(Part(ToyStages))
    encoder = recipe.build().trunk.get_submodule("encoder").state_dict()
    torch.save({name: tensor + 1 for name, tensor in encoder.items()}, tmp_path / "encoder.pt")
    wanted = replace(recipe, sharing=Part(Grouped), start=str(tmp_path / "encoder.pt"))
    model = wanted.build()
    report = load_pretrained(model, wanted)
    assert report is not None
    assert len(report.loaded) == 3 * len(encoder)
    own = model.state_dict()
    for task in ("bright", "glow", "more"):
        assert torch.equal(own[f"trunk.encoder.{task}.stem.0.weight"], encoder["stem.0.weight"] + 1)
