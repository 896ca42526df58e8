"""A camera of the network kind: a small RTSP server (RFC 2326) that sends H.264 over the same TCP connection."""

import base64
import socket
import struct
import threading
import time
from collections.abc import Iterator
from types import TracebackType
from typing import Self

import av
import numpy as np

FPS = 20
CLOCK = 90000
PACKET = 1200


def pictures(count: int) -> Iterator[bytes]:
    """H.264 of frames whose brightness is 2 x their number, each a key frame: one Annex B chunk a frame."""
    codec = av.CodecContext.create("libx264", "w")
    assert isinstance(codec, av.VideoCodecContext)
    codec.width, codec.height, codec.pix_fmt, codec.framerate = 64, 32, "yuv420p", FPS
    codec.gop_size = 1
    codec.options = {"tune": "zerolatency", "preset": "ultrafast"}
    for i in range(count):
        frame = av.VideoFrame.from_ndarray(np.full((32, 64, 3), 2 * i % 256, np.uint8), format="rgb24")
        yield b"".join(bytes(packet) for packet in codec.encode(frame))


def units(chunk: bytes) -> list[bytes]:
    """The NAL units of an Annex B chunk."""
    return [unit.rstrip(b"\0") for unit in chunk.replace(b"\0\0\0\1", b"\0\0\1").split(b"\0\0\1") if unit]


class Camera:
    """Serves rtsp://127.0.0.1:PORT/ to one client after another: `count` frames in real time, then it hangs up.

    `sent` is the number of frames sent so far; `clients` how many came.
    """

    def __init__(self, count: int, again: bool = True) -> None:
        self.frames = [units(chunk) for chunk in pictures(count)]
        self.again, self.sent, self.clients = again, 0, 0
        self._server = socket.create_server(("127.0.0.1", 0))
        self.url = f"rtsp://user:secret@127.0.0.1:{self._server.getsockname()[1]}/"
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        self._server.close()
        self._thread.join(5)

    def _serve(self) -> None:
        while self.again or not self.clients:
            try:
                client, _ = self._server.accept()
            except OSError:
                return
            self.clients += 1
            with client:
                try:
                    self._talk(client)
                except OSError:
                    continue
        self._server.close()

    def _talk(self, client: socket.socket) -> None:
        asked = client.makefile("rb")
        while True:
            lines = [line := asked.readline().decode().strip()]
            while line:
                lines.append(line := asked.readline().decode().strip())
            if not lines[0]:
                return
            method = lines[0].split()[0]
            number = next(line.partition(":")[2].strip() for line in lines if line.lower().startswith("cseq"))
            body, extra = self._answer(method)
            head = f"RTSP/1.0 200 OK\r\nCSeq: {number}\r\n{extra}Content-Length: {len(body)}\r\n\r\n"
            client.sendall((head + body).encode())
            if method == "PLAY":
                self._play(client)
                return

    def _answer(self, method: str) -> tuple[str, str]:
        if method == "OPTIONS":
            return "", "Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN\r\n"
        if method == "SETUP":
            return "", "Session: 1\r\nTransport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n"
        if method != "DESCRIBE":
            return "", "Session: 1\r\n"
        sets = [base64.b64encode(unit).decode() for unit in self.frames[0] if unit[0] & 31 in (7, 8)]
        lines = ["v=0", "o=- 0 0 IN IP4 127.0.0.1", "s=test", "t=0 0", "m=video 0 RTP/AVP 96"]
        lines += ["a=rtpmap:96 H264/90000", f"a=framerate:{FPS}"]
        lines += [f"a=fmtp:96 packetization-mode=1;sprop-parameter-sets={','.join(sets)}", "a=control:track1"]
        return "\r\n".join(lines) + "\r\n", "Content-Type: application/sdp\r\n"

    def _play(self, client: socket.socket) -> None:
        begin_s, sequence = time.monotonic(), 0
        for i, frame in enumerate(self.frames):
            time.sleep(max(0.0, begin_s + i / FPS - time.monotonic()))
            parts = [part for unit in frame for part in _fragments(unit)]
            for k, part in enumerate(parts):
                marker = 128 if k == len(parts) - 1 else 0
                packet = struct.pack(">BBHII", 128, 96 | marker, sequence % 65536, i * CLOCK // FPS, 1) + part
                client.sendall(struct.pack(">cBH", b"$", 0, len(packet)) + packet)
                sequence += 1
            self.sent += 1


def _fragments(unit: bytes) -> list[bytes]:
    """RTP payloads of a NAL unit (RFC 6184): itself, or FU-A pieces."""
    if len(unit) <= PACKET:
        return [unit]
    kind, pieces = unit[0], [unit[i : i + PACKET] for i in range(1, len(unit), PACKET)]
    ends = [(128 if i == 0 else 0) | (64 if i == len(pieces) - 1 else 0) for i in range(len(pieces))]
    return [bytes([kind & 0xE0 | 28, kind & 31 | end]) + piece for end, piece in zip(ends, pieces, strict=True)]
