"""hydranet bench"""

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hydranet.cli import terminal
from hydranet.cli.arguments import Allow, Trust
from hydranet.cli.terminal import say
from hydranet.core.checks.names import listed_names

if TYPE_CHECKING:
    import numpy as np

    from hydranet.bench.compare import Pace
    from hydranet.bench.files import Candidate
    from hydranet.bench.result import Result
    from hydranet.bench.row import Row


def bench(
    runs: Annotated[
        list[str], typer.Argument(help="Runs, released names, recipes (random weights); the first is compared")
    ],
    heads: Annotated[str, typer.Option(help="Only these tasks of the first network, separated by commas")] = "",
    size: Annotated[str, typer.Option(help="What networks see, as 192x640; default: the first's validation size")] = "",
    frame: Annotated[str, typer.Option(help="Size of the camera's frames; default: as the recipe's data is")] = "",
    threads: Annotated[int, typer.Option(min=1, help="Threads of every runtime")] = 2,
    runtimes: Annotated[str, typer.Option(help="Of eager, channels-last, compiled, torchscript, onnx, openvino")] = (
        "eager,channels-last,compiled,torchscript,onnx,openvino"
    ),
    precision: Annotated[str, typer.Option(help="Of fp32, bf16, int8, int8-bf16; several by commas")] = "fp32",
    rounds: Annotated[int, typer.Option(min=1, help="Turns of every variant")] = 10,
    frames: Annotated[int, typer.Option(min=1, help="Frames that are measured per turn")] = 5,
    separate: Annotated[bool, typer.Option("--separate", help="Also each head of the first as a network")] = False,
    threshold: Annotated[float | None, typer.Option(help="Least score of a box; default: the task's")] = None,
    budget_ms: Annotated[
        float | None,
        typer.Option(
            help="A whole frame may take so long (median); exit code 1 where no variant of the first is within"
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder of files and results; default runs/NAME-bench")] = None,
    allow: Allow = None,
    trust: Trust = False,
) -> None:
    """Measure whole frames, uint8 pixels to boxes, ids and meters, in every runtime, side by side.

    Every variant has a process of its own, and they take turns: compare the ratios of one run, not the milliseconds of
    two days. Writes bench.json and bench.md. See docs/speed.md.
    """
    from hydranet.bench import files, plan
    from hydranet.bench.budget import Budget
    from hydranet.bench.compare import Pace
    from hydranet.inference.predictor import parse_size

    formats, precisions = list(listed_names(runtimes, "--runtimes")), list(listed_names(precision, "--precision"))
    pairs, notes = plan.chosen(formats, precisions)
    asked = tuple((one, other) for one in formats for other in precisions)
    budget = None if budget_ms is None else Budget(budget_ms, asked)
    first, *others = (_candidate(run) for run in runs)
    if heads:
        first = files.single_head(first, list(listed_names(heads, "--heads")), first.name)
    shape = parse_size(size) or (first.recipe.validation or first.recipe.data)[0].size
    networks = files.sets(first, separate) | {one.name: [one] for one in others}
    images, where = files.images(first, parse_size(frame, 1))
    folder = out or Path("runs") / f"{first.name}-bench"
    folder.mkdir(parents=True, exist_ok=True)
    notes += files.notes([first, *others], pairs)
    pace = Pace(rounds, frames, threads, threshold)
    result = replace(_compare(networks, pairs, shape, folder, (images, where), pace, notes), budget=budget)
    _publish(result, folder)
    if budget is not None:
        budget.check(result.rows, first.name)


def _compare(
    networks: "dict[str, list[Candidate]]",
    pairs: list[tuple[str, str]],
    size: tuple[int, int],
    folder: Path,
    source: "tuple[list[np.ndarray], str]",
    pace: "Pace",
    notes: list[str],
) -> "Result":
    """Measures; `source` is images and where they come from."""
    from hydranet.bench import plan
    from hydranet.bench.compare import load
    from hydranet.bench.result import Result, busy
    from hydranet.models.profile import costs

    images, where = source
    before = load()  # before this program keeps the processor busy
    spent = costs({n: [m.network() for m in members] for n, members in networks.items()}, size, rounds=1)
    rows = _measure(networks, pairs, size, folder, images, pace, notes)
    after = load()
    notes += busy(before, after, pace.threads)
    frame = "x".join(map(str, images[0].shape[:2]))
    boxes = {row.network: row.opened.boxes for row in rows}
    return Result(
        {"processor": plan.processor()[0], "threads": pace.threads, "load_before": before, "load_after": after},
        {"size": size, "frame": frame, "images": where, "boxes": boxes, **asdict(pace)},
        spent,
        rows,
        notes,
    )


def _publish(result: "Result", folder: Path) -> None:
    """Shows and keeps it."""
    from hydranet.bench import table
    from hydranet.bench.result import markdown
    from hydranet.io.atomic import write

    say(table.times(result))
    say(table.costs(result))
    for line in (*result.readings(), *(f"note: {note}" for note in result.notes)):
        say(line)
    write(folder / "bench.json", json.dumps(result.tree(), indent=2).encode())
    write(folder / "bench.md", markdown(result).encode())
    say(f"the same as Markdown and JSON: {folder / 'bench.md'}, bench.json")


def _candidate(run: str) -> "Candidate":
    """A run with its weights, or a recipe with fresh ones."""
    from hydranet.bench.files import Candidate
    from hydranet.checkpoint import resolve
    from hydranet.checkpoint.checkpoint import MODEL, digest, load_model
    from hydranet.checkpoint.released.names import is_released, located, results_of

    path = located(run)
    if path.suffix == ".safetensors" or (path / MODEL).is_file():
        model, recipe = load_model(path)
        place = path if path.is_dir() else path.parent
        int8 = results_of(Path(run), "int8") if is_released(run) else place / "int8"
        return Candidate(place.resolve().name, model, recipe, int8, digest(path))
    recipe = resolve.recipe(run)
    return Candidate(recipe.name, None, recipe)


def _measure(
    networks: "dict[str, list[Candidate]]",
    pairs: list[tuple[str, str]],
    size: tuple[int, int],
    folder: Path,
    images: "list[np.ndarray]",
    pace: "Pace",
    notes: list[str],
) -> "list[Row]":
    """Writes the files, then measures in rounds, with a progress bar; variants that do not run go to `notes`."""
    from hydranet.bench.compare import measured
    from hydranet.bench.files import prepare, unchecked
    from hydranet.bench.runner import frames_file

    with terminal.bar() as bar:
        job = bar.add_task("writing files", total=None, note="")
        variants = []
        for variant in prepare(networks, pairs, size, folder, images):
            if isinstance(variant, str):
                notes.append(variant)
                continue
            bar.update(job, note=variant.name)
            variants.append(variant)
        notes += unchecked(variants)
        bar.update(job, description="measuring", total=len(variants) + pace.rounds, completed=0)
        stored = frames_file(folder / "frames.npz", images)
        for event in measured(variants, stored, pace):
            if isinstance(event, list):
                return event
            if isinstance(event, str):
                bar.update(job, advance=1, note=event)
            else:
                notes.append(f"left out: {event}")
    return []
