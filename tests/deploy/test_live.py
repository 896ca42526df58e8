"""Cameras and streams: the newest frame counts, a break is bridged, and the end is one sentence."""

import threading
import time

import numpy as np
import pytest

from hydranet.core.sample import DataError
from hydranet.deploy.video.live import Live, find_source, is_live, without_password

pytest.importorskip("av")
from rtsp_server import FPS, Camera


class Fake:
    """A camera of 100 frames a second that shows their numbers; `lives` are how many frames it has until it fails."""

    def __init__(self, lives: int = 10**9, opens: bool = True) -> None:
        self.lives, self.opens, self.released = lives, opens, False

    def isOpened(self) -> bool:
        return self.opens

    def get(self, property: int) -> float:
        return 0.0

    def read(self) -> tuple[bool, np.ndarray | None]:
        time.sleep(0.01)
        self.lives -= 1
        return (True, np.zeros((8, 8, 3), np.uint8)) if self.lives >= 0 else (False, None)

    def release(self) -> None:
        self.released = True


def test_names() -> None:
    for what in ("camera:0", "/dev/video12", "rtsp://u:p@cam/1", "RTSP://cam", "http://cam/video"):
        assert is_live(what), what
    for what in ("camera:x", "camera", "drive.mp4", "/dev/videos/a.mp4", "folder"):
        assert not is_live(what), what
    assert without_password("rtsp://user:p/w@cam:554/live?x=1") == "rtsp://cam:554/live?x=1"
    assert without_password("rtsp://user:pw@cam:554/live") == "rtsp://cam:554/live"


def test_slow_readers_get_the_newest_frame() -> None:
    """A network of 10 frames a second on a camera of 100: frames are missed, and their age does not grow."""
    ages, indices = [], []
    stop: list[int] = []
    fake = Fake()
    for frame in Live("camera:0", stop, open_=lambda _: fake):
        assert frame.clock_s is not None
        ages.append(time.time() - frame.clock_s)
        indices.append(frame.index)
        time.sleep(0.1)
        if len(indices) == 8:
            stop.append(2)
    assert fake.released
    assert indices == sorted(set(indices))
    assert indices[-1] > 2 * len(indices)
    assert np.median(ages) < 0.05


def test_a_source_that_comes_back_goes_on() -> None:
    captures = [Fake(5), Fake(0, opens=False), Fake(10**9)]
    opened = iter(captures)
    stop: list[int] = []
    seen = 0
    for frame in Live("camera:0", stop, patience_s=5, open_=lambda _: next(opened)):
        seen = frame.index
        if seen >= 8:
            stop.append(2)
    assert seen >= 8
    assert all(capture.released for capture in captures)


def test_a_source_that_stays_away_ends_in_a_sentence() -> None:
    fakes = [Fake(4)]

    def again(_: str) -> Fake:
        return fakes.pop() if fakes else Fake(0, opens=False)

    with pytest.raises(DataError, match=r"camera:0 sends nothing any more: 4 images, then none for 0.2 s; look at"):
        list(Live("camera:0", patience_s=0.2, open_=again))


def test_what_cannot_be_opened() -> None:
    with pytest.raises(DataError, match=r"cannot open camera:77; see `ls /dev/video\*`"):
        find_source("camera:77")
    with pytest.raises(DataError, match=r"cannot open rtsp://127.0.0.1:9/x; look at the address, the password"):
        find_source("rtsp://me:secret@127.0.0.1:9/x")


def test_rtsp() -> None:
    """A real server sends H.264 at 20 frames a second; a slow reader misses frames but is not late."""
    stop: list[int] = []
    with Camera(200) as camera:
        source = find_source(camera.url, stop)
        assert isinstance(source, Live)
        assert source.fps == pytest.approx(FPS)
        late, indices = [], []
        for frame in source:
            number = round(float(frame.image.mean()) / 2)
            late.append(camera.sent - number)
            indices.append(frame.index)
            time.sleep(0.15)
            if len(late) == 12:
                stop.append(2)
    assert indices[-1] > 1.5 * len(indices)
    assert max(late[4:]) < 20  # frames: one second, of which the decoder keeps some
    assert late[-1] <= late[4] + 4


def test_rtsp_that_hangs_up_is_called_again() -> None:
    stop: list[int] = []
    watchdog = threading.Timer(20, stop.append, (1,))
    watchdog.start()
    with Camera(10) as camera:
        for _ in find_source(camera.url, stop):
            if camera.clients == 2:
                stop.append(2)
    watchdog.cancel()
    assert stop == [2]
