"""Which tasks meet in the steps of a shared run that are looked at, known before it trains."""

from collections.abc import Collection, Sequence
from itertools import combinations

from hydranet.core.spec import SpecError
from hydranet.data.mixture import Mixture
from hydranet.evaluation.single_task_baselines import labeled


def check_meetings(mixture: Mixture, every: int, known: Collection[tuple[str, str]] = ()) -> None:
    """Raises SpecError for two tasks of which no step that is looked at can have labels, and says which sources have.

    mixture: of the run.    every: each `every`-th step is looked at.    known: pairs that were looked at before.
    Sources are asked as training asks them: a label that none of some hundred samples has counts as not there.
    """
    recipe = mixture.recipe
    names = [task.name for task in recipe.tasks]
    sources = {source.name: labeled(source, recipe.tasks) for source in recipe.data}
    met = _meet(mixture, every, list(sources.values()))
    for pair in combinations(names, 2):
        if pair not in met and pair not in known:
            able = {task: ", ".join(name for name, has in sources.items() if task in has) for task in pair}
            by = [f"{task!r} is labeled by {by_whom or 'no source'}" for task, by_whom in able.items()]
            raise SpecError(
                f"no step that is looked at can have labels of both {pair[0]!r} and {pair[1]!r} ({'; '.join(by)}; "
                f"batch={recipe.batch}, steps={recipe.steps}, --every {every}); take a larger batch, look more often "
                "or train longer, or choose --by measured"
            )


def _meet(mixture: Mixture, every: int, labels: Sequence[Collection[str]]) -> set[tuple[str, str]]:
    """Pairs of tasks, in the order of the recipe, that sources of one step label together."""
    recipe, met = mixture.recipe, set[tuple[str, str]]()
    names = [task.name for task in recipe.tasks]
    drawn = {
        frozenset(mixture.source_of[step * recipe.batch : (step + 1) * recipe.batch].tolist())
        for step in range(every, recipe.steps, every)
    }
    for sources in drawn:
        present = {name for source in sources for name in labels[source]}
        met.update(combinations([name for name in names if name in present], 2))
    return met
