"""The state of a training run: everything that must survive a stop, saved and restored bit by bit."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from hydranet.checkpoint import checkpoint, warm_start
from hydranet.config import precision
from hydranet.config.recipe import Recipe
from hydranet.core.balancer import Balancer, GradientBalancer
from hydranet.core.errors import MALFORMED, UserError
from hydranet.core.ledger import Ledger
from hydranet.data import cameras
from hydranet.data.first_look import FirstLook, at_rest
from hydranet.data.observed import Observed
from hydranet.distillation.teachers import Teachers
from hydranet.io.atomic import CheckpointError
from hydranet.models.hydranet import HydraNet
from hydranet.models.layers.active_norm import allow_single_values
from hydranet.models.layers.depthwise import depthwise_in_float32
from hydranet.models.layers.fixed_norm import fix_statistics
from hydranet.models.layers.sync_norm import synchronize
from hydranet.training.distributed import ProcessGroup
from hydranet.training.ema import Average
from hydranet.training.feature_gradients import parameter_users
from hydranet.training.optimizer import optimizer
from hydranet.training.stages import Staging

RESUMABLE = ("save_every", "evaluate_every", "workers", "validation", "keep_best", "patience")
"""Parts of a recipe that may change on resume without changing what is learned."""


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
        more = self.teachers.extra_tasks
        model = warm_start.built(recipe, more) if fresh else checkpoint.without_pretrained(recipe).build(more)
        model.usual_focal = cameras.usual_focal(recipe, self.focal_px)
        self.model = model.to(self.device).to(memory_format=torch.channels_last)
        if recipe.sync_norm:
            synchronize(self.model.trunk)
        allow_single_values(self.model)
        if self.device.type == "cpu":
            depthwise_in_float32(self.model)
        for part in (self.model.trunk, *self.model.heads.values()) if recipe.compile else ():
            part.compile()
        self.balancer: Balancer = recipe.build_balancer(self.teachers.extra_tasks).to(self.device)
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
