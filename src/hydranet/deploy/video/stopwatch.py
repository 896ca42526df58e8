"""How fast frames are processed, and what the time is spent on."""

import statistics
import time
from collections.abc import Callable


class Pace:
    """Frames per second: lately, in the median, and over the whole run. `clock` gives seconds."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._begin = self._last = self._frame = clock()
        self._frames_s: list[float] = []
        self._phases_s: dict[str, float] = {}

    def lap(self, phase: str) -> None:
        """Counts the time since the last lap as time of this phase."""
        now = self._clock()
        self._phases_s[phase] = self._phases_s.get(phase, 0.0) + now - self._last
        self._last = now

    def done(self) -> None:
        """A frame is finished."""
        now = self._clock()
        self._frames_s.append(now - self._frame)
        self._frame = now

    @property
    def lately(self) -> str:
        """ "12.3 fps" over the last second or ten frames."""
        recent = self._frames_s[-10:]
        return f"{len(recent) / max(sum(recent), 1e-9):.1f} fps" if recent else ""

    def summary(self) -> str:
        """ "100 frames in 8.1 s: 12.3 fps over the whole run, 12.9 fps median; network 80 %, writing 20 %"."""
        count, whole_s = len(self._frames_s), max(self._last, self._frame) - self._begin
        if not count or whole_s <= 0:
            return f"{count} frames"
        spent = sum(self._phases_s.values()) or 1.0
        shares = ", ".join(f"{name} {100 * t / spent:.0f} %" for name, t in self._phases_s.items())
        median = 1 / max(statistics.median(self._frames_s), 1e-9)
        speed = f"{count / whole_s:.1f} fps over the whole run, {median:.1f} median"
        return f"{count} frames in {whole_s:.1f} s: {speed}; {shares}"
