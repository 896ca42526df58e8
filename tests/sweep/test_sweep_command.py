"""hydranet sweep: ordinary runs below one folder, resumable, with a table as text and files."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from commands import RECIPES, hydranet, refused
from hydranet.sweep.engine import Command, last_error, processes

OWN = '''
from hydranet.core.balancer import LossBalancer

class Half(LossBalancer):
    """Half of the sum."""

    def forward(self, losses):
        return sum(losses.values()) / 2
'''


@pytest.fixture(scope="module")
def recipes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("recipes") / "sweep_recipes.py"
    path.write_text(RECIPES)
    return path


def test_runs_are_trained_once_and_stopped_ones_go_on_bit_by_bit(recipes: Path, tmp_path: Path) -> None:
    (tmp_path / "own_parts.py").write_text(OWN)
    command = ("sweep", f"{recipes}:toy", "balancer=uniform,own_parts.Half", "seed=0..1")
    allow = ("--allow", tmp_path / "own_parts.py", "--out", tmp_path / "out")
    first = hydranet(*command, *allow)
    assert first.code == 0, first.err
    assert "4/4 balancer-own_parts.Half-s1: bright mae" in first.out
    names = [f"balancer-{name}-s{seed}" for name in ("uniform", "own_parts.Half") for seed in (0, 1)]
    weights = {name: (tmp_path / "out" / name / "model.safetensors").read_bytes() for name in names}
    table = json.loads((tmp_path / "out" / "sweep.json").read_text())
    assert [row["group"] for row in table["rows"]] == ["balancer=uniform", "balancer=own_parts.Half"]
    assert all(set(row["delta_m"]["by_seed"]) == {"0", "1"} for row in table["rows"])
    own = json.loads((tmp_path / "out" / names[3] / "report.json").read_text())["scores"]["held-out"]["glow"]["mae"]
    glow = next(score for score in table["rows"][1]["scores"] if score["task"] == "glow")
    assert glow["by_seed"]["1"] == own

    half = tmp_path / "out" / names[3]
    done = hydranet("train", f"{recipes}:toy", "--out", tmp_path / "alone", "balancer=uniform", "seed=1")
    assert done.code == 0, done.err
    assert (tmp_path / "alone" / "model.safetensors").read_bytes() == weights[names[1]]  # an ordinary run
    for name in ("report.json", "report.csv", "log.jsonl"):
        (half / name).unlink()
    again = hydranet(*command, "--baseline", "own_parts.Half", *allow)
    assert again.code == 0, again.err
    assert "4 runs, 3 of them finished" in again.out
    assert {name: (tmp_path / "out" / name / "model.safetensors").read_bytes() for name in names} == weights
    assert json.loads((tmp_path / "out" / "sweep.json").read_text())["baseline"] == "balancer=own_parts.Half"

    refused(hydranet(*command, "batch=2", *allow), r".*holds another recipe \(batch: 4 -> 2\); choose another --out")


def test_a_run_that_fails_is_named_and_the_others_go_on(recipes: Path, tmp_path: Path) -> None:
    ended = hydranet("sweep", f"{recipes}:toy", "start=none,/nowhere.safetensors", "--out", tmp_path / "out")
    assert ended.code == 1
    assert "1 of 2 runs failed, start-_nowhere.safetensors-s0 for one: " in ended.err
    assert "run start-_nowhere.safetensors-s0 is not scored" in (tmp_path / "out" / "sweep.md").read_text()
    assert (tmp_path / "out" / "start-none-s0" / "report.json").is_file()


def test_ray_is_an_extra(recipes: Path, tmp_path: Path) -> None:
    try:
        import ray  # noqa: F401
    except ImportError:
        command = ("sweep", f"{recipes}:toy", "seed=0..1", "--ray", "--out", tmp_path / "out")
        refused(
            hydranet(*command), r'a sweep on Ray needs ray, which is not installed; pip install "hydranet\[scale\]"'
        )


def test_processes_share_the_work_and_say_how_they_failed(tmp_path: Path) -> None:
    program = "import sys, time, os; time.sleep(.3); print('error: no', sys.argv[1]); sys.exit(int(sys.argv[1]))"
    commands = []
    for code in (0, 1, 0):
        folder = tmp_path / str(len(commands))
        folder.mkdir()
        commands.append(Command(folder.name, folder, [sys.executable, "-c", program, str(code)]))
    began = time.monotonic()
    ended = dict(one for one in processes(commands, 3, []) if one)
    assert ended == {"0": "", "1": "no 1", "2": ""}
    assert time.monotonic() - began < 3 * 1.5
    assert last_error(tmp_path / "1", -9) == f"signal 9 ended it; see {tmp_path / '1' / 'output.txt'}"


def test_a_stop_reaches_every_process(tmp_path: Path) -> None:
    program = "import signal, sys, time; signal.signal(signal.SIGTERM, lambda *_: sys.exit(130)); time.sleep(60)"
    stop: list[int] = []
    commands = [Command(str(i), tmp_path, [sys.executable, "-c", program]) for i in range(3)]
    for ended in processes(commands, 2, stop):
        assert ended is None
        time.sleep(0.5)
        stop.append(signal.SIGINT)
    assert stop


@pytest.mark.slow
@pytest.mark.skipif("HYDRANET_LONG" not in os.environ, reason="takes minutes; HYDRANET_LONG=1 runs it")
def test_several_processes_are_stopped_and_go_on_to_the_same_weights(tmp_path: Path) -> None:
    out = tmp_path / "out"
    slow = tmp_path / "sweep_slow.py"
    slow.write_text(RECIPES.replace("ema=0.9, validation=(), save_every=7", "ema=0.9, save_every=7"))
    command = [sys.executable, "-m", "hydranet", "sweep", f"{slow}:slow", "seed=0..1", "--jobs", "2"]
    here = Path(__file__).parents[1]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(here), os.environ.get("PYTHONPATH", "")])}
    process = subprocess.Popen([*command, "--out", out], env=environment, text=True, stderr=subprocess.PIPE)
    while not all((out / f"run-s{seed}" / "log.jsonl").is_file() for seed in (0, 1)):
        time.sleep(0.1)
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert "stopped; 0 of 2 runs are finished, the others go on with the same command" in errors
    done = subprocess.run([*command, "--out", out], env=environment, text=True, capture_output=True, timeout=200)
    assert done.returncode == 0, done.stderr
    alone = hydranet("sweep", f"{slow}:slow", "seed=0..1", "--out", tmp_path / "alone")
    assert alone.code == 0, alone.err
    for seed in (0, 1):
        files = [folder / f"run-s{seed}" / "model.safetensors" for folder in (out, tmp_path / "alone")]
        assert files[0].read_bytes() == files[1].read_bytes()
