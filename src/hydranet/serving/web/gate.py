"""What stands before the application: who may ask, how much, and for how long. A pure ASGI middleware."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Collection, Mapping, MutableMapping
from contextlib import suppress
from typing import Any

from hydranet.serving.web.limits import ApiKey, Limits, Rate, Refusal
from hydranet.serving.web.metrics import Metrics

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

OPEN_PATHS = frozenset({"/", "/page.js", "/page.css", "/v2/health/live", "/v2/health/ready"})
"""Without the API key: the page itself, which holds no data, and what a supervisor asks."""

LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]"})
"""How a server of this machine alone is called. Any other name came from a web page that lies about its address."""

PIECE_BYTES = 256 * 1024
"""Answers leave in pieces, so that what a slow reader has not taken yet stays counted here."""

LINGER_S = 2.0
SECURITY = [
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"default-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
]


class Left(Exception):
    """The client went away."""


class Gate:
    """Receives whole bodies within the limits, then asks the application, and drops the work of clients that left.

    hosts: names in the header Host that are answered; empty = all.
    """

    def __init__(self, app: App, limits: Limits, key: ApiKey, hosts: Collection[str], metrics: Metrics) -> None:
        self._app, self._limits, self._key, self._hosts, self._metrics = app, limits, key, hosts, metrics
        self._rate, self._requests, self._bytes = Rate(limits.per_second), 0, 0

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            await self._answer(scope, receive, send)

    async def _answer(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        begin, held = time.perf_counter(), _Held(self)
        answer = _Answer(send, held)
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        try:
            self._admit(scope, headers)
            body = b""
            if scope["method"] not in ("GET", "HEAD"):
                self._rate.check((scope.get("client") or ("",))[0])
                held.begin()
                body = await self._body(headers, receive, held)
            await self._ask(scope, body, receive, answer)
        except Refusal as refusal:
            await self._refuse(refusal, headers, receive, answer)
        except Left:
            self._metrics.add("hydranet_disconnects_total")
        finally:
            held.end()
            if answer.status:
                known = scope.get("route")
                route = known.path if known is not None else "other"
                labels = {"route": route, "status": str(answer.status)}
                self._metrics.add("hydranet_requests_total", labels=labels)
                self._metrics.observe("hydranet_request_seconds", time.perf_counter() - begin, {"route": route})

    def _admit(self, scope: Mapping[str, Any], headers: Mapping[str, str]) -> None:
        host = headers.get("host", "").lower()
        name = host if host.endswith("]") else host.rpartition(":")[0] or host
        if self._hosts and name not in self._hosts:
            raise Refusal(421, f"got Host {name[:60]!r}, expected {', '.join(sorted(self._hosts))}; see --allow-host")
        if scope["path"] not in OPEN_PATHS:
            self._key.check(headers)

    async def _body(self, headers: Mapping[str, str], receive: Receive, held: "_Held") -> bytes:
        """The whole body, in time and within the limits. Raises Refusal, and Left where the client went."""
        length = headers.get("content-length", "")
        most = self._limits.body_bytes
        if length.isdecimal() and int(length) > most:
            raise Refusal(413, f"got {length[:20]} bytes, expected at most {most}; make the image smaller")
        parts = []
        try:
            async with asyncio.timeout(self._limits.receive_s):
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise Left
                    part = message.get("body", b"")
                    held.add(len(part))
                    if held.bytes > most:
                        raise Refusal(413, f"got more than {most} bytes, expected at most that; make the image smaller")
                    parts.append(part)
                    if not message.get("more_body", False):
                        return b"".join(parts)
        except TimeoutError as error:
            sentence = f"the body took longer than {self._limits.receive_s:g} s; send it faster, or make it smaller"
            raise Refusal(408, sentence) from error

    async def _ask(self, scope: MutableMapping[str, Any], body: bytes, receive: Receive, answer: "_Answer") -> None:
        """Lets the application answer, unless the client leaves or it takes too long before it begins to."""
        given, gone = [{"type": "http.request", "body": body, "more_body": False}], asyncio.Event()

        async def replay() -> Message:
            if given:
                return given.pop()
            await gone.wait()
            return {"type": "http.disconnect"}

        work = asyncio.ensure_future(self._app(scope, replay, answer))
        leaves = asyncio.ensure_future(_left(receive))
        late = asyncio.ensure_future(answer.late(self._limits.answer_s))
        try:
            await asyncio.wait({work, leaves, late}, return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                work.result()
            elif leaves.done():
                raise Left
            else:
                raise Refusal(503, f"no answer within {self._limits.answer_s:g} s: the server is busy; try later", 1.0)
        finally:
            gone.set()
            for task in (work, leaves, late):
                task.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await work

    async def _refuse(self, refusal: Refusal, headers: Mapping[str, str], receive: Receive, answer: "_Answer") -> None:
        if answer.status:
            return
        extra = [(b"retry-after", str(max(1, round(refusal.wait_s))).encode())] if refusal.wait_s else []
        if refusal.status == 401:
            extra.append((b"www-authenticate", b"Bearer"))
        if refusal.status == 413 and "expect" not in headers:
            await self._linger(receive)
        body = json.dumps({"error": str(refusal)}).encode()
        fields = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        await answer(
            {
                "type": "http.response.start",
                "status": refusal.status,
                "headers": [*fields, *extra, (b"connection", b"close")],
            }
        )
        await answer({"type": "http.response.body", "body": body})

    async def _linger(self, receive: Receive) -> None:
        """Throws away what is still on its way: a client that writes before it reads would never see the answer."""
        with suppress(TimeoutError):
            async with asyncio.timeout(LINGER_S):
                for _ in range(4 * self._limits.body_bytes // 65536 + 1):
                    if not (await receive()).get("more_body", False):
                        return

    def count(self, requests: int, size: int) -> None:
        """Counts what is held now. Raises Refusal (503) where that is more than all may hold together."""
        if requests > 0 and self._requests >= self._limits.waiting:
            raise Refusal(503, f"{self._requests} requests wait already; try later", 1.0)
        if size > 0 and self._bytes + size > self._limits.held_bytes:
            raise Refusal(503, "too many bytes are being received or sent already; try later", 1.0)
        self._requests, self._bytes = self._requests + requests, self._bytes + size
        self._metrics.put("hydranet_requests_held", self._requests)
        self._metrics.put("hydranet_held_bytes", self._bytes)


class _Held:
    """What one request holds of what all of them share."""

    def __init__(self, gate: Gate) -> None:
        self._gate, self.requests, self.bytes = gate, 0, 0

    def begin(self) -> None:
        self._gate.count(1, 0)
        self.requests = 1

    def add(self, size: int) -> None:
        self._gate.count(0, size)
        self.bytes += size

    def end(self) -> None:
        self._gate.count(-self.requests, -self.bytes)
        self.requests = self.bytes = 0


class _Answer:
    """What is sent: in pieces, with the headers that every answer has; knows its status.

    Its bytes count as held until the request ends, so an answer may become a Refusal as long as nothing was sent.
    """

    def __init__(self, send: Send, held: _Held) -> None:
        self._send, self._held, self.status, self._begun = send, held, 0, asyncio.Event()
        self._start: Message | None = None

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._start = message
            return
        body = message.get("body", b"")
        if self._start is not None:
            start, self._start = self._start, None
            self._held.add(len(body))
            self.status = start["status"]
            self._begun.set()
            await self._send({**start, "headers": [*start.get("headers", ()), *SECURITY]})
        for place in range(0, max(len(body), 1), PIECE_BYTES):
            last = place + PIECE_BYTES >= len(body)
            more = message.get("more_body", False) or not last
            piece = memoryview(body)[place : place + PIECE_BYTES]
            await self._send({"type": "http.response.body", "body": bytes(piece), "more_body": more})

    async def late(self, seconds: float) -> None:
        """Ends when nothing was sent for so long; never, where something was."""
        try:
            async with asyncio.timeout(seconds):
                await self._begun.wait()
        except TimeoutError:
            return
        await asyncio.Event().wait()


async def _left(receive: Receive) -> None:
    """Ends when the client goes away."""
    while (await receive())["type"] != "http.disconnect":
        pass
