"""Which part of a network suffers from INT8: everything quantised, the trunk alone, and all but one head."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from hydranet.quantization.budget import Lost

Left = frozenset[str]
"""Heads that stay in float."""

Measure = Callable[[Sequence[Left]], list[list[Lost]]]
"""The losses of networks with these parts left in float."""


@dataclass(frozen=True)
class Tried:
    """One way to quantise, and what it lost."""

    left: Left
    lost: Sequence[Lost]

    @property
    def accepted(self) -> bool:
        """Whether every task stays within its budget."""
        return all(one.kept for one in self.lost)


@dataclass
class Scan:
    """All that was tried, in order. chosen: the one with the fewest float heads that keeps the budget, if any does.

    unseen: heads in float throughout, since no validation picture labels them.
    """

    heads: tuple[str, ...]
    unseen: tuple[str, ...] = ()
    tried: list[Tried] = field(default_factory=list)
    chosen: Tried | None = None

    def name(self, left: Left) -> str:
        """ "all INT8", "all but depth", "trunk only"."""
        if not left:
            return "all INT8"
        if left == frozenset(self.heads):
            return "trunk only"
        return f"all but {', '.join(head for head in self.heads if head in left)}"

    @property
    def note(self) -> str:
        """What nobody measured, as a sentence; empty where everything was."""
        if not self.unseen:
            return ""
        heads = ", ".join(self.unseen)
        return (
            f"no validation picture labels {heads}: left in float, and what they lose by the trunk in INT8 is not "
            f"measured; add a validation source for {heads}"
        )

    @property
    def order(self) -> list[str]:
        """Heads by what leaving them in float gives back of all budgets that were used, most first."""
        found = {t.left: sum(max(one.used, 0.0) for one in t.lost) for t in self.tried}
        gain = {head: found[frozenset()] - found.get(frozenset({head}), found[frozenset()]) for head in self.heads}
        return sorted(self.heads, key=lambda head: -gain[head])


def scan(heads: Sequence[str], measure: Measure, unseen: Iterable[str] = ()) -> Iterator[Scan]:
    """Tries all parts, the trunk alone, and each head left out; then mixtures until the budget is kept.

    Heads are put back to float in the order of the scan, one more at a time. Yields the scan after every look; where
    even the trunk alone breaks the budget, nothing is chosen.
    """
    found = Scan(tuple(heads), tuple(sorted(unseen)))
    every = frozenset(heads)
    first: list[Left] = [frozenset(), *(frozenset({head}) for head in heads)]
    first += [every] if every not in first else []
    found.tried += [Tried(left, lost) for left, lost in zip(first, measure(first), strict=True)]
    yield found
    done = {tried.left: tried for tried in found.tried}
    order = found.order
    for count in range(len(heads) + 1):
        # of equal number, those that were already measured come first: a head alone may be enough that is not first
        same = [left for left in done if len(left) == count]
        left = frozenset(order[:count])
        if left not in done:
            (lost,) = measure([left])
            done[left] = Tried(left, lost)
            found.tried.append(done[left])
            yield found
        kept = [done[one] for one in dict.fromkeys([left, *same]) if done[one].accepted]
        if kept:
            found.chosen = kept[0]
            break
    yield found


def summary(found: Scan) -> Mapping[str, object]:
    """As JSON values."""
    return {
        "order": found.order,
        "not_measured": found.unseen,
        "chosen": sorted(found.chosen.left) if found.chosen else None,
        "tried": [
            {
                "name": found.name(tried.left),
                "float": sorted(tried.left),
                "accepted": tried.accepted,
                "losses": [
                    {
                        "source": one.source,
                        "task": one.limit.task,
                        "metric": one.limit.metric,
                        "before": one.before,
                        "after": one.after,
                        "loss": one.loss,
                        "allowed": one.limit.allowed,
                    }
                    for one in tried.lost
                ],
            }
            for tried in found.tried
        ],
    }
