"""hydranet label"""

import shutil
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hydranet.cli import terminal
from hydranet.cli.arguments import Allow, Device, Trust
from hydranet.cli.terminal import say
from hydranet.core.checks.names import listed_names

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from hydranet.core.dataset import Dataset
    from hydranet.distillation.pseudo_labels import Progress
    from hydranet.distillation.teacher_model import TeacherModel
    from hydranet.io.pseudo_label_index import Index

LOOK_S = 2.0


def label(
    run: Annotated[
        Path, typer.Argument(help="The teacher: a run folder, model.safetensors, exported file or FILE.py:FUNCTION")
    ],
    source: Annotated[str, typer.Argument(help="A folder of images or, with --recipe, one of its sources")],
    out: Annotated[Path, typer.Option(help="Folder for the pseudo-labels")],
    recipe: Annotated[str, typer.Option(help="The recipe that SOURCE belongs to: a name, file.py, recipe.json")] = "",
    heads: Annotated[str, typer.Option(help="Only these tasks, separated by commas")] = "",
    confidence: Annotated[
        str,
        typer.Option(
            help="Least confidence by task, such as semantic=0.8,depth=0.9; 0 = all answers; default: the teacher's own"
        ),
    ] = "",
    size: Annotated[str, typer.Option(help="What the teacher sees, HEIGHTxWIDTH; default: the source's")] = "",
    device: Device = "cpu",
    allow: Allow = None,
    trust: Trust = False,
    fingerprints: Annotated[
        bool,
        typer.Option(
            "--fingerprints",
            help="Read the teacher's training images now, so that leaks are noticed where these are not at hand, too",
        ),
    ] = False,
    focal_px: Annotated[
        float | None, typer.Option(min=1e-3, help="Focal length in pixels of the images, where they do not say theirs")
    ] = None,
    jobs: Annotated[int, typer.Option(min=1, max=256, help="Processes that share the images")] = 1,
    ray: Annotated[bool, typer.Option("--ray", help="The processes run on a Ray cluster, --jobs of them")] = False,
    part: Annotated[str, typer.Option(hidden=True)] = "",
) -> None:
    """Let a trained network label images; data sets read the labels with datasets.pseudo.Pseudo.

    Run again, it goes on where it stopped, with any --jobs. Pseudo-labels are no ground truth: reports that use them
    say so.
    """
    from dataclasses import replace

    from hydranet.core.spec import SpecError
    from hydranet.distillation.function_teacher import function_teacher, is_function
    from hydranet.distillation.leakage import kept_images, recipe_of, trained_on
    from hydranet.distillation.pseudo_labels import label as run_labeling
    from hydranet.distillation.pseudo_labels import started
    from hydranet.distillation.shared_labeling import ALL, Share
    from hydranet.distillation.teacher_model import teacher_model
    from hydranet.io.pseudo_label_index import Index
    from hydranet.models.device import available_device

    names = list(listed_names(heads, "--heads"))
    options = {"--recipe": recipe, "--heads": heads, "--confidence": confidence, "--size": size}
    options |= {"--device": device, "--focal-px": "" if focal_px is None else str(focal_px)}
    words = [word for option, value in options.items() if value for word in (option, value)]
    words += [word for module in allow or () for word in ("--allow", module)] + ["--trust"] * trust
    places = [_absolute(str(run)), source if recipe else _absolute(source), "--out", str(out.resolve())]
    command = [sys.executable, "-m", "hydranet", "label", *places, *words]
    how = Spread(command, jobs, ray, device) if (jobs > 1 or ray) and not part else None
    share = Share.parsed(part)
    if is_function(str(run)):
        others = (("--size", size), ("--focal-px", focal_px), ("--fingerprints", fingerprints))
        for option, given in (*others, ("--device", device != "cpu")):
            if given:
                raise SpecError(f"got {option} for a function, which sees whole images and nothing else; leave it out")
        function, dataset = function_teacher(str(run)), _dataset(source, recipe)[0]
        made = function.made(dataset[0], names, parsed(confidence))
        index = Index(function.name, function.digest, made)
        if share == ALL:
            say("leakage check: a function does not know its network's training images; the cache says so")
        if how:
            _spread(how, index, out, dataset)
        else:
            _show(run_labeling(function, dataset, index, out, share=share), out, list(index.labels), dataset)
        return
    teacher = teacher_model(str(run), available_device(device))
    dataset, shape, focal = _images(source, recipe, size, teacher)
    title = (run.parent if run.is_file() else run).resolve().name
    index = started(teacher, title, run, shape, tasks=names, confidence=parsed(confidence))
    index = replace(index, recipe=recipe_of(teacher))
    if share != ALL:
        pass  # the process that started this one has looked
    elif fingerprints or kept_images(teacher):
        with terminal.bar() as bar:
            show = terminal.counted(bar, "fingerprints of the teacher's images (kept for the next time)")
            known = trained_on(teacher, say, show)
        index = replace(index, trained_on=known)
    else:
        say("leakage check: the teacher's training images are read when a student is validated, or with --fingerprints")
    if how:
        _spread(how, index, out, dataset)
        return
    focal = focal if focal_px is None else focal_px
    _show(run_labeling(teacher, dataset, index, out, focal_px=focal, share=share), out, list(index.labels), dataset)


def _absolute(word: str) -> str:
    """A path, or FILE.py:FUNCTION, as it is called from any folder; other words as they are."""
    path, colon, name = word.rpartition(":")
    if Path(word).exists() or not colon:
        return str(Path(word).resolve()) if Path(word).exists() else word
    return f"{Path(path).resolve()}:{name}" if Path(path).exists() else word


@dataclass(frozen=True)
class Spread:
    """The command of one process, without its part; how many there are, and whether Ray runs them."""

    command: list[str]
    jobs: int
    ray: bool
    device: str


def _spread(how: Spread, index: "Index", out: Path, dataset: "Dataset") -> None:
    """Lets several processes label, each its share of the images, and makes one index of theirs."""
    from hydranet.core.sample import DataError
    from hydranet.distillation.pseudo_labels import prepare
    from hydranet.distillation.shared_labeling import PARTS, Share, count_labeled, merge
    from hydranet.sweep import engine

    prepare(out, index)
    before, failed = len(merge(out, index).images), []
    shares = [Share(number, how.jobs) for number in range(how.jobs)]
    commands = [
        engine.Command(f"{one.number}", one.folder(out).resolve(), [*how.command, "--part", f"{one.number}/{one.of}"])
        for one in shares
    ]
    for command in commands:
        command.folder.mkdir(parents=True, exist_ok=True)
        (command.folder / engine.OUTPUT).unlink(missing_ok=True)
    stop = terminal.stop_on_signal("stopping after these images; once more stops at once\n")
    runs = (
        engine.on_ray(commands, how.jobs, 0.0 if how.device == "cpu" else 1.0, stop)
        if how.ray
        else engine.processes(commands, how.jobs, stop)
    )
    with terminal.bar() as bar:
        job, looked = bar.add_task("labeling", total=None, note=""), 0.0
        for ended in runs:
            if ended and ended[1]:
                failed.append(ended[1])
            if time.monotonic() - looked > LOOK_S:
                looked = time.monotonic()
                bar.update(job, completed=count_labeled(out), note=f"images, by {how.jobs} processes")
    labeled = len(merge(out, index).images) - before
    if stop:
        raise terminal.Stopped(f"stopped after {labeled} images; give the command again to go on")
    say(f"{labeled} images labeled, {before} were there -> {out} ({', '.join(index.labels)})")
    _say_left_out(dataset, out)
    if not failed:
        shutil.rmtree(out / PARTS, ignore_errors=True)  # what they printed says nothing new
    else:
        raise DataError(f"{failed[0]}{f' (and {len(failed) - 1} more processes)' if len(failed) > 1 else ''}")


def _say_left_out(dataset: "Dataset", out: Path, broken: "Sequence[str]" = ()) -> None:
    """Says what the data set leaves out, and writes it beside the labels as predict does, with what could not be
    labeled: OUT/ledger.json.

    broken: why images have no label, a sentence each.
    """
    from hydranet.deploy.writer import save_ledger

    ledger = dataset.ledger()
    save_ledger(out, ledger, broken)
    for line in ledger.sentences():
        say(line)


def _show(steps: "Iterator[Progress]", out: Path, labels: list[str], dataset: "Dataset") -> None:
    """Shows the progress of labeling and what is left out; raises an error for broken images."""
    from hydranet.core.sample import DataError

    stop = terminal.stop_on_signal()
    with terminal.bar() as bar:
        job = bar.add_task("labeling", total=None, note="")
        for progress in steps:
            bar.update(job, completed=progress.done, total=progress.total, note="")
            if stop and progress.done < progress.total:
                raise terminal.Stopped(f"stopped after {progress.done} images; give the command again to go on")
    say(f"{progress.labeled} images labeled, {progress.skipped} were there -> {out} ({', '.join(labels)})")
    _say_left_out(dataset, out, progress.broken)
    if progress.broken:
        others = f" (and {len(progress.broken) - 1} more)" if len(progress.broken) > 1 else ""
        raise DataError(f"{progress.broken[0]}{others}")


def parsed(text: str) -> dict[str, float]:
    """ "semantic=0.8,depth=0.9" as numbers by task. Raises SpecError for other text."""
    from hydranet.core.spec import SpecError

    confidences = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, _, value = part.partition("=")
        if name.strip() in confidences:
            raise SpecError(f"got confidence {part!r} for a task that has one, expected each task once; leave one out")
        try:
            confidences[name.strip()] = float(value)
        except ValueError as error:
            raise SpecError(f"got confidence {part!r}, expected TASK=NUMBER such as semantic=0.8") from error
    return confidences


def _images(
    source: str, recipe: str, size: str, teacher: "TeacherModel"
) -> "tuple[Dataset, tuple[int, int], float | None]":
    """The data set that SOURCE means, the size at which the teacher looks at it, and the source's focal length."""
    from hydranet.core.spec import SpecError
    from hydranet.deploy.graph_arrays import nearest_size
    from hydranet.distillation.teacher_model import File, Network
    from hydranet.inference.predictor import parse_size

    dataset, usual, focal = _dataset(source, recipe)
    shape = parse_size(size) or usual
    if shape is None and isinstance(teacher, Network):
        shape = nearest_size(teacher.recipe.sizes, dataset[0].size)
    if shape is None and isinstance(teacher, File):
        shape = teacher.manifest.input.size
    if shape is None:
        raise SpecError("the teacher takes any size and the images name none; say which with --size HEIGHTxWIDTH")
    return dataset, shape, focal


def _dataset(source: str, recipe: str) -> "tuple[Dataset, tuple[int, int] | None, float | None]":
    """The data set that SOURCE means; of a recipe's source also its size and focal length."""
    from hydranet.checkpoint import resolve
    from hydranet.core.spec import SpecError, unknown
    from hydranet.datasets.folder import Folder

    if not recipe:
        return Folder(source), None, None
    whole = resolve.recipe(recipe)
    sources = {one.name: one for one in (*whole.validation, *whole.data)}
    if source not in sources:
        raise SpecError(unknown(source, sources, f"source of recipe {recipe!r}"))
    return sources[source].dataset, sources[source].size, sources[source].focal_px
