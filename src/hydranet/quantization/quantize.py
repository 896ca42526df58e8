"""From a trained network to INT8 files that keep a budget, or to none."""

import math
import shutil
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from hydranet.checkpoint.checkpoint import digest, load_model
from hydranet.checkpoint.released.names import folder_of
from hydranet.config.recipe import Recipe
from hydranet.config.teacher import Teacher
from hydranet.core.errors import UserError
from hydranet.core.spec import SpecError
from hydranet.data.reader import Reader
from hydranet.deploy.session import open_session
from hydranet.export.build_manifest import described
from hydranet.export.export import report_of
from hydranet.export.graph import Shape, example, plain, shipped
from hydranet.export.parity import Bounds, Parity, measure, spread
from hydranet.models.hydranet import HydraNet
from hydranet.quantization import artifacts, ptq
from hydranet.quantization.budget import Limit, MetricDrop, limits, losses, parsed
from hydranet.quantization.fake_quant import fake_quantized
from hydranet.quantization.kept_scan import KeptScan
from hydranet.quantization.sensitivity import FloatHeads, Scan, scan, summary
from hydranet.quantization.speed import median_ms, sentence
from hydranet.training.train import train

FREE = Bounds(math.inf, math.inf)
"""INT8 is compared with the budget, not with bounds of equality."""

FINE = 0.05
"""Learning rate of fine-tuning, as a share of the recipe's."""


class QuantizeError(UserError):
    """No INT8 network within the budget: what breaks it, by how much."""


@dataclass(frozen=True)
class Options:
    """calibration: images, over all training sources.    limit: images of each validation source; 0 = all.

    targets: formats to write, the first is scanned.    budget: see `budget.limits`.
    steps:   of quantization-aware fine-tuning where the budget is missed; 0 = none.
    Raises SpecError for an unknown format, one given twice, and a single step.
    """

    size: tuple[int, int]
    calibration: int = 200
    limit: int = 100
    targets: tuple[str, ...] = ("openvino",)
    budget: tuple[str, ...] = ()
    steps: int = 0

    def __post_init__(self) -> None:
        known = [target for target in self.targets if target in ptq.TARGETS]
        if not known or len(set(known)) < len(self.targets):
            got = ", ".join(self.targets) or "no format"
            raise SpecError(f"got {got}, expected {' or '.join(ptq.TARGETS)}, each once; list those (--to)")
        if self.steps == 1:
            raise SpecError(
                "got 1 step of fine-tuning, expected 0 or at least 2: the first is an ordinary one, rounding begins "
                "after it; give --qat 300"
            )


Note = Callable[[str], None]
"""Is called with messages on the progress."""


class QuantizationTrial:
    """Quantizes a network in several ways and measures all of them over one pass of the validation images.

    unseen: heads that no validation image labels; they stay in float, since their losses cannot be measured.
    before: scores in float that losses are counted from; set by the first measurement where it is empty.
    Raises SpecError for a budget that cannot be read and where no head is labeled.
    """

    def __init__(self, model: HydraNet, recipe: Recipe, run: Path, folder: Path, options: Options, note: Note) -> None:
        self.kept = KeptScan(recipe, digest(run), options.size, options.calibration, options.limit)
        asked = {limit.task for limit in parsed(options.budget, recipe.tasks)}
        self.unseen = frozenset(unlabeled(recipe, options.limit or None))
        if len(self.unseen) == len(recipe.tasks):
            raise SpecError(
                f"got recipe {recipe.name!r} without a validation source that labels any of its tasks, expected one, "
                "or no loss can be measured; add one"
            )
        if vain := ", ".join(sorted(asked & self.unseen)):
            raise SpecError(f"got a budget for {vain}, expected a task that validation images label; add a source")
        self.recipe, self.folder, self.options, self.note = recipe, folder, options, note
        graph = shipped(model, None, Shape(options.size))
        self.trained = plain(model, None, graph.shape)
        place = folder_of(run)
        self.manifest = described(graph, recipe, place.name, report_of(place))
        self.network = ptq.floating(graph, self.manifest)
        self.images = ptq.calibration_images(recipe, options.size, options.calibration)
        self.before: dict[str, float] = {}
        self.budget: list[Limit] = []
        self.parities: dict[tuple[str, FloatHeads], Parity] = {}

    @property
    def heads(self) -> list[str]:
        """Heads that may be quantized."""
        return [head for head in self.network.heads if head not in self.unseen]

    def __call__(self, trials: Sequence[FloatHeads]) -> list[list[MetricDrop]]:
        """Losses of the scanned format with these heads left in float."""
        return self.look(self.options.targets[0], trials)

    def look(self, target: str, trials: Sequence[FloatHeads], afresh: bool = False) -> list[list[MetricDrop]]:
        """The same for any format. What an earlier scan measured is taken from the cache, unless `afresh`."""
        trials = [float_heads | self.unseen for float_heads in trials]
        known = {one: kept for one in trials if not afresh and (kept := self.kept.get(target, one, FREE))}
        self.parities |= {(target, one): parity for one, parity in known.items()}
        self._measure(target, [one for one in trials if one not in known])
        parities = [self.parities[target, one] for one in trials]
        self.before = self.before or {name: loss.torch for name, loss in parities[0].metrics.items()}
        self.budget = self.budget or limits(self.recipe.tasks, self.before, self.options.budget)
        return [losses(self.budget, self.before, parity) for parity in parities]

    def made(self, target: str, float_heads: FloatHeads) -> Path:
        """The file of a way to quantize, made and measured again where its measurements came from the cache."""
        path = self.path(target, float_heads)
        if not path.is_file():
            self.look(target, [float_heads], afresh=True)
        return path

    def _measure(self, target: str, trials: Sequence[FloatHeads]) -> None:
        if not trials:
            return
        sessions = {}
        for float_heads in trials:
            self.note(f"quantizing for {target}, float: {', '.join(sorted(float_heads)) or 'nothing'}")
            path = self.path(target, float_heads)
            manifest = replace(self.manifest, precision=precision(float_heads))
            sessions[str(path.parent.name), target] = open_session(
                ptq.write(self.network, target, float_heads, self.images, path, manifest), target
            )
        limit = self.options.limit or None
        for step in measure(self.trained, sessions, self.recipe.validation, FREE, limit, resample=True):
            if isinstance(step, list):
                for float_heads, parity in zip(trials, step, strict=True):
                    self.parities[target, float_heads] = parity
                    self.kept.put(target, float_heads, parity)
            else:
                self.note(f"measuring image {step[0]} of {step[1]}")

    def path(self, target: str, float_heads: FloatHeads) -> Path:
        """Path of the network with these heads in float while it is on trial."""
        name = "-".join(["float", *sorted(float_heads)]) if float_heads else "all"
        return self.folder / "trial" / f"{target}-{name}" / f"model{ptq.TARGETS[target]}"


def precision(float_heads: FloatHeads) -> str:
    """The precision as a manifest names it."""
    return "int8" + (f" (float: {', '.join(sorted(float_heads))})" if float_heads else "")


def quantize(run: Path, folder: Path, options: Options, note: Note) -> Iterator[Scan | Path]:
    """Scans, chooses and ships: yields the scans, then the files that were accepted.

    Fine-tunes and scans again where no way of quantizing keeps the budget and `options.steps` allow it. All files
    that were on trial are removed. Raises QuantizeError, after quantize.json is written, where nothing was accepted.
    """
    model, recipe = load_model(run)
    weights, place = digest(run), folder / "trial"
    trial = QuantizationTrial(model, recipe, run, folder, options, note)
    try:
        result = first = yield from _scanned(trial)
        if result.chosen is None and options.steps:
            tuned, _ = load_model(tune(run, recipe, folder / "qat", options.steps, note))
            again = QuantizationTrial(tuned, recipe, run, folder, options, note)
            again.before, again.budget, trial = trial.before, trial.budget, again
            again.kept = KeptScan(recipe, digest(folder / "qat"), options.size, options.calibration, options.limit)
            result = yield from _scanned(trial)
        refused_record = _record(weights, result, first)
        if refused := _refused(trial, result):
            artifacts.note_refusal(folder, refused_record)
            raise QuantizeError(refused)
        assert result.chosen is not None
        float_heads = result.chosen.float_heads | trial.unseen
        trials = [trial.made(target, float_heads) for target in options.targets]
        result.speed = _speed(trial, options.targets[0], trials[0])
        record = _record(weights, result, first)
        manifest = replace(trial.manifest, precision=precision(float_heads))
        parities = [trial.parities[target, float_heads] for target in options.targets]
        yield from artifacts.ship(folder, trials, manifest, parities, record)
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _record(weights: str, result: Scan, first: Scan) -> dict[str, object]:
    return {"weights": weights, **summary(result), "before_tuning": None if result is first else summary(first)}


def _speed(trial: QuantizationTrial, target: str, path: Path) -> str:
    """Whether INT8 is quicker here than the same network in float, in the runtime of the format."""
    trial.note("measuring the time in INT8 and in float")
    plain_path = trial.folder / "trial" / "float" / path.name
    ptq.write_float(trial.network, target, plain_path, replace(trial.manifest, precision="fp32"))
    sessions = {"int8": open_session(path, target), "fp32": open_session(plain_path, target)}
    if target == "openvino":
        sessions["bf16"] = open_session(plain_path, target, precision="bf16")
        sessions["int8-bf16"] = open_session(path, target, precision="bf16")
    graph = trial.network.graph  # noise of its shapes: the time of a network does not depend on what it sees
    given = dict(zip(graph.inputs, (one.numpy() for one in example(graph.shape, graph.inputs)), strict=True))
    return sentence(median_ms({name: partial(session, given) for name, session in sessions.items()}))


def _scanned(trial: QuantizationTrial) -> Generator[Scan, None, Scan]:
    result = None
    for result in scan(trial.heads, trial, trial.unseen):
        yield result
    assert result is not None
    return result


def _refused(trial: QuantizationTrial, result: Scan) -> str:
    """Why nothing is shipped, or ""; formats that were not scanned are measured now, before any file is moved."""
    if result.chosen is None:
        return refusal(result, trial.options)
    first, *others = trial.options.targets
    for target in others:
        (metric_drop,) = trial.look(target, [result.chosen.float_heads])
        if broken := [one for one in metric_drop if not one.kept]:
            return f"{target}: {worded(broken)}; ship {first} alone (--to {first}). Nothing was shipped"
    return ""


def unlabeled(recipe: Recipe, limit: int | None) -> list[str]:
    """Tasks without a label on any image that is measured, `limit` of each validation source."""
    missing = {task.name for task in recipe.tasks}
    for source in recipe.validation:
        reader = Reader(source, list(recipe.tasks))
        for index in spread(len(reader), limit):
            if not missing:
                return []
            missing -= reader[index].labels.keys()
    return [task.name for task in recipe.tasks if task.name in missing]


def tune(run: Path, recipe: Recipe, folder: Path, steps: int, note: Note) -> Path:
    """Trains the run's network on with all convolutions rounded; returns the folder.

    Its teacher is the run itself: beside the labels, every task learns on every image from what the run predicts in
    float, so that few labels do not pull it elsewhere. The first step is an ordinary one, since `train` hands out the
    network only after it; so at least two steps are needed.
    """
    shutil.rmtree(folder, ignore_errors=True)
    optim = replace(recipe.optim, lr=FINE * recipe.optim.lr)
    itself = Teacher(str(run), when="always")
    tuned = replace(
        recipe,
        start=str(run),
        steps=steps,
        optim=optim,
        stages=(),
        teachers=(itself,),
        allow_leaks=True,
        ema=recipe.ema and min(recipe.ema, 1 - 1 / max(steps / 10, 1)),
        precision="fp32",
        evaluate_every=0,
    )
    for progress in train(tuned, folder):
        if progress.step == 1:
            fake_quantized(progress.run.model)
        note(f"fine-tuning, step {progress.step} of {steps}")
    return folder


def refusal(result: Scan, options: Options) -> str:
    """Which limits are broken even by the way to quantize that breaks the fewest, and what can be done."""
    gentle = min(result.tried, key=lambda tried: sum(not one.kept for one in tried.metric_drop))
    cure = "give more --qat steps" if options.steps else "fine-tune with --qat 300"
    broken = [one for one in gentle.metric_drop if not one.kept]
    if gentle.uncertainty:
        cure = f"{gentle.uncertainty}: give more (--limit 0), or {cure}"
    return (
        f"no INT8 network keeps the budget: {result.name(gentle.float_heads)} has {worded(broken)}; "
        f"{cure}, or allow more with --budget TASK.METRIC=LOSS. Nothing was shipped"
    )


def worded(broken: Sequence[MetricDrop]) -> str:
    """ "held-out semantic miou .61 instead of .63 (.02 lost, .005 allowed)"."""
    return "; ".join(
        f"{one.source} {one.limit.task} {one.limit.metric} {one.after:.4g} instead of {one.before:.4g} "
        f"({one.loss:.2g}{f' ± {one.spread:.1g}' if one.spread else ''} lost, {one.limit.allowed:g} allowed)"
        for one in broken
    )
