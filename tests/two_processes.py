"""A program of two processes, which trains the toy recipe and saves what it learned; and how torchrun starts it."""

import os
import subprocess
import sys
from itertools import islice
from pathlib import Path

import torch

from hydranet.config.recipe import Recipe
from hydranet.config.source import Source
from hydranet.training.train import train
from toys import Noise, toy_recipe

HERE = Path(__file__).parent


def python_path() -> str:
    """Where another process finds these helpers, and the package where this process found it."""
    return os.pathsep.join([str(HERE), *filter(None, [os.environ.get("PYTHONPATH")])])


ONE_NODE = ("--nproc-per-node=2", "--standalone")


def recipe(name: str) -> Recipe:
    """Four slots a step; the golden-ratio plan gives one rank none of the rare source in some steps."""
    rare = Noise(count=3, seed=9, labels=("bright",))
    sources = (Source("many", Noise(labels=("glow",)), (32, 64), weight=3.0), Source("few", rare, (32, 64)))
    return toy_recipe(sources, steps=5, batch=4, norm=False)


def launched(*command: object, options: tuple[str, ...] = ONE_NODE) -> "subprocess.Popen[str]":
    """torchrun at work on a program of two processes (or a node of them)."""
    environment = {
        **os.environ,
        "PYTHONPATH": python_path(),
        "OMP_NUM_THREADS": "1",
    }
    line = [sys.executable, "-m", "torch.distributed.run", *options, *map(str, command)]
    return subprocess.Popen(line, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def torchrun(*command: object) -> None:
    """Runs a program in two processes to its end."""
    started = launched(*command)
    _, said = started.communicate(timeout=300)
    assert started.returncode == 0, said[-2000:]


if __name__ == "__main__":
    torch.set_num_threads(1)
    last = int(sys.argv[2]) if len(sys.argv) > 2 else None
    for progress in islice(train(recipe("two"), Path(sys.argv[1])), last):
        print(progress.step, sorted(progress.result.losses))
