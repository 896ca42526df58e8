"""hydranet branch"""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hydranet.cli.arguments import Allow, Device, RunPath
from hydranet.cli.group import numbers
from hydranet.cli.terminal import say

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from hydranet.config.recipe import Recipe
    from hydranet.core.batch import Batch
    from hydranet.models.hydranet import HydraNet
    from hydranet.sweep.grouping.tree import TreeChoice
    from hydranet.training.stage_affinity import StageAffinity

PROVEN_ON = 8
"""Images on which a widened network is compared with the one it came from."""


def branch(
    run: RunPath,
    budget: Annotated[
        str, typer.Option(help="What the branched network may cost, in networks of the run; several by commas")
    ] = "1.5",
    cost: Annotated[str, typer.Option(help="macs, or latency: measured here, in eager PyTorch")] = "macs",
    images: Annotated[int, typer.Option(min=4, help="Training images by which tasks are compared")] = 64,
    steps: Annotated[int, typer.Option(min=0, help="Steps of the branched network's recipe; 0 = those of the run")] = 0,
    out: Annotated[Path | None, typer.Option(help="Folder of tables and recipes; default RUN-branched")] = None,
    device: Device = "cpu",
    allow: Allow = None,
) -> None:
    """Let tasks of a trained network part ways where they are least alike: a tree of branches within a budget.

    Writes a recipe for each budget that starts from the run: each branch begins as a copy of the stage that was shared,
    so that before training the network answers as the run does, bit by bit, which is proven. See docs/sharing.md.
    """
    from hydranet.checkpoint.checkpoint import load_model
    from hydranet.core.spec import SpecError, unknown
    from hydranet.io.atomic import write
    from hydranet.models.device import available_device
    from hydranet.reporting import tables
    from hydranet.sweep.grouping.costs import WAYS
    from hydranet.sweep.grouping.stage_costs import stage_costs
    from hydranet.training.stage_affinity import stage_affinities

    if cost not in WAYS:
        raise SpecError(unknown(cost, WAYS, "way (--cost)"))
    budgets = numbers(budget)
    model, recipe = load_model(run)
    if len(model.tasks) < 2:
        raise SpecError(f"{run} has one task, expected at least two; there is nothing to part")
    spent = stage_costs(model, recipe.data[0].size, cost)
    place = available_device(device)
    batches = [batch.to(place) for batch in _images(recipe, images)]
    measured = stage_affinities(model.to(place), batches, recipe.batch)
    model.to("cpu")
    say(tables.stage_affinity(measured, (*spent.stages, spent.heads)))
    choices = {limit: _chosen(model, measured, spent.stages, spent.heads, limit) for limit in budgets}
    say(tables.trees(choices, cost))
    folder = out or Path(f"{str(run).rstrip('/')}-branched")
    _write(folder, list(model.tasks), measured, choices)
    for limit, choice in choices.items():
        made = _widened(recipe, choice, run, limit, steps)
        path = folder / f"budget-{limit:g}.json"
        _prove(model, made)
        write(path, made.to_json().encode())
        say(f"budget {limit:g}: answers as {run} does, bit by bit; train it on: hydranet train {path}")


def _images(recipe: "Recipe", count: int) -> "list[Batch]":
    """The first images that training would draw, one by one."""
    from hydranet.core.batch import collate
    from hydranet.data.mixture import Mixture

    mixture = Mixture(recipe)
    return [collate([mixture.sample(slot)]) for slot in range(min(count, recipe.steps * recipe.batch))]


def _chosen(
    model: "HydraNet", measured: "Sequence[StageAffinity]", stages: "Sequence[float]", heads: float, limit: float
) -> "TreeChoice":
    from hydranet.sweep.grouping.tree import Stage, best_tree

    decoding = frozenset(name for name, task in model.tasks.items() if task.reads == "decoder")
    given = [
        Stage(
            {pair: 1 - value for pair, value in one.mean.items()},
            share,
            decoding if one.name == "decoder" else frozenset(model.tasks),
        )
        for one, share in zip(measured, stages, strict=True)
    ]
    return best_tree(list(model.tasks), given, heads, limit)


def _widened(recipe: "Recipe", choice: "TreeChoice", run: Path, limit: float, steps: int) -> "Recipe":
    """The recipe of the branched network, which starts from the run."""
    from dataclasses import replace

    from hydranet.checkpoint.checkpoint import without_pretrained
    from hydranet.core.spec import Part
    from hydranet.models.sharing.branched import Branched

    return replace(
        without_pretrained(recipe),
        name=f"{recipe.name}-branched-{limit:g}".replace(".", "_"),
        sharing=Part(Branched, tree=choice.tree),
        start=str(run),
        stages=(),
        steps=steps or recipe.steps,
    )


def _prove(model: "HydraNet", recipe: "Recipe") -> None:
    """Raises OutputsDiffer where the widened network, before training, answers otherwise than the run."""
    from hydranet.checkpoint.warm_start import load_pretrained
    from hydranet.data.whole_images import WholeImages
    from hydranet.evaluation.bit_equality import OutputsDiffer, compare_outputs

    widened = recipe.build()
    load_pretrained(widened, recipe)
    images = WholeImages((recipe.validation or recipe.data)[:1], PROVEN_ON)
    proofs = compare_outputs(model, widened.eval(), images)
    for line in images.left_out.sentences():
        say(line)
    if differ := [name for name, proof in proofs.items() if not proof.same]:
        raise OutputsDiffer(
            f"{', '.join(differ)} of the branched network do not answer as in {recipe.start}; report this: it must not "
            "happen"
        )


def _write(
    folder: Path, names: "Sequence[str]", measured: "Sequence[StageAffinity]", choices: "Mapping[float, TreeChoice]"
) -> None:
    """The affinities and trees as JSON, and a heat map for each stage on one page."""
    from hydranet.io.atomic import write
    from hydranet.visualization.charts import heat_map

    tree = {
        "stages": [
            {
                "stage": one.name,
                **{
                    kind: [[*pair, value] for pair, value in table.items()]
                    for kind, table in (
                        ("gradient", one.gradient),
                        ("contribution", one.contribution),
                        ("error", one.error),
                        ("affinity", one.mean),
                    )
                },
            }
            for one in measured
        ],
        "trees": {
            f"{limit:g}": {"tree": one.tree, "apart": one.apart, "cost": one.cost} for limit, one in choices.items()
        },
    }
    write(folder / "branch.json", json.dumps(tree, indent=2).encode())
    maps = []
    for one in measured:
        mean = one.mean
        cells = [[mean.get((i, j), mean.get((j, i))) for j in names] for i in names]
        maps.append(f"<h2>{one.name}</h2>{heat_map(names, names, cells)}")
    page = f"<!doctype html><meta charset='utf-8'><title>How alike tasks are</title>{''.join(maps)}"
    write(folder / "branch.html", page.encode())
    say(f"the same as files: {folder / 'branch.json'}, branch.html")
