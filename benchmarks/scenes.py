"""Milliseconds per generated scene on one core: python benchmarks/scenes.py [count]. Goal: below 30 at 192x640."""

import sys
import time

import cv2

from hydranet.datasets.scenes.crops import SceneSigns
from hydranet.datasets.scenes.dataset import Scenes
from hydranet.datasets.scenes.labels import LABELS

WARM_UP = 40
"""Scenes drawn first: the shapes of houses and trees are made once and then kept."""


def milliseconds(scenes: Scenes | SceneSigns, count: int) -> float:
    """Processor time per sample."""
    for index in range(WARM_UP):
        scenes[count + index]
    start = time.process_time()
    for index in range(count):
        scenes[index]
    return 1e3 * (time.process_time() - start) / count


def main() -> None:
    """Prints a table: all labels, no label, each label on top of none, a smaller image, sign crops."""
    cv2.setNumThreads(1)
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    total = count + WARM_UP
    bare = milliseconds(Scenes(total, labels=()), count)
    print(f"{'192x640, all labels':24}{milliseconds(Scenes(total), count):8.1f} ms")
    print(f"{'192x640, no label':24}{bare:8.1f} ms")
    for name in LABELS:
        print(f"{'  + ' + name:24}{milliseconds(Scenes(total, labels=(name,)), count) - bare:8.1f} ms")
    print(f"{'128x416, all labels':24}{milliseconds(Scenes(total, size=(128, 416)), count):8.1f} ms")
    print(f"{'sign crop 64x64':24}{milliseconds(SceneSigns(total), count):8.1f} ms")


if __name__ == "__main__":
    main()
