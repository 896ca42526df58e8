"""hydranet sweep"""

import os
import re
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hydranet.cli import terminal
from hydranet.cli.arguments import Allow, Device, RecipeName
from hydranet.cli.terminal import say
from hydranet.core.errors import UserError
from hydranet.io.run_log import LOG

if TYPE_CHECKING:
    from hydranet.evaluation.report import Report
    from hydranet.sweep.plan import Plan, Trial
    from hydranet.sweep.results import Results

SWEEP = "sweep"
"""Stem of the files that hold the table: sweep.json, sweep.csv, sweep.md."""
LOOK_S, TAIL = 1.0, 65_536
"""How often a terminal is brought up to date, and how many bytes of a log's end are read for it."""


def sweep(
    recipe: RecipeName,
    settings: Annotated[
        list[str] | None,
        typer.Argument(help="Overrides, with several values where they vary: balancer=uniform,upgrad seed=0..2"),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the runs; default runs/NAME-sweep")] = None,
    baseline: Annotated[
        str,
        typer.Option(
            help="What delta-m compares with: 'single' trains each task alone, too; or one combination, such as "
            "balancer=uniform or uniform; default: the first combination"
        ),
    ] = "",
    equal: Annotated[
        str,
        typer.Option(
            help="With --baseline single: 'images' = as many labeled images of each task; 'compute' = as many steps as "
            "all single-task networks together; or 'both'"
        ),
    ] = "images",
    jobs: Annotated[int, typer.Option(min=1, help="Runs at a time, each a process of its own")] = 1,
    ray: Annotated[bool, typer.Option("--ray", help="Spread the runs over a Ray cluster; --jobs limits them")] = False,
    device: Device = "cpu",
    allow: Allow = None,
) -> None:
    """Train a recipe with every combination of settings and seeds; show means, their spread, and delta-m.

    Runs are ordinary ones, below one folder. Those that are finished are kept and stopped ones go on, bit by bit as
    without the stop: give the same command once more, or one with more values.
    """
    from hydranet.checkpoint import resolve
    from hydranet.reporting import tables
    from hydranet.sweep.plan import plan
    from hydranet.sweep.table import notes

    chosen = resolve.recipe(recipe)
    planned = plan(chosen, settings or [], baseline=baseline, equal=equal)  # type: ignore[arg-type]
    folder = out or Path("runs") / f"{chosen.name}-sweep"
    how = Engine(recipe, device, jobs, ray)
    runs = run_plan(planned, folder, how)
    say(tables.sweep(runs.results))
    for line in notes(runs.results):
        say(line)
    say(f"the same as files: {folder / SWEEP}.md, .json, .csv   |   hydranet report {folder}")
    runs.raise_failures(len(planned.trials))


@dataclass(frozen=True)
class Engine:
    """Where runs are trained. recipe: as the user named it, so that processes know the classes of the user's file."""

    recipe: str
    device: str = "cpu"
    jobs: int = 1
    ray: bool = False


@dataclass
class Found:
    """What is finished: the reports by run, errors by run, and the table of them."""

    plan: "Plan"
    reports: "dict[str, Report]" = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)

    @property
    def results(self) -> "Results":
        """The table of what is finished so far."""
        from hydranet.sweep.results import results

        return results(self.plan, self.reports, self.failed)

    def save(self, folder: Path) -> None:
        """Writes the table."""
        from hydranet.io.atomic import write
        from hydranet.sweep.table import markdown

        results = self.results
        write(folder / f"{SWEEP}.md", markdown(results).encode())
        write(folder / f"{SWEEP}.csv", results.to_csv().encode())
        write(folder / f"{SWEEP}.json", results.to_json().encode())

    def raise_failures(self, runs: int) -> None:
        """Raises UserError where runs failed."""
        if self.failed:
            name, error = next(iter(self.failed.items()))
            raise UserError(f"{len(self.failed)} of {runs} runs failed, {name} for one: {error}")


def run_plan(planned: "Plan", folder: Path, how: Engine) -> Found:
    """Trains what is missing, and keeps the table on disk up to date. Raises Stopped after a signal."""
    from hydranet.evaluation.report import read_report

    for trial in planned.trials:
        _claim(trial, folder / trial.name)
    runs = Found(planned)
    for trial in planned.trials:
        if _finished(trial, folder / trial.name):
            runs.reports[trial.name] = read_report(folder / trial.name)
    missing = [trial for trial in planned.trials if trial.name not in runs.reports]
    kept = f", {len(runs.reports)} of them finished" if runs.reports else ""
    say(f"{len(planned.trials)} runs{kept} -> {folder}")
    stop: list[int] = terminal.stop_on_signal("stopping the runs; once more stops at once\n")
    began = time.monotonic()
    with _progress(missing, len(planned.trials), folder) as done:
        for ended in _engine(missing, folder, how, stop):
            if ended is None:
                continue
            name, error = ended
            if error:
                runs.failed[name] = error
            else:
                runs.reports[name] = read_report(folder / name)
            runs.save(folder)
            done(name, error or _headlines(runs.reports[name]), time.monotonic() - began)
    runs.save(folder)
    if stop:
        complete = f"{len(runs.reports)} of {len(planned.trials)} runs are finished"
        raise terminal.Stopped(f"stopped; {complete}, the others go on with the same command")
    return runs


def _engine(missing: "list[Trial]", folder: Path, how: Engine, stop: list[int]) -> Iterator[tuple[str, str] | None]:
    from hydranet.sweep import engine

    if not how.ray and how.jobs == 1:
        by_name = {trial.name: trial for trial in missing}
        return engine.here(
            list(by_name), lambda name: _train_here(by_name[name], folder / name, how.device, stop), stop
        )
    commands = [
        engine.Command(
            trial.name,
            (folder / trial.name).resolve(),
            [
                sys.executable,
                "-m",
                "hydranet.cli.sweep_run",
                how.recipe,
                str((folder / trial.name).resolve()),
                how.device,
            ],
        )
        for trial in missing
    ]
    if how.ray:
        return engine.on_ray(commands, how.jobs, 0.0 if how.device == "cpu" else 1.0, stop)
    return engine.processes(commands, how.jobs, stop)


def _train_here(trial: "Trial", run: Path, device: str, stop: list[int]) -> str:
    """Why a run failed, or nothing. What it says goes into a file."""
    from hydranet.cli.sweep_run import train_below
    from hydranet.sweep.engine import OUTPUT

    try:
        with (run / OUTPUT).open("a") as output, redirect_stdout(output):
            train_below(trial.recipe, run, device, stop)
    except terminal.Stopped:
        return ""
    except UserError as error:
        return str(error)
    except OSError as error:
        return f"cannot write {error.filename or run / OUTPUT}: {error.strerror}; make room, then give the same command"
    return ""


def _claim(trial: "Trial", run: Path) -> None:
    """Writes what a run is into its folder. Raises CheckpointError where that holds a run of another recipe."""
    from hydranet.checkpoint.checkpoint import RECIPE, load_recipe
    from hydranet.io.atomic import CheckpointError, write
    from hydranet.training.run import RESUMABLE

    stored = run / RECIPE
    if not stored.is_file():
        write(stored, trial.recipe.to_json().encode())
        return
    differs = [line for line in load_recipe(stored).difference(trial.recipe) if not line.startswith(RESUMABLE[:3])]
    if differs:
        raise CheckpointError(f"{run} holds another recipe ({'; '.join(differs[:3])}); choose another --out")


def _finished(trial: "Trial", run: Path) -> bool:
    """Whether the evaluation after the last step is there."""
    from hydranet.io.run_log import read

    if not (run / "report.json").is_file() or not (run / LOG).is_file():
        return False
    return any(line["step"] == trial.recipe.steps and "scores" in line for line in read(run))


def _headlines(report: "Report") -> str:
    from hydranet.reporting.tables import score

    return "  ".join(
        f"{task} {(metric := report.headlines[task][0])} {score(report, task, metric, metrics[metric])}"
        for tasks in report.scores.values()
        for task, metrics in tasks.items()
    )


@contextmanager
def _progress(missing: "list[Trial]", total: int, folder: Path) -> Iterator[Callable[[str, str, float], None]]:
    """Shows how far the runs are; gives the function that says that one has ended: (name, what it scored, seconds)."""
    steps = {trial.name: trial.recipe.steps for trial in missing}
    ended = total - len(missing)
    with terminal.bar() as bar:
        job = bar.add_task("runs", total=total, completed=ended, note="")
        shut = threading.Event()

        def look() -> None:
            while not shut.wait(LOOK_S):
                at = {name: _last_step(folder / name) for name in steps}
                running = [f"{name} {step}/{steps[name]}" for name, step in at.items() if 0 < step < steps[name]]
                bar.update(job, completed=ended, note="  ".join(running[:3]))

        def done(name: str, scored: str, seconds: float) -> None:
            nonlocal ended
            ended += 1
            bar.update(job, completed=ended)
            bar.console.print(f"{ended}/{total} {name}: {scored} ({seconds:.0f} s since the start)", markup=False)

        watcher = threading.Thread(target=look, daemon=True)
        if not bar.disable:
            watcher.start()
        try:
            yield done
        finally:
            shut.set()
            if watcher.is_alive():
                watcher.join()


def _last_step(run: Path) -> int:
    """The last step in a run's log, read from its end; 0 where there is none."""
    try:
        with (run / LOG).open("rb") as log:
            log.seek(max(os.fstat(log.fileno()).st_size - TAIL, 0))
            numbers = re.findall(rb'^{"step": (\d+)', log.read(), re.MULTILINE)
    except OSError:
        return 0
    return int(numbers[-1]) if numbers else 0
