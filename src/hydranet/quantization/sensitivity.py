"""Which part of a network suffers from INT8: everything quantized, the trunk alone, and all but one head."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from hydranet.quantization.budget import MetricDrop

FloatHeads = frozenset[str]
"""Heads that stay in float."""

Measure = Callable[[Sequence[FloatHeads]], list[list[MetricDrop]]]
"""The losses of networks with these parts left in float."""


@dataclass(frozen=True)
class Tried:
    """One way to quantize, and what it lost."""

    float_heads: FloatHeads
    metric_drop: Sequence[MetricDrop]

    @property
    def accepted(self) -> bool:
        """Whether every task stays within its budget."""
        return all(one.kept for one in self.metric_drop)

    @property
    def uncertainty(self) -> str:
        """ "cannot tell with 16 images" where the decision hangs on a loss within its own spread; else empty."""
        broken = [one for one in self.metric_drop if not one.kept]
        unsure = [one for one in self.metric_drop if not one.certain]
        if not unsure or any(one.certain for one in broken):
            return ""
        return f"cannot tell with {min(one.images for one in unsure)} images"


@dataclass
class Scan:
    """All that was tried, in order. chosen: the one with the fewest float heads that keeps the budget, if any does.

    unseen: heads in float throughout, since no validation image labels them.
    speed:  a sentence on whether INT8 pays on this processor; empty where nothing was shipped.
    """

    heads: tuple[str, ...]
    unseen: tuple[str, ...] = ()
    tried: list[Tried] = field(default_factory=list)
    chosen: Tried | None = None
    speed: str = ""

    def name(self, float_heads: FloatHeads) -> str:
        """ "all INT8", "all but depth", "trunk only"."""
        if not float_heads:
            return "all INT8"
        if float_heads == frozenset(self.heads):
            return "trunk only"
        return f"all but {', '.join(head for head in self.heads if head in float_heads)}"

    @property
    def note(self) -> str:
        """A sentence on what was not measured; empty where everything was."""
        if not self.unseen:
            return ""
        heads = ", ".join(self.unseen)
        return (
            f"no validation image labels {heads}: left in float, and what they lose by the trunk in INT8 is not "
            f"measured; add a validation source for {heads}"
        )

    @property
    def order(self) -> list[str]:
        """Heads by how much of all used budgets is given back when they stay in float, most first."""
        used = {t.float_heads: sum(max(one.used, 0.0) for one in t.metric_drop) for t in self.tried}
        gain = {head: used[frozenset()] - used.get(frozenset({head}), used[frozenset()]) for head in self.heads}
        return sorted(self.heads, key=lambda head: -gain[head])


def scan(heads: Sequence[str], measure: Measure, unseen: Iterable[str] = ()) -> Iterator[Scan]:
    """Tries all parts, the trunk alone, and each head left out; then mixtures until the budget is kept.

    Heads are put back to float in the order of the scan, one more at a time. Yields the scan after every measurement;
    where even the trunk alone breaks the budget, nothing is chosen.
    """
    result = Scan(tuple(heads), tuple(sorted(unseen)))
    every = frozenset(heads)
    first: list[FloatHeads] = [frozenset(), *(frozenset({head}) for head in heads)]
    first += [every] if every not in first else []
    result.tried += [
        Tried(float_heads, metric_drop) for float_heads, metric_drop in zip(first, measure(first), strict=True)
    ]
    yield result
    done = {tried.float_heads: tried for tried in result.tried}
    order = result.order
    for count in range(len(heads) + 1):
        # sets of the same size that are already measured count, too: a single head that is not first may be enough
        same = [float_heads for float_heads in done if len(float_heads) == count]
        float_heads = frozenset(order[:count])
        if float_heads not in done:
            (metric_drop,) = measure([float_heads])
            done[float_heads] = Tried(float_heads, metric_drop)
            result.tried.append(done[float_heads])
            yield result
        kept = [done[one] for one in dict.fromkeys([float_heads, *same]) if done[one].accepted]
        if kept:
            result.chosen = kept[0]
            break
    yield result


def summary(result: Scan) -> Mapping[str, object]:
    """As JSON values."""
    return {
        "order": result.order,
        "not_measured": result.unseen,
        "speed": result.speed,
        "chosen": sorted(result.chosen.float_heads) if result.chosen else None,
        "tried": [
            {
                "name": result.name(tried.float_heads),
                "float": sorted(tried.float_heads),
                "accepted": tried.accepted,
                "uncertainty": tried.uncertainty,
                "losses": [
                    {
                        "source": one.source,
                        "task": one.limit.task,
                        "metric": one.limit.metric,
                        "before": one.before,
                        "after": one.after,
                        "loss": one.loss,
                        "spread": one.spread,
                        "images": one.images,
                        "allowed": one.limit.allowed,
                    }
                    for one in tried.metric_drop
                ],
            }
            for tried in result.tried
        ],
    }
