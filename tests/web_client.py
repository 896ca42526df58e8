"""A server of `hydranet serve` in this process, a network whose answers can be computed by head, and a plain client."""

import http.client
import json
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from hydranet.deploy.manifest import Head, Input, Manifest, Output
from hydranet.deploy.manifest_fit import check_arrays
from hydranet.deploy.predictor import SessionPredictor
from hydranet.serving.web.limits import Limits
from hydranet.serving.web.server import Address, web_server

NMS = {"nms": {"score_threshold": 0.001, "iou_threshold": 0.5, "max_detections": 10.0, "pre_nms_topk": 100.0}}
SIZE = (32, 64)
TOY = Manifest(
    name="toy",
    input=Input(SIZE, batch=None),
    heads={
        "far": Head("ScalarMap", ("values",), {"unit": "m"}),
        "area": Head("ClassMap", ("ids",), classes=("dark", "middle", "bright")),
        "cars": Head("Boxes", ("xyxy", "label", "score"), classes=("car", "van"), postprocess=NMS, score_threshold=0.3),
        "lines": Head("Polylines", ("points", "valid", "score")),
        "sign": Head("Tag", ("label", "probs"), classes=("stop", "go")),
        "bright": Head("Quantity", ("value",)),
        "faces": Head("NormalMap", ("xyz",)),
    },
    outputs={
        "far.values": Output("float32", (None, *SIZE), "m"),
        "area.ids": Output("uint8", (None, *SIZE)),
        "cars.xyxy": Output("float32", (None, 3, 4)),
        "cars.label": Output("int64", (None, 3)),
        "cars.score": Output("float32", (None, 3)),
        "lines.points": Output("float32", (None, 1, 3, 2)),
        "lines.valid": Output("bool", (None, 1, 3)),
        "lines.score": Output("float32", (None, 1)),
        "sign.label": Output("int64", (None,)),
        "sign.probs": Output("float32", (None, 2)),
        "bright.value": Output("float32", (None,)),
        "faces.xyz": Output("float32", (None, 3, *SIZE)),
    },
)
"""Every kind that the page draws; every answer depends on the image's pixels."""


class Toy:
    """A session whose answers follow from the mean brightness of the image's pixels.

    pause_s: how long a run takes.    sizes: images of every run so far.
    """

    prunes = True

    def __init__(self, pause_s: float = 0.0, manifest: Manifest = TOY) -> None:
        self.manifest, self.pause_s = manifest, pause_s
        self.sizes: list[int] = []

    def __call__(self, arrays: Mapping[str, np.ndarray], outputs: Sequence[str] | None = None) -> dict[str, np.ndarray]:
        check_arrays(self.manifest, arrays)
        image = arrays["image"]
        count = len(image)
        self.sizes.append(count)
        time.sleep(self.pause_s)
        mean = image.mean((1, 2, 3), dtype=np.float64).astype(np.float32)
        gray = image.mean(3, dtype=np.float32)
        left = mean / 16
        box = np.stack([left, left, left + 16, left + 16], 1)
        score = 0.25 + mean / 512
        line = np.array([[4, 30], [10, 16], [20, 2]], np.float32)
        slope = gray / 255
        normals = np.stack([slope, np.zeros_like(slope), -np.sqrt(1 - slope**2)], 1)
        made = {
            "far.values": 1 + gray / 4,
            "area.ids": np.digitize(gray, (85, 170)).astype(np.uint8),
            "cars.xyxy": np.stack([box, box + 1, box + np.array([32, 8, 32, 8])], 1).astype(np.float32),
            "cars.label": np.tile(np.array([0, 0, 1]), (count, 1)),
            "cars.score": np.stack([score, score - 0.1, score], 1),
            "lines.points": np.tile(line, (count, 1, 1, 1)) + left[:, None, None, None],
            "lines.valid": np.ones((count, 1, 3), bool),
            "lines.score": score[:, None],
            "sign.label": (mean > 127).astype(np.int64),
            "sign.probs": np.stack([1 - mean / 255, mean / 255], 1),
            "bright.value": mean,
            "faces.xyz": normals.astype(np.float32),
        }
        return {name: made[name] for name in outputs or self.manifest.outputs}


@dataclass(frozen=True)
class Answered:
    """An HTTP answer; header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


def ask(
    port: int,
    path: str,
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    *,
    method: str = "",
    timeout: float = 30,
) -> Answered:
    """One request on a connection of its own: POST where there is a body, else GET."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        connection.request(method or ("GET" if body is None else "POST"), path, body, dict(headers or {}))
        response = connection.getresponse()
        return Answered(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
    finally:
        connection.close()


def image_file(seed: int, size: tuple[int, int] = (40, 90), suffix: str = ".png") -> tuple[bytes, np.ndarray]:
    """An image of coarse noise, as a file and as uint8 h w 3 RGB; its brightness differs from seed to seed."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 60 + seed * 37 % 195, (*(-(-side // 10) for side in size), 3), dtype=np.uint8)
    rgb = np.ascontiguousarray(coarse.repeat(10, 0).repeat(10, 1)[: size[0], : size[1]])
    return cv2.imencode(suffix, cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR))[1].tobytes(), rgb


@contextmanager
def serving(
    models: Mapping[str, SessionPredictor], limits: Limits | None = None, key: str = "", address: Address | None = None
) -> Iterator[int]:
    """The port of a server that runs meanwhile, in a thread."""
    where = address or Address(port=0)
    with where.bind() as bound:
        server = web_server(models, where, limits or Limits(), key)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]})
        thread.start()
        end = time.monotonic() + 30
        while not server.started and thread.is_alive() and time.monotonic() < end:
            time.sleep(0.01)
        assert server.started
        try:
            yield bound.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join(20)
            assert not thread.is_alive()


def metric(port: int, name: str, key: str = "") -> float:
    """The sum of a metric over its labels; 0 where it was not counted yet."""
    headers = {"x-api-key": key} if key else {}
    lines = ask(port, "/metrics", headers=headers).body.decode().splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith((name + " ", name + "{")))
