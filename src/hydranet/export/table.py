"""The proof of an export as tables for a terminal."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.table import Column, Table

from hydranet.core.checks.printable import cell
from hydranet.deploy.manifest import TargetFiles
from hydranet.evaluation.report import with_unit
from hydranet.export.parity import Parity


def written(folder: Path, delivered: Mapping[str, TargetFiles]) -> Table:
    """One row per target: its files below the folder, the size of them all, and whether they were proven."""
    table = Table("target", Column("files", overflow="fold"), title=f"files in {cell(folder)}")
    table.add_column("size", justify="right")
    table.add_column("proof")
    for name, made in delivered.items():
        size = sum((folder / file).stat().st_size for file in made.files)
        table.add_row(cell(name), cell(" + ".join(made.files)), f"{size / 1e6:.1f} MB", cell(made.proof))
    return table


def arrays(parities: Sequence[Parity]) -> Table:
    """One row per output; columns: file and runtime."""
    images = parities[0].images if parities else 0
    table = Table("largest difference from PyTorch", title=f"arrays over {images} images: relative (absolute)")
    for parity in parities:
        table.add_column(cell(f"{parity.file} in {parity.runtime}"), justify="right")
    for name in parities[0].arrays if parities else ():
        row = [parity.arrays[name] for parity in parities]
        limits = [parity.bounds.arrays for parity in parities]
        cells = [
            _judged(f"{g.relative:.1e} ({g.absolute:.2g})", g.relative <= n) for g, n in zip(row, limits, strict=True)
        ]
        table.add_row(cell(name), *cells)
    return table


BY_CLASS = re.compile(r" [^ /]+/[^/]*$")
"""Names of metrics of one class, such as "held-out semantic iou/lane marking"."""


def metrics(parities: Sequence[Parity]) -> Table:
    """One row per metric, without those of one class: PyTorch's value, and how far each runtime is from it."""
    table = Table("metric", "PyTorch", title="metrics: change against PyTorch")
    for parity in parities:
        table.add_column(cell(f"{parity.file} in {parity.runtime}"), justify="right")
    for name, first in parities[0].metrics.items():
        if not BY_CLASS.search(name):
            losses = [(parity.metrics[name], parity.bounds.metrics) for parity in parities]
            cells = [_judged(f"{x.exported - x.torch:+.2g}", x.change <= bound) for x, bound in losses]
            table.add_row(cell(with_unit(name, first.unit)), f"{first.torch:.4g}", *cells)
    return table


def _judged(text: str, good: bool) -> str:
    return text if good else f"[red]{text}[/red]"
