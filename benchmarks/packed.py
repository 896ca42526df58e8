"""Images per second that reach training, from files and from packs of them, with one and with four processes that load.

    python benchmarks/packed.py [--folder FOLDER] [--images 96] [--rounds 3] [--workers 1 4]

Three sources, each on its own: large PNGs (generated scenes of 1024 x 2048 pixels with masks of class ids, written into
the folder first, learned at 256 x 512), KITTI's PNGs and CamVid's JPEGs as in the recipe `road` (skipped where
$HYDRANET_DATA has them not). Ways of one source take turns in every round, each over the same images with the same
random augmentation; the table has medians, and each way's ratio to the files of the same round. All comes from the page
cache after the first round, so a slow disk or network would add to the files' side. `load` starts no more processes
than there are cores.
"""

import argparse
import statistics
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from hydranet.annotations import ClassMap
from hydranet.config.recipe import Recipe
from hydranet.config.source import Source
from hydranet.core.sample import DataError
from hydranet.data.mixture import Mixture, cores, load
from hydranet.data.pack import is_done, jobs, pack
from hydranet.data.packed_recipe import packed
from hydranet.datasets.masks import Masks
from hydranet.datasets.packed import Packed
from hydranet.datasets.scenes.dataset import Scenes
from hydranet.recipes.demo import demo
from hydranet.recipes.road import road

BATCH, WARM_UP = 8, 2
WAYS: dict[str, dict[str, Any]] = {
    "pack": {},
    "pack, whole images": {"whole": True},
    "pack, JPEG": {"images": "jpeg"},
}


def large_pngs(folder: Path, count: int = 32, size: tuple[int, int] = (1024, 2048)) -> Recipe:
    """Scenes as files in somebody's folders, and a recipe that learns their classes."""
    scenes = Scenes(count=count, size=size)
    names = scenes.classes["semantic"]
    for index in range(count):
        image, mask = folder / "images" / f"{index:04d}.png", folder / "masks" / f"{index:04d}.png"
        if not mask.is_file():
            sample = scenes[index]
            image.parent.mkdir(parents=True, exist_ok=True)
            mask.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(image), cv2.cvtColor(sample.image, cv2.COLOR_RGB2BGR))
            label = sample.labels["semantic"]
            assert isinstance(label, ClassMap)
            cv2.imwrite(str(mask), np.asarray(label.ids))
    source = Source("large-png", Masks(str(folder), names=names), (256, 512))
    tasks = tuple(task for task in demo().tasks if task.name == "semantic")
    return replace(demo(), name="large-png", tasks=tasks, data=(source,), validation=(), stages=(), batch=BATCH)


def recipes(folder: Path) -> list[Recipe]:
    """One recipe per source."""
    real = road()
    alone = [replace(real, name=source.name, data=(source,), validation=(), batch=BATCH) for source in real.data[:2]]
    return [large_pngs(folder / "files"), *alone]


def packs(recipe: Recipe, folder: Path) -> tuple[dict[str, Recipe], dict[str, float]]:
    """The recipe on files and on packs, and the size of each pack in MB."""
    ways, sizes = {"files": recipe}, {"files": float("nan")}
    for number, (way, options) in enumerate(WAYS.items()):
        place = folder / f"{recipe.name}-{number}"
        for job in jobs(recipe, place, **options):
            if not is_done(job):
                for _ in pack(job, 2**28, workers=2):
                    pass
        ways[way] = packed(recipe, place)
        whole = ways[way].data[0].dataset
        assert isinstance(whole, Packed)
        sizes[way] = whole.index.bytes / 1e6
    return ways, sizes


def images_per_s(recipe: Recipe, images: int, workers: int) -> float:
    """How many augmented images come out of the loader per second, its start left out."""
    steps = images // BATCH + WARM_UP
    begun, count = 0.0, 0
    for step, batches in enumerate(load(Mixture(replace(recipe, steps=steps, workers=workers)))):
        if step == WARM_UP - 1:
            begun = time.perf_counter()
        elif step >= WARM_UP:
            count += sum(len(batch.key) for batch in batches)
    return count / (time.perf_counter() - begun)


def main() -> None:
    """Prints a table per source."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "packed")
    parser.add_argument("--images", type=int, default=96)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 4])
    given = parser.parse_args()
    print(f"{cores()} cores")
    for recipe in recipes(given.folder):
        try:
            ways, sizes = packs(recipe, given.folder)
        except DataError as error:
            print(f"{recipe.name}: left out, {error}")
            continue
        rates: dict[tuple[str, int], list[float]] = {}
        for _ in range(given.rounds):
            for workers in given.workers:
                for way, one in ways.items():
                    rates.setdefault((way, workers), []).append(images_per_s(one, given.images, workers))
        print(
            f"\n| {recipe.name} | MB | " + " | ".join(f"images/s, workers={w} | x files" for w in given.workers) + " |"
        )
        print("|---" * (2 + 2 * len(given.workers)) + "|")
        for way in ways:
            cells = []
            for workers in given.workers:
                mine, files = rates[way, workers], rates["files", workers]
                ratio = statistics.median(a / b for a, b in zip(mine, files, strict=True))
                cells += [f"{statistics.median(mine):.1f}", f"{ratio:.2f}"]
            print(f"| {way} | {sizes[way]:.1f} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
