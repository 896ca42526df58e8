"""From a trained network to INT8 files that keep a budget, or to none."""

import hashlib
import json
import math
import shutil
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from hydranet.checkpoint import load_model, write
from hydranet.core.errors import UserError
from hydranet.core.spec import SpecError
from hydranet.deploy.session import open_session
from hydranet.export.describe import described
from hydranet.export.graph import Shape, plain, shipped
from hydranet.export.parity import Bounds, Parity, measure, save
from hydranet.export.ship import MANIFEST
from hydranet.model import HydraNet
from hydranet.quantise import ptq
from hydranet.quantise.budget import Limit, Lost, limits, losses
from hydranet.quantise.fake import fake_quantised
from hydranet.quantise.scan import Left, Scan, Tried, scan, summary
from hydranet.recipe import Recipe
from hydranet.teacher import Teacher
from hydranet.train import train

FREE = Bounds(math.inf, math.inf)
"""INT8 is held against the budget, not against bounds of equality."""

FINE = 0.05
"""Learning rate of fine-tuning, as a share of the recipe's."""


class QuantiseError(UserError):
    """No INT8 network within the budget: what breaks it, by how much."""


@dataclass(frozen=True)
class Options:
    """calibration: pictures, over all training sources.    limit: images of each validation source; 0 = all.

    targets: formats to write, the first is scanned.    budget: see `budget.limits`.
    steps:   of quantisation-aware fine-tuning where the budget is missed; 0 = none.
    """

    size: tuple[int, int]
    calibration: int = 200
    limit: int = 100
    targets: tuple[str, ...] = ("openvino",)
    budget: tuple[str, ...] = ()
    steps: int = 0


Note = Callable[[str], None]
"""Is told what is going on."""


class Looker:
    """Quantises a network in several ways and measures all of them over one pass of the validation images.

    before: scores in float that losses are counted from; taken from the first look where it is empty.
    """

    def __init__(self, model: HydraNet, recipe: Recipe, folder: Path, options: Options, note: Note) -> None:
        if not recipe.validation:
            raise SpecError(
                f"recipe {recipe.name!r} has no validation source, so that no loss can be measured; add one"
            )
        self.recipe, self.folder, self.options, self.note = recipe, folder, options, note
        graph = shipped(model, None, Shape(options.size))
        self.trained = plain(model, None, graph.shape)
        self.manifest = described(graph, recipe, recipe.name)
        self.network = ptq.floating(graph, self.manifest)
        self.images = ptq.pictures(recipe, options.size, options.calibration)
        self.before: dict[str, float] = {}
        self.budget: list[Limit] = []
        self.parities: dict[tuple[str, Left], Parity] = {}

    def __call__(self, lefts: Sequence[Left]) -> list[list[Lost]]:
        """Losses of the scanned format with these heads left in float."""
        return self.look(self.options.targets[0], lefts)

    def look(self, target: str, lefts: Sequence[Left]) -> list[list[Lost]]:
        """The same for any format."""
        sessions = {}
        for left in lefts:
            self.note(f"quantising for {target}, float: {', '.join(sorted(left)) or 'nothing'}")
            path = self.path(target, left)
            manifest = replace(self.manifest, precision=precision(left))
            sessions[str(path.parent.name), target] = open_session(
                ptq.write(self.network, target, left, self.images, path, manifest), target
            )
        for step in measure(self.trained, sessions, self.recipe.validation, FREE, self.options.limit or None):
            if isinstance(step, list):
                found = step
            else:
                self.note(f"measuring image {step[0]} of {step[1]}")
        self.before = self.before or {name: loss.torch for name, loss in found[0].metrics.items()}
        self.budget = self.budget or limits(self.recipe.tasks, self.before, self.options.budget)
        self.parities |= {(target, left): parity for left, parity in zip(lefts, found, strict=True)}
        return [losses(self.budget, self.before, parity) for parity in found]

    def path(self, target: str, left: Left) -> Path:
        """Where the network with these heads in float lies while it is on trial."""
        name = "-".join(["float", *sorted(left)]) if left else "all"
        return self.folder / "trial" / f"{target}-{name}" / f"model{ptq.TARGETS[target]}"


def precision(left: Left) -> str:
    """The word for it in a manifest."""
    return "int8" + (f" (float: {', '.join(sorted(left))})" if left else "")


def quantise(run: Path, folder: Path, options: Options, note: Note) -> Iterator[Scan | Path]:
    """Scans, chooses and ships: yields the scans, then the files that were accepted.

    Fine-tunes and scans again where no way of quantising keeps the budget and `options.steps` allow it. Everything
    that was on trial is removed. Raises QuantiseError, after quantise.json is written, where nothing was accepted.
    """
    model, recipe = load_model(run)
    trial = folder / "trial"
    looker = Looker(model, recipe, folder, options, note)
    try:
        found = first = yield from _scanned(looker)
        if found.chosen is None and options.steps:
            tuned, _ = load_model(tune(run, recipe, folder / "qat", options.steps, note))
            again = Looker(tuned, recipe, folder, options, note)
            again.before, again.budget, looker = looker.before, looker.budget, again
            found = yield from _scanned(looker)
        said = {**summary(found), "before_tuning": None if found is first else summary(first)}
        write(folder / "quantise.json", json.dumps(said, indent=2).encode())
        if found.chosen is None:
            raise QuantiseError(refusal(found, options))
        yield from _shipped(looker, found, found.chosen)
    finally:
        shutil.rmtree(trial, ignore_errors=True)


def _scanned(looker: Looker) -> Generator[Scan, None, Scan]:
    found = None
    for found in scan(looker.network.heads, looker):
        yield found
    assert found is not None
    return found


def _shipped(looker: Looker, found: Scan, chosen: Tried) -> Iterator[Path]:
    """Moves what was accepted into place; formats that were not scanned are measured first."""
    kept, parities = [], []
    for target in looker.options.targets:
        if (target, chosen.left) not in looker.parities:
            (lost,) = looker.look(target, [chosen.left])
            if broken := [one for one in lost if not one.kept]:
                raise QuantiseError(f"{target}: {said(broken)}; ship {looker.options.targets[0]} alone (--to)")
        tried = looker.path(target, chosen.left)
        for file in sorted(tried.parent.iterdir()):
            shutil.move(file, looker.folder / file.name)
            kept.append(looker.folder / file.name)
        parities.append(looker.parities[target, chosen.left])
    digests = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in kept}
    manifest = replace(looker.manifest, precision=precision(chosen.left), files=digests)
    write(looker.folder / MANIFEST, manifest.to_json().encode())
    save(looker.folder / "parity.json", parities)
    yield from (path for path in kept if path.suffix in ptq.TARGETS.values())


def tune(run: Path, recipe: Recipe, folder: Path, steps: int, note: Note) -> Path:
    """Trains the run's network on with all convolutions rounded; returns the folder.

    Its teacher is the run itself: every task is told on every picture what it answered in float, beside the labels, so
    that few labels do not pull it elsewhere. The first step is an ordinary one: the network is there once it is done.
    """
    shutil.rmtree(folder, ignore_errors=True)
    optim = replace(recipe.optim, lr=FINE * recipe.optim.lr)
    itself = Teacher(str(run), when="always", allow_leaks=True)
    tuned = replace(
        recipe,
        start=str(run),
        steps=steps,
        optim=optim,
        stages=(),
        distil=(itself,),
        ema=recipe.ema and min(recipe.ema, 1 - 1 / max(steps / 10, 1)),
        precision="fp32",
        evaluate_every=0,
    )
    for progress in train(tuned, folder):
        if progress.step == 1:
            fake_quantised(progress.run.model)
        note(f"fine-tuning, step {progress.step} of {steps}")
    return folder


def refusal(found: Scan, options: Options) -> str:
    """What is broken in the gentlest way to quantise, and what may be done."""
    gentle = min(found.tried, key=lambda tried: sum(not one.kept for one in tried.lost))
    cure = "give more --qat steps" if options.steps else "fine-tune with --qat 300"
    broken = [one for one in gentle.lost if not one.kept]
    return (
        f"no INT8 network keeps the budget: {found.name(gentle.left)} has {said(broken)}; {cure}, or allow more with "
        "--budget TASK.METRIC=LOSS. Nothing was shipped"
    )


def said(broken: Sequence[Lost]) -> str:
    """ "held-out semantic miou .61 instead of .63 (.02 lost, .005 allowed)"."""
    return "; ".join(
        f"{one.source} {one.limit.task} {one.limit.metric} {one.after:.4g} instead of {one.before:.4g} "
        f"({one.loss:.2g} lost, {one.limit.allowed:g} allowed)"
        for one in broken
    )
