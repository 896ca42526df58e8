"""Videos and recordings that a full disk or a kill ends can be opened up to their last whole part."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from full_disk import no_file_beyond
from hydranet.annotations import Quantity
from hydranet.core.sample import DataError
from hydranet.deploy.recording.mcap_records import ENDING, MAGIC, McapRecords
from hydranet.deploy.video.frames import Frame
from hydranet.deploy.video.mp4_boxes import whole_size
from hydranet.deploy.video.video_file import VideoFile
from hydranet.deploy.writer import Writer
from two_processes import python_path

FPS = 5
FRAMES = 16
LONG = 40
HELD_BACK = 25
"""Frames that wait to be drawn, in the encoder, which looks ahead, and in the last fragment."""


def frame(index: int) -> Frame:
    """Noise, which no codec makes small."""
    image = np.random.default_rng(index).integers(0, 255, (192, 256, 3), dtype=np.uint8)
    return Frame(f"{index:06d}", image, index, index / FPS)


def write(
    folder: Path,
    frames: int = FRAMES,
    after: Callable[[int], None] = lambda index: None,
    record: str = "drive.mcap",
    images: str = "",
) -> None:
    with Writer(folder, {}, FPS, record=folder / record, arrays=True, images=images) as writer:
        for index in range(frames):
            writer.add(frame(index), {"bright": Quantity(np.float32(index))})
            after(index)


def video_frames(path: Path) -> int:
    """How many frames a video has; fails for one that cannot be decoded to its end."""
    av = pytest.importorskip("av")
    with av.open(str(path)) as container:
        return sum(1 for _ in container.decode(video=0))


def messages(path: Path) -> int:
    """How many messages a recording has, in MCAP's own reader; fails for one that it does not open."""
    reader = pytest.importorskip("mcap.reader")
    with path.open("rb") as file:
        return sum(1 for _ in reader.make_reader(file).iter_messages())


@pytest.fixture(scope="module")
def sizes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, int]:
    """Bytes of every kind of file where the disk has room."""
    pytest.importorskip("av")
    pytest.importorskip("foxglove")
    folder = tmp_path_factory.mktemp("whole")
    write(folder)
    assert (video_frames(folder / "all.mp4"), messages(folder / "drive.mcap")) == (FRAMES, 2 * FRAMES)
    return {one.name: one.stat().st_size for one in folder.iterdir()}


@pytest.mark.parametrize("share", [0.0, 0.5, 0.999])
@pytest.mark.parametrize("name", ["all.mp4", "drive.mcap", "predictions.jsonl", "000003.npz"])
def test_full_disk(sizes: dict[str, int], tmp_path: Path, name: str, share: float) -> None:
    with (
        no_file_beyond(int(share * sizes[name])),
        pytest.raises(DataError, match=r"cannot write .*File too large") as told,
    ):
        write(tmp_path)
    assert any(one in str(told.value) for one in sizes), told.value
    assert not list(tmp_path.glob("*.partial"))
    for path in tmp_path.iterdir():
        if path.suffix == ".mp4":
            assert 0 < video_frames(path) <= FRAMES
        elif path.suffix == ".mcap":
            assert messages(path) <= 2 * FRAMES
        elif path.suffix == ".npz":
            assert set(np.load(path)) == {"bright.value"}
        else:
            assert path.name == "predictions.jsonl"
            assert path.read_text()[-2:] in ("", "}\n")
    if name == "drive.mcap" and share == 0.999:
        assert messages(tmp_path / name) > FRAMES // 2


def on_a_full_disk(folder: Path, size: int) -> None:
    """Records for Rerun, whose thread would stand still there, and the program with it."""
    with no_file_beyond(size), pytest.raises(DataError, match=r"cannot write .*drive.rrd.*File too large"):
        write(folder, record="drive.rrd", images="none")


def test_rerun_on_a_full_disk(tmp_path: Path) -> None:
    pytest.importorskip("rerun", reason='needs the extra "viz" (690 MB)')
    code = "import sys; from pathlib import Path; " + (
        f"from {__name__} import on_a_full_disk; on_a_full_disk(Path(sys.argv[1]), 50_000)"
    )
    path = os.pathsep.join([str(Path(__file__).parent), python_path()])
    command = [sys.executable, "-c", code, str(tmp_path)]
    subprocess.run(command, env={**os.environ, "PYTHONPATH": path}, check=True, timeout=120)
    assert 0 < (tmp_path / "drive.rrd").stat().st_size <= 50_000
    assert (tmp_path / "drive.rrd").read_bytes()[:4] == b"RRF2"


def killed(folder: Path) -> None:
    """Ends this process in the middle of its work, with nothing tidied up."""

    def dies(index: int) -> None:
        if index == LONG - 1:
            os.kill(os.getpid(), signal.SIGKILL)

    write(folder, LONG, dies)


def test_killed_in_the_middle(sizes: dict[str, int], tmp_path: Path) -> None:
    code = f"import sys; from pathlib import Path; from {__name__} import killed; killed(Path(sys.argv[1]))"
    path = os.pathsep.join([str(Path(__file__).parent), python_path()])
    command = [sys.executable, "-c", code, str(tmp_path)]
    assert subprocess.run(command, env={**os.environ, "PYTHONPATH": path}, check=False).returncode == -signal.SIGKILL
    assert messages(tmp_path / "drive.mcap") > LONG
    av = pytest.importorskip("av")
    (tmp_path / "cut.mp4").write_bytes((tmp_path / "all.mp4").read_bytes()[: whole_size(tmp_path / "all.mp4")])
    assert video_frames(tmp_path / "cut.mp4") >= LONG - HELD_BACK
    with av.open(str(tmp_path / "all.mp4")) as container:
        assert float(next(container.decode(video=0)).time) == 0.0
    for line in (tmp_path / "predictions.jsonl").read_text().splitlines():
        assert line.startswith("{")


def test_a_video_begins_at_time_zero(tmp_path: Path) -> None:
    """The encoder gives frames out in another order; its delay is no part of the times."""
    av = pytest.importorskip("av")
    video = VideoFile(tmp_path / "a.mp4", FPS)
    for index in range(FRAMES):
        video.add(frame(index).image, index / FPS)
    video.close()
    with av.open(str(tmp_path / "a.mp4")) as container:
        times = [float(one.time) for one in container.decode(video=0)]
    assert times == pytest.approx([index / FPS for index in range(FRAMES)], abs=1e-4)


def test_records_are_whole_at_any_time(tmp_path: Path) -> None:
    record = bytes([0x06]) + (5).to_bytes(8, "little") + b"chunk"
    path = tmp_path / "a.mcap"
    file = McapRecords(path)
    file.write(MAGIC[:3])
    assert path.read_bytes() == b""
    file.write(MAGIC[3:] + record[:4])
    file.write(record[4:])
    assert path.read_bytes() == MAGIC + record + ENDING
    with no_file_beyond(len(MAGIC + record) + 7):
        file.write(record)
    assert file.error is not None
    assert path.read_bytes() == MAGIC + record + ENDING
    file.write(record)
    file.close()
    assert path.read_bytes() == MAGIC + record + ENDING


def test_the_writers_own_ending_takes_the_place(tmp_path: Path) -> None:
    record = bytes([0x06]) + (5).to_bytes(8, "little") + b"chunk"
    ending = ENDING[:13] + b"a summary of more bytes than the ending that stood in its place" + MAGIC
    file = McapRecords(tmp_path / "a.mcap")
    file.write(MAGIC + record)
    file.write(ending[:10])
    file.write(ending[10:])
    assert file.tell() == len(MAGIC + record + ending)
    file.close()
    assert (tmp_path / "a.mcap").read_bytes() == MAGIC + record + ending


def test_a_video_without_pyav_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    video = VideoFile(tmp_path / "a.mp4", FPS)
    with no_file_beyond(20_000):
        for index in range(FRAMES):
            video.add(frame(index).image)
        with pytest.raises(DataError, match=r"cannot write the video .*a.mp4.* make room"):
            video.close()
    assert not list(tmp_path.iterdir())
