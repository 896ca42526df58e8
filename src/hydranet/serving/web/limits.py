"""What one request, one client and all of them together may ask of the server."""

import hashlib
import hmac
import os
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path

from hydranet.core.errors import UserError

KEY_VARIABLE = "HYDRANET_API_KEY"
"""Environment variable with the key that requests must carry."""

SHORTEST_KEY = 16
"""Characters; a shorter key can be guessed."""


class ServingError(UserError, ValueError):
    """A server that cannot be started as asked."""


class Refusal(Exception):
    """A request that is answered with an HTTP status and a sentence. wait_s: when trying again makes sense."""

    def __init__(self, status: int, sentence: str, wait_s: float = 0) -> None:
        super().__init__(sentence)
        self.status, self.wait_s = status, wait_s


@dataclass(frozen=True)
class Limits:
    """Bounds, so that no client can exhaust memory or block others.

    body_bytes:     of one request.    json_bytes: of JSON in it: numbers as text take twenty times their size.
    pixels:         of one image, or of one batch of `infer`; checked before anything is decoded.
    held_bytes:     of all bodies that are being received or wait, together.
    held_pixels:    of all images that are decoded at a time, together; at least `pixels`.
    waiting:        requests at a time that have a body; those beyond are refused at once.
    connections:    at a time, idle ones included.
    header_s:       from a connection's first byte, or its opening, to the end of a request's headers.
    receive_s:      for the body.    answer_s: from then to the answer.
    per_second:     requests of one client's address with a body, on average; 0 = no limit. A burst of twice that many,
                    and of one at least, passes.
    Raises ServingError for a number that is none of a limit.
    """

    body_bytes: int = 16 * 2**20
    json_bytes: int = 8 * 2**20
    pixels: int = 16_000_000
    held_bytes: int = 256 * 2**20
    held_pixels: int = 32_000_000
    waiting: int = 64
    connections: int = 512
    header_s: float = 10.0
    receive_s: float = 20.0
    answer_s: float = 30.0
    per_second: float = 0.0

    def __post_init__(self) -> None:
        for one in fields(self):
            value = getattr(self, one.name)
            least = 0 if one.name == "per_second" else 1e-3
            if not least <= value < float("inf"):
                raise ServingError(f"got {one.name}={value!r}, expected a number above 0; leave it out for the default")
        if self.held_pixels < self.pixels or self.held_bytes < self.body_bytes:
            raise ServingError(
                f"got {self.held_pixels} pixels and {self.held_bytes} bytes in all, expected at least those of one "
                f"request ({self.pixels}, {self.body_bytes}); raise the former or lower the latter"
            )


class Rate:
    """A token bucket per client. Clients beyond `most` that were not met lately are forgotten: memory is bounded."""

    def __init__(self, per_second: float, clock: Callable[[], float] = time.monotonic, most: int = 10_000) -> None:
        self._per_second, self._clock, self._most = per_second, clock, most
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def check(self, client: str) -> None:
        """Takes one request of a client. Raises Refusal (429) where it had too many."""
        if not self._per_second:
            return
        now, burst = self._clock(), max(1.0, 2 * self._per_second)
        left, before = self._buckets.pop(client, (burst, now))
        left = min(burst, left + (now - before) * self._per_second)
        self._buckets[client] = (max(left - 1, 0.0) if left >= 1 else left, now)
        while len(self._buckets) > self._most:
            self._buckets.popitem(last=False)
        if left < 1:
            wait_s = (1 - left) / self._per_second
            raise Refusal(429, f"more than {self._per_second:g} requests per second from one address; wait", wait_s)


class ApiKey:
    """The key that requests must carry, as `Authorization: Bearer KEY` or `X-API-Key: KEY`; "" = none is needed."""

    def __init__(self, key: str) -> None:
        self._digest = hashlib.sha256(key.encode()).digest() if key else b""

    def __bool__(self) -> bool:
        return bool(self._digest)

    def check(self, headers: Mapping[str, str]) -> None:
        """Raises Refusal (401) where the headers (lower-case names) carry no key, or another one."""
        if not self._digest:
            return
        scheme, _, bearer = headers.get("authorization", "").partition(" ")
        given = bearer.strip() if scheme.lower() == "bearer" else headers.get("x-api-key", "")
        if not hmac.compare_digest(hashlib.sha256(given.encode()).digest(), self._digest):
            raise Refusal(401, "this server wants its API key: send the header `Authorization: Bearer KEY`")


def read_key(file: Path | None) -> str:
    """The key in a file, else that in the environment, else "". Raises ServingError for a short or missing one."""
    try:
        key = file.read_text().strip() if file else os.environ.get(KEY_VARIABLE, "").strip()
    except (OSError, ValueError) as error:
        raise ServingError(
            f"cannot read the API key in {file} ({error}); give a text file with the key alone"
        ) from error
    if (file or key) and (len(key) < SHORTEST_KEY or not key.isascii() or not key.isprintable()):
        raise ServingError(
            f"got an API key of {len(key)} characters, expected {SHORTEST_KEY} or more, of ASCII; make one with "
            "`openssl rand -hex 24`"
        )
    return key
