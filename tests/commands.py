"""Runs `hydranet ...` inside the test process, as a shell would see it."""

import io
import os
import re
import signal
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

from hydranet.cli.main import main

RECIPES = '''
import time
from dataclasses import dataclass, replace

from hydranet.transforms.augment import Augment
from hydranet.core.sample import Sample
from hydranet.config.recipe import Recipe, Source
from toys import Noise, toy_recipe


def toy() -> Recipe:
    """Six steps."""
    return toy_recipe()


@dataclass(frozen=True)
class Slow(Noise):
    """Takes its time, so that a signal meets the run at work."""

    def __getitem__(self, index: int) -> Sample:
        time.sleep(0.02)
        return super().__getitem__(index)


def slow() -> Recipe:
    """Everything that has state, and time to be stopped."""
    source = Source("slow", Slow(), (32, 64))
    recipe = toy_recipe((source,), steps=40, batch=2, dropout=0.3, augment=Augment())
    return replace(recipe, ema=0.9, validation=(), save_every=7)
'''


@dataclass(frozen=True)
class Ended:
    """What a command left: exit code, what it said, what it complained about."""

    code: int
    out: str
    err: str


def hydranet(*arguments: object) -> Ended:
    """Runs a command."""
    out, err = io.StringIO(), io.StringIO()
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    argv = patch.object(sys, "argv", ["hydranet", *map(str, arguments)])
    with argv, patch.dict(os.environ), redirect_stdout(out), redirect_stderr(err):
        try:
            main()
            code = 0
        except SystemExit as end:
            code = int(end.code or 0)
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)
    return Ended(code, out.getvalue(), err.getvalue())


def refused(ended: Ended, sentence: str) -> None:
    """One sentence on stderr that matches, and an exit code that says so."""
    assert ended.code == 1
    assert ended.err.count("\n") == 1
    assert re.match(f"error: .*{sentence}", ended.err), ended.err


def write_recipes(folder: Path) -> Path:
    """A file with the recipes `toy` and `slow`."""
    path = folder / "toy_recipes.py"
    path.write_text(RECIPES)
    return path
