"""Load on `hydranet serve` by many clients, a tenth of whose requests are hostile: answers, times, memory.

    python benchmarks/serve_load.py MODEL --requests 10000 --clients 32

Starts the server as a process of its own and sends to 127.0.0.1 only. A good request must be answered like the
Predictor answers the same image here; a hostile one with a refusal, or with nothing. Exits with 1 where one is not.
"""

import argparse
import contextlib
import http.client
import json
import random
import socket
import statistics
import struct
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np

HOST = "127.0.0.1"


@dataclass
class Outcome:
    """What came of all requests; several threads add to it."""

    seconds: list[float] = field(default_factory=list)
    good: int = 0
    wrong: list[str] = field(default_factory=list)
    retried: int = 0
    hostile: Counter[str] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)


def images(count: int, height: int, width: int) -> list[tuple[bytes, np.ndarray]]:
    """PNG files and their pixels, uint8 h w 3 RGB; every image differs."""
    rng = np.random.default_rng(0)
    made = []
    for i in range(count):
        coarse = rng.integers(0, 60 + 190 * i // count, (height // 8, width // 8, 3), dtype=np.uint8)
        rgb = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR)
        made.append((cv2.imencode(".png", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR))[1].tobytes(), rgb))
    return made


def agree(a: Any, b: Any, tolerance: float = 2e-3) -> bool:
    """Whether two JSON values are equal, numbers to a relative and absolute tolerance: batches round otherwise."""
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(agree(a[key], b[key], tolerance) for key in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(agree(x, y, tolerance) for x, y in zip(a, b, strict=True))
    numbers = isinstance(a, int | float) and isinstance(b, int | float)
    return abs(a - b) <= tolerance * max(1.0, abs(a), abs(b)) if numbers else a == b


def post(port: int, path: str, body: bytes, headers: dict[str, str] | None = None) -> tuple[int, bytes]:
    """Status and body of one request on a connection of its own."""
    connection = http.client.HTTPConnection(HOST, port, timeout=120)
    try:
        connection.request("POST", path, body, headers or {})
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def raw(port: int, text: bytes, wait_s: float = 0.0) -> str:
    """Sends bytes, waits, leaves; what the first line of the answer was, if any came."""
    with contextlib.suppress(OSError), socket.create_connection((HOST, port), timeout=30) as client:
        client.sendall(text)
        if wait_s:
            client.settimeout(wait_s)
            with contextlib.suppress(TimeoutError):
                return client.recv(4096).split(b"\r\n")[0].decode("latin-1")
    return "left"


def hostile_kinds(png: bytes) -> dict[str, Callable[[int], str]]:
    """What hostile clients do, by name: each a function of the port that says how it was answered."""
    bomb = png[:16] + struct.pack(">II", 50_000, 50_000) + png[24:]
    head = b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n"
    nested = b"[" * 100_000

    def refused(path: str, body: bytes, headers: dict[str, str] | None = None) -> Callable[[int], str]:
        return lambda port: str(post(port, path, body, headers)[0])

    return {
        "bomb": refused("/predict", bomb),
        "truncated": refused("/predict", png[: len(png) // 2]),
        "wrong type": refused("/predict", b"GIF89a" + bytes(100), {"content-type": "text/plain"}),
        "nested JSON": refused("/v2/models/load/infer", nested),
        "huge shape": refused(
            "/v2/models/load/infer",
            json.dumps({"inputs": [{"name": "image", "shape": [1, 2**30, 2**30, 3], "datatype": "UINT8"}]}).encode(),
        ),
        "huge size": lambda port: raw(port, head % 10**12, 5.0),
        "slow sender": lambda port: raw(port, head % len(png) + png[:64], 0.3),
        "slow headers": lambda port: raw(port, b"POST /predict HTT", 0.3),
        "disconnect": lambda port: raw(port, head % len(png) + png),
        "no HTTP": lambda port: raw(port, bytes(range(256)) * 16, 5.0),
    }


REFUSED = ("4", "HTTP/1.1 4", "HTTP/1.1 503", "503", "left", "")
"""How the answers to hostile requests begin."""


def client(port: int, seed: int, jobs: Sequence[tuple[bytes, Any]], count: int, outcome: Outcome) -> None:
    """One client's requests, one after another; every tenth is hostile."""
    rng = random.Random(seed)
    kinds = hostile_kinds(jobs[0][0])
    for _ in range(count):
        if rng.random() < 0.1:
            name = rng.choice(sorted(kinds))
            try:
                answer = kinds[name](port)
            except (OSError, http.client.HTTPException):
                answer = "left"
            with outcome.lock:
                outcome.hostile[f"{name}: {answer}"] += 1
                if not answer.startswith(REFUSED):
                    outcome.wrong.append(f"hostile {name} was answered {answer}")
            continue
        data, expected = rng.choice(jobs)
        begin = time.perf_counter()
        status, body = post(port, "/predict", data)
        while status == 503:  # the server says "later": a client that behaves waits and asks again
            with outcome.lock:
                outcome.retried += 1
            time.sleep(0.2 + rng.random())
            status, body = post(port, "/predict", data)
        took = time.perf_counter() - begin
        right = status == 200 and agree(json.loads(body)["tasks"], expected)
        with outcome.lock:
            outcome.seconds.append(took)
            outcome.good += right
            if not right:
                outcome.wrong.append(f"status {status}: {body[:200]!r}")


def load(port: int, jobs: Sequence[tuple[bytes, Any]], requests: int, clients: int) -> Outcome:
    """Sends all requests. jobs: files and the `tasks` that must be answered."""
    outcome = Outcome()
    shares = [requests // clients + (i < requests % clients) for i in range(clients)]
    threads = [threading.Thread(target=client, args=(port, i, jobs, share, outcome)) for i, share in enumerate(shares)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return outcome


def metric(port: int, name: str) -> float:
    """A metric's sum over its labels."""
    connection = http.client.HTTPConnection(HOST, port, timeout=60)
    connection.request("GET", "/metrics")
    lines = connection.getresponse().read().decode().splitlines()
    connection.close()
    return sum(float(line.split()[-1]) for line in lines if line.startswith((name + " ", name + "{")))


def main() -> int:
    """Starts a server, loads it, says what happened."""
    from hydranet import Predictor
    from hydranet.deploy.messages import message
    from hydranet.deploy.session import Runtime

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--size", default="192x640", help="of the images")
    parser.add_argument("--images", type=int, default=16)
    options = parser.parse_args()
    height, width = map(int, options.size.split("x"))
    predictor = Predictor(options.model, runtime=Runtime(threads=1))
    jobs = [
        (data, {name: message(one, predictor.classes.get(name, ())) for name, one in predictor(rgb).items()})
        for data, rgb in images(options.images, height, width)
    ]
    command = [sys.executable, "-m", "hydranet", "serve", f"load={options.model}", "--port", "0", "--threads", "1"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        port = int(server.stdout.readline().split(";")[0].rsplit(":", 1)[1])
        load(port, jobs, 4 * options.clients, options.clients)
        memory = [metric(port, "process_resident_memory_bytes")]
        begin = time.perf_counter()
        rounds, outcome = 4, Outcome()
        for _ in range(rounds):
            part = load(port, jobs, options.requests // rounds, options.clients)
            outcome.seconds += part.seconds
            outcome.good += part.good
            outcome.wrong += part.wrong
            outcome.retried += part.retried
            outcome.hostile += part.hostile
            memory.append(metric(port, "process_resident_memory_bytes"))
        took = time.perf_counter() - begin
        batch = metric(port, "hydranet_batch_images_sum") / metric(port, "hydranet_batch_images_count")
        alive = server.poll() is None
    finally:
        server.terminate()
        server.wait(30)
    cuts = statistics.quantiles(outcome.seconds, n=100)
    print(f"{options.requests} requests of {options.clients} clients in {took:.0f} s, server alive: {alive}")
    print(f"good: {outcome.good} of {len(outcome.seconds)} answered right, {outcome.retried} told to come later first")
    print(f"seconds: p50 {cuts[49]:.2f}, p90 {cuts[89]:.2f}, p99 {cuts[98]:.2f}, most {max(outcome.seconds):.2f}")
    print(f"requests per run of the network: {batch:.2f}")
    print("memory, MB after warm-up and each quarter: " + ", ".join(f"{value / 1e6:.0f}" for value in memory))
    print("hostile: " + ", ".join(f"{name} {count}" for name, count in sorted(outcome.hostile.items())))
    for line in outcome.wrong[:10]:
        print("WRONG:", line)
    return 0 if alive and not outcome.wrong else 1


if __name__ == "__main__":
    sys.exit(main())
