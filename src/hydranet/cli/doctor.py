"""hydranet doctor: is this worth training?"""

import tempfile
from pathlib import Path
from typing import Annotated

import typer

from hydranet.cli import terminal
from hydranet.cli.arguments import Allow, Device, MaxPixels, RecipeName, Settings
from hydranet.cli.terminal import say


def doctor(
    recipe: RecipeName,
    settings: Settings = None,
    out: Annotated[Path, typer.Option(help="Folder for the page and the images")] = Path("runs/doctor"),
    limit: Annotated[int, typer.Option(min=0, help="Samples of each source, evenly spread; 0 = all")] = 0,
    steps: Annotated[bool, typer.Option("--steps/--no-steps", help="Also train the first twenty steps")] = True,
    device: Device = "cpu",
    allow: Allow = None,
    max_pixels: MaxPixels = None,
) -> None:
    """Look at data and at the first steps of a recipe: what is wrong, the worst first, each with the cure.

    Exit code 1 where training would be pointless.
    """
    from hydranet.checkpoint import resolve
    from hydranet.data.examine import Examination
    from hydranet.data.finding import Severity, ranked
    from hydranet.models.device import available_device
    from hydranet.reporting.doctor_page import write_page
    from hydranet.training.first_steps import WATCHED, FirstSteps, first_steps, judged

    chosen = resolve.recipe(recipe).changed(settings or [])
    examination = Examination(chosen)
    with terminal.bar() as bar:
        job = bar.add_task("reading", total=None, note="")
        for progress in examination.run(out, limit or None):
            bar.update(job, completed=progress.done, total=progress.total, note=progress.source)
        findings = list(examination.findings)
        watched = None
        if steps and not any(one.severity is Severity.POINTLESS for one in findings):
            watched = FirstSteps()
            job = bar.add_task("training", total=min(WATCHED, chosen.steps), note="first steps")
            with tempfile.TemporaryDirectory() as folder:
                for step in first_steps(chosen, Path(folder) / "run", watched, available_device(device)):
                    bar.update(job, completed=step)
            findings += judged(chosen, watched)
    findings = ranked(findings)
    page = out / "doctor.html"
    write_page(page, f"hydranet doctor {recipe}", findings, examination.reports, watched)
    for one in findings:
        say(one.sentence())
    pointless = any(one.severity is Severity.POINTLESS for one in findings)
    counted = f"{len(findings)} finding{'s' if len(findings) != 1 else ''}" if findings else "nothing to complain about"
    read = sum(report.read for report in examination.reports.values())
    untried = "; the first steps were not tried" if watched is None else ""
    say(f"{counted} in {read} samples{untried} -> {page}")
    if pointless:
        raise typer.Exit(1)
