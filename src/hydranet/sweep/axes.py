"""Settings with several values, as a user writes them: balancer=uniform,upgrad seed=0..2 optim.lr=1e-3."""

import itertools
import math
import re
from collections.abc import Iterable, Mapping, Sequence

from hydranet.core.errors import SpecError

SEED = "seed"
"""The key whose values are repetitions: a table shows their mean and spread."""

MOST_RUNS = 10_000
"""Of one sweep; more is a slip of the keyboard."""

_OPENING, _CLOSING = "[{(", "]})"


def axes(settings: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """The values of every key, in the order given: separated by commas, or a range of whole numbers "0..2" (0, 1, 2).

    A comma inside brackets or quotes separates nothing. Raises SpecError for a key or value that is given twice, for an
    empty value, and for more than `MOST_RUNS` combinations.
    """
    by_key: dict[str, tuple[str, ...]] = {}
    for setting in settings:
        key, equals, text = setting.partition("=")
        key = key.strip()
        if not equals or not key:
            raise SpecError(f"got {setting!r}, expected key=value or key=value,value, such as optim.lr=1e-3,3e-3")
        if key in by_key:
            raise SpecError(f"got {key} twice; give all its values at once: {key}={','.join(by_key[key])},{text}")
        values = tuple(value for part in _split(text) for value in _range(part.strip(), key))
        if len(values) > 1 and "" in values:
            raise SpecError(f"got {setting!r}, which has an empty value; take out a comma")
        if len(set(values)) < len(values):
            raise SpecError(f"got {setting!r}, expected every value once")
        by_key[key] = values
    if (runs := math.prod(len(values) for values in by_key.values())) > MOST_RUNS:
        raise SpecError(f"these settings make {runs:,} runs, expected at most {MOST_RUNS:,}; give fewer values")
    return by_key


def combinations(values: Mapping[str, Sequence[str]]) -> list[dict[str, str]]:
    """Every choice of one value per key; the last key changes quickest."""
    return [dict(zip(values, chosen, strict=True)) for chosen in itertools.product(*values.values())]


def _split(text: str) -> list[str]:
    """Text cut at the commas that lie outside of brackets and quotes."""
    parts, depth, quoted = [""], 0, False
    for letter in text:
        quoted ^= letter == '"'
        if not quoted:
            depth += (letter in _OPENING) - (letter in _CLOSING)
        if letter == "," and depth <= 0 and not quoted:
            parts.append("")
        else:
            parts[-1] += letter
    return parts


def _range(text: str, key: str) -> list[str]:
    """The whole numbers of a range such as 0..2; any other text as it is."""
    ends = re.fullmatch(r"(-?\d{1,9})\.\.(-?\d{1,9})", text)
    if not ends:
        return [text]
    first, last = int(ends[1]), int(ends[2])
    if last < first or last - first >= MOST_RUNS:
        raise SpecError(
            f"got {key}={text}, expected a range FIRST..LAST of at most {MOST_RUNS:,} numbers, the smaller one first"
        )
    return [str(number) for number in range(first, last + 1)]
