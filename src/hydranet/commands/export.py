"""hydranet export"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hydranet import terminal
from hydranet.commands.arguments import RunPath
from hydranet.terminal import say

if TYPE_CHECKING:
    from hydranet.deploy.session import Session
    from hydranet.export.graph import Shipped
    from hydranet.export.parity import Bounds, Parity
    from hydranet.recipe import Recipe


Out = Annotated[Path | None, typer.Option(help="Folder of the files; default: export/ in the run")]
Heads = Annotated[str, typer.Option(help="Only these tasks, separated by commas")]
To = Annotated[str, typer.Option(help="onnx, openvino, torchscript; several by commas")]
Size = Annotated[
    str, typer.Option(help="What the network sees, HEIGHTxWIDTH; default: the recipe's first validation size")
]
DynamicSize = Annotated[bool, typer.Option("--dynamic-size", help="Take other multiples of the stride, too")]
Batch = Annotated[str, typer.Option(help="Pictures at once, or dynamic")]
Fit = Annotated[str, typer.Option(help="Who fits frames into that size: none (the predictor), letterbox, stretch")]
Frame = Annotated[str, typer.Option(help="Size of the camera's frames, for letterbox and stretch")]
Nms = Annotated[str, typer.Option(help="Non-maximum suppression: outside (the predictor) or inside the graph")]
Precision = Annotated[str, typer.Option(help="Of the stored weights: fp32 or fp16")]
Images = Annotated[
    str, typer.Option(help="Pictures for the proof instead of the run's validation sources: a folder or pattern")
]
Limit = Annotated[int, typer.Option(min=0, help="Images of each source in the proof, evenly spread; 0 = all")]
ArrayBound = Annotated[float, typer.Option(help="Largest relative difference of an array")]
MetricBound = Annotated[float, typer.Option(help="Largest difference of a metric; 0.001 = 0.1 point")]
Nvidia = Annotated[
    bool, typer.Option("--nvidia", help="Also a Triton repository, DeepStream's files and all TensorRT findings")
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
) -> None:
    """Write a network as a file that needs no training code, and prove that it answers the same.

    The proof compares every array and every metric with PyTorch's, in every runtime that reads the file; it is kept
    in parity.json. Where it fails, the file is renamed to NAME.failed and the command ends with an error.
    """
    from hydranet.checkpoint import load_model
    from hydranet.export.graph import Shape
    from hydranet.export.parity import Bounds
    from hydranet.export.ship import export as write_export
    from hydranet.export.ship import opened, other_sizes, parse_batch, report_of
    from hydranet.predict import parse_size

    model, recipe = load_model(run)
    place = (run if run.is_dir() else run.parent).resolve()
    folder = out or place / "export"
    sees = parse_size(size) or (recipe.validation or recipe.data)[0].size
    shape = Shape(sees, dynamic_size, parse_batch(batch), fit, parse_size(frame, multiple=1), nms)
    graph, paths = write_export(
        model,
        recipe,
        folder,
        targets=_names(to),
        shape=shape,
        heads=_names(heads),
        name=place.name,
        protocol=report_of(place),
        precision=precision,
    )
    for path in paths:
        say(f"{path}  {path.stat().st_size / 1e6:.1f} MB")
    for note in [] if images else other_sizes(recipe, shape.size):
        say(f"note: {note}")
    unproven = {path.name for path in paths}
    try:
        found = _prove(graph, opened(paths), recipe, images, Bounds(array_bound, metric_bound), limit)
        unproven = {parity.file for parity in found if parity.failures}
        _end(found, folder)
    finally:
        for name in sorted(unproven):
            (folder / name).rename(folder / f"{name}.failed")
    _tell(paths, nvidia)


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _prove(
    graph: "Shipped",
    sessions: "dict[tuple[str, str], Session]",
    recipe: "Recipe",
    images: str,
    bounds: "Bounds",
    limit: int,
) -> "list[Parity]":
    """On the pictures that were named, else on the validation sources. Raises ParityError where there are none."""
    from hydranet.core.sample import DataError, Sample
    from hydranet.deploy.frames import find_frames
    from hydranet.export.parity import ParityError, compare, measure

    limited = limit or None
    if images:
        frames = list(find_frames(images))[:limited]
        return compare(graph, sessions, [Sample(frame.image, key=frame.name) for frame in frames], bounds)
    found: list[Parity] = []
    try:
        with terminal.bar() as bar:
            job = bar.add_task("comparing", total=None, note="")
            for step in measure(graph, sessions, recipe.validation or recipe.data, bounds, limited):
                if isinstance(step, list):
                    found = step
                else:
                    bar.update(job, completed=step[0], total=step[1])
    except DataError as error:
        raise ParityError(
            f"{error}; or prove it on other pictures, without scores: --images FOLDER. Nothing was proven: the file "
            "was renamed to .failed"
        ) from error
    return found


def _end(found: "list[Parity]", folder: Path) -> None:
    """Tables, and where anything failed, the error."""
    from hydranet.export.parity import ParityError, save
    from hydranet.export.table import arrays, metrics

    save(folder / "parity.json", found)
    say(arrays(found))
    if any(parity.metrics for parity in found):
        say(metrics(found))
    say(f"parity: {folder / 'parity.json'}")
    failures = [failure for parity in found for failure in parity.failures]
    if failures:
        more = f" (and {len(failures) - 1} more in parity.json)" if len(failures) > 1 else ""
        raise ParityError(
            f"{failures[0]}{more}; the file was renamed to .failed: use another runtime, or if the difference is "
            "harmless, allow it with --array-bound or --metric-bound"
        )


def _tell(paths: list[Path], nvidia: bool) -> None:
    """What NVIDIA's programs would say, and the files for them."""
    from hydranet.export.nvidia import by_products

    for line in by_products(paths, files=nvidia):
        say(line)
