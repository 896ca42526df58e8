"""hydranet label"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hydranet.cli import terminal
from hydranet.cli.arguments import Allow, Device, Trust
from hydranet.cli.terminal import say

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hydranet.core.dataset import Dataset
    from hydranet.distillation.pseudo_labels import Progress
    from hydranet.distillation.teacher_model import TeacherModel


def label(
    run: Annotated[
        Path, typer.Argument(help="The teacher: a run folder, model.safetensors, exported file or FILE.py:FUNCTION")
    ],
    source: Annotated[str, typer.Argument(help="A folder of images or, with --recipe, one of its sources")],
    out: Annotated[Path, typer.Option(help="Folder for the pseudo-labels")],
    recipe: Annotated[str, typer.Option(help="The recipe that SOURCE belongs to: a name, file.py, recipe.json")] = "",
    heads: Annotated[str, typer.Option(help="Only these tasks, separated by commas")] = "",
    confidence: Annotated[str, typer.Option(help="Least confidence by task, such as semantic=0.8,depth=0.9")] = "",
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
) -> None:
    """Let a trained network label images; data sets read the labels with datasets.pseudo.Pseudo.

    Run again, it goes on where it stopped. Pseudo-labels are no ground truth: reports that use them say so.
    """
    from dataclasses import replace

    from hydranet.core.spec import SpecError
    from hydranet.distillation.function_teacher import is_function
    from hydranet.distillation.leakage import kept_images, recipe_of, trained_on
    from hydranet.distillation.pseudo_labels import label as run_labeling
    from hydranet.distillation.pseudo_labels import started
    from hydranet.distillation.teacher_model import teacher_model
    from hydranet.models.device import available_device

    names = [name.strip() for name in heads.split(",") if name.strip()]
    if is_function(str(run)):
        others = (("--size", size), ("--focal-px", focal_px), ("--fingerprints", fingerprints))
        for option, given in (*others, ("--device", device != "cpu")):
            if given:
                raise SpecError(f"got {option} for a function, which sees whole images and nothing else; leave it out")
        _by_function(str(run), _dataset(source, recipe)[0], names, parsed(confidence), out)
        return
    teacher = teacher_model(str(run), available_device(device))
    dataset, shape, focal = _images(source, recipe, size, teacher)
    title = (run.parent if run.is_file() else run).resolve().name
    index = started(teacher, title, run, shape, tasks=names, confidence=parsed(confidence))
    index = replace(index, recipe=recipe_of(teacher))
    if fingerprints or kept_images(teacher):
        with terminal.bar() as bar:
            show = terminal.counted(bar, "fingerprints of the teacher's images (kept for the next time)")
            known = trained_on(teacher, say, show)
        index = replace(index, trained_on=known)
    else:
        say("leakage check: the teacher's training images are read when a student is validated, or with --fingerprints")
    steps = run_labeling(teacher, dataset, index, out, focal_px=focal if focal_px is None else focal_px)
    _show(steps, out, list(index.labels))


def _by_function(what: str, dataset: "Dataset", names: list[str], confidence: dict[str, float], out: Path) -> None:
    """Labels with a function of a user's file, which sees whole images."""
    from hydranet.distillation.function_teacher import function_teacher
    from hydranet.distillation.pseudo_labels import label as run_labeling
    from hydranet.io.pseudo_label_index import Index

    teacher = function_teacher(what)
    index = Index(teacher.name, teacher.digest, teacher.made(dataset[0], names, confidence))
    say("leakage check: a function does not know its network's training images; the cache says so")
    _show(run_labeling(teacher, dataset, index, out), out, list(index.labels))


def _show(steps: "Iterator[Progress]", out: Path, labels: list[str]) -> None:
    """Shows the progress of labeling; raises an error for broken images."""
    from hydranet.core.sample import DataError

    stop = terminal.stop_on_signal()
    with terminal.bar() as bar:
        job = bar.add_task("labeling", total=None, note="")
        for progress in steps:
            bar.update(job, completed=progress.done, total=progress.total, note="")
            if stop and progress.done < progress.total:
                raise terminal.Stopped(f"stopped after {progress.done} images; give the command again to go on")
    say(f"{progress.labeled} images labeled, {progress.skipped} were there -> {out} ({', '.join(labels)})")
    if progress.broken:
        others = f" (and {len(progress.broken) - 1} more)" if len(progress.broken) > 1 else ""
        raise DataError(f"{progress.broken[0]}{others}")


def parsed(text: str) -> dict[str, float]:
    """ "semantic=0.8,depth=0.9" as numbers by task. Raises SpecError for other text."""
    from hydranet.core.spec import SpecError

    confidences = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, _, value = part.partition("=")
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
