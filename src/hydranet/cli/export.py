"""hydranet export"""

from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import typer

from hydranet.cli import terminal
from hydranet.cli.arguments import Allow, Best, RunPath, best_of
from hydranet.cli.terminal import say
from hydranet.core.checks.names import listed_names

if TYPE_CHECKING:
    from collections.abc import Callable

    from hydranet.config.recipe import Recipe
    from hydranet.core.sample import Sample
    from hydranet.deploy.manifest import TargetFiles
    from hydranet.export.graph import ExportGraph, Shape
    from hydranet.export.parity import Bounds, Parity

NVIDIA = ("tensorrt", "triton", "deepstream")

GENERATED = 8
"""Images of a proof where the run's own data set cannot be opened."""

FAILED = "parity.failed.json"
"""Name of the file with the proofs that failed."""

Out = Annotated[
    Path | None,
    typer.Option(help="Folder of the files; default: export/ in the run, export/NAME here for a released one"),
]
Heads = Annotated[str, typer.Option(help="Only these tasks, separated by commas")]
To = Annotated[str, typer.Option(help="onnx, openvino, torchscript, tensorrt, triton, deepstream; several by commas")]
Size = Annotated[
    str, typer.Option(help="What the network sees, HEIGHTxWIDTH; default: the recipe's first validation size")
]
DynamicSize = Annotated[bool, typer.Option("--dynamic-size", help="Take other multiples of the stride, too")]
Batch = Annotated[str, typer.Option(help="Images at once, or dynamic")]
Fit = Annotated[str, typer.Option(help="Who fits frames into that size: none (the predictor), letterbox, stretch")]
Frame = Annotated[str, typer.Option(help="Size of the camera's frames, for letterbox and stretch")]
FocalPx = Annotated[
    float | None,
    typer.Option(
        min=1e-3,
        help="For heads that need the camera: bake in one of this focal length, in pixels of the images the file takes "
        "(--frame, or what the network sees), so that images are its only input; default: the camera is an input",
    ),
]
Nms = Annotated[str, typer.Option(help="Non-maximum suppression: outside (the predictor) or inside the graph")]
Confidence = Annotated[
    str,
    typer.Option(
        help="Heads that also give the probability of the chosen class (maps) or of every class (tags); several by "
        "commas, or all"
    ),
]
Precision = Annotated[str, typer.Option(help="Of the stored weights: fp32 or fp16")]
Images = Annotated[
    str, typer.Option(help="Images for the proof instead of the run's validation sources: a folder or pattern")
]
Limit = Annotated[int, typer.Option(min=0, help="Images of each source in the proof, evenly spread; 0 = all")]
ArrayBound = Annotated[float, typer.Option(help="Largest relative difference of an array")]
MetricBound = Annotated[float, typer.Option(help="Largest difference of a metric; 0.001 = 0.1 point")]
Nvidia = Annotated[
    bool, typer.Option("--nvidia", help="The same as tensorrt, triton and deepstream beside what --to names")
]


def export(
    run: RunPath,
    out: Out = None,
    heads: Heads = "",
    to: To = "onnx",
    size: Size = "",
    dynamic_size: DynamicSize = False,
    batch: Batch = "1",
    fit: Fit = "none",
    frame: Frame = "",
    nms: Nms = "outside",
    precision: Precision = "fp32",
    images: Images = "",
    limit: Limit = 100,
    array_bound: ArrayBound = 1e-3,
    metric_bound: MetricBound = 1e-3,
    nvidia: Nvidia = False,
    allow: Allow = None,
    focal_px: FocalPx = None,
    confidence: Confidence = "",
    best: Best = False,
) -> None:
    """Write a network as a file that needs no training code, and prove that it answers the same.

    The proof compares every array and every metric with PyTorch's, in every runtime that reads the file; it is kept
    in parity.json. A file that fails it is called NAME.failed, and the command ends with an error. Files of an earlier
    export stay as they are until their successors are proven.
    """
    from hydranet.checkpoint.checkpoint import load_model
    from hydranet.checkpoint.released.names import folder_of, results_of
    from hydranet.export import export as exporting
    from hydranet.export.crops import plans
    from hydranet.export.parity import Bounds

    run = best_of(run, best)
    model, recipe = load_model(run)
    folder = out or results_of(run, "export")
    place = folder_of(run)
    shape = replace(_shape(recipe, size, dynamic_size, batch, fit, frame, nms), focal_px=focal_px)
    proof_images, bounds = _images(recipe, images, limit), Bounds(array_bound, metric_bound)
    whole = exporting.ExportPlan(
        targets=list(dict.fromkeys([*listed_names(to, "--to"), *(NVIDIA if nvidia else ())])),
        shape=shape,
        heads=list(listed_names(heads, "--heads")),
        precision=precision,
        confidence=listed_names(confidence, "--confidence"),
    )
    compare_with_torch = partial(_prove, recipe=recipe, images=proof_images, bounds=bounds, limit=limit)
    for below, plan in plans(whole, recipe):
        draft = partial(
            exporting.export, model, recipe, plan=plan, name=place.name, protocol=exporting.report_of(place)
        )
        delivered, proofs = _proven(draft, folder / below, compare_with_torch)
        notes = [] if images or below else exporting.other_sizes(recipe, shape.size)
        _end(proofs, folder / below, delivered, notes)


def _shape(recipe: "Recipe", size: str, dynamic: bool, batch: str, fit: str, frame: str, nms: str) -> "Shape":
    from hydranet.export.export import parse_batch
    from hydranet.export.graph import Shape
    from hydranet.inference.predictor import parse_size

    sees = parse_size(size) or (recipe.validation or recipe.data)[0].size
    return Shape(sees, dynamic, parse_batch(batch), fit, parse_size(frame, multiple=1), nms)


def _proven(
    draft: "Callable[[Path], tuple[ExportGraph, list[Path]]]",
    folder: Path,
    compare_with_torch: "Callable[[ExportGraph, list[Path]], list[Parity]]",
) -> "tuple[dict[str, TargetFiles], list[Parity]]":
    """Files that passed their proof or cannot be proven here, moved into the folder, by target; and all proofs.

    Drafts lie in a temporary folder.
    """
    from hydranet.export.export import settle

    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=".export-", dir=folder) as place:
        graph, drafts = draft(Path(place))
        proofs = compare_with_torch(graph, drafts)
        failed = {parity.file for parity in proofs if parity.failures}
        return settle(Path(place), folder, [path for path in drafts if path.name not in failed]), proofs


def _images(recipe: "Recipe", images: str, limit: int) -> "list[Sample] | None":
    """The images that were named, or None for the validation sources, which must be readable before work begins.

    Generated ones for a run whose own data set class is not here: arrays are compared, scores cannot be.
    """
    from hydranet.core.dataset import MissingDataset
    from hydranet.core.sample import DataError, Sample
    from hydranet.datasets.scenes.dataset import Scenes
    from hydranet.deploy.video.frames import find_frames

    if images:
        frames = find_frames(images)
        for line in frames.left_out.sentences():
            say(line)
        return [Sample(frame.image, key=frame.name) for frame in islice(frames, limit or None)]
    sources = recipe.validation or recipe.data
    if any(isinstance(source.dataset, MissingDataset) for source in sources):
        say("note: the run's own data set class is not here: proven on generated scenes, without scores (or --images)")
        scenes = Scenes(count=min(limit or GENERATED, GENERATED), seed=7, labels=())
        return [scenes[index] for index in range(len(scenes))]
    try:
        for source in sources:
            len(source.dataset)
    except DataError as error:
        raise DataError(
            f"{error}; or prove the export on other images, without scores: --images FOLDER. Nothing was shipped"
        ) from error
    return None


def _prove(
    graph: "ExportGraph",
    files: list[Path],
    *,
    recipe: "Recipe",
    images: "list[Sample] | None",
    bounds: "Bounds",
    limit: int,
) -> "list[Parity]":
    """Compares files with the graph on these images, or on the validation sources."""
    from hydranet.export.export import opened
    from hydranet.export.parity import compare, measure

    sessions = opened(files)
    if not sessions:
        return []
    if images is not None:
        return compare(graph, sessions, images, bounds)
    proofs: list[Parity] = []
    with terminal.bar() as bar:
        job = bar.add_task("comparing", total=None, note="")
        for step in measure(graph, sessions, recipe.validation or recipe.data, bounds, limit or None):
            if isinstance(step, list):
                proofs = step
            else:
                bar.update(job, completed=step[0], total=step[1])
    return proofs


def _end(proofs: "list[Parity]", folder: Path, delivered: "dict[str, TargetFiles]", notes: list[str]) -> None:
    """Shows tables, and raises ParityError where anything failed. Proofs that passed and that failed are kept apart."""
    from hydranet.export.nvidia.artifacts import problems
    from hydranet.export.parity import ParityError, save
    from hydranet.export.table import arrays, metrics, written

    say(written(folder, delivered))
    for note in notes:
        say(f"note: {note}")
    for line in problems([folder / made.files[0] for made in delivered.values()]):
        say(line)
    failed = {parity.file for parity in proofs if parity.failures}
    if proofs:
        say(arrays(proofs))
    if any(parity.metrics for parity in proofs):
        say(metrics(proofs))
    if passed := [parity for parity in proofs if parity.file not in failed]:
        save(folder / "parity.json", passed)
        say(f"parity: {folder / 'parity.json'}")
    (folder / FAILED).unlink(missing_ok=True)
    if failed:
        save(folder / FAILED, [parity for parity in proofs if parity.file in failed])
        failures = [failure for parity in proofs for failure in parity.failures]
        more = f" (and {len(failures) - 1} more in {FAILED})" if len(failures) > 1 else ""
        raise ParityError(
            f"{failures[0]}{more}; the file was renamed to .failed: use another runtime, or if the difference is "
            "harmless, allow it with --array-bound or --metric-bound"
        )
