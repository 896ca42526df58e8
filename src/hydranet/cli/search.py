"""hydranet search"""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hydranet.cli import terminal
from hydranet.cli.arguments import Allow, Device, RecipeName
from hydranet.cli.sweep import Engine, run_plan
from hydranet.cli.terminal import say

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from hydranet.bench.compare import Pace
    from hydranet.bench.latency import Target
    from hydranet.config.recipe import Recipe
    from hydranet.sweep.plan import Plan
    from hydranet.sweep.search.halving import Rung
    from hydranet.sweep.search.space import Point

LATENCIES, FOUND = "latency.json", "search"
"""What was measured; and the stem of the files that hold the result."""


def search(
    recipe: RecipeName,
    settings: Annotated[
        list[str] | None,
        typer.Argument(
            help="What to search: decoder.width=32,64 encoder.taps=null,4 sharing=hard_sharing,mtan; default: the "
            "decoder's width, and what tasks share"
        ),
    ] = None,
    latency_ms: Annotated[float, typer.Option(help="A whole frame may take so long; measured here")] = 50.0,
    runtime: Annotated[str, typer.Option(help="Where it is to run, of those of `hydranet bench`")] = "openvino",
    precision: Annotated[str, typer.Option(help="fp32, bf16, int8, as the runtime has them")] = "fp32",
    threads: Annotated[int, typer.Option(min=1, help="Of the runtime")] = 2,
    size: Annotated[str, typer.Option(help="What networks see, as 192x640; default: the first validation size")] = "",
    networks: Annotated[int, typer.Option(min=1, help="So many that are fast enough are drawn and trained")] = 9,
    rungs: Annotated[int, typer.Option(min=1, help="Rounds of training, each longer and of fewer networks")] = 3,
    keep: Annotated[int, typer.Option(min=2, help="One network in so many goes on to the next round")] = 3,
    draw: Annotated[int, typer.Option(min=0, help="Seed of what is drawn; the recipe's seed is of the training")] = 0,
    rounds: Annotated[int, typer.Option(min=1, help="Turns of the measurement")] = 5,
    out: Annotated[Path | None, typer.Option(help="Folder of runs and results; default runs/NAME-search")] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Runs at a time, each a process of its own")] = 1,
    ray: Annotated[bool, typer.Option("--ray", help="Spread the runs over a Ray cluster; --jobs limits them")] = False,
    device: Device = "cpu",
    allow: Allow = None,
) -> None:
    """Find the network that scores best within a time per frame: draw, measure, train the fast ones, halve, repeat.

    Scores are delta-m against the recipe as it is, which is trained beside them. Stopped, the same command goes on.
    Writes the winner as a recipe, and a page with the Pareto front. See docs/sweeps.md.
    """
    from hydranet.bench.compare import Pace
    from hydranet.bench.latency import Target
    from hydranet.checkpoint import resolve
    from hydranet.core.checks.ranges import check_range
    from hydranet.core.spec import SpecError
    from hydranet.inference.predictor import parse_size
    from hydranet.sweep.axes import SEED, axes
    from hydranet.sweep.search import halving
    from hydranet.sweep.search.space import points, usual_space

    chosen = resolve.recipe(recipe)
    if not chosen.validation:
        raise SpecError(f"recipe {chosen.name!r} has no validation, so its runs cannot be compared; add a source")
    check_range("--latency-ms", latency_ms, 0, above=True)
    values = axes(settings or [])
    if len(values.get(SEED, ())) > 1:
        raise SpecError("got several seeds, expected one: a search trains each network once per round")
    if not any(len(several) > 1 for several in values.values()):
        values |= usual_space(chosen)
    shape = parse_size(size) or chosen.validation[0].size
    folder = out or Path("runs") / f"{chosen.name}-search"
    fixed = chosen.changed(f"{key}={several[0]}" for key, several in values.items() if len(several) == 1)
    halving.rungs(fixed.steps, networks, rungs, keep)  # refused before anything is measured
    target = Target(runtime, precision, (shape[0], shape[1]), threads)
    meter = _Meter(target, folder, Pace(rounds, 5, threads))
    drawn = _drawn(list(points(chosen, values, draw)), meter, latency_ms, networks)
    ladder = halving.rungs(fixed.steps, len(drawn.points), rungs, keep)
    result = _climbed(drawn, ladder, folder, Engine(recipe, device, jobs, ray))
    _show(result, chosen, folder, latency_ms, target)


@dataclass
class _Drawn:
    """What was drawn: the recipe itself first, then what is fast enough; and why others are left out."""

    first: "Point"
    points: "list[Point]"
    ms: dict[str, float]
    slow: int = 0
    left_out: dict[str, str] = field(default_factory=dict)


@dataclass
class _Climbed:
    """The scores (delta-m, percent) of each rung by name, and the table of what was drawn."""

    drawn: _Drawn
    rungs: "Sequence[Rung]"
    scores: "list[dict[str, float]]"

    def last(self, name: str) -> int:
        """The last rung that a network was trained in."""
        return max(rung for rung, scores in enumerate(self.scores) if name in scores)


class _Meter:
    """Times per frame, kept in a file, so that each network is measured once."""

    def __init__(self, target: "Target", folder: Path, pace: "Pace") -> None:
        from hydranet.io.atomic import CheckpointError
        from hydranet.io.files import read_json

        self.target, self.folder, self.pace = target, folder, pace
        self.path = folder / LATENCIES
        self.known: dict[str, float | str] = {}
        if self.path.is_file():
            tree = read_json(self.path)
            if tree["target"] != target.tree():
                raise CheckpointError(
                    f"{self.path} holds times of another target ({tree['target']}); choose another --out"
                )
            self.known = tree["times"]

    def measure(self, points: "Sequence[Point]") -> None:
        """Measures those that were not, and writes the file."""
        from hydranet.bench.latency import frame_ms
        from hydranet.checkpoint.checkpoint import without_pretrained
        from hydranet.io.atomic import write

        missing = {one.name: without_pretrained(one.recipe) for one in points if one.name not in self.known}
        if not missing:
            return
        for name, value in frame_ms(missing, self.target, self.folder / "measured", self.pace):
            self.known[name] = value
        tree = {"target": self.target.tree(), "times": self.known}
        write(self.path, json.dumps(tree, indent=2).encode())


def _drawn(space: "Sequence[Any]", meter: _Meter, limit: float, wanted: int) -> _Drawn:
    """Measures one after another until enough are fast enough. Raises SpecError where none is."""
    from hydranet.bench.latency import TOGETHER
    from hydranet.core.spec import SpecError
    from hydranet.sweep.search.space import NoPoint

    drawn = _Drawn(space[0], [], {})
    waiting = []
    for one in space:
        if isinstance(one, NoPoint):
            drawn.left_out[one.label] = one.reason
        else:
            waiting.append(one)
    if len(waiting) == 1 and drawn.left_out:
        raise SpecError(f"no settings make a network: {next(iter(drawn.left_out.values()))}")
    with terminal.bar() as bar:
        job = bar.add_task("measuring times per frame", total=wanted, note="")
        while waiting and len(drawn.points) < wanted:
            now, waiting = waiting[:TOGETHER], waiting[TOGETHER:]
            meter.measure(now)
            for one in now:
                value = meter.known[one.name]
                if isinstance(value, str):
                    drawn.left_out[one.label] = value
                    continue
                drawn.ms[one.name] = value
                if value > limit:
                    drawn.slow += 1
                elif len(drawn.points) < wanted:
                    drawn.points.append(one)
            bar.update(job, completed=len(drawn.points), note=f"{drawn.slow} too slow")
    if drawn.first.name not in drawn.ms:
        raise SpecError(f"the recipe as it is cannot be measured: {drawn.left_out[drawn.first.label]}")
    if not drawn.points:
        fastest = min(drawn.ms.values())
        raise SpecError(
            f"got --latency-ms {limit:g}, but the fastest of {len(drawn.ms)} networks takes {fastest:.3g} ms per frame "
            "here; allow more, or search smaller ones"
        )
    return drawn


def _climbed(drawn: _Drawn, ladder: "Sequence[Rung]", folder: Path, how: Engine) -> _Climbed:
    """Trains rung after rung; the best of one go on to the next."""
    from hydranet.core.spec import SpecError
    from hydranet.sweep.search import halving

    going = list(drawn.points)
    every: list[dict[str, float]] = []
    for place, rung in enumerate(ladder):
        trained = [drawn.first, *(one for one in going if one is not drawn.first)]
        planned = _plan(trained, rung.steps)
        say(f"round {place + 1} of {len(ladder)}: {len(trained)} networks, {rung.steps} steps each")
        runs = run_plan(planned, folder / f"round-{place + 1}", how)
        rows = {row.label: row for row in runs.results.rows}
        scores = {one.name: next(iter(rows[one.label].delta_m.values()), float("nan")) for one in trained}
        for name, error in runs.failed.items():
            say(f"{name} is out: {error}")
        if scores[drawn.first.name] != 0:
            raise SpecError(
                "the recipe as it is scored 0 or nothing in every metric after "
                f"{rung.steps} steps, so nothing can be compared with it; take more steps or fewer rounds (--rungs)"
            )
        every.append(scores)
        fast = {one.name for one in going}
        count = ladder[place + 1].networks if place + 1 < len(ladder) else 1
        names = halving.best({name: score for name, score in scores.items() if name in fast}, drawn.ms, count)
        going = [one for name in names for one in going if one.name == name]
        if not going:
            raise SpecError(
                f"no network that is fast enough has a score after {rung.steps} steps; see the runs' errors"
            )
    return _Climbed(drawn, ladder, every)


def _plan(points: "Sequence[Point]", steps: int) -> "Plan":
    """A run for each, compared with the first."""
    from dataclasses import replace

    from hydranet.sweep.plan import Group, Plan, Trial

    trials = tuple(Trial(one.name, replace(one.recipe, steps=steps)) for one in points)
    groups = tuple(Group(one.label, one.settings, {one.recipe.seed: one.name}) for one in points)
    return Plan(points[0].recipe.name, trials, groups, groups[0].label)


def _show(result: _Climbed, recipe: "Recipe", folder: Path, limit: float, target: "Target") -> None:
    """Says and writes the table, the front and the winner."""
    from dataclasses import replace

    from hydranet.io.atomic import write
    from hydranet.reporting import tables
    from hydranet.sweep.search import halving

    drawn = result.drawn
    fast = {one.name: one for one in drawn.points}
    final = {name: score for name, score in result.scores[-1].items() if name in fast}
    winner = fast[halving.best(final, drawn.ms, 1)[0]]
    labels = {one.name: one.label for one in (drawn.first, *drawn.points)}
    fronts = [halving.front(scores, drawn.ms) for scores in result.scores]
    say(tables.search(labels, drawn.ms, result.scores, winner.name))
    if drawn.slow:
        say(f"{drawn.slow} of {len(drawn.ms)} networks that were measured take more than {limit:g} ms per frame")
    for label, reason in drawn.left_out.items():
        say(f"left out: {label}: {reason}")
    tree = {
        "recipe": recipe.name,
        "target": target.tree(),
        "latency_ms": limit,
        "networks": [
            {"label": labels[name], "name": name, "ms": drawn.ms[name], "delta_m": _by_round(result.scores, name)}
            for name in labels
            if name in drawn.ms
        ],
        "fronts": [[labels[name] for name in one] for one in fronts],
        "steps": [rung.steps for rung in result.rungs],
        "left_out": drawn.left_out,
        "too_slow": drawn.slow,
        "winner": winner.label,
    }
    write(folder / f"{FOUND}.json", json.dumps(tree, indent=2).encode())
    write(folder / f"{FOUND}.html", _page(result, labels, fronts, limit, target).encode())
    made = replace(winner.recipe, name=f"{recipe.name}-searched")
    write(folder / "winner.json", made.to_json().encode())
    say(f"winner: {winner.label}, {drawn.ms[winner.name]:.3g} ms, delta-m {final[winner.name]:+.2f} %")
    say(f"as a recipe: hydranet train {folder / 'winner.json'}   |   {folder / FOUND}.html, .json")


def _by_round(scores: "Sequence[Mapping[str, float]]", name: str) -> list[float | None]:
    from hydranet.evaluation.report import finite

    return [finite(one[name]) if name in one else None for one in scores]


def _page(
    result: _Climbed, labels: "Mapping[str, str]", fronts: "Sequence[Sequence[str]]", limit: float, target: "Target"
) -> str:
    """A chart for each round: time per frame against delta-m, with the Pareto front."""
    from html import escape

    from hydranet.visualization.charts import Spot, scatter

    parts = []
    for place, (scores, front) in enumerate(zip(result.scores, fronts, strict=True)):
        spots = [Spot(labels[name], result.drawn.ms[name], score, name in front) for name, score in scores.items()]
        chart = scatter(spots, f"ms per frame, {target.runtime} {target.precision}", "delta-m %", limit)
        parts.append(f"<h2>round {place + 1}, {result.rungs[place].steps} steps</h2>{chart}")
        parts.append("<ul>" + "".join(f"<li>{escape(labels[name])}</li>" for name in front) + "</ul>")
    return (
        "<!doctype html><meta charset='utf-8'><title>Search</title><body style='font-family:sans-serif'>"
        f"<h1>Pareto fronts</h1>{''.join(parts)}"
    )
