"""A comparison as tables for a terminal."""

from rich.table import Table

from hydranet.bench.result import Result
from hydranet.bench.row import Row, dashed
from hydranet.core.checks.printable import cell


def times(result: Result) -> Table:
    """One row per variant: each step in milliseconds, and what they are relative to PyTorch."""
    settings, machine = result.settings, result.machine
    size = settings["size"]
    title = (
        f"network {size[0]}x{size[1]}, frames {settings['frame']}, {machine['threads']} threads, "
        f"{settings['rounds']} interleaved rounds: medians in ms"
    )
    table = Table(
        "network", "runtime", title=title, caption=cell(f"{machine['processor']}; load {machine['load_before']}")
    )
    for column in ("pre", "network+decode", "network alone", "post", "whole", "vs channels-last", "process MB"):
        table.add_column(column, justify="right")
    budget = result.budget
    if budget:
        table.add_column(f"within {budget.ms:g} ms", justify="right")
    last = ""
    for row in result.rows:
        if row.network != last:
            table.add_section()
        steps = (_ms(row, step) for step in ("pre", "network", "bare", "post", "whole"))
        faster = dashed(result.speedup(row), "{:.2f}x")
        table.add_row(
            cell(row.network),
            cell(f"{row.runtime} {row.precision}"),
            *steps,
            faster,
            f"{row.opened.peak_bytes / 1e6:.0f}",
            *(["yes" if budget.keeps(row) else "no"] if budget else []),
        )
        last = row.network
    return table


def costs(result: Result) -> Table:
    """One row per network, or per set of networks that do the same work."""
    table = Table("network")
    for column in ("parameters M", "GMAC", "memory MB in PyTorch"):
        table.add_column(column, justify="right")
    for name, cost in result.costs.items():
        values = (cost.parameters / 1e6, cost.macs / 1e9, cost.memory_bytes / 1e6)
        table.add_row(cell(name), *(f"{value:.3g}" for value in values))
    return table


def _ms(row: Row, step: str) -> str:
    return dashed(row.ms(step), "{:.2f}")
