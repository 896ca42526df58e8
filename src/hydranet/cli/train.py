"""hydranet train"""

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hydranet.cli import terminal
from hydranet.cli.arguments import Allow, Device, RecipeName, Settings, Trust
from hydranet.cli.terminal import say

if TYPE_CHECKING:
    from collections.abc import Callable

    from hydranet.cli.progress_bar import ProgressBar
    from hydranet.config.recipe import Recipe
    from hydranet.evaluation.report import Report
    from hydranet.training.log import RunLog
    from hydranet.training.train import Progress

EARLY = 50
"""The step after which a task without a counted element is said."""


def train(
    recipe: RecipeName,
    settings: Settings = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the run; default runs/NAME")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on where the run in --out stopped")] = False,
    start: Annotated[
        Path | None,
        typer.Option(help="A run, model file or state_dict whose weights to begin with, as far as they fit"),
    ] = None,
    packed: Annotated[
        Path | None, typer.Option(help="Read the sources from a pack that `hydranet data pack` made", metavar="FOLDER")
    ] = None,
    device: Device = "cpu",
    allow: Allow = None,
    trust: Trust = False,
) -> None:
    """Train a recipe. Ctrl-C stops after the current step; --resume goes on exactly there."""
    from hydranet.checkpoint import resolve
    from hydranet.data.packed_recipe import packed as reading_packs
    from hydranet.models.device import available_device

    chosen = resolve.recipe(recipe).changed(settings or [])
    chosen = replace(chosen, start=str(start)) if start else chosen
    chosen = reading_packs(chosen, packed) if packed else chosen
    folder = out or Path("runs") / chosen.name
    begun = [*([f"--start {start}"] if start else []), *([f"--packed {packed}"] if packed else [])]
    if resume:
        _check_resumable(chosen, folder)
    again = " ".join(["hydranet train", recipe, *(settings or []), *begun, f"--out {folder} --resume"])
    run_training_loop(chosen, folder, device=available_device(device), resume=resume, again=again)
    _keep_source(recipe, folder)
    say(f"done: hydranet predict {folder} IMAGES   |   hydranet evaluate {folder} --gallery {folder}/gallery.html")


def _keep_source(recipe: str, folder: Path) -> None:
    """Puts a copy of the recipe's own file into the run, to read; nothing runs it unless --allow names it."""
    from hydranet.checkpoint.checkpoint import SOURCE
    from hydranet.io.atomic import write

    path = Path(recipe.partition(":")[0])
    if path.suffix == ".py":
        write(folder / SOURCE, path.read_bytes())


def _check_resumable(chosen: "Recipe", folder: Path) -> None:
    """Raises CheckpointError, naming the command that goes on, where the folder is a run of another recipe.

    `training.run.Run.restore` makes sure of it; here the error names the options of the command line.
    """
    from hydranet.checkpoint.checkpoint import RECIPE, load_recipe
    from hydranet.io.atomic import CheckpointError
    from hydranet.training.run import RESUMABLE

    stored = folder / RECIPE
    differs = load_recipe(stored).difference(chosen) if stored.is_file() else []
    differs = [line for line in differs if not line.startswith(RESUMABLE)]
    if differs:
        raise CheckpointError(
            f"{folder} is a run of another recipe ({'; '.join(differs[:4])}); repeat the overrides that it was started "
            f"with, or go on with: hydranet train {stored} --resume --out {folder}"
        )


def run_training_loop(
    chosen: "Recipe",
    folder: Path,
    *,
    device: str,
    resume: bool,
    again: str,
    stop: list[int] | None = None,
    each: "Callable[[Progress], None] | None" = None,
) -> None:
    """Trains and evaluates a recipe into a folder, and shows how far it is; `again` is the command to go on with.

    stop: a list that the caller's handler of signals fills; default: signals are handled here.
    each: called after every step, on the first process.
    """
    from hydranet.checkpoint import checkpoint
    from hydranet.distillation import leakage
    from hydranet.reporting import tables
    from hydranet.training.log import RunLog
    from hydranet.training.train import train as run_training

    stop = terminal.stop_on_signal(run=folder) if stop is None else stop
    early = False
    steps = run_training(chosen, folder, device=device, resume=resume)
    say(f"{chosen.name}: {', '.join(t.name for t in chosen.tasks)}; {chosen.steps} steps of {chosen.batch} -> {folder}")
    if os.environ.get("RANK", "0") == "0" and not resume:
        _compare(chosen)
    with terminal.bar() as bar, RunLog(folder) as log:
        if resume and os.environ.get("RANK", "0") == "0" and (folder / checkpoint.STATE).is_file():
            step = _catch_up(chosen, folder, device, bar, log)
            if _is_done_early(chosen, folder, step):
                return
        job = bar.add_task("training", total=chosen.steps, note="", lines=False)
        for progress in steps:
            if chosen.patience and progress.run.processes.any(early):
                return  # several processes: the first one found out at the step before
            ending = progress.run.processes.any(bool(stop))  # a signal reaches the processes at different steps
            if progress.run.processes.rank:  # the first process speaks for all
                if ending:
                    if progress.step < progress.steps:
                        progress.run.processes.wait()  # ending earlier would end the first one, too, while it saves
                    raise terminal.Stopped(f"stopped after step {progress.step}")
                continue
            if progress.step == 1:
                for finding in leakage.read(folder):
                    say(finding.sentence())
            log.step(progress)
            if each:
                each(progress)
            _introduce(progress)
            _omissions(progress)
            bar.update(job, completed=progress.step, note=tables.losses(progress))
            if bar.disable and progress.step % max(chosen.steps // 20, 1) == 0:
                say(f"step {progress.step}/{chosen.steps}  {tables.losses(progress)}")
            last = progress.step == chosen.steps
            stage = progress.run.staging.ended(progress.step)
            due = last or stage or (chosen.evaluate_every and progress.step % chosen.evaluate_every == 0)
            if due and chosen.validation and not stop:
                report = terminal.evaluated(bar, progress.run.evaluated(), chosen, folder, stop=stop)
                if report:
                    report.save((folder / "stages" / stage if stage else folder) / "report")
                    if chosen.keep_best:
                        _keep_best(chosen, folder, report, progress.step, progress.run.save_model)
                    log.report(progress.step, report)  # after the file: what is logged is there
                    say(tables.scores(report))
                    for line in report.ledger.sentences():
                        say(line)
                    early = _is_done_early(chosen, folder, progress.step)
            if early and not last:
                progress.run.save(folder)
                if progress.run.processes.world == 1:
                    return
            if ending or (stop and (last or progress.run.processes.world == 1)):  # it may come while evaluating
                _stopped(progress, again, folder)


def _compare(chosen: "Recipe") -> None:
    """Reads the images that training compares with those of the validation, and shows how far it is."""
    from contextlib import suppress

    from hydranet.core.sample import DataError
    from hydranet.core.spec import SpecError
    from hydranet.data.overlap import leaks
    from hydranet.distillation import leakage

    if leakage.due(chosen):
        say("leakage check: every image of teachers, training and validation is read once, and known the next time")
    with terminal.bar() as bar, suppress(DataError, SpecError):  # training says what is wrong
        show = terminal.counted(bar, "comparing training and validation images (kept for the next time)")
        leakage.check(chosen, show)  # what is read here is in the cache when training begins
        leaks(chosen, show)


def _keep_best(chosen: "Recipe", folder: Path, report: "Report", step: int, save: "Callable[[Path], None]") -> None:
    from hydranet.config.best_metric import parsed
    from hydranet.training import best

    if best.keep(folder, parsed(chosen.keep_best), report, step, save):
        say(f"the best so far by {chosen.keep_best}: {folder / best.FOLDER} (step {step})")


def _is_done_early(chosen: "Recipe", folder: Path, step: int) -> bool:
    """Whether the run ends here for want of patience; says so."""
    from hydranet.config.best_metric import parsed
    from hydranet.training import best

    headlines = {task.name: task.headline for task in chosen.tasks}
    if not chosen.patience or not best.exhausted(folder, parsed(chosen.keep_best), headlines, step, chosen.patience):
        return False
    say(f"ended at step {step}: {chosen.patience} evaluations without a better {chosen.keep_best}")
    return True


def _catch_up(chosen: "Recipe", folder: Path, device: str, bar: "ProgressBar", log: "RunLog") -> int:
    """The evaluation that was due at the saved step, where a stop came between the save and its report; the step."""
    from functools import partial

    from hydranet.checkpoint.checkpoint import load_model, save_model
    from hydranet.io.lock import locked
    from hydranet.reporting import tables
    from hydranet.training.mend import mend, stage_ended

    with locked(folder):
        step = mend(folder)
        stage = stage_ended(chosen.stages, step)
        place = folder / "stages" / stage if stage else folder
        keeps = bool(stage) or step == chosen.steps
        due = keeps or (chosen.evaluate_every and step % chosen.evaluate_every == 0)
        there = log.has_report(step) and (not keeps or (place / "report.json").is_file())
        if not due or not chosen.validation or there:
            return step
        model = load_model(place)[0].to(device)
        report = terminal.evaluated(bar, model, chosen, folder)
        assert report  # nothing stops this evaluation
        report.save(place / "report")
        if chosen.keep_best:
            _keep_best(chosen, folder, report, step, partial(save_model, model=model, recipe=chosen))
        if not log.has_report(step):
            log.report(step, report)
        say(tables.scores(report))
        return step


def _introduce(progress: "Progress") -> None:
    """Says, after the first step, what the network began with, and after the first step of a stage, what learns."""
    from hydranet.data.cameras import warnings

    run = progress.run
    if progress.step == 1:
        for line in [*run.first_look.lines(), *warnings(run.recipe, run.focal_px)]:
            say(line)
    if run.started and progress.step == 1:
        for line in run.started.lines():
            say(line)
    if run.staging.named and progress.step == run.staging.first + 1:
        say(run.staging.describe())


def _omissions(progress: "Progress") -> None:
    """Says after the first steps which tasks have not learned yet, and at the end all that was not used."""
    from hydranet.core.ledger import Omission

    entries = progress.run.omissions().ranked()
    if progress.step == min(EARLY, progress.steps // 2):
        learning = progress.run.staging.tasks
        entries = [one for one in entries if one.what is Omission.TASK_NOT_LEARNED and one.where in learning]
    elif progress.step < progress.steps:
        entries = []
    for entry in entries:
        say(entry.sentence())


def _stopped(progress: "Progress", again: str, folder: Path) -> None:
    """Saves a run and ends the program with an error that says how to go on."""
    if progress.step < progress.steps:
        progress.run.save(folder)
        progress.run.processes.wait()
    else:
        raise terminal.Stopped(f"stopped after the last step; for the scores: hydranet evaluate {folder}")
    raise terminal.Stopped(f"stopped after step {progress.step}; go on with: {again}")
