"""Several processes learn what one process learns, and stop together."""

import os
import re
import signal
import socket
import subprocess
import time
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch

from hydranet.checkpoint import checkpoint, resolve
from hydranet.data.mixture import Mixture
from hydranet.io.run_log import LOG, read
from hydranet.training.train import train
from two_processes import HERE, launched, recipe, torchrun
from warm_processes import in_two_processes


def same(one: Path, other: Path) -> None:
    """Both folders hold the same state to 1e-5."""
    mine, theirs = (checkpoint.read(folder / checkpoint.STATE)[0] for folder in (one, other))
    assert mine.keys() == theirs.keys()
    for name in mine:
        torch.testing.assert_close(mine[name], theirs[name], rtol=1e-4, atol=1e-5, msg=name)


@pytest.mark.slow  # torchrun
def test_two_processes_equal_one(tmp_path: Path) -> None:
    """Started by torchrun itself; other tests of two processes start theirs by warm_processes.py."""
    one = list(train(recipe("one"), tmp_path / "one"))
    lonely = [Mixture(recipe("x"), rank, 2)[step] for step in range(5) for rank in (0, 1)]
    assert any("bright" not in batch.labels for batches in lonely for batch in batches)
    torchrun(HERE / "two_processes.py", tmp_path / "two")
    same(tmp_path / "one", tmp_path / "two")
    assert len(one) == 5


@pytest.mark.slow
def test_another_number_of_processes_goes_on(tmp_path: Path, recipes: Path) -> None:
    """Two processes are stopped in the middle; one process goes on with what they left."""
    run = launched("-m", "hydranet", "train", f"{recipes}:slow", "--out", tmp_path / "run")
    _, said = _stopped(run, tmp_path / "run", signal.SIGINT)
    assert said.count("error: stopped after step") == 2, said[-3000:]
    steps = set(re.findall(r"error: stopped after step (\d+)", said))
    assert len(steps) == 1, steps
    header = checkpoint.load_state(tmp_path / "run")[1]
    assert {str(header["step"])} == steps
    rest = list(islice(train(resolve.recipe(f"{recipes}:slow"), tmp_path / "run", resume=True), 2))
    assert rest[0].step == int(str(header["step"])) + 1


def _stopped(run, folder: Path, number: int, worker: bool = False) -> tuple[int, str]:
    """Sends a signal to torchrun, or to one of its workers, once ten steps are in the log; exit code and stderr."""
    deadline = time.monotonic() + 200
    while not (folder / LOG).is_file() or len(read(folder)) < 10:
        assert run.poll() is None, run.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    children = subprocess.run(["pgrep", "-P", str(run.pid)], capture_output=True, text=True, check=True).stdout.split()
    os.kill(int(children[-1]) if worker else run.pid, number)
    _, said = run.communicate(timeout=120)
    return run.returncode, said


@pytest.mark.slow
def test_a_killed_worker_ends_the_run_and_the_last_checkpoint_goes_on(tmp_path: Path, recipes: Path) -> None:
    run = launched("-m", "hydranet", "train", f"{recipes}:slow", "--out", tmp_path / "run")
    code, _ = _stopped(run, tmp_path / "run", signal.SIGKILL, worker=True)
    assert code != 0
    step = int(str(checkpoint.load_state(tmp_path / "run")[1]["step"]))
    assert step >= 7
    assert step % 7 == 0
    command = ("-m", "hydranet", "train", f"{recipes}:slow", "--out", tmp_path / "run", "--resume")
    in_two_processes(*command)
    assert read(tmp_path / "run")[-1]["step"] == 40


def _free_port() -> int:
    with socket.socket() as chosen:
        chosen.bind(("localhost", 0))
        return int(chosen.getsockname()[1])


@pytest.mark.slow
def test_two_nodes_meet_on_their_own(tmp_path: Path) -> None:
    """docs/cluster.md: torchrun's rendezvous, here with both nodes on this machine."""
    meeting = ("--nnodes=2", "--nproc-per-node=1", "--rdzv-backend=c10d", f"--rdzv-endpoint=localhost:{_free_port()}")
    nodes = [
        launched(
            HERE / "two_processes.py", tmp_path / "two", options=(*meeting, "--rdzv-id=toy", f"--node-rank={rank}")
        )
        for rank in (0, 1)
    ]
    for node in nodes:
        _, said = node.communicate(timeout=200)
        assert node.returncode == 0, said[-2000:]
    list(train(recipe("one"), tmp_path / "one"))
    same(tmp_path / "one", tmp_path / "two")


def test_resume_with_fewer_processes_is_the_same_run(tmp_path: Path) -> None:
    """What two processes left after two steps, one ends as it would have ended alone."""
    whole = replace(recipe("one"), save_every=2)
    list(train(whole, tmp_path / "one"))
    in_two_processes(HERE / "two_processes.py", tmp_path / "two", 2)
    assert checkpoint.load_state(tmp_path / "two")[1]["step"] == 2
    list(train(whole, tmp_path / "two", resume=True))
    same(tmp_path / "one", tmp_path / "two")


def test_ranks_share_out_the_slots_of_a_step() -> None:
    whole = Mixture(recipe("x"))[2]
    keys = [key for batch in whole for key in batch.key]
    parts = [key for rank in (0, 1) for batch in Mixture(recipe("x"), rank, 2)[2] for key in batch.key]
    assert sorted(keys) == sorted(parts)
    assert np.all([len(Mixture(recipe("x"), r, 2)[2][0].key) == 2 for r in (0, 1)])
