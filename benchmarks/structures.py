"""Sharing structures at equal compute: what each scores, and how long a whole frame then takes.

    python benchmarks/structures.py [--recipe five] [--steps 240] [--seeds 3] [--runtime openvino] [--threads 1]

Every structure gets as many multiply-accumulates to learn as hard sharing does in `--steps` steps: one that costs twice
as much per image takes half the steps, and sees half the images. Scores are delta-m in percent against hard sharing of
the same seed, mean and standard deviation over seeds. Times are those of `hydranet search`: the exported file with its
input and output work, networks side by side, weights as they begin. Stopped, the same command goes on.
Writes structures.json and structures.svg.
"""

import argparse
import json
import math
import statistics
from dataclasses import replace
from pathlib import Path

from hydranet.bench.compare import Pace
from hydranet.bench.latency import Target, frame_ms
from hydranet.checkpoint import resolve
from hydranet.checkpoint.checkpoint import without_pretrained
from hydranet.cli.sweep import Engine, run_plan
from hydranet.config.recipe import Recipe
from hydranet.io.atomic import write
from hydranet.models.summary import macs
from hydranet.sweep.plan import Group, Plan, Trial
from hydranet.sweep.search.halving import front
from hydranet.visualization.charts import Spot, scatter

GEOMETRY = ("depth", "normals")
"""Tasks of a trunk or a branch of their own, where a structure has two."""


def structures(tasks: tuple[str, ...]) -> dict[str, list[str]]:
    """Settings by the structure's name. Columns and branches are two, since one per task costs five networks."""
    two = [[task for task in tasks if task not in GEOMETRY], [task for task in tasks if task in GEOMETRY]]
    parted = json.dumps(two)
    late = json.dumps([[list(tasks)]] * 4 + [two] * 2)  # one trunk up to stride 16
    return {
        "hard_sharing": ["sharing=hard_sharing"],
        "split_decoders": ["sharing=split_decoders"],
        "branched": ["sharing=branched", f"sharing.tree={late}"],
        "grouped": ["sharing=grouped", f"sharing.groups={parted}"],
        "cross_stitch": ["sharing=cross_stitch", f"sharing.groups={parted}", "optim.factors.mix=10"],
        "cross_connected": ["sharing=cross_connected", f"sharing.groups={parted}"],
        "mtan": ["sharing=mtan"],
        "cross_task_attention": ["sharing=cross_task_attention"],
        "gated_adapters": ["sharing=gated_adapters"],
        "norms_after": ["sharing=task_norms"],
        "norms_before": ["sharing=task_norms", "sharing.at=taps"],
    }


def planned(recipe: Recipe, seeds: int) -> tuple[Plan, dict[str, Recipe], dict[str, int]]:
    """The runs; for each structure its recipe, and its multiply-accumulates for one image."""
    size = recipe.validation[0].size
    made = {n: recipe.changed(given) for n, given in structures(tuple(t.name for t in recipe.tasks)).items()}
    costs = {n: macs(without_pretrained(one).build(), size, [t.name for t in one.tasks]) for n, one in made.items()}
    steps = {name: max(round(recipe.steps * costs["hard_sharing"] / cost), 1) for name, cost in costs.items()}
    groups = tuple(Group(name, {}, {seed: f"{name}-s{seed}" for seed in range(seeds)}) for name in made)
    trials = tuple(
        Trial(f"{name}-s{seed}", replace(one, steps=steps[name], seed=seed))
        for seed in range(seeds)
        for name, one in made.items()
    )
    return Plan(recipe.name, trials, groups, "hard_sharing"), made, costs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--recipe", default="five")
    parser.add_argument("--steps", type=int, default=240)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--runtime", default="openvino")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("runs/structures"))
    options = parser.parse_args()
    recipe = replace(resolve.recipe(options.recipe), steps=options.steps)
    plan, made, costs = planned(recipe, options.seeds)
    runs = run_plan(plan, options.out, Engine(options.recipe))
    rows = {row.label: row for row in runs.results.rows}
    names = {metric.task: metric.name for metric in runs.results.metrics}
    target = Target(options.runtime, "fp32", recipe.validation[0].size, options.threads)
    plain = {name: without_pretrained(one) for name, one in made.items()}
    times = dict(frame_ms(plain, target, options.out / "measured", Pace(7, 5, options.threads)))
    spots, tree = [], []
    print(f"{'':24}{'steps':>7}{'MMACs':>8}{'ms':>8}{'delta-m %':>12}   scores")
    for trial, name in zip(plan.trials, made, strict=False):
        gains = list(rows[name].delta_m.values())
        mean = statistics.mean(gains) if gains else math.nan
        spread = statistics.stdev(gains) if len(gains) > 1 else 0.0
        scores = {f"{task} {names[task]}": statistics.mean(by.values()) for (_, task), by in rows[name].scores.items()}
        measured = times[name]
        ms = measured if isinstance(measured, float) else math.nan
        steps = trial.recipe.steps
        text = "  ".join(f"{metric} {value:.3f}" for metric, value in scores.items())
        print(f"{name:24}{steps:7}{costs[name] / 1e6:8.0f}{ms:8.1f}{mean:+7.1f} ±{spread:4.1f}   {text}")
        spots.append(Spot(name, ms, mean))
        tree.append({"structure": name, "steps": steps, "macs": costs[name], "ms": ms, "delta_m": gains, **scores})
    ahead = front({one.name: one.y for one in spots}, {one.name: one.x for one in spots})
    spots = [replace(one, front=one.name in ahead) for one in spots]
    across = f"ms per frame, {target.runtime} {target.precision}, {target.threads} thread"
    write(options.out / "structures.svg", scatter(spots, across, "delta-m %").encode())
    write(options.out / "structures.json", json.dumps({"target": target.tree(), "rows": tree}, indent=2).encode())


if __name__ == "__main__":
    main()
