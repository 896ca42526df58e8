"""A sensitivity scan as a table for a terminal and for a file."""

from rich.table import Table

from hydranet.core.checks.printable import cell
from hydranet.quantization.sensitivity import Scan


def sensitivity(result: Scan, title: str) -> Table:
    """One row per way to quantize; the loss of each limited metric, red where it breaks the budget."""
    table = Table("quantized", title=cell(title))
    for one in result.tried[0].metric_drop:
        unit = "" if one.limit.better == "higher" else " rel."
        table.add_column(cell(f"{one.source} {one.limit.task} {one.limit.metric}{unit} ({one.limit.allowed:g})"))
    table.add_column("")
    for tried in result.tried:
        cells = [
            f"{one.loss:+.4f} = {one.after:.4g}" if one.kept else f"[red]{one.loss:+.4f} = {one.after:.4g}[/red]"
            for one in tried.metric_drop
        ]
        word = "chosen" if result.chosen is tried else "kept" if tried.accepted else "broken"
        table.add_row(cell(result.name(tried.float_heads)), *cells, word)
    return table


def markdown(result: Scan) -> str:
    """The same for a file."""
    names = [f"{one.source} {one.limit.task} {one.limit.metric}" for one in result.tried[0].metric_drop]
    lines = [f"| quantized | {' | '.join(names)} | |", "|---" * (len(names) + 2) + "|"]
    lines += [f"| budget | {' | '.join(f'{one.limit.allowed:g}' for one in result.tried[0].metric_drop)} | |"]
    lines += [f"| PyTorch | {' | '.join(f'{one.before:.4g}' for one in result.tried[0].metric_drop)} | |"]
    for tried in result.tried:
        cells = " | ".join(f"{one.after:.4g} ({one.loss:+.4f})" for one in tried.metric_drop)
        word = "chosen" if result.chosen is tried else "kept" if tried.accepted else "broken"
        lines.append(f"| {result.name(tried.float_heads)} | {cells} | {word} |")
    lines += ["", f"Note: {result.note}."] if result.note else []
    return "\n".join(lines) + "\n"
