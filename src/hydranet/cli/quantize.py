"""hydranet quantize"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hydranet.cli import terminal
from hydranet.cli.arguments import Allow, RunPath
from hydranet.cli.terminal import say
from hydranet.core.checks.names import listed_names

if TYPE_CHECKING:
    from hydranet.quantization.sensitivity import Scan


def quantize(
    run: RunPath,
    out: Annotated[Path | None, typer.Option(help="Folder of the files; default: int8/ in the run")] = None,
    to: Annotated[str, typer.Option(help="openvino, onnx; the first of several is scanned")] = "openvino",
    size: Annotated[str, typer.Option(help="What the network sees; default: the first validation size")] = "",
    calibration: Annotated[int, typer.Option(min=1, help="Images for ranges, over all training sources")] = 200,
    limit: Annotated[int, typer.Option(min=0, help="Validation images of each source; 0 = all")] = 100,
    budget: Annotated[
        list[str] | None, typer.Option(help="What a task may lose, such as semantic.miou=0.01; several times")
    ] = None,
    qat: Annotated[int, typer.Option(min=0, help="Steps of fine-tuning where the budget is missed, 2 or more")] = 0,
    allow: Allow = None,
) -> None:
    """Write a network in INT8 if every task keeps its budget of accuracy, else say what breaks it and write nothing.

    Tries everything in INT8, the trunk alone, and all but one head; heads that break the budget stay in float. See
    docs/int8.md.
    """
    from hydranet.checkpoint.checkpoint import load_recipe
    from hydranet.checkpoint.released.names import results_of
    from hydranet.export.export import other_sizes
    from hydranet.inference.predictor import parse_size
    from hydranet.quantization.quantize import Options
    from hydranet.quantization.quantize import quantize as work
    from hydranet.quantization.sensitivity import Scan

    recipe = load_recipe(run)
    folder = out or results_of(run, "int8")
    names = listed_names(to, "--to")
    shape = parse_size(size) or (recipe.validation or recipe.data)[0].size
    options = Options(shape, calibration, limit, names or ("openvino",), tuple(budget or ()), qat)
    for note in other_sizes(recipe, shape):
        say(f"note: {note}")
    scans: list[Scan] = []
    paths = []
    with terminal.bar() as bar:
        job = bar.add_task("quantizing", total=None, note="")
        try:
            for result in work(run, folder, options, lambda text: bar.update(job, note=text)):
                if not isinstance(result, Scan):
                    paths.append(result)
                elif not any(result is scan for scan in scans):
                    scans.append(result)  # the same scan comes again as it grows
        finally:
            _tell(scans, folder, bool(paths))
    for path in paths:
        say(f"{path}  {sum(p.stat().st_size for p in path.parent.glob(f'{path.stem}.*')) / 1e6:.1f} MB")
    say(f"scan: {folder / 'quantize.md'}, quantize.json; scores in both: parity.json")


def _tell(scans: "list[Scan]", folder: Path, shipped: bool) -> None:
    """Shows the tables and writes them, also after an error."""
    from hydranet.io.atomic import write
    from hydranet.quantization import artifacts, table

    titles = ("INT8 against PyTorch", "after fine-tuning")[: len(scans)]
    for title, scan in zip(titles, scans, strict=True):
        say(table.sensitivity(scan, f"{title}: loss of each metric (budget)"))
    if scans:
        pages = [f"## {title}\n\n{table.markdown(scan)}" for title, scan in zip(titles, scans, strict=True)]
        write(folder / f"{artifacts.report(folder, shipped)}.md", "\n".join(pages).encode())
        if scans[-1].speed:
            say(scans[-1].speed)
        if scans[0].note:
            say(f"note: {scans[0].note}")
