"""Time of a step by balancer, relative to the plain sum, for 2, 4 and 8 tasks.

    python benchmarks/balancing.py [--rounds 15] [--threads 1] [--tasks 2 4 8] [--size 128 256] [--device cpu]

One network (MobileNet-v2, light decoder, one segmentation head per task) and one batch; each round runs every balancer
once, in turn, so that a busy machine slows all of them alike. The table shows a balancer's time divided by the plain
sum's of the same round, as a median over rounds.
"at parameters" is what most libraries do (LibMTL among them): a backward pass through the whole network for each task.
"a look" is a step in which a meta-learned balancer looks at held-out images, "every 10" its share of ten steps.
"""

import argparse
import statistics
import sys
import time

import torch
from hydranet.balancers.aggregated import Aggregated

from hydranet.annotations import ClassMap
from hydranet.balancers.auto_lambda import AutoLambda
from hydranet.balancers.dwa import DWA
from hydranet.balancers.famo import FAMO
from hydranet.balancers.gls import GLS
from hydranet.balancers.gradnorm import GradNorm
from hydranet.balancers.meta_weights import MetaWeights
from hydranet.balancers.rlw import RLW
from hydranet.balancers.uncertainty import Uncertainty
from hydranet.balancers.uniform import Uniform
from hydranet.core.balancer import Balancer
from hydranet.core.batch import Batch
from hydranet.core.spec import Part
from hydranet.models.decoders.lw_refinenet import LightWeightRefineNet
from hydranet.models.encoders.mobilenetv2 import MobileNetV2
from hydranet.models.hydranet import HydraNet
from hydranet.models.sharing.hard import HardSharing
from hydranet.tasks.semantic.task import Semantic
from hydranet.training.gradients import StepContext, step_gradients

METHODS = ("pcgrad", "mgda", "cagrad", "upgrad", "imtlg", "alignedmtl", "nashmtl")
BALANCERS: dict[str, Part] = {
    "plain sum": Part(Uniform),
    **{balancer.__name__: Part(balancer) for balancer in (Uncertainty, DWA, RLW, GLS, FAMO, GradNorm)},
    **{method: Part(Aggregated, method=method) for method in METHODS},
    "MetaWeights, a look": Part(MetaWeights, every=1),
    "AutoLambda, a look": Part(AutoLambda, every=1),
    "pcgrad at parameters": Part(Aggregated, method="pcgrad", at="parameters"),
    "upgrad at parameters": Part(Aggregated, method="upgrad", at="parameters"),
    "GradNorm at parameters": Part(GradNorm, at="parameters"),
}


def network(tasks: int, device: str) -> HydraNet:
    """A network whose heads are alike."""
    torch.manual_seed(0)
    heads = [Semantic(f"task{i}", ("road", "building", "tree", "sky", "other")) for i in range(tasks)]
    trunk = HardSharing(
        {head.name: head.reads for head in heads},
        Part(MobileNetV2, weights=None),
        Part(LightWeightRefineNet, width=64),
    )
    return HydraNet(trunk, heads).to(device).train()


def batch(tasks: int, size: tuple[int, int], device: str, images: int = 4) -> Batch:
    """Random images, labeled for every task."""
    torch.manual_seed(1)
    labels = {f"task{i}": ClassMap(torch.randint(0, 5, (images, *size), dtype=torch.uint8)) for i in range(tasks)}
    rows = {name: torch.arange(images) for name in labels}
    image = torch.randint(0, 256, (images, 3, *size), dtype=torch.uint8)
    camera = torch.full((images, 4), torch.nan)
    batch = Batch(image, labels, rows, ("random",) * images, tuple(map(str, range(images))), camera)
    return batch.to(torch.device(device))


def seconds(model: HydraNet, given: Batch, balancer: Balancer) -> float:
    """Time of forward and backward pass; with one thread its processor time, which other programs do not lengthen."""
    model.zero_grad(set_to_none=True)
    balancer.zero_grad(set_to_none=True)
    clock = time.perf_counter if given.image.is_cuda or torch.get_num_threads() > 1 else time.process_time
    began = clock()
    step_gradients(StepContext(model, [given], balancer))
    if given.image.is_cuda:
        torch.cuda.synchronize()
    return clock() - began


def ratios(tasks: int, size: tuple[int, int], rounds: int, device: str) -> tuple[float, dict[str, float]]:
    """Median seconds of the plain sum, and each balancer's median ratio to the plain sum of its round."""
    model, given = network(tasks, device), batch(tasks, size, device)
    balancers = {name: part(tuple(model.tasks)).to(device) for name, part in BALANCERS.items()}
    times: dict[str, list[float]] = {name: [] for name in balancers}
    for turn in range(rounds + 2):
        for name, balancer in balancers.items():
            spent = seconds(model, given, balancer)
            if turn >= 2:
                times[name].append(spent)
    plain = times["plain sum"]
    medians = {n: statistics.median(t / p for t, p in zip(ts, plain, strict=True)) for n, ts in times.items()}
    looks = {n.replace("a look", "every 10"): 1 + (ratio - 1) / 10 for n, ratio in medians.items() if "a look" in n}
    medians |= looks
    return statistics.median(plain), medians


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--tasks", type=int, nargs="+", default=[2, 4, 8])
    parser.add_argument("--size", type=int, nargs=2, default=[128, 256])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    size = (options.size[0], options.size[1])
    columns = []
    for tasks in options.tasks:
        columns.append(ratios(tasks, size, options.rounds, options.device))
        print(f"{tasks} tasks are done", file=sys.stderr, flush=True)
    heads = "".join(f"{f'{tasks} tasks':>10}" for tasks in options.tasks)
    print(f"{size[0]}x{size[1]}, batch 4, {options.device}, median of {options.rounds} rounds\n{'':24}{heads}")
    for name in columns[0][1]:
        print(f"{name:24}" + "".join(f"{medians[name]:10.2f}" for _, medians in columns))
    print(f"{'plain sum, seconds':24}" + "".join(f"{plain:10.3f}" for plain, _ in columns))


if __name__ == "__main__":
    main()
