"""Images per second of the four-head network, and how long a step waits for data.

    python benchmarks/train_step.py [--steps 12] [--recipe demo] [key=value ...]

Trains the recipe at 192x640 and batch 8 without saving, leaves out the first steps (start of the workers, choice of
convolution algorithms) and prints medians. Compare ratios of one run only: absolute times belong to one machine.
"""

import argparse
import statistics
import tempfile
from dataclasses import replace
from pathlib import Path

from hydranet.checkpoint import resolve
from hydranet.config.recipe import Recipe
from hydranet.config.source import Source
from hydranet.training.train import Progress, train

SIZE, WARM_UP = (192, 640), 3


def resized(recipe: Recipe) -> Recipe:
    """The recipe with every source at 192x640."""
    sources: tuple[Source, ...] = tuple(replace(source, size=SIZE) for source in recipe.data)
    return replace(recipe, data=sources, validation=(), save_every=0, batch=8)


def measure(recipe: Recipe) -> list[Progress]:
    """The steps after warm-up."""
    with tempfile.TemporaryDirectory() as folder:
        return list(train(recipe, Path(folder) / "run"))[WARM_UP:-1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--recipe", default="demo")
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("settings", nargs="*")
    options = parser.parse_args()
    base = resized(resolve.recipe(options.recipe).changed(options.settings))
    print(f"{base.name} at {SIZE[0]}x{SIZE[1]}, batch {base.batch}, {base.workers} workers")
    print("precision  images/s  step s  waiting for data")
    for precision in ("fp32", "bf16"):
        steps = measure(replace(base, precision=precision, steps=options.steps + WARM_UP + 1))
        step_s = statistics.median(p.step_s for p in steps)
        share = sum(p.wait_s for p in steps) / sum(p.step_s for p in steps)
        print(f"{precision:9}  {base.batch / step_s:8.2f}  {step_s:6.2f}  {share:16.1%}")


if __name__ == "__main__":
    main()
