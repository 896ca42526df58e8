"""Several processes learn what one process learns."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import torch

from hydranet import checkpoint
from hydranet.mixture import Mixture
from hydranet.train import train
from two_processes import recipe

HERE = Path(__file__).parent


def test_two_processes_equal_one(tmp_path: Path) -> None:
    one = list(train(recipe("one"), tmp_path / "one"))
    lonely = [Mixture(recipe("x"), rank, 2)[step] for step in range(5) for rank in (0, 1)]
    assert any("bright" not in batch.labels for batches in lonely for batch in batches)
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", "--master-port=29611"]
    environment = {**os.environ, "PYTHONPATH": str(HERE), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [*command, str(HERE / "two_processes.py"), str(tmp_path / "two")],
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    mine, theirs = (checkpoint.read(tmp_path / n / checkpoint.STATE)[0] for n in ("one", "two"))
    assert mine.keys() == theirs.keys()
    for name in mine:
        torch.testing.assert_close(mine[name], theirs[name], rtol=1e-4, atol=1e-5, msg=name)
    assert len(one) == 5


def test_ranks_share_out_the_slots_of_a_step() -> None:
    whole = Mixture(recipe("x"))[2]
    keys = [key for batch in whole for key in batch.key]
    parts = [key for rank in (0, 1) for batch in Mixture(recipe("x"), rank, 2)[2] for key in batch.key]
    assert sorted(keys) == sorted(parts)
    assert np.all([len(Mixture(recipe("x"), r, 2)[2][0].key) == 2 for r in (0, 1)])
