"""Puts a trained run into the package as a released network: weights in half precision, their scores, a model card.

    HYDRANET_DATA=DATA python benchmarks/release.py runs/street street --card benchmarks/cards/street.md

What is scored is what is handed out: the rounded weights, at the sizes that the recipe evaluates and with the options
that its tasks have after the network (`--recipe` may have others than the run). The card is Markdown; a line that is
just `{scores}` becomes the table of scores (the headline of each task on each source, with its protocol), `{sources}`
the table of what was trained on.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import torch

from hydranet.checkpoint import resolve
from hydranet.checkpoint.checkpoint import MODEL, USUAL_FOCAL, load_model, pack
from hydranet.checkpoint.released import names
from hydranet.config.recipe import Recipe
from hydranet.core.spec import to_json
from hydranet.data.overlap import wrapped
from hydranet.evaluation.evaluate import evaluate
from hydranet.evaluation.report import Report
from hydranet.io.atomic import write
from hydranet.models.hydranet import HydraNet

MOST_BYTES = 10_000_000


def main() -> None:
    given = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    given.add_argument("run", type=Path)
    given.add_argument("name")
    given.add_argument("--card", type=Path, required=True)
    given.add_argument("--recipe", help="its sources, sizes and tasks are written, not the run's")
    asked = given.parse_args()
    folder = Path(names.__file__).parent / asked.name
    model, trained = load_model(asked.run)
    if asked.recipe:
        named = resolve.recipe(asked.recipe)
        if _without_places(to_json(named.data)) != _without_places(to_json(trained.data)):
            raise SystemExit(f"{asked.recipe} learns from other sources than {asked.run}; name the recipe of the run")
        trained = replace(trained, data=named.data, validation=named.validation, tasks=named.tasks)
    recipe = replace(trained, name=asked.name, start=None)  # nobody else has the file that it began with
    halves = {
        name: tensor.half() if tensor.is_floating_point() and tensor.ndim > 1 else tensor
        for name, tensor in model.state_dict().items()
    }
    cameras = {} if model.usual_focal is None else {USUAL_FOCAL: repr(model.usual_focal)}
    data = pack(halves, {"recipe": recipe.to_json(), **cameras})
    if len(data) > MOST_BYTES:
        raise SystemExit(f"got {len(data)} bytes of weights, expected at most {MOST_BYTES}; take a smaller network")
    write(folder / MODEL, data)
    again, _ = load_model(folder)
    report = measured(again, recipe)
    report.save(folder / "report")
    card = asked.card.read_text().replace("{scores}", scores(report)).replace("{sources}", sources(recipe))
    write(folder / names.CARD, card.encode())
    print(f"{folder}: {len(data) / 1e6:.2f} MB, {sum(p.numel() for p in model.parameters()) / 1e6:.2f} M parameters")
    print(f"largest relative change of a weight: {_change(model, again):.1e}")


def measured(model: HydraNet, recipe: Recipe) -> Report:
    """What the network scores on the recipe's validation sources."""
    for one in evaluate(model, recipe.validation, name=recipe.name):
        if isinstance(one, Report):
            return one
        print(f"\r{one.done} of {one.total} images scored", end="", flush=True)
    raise AssertionError("an evaluation ends with a report")


def scores(report: Report) -> str:
    """The headline score of each task on each source that labels it, as a Markdown table."""
    lines = ["| source | task | metric | score | images | protocol |", "|---|---|---|---|---|---|"]
    for source, tasks in report.scores.items():
        for task, metrics in tasks.items():
            metric, better = report.headlines[task]
            images = report.protocol[source][task].get("images", "")
            row = (source, task, f"{metric} ({better} is better)", f"{metrics[metric]:.4g}", images)
            lines.append("| " + " | ".join(map(str, row)) + f" | {report.protocol_ids[source][task]} |")
    return "\n".join(lines)


def sources(recipe: Recipe) -> str:
    """What a recipe trains on, as a Markdown table."""
    whole = sum(source.weight for source in recipe.data)
    lines = ["| source | data set | share of the images | input |", "|---|---|---|---|"]
    for source in recipe.data:
        size = "x".join(map(str, source.size))
        dataset = source.dataset
        while inner := list(wrapped(dataset)):
            dataset = inner[0]
        lines.append(f"| {source.name} | {type(dataset).__name__} | {source.weight / whole:.0%} | {size} |")
    return "\n".join(lines)


def _without_places(tree: object) -> object:
    """A recipe's tree without the folders that it names."""
    if isinstance(tree, dict):
        return {key: _without_places(value) for key, value in tree.items() if key not in ("root", "cache")}
    return [_without_places(one) for one in tree] if isinstance(tree, list | tuple) else tree


def _change(one: torch.nn.Module, other: torch.nn.Module) -> float:
    pairs = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    return max(float((a - b).abs().max() / a.abs().max().clamp(min=1e-12)) for a, b in pairs)


if __name__ == "__main__":
    main()
