"""Counters in Prometheus' text format (version 0.0.4): https://prometheus.io/docs/instrumenting/exposition_formats/"""

import bisect
import re
import threading
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
COUNTS = (1, 2, 4, 8, 16)

Labels = tuple[tuple[str, str], ...]


class Metrics:
    """What was asked and how long it took; several threads may count at once.

    Names of labels and their values come from closed sets (routes, status codes, served models), so memory is bounded.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._help: dict[str, tuple[str, str]] = {}
        self._counts: dict[str, dict[Labels, float]] = defaultdict(lambda: defaultdict(float))
        self._buckets: dict[str, tuple[float, ...]] = {}
        self._histograms: dict[str, dict[Labels, tuple[list[int], list[float]]]] = defaultdict(dict)

    def counter(self, name: str, text: str) -> None:
        """Declares a number that only grows."""
        self._help[name] = ("counter", text)

    def gauge(self, name: str, text: str) -> None:
        """Declares a number that goes up and down."""
        self._help[name] = ("gauge", text)

    def histogram(self, name: str, text: str, buckets: Sequence[float]) -> None:
        """Declares a distribution. buckets: their upper bounds, rising."""
        self._help[name], self._buckets[name] = ("histogram", text), tuple(buckets)

    def add(self, name: str, value: float = 1, labels: Mapping[str, str] | None = None) -> None:
        """Adds to a counter or gauge."""
        with self._lock:
            self._counts[name][tuple((labels or {}).items())] += value

    def put(self, name: str, value: float, labels: Mapping[str, str] | None = None) -> None:
        """Sets a gauge."""
        with self._lock:
            self._counts[name][tuple((labels or {}).items())] = value

    def observe(self, name: str, value: float, labels: Mapping[str, str] | None = None) -> None:
        """Adds a value to a distribution."""
        bounds = self._buckets[name]
        with self._lock:
            rows = self._histograms[name]
            counts, total = rows.setdefault(tuple((labels or {}).items()), ([0] * (len(bounds) + 1), [0.0]))
            counts[bisect.bisect_left(bounds, value)] += 1
            total[0] += value

    def text(self) -> str:
        """All of them, as Prometheus reads it."""
        with self._lock:
            return "\n".join(self._lines()) + "\n"

    def _lines(self) -> Iterator[str]:
        for name, (kind, text) in self._help.items():
            yield f"# HELP {name} {text}"
            yield f"# TYPE {name} {kind}"
            for labels, value in self._counts.get(name, {}).items():
                yield f"{name}{_braces(labels)} {value:.17g}"
            for labels, (counts, total) in self._histograms.get(name, {}).items():
                so_far = 0
                for bound, count in zip((*self._buckets[name], float("inf")), counts, strict=True):
                    so_far += count
                    limit = "+Inf" if bound == float("inf") else f"{bound:g}"
                    yield f"{name}_bucket{_braces((*labels, ('le', limit)))} {so_far}"
                yield f"{name}_sum{_braces(labels)} {total[0]:.9g}"
                yield f"{name}_count{_braces(labels)} {so_far}"


def _braces(labels: Labels) -> str:
    """{name="value"}, with quotes, backslashes and line ends escaped."""
    escaped = ((name, re.sub(r'(["\\])', r"\\\1", value).replace("\n", "\\n")) for name, value in labels)
    return "{" + ",".join(f'{name}="{value}"' for name, value in escaped) + "}" if labels else ""


def server_metrics() -> Metrics:
    """The metrics of `hydranet serve`."""
    metrics = Metrics()
    metrics.counter("hydranet_requests_total", "Requests answered, by route and status.")
    metrics.histogram("hydranet_request_seconds", "From the first byte of a body to the answer's last.", SECONDS)
    metrics.counter("hydranet_disconnects_total", "Clients that left before their answer.")
    metrics.counter("hydranet_slow_headers_total", "Connections closed because no whole request came in time.")
    metrics.histogram("hydranet_network_seconds", "One run of a network, whatever the batch.", SECONDS)
    metrics.histogram("hydranet_batch_images", "Requests that one run of a network answered.", COUNTS)
    metrics.gauge("hydranet_requests_held", "Requests with a body that are received or wait now.")
    metrics.gauge("hydranet_held_bytes", "Bytes of their bodies.")
    metrics.gauge("process_resident_memory_bytes", "Memory of this process.")
    return metrics


def resident_bytes() -> int:
    """Memory of this process; 0 where the system does not say."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * 4096
    except (OSError, IndexError, ValueError):
        return 0
