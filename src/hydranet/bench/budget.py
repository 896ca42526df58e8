"""A time that a whole frame may take: which variants keep it, and which of them to choose."""

from collections.abc import Sequence
from dataclasses import dataclass

from hydranet.bench.plan import PRECISIONS
from hydranet.bench.row import Row
from hydranet.core.checks.ranges import check_range
from hydranet.core.errors import UserError


class BudgetError(UserError, RuntimeError):
    """No variant of a network is quick enough."""


@dataclass(frozen=True)
class Budget:
    """ms: what the median whole frame may take, above 0.

    asked: pairs of runtime and precision to choose from; a baseline that nobody asked for is no choice.
    Raises SpecError for a time that is none.
    """

    ms: float
    asked: tuple[tuple[str, str], ...]

    def __post_init__(self) -> None:
        check_range("--budget-ms", self.ms, 0, above=True)

    def keeps(self, row: Row) -> bool:
        """Whether the median whole frame of a variant takes no longer; False where it was not measured."""
        return row.ms("whole") <= self.ms

    def fitting(self, rows: Sequence[Row], network: str) -> list[Row]:
        """The variants of a network to choose from that keep it, the quickest first."""
        return sorted((row for row in self._mine(rows, network) if self.keeps(row)), key=_whole)

    def reading(self, rows: Sequence[Row], network: str) -> str:
        """A sentence: the quickest and the most exact variant of a network within the budget, or that there is none."""
        fitting = self.fitting(rows, network)
        if fitting:
            quickest, exact = fitting[0], most_exact(fitting)
            return f"{network} within {self.ms:g} ms: quickest {_shown(quickest)}; most exact {_shown(exact)}"
        others = sorted((row for row in self._mine(rows, network) if row.rounds.get("whole")), key=_whole)
        if not others:
            return f"{network} within {self.ms:g} ms: nothing that was asked for could be measured"
        return f"{network} within {self.ms:g} ms: no variant; the quickest, {_shown(others[0])}, takes longer"

    def check(self, rows: Sequence[Row], network: str) -> None:
        """Raises BudgetError where no variant of the network keeps the budget."""
        if not self.fitting(rows, network):
            raise BudgetError(
                f"{self.reading(rows, network)}; a smaller --size, fewer --heads, other --runtimes or --precision, or "
                f"a smaller network (hydranet search RECIPE --latency-ms {self.ms:g}) may"
            )

    def _mine(self, rows: Sequence[Row], network: str) -> list[Row]:
        return [row for row in rows if row.network == network and (row.runtime, row.precision) in self.asked]


def most_exact(rows: Sequence[Row]) -> Row:
    """The variant whose precision comes first in `PRECISIONS`; of several the quickest."""
    return min(rows, key=lambda row: (PRECISIONS.index(row.precision), _whole(row)))


def _whole(row: Row) -> float:
    return row.ms("whole")


def _shown(row: Row) -> str:
    unchecked = ", its accuracy unchecked" if row.unchecked else ""
    return f"{row.runtime} {row.precision} ({_whole(row):.1f} ms{unchecked})"
