"""Trainings in processes of their own that end at a chosen moment, with nothing tidied up."""

import multiprocessing
import os
from collections.abc import Callable
from pathlib import Path

import toys  # noqa: F401  the recipes' code, which a process must have imported to use
from commands import hydranet
from hydranet.training.log import RunLog

KILLED = 9
IMPORTED = ["torch", "torch._dynamo", "hydranet.cli.main", "hydranet.training.train", "hydranet.evaluation.evaluate"]


def exit_code(work: Callable[..., None], *arguments: object) -> int | None:
    """Of a process that does the work; 1 after an exception, which it prints.

    It is forked from a server that imported torch and computed nothing: torch refuses a backward pass in forks of a
    process that has computed with threads.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(IMPORTED)
    process = context.Process(target=work, args=arguments)
    process.start()
    process.join()
    return process.exitcode


def train_until_file(count: int, recipe: Path, folder: Path) -> None:
    """Ends before the `count`-th file is put in place, if there are as many."""
    put, calls = os.replace, [0]

    def dies(source: Path, target: Path) -> None:
        calls[0] += 1
        if calls[0] == count:
            os._exit(KILLED)
        put(source, target)

    os.replace = dies  # type: ignore[assignment]
    _train(recipe, folder)


def train_until_log(method: str, count: int, recipe: Path, folder: Path) -> None:
    """Ends before the log is written by `method` for the `count`-th time."""
    real, calls = getattr(RunLog, method), [0]

    def dies(*given: object) -> None:
        calls[0] += 1
        if calls[0] == count:
            os._exit(KILLED)
        return real(*given)

    setattr(RunLog, method, dies)
    _train(recipe, folder)


def _train(recipe: Path, folder: Path) -> None:
    ended = hydranet("train", recipe, "--out", folder)
    assert ended.code == 0, ended.err
