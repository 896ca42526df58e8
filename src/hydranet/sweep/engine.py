"""Runs, one after another in this process, several processes at a time, or on a Ray cluster.

An engine is a generator: it yields every run when it has ended, with its error or "", and now and then None, so that
whoever waits can look after the screen.
"""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydranet.core import extras

LOOK_S = 0.5
OUTPUT = "output.txt"
"""What a run said, in its folder."""
STOPPED = 130
"""Exit code of a run that a signal stopped."""

Ended = tuple[str, str]
"""Name of a run, and why it failed; empty where it did not."""


@dataclass(frozen=True)
class Command:
    """A run as a process: its name, its folder, its command line."""

    name: str
    folder: Path
    arguments: Sequence[str]


def here(names: Sequence[str], work: Callable[[str], str], stop: Sequence[int]) -> Iterator[Ended | None]:
    """One run after another, in this process. work: trains the run of a name; says why that failed, "" = it did not."""
    for name in names:
        if stop:
            return
        error = work(name)
        if not stop or error:
            yield name, error


def processes(commands: Sequence[Command], jobs: int, stop: Sequence[int]) -> Iterator[Ended | None]:
    """At most `jobs` processes at a time, which share the cores. Where `stop` is filled, they are stopped, too."""
    waiting, running = list(commands), dict[str, tuple[Command, subprocess.Popen[bytes]]]()
    cores = os.cpu_count() or 1
    environment = {**os.environ, "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS") or str(max(cores // jobs, 1))}
    asked = False
    try:
        while running or (waiting and not stop):
            while waiting and len(running) < jobs and not stop:
                command = waiting.pop(0)
                running[command.name] = command, _started(command, environment)
            if stop and not asked:
                asked = True
                for _, process in running.values():
                    process.send_signal(signal.SIGTERM)
            time.sleep(LOOK_S)
            yield None
            for name, (command, process) in list(running.items()):
                if process.poll() is not None:
                    del running[name]
                    if process.returncode != STOPPED or not stop:
                        yield name, "" if process.returncode == 0 else last_error(command.folder, process.returncode)
    finally:
        for _, process in running.values():
            process.terminate()


def _started(command: Command, environment: Mapping[str, str]) -> "subprocess.Popen[bytes]":
    """A process in a session of its own: Ctrl-C reaches the sweep alone, which tells its runs."""
    with (command.folder / OUTPUT).open("ab") as output:
        return subprocess.Popen(
            command.arguments,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,
        )


def last_error(folder: Path, code: int) -> str:
    """The sentence a run ended with; else how it ended."""
    text = (folder / OUTPUT).read_text(errors="replace") if (folder / OUTPUT).is_file() else ""
    errors = [line for line in text.splitlines() if line.startswith("error: ")]
    if code > 0 and errors:
        return errors[-1].removeprefix("error: ")
    how = f"signal {-code} ended it" if code < 0 else f"it ended with exit code {code}"
    return f"{how}; see {folder / OUTPUT}"


def on_ray(commands: Sequence[Command], jobs: int, gpus: float, stop: Sequence[int]) -> Iterator[Ended | None]:
    """On the nodes of a Ray cluster (RAY_ADDRESS; without one, Ray starts here); its folders must be shared by all.

    jobs: at most so many at a time; 0 = as many as the cluster has room for.    gpus: of each run.
    Raises ImportError, naming the extra, where Ray is not installed.
    """
    with extras.needing("a sweep on Ray"):
        import ray
    ray.init(log_to_driver=False, ignore_reinit_error=True)
    remote = ray.remote(num_cpus=1, num_gpus=gpus, max_retries=0)(_on_node)
    waiting, running = list(commands), dict[Any, Command]()
    try:
        while running or (waiting and not stop):
            while waiting and (not jobs or len(running) < jobs) and not stop:
                command = waiting.pop(0)
                running[remote.remote(command, os.environ.get("HYDRANET_ALLOW", ""))] = command
            ready, _ = ray.wait(list(running), timeout=LOOK_S)
            yield None
            if stop:
                for reference in running:
                    ray.cancel(reference)
                return
            for reference in ready:
                command = running.pop(reference)
                try:
                    code = ray.get(reference)
                except ray.exceptions.RayError as error:
                    yield command.name, f"Ray: {str(error).strip().splitlines()[-1]}"
                else:
                    yield command.name, "" if code == 0 else last_error(command.folder, code)
    finally:
        ray.shutdown()


def _on_node(command: Command, allowed: str) -> int:
    """The exit code of a run on a node; a task that is cancelled stops its run."""
    process = _started(command, {**os.environ, "HYDRANET_ALLOW": allowed})
    try:
        return process.wait()
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait()
