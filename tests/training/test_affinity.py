"""Affinities of tasks: against a step that is really taken, and against gradients by hand."""

from contextlib import nullcontext

import pytest
import torch

from hydranet.data.mixture import Mixture
from hydranet.training.affinity import look
from hydranet.training.losses import forward
from toys import toy_recipe


def test_a_look_says_what_a_step_does_and_changes_nothing() -> None:
    recipe, lr = toy_recipe(dropout=0.2), 0.05
    model, batches = recipe.build().train(), Mixture(recipe)[0]
    assert isinstance(batches, list)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    seen = look(model, batches, nullcontext, lr, 7)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert model.training
    assert all(parameter.grad is None for parameter in model.parameters())

    shared = list(model.trunk.parameters())
    losses = {task: loss.total / loss.count for task, loss in forward(model, batches[0], nullcontext, 7).items()}
    gradients = {
        task: torch.autograd.grad(loss, shared, retain_graph=True, allow_unused=True) for task, loss in losses.items()
    }
    flat = {
        task: torch.cat([(g if g is not None else 0 * p).flatten() for p, g in zip(shared, given, strict=True)])
        for task, given in gradients.items()
    }
    cosine = torch.nn.functional.cosine_similarity(flat["bright"], flat["glow"], dim=0).item()
    assert seen.cosine["bright"]["glow"] == pytest.approx(cosine, abs=1e-5)
    assert seen.cosine["glow"]["bright"] == pytest.approx(cosine, abs=1e-5)
    with torch.no_grad():
        for parameter, g in zip(shared, gradients["bright"], strict=True):
            if g is not None:
                parameter -= lr * g
        after = forward(model, batches[0], nullcontext, 7)["glow"]
    helped = 1 - (after.total / after.count).item() / losses["glow"].item()
    assert seen.lookahead["bright"]["glow"] == pytest.approx(helped, abs=1e-5)
    assert {i: set(row) for i, row in seen.lookahead.items()} == {"bright": {"glow"}, "glow": {"bright"}}
