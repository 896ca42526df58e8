"""How a node does: latencies, drops and the last error, as a diagnostic status."""

import statistics
import threading
from collections import deque
from collections.abc import Mapping

from hydranet.serving.ros2.message import Message
from hydranet.serving.ros2.pipeline import diagnostic

OK, WARNING, ERROR = 0, 1, 2

SILENT_S = 3.0
"""Without an image for so long, something is wrong with the camera."""

REMEMBERED = 100
"""Latencies that the median is taken of."""


class Health:
    """What happened lately; several threads may tell it. Times in seconds of one clock."""

    def __init__(self, name: str, topic: str, now_s: float) -> None:
        self._name, self._topic, self._lock = name, topic, threading.Lock()
        self._image_s, self._begin_s = float("-inf"), now_s
        self._latencies_s: deque[float] = deque(maxlen=REMEMBERED)
        self._network_s: deque[float] = deque(maxlen=REMEMBERED)
        self._error, self._error_s, self.published, self.failed = "", float("-inf"), 0, 0

    def arrived(self, now_s: float) -> None:
        """An image came."""
        self._image_s = now_s

    def answered(self, latency_s: float, network_s: float) -> None:
        """An image's messages are out.

        latency_s: since its stamp.    network_s: of the predictor, which fits the image, runs the network and decodes.
        """
        with self._lock:
            self._latencies_s.append(latency_s)
            self._network_s.append(network_s)
            self.published += 1

    def broke(self, sentence: str, now_s: float) -> bool:
        """An image could not be used. Whether it is news, to be logged: not what was said just now."""
        with self._lock:
            new = sentence != self._error or now_s - self._error_s > SILENT_S
            self._error, self._error_s = sentence, now_s
            self.failed += 1
            return new

    def status(self, now_s: float, counts: Mapping[str, int]) -> Message:
        """diagnostic_msgs/DiagnosticStatus. counts: more numbers to show."""
        with self._lock:
            level, sentence = OK, "running"
            if now_s - self._error_s < SILENT_S:
                level, sentence = ERROR, self._error
            elif now_s - max(self._image_s, self._begin_s) >= SILENT_S:
                level, sentence = WARNING, f"no image on {self._topic} for {SILENT_S:g} s; is the camera running?"
            values = [(name, str(value)) for name, value in counts.items()]
            values += [("frames answered", str(self.published)), ("frames failed", str(self.failed))]
            for name, times in (("latency", self._latencies_s), ("network", self._network_s)):
                if times:
                    values.append((f"{name} median ms", f"{1e3 * statistics.median(times):.1f}"))
                    values.append((f"{name} greatest ms", f"{1e3 * max(times):.1f}"))
            return diagnostic(self._name, level, sentence, values)
