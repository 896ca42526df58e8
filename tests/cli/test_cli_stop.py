"""A stopped run ends with the weights of an unbroken one, bit by bit."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import warm_processes
from commands import hydranet
from hydranet.checkpoint import checkpoint
from hydranet.cli import terminal
from hydranet.io.run_log import LOG, read
from two_processes import python_path
from warm_processes import Running


@dataclass(frozen=True)
class Process:
    """A training in a process of its own."""

    command: tuple[str, ...]
    folder: Path
    handle: "subprocess.Popen[str] | Running"

    def at_step(self, step: int) -> "Process":
        """Waits until the log says so."""
        deadline = time.monotonic() + 120
        while not (self.folder / LOG).is_file() or len(read(self.folder)) < step:
            assert self.handle.poll() is None, self.handle.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.01)
        return self

    def stopped_by(self, number: int) -> tuple[int, str]:
        """Exit code and stderr."""
        self.handle.send_signal(number)
        _, err = self.handle.communicate(timeout=60)
        return self.handle.returncode, err


def cold(recipes: Path, folder: Path) -> Process:
    """A process that imports everything itself, as a user's does."""
    command = ("train", f"{recipes}:slow", "--out", str(folder))
    line = [sys.executable, "-m", "hydranet", *command]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    environment = {**os.environ, "PYTHONPATH": python_path()}
    return Process(command, folder, subprocess.Popen(line, env=environment, **pipes))


def warm(recipes: Path, folder: Path) -> Process:
    command = ("train", f"{recipes}:slow", "--out", str(folder))
    return Process(command, folder, warm_processes.started("-m", "hydranet", *command))


@pytest.fixture
def process(recipes: Path, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Process]:
    """A run of its own for each test: one that waits for another test would be over before it is stopped."""
    start: Callable[[Path, Path], Process] = request.param
    process = start(recipes, tmp_path / "stopped")
    yield process
    process.handle.kill()
    process.handle.communicate()


@pytest.fixture(scope="module")
def whole(recipes: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "whole"
    assert hydranet("train", f"{recipes}:slow", "--out", folder).code == 0
    return folder


def ends_like(whole: Path, stopped: Process) -> None:
    ended = hydranet(*stopped.command, "--resume")
    assert ended.code == 0, ended.err
    for name in (checkpoint.MODEL, checkpoint.STATE):
        assert (stopped.folder / name).read_bytes() == (whole / name).read_bytes()
    losses = [[(line["step"], line["losses"]) for line in read(folder)] for folder in (whole, stopped.folder)]
    assert losses[0] == losses[1]


@pytest.mark.parametrize("process", [warm], indirect=True)
def test_killed_at_any_step(process: Process, whole: Path) -> None:
    code, _ = process.at_step(9).stopped_by(signal.SIGKILL)
    assert code == -signal.SIGKILL
    ends_like(whole, process)


@pytest.mark.parametrize(
    ("process", "number"),
    [(warm, signal.SIGINT), (cold, signal.SIGTERM), (warm, signal.SIGHUP)],
    indirect=["process"],
)
def test_interrupted(process: Process, whole: Path, number: int) -> None:
    code, err = process.at_step(3).stopped_by(number)
    assert code == 130, err
    first, last = err.splitlines()
    assert first == "stopping after this step; once more stops at once"
    step = len(read(process.folder))
    assert last.startswith(f"error: stopped after step {step}; go on with: hydranet train ")
    assert last.endswith(f":slow --out {process.folder} --resume")
    assert checkpoint.load_state(process.folder)[1]["step"] == step
    ends_like(whole, process)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_stopped_while_it_imports(number: int) -> None:
    """A signal before the command has begun its work is one line, not a traceback."""
    code = (
        "import builtins, os, signal, sys\n"
        f"signal.signal({int(number)}, signal.SIG_DFL)\n"  # under nohup a hangup is to be ignored
        "real = builtins.__import__\n"
        "def meets(name, *rest):\n"
        f"    if name == 'torch': os.kill(os.getpid(), {int(number)})\n"
        "    return real(name, *rest)\n"
        "from hydranet.cli.main import main\n"
        "builtins.__import__ = meets\n"
        "sys.argv = ['hydranet', 'train', 'demo']\n"
        "main()"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=120)
    assert (ended.returncode, ended.stderr) == (130, "error: stopped\n")


@pytest.mark.parametrize(
    ("state", "said"), [(True, "the last checkpoint was kept"), (False, "no checkpoint was written yet: start anew")]
)
def test_the_last_words_are_true(tmp_path: Path, capfd: pytest.CaptureFixture[str], state: bool, said: str) -> None:
    if state:
        (tmp_path / checkpoint.STATE).touch()
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        terminal.stop_on_signal(run=tmp_path)
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(SystemExit):
            signal.raise_signal(signal.SIGINT)
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    assert capfd.readouterr().err.splitlines()[1] == f"error: stopped at once; {said}"
