"""By which metric a run's best network is chosen."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from hydranet.core.errors import SpecError

_WORD = r"[A-Za-z][A-Za-z0-9_-]*"
_PATTERN = re.compile(rf"(?:({_WORD})/)?({_WORD})(?:\.([A-Za-z0-9_.@ -]+?))?(?::(higher|lower))?")


@dataclass(frozen=True)
class BestMetric:
    """A metric of a task, on one validation source or the mean over all that measure it.

    metric: "" = the task's headline.    direction: "higher" or "lower" is better; "" = as the headline says.
    """

    text: str
    task: str
    source: str = ""
    metric: str = ""
    direction: str = ""

    def better(self, headlines: Mapping[str, tuple[str, str]]) -> str:
        """ "higher" or "lower"."""
        return self.direction or headlines[self.task][1]


def parsed(text: str) -> BestMetric:
    """ "semantic", "depth.rmse:lower" or "kitti/detection" as a metric. Raises SpecError for anything else.

    A metric that is not the task's headline needs its direction.
    """
    matched = _PATTERN.fullmatch(text)
    if not matched:
        raise SpecError(f"got keep_best={text!r}, expected TASK, SOURCE/TASK, or TASK.METRIC:lower (or :higher)")
    source, task, metric, direction = (part or "" for part in matched.groups())
    if metric and not direction:
        raise SpecError(f"got keep_best={text!r}, expected whether lower or higher is better: {text}:lower or :higher")
    return BestMetric(text, task, source, metric, direction)
