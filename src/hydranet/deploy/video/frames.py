"""Images from wherever they are: a file, a folder, a glob, a video."""

import glob
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from hydranet.core.sample import DataError
from hydranet.io.truncation import is_whole

IMAGES = {".jpg", ".jpeg", ".png", ".bmp", ".webp", ".ppm", ".tif", ".tiff"}
VIDEOS = {".mp4", ".avi", ".mov", ".mkv", ".webm", ".m4v"}

WHOLE = 0.9
"""A video that ends before this share of the frames its header announces is damaged; headers may be off by a few."""

TICKS = 90000
"""Ticks per second in videos whose frames come at uneven times."""


@dataclass(frozen=True, eq=False)
class Frame:
    """One image: its name, uint8 h w 3 in RGB order, for videos its number and time, for live sources the clock.

    time_s: since the first frame.    clock_s: seconds since 1970 when it arrived; None = it is a recording.
    """

    name: str
    image: np.ndarray
    index: int = 0
    time_s: float = 0.0
    clock_s: float | None = None


@dataclass(frozen=True)
class Frames:
    """Images to go through. fps is None for still images; count is None where it is unknown.

    Gray, transparent, 16-bit and CMYK files become 8-bit RGB. An image is turned upright as its EXIF tag says, as
    viewers show it: networks learn an upright world. Data sets, whose labels lie in stored pixels, ignore the tag.
    """

    paths: tuple[Path, ...]
    fps: float | None
    count: int | None

    def __iter__(self) -> Iterator[Frame]:
        """Raises DataError for an image that cannot be read."""
        return self.readable(_raise)

    def readable(self, note: Callable[[DataError], None]) -> Iterator[Frame]:
        """The frames that can be read; `note` gets an error for each image that cannot, so that the others are kept.

        For a video that breaks off, it gets an error after the last frame.
        """
        return self._video(self.paths[0], note) if self.fps is not None else self._stills(note)

    def _stills(self, note: Callable[[DataError], None]) -> Iterator[Frame]:
        for index, (path, name) in enumerate(zip(self.paths, names(self.paths), strict=True)):
            try:
                image = read_image(path)
            except DataError as error:
                note(error)
            else:
                yield Frame(name, image, index)

    def _video(self, path: Path, note: Callable[[DataError], None]) -> Iterator[Frame]:
        video = cv2.VideoCapture(str(path))
        try:
            index = 0
            while True:
                good, image = video.read()
                if not good:
                    break
                rgb = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
                yield Frame(f"{path.stem}_{index:06d}", rgb, index, index / (self.fps or 1.0))
                index += 1
        finally:
            video.release()
        if index < WHOLE * (self.count or 1):
            note(
                DataError(
                    f"only {index} of {self.count or 'all'} frames of {path} can be decoded; "
                    f"convert it (ffmpeg -i {path.name} out.mp4)"
                )
            )


def _raise(error: DataError) -> None:
    raise error


def read_image(path: Path) -> np.ndarray:
    """uint8 h w 3, RGB, upright. Raises DataError for what is no image."""
    try:
        data = np.fromfile(path, dtype=np.uint8)
        if not is_whole(data):
            raise DataError(f"{path} is cut off ({data.size} bytes without an end); restore it or leave it out")
        image = cv2.imdecode(data, cv2.IMREAD_COLOR) if data.size else None
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from error
    except cv2.error as error:
        raise DataError(f"cannot decode {path}: {error.err}; make it smaller or leave it out") from error
    if image is None:
        raise DataError(f"broken image {path} ({data.size} bytes cannot be decoded); leave it out or restore it")
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def names(paths: tuple[Path, ...]) -> list[str]:
    """A name for each image that no other has: its stem, or where stems repeat, its path below the common folder."""
    stems = [path.stem for path in paths]
    if len(set(stems)) == len(stems):
        return stems
    common = os.path.commonpath([path.parent for path in paths])
    return [os.path.relpath(path, common).replace(os.sep, "_") for path in paths]


def find_frames(what: str) -> Frames:
    """The images that a path, a folder or a pattern such as "drive/*.png" means. Raises DataError for none."""
    path = Path(what).expanduser()
    if path.is_file() and path.suffix.lower() in VIDEOS:
        return _open_video(path)
    if path.is_file():
        return Frames((path,), None, 1)
    candidates = path.iterdir() if path.is_dir() else map(Path, glob.glob(str(path), recursive=True))
    images = tuple(sorted(p for p in candidates if p.suffix.lower() in IMAGES and p.is_file()))
    if not images:
        kinds = " ".join(sorted(IMAGES | VIDEOS))
        raise DataError(f"no image or video at {what!r}; give a file, a folder or a pattern of files ({kinds})")
    return Frames(images, None, len(images))


def _open_video(path: Path) -> Frames:
    video = cv2.VideoCapture(str(path))
    try:
        if not video.isOpened():
            raise DataError(f"cannot open the video {path}; convert it (ffmpeg -i {path.name} out.mp4)")
        count = int(video.get(cv2.CAP_PROP_FRAME_COUNT))
        return Frames((path,), video.get(cv2.CAP_PROP_FPS) or 25.0, count if count > 0 else None)
    finally:
        video.release()


class VideoFile:
    """Writes frames to a file that browsers play (H.264, extra [video]); without PyAV it falls back to MPEG-4."""

    def __init__(self, path: Path, fps: float) -> None:
        self.path, self.fps = path, fps
        self._ticks = self._written = 0
        self._container: Any = None  # PyAV, or
        self._stream: Any = None
        self._writer: Any = None  # OpenCV
        path.parent.mkdir(parents=True, exist_ok=True)

    def add(self, image: np.ndarray, time_s: float | None = None) -> None:
        """Appends a frame, uint8 h w 3 RGB; all frames have one size (odd rows and columns are cut).

        time_s: when to show it, where frames come at uneven times; None, for all frames = one every 1 / fps seconds.
        """
        image = np.ascontiguousarray(image[: image.shape[0] // 2 * 2, : image.shape[1] // 2 * 2])
        try:
            import av
        except ImportError:
            self._add_mpeg4(image, time_s)
            return
        if self._container is None:
            self._container = av.open(str(self.path), "w")
            self._stream = self._container.add_stream("libx264", rate=Fraction(self.fps).limit_denominator(1001))
            self._stream.height, self._stream.width = image.shape[:2]
            self._stream.pix_fmt = "yuv420p"
            if time_s is not None:
                self._stream.codec_context.time_base = Fraction(1, TICKS)
        video_frame = av.VideoFrame.from_ndarray(image, format="rgb24")
        if time_s is not None:
            video_frame.pts = self._ticks = max(round(time_s * TICKS), self._ticks + 1)
            video_frame.time_base = Fraction(1, TICKS)
        for packet in self._stream.encode(video_frame):
            self._container.mux(packet)

    def _add_mpeg4(self, image: np.ndarray, time_s: float | None) -> None:
        """This format has no times of frames: one is repeated until its time is over, or left out."""
        if self._writer is None:
            code = cv2.VideoWriter.fourcc(*"mp4v")
            self._writer = cv2.VideoWriter(str(self.path), code, self.fps, (image.shape[1], image.shape[0]))
            if not self._writer.isOpened():
                raise DataError(f"cannot write the video {self.path}; choose another folder or install hydranet[video]")
        until = self._written + 1 if time_s is None else round(time_s * self.fps) + 1
        for _ in range(self._written, until):
            self._writer.write(cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
        self._written = max(until, self._written)

    def close(self) -> None:
        """Finishes the file."""
        if self._container is not None:
            for packet in self._stream.encode():
                self._container.mux(packet)
            self._container.close()
        if self._writer is not None:
            self._writer.release()
