"""The proof of an export as tables for a terminal."""

import re
from collections.abc import Sequence

from rich.table import Table

from hydranet.export.parity import Parity


def arrays(found: Sequence[Parity]) -> Table:
    """One row an output; columns: file and runtime."""
    images = found[0].images if found else 0
    table = Table("largest difference from PyTorch", title=f"arrays over {images} images: relative (absolute)")
    for parity in found:
        table.add_column(f"{parity.file} in {parity.runtime}", justify="right")
    for name in found[0].arrays if found else ():
        row = [parity.arrays[name] for parity in found]
        limits = [parity.bounds.arrays for parity in found]
        cells = [
            _judged(f"{g.relative:.1e} ({g.absolute:.2g})", g.relative <= n) for g, n in zip(row, limits, strict=True)
        ]
        table.add_row(name, *cells)
    return table


BY_CLASS = re.compile(r" [^ /]+/[^/]*$")
"""Names of metrics of one class, such as "held-out semantic iou/lane marking"."""


def metrics(found: Sequence[Parity]) -> Table:
    """One row a metric without the per-class ones: PyTorch's value, and what each runtime changes about it."""
    table = Table("metric", "PyTorch", title="metrics: change against PyTorch")
    for parity in found:
        table.add_column(f"{parity.file} in {parity.runtime}", justify="right")
    for name, first in found[0].metrics.items():
        if not BY_CLASS.search(name):
            losses = [(parity.metrics[name], parity.bounds.metrics) for parity in found]
            cells = [_judged(f"{x.exported - x.torch:+.2g}", x.change <= bound) for x, bound in losses]
            table.add_row(name, f"{first.torch:.4g}", *cells)
    return table


def _judged(text: str, good: bool) -> str:
    return text if good else f"[red]{text}[/red]"
