"""Delta-m of every balancer against single-task networks, with its spread over seeds.

    taskset -c 0 python benchmarks/delta_m.py --out runs/delta --seeds 3
    HYDRANET_DATA=DATA python benchmarks/delta_m.py --out runs/delta-real --data real

Delta-m = 1/T sum_t s_t (M_t - M_single,t) / M_single,t in percent, s_t = -1 where lower is better (Maninis et al.,
CVPR 2019, arXiv 1904.08918). M is each task's headline score of the last step, M_single that of the network trained for
the task alone with the same seed. Seeds change initial heads and decoder, the order of images and their augmentation.

Equal budget: every run has the same network (without the other heads), optimizer, schedule, number of steps and images
of each task per step. On scenes every image is labeled for all four tasks, so all runs see the same images, and the
single networks together take four times the steps. On real data half of a step's images are KITTI (boxes, depth), half
CamVid (segmentation); a single-task network has its own half. No balancer is tuned: all use their defaults, at one
learning rate; those that learn weights learn them at ten times the network's.

Finished runs are kept: started again, the program runs only what is missing. The table is in OUT/table.md, and is
printed; each run has a log for `hydranet report OUT/uniform-s0 OUT/upgrad-s0`.
"""

import argparse
import json
import math
import shutil
import statistics
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import torch
from hydranet.balancers.aggregated import Aggregated

from hydranet.balancers.auto_lambda import AutoLambda
from hydranet.balancers.dwa import DWA
from hydranet.balancers.famo import FAMO
from hydranet.balancers.gls import GLS
from hydranet.balancers.gradnorm import GradNorm
from hydranet.balancers.meta_weights import MetaWeights
from hydranet.balancers.rlw import RLW
from hydranet.balancers.uncertainty import Uncertainty
from hydranet.balancers.uniform import Uniform
from hydranet.config.optim import Optim
from hydranet.config.recipe import Recipe
from hydranet.config.source import Source
from hydranet.core.dataset import Dataset
from hydranet.core.sample import Sample
from hydranet.core.spec import Part
from hydranet.core.task import Task
from hydranet.datasets.camvid import CamVid
from hydranet.datasets.kitti_object import KittiObject
from hydranet.datasets.scenes.dataset import Scenes
from hydranet.evaluation.evaluate import evaluate
from hydranet.evaluation.report import Report, read_report
from hydranet.models.decoders.lw_refinenet import LightWeightRefineNet
from hydranet.models.encoders.mobilenetv2 import MobileNetV2
from hydranet.tasks.depth.task import Depth
from hydranet.tasks.detection.task import Detection
from hydranet.tasks.normals.task import Normals
from hydranet.tasks.semantic.task import Semantic
from hydranet.training.log import RunLog
from hydranet.training.train import train
from hydranet.transforms.augment import Augment

METHODS = ("pcgrad", "mgda", "cagrad", "upgrad", "imtlg", "alignedmtl", "nashmtl")
BALANCERS: dict[str, Part] = {
    "uniform": Part(Uniform),
    "uncertainty": Part(Uncertainty),
    "dwa": Part(DWA, window=10),
    "rlw": Part(RLW),
    "gls": Part(GLS),
    "famo": Part(FAMO),
    "gradnorm": Part(GradNorm),
    "meta_weights": Part(MetaWeights),
    "auto_lambda": Part(AutoLambda),
    **{method: Part(Aggregated, method=method) for method in METHODS},
}
REAL = ("uniform", "uncertainty", "upgrad", "nashmtl")
SCENE, KITTI, CAMVID = (64, 192), (96, 320), (96, 128)


@dataclass(frozen=True)
class Kept(Dataset):
    """A data set whose samples are read once and then stay in memory; all runs of this program share them."""

    dataset: Dataset

    @property
    def classes(self) -> Mapping[str, tuple[str, ...]]:
        return self.dataset.classes

    @cached_property
    def samples(self) -> dict[int, Sample]:
        return {}

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> Sample:
        if index not in self.samples:
            self.samples[index] = self.dataset[index]
        return self.samples[index]


def scenes(options: argparse.Namespace) -> Recipe:
    """Four tasks, all labeled on every rendered scene."""
    labels = ("semantic", "depth", "normals", "detection")
    made = [
        Kept(Scenes(count=n, seed=seed, size=SCENE, labels=labels))
        for n, seed in ((options.images, 1), (options.held_out, 99))
    ]
    tasks = (
        Semantic("semantic", made[0].classes["semantic"]),
        Depth("depth", min_m=1.0, max_m=80.0, objective="log_l1"),
        Normals("normals"),
        Detection("detection", made[0].classes["detection"]),
    )
    return _recipe(options, tasks, (Source("scenes", made[0], SCENE),), (Source("held-out", made[1], SCENE),))


def real(options: argparse.Namespace) -> Recipe:
    """Boxes and sparse depth of KITTI, segmentation of CamVid; frames 60-70 and CamVid's val are held out."""
    camvid, kitti = (Kept(CamVid("camvid", split=s)) for s in ("train", "val")), ("0-59", "60-70")
    train_camvid, held_camvid = camvid
    train_kitti, held_kitti = (Kept(KittiObject("kitti_object", split=s)) for s in kitti)
    tasks = (
        Semantic("semantic", train_camvid.classes["semantic"]),
        Depth("depth", min_m=1.0, max_m=80.0, objective="log_l1"),
        Detection("detection", ("Car", "Pedestrian", "Cyclist")),
    )
    return _recipe(
        options,
        tasks,
        (Source("kitti", train_kitti, KITTI), Source("camvid", train_camvid, CAMVID)),
        (Source("kitti", held_kitti, KITTI), Source("camvid", held_camvid, CAMVID)),
    )


def _recipe(
    options: argparse.Namespace, tasks: tuple[Task, ...], data: tuple[Source, ...], validation: tuple[Source, ...]
) -> Recipe:
    return Recipe(
        name=f"delta-{options.data}",
        tasks=tasks,
        encoder=Part(MobileNetV2, weights="imagenet"),
        decoder=Part(LightWeightRefineNet, width=32),
        data=data,
        validation=validation,
        augment=Augment(scale=(1.0, 1.3), noise=0.0, blur=0.0),
        optim=Optim(lr=2e-3, factors={"encoder": 0.5, "balancer": 10.0}),
        steps=options.steps,
        batch=options.batch,
        save_every=0,
        workers=0,
    )


def alone(recipe: Recipe, task: Task) -> Recipe:
    """The network of one task, which sees as many of its images per step as the shared one."""
    data, validation = (
        tuple(source for source in sources if task.name in source.dataset[0].labels)
        for sources in (recipe.data, recipe.validation)
    )
    share = recipe.batch * len(data) // len(recipe.data)
    return replace(recipe, tasks=(task,), data=data, validation=validation, batch=share, balancer=Part(Uniform))


def plan(options: argparse.Namespace) -> dict[str, Recipe]:
    """Every run by its name: single-task networks first, seed by seed, so that a table can be made early."""
    whole = {"scenes": scenes, "real": real}[options.data](options)
    names = options.balancers or (REAL if options.data == "real" else tuple(BALANCERS))
    recipes = {}
    for seed in range(options.seeds):
        seeded = replace(whole, seed=seed)
        recipes |= {f"single-{task.name}-s{seed}": alone(seeded, task) for task in whole.tasks}
        recipes |= {f"{name}-s{seed}": replace(seeded, balancer=BALANCERS[name]) for name in names}
    return recipes


def run(recipe: Recipe, folder: Path) -> None:
    """Trains and evaluates; a run that did not finish starts anew."""
    shutil.rmtree(folder, ignore_errors=True)
    began, clock = time.perf_counter(), time.process_time()
    with RunLog(folder) as log:
        for progress in train(recipe, folder):
            log.step(progress)
            last = progress
    model = last.run.evaluated()
    report = next(item for item in evaluate(model, recipe.validation, name=folder.name) if isinstance(item, Report))
    (folder / "state.safetensors").unlink()
    spent = {"wall_s": round(time.perf_counter() - began, 1), "cpu_s": round(time.process_time() - clock, 1)}
    (folder / "spent.json").write_text(json.dumps(spent))
    report.save(folder / "report")


def scores(report: Report) -> dict[str, tuple[float, str]]:
    """Headline score by task, and its direction."""
    return {
        task: (metrics[report.headlines[task][0]], report.headlines[task][1])
        for tasks in report.scores.values()
        for task, metrics in tasks.items()
    }


def delta_m(headlines: Mapping[str, tuple[float, str]], single: Mapping[str, float]) -> float:
    """Mean relative gain over the single-task networks in percent; NaN where one of them scored nothing."""
    gains = [
        (value - single[task]) / single[task] * (1 if better == "higher" else -1) if single[task] else math.nan
        for task, (value, better) in headlines.items()
    ]
    return 100 * sum(gains) / len(gains)


def table(out: Path, options: argparse.Namespace) -> str:
    """What is finished so far as a markdown table: mean and standard deviation over seeds."""
    reports: dict[str, dict[int, dict[str, tuple[float, str]]]] = {}
    for path in sorted(out.glob("*-s*/report.json")):
        name, _, seed = path.parent.name.rpartition("-s")
        reports.setdefault(name, {})[int(seed)] = scores(read_report(path))
    single: dict[int, dict[str, float]] = {}
    for name, seeds in reports.items():
        if name.startswith("single-"):
            for seed, headlines in seeds.items():
                single.setdefault(seed, {}).update({task: value for task, (value, _) in headlines.items()})
    whole = {name: seeds for name, seeds in reports.items() if not name.startswith("single-")}
    tasks = {
        task: better
        for seeds in reports.values()
        for headlines in seeds.values()
        for task, (_, better) in headlines.items()
    }
    heads = [f"{task} {'↑' if better == 'higher' else '↓'}" for task, better in tasks.items()]
    lines = [f"| balancer | seeds | {' | '.join(heads)} | delta-m % |", "|---" * (len(heads) + 3) + "|"]
    if single:
        columns = [_spread([one[task] for one in single.values() if task in one]) for task in tasks]
        lines.append(f"| *single-task networks* | {len(single)} | {' | '.join(columns)} | 0 |")
    rows = []
    for name, seeds in whole.items():
        gains = [
            delta_m(headlines, single[seed])
            for seed, headlines in seeds.items()
            if headlines.keys() <= single.get(seed, {}).keys()
        ]
        columns = [_spread([headlines[task][0] for headlines in seeds.values()]) for task in tasks]
        row = f"| {name} | {len(seeds)} | {' | '.join(columns)} | {_spread(gains, '.1f')} |"
        rows.append((-statistics.mean(gains) if gains and not math.isnan(sum(gains)) else math.inf, row))
    lines += [row for _, row in sorted(rows)]
    size = f"{options.steps} steps of {options.batch} images"
    return "\n".join([f"{options.data}, {size}; mean ± standard deviation over seeds", "", *lines])


def _spread(values: list[float], form: str = ".3f") -> str:
    if not values:
        return "–"
    spread = f" ± {statistics.stdev(values):{form}}" if len(values) > 1 else ""
    return f"{statistics.mean(values):{form}}{spread}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--data", choices=("scenes", "real"), default="scenes")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=150)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--images", type=int, default=400, help="different training scenes")
    parser.add_argument("--held-out", type=int, default=64, help="scenes to evaluate on")
    parser.add_argument("--balancers", nargs="+", choices=tuple(BALANCERS), help="default: all; on real data four")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    options.out.mkdir(parents=True, exist_ok=True)
    settings = json.dumps({k: vars(options)[k] for k in ("data", "steps", "batch", "images", "held_out")})
    kept = options.out / "settings.json"
    if kept.exists() and kept.read_text() != settings:
        parser.error(f"{options.out} holds runs of {kept.read_text()}; choose another --out")
    kept.write_text(settings)
    runs = plan(options)
    for i, (name, recipe) in enumerate(runs.items(), start=1):
        if not (options.out / name / "report.json").exists():
            run(recipe, options.out / name)
            print(f"{i}/{len(runs)} {name} {(options.out / name / 'spent.json').read_text()}", flush=True)
        (options.out / "table.md").write_text(table(options.out, options) + "\n")
    print(table(options.out, options))


if __name__ == "__main__":
    main()
