"""The node with real rclpy: a second process publishes twice as fast as it can answer, listens, and compares."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("rclpy", reason='rclpy is not installed; pip install "hydranet[ros2]"')

from ros2_camera import image_of

from hydranet.deploy.predictor import SessionPredictor
from web_client import Toy

HERE = Path(__file__).parent
PAUSE_S = 0.2


def started(*words: object, domain: int) -> "subprocess.Popen[str]":
    paths = os.pathsep.join([str(HERE.parent), *filter(None, [os.environ.get("PYTHONPATH", "")])])
    apart = {"ROS_DOMAIN_ID": str(domain), "ROS_LOCALHOST_ONLY": "1", "PYTHONPATH": paths}
    command = [sys.executable, *map(str, words)]
    return subprocess.Popen(command, env=os.environ | apart, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def seen_by_camera(tmp_path: Path, frames: int, domain: int) -> dict[str, Any]:
    out = tmp_path / f"{time.monotonic_ns()}.json"
    camera = started(HERE / "ros2_camera.py", frames, 2 / PAUSE_S, out, domain=domain)
    _, errors = camera.communicate(timeout=120 + frames * PAUSE_S)  # it publishes for half of that
    assert camera.returncode == 0, errors
    return json.loads(out.read_text())


LONG = pytest.mark.skipif("HYDRANET_LONG" not in os.environ, reason="takes ten minutes; HYDRANET_LONG=1 runs it")


@pytest.mark.parametrize(
    "frames", [pytest.param(20, marks=pytest.mark.slow), pytest.param(6000, marks=[pytest.mark.slow, LONG])]
)
def test_a_node_that_is_too_slow_answers_the_newest_images(tmp_path: Path, frames: int) -> None:
    domain = 20 + os.getpid() % 80
    node = started(HERE / "ros2_toy_node.py", PAUSE_S, domain=domain)
    try:
        seen = seen_by_camera(tmp_path, frames, domain)
        memory = resident_kb(node.pid)
        again = seen_by_camera(tmp_path, 5, domain)  # another camera, after the first one has gone
        grown = resident_kb(node.pid) - memory
    finally:
        node.send_signal(signal.SIGINT)
        _, errors = node.communicate(timeout=30)
    assert node.returncode == 0, errors
    assert "Traceback" not in errors
    assert errors.count("got encoding '32FC9'") == 2  # once per camera, one sentence
    check(seen)
    check(again)
    far = [one for one in seen["answers"] if one["kind"] == "far"]
    assert 3 < len(far) < 0.9 * len(seen["sent"])  # it dropped some
    dropped = max(int(values["frames dropped"]) for _, _, values in seen["diagnostics"])
    assert dropped >= 2
    late = sorted(one["late_s"] for one in far)
    assert late[len(late) // 2] < 6 * PAUSE_S  # no queue builds up
    assert grown < 50_000


def check(seen: dict[str, Any]) -> None:
    """Stamps, frames, sizes and values are those of the image; all outputs of an image have one stamp."""
    stamps: dict[str, set[str]] = {"far": set(), "area": set(), "json": set()}
    for one in seen["answers"]:
        key = f"{one['sec']}.{one['nanosec']}"
        number, size = seen["sent"][key]
        assert one["frame"] == "front"
        assert one.get("size", size) == size
        stamps[one["kind"]].add(key)
        bright = 20 + 3 * (number % 70)
        if one["kind"] == "far":
            assert one["value"] == pytest.approx(1 + bright / 4, abs=1e-3)
        if one["kind"] == "json":
            expected = SessionPredictor(Toy(), ["bright"])(image_of(number, tuple(size)))["bright"].value
            assert one["value"] == pytest.approx(float(expected), abs=2e-3)
    assert len(stamps["far"]) > 3
    assert stamps["area"] <= stamps["far"] | stamps["json"]
    assert len(stamps["area"]) <= 0.75 * len(stamps["json"])  # it is computed for every second image only
    assert {tuple(one["size"]) for one in seen["answers"] if "size" in one} == {(40, 90), (64, 48)}
    assert any(level == 2 and "32FC9" in sentence for level, sentence, _ in seen["diagnostics"])


def resident_kb(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))
