"""Does metric depth survive another camera? Trained on scenes of two focal lengths, scored on a third.

    hydranet weights get mobilenetv2
    nice python benchmarks/focal.py --out runs/focal

Two networks that differ in one option: `Depth.canonical_focal_px`. Both see the same scenes of two cameras in the same
order; then AbsRel for each camera of training, on scenes that were not trained on, and for cameras of other focal
lengths, between the two and beyond them. A network that learned meters as labels say them is wrong there by the ratio
of the focal lengths; one that learned them in a canonical focal length is told the camera and should not be.

Focal lengths are shares of the image's width. The ratio is the worst AbsRel of an unknown camera over the mean of the
known ones. Finished runs in OUT are kept.
"""

import argparse
import json
import time
from pathlib import Path

import torch

from hydranet.checkpoint.checkpoint import MODEL, load_model
from hydranet.config.optim import Optim
from hydranet.config.recipe import Recipe
from hydranet.config.source import Source
from hydranet.core.spec import Part
from hydranet.datasets.scenes.dataset import Scenes
from hydranet.evaluation.evaluate import evaluate
from hydranet.evaluation.report import Report
from hydranet.models.decoders.lw_refinenet import LightWeightRefineNet
from hydranet.models.encoders.mobilenetv2 import MobileNetV2
from hydranet.tasks.depth.task import Depth
from hydranet.training.train import train
from hydranet.transforms.augment import Augment

SIZE = (96, 192)
TRAINED, BETWEEN, BEYOND = (0.55, 0.9), (0.7,), (1.2,)
CANONICAL_PX = 0.7 * SIZE[1]


def camera(focal: float, count: int, seed: int) -> Source:
    """Scenes of one focal length, a share of the width."""
    scenes = Scenes(count=count, seed=seed, size=SIZE, labels=("depth",), focal=focal)
    return Source(f"focal-{round(100 * focal)}", scenes, SIZE)


def recipe(canonical: bool, steps: int, seed: int) -> Recipe:
    """Depth alone, from two cameras in equal shares."""
    depth = Depth("depth", min_m=1.0, objective="log_l1", canonical_focal_px=CANONICAL_PX if canonical else None)
    return Recipe(
        name="canonical" if canonical else "plain",
        tasks=(depth,),
        encoder=Part(MobileNetV2, weights="imagenet"),
        decoder=Part(LightWeightRefineNet, width=64),
        data=tuple(camera(focal, 1000, 1 + i) for i, focal in enumerate(TRAINED)),
        augment=Augment(scale=(1.0, 1.3), noise=0.0, blur=0.0),
        optim=Optim(lr=2e-3, factors={"encoder": 0.5}),
        steps=steps,
        batch=8,
        ema=0.98,
        seed=seed,
        save_every=0,
        workers=0,
    )


def trained(chosen: Recipe, folder: Path) -> Path:
    """The folder of the finished run."""
    if not (folder / MODEL).is_file():
        for progress in train(chosen, folder):
            if progress.step % 20 == 0:
                print(f"{folder}: step {progress.step}/{progress.steps}, loss {progress.result.losses}", flush=True)
    return folder


def scores(folder: Path, images: int) -> dict[float, float]:
    """AbsRel by focal length."""
    model, _ = load_model(folder)
    sources = {focal: camera(focal, images, 99) for focal in (*TRAINED, *BETWEEN, *BEYOND)}
    *_, report = evaluate(model, list(sources.values()), batch=8)
    assert isinstance(report, Report)
    return {focal: report.scores[source.name]["depth"]["abs_rel"] for focal, source in sources.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("runs/focal"))
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--images", type=int, default=64, help="scenes per camera in the evaluation")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    torch.set_num_threads(1)
    began, rows = time.perf_counter(), {}
    for canonical in (True, False):
        chosen = recipe(canonical, given.steps, given.seed)
        rows[chosen.name] = scores(trained(chosen, given.out / f"{chosen.name}-s{given.seed}"), given.images)
    focals = (*TRAINED, *BETWEEN, *BEYOND)
    print(
        "| AbsRel at focal length |", " | ".join(f"{f:g}{' (trained)' * (f in TRAINED)}" for f in focals), "| ratio |"
    )
    print("|---" * (len(focals) + 2) + "|")
    for name, by_focal in rows.items():
        known = sum(by_focal[focal] for focal in TRAINED) / len(TRAINED)
        worst = max(by_focal[focal] for focal in (*BETWEEN, *BEYOND))
        print(f"| {name} |", " | ".join(f"{by_focal[focal]:.3f}" for focal in focals), f"| {worst / known:.2f} |")
    given.out.mkdir(parents=True, exist_ok=True)
    (given.out / "scores.json").write_text(json.dumps(rows, indent=2))
    print(f"{time.perf_counter() - began:.0f} s, threads: {torch.get_num_threads()}")


if __name__ == "__main__":
    main()
