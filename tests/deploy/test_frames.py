"""Images and videos from files: every one is found, named once, and becomes 8-bit RGB."""

import builtins
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from hydranet.core.sample import DataError
from hydranet.deploy.video.frames import find_frames
from hydranet.deploy.video.video_file import VideoFile
from hydranet.io.images import read_rgb

RED = np.zeros((24, 40, 3), dtype=np.uint8) + np.array([200, 40, 10], dtype=np.uint8)


def save(path: Path, picture: np.ndarray = RED) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture).save(path)
    return path


def test_file_folder_and_glob(tmp_path: Path) -> None:
    for name in ("b.png", "a.PNG", "c.bmp", "deep/d.png"):
        save(tmp_path / name)
    (tmp_path / "notes.txt").write_text("no image")
    found = {
        str(tmp_path / "b.png"): ["b"],
        str(tmp_path): ["a", "b", "c"],
        f"{tmp_path}/*.png": ["b"],
        f"{tmp_path}/**/*.png": ["b", "d"],
    }
    for what, names in found.items():
        frames = find_frames(what)
        assert (frames.count, frames.fps) == (len(names), None)
        assert sorted(frame.name for frame in frames) == names
        assert all(np.array_equal(frame.image, RED) for frame in frames)


def test_equal_stems_get_names_of_their_own(tmp_path: Path) -> None:
    for name in ("left/0.png", "right/0.png", "right/0.bmp"):
        save(tmp_path / name)
    names = [frame.name for frame in find_frames(f"{tmp_path}/*/*")]
    assert names == ["left/0.png", "right/0.bmp", "right/0.png"]


def test_every_pixel_format_becomes_8_bit_rgb(tmp_path: Path) -> None:
    gray = np.full((24, 40), 90, dtype=np.uint8)
    assert (read_rgb(save(tmp_path / "gray.png", gray)) == 90).all()
    alpha = np.concatenate([RED, np.full((24, 40, 1), 128, dtype=np.uint8)], axis=2)
    assert np.array_equal(read_rgb(save(tmp_path / "alpha.png", alpha)), RED)
    cv2.imwrite(str(tmp_path / "deep.png"), RED[..., ::-1].astype(np.uint16) * 257)
    assert np.abs(read_rgb(tmp_path / "deep.png").astype(int) - RED).max() <= 1
    Image.fromarray(RED).convert("CMYK").save(tmp_path / "print.jpg", quality=100)
    assert np.abs(read_rgb(tmp_path / "print.jpg").astype(int) - RED).max() <= 12
    for path in tmp_path.iterdir():
        picture = read_rgb(path)
        assert (picture.dtype, picture.shape) == (np.uint8, (24, 40, 3))


def test_broken_pictures(tmp_path: Path) -> None:
    save(tmp_path / "good.png")
    (tmp_path / "bad.png").write_text("text")
    with pytest.raises(DataError, match=r"broken image .*bad.png \(4 bytes cannot be decoded\)"):
        list(find_frames(str(tmp_path)))
    noted: list[DataError] = []
    assert [frame.name for frame in find_frames(str(tmp_path)).readable(noted.append)] == ["good"]
    assert len(noted) == 1
    with pytest.raises(DataError, match="no image or video at"):
        find_frames(str(tmp_path / "nothing"))


@pytest.fixture(params=["PyAV", "OpenCV"])
def video(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Eight frames that get brighter, at 29.97 a second, with an odd width."""
    if request.param == "OpenCV":
        found = builtins.__import__

        def without_av(name: str, *rest: Any) -> Any:
            if name == "av":
                raise ImportError(name)
            return found(name, *rest)

        monkeypatch.setattr(builtins, "__import__", without_av)
    else:
        pytest.importorskip("av")
    file = VideoFile(tmp_path / "new" / "drive.mp4", 30000 / 1001)
    for i in range(8):
        file.add(np.full((64, 97, 3), 30 * i, dtype=np.uint8))
    file.close()
    return tmp_path / "new" / "drive.mp4"


def test_video_frames_count_and_time(video: Path) -> None:
    frames = find_frames(str(video))
    assert frames.count == 8
    assert frames.fps == pytest.approx(29.97, abs=0.01)
    seen = list(frames)
    assert [frame.index for frame in seen] == list(range(8))
    assert seen[-1].name == "drive_000007"
    assert seen[-1].time_s == pytest.approx(7 / 29.97, abs=1e-3)
    for frame in seen:
        assert frame.image.shape == (64, 96, 3)
        assert abs(float(frame.image.mean()) - 30 * frame.index) < 6


def test_broken_video(tmp_path: Path) -> None:
    (tmp_path / "x.mp4").write_bytes(bytes(500))
    with pytest.raises(DataError, match=r"cannot open the video .*x.mp4; convert it \(ffmpeg -i x.mp4 out.mp4\)"):
        find_frames(str(tmp_path / "x.mp4"))
