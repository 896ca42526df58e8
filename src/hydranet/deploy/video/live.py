"""Images that arrive by themselves, from a camera or a network stream: the newest one counts."""

import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol

import cv2
import numpy as np

from hydranet.core.ledger import Ledger
from hydranet.core.sample import DataError
from hydranet.deploy.video.frames import Frame, Frames, find_all_frames, find_frames
from hydranet.deploy.video.video_reader import FPS, PLAUSIBLE_FPS

STREAMS = ("rtsp://", "rtsps://", "rtmp://", "http://", "https://", "udp://", "tcp://", "srt://")
CAMERA = re.compile(r"camera:(\d+)|(/dev/video\d+)")

PATIENCE_S = 10.0
"""How long a source may be silent, or away, before it counts as ended."""

SILENCE_MS = 5000
"""After this long without data the network stream is opened again."""


class Capture(Protocol):
    """The part of `cv2.VideoCapture` that is used here; `read` waits for the next image, in BGR order."""

    def read(self) -> tuple[bool, Any]: ...
    def get(self, property: int) -> float: ...
    def isOpened(self) -> bool: ...
    def release(self) -> None: ...


def is_live(what: str) -> bool:
    """Whether this names a camera ("camera:0", "/dev/video0") or a stream ("rtsp://...")."""
    return bool(CAMERA.fullmatch(what)) or what.lower().startswith(STREAMS)


def capture(what: str) -> Capture:
    """OpenCV's reader of a camera or stream."""
    camera = CAMERA.fullmatch(what)
    if camera:
        return cv2.VideoCapture(camera[2] if camera[1] is None else int(camera[1]))
    limits = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, SILENCE_MS, cv2.CAP_PROP_READ_TIMEOUT_MSEC, SILENCE_MS]
    return cv2.VideoCapture(what, cv2.CAP_FFMPEG, limits)


def without_password(what: str) -> str:
    """An address as it may be printed: without user and password."""
    return re.sub(r"(://).*@", r"\1", what)


def find_source(what: str, stop: Sequence[int] = ()) -> "Frames | Live":
    """Images, a video, a camera or a stream. Raises DataError for none.

    stop: ends a live source as soon as it is not empty.
    """
    return Live(what, stop) if is_live(what) else find_frames(what)


def find_sources(what: str, stop: Sequence[int] = ()) -> "Mapping[str, Frames | Live]":
    """As `find_source`, but a folder or pattern may hold several videos: each apart, by a name for its folder.

    The name is empty for the only source, and for the still images beside videos. Raises DataError for none.
    """
    return {"": Live(what, stop)} if is_live(what) else find_all_frames(what)


class Live:
    """Frames of a live source, for going through once. Whoever is slow gets the newest frame and misses others.

    So a frame is never older than one frame interval of the source, however slow the network is. `Frame.index` counts
    all frames of the source, also those that were missed; `time_s` is the time of arrival since the first one.
    stop:       ends the frames as soon as it is not empty.
    patience_s: for how long a source that breaks off is opened again and again.
    Raises DataError for what cannot be opened.
    """

    count, left_out = None, Ledger()

    def __init__(
        self,
        what: str,
        stop: Sequence[int] = (),
        *,
        patience_s: float = PATIENCE_S,
        open_: Callable[[str], Capture] = capture,
    ) -> None:
        self.name, self.stop = without_password(what), stop
        first = open_(what)
        if not first.isOpened():
            first.release()
            cure = (
                "see `ls /dev/video*`"
                if CAMERA.fullmatch(what)
                else "look at the address, the password and the network"
            )
            raise DataError(f"cannot open {self.name}; {cure}")
        rate = first.get(cv2.CAP_PROP_FPS)
        self.fps = rate if PLAUSIBLE_FPS[0] <= rate <= PLAUSIBLE_FPS[1] else FPS
        finite = first.get(cv2.CAP_PROP_FRAME_COUNT) > 0
        self._reader = _Reader(first, lambda: open_(what), 0.0 if finite else patience_s)

    def __iter__(self) -> Iterator[Frame]:
        """Raises DataError where the source is gone."""
        return self.readable(_raise)

    def readable(self, note: Callable[[DataError], None]) -> Iterator[Frame]:
        """The frames; `note` is called when the source is gone for longer than the patience."""
        reader, begin_s = self._reader, None
        reader.start()
        try:
            while not self.stop:
                arrived = reader.newest(0.2)
                if arrived is not None:
                    index, image, at_s, clock_s = arrived
                    begin_s = at_s if begin_s is None else begin_s
                    rgb = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
                    yield Frame(f"live_{index:06d}", rgb, index, at_s - begin_s, clock_s)
                elif not reader.is_alive():
                    self._ended(note)
                    return
        finally:
            reader.close()

    def _ended(self, note: Callable[[DataError], None]) -> None:
        patience_s, count = self._reader.patience_s, self._reader.count
        if patience_s:
            note(
                DataError(
                    f"{self.name} sends nothing any more: {count} images, then none for {patience_s:g} s; "
                    "look at the camera and start again"
                )
            )


def _raise(error: DataError) -> None:
    raise error


Arrived = tuple[int, np.ndarray, float, float]
"""Number of the image, the image in BGR order, when it came: steady clock, and seconds since 1970."""


class _Reader(threading.Thread):
    """Reads as fast as the source sends and keeps the newest image; ends when the source is gone."""

    def __init__(self, first: Capture, reopen: Callable[[], Capture], patience_s: float) -> None:
        super().__init__(name="hydranet-live", daemon=True)
        self.patience_s, self.count = patience_s, 0
        self._capture, self._reopen = first, reopen
        self._fresh = threading.Condition()
        self._arrived: Arrived | None = None
        self._closing = threading.Event()

    def run(self) -> None:
        last_s = time.monotonic()
        while not self._closing.is_set():
            good, image = self._capture.read()
            if good:
                last_s = time.monotonic()
                with self._fresh:
                    self._arrived = self.count, image, last_s, time.time()
                    self.count += 1
                    self._fresh.notify()
            elif time.monotonic() - last_s >= self.patience_s:
                break
            else:
                self._capture.release()
                self._closing.wait(min(0.5, self.patience_s / 4))
                self._capture = self._reopen()
        self._capture.release()

    def newest(self, wait_s: float) -> Arrived | None:
        """The newest image that was not handed out yet; None if none comes in time."""
        with self._fresh:
            if self._arrived is None:
                self._fresh.wait(wait_s)
            arrived, self._arrived = self._arrived, None
            return arrived

    def close(self) -> None:
        """Ends the reading; a read that hangs is left to end by itself."""
        self._closing.set()
        if self.ident is None:
            self._capture.release()
        elif self.is_alive():
            self.join(2.0)
