"""`hydranet predict` on videos, streams and recordings: every file is whole, whenever it ends."""

import json
import os
import re
import signal
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from commands import Ended, hydranet, refused
from hydranet.annotations import Annotation, Boxes
from hydranet.checkpoint import checkpoint
from hydranet.core.ledger import Omission
from hydranet.core.task import Raw
from hydranet.deploy.video.frames import find_frames
from hydranet.deploy.video.live import Live
from hydranet.deploy.video.stopwatch import Pace
from hydranet.deploy.video.video_file import VideoFile
from hydranet.deploy.writer import Writer
from hydranet.inference.pipeline import run_pipeline
from toys import Brightness, toy_recipe


@dataclass(frozen=True)
class Two(Brightness):
    """Answers the same two boxes, whatever it sees."""

    def decode(self, raw: Raw) -> Annotation:
        count = len(raw)
        xyxy = torch.tensor([[0.0, 0.0, 16.0, 16.0], [32.0, 16.0, 64.0, 32.0]]).expand(count, 2, 4)
        return Boxes(xyxy, torch.zeros(count, 2, dtype=torch.int64), score=torch.tensor([0.9, 0.8]).expand(count, 2))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("run")
    recipe = toy_recipe()
    recipe = replace(recipe, tasks=(*recipe.tasks, Two("cars", ("Car",))))
    checkpoint.save_model(folder, recipe.build(), recipe)
    return folder


@pytest.fixture
def drive(tmp_path: Path) -> Path:
    video = VideoFile(tmp_path / "drive.mp4", 10)
    for i in range(6):
        video.add(np.full((32, 64, 3), 40 * i, dtype=np.uint8))
    video.close()
    return tmp_path / "drive.mp4"


EACH = ("--draw", "each")


def lines(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "predictions.jsonl").read_text().splitlines()]


def shown(path: Path) -> tuple[int, float]:
    """Frames of a video, and its length in seconds."""
    import av

    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
    return len(frames), float(frames[-1].time or 0)


def test_tracks_and_frames_a_second(run: Path, drive: Path, tmp_path: Path) -> None:
    ended = hydranet("predict", run, drive, "--out", tmp_path / "seen", "--track", "--draw", "all")
    assert ended.code == 0, ended.err
    assert "6 frames in" in ended.out
    assert "fps over the whole run" in ended.out
    ids = [[row["track"] for row in line["tasks"]["cars"]["boxes"]] for line in lines(tmp_path / "seen")]
    assert ids == [[1, 2]] * 6
    assert [path.name for path in (tmp_path / "seen").glob("*.mp4")] == ["all.mp4"]


def test_a_folder_as_a_video(run: Path, tmp_path: Path) -> None:
    for i in range(3):
        (tmp_path / "images").mkdir(exist_ok=True)
        cv2.imwrite(str(tmp_path / "images" / f"{i}.png"), np.full((32, 64, 3), 40 * i, np.uint8))
    given = ("--out", tmp_path / "seen", "--fps", 10, "--heads", "bright", *EACH)
    ended = hydranet("predict", run, tmp_path / "images", *given)
    assert ended.code == 0, ended.err
    assert [(line["name"], line["time_s"]) for line in lines(tmp_path / "seen")] == [("0", 0), ("1", 0.1), ("2", 0.2)]
    assert shown(tmp_path / "seen" / "bright.mp4")[0] == 3


@pytest.mark.parametrize(
    "option", [("--arrays",), ("--files",), ("--track",), ("--draw", "all"), ("--record", "x.mcap"), ("--fps", 10)]
)
def test_options_that_change_nothing_for_a_bag_are_refused(run: Path, tmp_path: Path, option: tuple[object]) -> None:
    (tmp_path / "bag").mkdir()
    (tmp_path / "bag/metadata.yaml").write_text("")
    ended = hydranet("predict", run, tmp_path / "bag", "--out", tmp_path / "seen", *option)
    refused(ended, f"got {option[0]} for a bag of ROS 2, whose answers are a bag, where it changes nothing")
    assert not (tmp_path / "seen").exists()


def test_a_rate_for_a_video_and_a_topic_for_a_folder_are_refused(run: Path, drive: Path, tmp_path: Path) -> None:
    ended = hydranet("predict", run, drive, "--out", tmp_path / "seen", "--fps", 25)
    refused(ended, "got --fps for frames that come with times of their own, where it changes nothing; leave it out")
    cv2.imwrite(str(tmp_path / "0.png"), np.zeros((32, 64, 3), np.uint8))
    ended = hydranet("predict", run, tmp_path / "0.png", "--out", tmp_path / "seen", "--topic", "/camera")
    refused(ended, "got --topic for images that are no bag, where it changes nothing; leave it out")
    assert not (tmp_path / "seen").exists()


def test_each_video_of_a_folder_has_a_folder_of_its_own(run: Path, tmp_path: Path) -> None:
    for name, count in (("a", 2), ("b", 3)):
        video = VideoFile(tmp_path / "videos" / f"{name}.mp4", 10)
        for i in range(count):
            video.add(np.full((32, 64, 3), 40 * i, dtype=np.uint8))
        video.close()
    ended = hydranet("predict", run, tmp_path / "videos", "--out", tmp_path / "seen")
    assert ended.code == 0, ended.err
    assert {name: len(lines(tmp_path / "seen" / name)) for name in "ab"} == {"a": 2, "b": 3}
    assert shown(tmp_path / "seen" / "b" / "all.mp4")[0] == 3


def test_equal_names_in_two_folders_do_not_overwrite_one_another(run: Path, tmp_path: Path) -> None:
    for name in ("a/b_c.png", "a_b/c.png", "a/c.png", "frame_10.png", "frame_9.png"):
        (tmp_path / "images" / name).parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(tmp_path / "images" / name), np.full((32, 64, 3), 9, np.uint8))
    ended = hydranet("predict", run, f"{tmp_path}/images/**/*.png", "--out", tmp_path / "seen", "--draw", "none")
    assert ended.code == 0, ended.err
    written = {path.relative_to(tmp_path / "seen").as_posix() for path in (tmp_path / "seen").rglob("*.json")}
    assert written == {f"{n}.png.json" for n in ("a/b_c", "a_b/c", "a/c", "frame_10", "frame_9")}
    order = [frame.name for frame in find_frames(f"{tmp_path}/images/frame_*.png")]
    assert order == ["frame_9", "frame_10"]


def test_limit_and_no_pictures(run: Path, drive: Path, tmp_path: Path) -> None:
    ended = hydranet("predict", run, drive, "--out", tmp_path / "seen", "--limit", 2, "--draw", "none")
    assert ended.code == 0, ended.err
    assert {path.name for path in (tmp_path / "seen").iterdir()} == {"predictions.jsonl"}
    assert len(lines(tmp_path / "seen")) == 2
    refused(hydranet("predict", run, drive, "--draw", "some"), "got images 'some', expected one of each, all, none")


def interrupted(after: Any, *arguments: object) -> Ended:
    """Runs a command and sends it Ctrl-C once `after()` holds."""

    def press() -> None:
        begin_s = time.monotonic()
        while not after() and time.monotonic() - begin_s < 30:
            time.sleep(0.02)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=press)
    thread.start()
    ended = hydranet(*arguments)
    thread.join()
    return ended


def test_ctrl_c_ends_a_camera_and_all_files_are_whole(run: Path, tmp_path: Path) -> None:
    pytest.importorskip("av")
    from rtsp_server import Camera

    seen = tmp_path / "seen"

    def enough() -> bool:
        return (seen / "predictions.jsonl").is_file() and len(lines(seen)) >= 5

    pytest.importorskip("foxglove")
    with Camera(10**3 // 4) as camera:
        given = ("predict", run, camera.url, "--out", seen, "--record", tmp_path / "drive.mcap")
        ended = interrupted(enough, *given)
    assert ended.code == 0, ended.err
    said = lines(seen)
    assert len(said) >= 5
    assert [line["unix_s"] for line in said] == sorted(line["unix_s"] for line in said)
    count, length_s = shown(seen / "all.mp4")
    assert count == len(said)
    assert length_s == pytest.approx(said[-1]["time_s"], abs=0.1)
    assert len(mcap(tmp_path / "drive.mcap")["/camera"]) == len(said)
    assert "secret" not in ended.out + ended.err + (seen / "predictions.jsonl").read_text()


def test_ctrl_c_in_a_video_says_how_far_it_came(run: Path, tmp_path: Path) -> None:
    video = VideoFile(tmp_path / "long.mp4", 10)
    for i in range(600):
        video.add(np.full((32, 64, 3), i % 250, dtype=np.uint8))
    video.close()
    seen = tmp_path / "seen"

    def enough() -> bool:
        return (seen / "predictions.jsonl").is_file() and len(lines(seen)) >= 3

    ended = interrupted(enough, "predict", run, tmp_path / "long.mp4", "--out", seen, *EACH)
    assert ended.code == 130
    assert f"stopped after {len(lines(seen))} of 600 frames" in ended.err
    assert shown(seen / "cars.mp4")[0] == len(lines(seen)) < 600


def mcap(path: Path) -> dict[str, list[tuple[str, int, bytes]]]:
    """Messages by topic: name of the schema, time in ns, data."""
    reading = pytest.importorskip("mcap.reader")
    found: dict[str, list[tuple[str, int, bytes]]] = {}
    with path.open("rb") as file:
        for schema, channel, message in reading.make_reader(file).iter_messages():
            name = schema.name if schema else ""
            found.setdefault(channel.topic, []).append((name, message.log_time, message.data))
    return found


def test_mcap(run: Path, drive: Path, tmp_path: Path) -> None:
    pytest.importorskip("foxglove")
    ended = hydranet("predict", run, drive, "--out", tmp_path / "seen", "--record", tmp_path / "new" / "drive.mcap")
    assert ended.code == 0, ended.err
    topics = mcap(tmp_path / "new" / "drive.mcap")
    kinds = {topic: messages[0][0] for topic, messages in topics.items()}
    assert kinds["/camera"] == kinds["/glow/image"] == "foxglove.CompressedImage"
    assert kinds["/cars/annotations"] == "foxglove.ImageAnnotations"
    assert set(topics) == {"/camera", "/glow/image", "/cars/annotations", "/cars/json", "/glow/json", "/bright/json"}
    for messages in topics.values():
        assert [time_ns for _, time_ns, _ in messages] == [round(i * 1e8) for i in range(6)]
    cars = json.loads(topics["/cars/json"][5][2])
    assert cars["frame"] == 5
    assert [row["class"] for row in cars["boxes"]] == ["Car", "Car"]
    picture = topics["/camera"][2][2]
    begin = picture.index(b"\xff\xd8\xff")
    decoded = cv2.imdecode(np.frombuffer(picture[begin:], np.uint8), cv2.IMREAD_COLOR)
    assert decoded.shape == (32, 64, 3)
    assert abs(float(decoded.mean()) - 80) < 6


def test_rrd(run: Path, drive: Path, tmp_path: Path) -> None:
    pytest.importorskip("rerun", reason='needs the extra "viz" (690 MB)')
    ended = hydranet("predict", run, drive, "--out", tmp_path / "seen", "--record", tmp_path / "drive.rrd")
    assert ended.code == 0, ended.err
    assert (tmp_path / "drive.rrd").read_bytes()[:4] == b"RRF2"


def test_recordings_of_other_kinds(run: Path, drive: Path) -> None:
    ended = hydranet("predict", run, drive, "--record", "drive.bag")
    refused(ended, r"got recording 'drive.bag', expected a name that ends in .mcap or .rrd")


def test_pace_counts_what_is_said() -> None:
    clock = iter([0.0, 0.1, 0.4, 0.5, 0.5, 0.6, 1.9, 2.0, 2.0])
    pace = Pace(lambda: next(clock))
    for _ in range(2):
        for phase in ("reading", "network", "writing"):
            pace.lap(phase)
        pace.done()
    assert pace.summary() == (
        "2 frames in 2.0 s: 1.0 fps over the whole run, 1.0 median; reading 10 %, network 80 %, writing 10 %"
    )


def unused(folder: Path) -> set[tuple[str, str, int]]:
    """What ledger.json counts: kind, place and number."""
    return {(one["what"], one["where"], one["count"]) for one in json.loads((folder / "ledger.json").read_text())}


def test_images_and_heads_that_were_not_used_are_counted(run: Path, tmp_path: Path) -> None:
    images, out = tmp_path / "images", tmp_path / "seen"
    images.mkdir()
    for name in ("a", "b", "ledger"):
        cv2.imwrite(str(images / f"{name}.png"), np.full((32, 64, 3), 9, np.uint8))
    (images / "broken.png").write_text("no image")
    given = ("--heads", "bright,cars", "--every", "cars=2", "--draw", "none")
    ended = hydranet("predict", run, images, "--out", out, *given)
    assert ended.code == 1
    assert "images: 1 image left out, cannot be read (broken.png)" in ended.out
    assert "head cars not computed in 1 frame, its last answer stands there (every=2)" in ended.out
    assert "head glow not computed in 3 frames, not among the heads asked for" in ended.out
    assert unused(out) == {
        ("image left out", str(images), 1),
        ("head not computed", "cars", 1),
        ("head not computed", "glow", 3),
    }
    assert json.loads((out / "ledger.png.json").read_text())["name"] == "ledger.png"
    (images / "broken.png").unlink()
    assert hydranet("predict", run, images, "--out", out, "--draw", "none").code == 0
    assert not (out / "ledger.json").exists()


def test_the_rest_of_a_damaged_video_is_counted(run: Path, tmp_path: Path) -> None:
    pytest.importorskip("av")
    video = VideoFile(tmp_path / "drive.mp4", 10)
    for i in range(200):
        video.add(np.random.default_rng(i).integers(0, 255, (32, 64, 3), dtype=np.uint8))
    video.close()
    frames = find_frames(str(tmp_path / "drive.mp4"))
    data = (tmp_path / "drive.mp4").read_bytes()
    begin = data.index(b"mdat") + len(data) // 2
    (tmp_path / "drive.mp4").write_bytes(data[:begin] + bytes(len(data) // 4) + data[begin + len(data) // 4 :])
    ended = hydranet("predict", run, tmp_path / "drive.mp4", "--out", tmp_path / "seen", "--draw", "none")
    assert ended.code == 1
    lost = frames.count - len(lines(tmp_path / "seen"))
    assert unused(tmp_path / "seen") == {("frame dropped", "drive.mp4", max(lost, 1))}


class Slow:
    """A predictor that takes longer than a camera of 100 frames a second waits."""

    classes: Mapping[str, Sequence[str]] = MappingProxyType({})

    def __call__(self, image: np.ndarray, /) -> dict[str, Annotation]:
        time.sleep(0.05)
        return {}


class Hundred:
    """A camera of 100 frames a second."""

    def isOpened(self) -> bool:
        return True

    def get(self, property: int) -> float:
        return 0.0

    def read(self) -> tuple[bool, np.ndarray]:
        time.sleep(0.01)
        return True, np.zeros((8, 8, 3), np.uint8)

    def release(self) -> None:
        pass


def test_frames_that_a_slow_network_missed_are_counted(tmp_path: Path) -> None:
    stop: list[int] = []
    source, last = Live("camera:0", stop, open_=lambda _: Hundred()), 0
    with Writer(tmp_path, {}, 10, images="none") as writer:
        for frame in run_pipeline(source, Slow(), writer, Pace(), pytest.fail):
            last = frame.index
            if writer.count == 5:
                stop.append(2)
    assert writer.ledger.count(Omission.FRAME_DROPPED) == last + 1 - 5 > 5
    (sentence,) = writer.ledger.sentences()
    assert re.fullmatch(r"camera:0: \d+ frames dropped, the network was slower than the source", sentence)
