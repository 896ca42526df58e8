"""Time of a step by balancer, relative to the plain sum, for 2, 4 and 8 tasks.

    python benchmarks/balancing.py [--rounds 15] [--threads 1] [--tasks 2 4 8] [--size 128 256] [--device cpu]

One network (MobileNet-v2, light decoder, one segmentation head per task) and one batch; each round runs every balancer
once, in turn, so that a busy machine slows all of them alike. The table shows a balancer's time divided by the plain
sum's of the same round, as a median over rounds.
A balancer that compares gradients every k steps is timed over k steps. "at all parameters, every step" is what most
libraries do (LibMTL among them): a backward pass through the whole trunk per task. "in a step that looks" is a step in
which a meta-learned balancer looks at held-out images, "every 10 steps" its share of ten steps.
"""

import argparse
import statistics
import sys
import time

import torch

from hydranet.annotations import Annotation, ClassMap
from hydranet.balancers.achievement import Achievement
from hydranet.balancers.aligned_mtl import AlignedMTL
from hydranet.balancers.auto_lambda import AutoLambda
from hydranet.balancers.cagrad import CAGrad
from hydranet.balancers.dwa import DWA
from hydranet.balancers.fair_grad import FairGrad
from hydranet.balancers.famo import FAMO
from hydranet.balancers.gls import GLS
from hydranet.balancers.go4align import GO4Align
from hydranet.balancers.gradnorm import GradNorm
from hydranet.balancers.imtl_g import IMTLG
from hydranet.balancers.ldc import LDC
from hydranet.balancers.meta_weights import MetaWeights
from hydranet.balancers.mgda import MGDA
from hydranet.balancers.nash_mtl import NashMTL
from hydranet.balancers.pcgrad import PCGrad
from hydranet.balancers.rlw import RLW
from hydranet.balancers.uncertainty import Uncertainty
from hydranet.balancers.uniform import Uniform
from hydranet.balancers.upgrad import UPGrad
from hydranet.core.balancer import Balancer, GradientBalancer
from hydranet.core.batch import Batch
from hydranet.core.spec import Part
from hydranet.models.decoders.lw_refinenet import LightWeightRefineNet
from hydranet.models.encoders.mobilenetv2 import MobileNetV2
from hydranet.models.hydranet import HydraNet
from hydranet.models.sharing.hard import HardSharing
from hydranet.tasks.semantic.task import Semantic
from hydranet.training.feature_gradients import ParameterUsers, Place, parameter_users
from hydranet.training.gradients import step_gradients
from hydranet.training.shared_gradients import comparison_interval
from hydranet.training.step import StepContext

GRADIENTS = (GradNorm, PCGrad, MGDA, CAGrad, UPGrad, IMTLG, AlignedMTL, NashMTL, FairGrad)
BALANCERS: dict[str, Part] = {
    "plain sum": Part(Uniform),
    **{made.__name__: Part(made) for made in (Uncertainty, DWA, RLW, GLS, Achievement, FAMO, GO4Align, LDC)},
    **{made.__name__: Part(made) for made in GRADIENTS},
    "MetaWeights, in a step that looks": Part(MetaWeights, every=1),
    "AutoLambda, in a step that looks": Part(AutoLambda, every=1),
    "UPGrad at all parameters": Part(UPGrad, at="parameters"),
    "UPGrad, every step": Part(UPGrad, every=1),
    "UPGrad at all parameters, every step": Part(UPGrad, at="parameters", every=1),
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
    labels: dict[str, Annotation] = {
        f"task{i}": ClassMap(torch.randint(0, 5, (images, *size), dtype=torch.uint8)) for i in range(tasks)
    }
    rows = {name: torch.arange(images) for name in labels}
    image = torch.randint(0, 256, (images, 3, *size), dtype=torch.uint8)
    camera = torch.full((images, 4), torch.nan)
    batch = Batch(image, labels, rows, ("random",) * images, tuple(map(str, range(images))), camera)
    return batch.to(torch.device(device))


def seconds(model: HydraNet, given: Batch, balancer: Balancer, users: ParameterUsers) -> float:
    """Time of forward and backward pass; with one thread its processor time, which other programs do not lengthen."""
    model.zero_grad(set_to_none=True)
    balancer.zero_grad(set_to_none=True)
    clock = time.perf_counter if given.image.is_cuda or torch.get_num_threads() > 1 else time.process_time
    began = clock()
    step_gradients(StepContext(model, [given], balancer, users=users))
    if given.image.is_cuda:
        torch.cuda.synchronize()
    return clock() - began


def ratios(tasks: int, size: tuple[int, int], rounds: int, device: str) -> tuple[float, dict[str, float]]:
    """Median seconds of the plain sum, and each balancer's median ratio to the plain sum of its round."""
    model, given = network(tasks, device), batch(tasks, size, device)
    made = {name: part(tuple(model.tasks)).to(device) for name, part in BALANCERS.items()}
    times: dict[str, list[float]] = {name: [] for name in made}
    users = parameter_users(model.trunk)  # a run finds it out once
    for turn in range(rounds + 1):
        for name, balancer in made.items():
            spent = statistics.mean(seconds(model, given, balancer, users) for _ in range(period(balancer)))
            if turn:
                times[name].append(spent)
    plain = times["plain sum"]
    medians = {n: statistics.median(t / p for t, p in zip(ts, plain, strict=True)) for n, ts in times.items()}
    looking = "in a step that looks"
    every = {n.replace(looking, "every 10 steps"): 1 + (ratio - 1) / 10 for n, ratio in medians.items() if looking in n}
    return statistics.median(plain), medians | every


def period(balancer: Balancer) -> int:
    """Steps after which a balancer has done everything that it does: those from one comparison to the next."""
    if not isinstance(balancer, GradientBalancer):
        return 1
    place: Place = "parameters" if balancer.at == "parameters" else "decoder"
    return balancer.every or comparison_interval(place, len(balancer.tasks))


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
    print(f"{size[0]}x{size[1]}, batch 4, {options.device}, median of {options.rounds} rounds\n{'':40}{heads}")
    for name in columns[0][1]:
        print(f"{name:40}" + "".join(f"{medians[name]:10.2f}" for _, medians in columns))
    print(f"{'plain sum, seconds':40}" + "".join(f"{plain:10.3f}" for plain, _ in columns))


if __name__ == "__main__":
    main()
