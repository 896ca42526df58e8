"""What was measured, as values, JSON and Markdown."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from hydranet.bench.budget import Budget, most_exact
from hydranet.bench.plan import BASELINE
from hydranet.bench.row import Row, dashed, ratio
from hydranet.bench.runner import STEPS
from hydranet.evaluation.report import finite
from hydranet.models.profile import Cost


@dataclass(frozen=True)
class Result:
    """All of a comparison.

    machine: processor, threads, load average before and after.    settings: size, frames, rounds.
    costs:   parameters, MACs and memory in eager PyTorch by network.    notes: what a reader must know.
    budget:  what a whole frame may take, if somebody asked.
    """

    machine: Mapping[str, Any]
    settings: Mapping[str, Any]
    costs: Mapping[str, Cost]
    rows: Sequence[Row]
    notes: Sequence[str] = field(default_factory=list)
    budget: Budget | None = None

    def find(self, network: str, runtime: str, precision: str) -> Row | None:
        """The row of a variant, if it was measured."""
        wanted = (network, runtime, precision)
        return next((row for row in self.rows if (row.network, row.runtime, row.precision) == wanted), None)

    def speedup(self, row: Row) -> float:
        """How many times faster than the same network in PyTorch with channels last, whole frame."""
        first = self.find(row.network, *BASELINE)
        return ratio(first, row) if first else math.nan

    def against(self, row: Row) -> dict[str, float]:
        """Whole-frame times of the other networks in the same runtime and precision, relative to this row's."""
        same = [r for r in self.rows if (r.runtime, r.precision) == (row.runtime, row.precision) and r is not row]
        return {other.network: ratio(other, row) for other in same}

    def tree(self) -> dict[str, Any]:
        """As JSON values."""
        rows = [
            {
                **asdict(row),
                "median_ms": {step: finite(row.ms(step)) for step in STEPS},
                "speedup": finite(self.speedup(row)),
                "against": {name: finite(value) for name, value in self.against(row).items()},
                "within_budget": self.budget.keeps(row) if self.budget else None,
            }
            for row in self.rows
        ]
        return {**asdict(self), "rows": rows, "budget": self._budget(), "readings": self.readings()}

    def _budget(self) -> dict[str, Any] | None:
        """For each network the quickest and the most exact variant within the budget, or None."""
        if self.budget is None:
            return None
        choices: dict[str, Any] = {}
        for network in dict.fromkeys(row.network for row in self.rows):
            fitting = self.budget.fitting(self.rows, network)
            both = (fitting[0], most_exact(fitting)) if fitting else ()
            named = ({"runtime": row.runtime, "precision": row.precision} for row in both)
            choices[network] = dict(zip(("quickest", "most_exact"), named, strict=False)) or None
        return {"ms": self.budget.ms, "within": choices}

    def readings(self) -> list[str]:
        """The comparisons that a reader looks for, in sentences with their numbers."""
        first = self.rows[0].network if self.rows else ""
        mine = [row for row in self.rows if row.network == first]
        if not mine:
            return []
        best = min(mine, key=lambda row: row.ms("whole"))
        sentences = [
            f"best: {best.runtime} {best.precision}, a whole frame in {best.ms('whole'):.1f} ms, "
            f"{dashed(self.speedup(best), '{:.1f}x')} PyTorch channels-last",
            f"post-processing: {dashed(best.share('post', 'whole'), '{:.1%}')} of a whole frame there",
        ]
        if best.rounds.get("bare"):
            sentences.append(
                f"decoding included: {dashed(best.share('network', 'bare'), '{:.2f}x')} the network's own time; "
                f"whole frame: {dashed(best.share('whole', 'bare'), '{:.2f}x')}"
            )
        for name, value in self.against(best).items():
            sentences.append(
                f"{name}: {dashed(value, '{:.2f}x')} the time of {first} in {best.runtime} {best.precision}"
            )
        if self.budget:
            sentences += [self.budget.reading(self.rows, name) for name in dict.fromkeys(r.network for r in self.rows)]
        return sentences


BUSY = 1.0
"""Load of others, in processes, above which docs/speed.md says to measure again."""


def busy(before: float | None, after: float | None, threads: int) -> list[str]:
    """A note where other processes used the processor, too; our own threads count in the load after, not before."""
    others = {"before": before, "after": None if after is None else after - threads}
    loud = [f"{load:.1f} {when}" for when, load in others.items() if load is not None and load > BUSY]
    if not loud:
        return []
    return [f"others were using the processor (load {' and '.join(loud)}, without our own threads): measure again"]


def markdown(result: Result) -> str:
    """The tables for a file."""
    size, machine = result.settings["size"], result.machine
    budget = result.budget
    lines = [
        f"{machine['processor']}, {machine['threads']} threads, load average {machine['load_before']} before and "
        f"{machine['load_after']} after; network {size[0]}x{size[1]}, frames {result.settings['frame']} from "
        f"{result.settings['images']}; {result.settings['rounds']} interleaved rounds of "
        f"{result.settings['frames']} frames, medians.",
        "",
        "| network | runtime | pre ms | network + decoding | network alone | post | whole frame "
        "| faster than channels-last | process MB (network's) |" + (f" within {budget.ms:g} ms |" if budget else ""),
        "|---|---|---|---|---|---|---|---|---|" + ("---|" if budget else ""),
    ]
    for row in result.rows:
        times = [dashed(row.ms(step), "{:.1f}") for step in ("pre", "network", "bare", "post", "whole")]
        memory = f"{row.opened.peak_bytes / 1e6:.0f} ({row.opened.network_bytes / 1e6:.0f})"
        name = f"{row.runtime} {row.precision}"
        faster = dashed(result.speedup(row), "{:.2f}x")
        within = f" {'yes' if budget.keeps(row) else 'no'} |" if budget else ""
        lines.append(f"| {row.network} | {name} | {' | '.join(times)} | {faster} | {memory} |{within}")
    lines += ["", "| network | parameters M | GMAC | memory MB in PyTorch |", "|---|---|---|---|"]
    for name, cost in result.costs.items():
        lines.append(
            f"| {name} | {cost.parameters / 1e6:.2f} | {cost.macs / 1e9:.2f} | {cost.memory_bytes / 1e6:.0f} |"
        )
    lines += ["", *(f"- {reading}" for reading in result.readings()), *(f"- note: {note}" for note in result.notes)]
    return "\n".join(lines) + "\n"
