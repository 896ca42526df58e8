"""Training, as a generator: the caller's `for` loop takes the place of callbacks."""

import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from hydranet.checkpoint import checkpoint, warm_start
from hydranet.config.recipe import Recipe
from hydranet.core.batch import Batch
from hydranet.data import run_images
from hydranet.data.first_look import first_look
from hydranet.data.mixture import Mixture, load
from hydranet.data.observed import Observed
from hydranet.distillation import leakage
from hydranet.io import atomic
from hydranet.io.atomic import CheckpointError
from hydranet.io.lock import Lock, locked
from hydranet.training.distributed import ProcessGroup, gather
from hydranet.training.gradients import step_gradients
from hydranet.training.losses import NonFiniteLoss, Reduce
from hydranet.training.mend import mend, step_line
from hydranet.training.run import Run
from hydranet.training.step import StepContext, StepResult


@dataclass(frozen=True, eq=False)
class Progress:
    """One finished step: its result, how long it took, and the run itself."""

    step: int
    steps: int
    result: StepResult
    lr: float
    gradient_norm: float
    images: int
    step_s: float
    wait_s: float
    run: Run


def train(
    recipe: Recipe,
    folder: Path | str,
    *,
    device: str = "cpu",
    resume: bool = False,
) -> Iterator[Progress]:
    """Trains a recipe into a folder and yields after every step; a `break` or a kill loses at most `save_every` steps.

    resume: go on from the folder's last state, to the same weights, bit by bit, as without the stop.
    Raises NonFiniteLoss (task and images named) and NotFinite, both of which leave the last good checkpoint, DataError,
    SpecError, and CheckpointError, also where another process trains into the folder.
    """
    folder = Path(folder)
    device = ProcessGroup.device(device)
    processes = ProcessGroup.init(device)
    if processes.rank or (resume and not folder.is_dir()):  # without a folder there is no run: `restore` says so
        yield from _train(recipe, folder, device, processes, resume, None)
        return
    with locked(folder) as lock:
        if resume:
            mend(folder)
        yield from _train(recipe, folder, device, processes, resume, lock)


def _train(
    recipe: Recipe, folder: Path, device: str, processes: ProcessGroup, resume: bool, lock: Lock | None
) -> Iterator[Progress]:
    if not resume:
        _claim(folder, recipe, processes)
        if processes.rank == 0:
            leakage.refuse(recipe, folder)
            run_images.note(recipe, folder)
    looked = first_look(recipe, compare=processes.rank == 0)
    run = Run(recipe, device, processes, fresh=not resume)
    run.first_look = looked
    if resume:
        run.restore(folder)
        for sentence in run_images.changed(recipe, folder) if processes.rank == 0 else ():
            warnings.warn(sentence, stacklevel=2)
    if run.started and processes.rank == 0:
        atomic.write(folder / warm_start.FILE, run.started.to_json().encode())
    processes.equalize(run.model)
    mixture = Mixture(recipe, processes.rank, processes.world)
    mixture.observed = run.observed if processes.rank == 0 else Observed()
    batches, began = load(mixture, run.step), time.perf_counter()
    for step_batches in batches:
        waited = time.perf_counter()
        if run.staging.enter(run.step, run.ema.tensors if run.ema else {}) | run.fix_norm():
            processes.equalize(run.model)  # each has its own BatchNorm statistics; frozen ones become equal
        moved = [run.staging.batch(batch).to(run.device, channels_last=True) for batch in step_batches]
        moved = [run.teachers(batch, run.staging.tasks, run.autocast) for batch in moved]
        result, norm, lr = _step(run, moved, processes.sum)
        run.step += 1
        if processes.rank == 0:
            mixture.observed += Observed(learned=dict.fromkeys(result.losses, 1))
        run.observed = mixture.observed
        run.line = step_line(run.step, result, lr, norm)
        saved = recipe.save_every and run.step % recipe.save_every == 0
        if lock:
            lock.touch()
            _check_there(folder)
        if saved or run.step == recipe.steps:
            run.observed = sum(gather(processes, mixture.observed), start=Observed())
            run.save(folder)
        if ended := run.staging.ended(run.step):
            run.save_model(folder / "stages" / ended)
        now = time.perf_counter()
        yield Progress(run.step, recipe.steps, result, lr, norm, recipe.batch, now - began, waited - began, run)
        began = time.perf_counter()


def _check_there(folder: Path) -> None:
    """Raises CheckpointError for a folder that is gone; to make it anew would hide that everything else is lost."""
    if not folder.is_dir():
        raise CheckpointError(
            f"{folder} is gone: it was deleted or moved while the run was in it; put it back and go on with --resume, "
            "or start anew"
        )


def _claim(folder: Path, recipe: Recipe, processes: ProcessGroup) -> None:
    """Makes sure, before anything costs time, that the folder is free and can be written."""
    if any((folder / name).exists() for name in (checkpoint.STATE, checkpoint.MODEL)):
        raise CheckpointError(f"{folder} already holds a run; go on with resume (--resume) or choose another folder")
    if processes.rank == 0:
        atomic.write(folder / checkpoint.RECIPE, recipe.to_json().encode())


def _step(run: Run, batches: list[Batch], reduce: Reduce) -> tuple[StepResult, float, float]:
    recipe = run.recipe
    for group in run.optimizer.param_groups:
        group["lr"] = recipe.optim.rate(group["part"]) * run.staging.rate(run.step, group["part"])
    run.processes.agree(run.model.trunk, batches)
    run.model.train()
    run.balancer.train()
    run.optimizer.zero_grad(set_to_none=True)
    seed = (recipe.seed * 1_000_003 + run.step) * 64 * run.processes.world + 64 * run.processes.rank
    try:
        result = step_gradients(
            StepContext(
                run.model,
                batches,
                run.balancer,
                autocast=run.autocast,
                seed=seed,
                keep=recipe.accumulate == 1,
                reduce=reduce,
                factor=float(run.scaler.scale(torch.ones((), device=run.device))),
                users=run.users,
            )
        )
    except NonFiniteLoss as error:
        raise NonFiniteLoss(
            f"step {run.step}: {error}; lower optim.lr or look at these images. A checkpoint saved before was kept"
        ) from error
    run.processes.sum_gradients(run.model)
    parameters = [p for p in run.model.parameters() if p.grad is not None]
    if parameters:  # without any gradient, in a step without labels, the scaler has nothing to check
        run.scaler.unscale_(run.optimizer)
    norm = nn.utils.clip_grad_norm_(parameters, recipe.optim.clip or float("inf"))
    if not run.scaler.is_enabled() and not torch.isfinite(norm):  # fp16's scaler leaves such a step out by itself
        raise NonFiniteLoss(
            f"step {run.step}: the losses of {', '.join(result.losses)} are finite, their gradient is not; lower "
            "optim.lr or look for a division by zero in a loss. A checkpoint saved before was kept"
        )
    if parameters:
        run.scaler.step(run.optimizer)
        run.scaler.update()
    if run.ema:
        run.ema.still = run.staging.frozen.names
        run.ema.update(run.model, run.step)
    return result, float(norm), recipe.optim.lr * run.staging.rate(run.step)
