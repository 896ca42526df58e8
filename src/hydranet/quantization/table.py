"""A sensitivity scan as a table for a terminal and for a file."""

from rich.table import Table

from hydranet.core.checks.printable import cell
from hydranet.quantization.budget import MetricDrop
from hydranet.quantization.sensitivity import Scan, Tried


def sensitivity(result: Scan, title: str) -> Table:
    """One row per way to quantize; the loss of each limited metric, red where it breaks the budget."""
    table = Table("quantized", title=cell(title))
    for one in result.tried[0].metric_drop:
        unit = "" if one.limit.better == "higher" else " rel."
        table.add_column(cell(f"{one.source} {one.limit.task} {one.limit.metric}{unit} ({one.limit.allowed:g})"))
    table.add_column("")
    for tried in result.tried:
        cells = [
            f"{_loss(one)} = {one.after:.4g}" if one.kept else f"[red]{_loss(one)} = {one.after:.4g}[/red]"
            for one in tried.metric_drop
        ]
        word = _word(result, tried)
        table.add_row(cell(result.name(tried.float_heads)), *cells, word)
    return table


def markdown(result: Scan) -> str:
    """The same for a file."""
    names = [f"{one.source} {one.limit.task} {one.limit.metric}" for one in result.tried[0].metric_drop]
    lines = [f"| quantized | {' | '.join(names)} | |", "|---" * (len(names) + 2) + "|"]
    lines += [f"| budget | {' | '.join(f'{one.limit.allowed:g}' for one in result.tried[0].metric_drop)} | |"]
    lines += [f"| PyTorch | {' | '.join(f'{one.before:.4g}' for one in result.tried[0].metric_drop)} | |"]
    for tried in result.tried:
        cells = " | ".join(f"{one.after:.4g} ({_loss(one)})" for one in tried.metric_drop)
        word = _word(result, tried)
        lines.append(f"| {result.name(tried.float_heads)} | {cells} | {word} |")
    lines += ["", f"Note: {result.note}."] if result.note else []
    lines += ["", f"{result.speed}."] if result.speed else []
    return "\n".join(lines) + "\n"


def _loss(one: MetricDrop) -> str:
    """ "+0.0054 ± 0.0040": the loss, and how far it depends on which images were measured."""
    return f"{one.loss:+.4f}" + (f" ± {one.spread:.4f}" if one.spread else "")


def _word(result: Scan, tried: Tried) -> str:
    word = "chosen" if result.chosen is tried else "kept" if tried.accepted else "broken"
    return f"{word}; {tried.uncertainty}" if tried.uncertainty else word
