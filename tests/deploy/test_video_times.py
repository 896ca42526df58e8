"""Videos are read and written at the times that their frames carry: variable rates, no rates, cut-off files."""

import builtins
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hydranet.core.sample import DataError
from hydranet.deploy.video.frames import Frame, find_all_frames, find_frames
from hydranet.deploy.video.video_file import VideoFile, fitted
from hydranet.deploy.video.video_reader import Clock, decode

av = pytest.importorskip("av")

UNEVEN_S = [0.0, 0.04, 0.08, 0.5, 0.54, 1.3, 1.4, 2.0, 3.5, 3.52, 4.4, 5.17]


@pytest.fixture(params=["PyAV", "OpenCV"])
def reader(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], None]]:
    """Call it to go on with this reader; files are made with PyAV in any case."""

    def go_on() -> None:
        if request.param == "OpenCV":
            importing = builtins.__import__

            def without_av(name: str, *rest: Any) -> Any:
                if name == "av":
                    raise ImportError(name)
                return importing(name, *rest)

            monkeypatch.setattr(builtins, "__import__", without_av)

    return go_on


def image(level: int, size: tuple[int, int] = (64, 96)) -> np.ndarray:
    return np.full((*size, 3), level, np.uint8)


def write(path: Path, times_s: list[float], codec: str = "libx264", rate: int = 25, ticks: int = 1000) -> Path:
    """Frames that get brighter, by 20 levels each (after 12 from the start), shown at these times."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate)
        stream.height, stream.width, stream.pix_fmt = 64, 96, "yuv420p"
        stream.codec_context.time_base = Fraction(1, ticks)
        for i, time_s in enumerate(times_s):
            frame = av.VideoFrame.from_ndarray(image(20 * i % 240), format="rgb24")
            frame.pts, frame.time_base = round(time_s * ticks), Fraction(1, ticks)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


@pytest.mark.parametrize(("name", "codec"), [("drive.mp4", "libx264"), ("drive.webm", "libvpx"), ("d.mkv", "libx264")])
def test_frames_come_at_the_times_of_the_container(
    tmp_path: Path, reader: Callable[[], None], name: str, codec: str
) -> None:
    path = write(tmp_path / name, UNEVEN_S, codec)
    reader()
    frames = find_frames(str(path))
    assert frames.fps is not None
    assert 1 <= frames.fps <= 60
    notes: list[DataError] = []
    listed = list(frames.readable(notes.append))
    assert [frame.time_s for frame in listed] == pytest.approx(UNEVEN_S, abs=2e-3)
    assert [abs(float(frame.image.mean()) - 20 * frame.index) < 8 for frame in listed] == [True] * len(UNEVEN_S)
    assert notes == []


def test_a_rate_of_a_thousand_is_the_containers_clock(tmp_path: Path, reader: Callable[[], None]) -> None:
    """As browsers record webm: no rate, time stamps in milliseconds."""
    path = write(tmp_path / "browser.webm", [i / 10 for i in range(12)], "libvpx", rate=1000)
    reader()
    frames = find_frames(str(path))
    assert frames.fps == pytest.approx(10, abs=0.5)
    assert [frame.time_s for frame in frames] == pytest.approx([i / 10 for i in range(12)], abs=2e-3)


def test_a_video_that_is_cut_off_keeps_its_frames_and_says_so(tmp_path: Path, reader: Callable[[], None]) -> None:
    times_s = [i / 25 for i in range(200)]
    with av.open(str(tmp_path / "whole.mp4"), "w", options={"movflags": "faststart"}) as container:
        stream = container.add_stream("libx264", rate=25)
        stream.height, stream.width, stream.pix_fmt = 64, 96, "yuv420p"
        noise = np.random.default_rng(0)
        for _ in times_s:
            frame = av.VideoFrame.from_ndarray(noise.integers(0, 256, (64, 96, 3), dtype=np.uint8), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    data = (tmp_path / "whole.mp4").read_bytes()
    (tmp_path / "cut.mp4").write_bytes(data[: len(data) // 2])
    reader()
    notes: list[DataError] = []
    assert len(list(find_frames(str(tmp_path / "whole.mp4")).readable(notes.append))) == 200
    assert notes == []
    count = len(list(find_frames(str(tmp_path / "cut.mp4")).readable(notes.append)))
    assert 60 < count < 140
    assert len(notes) == 1
    assert "cut.mp4 is cut off: only the first" in str(notes[0])
    assert "of 8.0 s can be decoded; convert it (ffmpeg -i cut.mp4 out.mp4)" in str(notes[0])


def test_a_phones_video_is_turned_upright(tmp_path: Path, reader: Callable[[], None]) -> None:
    """A display matrix in the header: a quarter turn clockwise. The left half, white, comes to the top."""
    path = tmp_path / "phone.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.height, stream.width, stream.pix_fmt = 64, 96, "yuv420p"
        half = image(0)
        half[:, :48] = 255
        for _ in range(3):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(half, format="rgb24")))
        container.mux(stream.encode())
    data = bytearray(path.read_bytes())
    place = data.index(b"tkhd") + 4 + 40
    matrix = [0, 0x10000, 0, -0x10000, 0, 0, 64 << 16, 0, 0x40000000]
    data[place : place + 36] = b"".join(value.to_bytes(4, "big", signed=True) for value in matrix)
    path.write_bytes(data)
    reader()
    first: Frame = next(iter(find_frames(str(path))))
    assert first.image.shape == (96, 64, 3)
    assert first.image[:40].min() > 200
    assert first.image[56:].max() < 50


def test_a_clock_survives_missing_and_repeated_and_backward_stamps() -> None:
    clock = Clock(10)
    stamps = [5.0, 5.1, None, 5.1, 2.0, float("nan"), 7.0]
    assert [clock.time_s(stamp) for stamp in stamps] == pytest.approx([0, 0.1, 0.2, 0.3, 0.4, 0.5, 2.0])
    silent = Clock(4)
    assert [silent.time_s(None) for _ in range(3)] == [0, 0.25, 0.5]


def test_uneven_times_survive_writing(tmp_path: Path, reader: Callable[[], None]) -> None:
    file = VideoFile(tmp_path / "out.mp4", 25)
    for i, time_s in enumerate(UNEVEN_S):
        file.add(image(20 * i), time_s)
    file.close()
    reader()
    assert [frame.time_s for frame in find_frames(str(tmp_path / "out.mp4"))] == pytest.approx(UNEVEN_S, abs=2e-3)


def test_without_pyav_uneven_times_are_kept_to_a_frame(tmp_path: Path, reader: Callable[[], None]) -> None:
    reader()
    file = VideoFile(tmp_path / "out.mp4", 25)
    for i, time_s in enumerate(UNEVEN_S):
        file.add(image(20 * i), time_s)
    file.close()
    last = list(find_frames(str(tmp_path / "out.mp4")))[-1]
    assert last.time_s == pytest.approx(UNEVEN_S[-1], abs=0.05)
    assert abs(float(last.image.mean()) - 220) < 12


def test_images_of_two_sizes_are_fitted_into_one_video(tmp_path: Path, reader: Callable[[], None]) -> None:
    reader()
    file = VideoFile(tmp_path / "out.mp4", 10)
    for size in ((64, 96), (200, 100), (32, 48), (65, 97)):
        file.add(image(200, size))
    file.close()
    frames = list(find_frames(str(tmp_path / "out.mp4")))
    assert [frame.image.shape for frame in frames] == [(64, 96, 3)] * 4
    assert frames[1].image[:, :20].max() < 30
    assert frames[1].image[10:54, 40:56].min() > 170
    assert frames[2].image.min() > 170
    assert fitted(image(7, (3, 500)), (64, 96)).shape == (64, 96, 3)


def test_each_video_of_a_folder_and_its_images(tmp_path: Path) -> None:
    write(tmp_path / "b10.mp4", [0, 0.1])
    write(tmp_path / "b9.mp4", [0, 0.1, 0.2])
    sources = find_all_frames(str(tmp_path))
    assert {name: len(list(frames)) for name, frames in sources.items()} == {"b9": 3, "b10": 2}
    assert list(sources) == ["b9", "b10"]
    assert list(find_all_frames(str(tmp_path / "b9.mp4"))) == [""]


@pytest.mark.parametrize("name", ["late.mkv", "late.mp4", "late.webm"])
def test_a_clock_that_starts_late_is_no_damage(tmp_path: Path, reader: Callable[[], None], name: str) -> None:
    path = write(tmp_path / name, [5 + i / 10 for i in range(20)], "libvpx" if name.endswith("webm") else "libx264", 10)
    reader()
    frames, notes = find_frames(str(path)), list[DataError]()
    assert [frame.time_s for frame in frames.readable(notes.append)] == pytest.approx([i / 10 for i in range(20)])
    assert notes == []
    assert frames.count in (20, None)


def test_a_late_clock_hides_no_damage(tmp_path: Path, reader: Callable[[], None]) -> None:
    whole = write(tmp_path / "whole.mkv", [5 + i / 10 for i in range(200)], rate=10).read_bytes()
    (tmp_path / "cut.mkv").write_bytes(whole[: len(whole) // 2])
    reader()
    notes: list[DataError] = []
    *_, last = find_frames(str(tmp_path / "cut.mkv")).readable(notes.append)
    assert 0 < last.time_s < 15
    assert [f"only the first {last.time_s + 0.1:.1f} of 20.0 s can be decoded" in str(note) for note in notes] == [True]


def test_a_file_that_is_no_video(tmp_path: Path, reader: Callable[[], None]) -> None:
    (tmp_path / "x.mp4").write_bytes(bytes(500))
    reader()
    with pytest.raises(DataError, match=r"cannot open the video .*x\.mp4"):
        find_frames(str(tmp_path / "x.mp4"))


def test_what_was_written_before_a_kill_can_be_played(tmp_path: Path) -> None:
    """The file as it lies on the disk while it is being written: all but the last second."""
    file = VideoFile(tmp_path / "out.mp4", 10)
    rng = np.random.default_rng(0)
    for _ in range(95):
        file.add(rng.integers(0, 256, (64, 96, 3), dtype=np.uint8))
    (tmp_path / "killed.mp4").write_bytes((tmp_path / "out.mp4").read_bytes())
    file.close()
    notes: list[DataError] = []
    killed = list(decode(tmp_path / "killed.mp4", 10, notes.append))
    assert 30 <= len(killed) < 95
    assert len(list(find_frames(str(tmp_path / "out.mp4")))) == 95


def _fill(file: VideoFile, rng: np.random.Generator) -> None:
    for _ in range(400):
        file.add(rng.integers(0, 256, (128, 192, 3), dtype=np.uint8))


def test_a_full_disk_is_a_sentence_and_keeps_what_was_written(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    file = VideoFile(tmp_path / "out.mp4", 10)
    rng = np.random.default_rng(0)
    resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, hard))
    try:
        with pytest.raises(DataError, match=r"cannot write the video .*out\.mp4: .*make room or choose another folder"):
            _fill(file, rng)
        file.close()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    notes: list[DataError] = []
    assert len(list(decode(tmp_path / "out.mp4", 10, notes.append))) >= 10
