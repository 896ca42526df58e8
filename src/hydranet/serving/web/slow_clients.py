"""Connections of clients that send no whole request, or take no answer: they are ended after a while."""

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

from hydranet.serving.web.limits import Limits
from hydranet.serving.web.metrics import Metrics


class PatientProtocol(H11Protocol):
    """HTTP/1.1 as uvicorn speaks it, with a limit on the time for a request's headers and for reading an answer.

    Made for every connection, with options for this class by name beside those of uvicorn.
    """

    def __init__(self, *, limits: Limits, metrics: Metrics, **options: Any) -> None:
        super().__init__(**options)
        self._limits, self._metrics = limits, metrics
        self._heading: asyncio.TimerHandle | None = None
        self._reading: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """A request's headers are awaited."""
        super().connection_made(transport)
        self._await_headers()

    def data_received(self, data: bytes) -> None:
        """As long as no request is under way, what came are parts of headers."""
        super().data_received(data)
        if self.cycle is not None and not self.cycle.response_complete:
            _stop(self._heading)
            self._heading = None
        elif self._heading is None:
            self._await_headers()

    def pause_writing(self) -> None:
        """The client takes the answer more slowly than it is written."""
        super().pause_writing()
        self._reading = self.loop.call_later(self._limits.receive_s, self.transport.abort)

    def resume_writing(self) -> None:
        """The client took some of the answer."""
        super().resume_writing()
        _stop(self._reading)

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is awaited anymore."""
        _stop(self._heading)
        _stop(self._reading)
        super().connection_lost(exc)

    def _await_headers(self) -> None:
        self._heading = self.loop.call_later(self._limits.header_s, self._give_up)

    def _give_up(self) -> None:
        self._metrics.add("hydranet_slow_headers_total")
        self.transport.abort()


def _stop(timer: asyncio.TimerHandle | None) -> None:
    if timer is not None:
        timer.cancel()
