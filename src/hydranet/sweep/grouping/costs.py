"""What the network of a set of tasks costs, in networks of all tasks."""

from collections.abc import Sequence

from hydranet.checkpoint.checkpoint import without_pretrained
from hydranet.config.recipe import Recipe
from hydranet.models import profile, summary

WAYS = ("macs", "latency")


def costs(recipe: Recipe, subsets: Sequence[tuple[str, ...]], way: str) -> dict[tuple[str, ...], float]:
    """The cost of each set of tasks over that of the network with all tasks; of one image of the first source's size.

    way: "macs", multiply-accumulates; or "latency", the median time of interleaved eager runs on this machine.
    Measured on subsets of one network: with hard sharing a network of fewer tasks does just this work.
    """
    model, size = without_pretrained(recipe).build().eval(), recipe.data[0].size
    whole = tuple(task.name for task in recipe.tasks)
    asked = list(dict.fromkeys([*subsets, whole]))
    if way == "latency":
        made = profile.costs({" ".join(names): [model.subset(*names)] for names in asked}, size)
        spent = {names: made[" ".join(names)].network_ms for names in asked}
    else:
        spent = {names: float(summary.macs(model, size, names)) for names in asked}
    return {names: spent[names] / spent[whole] for names in subsets}
