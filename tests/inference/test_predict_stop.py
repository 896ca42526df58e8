"""A signal in the middle of a video: the frame is finished, files are whole, and the command says how far it came."""

import json
import signal
import time
from pathlib import Path

import numpy as np
import pytest

import warm_processes
from hydranet.deploy.video.video_file import VideoFile

RUN = Path(__file__).parents[1] / "fixtures" / "v0_1" / "run"
FRAMES = 3000
"""More than are looked at before the signal comes, however slow the machine is."""


@pytest.fixture(scope="module")
def drive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("av")
    path = tmp_path_factory.mktemp("drive") / "drive.mp4"
    video = VideoFile(path, 30)
    image = np.random.default_rng(0).integers(0, 255, (64, 128, 3), dtype=np.uint8)
    for _ in range(FRAMES):
        video.add(image)
    video.close()
    return path


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_video_stopped_in_its_middle_is_whole(drive: Path, tmp_path: Path, number: int) -> None:
    import av

    process = warm_processes.started("-m", "hydranet", "predict", RUN, drive, "--out", tmp_path)
    lines = tmp_path / "predictions.jsonl"
    deadline = time.monotonic() + 120
    try:
        while not lines.is_file() or lines.read_bytes().count(b"\n") < 20:
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.01)
        process.send_signal(number)
        _, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130, err
    *_, first, last = err.splitlines()
    assert first == "stopping after this frame; once more stops at once"
    answers = [json.loads(line) for line in lines.read_text().splitlines()]
    assert 20 <= len(answers) < FRAMES
    assert f"stopped after {len(answers)} of {FRAMES} frames" in last
    with av.open(str(tmp_path / "all.mp4")) as container:
        assert sum(1 for _ in container.decode(video=0)) == len(answers)
