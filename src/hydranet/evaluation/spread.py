"""Mean and spread over repetitions, such as seeds."""

import math
import statistics
from collections.abc import Iterable


def spread(values: Iterable[float]) -> tuple[float, float]:
    """Mean and sample standard deviation of the finite values; NaN for what they do not tell."""
    known = [value for value in values if math.isfinite(value)]
    mean = statistics.fmean(known) if known else math.nan
    return mean, statistics.stdev(known) if len(known) > 1 else math.nan


def mean_and_spread(values: Iterable[float], form: str = ".4g") -> str:
    """ "0.412 ± 0.013"; without the spread for one value, a dash for none."""
    mean, deviation = spread(values)
    if not math.isfinite(mean):
        return "–"
    around = ".2g" if form.endswith("g") else form.removeprefix("+")  # a spread has no sign
    return f"{mean:{form}}" + (f" ± {deviation:{around}}" if math.isfinite(deviation) else "")
