"""A network with cascades as two graphs: one for whole images, and one for crops of each cascade."""

from collections.abc import Sequence
from dataclasses import replace

from hydranet.config.recipe import Recipe
from hydranet.core.cascade import Cascade
from hydranet.export.export import ExportPlan
from hydranet.export.graph import Shape


def plans(plan: ExportPlan, recipe: Recipe) -> list[tuple[str, ExportPlan]]:
    """The plans that an export consists of, each with its folder below the export's; that of whole images comes last.

    Without cascades, or where one graph takes any size and number of images, that is the plan itself. A cascade of
    which the boxes or all heads are left out is none.
    """
    names = list(plan.heads or (task.name for task in recipe.tasks))
    if plan.shape.dynamic and plan.shape.batch is None:
        return [("", plan)]
    cascades = [_asked(one, names) for one in recipe.cascades if one.boxes in names and set(one.heads) & set(names)]
    if not cascades:
        return [("", plan)]
    crops = [(one.folder, replace(_only(plan, one.heads), shape=Shape(one.size, batch=None))) for one in cascades]
    cut = {name for one in cascades for name in one.heads}
    whole = _only(plan, [name for name in names if name not in cut])
    confidence = [name for name in plan.confidence if name not in cut]
    return [*crops, ("", replace(whole, beside=cascades, confidence=confidence))]


def _only(plan: ExportPlan, heads: Sequence[str]) -> ExportPlan:
    """The same for these heads."""
    confidence = [name for name in plan.confidence if name == "all" or name in heads]
    return replace(plan, heads=heads, confidence=confidence, beside=())


def _asked(cascade: Cascade, names: Sequence[str]) -> Cascade:
    """The cascade with those of its heads that are exported."""
    return replace(cascade, heads=tuple(name for name in cascade.heads if name in names))
