"""The first steps of a run, watched: losses, gradients, and time spent waiting for data."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch

from hydranet.balancers.pcgrad import PCGrad
from hydranet.config.recipe import Recipe
from hydranet.core.balancer import GradientBalancer, LossBalancer
from hydranet.core.errors import UserError
from hydranet.core.spec import Part
from hydranet.data.finding import Finding, Severity
from hydranet.training.train import Progress, train

WATCHED = 20
EXPLODES = 5.0
"""A loss this many times the untrained network's is no fluctuation."""
AGAINST = -0.3
UNEQUAL = 100.0
WAITING = 0.5
SETTLED = 3
"""Steps before times count: the first ones start workers and choose kernels."""


@dataclass
class FirstSteps:
    """What was recorded.

    losses:  by task, of each step that had one.    heads: by task, the largest gradient norm of its head.
    cosines: by pair of tasks.    norms: by task, of its gradient at shared parameters.    wait: share of the time.
    stopped: the sentence with which it ended before its time.
    """

    losses: dict[str, list[float]] = field(default_factory=dict)
    heads: dict[str, float] = field(default_factory=dict)
    cosines: dict[str, list[float]] = field(default_factory=dict)
    norms: dict[str, list[float]] = field(default_factory=dict)
    wait: float = 0.0
    stopped: str = ""


def watched(recipe: Recipe) -> Recipe:
    """The recipe as it is watched: with a balancer that compares gradients, where there is something to compare."""
    compared = len(recipe.tasks) > 1 and issubclass(recipe.balancer.cls, LossBalancer)
    balancer: Part[LossBalancer | GradientBalancer] = Part(PCGrad) if compared else recipe.balancer
    return replace(recipe, balancer=balancer, save_every=0, evaluate_every=0, compile=False)


def first_steps(recipe: Recipe, folder: Path, record: FirstSteps, device: str = "cpu") -> Iterator[int]:
    """Trains a few steps into a folder that may go afterwards, fills `record`, and yields the number of each step."""
    waits, steps = 0.0, 0.0
    try:
        for progress in train(watched(recipe), folder, device=device):
            _note(progress, record)
            if progress.step > SETTLED:
                waits, steps = waits + progress.wait_s, steps + progress.step_s
                record.wait = waits / max(steps, 1e-9)
            yield progress.step
            if progress.step >= WATCHED:
                return
    except UserError as error:
        record.stopped = str(error)


def _note(progress: Progress, record: FirstSteps) -> None:
    for name, loss in progress.result.losses.items():
        record.losses.setdefault(name, []).append(loss)
    for name, head in progress.run.model.heads.items():
        gradients = [p.grad.norm() for p in head.parameters() if p.grad is not None]
        norm = float(torch.stack(gradients).norm()) if gradients else 0.0
        record.heads[name] = max(record.heads.get(name, 0.0), norm)
    for pair, cosine in progress.result.cosines().items():
        record.cosines.setdefault(pair, []).append(cosine)
    if progress.result.gramian is not None:
        for name, square in zip(progress.result.losses, progress.result.gramian.diagonal().tolist(), strict=True):
            record.norms.setdefault(name, []).append(float(np.sqrt(max(square, 0.0))))


def judged(recipe: Recipe, record: FirstSteps) -> list[Finding]:
    """What these steps say about the rest of the run. A blind guess is what the untrained head answers."""
    if record.stopped:
        what, _, cure = record.stopped.partition("; ")
        return [Finding(Severity.POINTLESS, "first steps", what, cure or "correct it")]
    made: list[Finding] = []
    taught = {name for teacher in recipe.teachers for name in (teacher.tasks or [task.name for task in recipe.tasks])}
    for task in recipe.tasks:
        where, losses = f"task {task.name!r}", record.losses.get(task.name, [])
        if not losses:
            if task.name not in taught:
                what, cure = f"no label in {WATCHED} steps", "give its source more weight, or label more images"
                made.append(Finding(Severity.HARMFUL, where, what, cure))
            continue
        blind, last = float(np.median(losses[:SETTLED])), float(np.median(losses[-5:]))
        if last > EXPLODES * max(abs(blind), 1e-6):
            what = f"its loss grows from {blind:.3g}, a blind guess, to {last:.3g} in {len(losses)} steps"
            made.append(Finding(Severity.POINTLESS, where, what, f"lower optim.lr={recipe.optim.lr:g}"))
        if record.heads.get(task.name, 0.0) == 0.0:
            what = "its head gets no gradient"
            cure = "no label of it counts, or the head's outputs do not enter its loss: look at its labels first"
            made.append(Finding(Severity.POINTLESS, where, what, cure))
    for pair, cosines in record.cosines.items():
        if np.median(cosines) < AGAINST:
            what = f"their gradients pull against each other (median cosine {np.median(cosines):.2f})"
            cure = "try a balancer of gradients (balancer=pcgrad), or a part of the network for each"
            made.append(Finding(Severity.ODD, f"tasks {pair}", what, cure))
    norms = {name: float(np.median(values)) for name, values in record.norms.items() if np.median(values) > 0}
    if norms and max(norms.values()) > UNEQUAL * min(norms.values()):
        most, least = max(norms, key=norms.__getitem__), min(norms, key=norms.__getitem__)
        what = f"the gradient of {most!r} is {norms[most] / norms[least]:.0f} times that of {least!r}"
        made.append(
            Finding(Severity.ODD, "balance", what, "choose a balancer that cares for scale (balancer=uncertainty)")
        )
    if record.wait > WAITING:
        what = f"{record.wait:.0%} of the time is spent waiting for data"
        cure = f"raise workers={recipe.workers}, make the images smaller, or store them as JPEG"
        made.append(Finding(Severity.ODD, "speed", what, cure))
    return made
