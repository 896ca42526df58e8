"""Frames of a video file with the times at which the file shows them: the one clock for videos.

Rates and counts in a file's header are hints: many files have no rate or a variable one, and some state a wrong count.
"""

import math
import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from hydranet.core.sample import DataError

FPS = 25.0
"""Frame rate of what reports none, and whose frames carry no times."""

PLAUSIBLE_FPS = (0.2, 240.0)
"""Rates outside are a container's clock, such as webm's 1,000 ticks per second, and no frame rate."""

AGREES = (0.5, 2.0)
"""A stated rate is believed where its ratio to that of the first time stamps lies between these."""

PROBED = 24
"""Frames whose times are looked at for that."""

WHOLE = 0.9
"""A video whose last frame comes before this share of the stated duration is cut off; headers may be off."""

PTS = 71
"""OpenCV's `CAP_PROP_PTS`, the time stamp of a frame in frames; before 4.11 it has no name and is always 0."""

Note = Callable[[DataError], None]


@dataclass(frozen=True)
class VideoHint:
    """What a header claims. fps: frames per second, plausible in any case.    count: of frames; None = unknown."""

    fps: float
    count: int | None


class Clock:
    """Seconds since the first frame, from time stamps in seconds that may be missing, repeated or run backward.

    fps: the distance to the frame before where a stamp is of no use.
    """

    def __init__(self, fps: float) -> None:
        self._step_s = 1 / fps
        self._begin_s: float | None = None
        self._last_s = 0.0

    def time_s(self, stamp_s: float | None) -> float:
        """The time of the next frame; larger than that of the frame before."""
        known = stamp_s is not None and math.isfinite(stamp_s)
        if self._begin_s is None:
            self._begin_s = float(stamp_s) if known and stamp_s is not None else 0.0
            return 0.0
        time_s = stamp_s - self._begin_s if known and stamp_s is not None else -1.0
        self._last_s = time_s if time_s > self._last_s else self._last_s + self._step_s
        return self._last_s


def probe(path: Path) -> VideoHint:
    """What the header of a video claims. Raises DataError for what is no video."""
    try:
        import av
    except ImportError:
        return _probe_opencv(path)
    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise _unreadable(path)
            stream = container.streams.video[0]
            base = stream.time_base or 0
            packets = zip(container.demux(stream), range(PROBED), strict=False)
            stamps_s = [float(packet.pts * base) for packet, _ in packets if packet.pts is not None]
            fps = _rate(stream.average_rate or stream.guessed_rate, stamps_s)
            duration_s = _duration_s(container, stream)
            return VideoHint(fps, stream.frames or (round(duration_s * fps) if duration_s else None))
    except (av.error.FFmpegError, OSError) as error:
        raise _unreadable(path) from error


def decode(path: Path, fps: float, note: Note) -> Iterator[tuple[np.ndarray, float]]:
    """Frames, uint8 h w 3 RGB and upright, with their times in seconds since the first one.

    fps: of frames without times.    note: gets one error after the last frame where the file is damaged.
    Raises DataError for what cannot be opened.
    """
    try:
        import av  # noqa: F401
    except ImportError:
        yield from _decode_opencv(path, fps, note)
    else:
        yield from _decode_pyav(path, fps, note)


def _decode_pyav(path: Path, fps: float, note: Note) -> Iterator[tuple[np.ndarray, float]]:
    import av

    clock, time_s, broken, count = Clock(fps), 0.0, 0, 0
    try:
        container = av.open(str(path))
    except (av.error.FFmpegError, OSError) as error:
        raise _unreadable(path) from error
    with container:
        stream = container.streams.video[0]
        duration_s = _duration_s(container, stream)
        packets = container.demux(stream)
        while True:
            try:
                packet = next(packets, None)
                if packet is None:
                    break
                frames = packet.decode()
            except av.error.FFmpegError:
                broken += 1
                if broken > count + PROBED:
                    break  # nothing but damage
                continue
            for frame in frames:
                time_s, count = clock.time_s(frame.time), count + 1
                yield np.ascontiguousarray(_upright(frame)), time_s
    _judge(path, note, count, broken, (time_s + 1 / fps, duration_s))


def _upright(frame: Any) -> np.ndarray:
    image: np.ndarray = frame.to_ndarray(format="rgb24")
    return np.rot90(image, round(frame.rotation / 90) % 4)


def _duration_s(container: Any, stream: Any) -> float:
    """Length of the video's own track; 0 where it is unknown: another track, such as sound, may be longer.

    A container without lengths of tracks, such as Matroska, states when it ends; its clock may start later than at 0.
    """
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    if len(container.streams) == 1 and container.duration:
        return max(float(container.duration - max(container.start_time or 0, 0)) / 1_000_000, 0.0)
    return 0.0


def _probe_opencv(path: Path) -> VideoHint:
    video = cv2.VideoCapture(str(path))
    try:
        if not video.isOpened():
            raise _unreadable(path)
        stated = video.get(cv2.CAP_PROP_FPS)
        count = video.get(cv2.CAP_PROP_FRAME_COUNT)
        stamps_s, before = list[float](), 0.0
        while len(stamps_s) < PROBED and video.read()[0]:
            before = before if stamps_s else _before_first(video)
            stamps_s.append(video.get(cv2.CAP_PROP_POS_MSEC) / 1000)
        fps, count = _rate(stated, stamps_s), count - before
        if not AGREES[0] < stated / fps < AGREES[1]:
            count = count / stated * fps if stated else 0  # OpenCV counts in the container's ticks then
        return VideoHint(fps, round(count) if count >= 1 else None)
    finally:
        video.release()


def _decode_opencv(path: Path, fps: float, note: Note) -> Iterator[tuple[np.ndarray, float]]:
    video, clock, time_s, number = cv2.VideoCapture(str(path)), Clock(fps), 0.0, 0
    stated = video.get(cv2.CAP_PROP_FPS)
    count = video.get(cv2.CAP_PROP_FRAME_COUNT)
    try:
        while True:
            good, image = video.read()
            if not good:
                break
            count -= 0 if number else _before_first(video)
            time_s, number = clock.time_s(video.get(cv2.CAP_PROP_POS_MSEC) / 1000), number + 1
            yield cv2.cvtColor(image, cv2.COLOR_BGR2RGB), time_s
    finally:
        video.release()
    _judge(path, note, number, 0, (time_s + 1 / fps, max(count / stated, 0.0) if stated else 0.0))


def _before_first(video: Any) -> float:
    """How many frames fit before the first one, which was just read: OpenCV counts them, too, where it counts by the
    stamp at which the file ends. 0 in an OpenCV that does not tell stamps."""
    return max(float(video.get(PTS)), 0.0)


def _judge(path: Path, note: Note, count: int, broken: int, reached_s: tuple[float, float]) -> None:
    """Notes damage: nothing was decoded, parts were not, or the file ends long before its stated duration."""
    until_s, duration_s = reached_s
    cure = f"convert it (ffmpeg -i {path.name} out.mp4)"
    if not count:
        note(DataError(f"no frame of {path} can be decoded; {cure}"))
    elif duration_s and until_s < WHOLE * duration_s:
        note(DataError(f"{path} is cut off: only the first {until_s:.1f} of {duration_s:.1f} s can be decoded; {cure}"))
    elif broken:
        note(DataError(f"{broken} parts of {path} cannot be decoded, {count} frames can; {cure}"))


def _rate(stated: Any, stamps_s: list[float]) -> float:
    """Frames per second: what the header states, unless the median distance of time stamps (in any order) differs."""
    rate = float(stated or 0)
    ordered = sorted(set(stamps_s))
    gaps = [b - a for a, b in pairwise(ordered)]
    measured = 1 / statistics.median(gaps) if gaps else 0.0
    chosen = rate if rate and (not measured or AGREES[0] < rate / measured < AGREES[1]) else measured
    return chosen if PLAUSIBLE_FPS[0] <= chosen <= PLAUSIBLE_FPS[1] else FPS


def _unreadable(path: Path) -> DataError:
    return DataError(f"cannot open the video {path}; convert it (ffmpeg -i {path.name} out.mp4)")
