"""Training, as a generator: the caller's `for` loop takes the place of callbacks."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from hydranet.checkpoint import checkpoint, warm_start
from hydranet.config import precision
from hydranet.config.recipe import Recipe
from hydranet.core.balancer import Balancer, GradientBalancer
from hydranet.core.batch import Batch
from hydranet.core.errors import MALFORMED, UserError
from hydranet.core.ledger import Ledger
from hydranet.data import cameras
from hydranet.data.first_look import FirstLook, at_rest, first_look
from hydranet.data.mixture import Mixture, load
from hydranet.data.observed import Observed
from hydranet.distillation import leakage
from hydranet.distillation.teachers import Teachers
from hydranet.io import atomic
from hydranet.io.atomic import CheckpointError
from hydranet.io.lock import Lock, locked
from hydranet.models.hydranet import HydraNet
from hydranet.models.layers.active_norm import allow_single_values
from hydranet.models.layers.depthwise import depthwise_in_float32
from hydranet.models.layers.fixed_norm import fix_statistics
from hydranet.models.layers.sync_norm import synchronize
from hydranet.training.distributed import ProcessGroup, gather
from hydranet.training.ema import Average
from hydranet.training.feature_gradients import parameter_users
from hydranet.training.gradients import step_gradients
from hydranet.training.losses import NonFiniteLoss, Reduce
from hydranet.training.mend import mend, step_line
from hydranet.training.optimizer import optimizer
from hydranet.training.stages import Staging
from hydranet.training.step import StepContext, StepResult

RESUMABLE = ("save_every", "evaluate_every", "workers", "validation", "keep_best", "patience")
"""Parts of a recipe that may change on resume without changing what is learned."""


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
    run: "Run"


class Run:
    """The state of a training run: everything that must survive a stop."""

    def __init__(
        self, recipe: Recipe, device: str = "cpu", processes: ProcessGroup | None = None, fresh: bool = True
    ) -> None:
        self.recipe, self.device = recipe, torch.device(device)
        self.autocast = precision.autocast(recipe.precision, self.device)
        self.processes = processes or ProcessGroup()
        self.teachers = Teachers(recipe, self.device)
        self.focal_px = cameras.focal_lengths(recipe)
        more = self.teachers.feature_matching
        model = warm_start.built(recipe, more) if fresh else checkpoint.without_pretrained(recipe).build(more)
        model.usual_focal = cameras.usual_focal(recipe, self.focal_px)
        self.model = model.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        if recipe.sync_norm:
            synchronize(self.model.trunk)
        allow_single_values(self.model)
        if self.device.type == "cpu":
            depthwise_in_float32(self.model)
        for part in (self.model.trunk, *self.model.heads.values()) if recipe.compile else ():
            part.compile()
        self.balancer: Balancer = recipe.build_balancer(self.teachers.feature_matching).to(self.device)
        self.users = parameter_users(self.model.trunk) if isinstance(self.balancer, GradientBalancer) else None
        self.started = warm_start.load_pretrained(self.model, recipe) if fresh else None
        if recipe.fixed_norm and not recipe.fixed_norm_after:
            fix_statistics(self.model.trunk, measured=fresh)
        self.ema = Average(self.model, recipe.ema) if recipe.ema else None
        self.optimizer = optimizer(recipe.optim, self.model, self.balancer)
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=recipe.precision == "fp16")
        self.staging = Staging(recipe.stages, recipe.steps, recipe.schedule, self.model, self.balancer)
        self.first_look = FirstLook()
        self.observed = Observed()
        self.step = 0
        self.line: dict[str, Any] = {}
        """What the log says about the last step; saved, since a stop may come between the state and the log."""

    def evaluated(self) -> HydraNet:
        """The network to evaluate and to ship: the averaged one where the recipe averages, in eval mode."""
        shipped = self.model.subset(*(task.name for task in self.recipe.tasks))
        if self.ema is None:
            return shipped.eval()
        averaged = checkpoint.without_pretrained(self.recipe).build().to(self.device)
        averaged.usual_focal = self.model.usual_focal
        averaged.load_state_dict({name: self.ema.tensors[name] for name in shipped.state_dict()})
        return averaged.eval()

    def fix_norm(self) -> bool:
        """Fixes the statistics of the trunk's BatchNorm where the recipe wants it before this step; whether it did."""
        due = self.recipe.fixed_norm and 0 < self.recipe.fixed_norm_after == self.step
        if due:
            fix_statistics(self.model.trunk)
        return due

    def omissions(self) -> Ledger:
        """What the run has not used so far: tasks without a counted element, classes never seen, images left out."""
        resting = at_rest(self.recipe)
        return self.observed.omissions([task for task in self.recipe.tasks if task.name not in resting], self.step)

    def save(self, folder: Path) -> None:
        """Writes model and state; on the first process only. Raises CheckpointError where the disk is full."""
        if self.processes.rank:
            return
        parts = {
            "model": self.model.state_dict(),
            "balancer": self.balancer.state_dict(),
            "optimizer": checkpoint.optimizer_tensors(self.optimizer),
            "ema": self.ema.tensors if self.ema else {},
        }
        header = {"step": self.step, "recipe": self.recipe.to_json(), "scaler": self.scaler.state_dict()}
        header["teachers"], header["log"] = self.teachers.digests, self.line
        header[checkpoint.USUAL_FOCAL] = self.model.usual_focal
        learned = {"balancer": dict(self.balancer.named_parameters())}  # its buffers may hold NaN for "not yet"
        checkpoint.check_saveable({**parts, **learned}, self.step)
        header["observed"] = self.observed.to_json()
        checkpoint.save_state(folder, parts, header)
        self.save_model(folder)

    def save_model(self, folder: Path) -> None:
        """Writes the network to use; on the first process only."""
        if not self.processes.rank:
            checkpoint.save_model(folder, self.evaluated(), self.recipe)

    def _balancer_state(self, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        """The balancer's tensors; runs of before kept no Gramian from one step to the next: it is taken anew."""
        own = self.balancer.state_dict()
        return {name: own[name] for name in GradientBalancer.KEPT if name in own} | tensors

    def restore(self, folder: Path) -> None:
        """Goes on where a run stopped. Raises CheckpointError for a run of another recipe."""
        parts, header = checkpoint.load_state(folder)
        differs = Recipe.from_json(str(header["recipe"])).difference(self.recipe)
        differs = [line for line in differs if not line.startswith(RESUMABLE)]
        if differs:
            raise CheckpointError(
                f"{folder} is a run of another recipe ({'; '.join(differs[:4])}); resume with the recipe it holds, "
                "or train into another folder"
            )
        with _whole(folder):
            self.teachers.compare(header.get("teachers"))
            checkpoint.fill(self.model, parts.get("model", {}), str(folder))
            checkpoint.fill(self.balancer, self._balancer_state(parts.get("balancer", {})), str(folder))
            checkpoint.fill_optimizer(self.optimizer, parts.get("optimizer", {}))
            if self.ema:
                self.ema.tensors = {name: t.to(self.device) for name, t in parts["ema"].items()}
            if header["scaler"]:
                self.scaler.load_state_dict(header["scaler"])
            self.step = int(header["step"])
            if self.recipe.fixed_norm and 0 < self.recipe.fixed_norm_after < self.step:
                fix_statistics(self.model.trunk, measured=False)
            if "observed" in header:  # runs of before have none
                self.observed = Observed.from_json(header["observed"])


@contextmanager
def _whole(folder: Path) -> Iterator[None]:
    """Within it an error about the values of a state is one sentence: what wrote them was not this program."""
    try:
        yield
    except (RuntimeError, *MALFORMED) as error:
        if isinstance(error, UserError):
            raise
        raise CheckpointError(
            f"{folder / checkpoint.STATE} is damaged ({type(error).__name__}: {error}); use a copy, or start anew"
        ) from error


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
    looked = first_look(recipe, compare=processes.rank == 0)
    run = Run(recipe, device, processes, fresh=not resume)
    run.first_look = looked
    if resume:
        run.restore(folder)
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
