"""Where to compare task gradients: what each way costs, and how far its cosines are from those at all parameters.

    python benchmarks/gramian.py [--steps 40] [--rounds 5] [--start RUN] [--threads 1]

Error: four heads (segmentation, depth, normals, boxes) learn generated scenes, 8 images of 96x320 per step, from
ImageNet weights or from a run of the recipe `demo`; in every step every way is tried on the same batch. "per step":
mean distance of a cosine from the one at all parameters in the same step; what is reused between comparisons grows
old, and that counts: "every 2" is a step old in every second step. "over the run": the same for cosines averaged over
all steps. "largest": of the pairs of tasks, over the run.
Cost: a training step with 2, 4 and 8 segmentation heads on one decoder (as in balancing.py) over the plain sum's,
median of interleaved rounds; a way that compares every k steps costs 1 + (c - 1) / k.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import cast

import numpy as np
import torch
from balancing import batch as random_batch
from balancing import network
from torch import Tensor, nn

from hydranet.balancers.plain_sum import PlainSum
from hydranet.balancers.uniform import Uniform
from hydranet.checkpoint.checkpoint import load_model
from hydranet.config.source import Source
from hydranet.core.balancer import PAST, At
from hydranet.core.batch import Batch
from hydranet.core.features import Pyramid
from hydranet.data.mixture import Mixture, load
from hydranet.datasets.scenes.dataset import Scenes
from hydranet.models.hydranet import HydraNet
from hydranet.recipes.demo import demo
from hydranet.training.feature_gradients import DetachedFeatures, ParameterUsers, detach_features, parameter_users
from hydranet.training.gradients import step_gradients
from hydranet.training.losses import frozen_buffers, losses_of
from hydranet.training.meta_gradients import select_images
from hydranet.training.step import StepContext

SIZE = (96, 320)
Place = Callable[[HydraNet, Pyramid, Pyramid], Sequence[Tensor]]
PLACES: dict[str, Place] = {
    "all parameters": lambda model, taps, levels: list(model.trunk.parameters()),
    "decoder's parameters": lambda model, taps, levels: list(cast(nn.Module, model.trunk.decoder).parameters()),
    "encoder's taps": lambda model, taps, levels: taps,
    "pyramid levels": lambda model, taps, levels: levels,
}
"""What the gradient of each task's loss is taken with respect to."""


def detached(model: HydraNet, given: Batch) -> tuple[Pyramid, Pyramid, DetachedFeatures]:
    """Taps and levels of a batch, and the task gradients at the levels from one backward pass through the heads."""
    taps = model.trunk.shared(given.pixels)
    pyramids = model.trunk.branch(taps, list(model.tasks))
    copies, features = detach_features(pyramids)
    losses = losses_of(model, model.answer(copies), given)
    torch.stack([loss.total / loss.count.clamp(min=1) for loss in losses.values()]).sum().backward()
    return taps, features.trunk, features


def vectors(model: HydraNet, given: Batch, place: Place) -> Tensor:
    """float t p: the gradient of each task's mean loss at a place."""
    taps, levels, features = detached(model, given)
    inputs = place(model, taps, levels)
    rows = []
    for task in model.tasks:
        outputs, gradients = features.gradients(task, levels)
        found = torch.autograd.grad(outputs, list(inputs), gradients, retain_graph=True, allow_unused=True)
        flat = [torch.zeros_like(x) if g is None else g for x, g in zip(inputs, found, strict=True)]
        rows.append(torch.cat([gradient.flatten() for gradient in flat]))
    return torch.stack(rows)


def cosines(rows: Tensor) -> np.ndarray:
    """float, one per pair of tasks."""
    unit = torch.nn.functional.normalize(rows.double(), dim=1)
    upper = np.triu_indices(len(rows), 1)
    return (unit @ unit.T).numpy()[upper]


def learn(start: str, steps: int) -> dict[str, np.ndarray]:
    """float steps p by way: cosines in every step of a short training."""
    recipe = demo()
    scenes = Source("scenes", Scenes(count=2000, seed=5, size=SIZE), SIZE)
    recipe = replace(recipe, data=(scenes,), steps=steps, workers=0, ema=None, precision="fp32")
    model = load_model(start)[0] if start else recipe.build()
    model.train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-4)
    rows: dict[str, list[np.ndarray]] = {}
    for (given,) in load(Mixture(recipe)):
        with frozen_buffers(model):
            for name, place in PLACES.items():
                rows.setdefault(name, []).append(cosines(vectors(model, given, place).detach()))
            for images in (2, 4):
                part = select_images(given, range(images))
                name = f"all parameters, {images} of {len(given.key)} images"
                rows.setdefault(name, []).append(cosines(vectors(model, part, PLACES["all parameters"]).detach()))
        optimizer.zero_grad(set_to_none=True)
        step_gradients(StepContext(model, [given], Uniform(tuple(model.tasks))))
        torch.nn.utils.clip_grad_norm_(model.parameters(), 10.0)
        optimizer.step()
    return {name: np.array(values) for name, values in rows.items()}


def held(values: np.ndarray, every: int) -> np.ndarray:
    """What is known in each step where a comparison is made every so many only."""
    return values[np.arange(len(values)) // every * every]


def smoothed(values: np.ndarray, decay: float = 0.9) -> np.ndarray:
    """Exponential moving averages."""
    kept, rows = values[0], []
    for row in values:
        kept = decay * kept + (1 - decay) * row
        rows.append(kept)
    return np.array(rows)


def averaged(values: np.ndarray, decay: float = PAST) -> np.ndarray:
    """As a balancer knows them with every=2: in every second step anew, in the others a moving average."""
    rows = held(values, 2).copy()
    rows[1::2] = smoothed(values[::2], decay)[: len(rows[1::2])]
    return rows


def ways(found: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Every way to look: places, parts of the images, every k steps, smoothed."""
    all_ways = dict(found)
    for name in ("decoder's parameters", "all parameters"):
        all_ways |= {f"{name}, every {k}": held(found[name], k) for k in (2, 4, 8)}
    for name in ("decoder's parameters", "all parameters"):
        all_ways[f"{name}, every 2, averaged"] = averaged(found[name])
    small = next(name for name in found if " 2 of " in name)
    return all_ways | {f"{small}, smoothed": smoothed(found[small])}


def seconds(model: HydraNet, given: Batch, way: str, users: ParameterUsers) -> float:
    """Processor time of one step: the plain sum, or with a comparison at a place."""
    names = tuple(model.tasks)
    balancer = Uniform(names) if way == "plain sum" else PlainSum(names, at=cast(At, way), every=1)
    model.zero_grad(set_to_none=True)
    began = time.process_time()
    step_gradients(StepContext(model, [given], balancer, users=users))
    return time.process_time() - began


def costs(tasks: int, rounds: int) -> dict[str, float]:
    """A step's time over the plain sum's, by place."""
    model, given = network(tasks, "cpu"), random_batch(tasks, (128, 256), "cpu")
    users = parameter_users(model.trunk)  # a run finds it out once
    names = ("plain sum", "decoder", "parameters")
    times: dict[str, list[float]] = {name: [] for name in names}
    for turn in range(rounds + 1):
        for name in names:
            spent = seconds(model, given, name, users)
            if turn:
                times[name].append(spent)
    plain = times["plain sum"]
    return {n: statistics.median(t / p for t, p in zip(ts, plain, strict=True)) for n, ts in times.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--start", default="", help="a run of the recipe demo, to look at a network late in training")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    found = learn(options.start, options.steps)
    truth = found["all parameters"]
    print(f"cosines at all parameters: mean {truth.mean(0).round(3)}, spread over steps {truth.std(0).round(3)}")
    print(f"{'error of cosines':44}{'per step':>10}{'over the run':>14}{'largest':>9}")
    for name, values in ways(found).items():
        whole = np.abs(values.mean(0) - truth.mean(0))
        print(f"{name:44}{np.abs(values - truth).mean():10.3f}{whole.mean():14.3f}{whole.max():9.3f}")
    print(f"\n{'step over the plain sum':44}" + "".join(f"{f'{tasks} tasks':>10}" for tasks in (2, 4, 8)))
    columns = [costs(tasks, options.rounds) for tasks in (2, 4, 8)] if options.rounds else []
    for name, every in (
        ("decoder", 1),
        ("decoder", 2),
        ("parameters", 1),
        ("parameters", 2),
        ("parameters", 4),
        ("parameters", 8),
    ):
        cells = "".join(f"{1 + (column[name] - 1) / every:10.2f}" for column in columns)
        print(f"{f'{name}, every {every}':44}{cells}")


if __name__ == "__main__":
    main()
