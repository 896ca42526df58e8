"""What the server does not let clients do: wait forever, fill its memory, ask without the key or under a false name."""

import contextlib
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

pytest.importorskip("fastapi", reason="the extra serve is not installed")

from hydranet.deploy.predictor import SessionPredictor
from hydranet.serving.web.limits import KEY_VARIABLE, Limits, Rate, Refusal, ServingError, read_key
from hydranet.serving.web.server import Address
from web_client import Toy, ask, image_file, metric, serving

PNG, _ = image_file(2)
KEY = "0123456789abcdef"


def opened(port: int, text: bytes) -> socket.socket:
    client = socket.create_connection(("127.0.0.1", port), timeout=20)
    client.sendall(text)
    return client


def rest(client: socket.socket) -> bytes:
    """All that still comes, until the server ends the connection."""
    parts = []
    with contextlib.suppress(ConnectionError), client:
        while part := client.recv(65536):
            parts.append(part)
    return b"".join(parts)


def post(length: int) -> bytes:
    return f"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n".encode()


def test_slow_clients_are_ended_and_others_answered_meanwhile() -> None:
    limits = Limits(header_s=0.5, receive_s=0.7)
    with serving({"toy": SessionPredictor(Toy())}, limits) as port:
        begin = time.monotonic()
        silent = opened(port, b"")
        heading = opened(port, b"POST /predict HTTP/1.1\r\nHost: localhost\r\nX-A")
        sending = opened(port, post(1000) + b"12345")
        assert ask(port, "/predict", PNG).status == 200
        assert rest(silent) == b""
        assert rest(heading) == b""
        assert b"408" in rest(sending).split(b"\r\n")[0]
        assert time.monotonic() - begin < 10
        assert metric(port, "hydranet_slow_headers_total") == 2
        assert metric(port, "hydranet_requests_held") == 0


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a disk that is always full")
def test_a_full_disk_under_the_log_changes_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    with Path("/dev/full").open("w", buffering=1) as full:
        monkeypatch.setattr("sys.stderr", full)
        with serving({"toy": SessionPredictor(Toy())}) as port:
            for _ in range(3):
                assert b"400" in rest(opened(port, b"no request at all\r\n\r\n")).split(b"\r\n")[0]
                assert ask(port, "/predict", PNG).status == 200
        monkeypatch.undo()
        with contextlib.suppress(OSError):
            full.close()


def test_a_kept_connection_answers_again_and_again() -> None:
    import http.client

    with serving({"toy": SessionPredictor(Toy())}, Limits(header_s=0.4)) as port:
        client = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        for _ in range(3):
            client.request("POST", "/predict?heads=bright", PNG)
            response = client.getresponse()
            assert (response.status, len(response.read()) > 50) == (200, True)
            time.sleep(0.6)  # longer than headers may take: an idle connection is no slow one
        client.close()


def test_large_bodies_are_refused_before_and_while_they_come() -> None:
    with serving({"toy": SessionPredictor(Toy())}, Limits(body_bytes=2000, json_bytes=1000)) as port:
        refused = ask(port, "/predict", bytes(2001))
        assert (refused.status, "expected at most 2000" in refused.json()["error"]) == (413, True)
        chunked = opened(port, b"POST /predict HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(3):
            chunked.sendall(b"400\r\n" + bytes(1024) + b"\r\n")
        chunked.sendall(b"0\r\n\r\n")
        assert b"413" in rest(chunked).split(b"\r\n")[0]
        waits = opened(port, post(10**9).replace(b"\r\n\r\n", b"\r\nExpect: 100-continue\r\n\r\n"))
        assert b" 413 " in rest(waits).split(b"\r\n")[0]  # and not "100 Continue"
        assert metric(port, "hydranet_held_bytes") == 0


def test_work_of_clients_that_left_is_dropped() -> None:
    toy = Toy(pause_s=0.4)
    with serving({"toy": SessionPredictor(toy)}) as port:
        for _ in range(12):
            opened(port, post(len(PNG)) + PNG).close()
        opened(port, post(len(PNG)) + PNG[:50]).close()
        end = time.monotonic() + 10
        while metric(port, "hydranet_disconnects_total") < 13 and time.monotonic() < end:
            time.sleep(0.05)
        assert metric(port, "hydranet_disconnects_total") == 13
        assert ask(port, "/predict", PNG).status == 200
        assert sum(toy.sizes) < 12  # most of them never reached the network
        assert metric(port, "hydranet_requests_held") == 0


def test_too_many_at_once_are_told_to_come_later() -> None:
    with serving({"toy": SessionPredictor(Toy(pause_s=0.3))}, Limits(waiting=2)) as port, ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: ask(port, "/predict", PNG), range(8)))
        statuses = sorted(one.status for one in answers)
        assert statuses[:2] == [200, 200]
        assert set(statuses) == {200, 503}
        assert next(one for one in answers if one.status == 503).headers["retry-after"] == "1"
        assert ask(port, "/v2/health/ready").status == 200


def test_an_answer_that_takes_too_long() -> None:
    toy = Toy()
    with serving({"toy": SessionPredictor(toy)}, Limits(answer_s=0.3)) as port:
        toy.pause_s = 1.0
        late = ask(port, "/predict", PNG)
        assert (late.status, "no answer within 0.3 s" in late.json()["error"]) == (503, True)
        toy.pause_s = 0.0
        time.sleep(1.0)
        assert ask(port, "/predict", PNG).status == 200


def test_readers_that_take_no_answer_are_ended() -> None:
    data, _ = image_file(1, (600, 900))
    with serving({"toy": SessionPredictor(Toy())}, Limits(receive_s=0.8)) as port:
        client = socket.socket()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(("127.0.0.1", port))
        head = post(len(data)).replace(b"/predict", b"/predict?format=arrays")
        client.sendall(head + data)
        end = time.monotonic() + 20
        while metric(port, "hydranet_held_bytes") < 4_000_000 and time.monotonic() < end:
            time.sleep(0.02)
        assert metric(port, "hydranet_held_bytes") > 4_000_000  # what nobody reads stays counted
        while metric(port, "hydranet_held_bytes") and time.monotonic() < end:
            time.sleep(0.05)
        assert metric(port, "hydranet_held_bytes") == 0
        client.close()


def test_the_key() -> None:
    with serving({"toy": SessionPredictor(Toy())}, key=KEY) as port:
        for headers in ({}, {"x-api-key": KEY[:-1]}, {"authorization": f"Basic {KEY}"}, {"authorization": "Bearer "}):
            answer = ask(port, "/predict", PNG, headers)
            assert (answer.status, answer.headers["www-authenticate"]) == (401, "Bearer")
        for headers in ({"x-api-key": KEY}, {"authorization": f"bearer {KEY}"}):
            assert ask(port, "/predict", PNG, headers).status == 200
        statuses = {
            path: ask(port, path).status for path in ("/", "/page.js", "/v2/health/ready", "/metrics", "/models")
        }
        assert statuses == {"/": 200, "/page.js": 200, "/v2/health/ready": 200, "/metrics": 401, "/models": 401}


def test_where_the_key_comes_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(KEY_VARIABLE, raising=False)
    assert read_key(None) == ""
    monkeypatch.setenv(KEY_VARIABLE, KEY)
    assert read_key(None) == KEY
    file = tmp_path / "key"
    file.write_text("another key, long enough\n")
    assert read_key(file) == "another key, long enough"
    for text in ("", "short", "ä" * 20):
        file.write_text(text)
        with pytest.raises(ServingError, match="expected 16 or more"):
            read_key(file)
    with pytest.raises(ServingError, match="cannot read the API key"):
        read_key(tmp_path / "nothing")


def test_a_server_of_this_machine_answers_to_its_own_names_alone() -> None:
    with serving({"toy": SessionPredictor(Toy())}, address=Address(port=0, hosts=["robot"])) as port:
        for host, status in (
            ("localhost", 200),
            (f"127.0.0.1:{port}", 200),
            ("ROBOT:8000", 200),
            ("evil.example", 421),
        ):
            assert ask(port, "/v2/health/live", headers={"host": host}).status == status


def test_answers_say_how_a_browser_must_treat_them() -> None:
    with serving({"toy": SessionPredictor(Toy())}) as port:
        headers = ask(port, "/").headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["content-security-policy"].startswith("default-src 'self'")
        assert "access-control-allow-origin" not in headers


def test_rate_per_address() -> None:
    now = [0.0]
    rate = Rate(2.0, clock=lambda: now[0], most=3)
    for _ in range(4):
        rate.check("a")
    with pytest.raises(Refusal, match="more than 2 requests per second") as refused:
        rate.check("a")
    assert (refused.value.status, refused.value.wait_s) == (429, pytest.approx(0.5))
    rate.check("b")
    now[0] = 0.5
    rate.check("a")
    with pytest.raises(Refusal):
        rate.check("a")
    for name in "cdef":
        rate.check(name)
    assert len(rate._buckets) == 3
    with serving({"toy": SessionPredictor(Toy())}, Limits(per_second=1.0)) as port:
        statuses = [ask(port, "/predict?heads=bright", PNG).status for _ in range(6)]
        assert statuses[:2] == [200, 200]
        assert 429 in statuses


@pytest.mark.parametrize(
    "changes", [{"body_bytes": 0}, {"answer_s": float("nan")}, {"pixels": 10**9}, {"per_second": -1}]
)
def test_limits_that_are_none(changes: dict[str, float]) -> None:
    with pytest.raises(ServingError, match="expected"):
        Limits(**changes)  # type: ignore[arg-type]


def test_an_address_that_is_taken() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(ServingError, match=r"cannot listen on 127\.0\.0\.1 port"):
            Address(port=taken.getsockname()[1]).bind()


def test_no_thread_is_left() -> None:
    before = {thread.name for thread in threading.enumerate()}
    with serving({"toy": SessionPredictor(Toy())}) as port:
        ask(port, "/predict", PNG)
    end = time.monotonic() + 5
    while {t.name for t in threading.enumerate()} - before and time.monotonic() < end:
        time.sleep(0.05)
    assert {t.name for t in threading.enumerate()} <= before
