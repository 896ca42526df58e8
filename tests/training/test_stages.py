"""Stages: what is frozen stays as it is, bit by bit, and everything else about a run still holds."""

from contextlib import nullcontext
from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest
import torch
from torch import Tensor

from balancer_runs import part
from hydranet.balancers.uncertainty import Uncertainty
from hydranet.checkpoint import checkpoint
from hydranet.checkpoint.checkpoint import load_model
from hydranet.config.recipe import Recipe
from hydranet.config.schedule import Constant, OneCycle
from hydranet.config.source import Source
from hydranet.config.stages import Stage
from hydranet.core.batch import collate
from hydranet.core.spec import Part, SpecError
from hydranet.models.freeze import Frozen, freeze
from hydranet.training.ema import Average
from hydranet.training.gradients import step_gradients
from hydranet.training.run import Run
from hydranet.training.stages import weigh
from hydranet.training.step import StepContext
from hydranet.training.train import Progress, train
from staged_runs import bits, staged
from toys import Noise, toy_recipe
from warm_processes import HERE, in_two_processes

TRUNK = ("trunk.encoder.*", "trunk.decoder")


def weights(folder: Path) -> dict[str, Tensor]:
    return checkpoint.read(folder / checkpoint.STATE)[0]


def model_bits(run: Run, prefix: str = "") -> dict[str, bytes]:
    return {n: b for n, b in bits(run.model.state_dict()).items() if n.startswith(prefix)}


def test_frozen_parts_stay_bit_identical_and_learn_again(tmp_path: Path) -> None:
    """Three stages with momentum, decay, BatchNorm, dropout, EMA and a learned balancer."""
    run = train(staged(), tmp_path)
    *_, first = islice(run, 3)
    inside = first.run
    kept = bits(load_model(tmp_path / "stages" / "dense")[0].state_dict())
    *_, second = islice(run, 3)
    assert second.run is inside
    after = bits(load_model(tmp_path / "stages" / "new")[0].state_dict())
    assert inside.ema
    shared = [name for name in kept if not name.startswith("heads.bright")]
    for name in shared:
        assert after[name] == kept[name] == bits(inside.ema.tensors)[name] == model_bits(inside)[name], name
    assert any(after[name] != kept[name] for name in kept.keys() - set(shared))
    *_, last = run
    assert last.step == 9
    moved = [name for name in kept if model_bits(inside)[name] == kept[name]]
    assert not moved, f"still frozen in the last stage: {moved}"


def test_frozen_outputs_are_those_of_the_evaluated_network(tmp_path: Path) -> None:
    list(train(staged(), tmp_path))
    image = torch.rand(2, 3, 32, 64)
    raw = [load_model(tmp_path / "stages" / name)[0](image) for name in ("dense", "new")]
    assert torch.equal(raw[0]["glow"], raw[1]["glow"])
    assert not torch.equal(raw[0]["bright"], raw[1]["bright"])
    assert not torch.equal(raw[0]["glow"], load_model(tmp_path)[0](image)["glow"])


@pytest.mark.parametrize("stop", [2, 3, 4, 6, 8])
@pytest.mark.parametrize("changes", [{}, {"accumulate": 2}, {"workers": 1}])
def test_resume_inside_and_at_the_border_of_a_stage_is_bit_exact(
    tmp_path: Path, stop: int, changes: dict[str, object]
) -> None:
    recipe = replace(staged(), **changes)
    list(train(recipe, tmp_path / "whole"))
    list(islice(train(recipe, tmp_path / "broken"), stop))
    list(train(recipe, tmp_path / "broken", resume=True))
    assert bits(weights(tmp_path / "whole")) == bits(weights(tmp_path / "broken"))
    for name in ("dense", "new"):
        pair = [load_model(tmp_path / run / "stages" / name)[0].state_dict() for run in ("whole", "broken")]
        assert bits(pair[0]) == bits(pair[1])


def test_tasks_schedule_rates_and_weights_of_a_stage(tmp_path: Path) -> None:
    stages = (
        Stage("one", 4, tasks=("glow",), schedule=Constant()),
        Stage("two", 5, lr={"encoder": 0.1}, weights={"bright": 5.0}),
    )
    recipe = toy_recipe(steps=9)
    seen: list[Progress] = []
    rates = []
    for progress in train(replace(recipe, stages=stages), tmp_path):
        seen.append(progress)
        rates.append({g["part"]: g["lr"] for g in progress.run.optimizer.param_groups})
    assert [set(p.result.losses) for p in seen] == [{"glow"}] * 4 + [{"bright", "glow"}] * 5
    assert [p.result.weights for p in (seen[0], seen[-1])] == [{"glow": 1.0}, {"bright": 5.0, "glow": 1.0}]
    assert [p.lr for p in seen[:4]] == [0.01] * 4
    assert [p.lr for p in seen[4:]] == [0.01 * OneCycle().factor(step, 5) for step in range(5)]
    assert rates[5]["encoder"] == pytest.approx(rates[5]["heads"] * 0.3 * 0.1)
    assert rates[1]["encoder"] == pytest.approx(rates[1]["heads"] * 0.3)


def test_one_stage_is_the_same_as_none(tmp_path: Path) -> None:
    plain = replace(toy_recipe(), ema=0.9, balancer=Part(Uncertainty))
    list(train(plain, tmp_path / "plain"))
    list(train(replace(plain, stages=(Stage("all", 6),)), tmp_path / "staged"))
    assert bits(weights(tmp_path / "plain")) == bits(weights(tmp_path / "staged"))


@pytest.mark.parametrize(
    "spec",
    [
        "hydranet.balancers.uniform.Uniform",
        "hydranet.balancers.uncertainty.Uncertainty",
        "hydranet.balancers.gls.GLS",
        "hydranet.balancers.pcgrad.PCGrad",
        "hydranet.balancers.pcgrad.PCGrad@parameters",
    ],
)
@pytest.mark.parametrize("keep", [True, False])
def test_task_weights_multiply_the_balancers_answer(spec: str, keep: bool) -> None:
    batches = [collate([Noise()[i] for i in range(4)])]
    found = []
    for factors in ({}, {"bright": 5.0}):
        balancer = part(spec)(("bright", "glow"))
        hook = weigh(balancer, factors)
        found.append(
            step_gradients(StepContext(toy_recipe().build(), batches, balancer, autocast=nullcontext, keep=keep))
        )
        hook.remove()
    plain, weighted = found
    assert weighted.losses == plain.losses
    assert weighted.weights["bright"] == pytest.approx(5 * plain.weights["bright"], rel=1e-6)
    assert weighted.weights["glow"] == pytest.approx(plain.weights["glow"], rel=1e-6)


@pytest.mark.parametrize("at", ["auto", "parameters"])
@pytest.mark.parametrize("keep", [True, False])
def test_nothing_is_balanced_where_the_trunk_is_frozen(at: str, keep: bool) -> None:
    """Heads get their own gradient, as from the plain sum; what the balancer keeps does not move."""
    batches = [collate([Noise()[i] for i in range(4)])]
    gradients = []
    for spec in ("hydranet.balancers.uniform.Uniform", f"hydranet.balancers.gradnorm.GradNorm@{at}"):
        model, balancer = toy_recipe().build().train(), part(spec)(("bright", "glow"))
        freeze(model.trunk)
        before = bits(dict(balancer.state_dict()))
        result = step_gradients(StepContext(model, batches, balancer, autocast=nullcontext, keep=keep))
        assert result.weights == {"bright": 1.0, "glow": 1.0}
        assert bits(dict(balancer.state_dict())) == before
        assert all(p.grad is None for p in model.trunk.parameters())
        gradients.append({n: p.grad for n, p in model.heads.named_parameters()})
    assert bits(gradients[0]) == bits(gradients[1])


@pytest.mark.parametrize("spec", ["uniform.Uniform", "mgda.MGDA", "mgda.MGDA@parameters"])
def test_a_task_that_can_learn_nothing_does_not_stop_the_others(spec: str) -> None:
    """Its head is frozen and its levels come from a frozen part of the trunk; the encoder's other levels learn."""
    recipe = toy_recipe()
    recipe = replace(recipe, tasks=(replace(recipe.tasks[0], reads="encoder"), recipe.tasks[1]))
    model, balancer = recipe.build().train(), part(f"hydranet.balancers.{spec}")(("bright", "glow"))
    for frozen in (model.trunk.encoder, model.heads["bright"]):
        freeze(frozen)
    step_gradients(StepContext(model, [collate([Noise()[i] for i in range(4)])], balancer, autocast=nullcontext))
    assert all(p.grad is None for p in model.heads["bright"].parameters())
    assert all(p.grad is not None for p in model.trunk.decoder.layers[0].parameters())


def test_a_task_with_nothing_left_to_learn_is_not_computed(tmp_path: Path) -> None:
    recipe = replace(toy_recipe(steps=2), stages=(Stage("head", 2, freeze=("trunk", "heads.glow")),))
    assert [set(p.result.losses) for p in train(recipe, tmp_path)] == [{"bright"}] * 2


def test_the_average_of_equal_weights_keeps_every_bit() -> None:
    model = toy_recipe().build()
    with torch.no_grad():
        model.trunk.encoder.stem.weight.view(-1)[:3] = torch.tensor([-0.0, 1e-42, 3e38])
    average, before = Average(model, 0.99), bits(model.state_dict())
    average.still = Frozen(model, ["trunk"]).names
    for step in range(50):
        average.update(model, step)
    after = bits(average.tensors)
    assert {n: after[n] for n in average.still} == {n: before[n] for n in average.still}
    assert all(torch.equal(average.tensors[n], t) for n, t in model.state_dict().items())


def test_what_was_frozen_before_the_stages_stays_frozen() -> None:
    model = toy_recipe().build()
    freeze(model.trunk.encoder.norm)
    model.heads["glow"].layer.bias.requires_grad_(False)
    frozen = Frozen(model, ["trunk", "heads.glow.layer.bias"])
    frozen.undo()
    model.train()
    still = {name for name, p in model.named_parameters() if not p.requires_grad}
    assert still == {"trunk.encoder.norm.weight", "trunk.encoder.norm.bias", "heads.glow.layer.bias"}
    assert not model.trunk.encoder.norm.training
    assert model.trunk.encoder.dropout.training


@pytest.mark.parametrize(
    ("pattern", "chosen"),
    [
        ("trunk.decoder", "trunk.decoder."),
        ("trunk.decoder.*", "trunk.decoder."),
        ("heads.*", "heads."),
        ("heads.g*", "heads.glow."),
        ("*.encoder.norm", "trunk.encoder.norm."),
        ("trunk.encoder.stem.weight", "trunk.encoder.stem.weight"),
    ],
)
def test_patterns(pattern: str, chosen: str) -> None:
    model = toy_recipe().build()
    assert Frozen(model, [pattern]).names == {name for name in model.state_dict() if name.startswith(chosen)}


def test_two_processes_share_their_stages(tmp_path: Path) -> None:
    """They end a stage with the first one's weights and buffers, keep them, and learn what one process learns."""
    in_two_processes(HERE / "staged_runs.py", tmp_path / "two")
    list(train(staged(norm=False), tmp_path / "one"))
    one, two = weights(tmp_path / "one"), weights(tmp_path / "two")
    assert one.keys() == two.keys()
    for name in one:
        torch.testing.assert_close(one[name], two[name], rtol=1e-4, atol=1e-5, msg=name)
    pair = [bits(load_model(tmp_path / "two" / "stages" / name)[0].state_dict()) for name in ("dense", "new")]
    assert all(pair[0][n] == pair[1][n] for n in pair[0] if not n.startswith("heads.bright"))


def test_fp16_passes_over_a_step_without_any_label(tmp_path: Path) -> None:
    """The scaler has nothing to check there; it once ended the run with an assertion."""
    sources = (Source("blind", Noise(labels=()), (32, 64), weight=3.0), Source("seeing", Noise(), (32, 64)))
    recipe = replace(toy_recipe(sources, steps=8, batch=1), precision="fp16")
    found = list(train(recipe, tmp_path))
    assert {len(p.result.losses) for p in found} == {0, 2}
    assert len(found) == 8


BAD = {
    "stages take 7 steps \\(a 3 \\+ b 4\\), the recipe 6; set steps=7": (Stage("a", 3), Stage("b", 4)),
    "got stages \\['a', 'a'\\], expected every name once": (Stage("a", 3), Stage("a", 3)),
    "stage 'a': no part of the network is called 'trunk.encodr'; did you mean 'trunk.encoder'\\?": (
        Stage("a", 6, freeze=("trunk.encodr",)),
    ),
    "stage 'a': no part of the network is called 'backbone'": (Stage("a", 6, freeze=("backbone",)),),
    "no task \\(in stage 'a'\\) is called 'glo'; did you mean 'glow'": (Stage("a", 6, tasks=("glo",)),),
    "no task \\(in stage 'a'\\) is called 'brigt'; did you mean": (Stage("a", 6, weights={"brigt": 2.0}),),
    "stages.a.lr\\)\\s+is called 'head'; did you mean 'heads'": (Stage("a", 6, lr={"head": 2.0}),),
    "stage 'a' freezes all that bright, glow could learn; freeze less": (Stage("a", 6, freeze=("*",)),),
    "freezes all that glow could learn": (Stage("a", 6, ("trunk", "heads.glow"), tasks=("glow",)),),
}


@pytest.mark.parametrize("sentence", BAD)
def test_contradictions_are_refused_before_anything_is_trained(tmp_path: Path, sentence: str) -> None:
    with pytest.raises(SpecError, match=sentence):
        next(train(replace(toy_recipe(), stages=BAD[sentence]), tmp_path))
    assert not (tmp_path / "model.safetensors").exists()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"name": "a/b"}, "got stage named 'a/b', expected a letter, then letters, digits"),
        ({"steps": 0}, "got steps=0, expected a whole number >= 1"),
        ({"freeze": "trunk"}, "got freeze='trunk', expected a tuple"),
        ({"lr": 0.0}, "got lr {'lr': 0.0}, expected numbers > 0; to switch off, freeze the part"),
        ({"weights": {"glow": -1.0}}, "expected numbers > 0; to switch off, leave the task out"),
    ],
)
def test_a_stage_that_makes_no_sense_is_refused(options: dict[str, object], sentence: str) -> None:
    with pytest.raises(SpecError, match=sentence):
        Stage(**{"name": "a", "steps": 1, **options})


def test_stages_survive_json_and_take_overrides() -> None:
    recipe = staged()
    assert Recipe.from_json(recipe.to_json()) == recipe
    changed = recipe.changed(["stages.new.steps=5", "steps=11", "stages.new.lr=0.5", "stages.new.weights.bright=3"])
    assert (changed.stages[1].steps, changed.stages[1].lr, changed.stages[1].weights) == (5, 0.5, {"bright": 3})
