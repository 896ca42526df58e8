"""The Open Inference Protocol: metadata, health, and arrays in JSON or binary, equal to those of the network."""

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

pytest.importorskip("fastapi", reason="the extra serve is not installed")

from hydranet.deploy.predictor import SessionPredictor
from hydranet.serving.web.limits import Limits
from hydranet.serving.web.tensors import HEADER, pack, unpack
from web_client import SIZE, TOY, Answered, Toy, ask, serving

IMAGE = np.random.default_rng(0).integers(0, 256, (2, *SIZE, 3), dtype=np.uint8)
INFER = "/v2/models/toy/infer"


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with serving({"toy": SessionPredictor(Toy())}, Limits(json_bytes=200_000, pixels=100_000)) as number:
        yield number


def tensor(**changes: Any) -> dict[str, Any]:
    given = {"name": "image", "shape": list(IMAGE.shape), "datatype": "UINT8", "data": IMAGE.reshape(-1).tolist()}
    return {name: value for name, value in (given | changes).items() if value is not None}


def infer(port: int, tree: Any, rest: bytes = b"", length: str | None = None) -> Answered:
    text = tree if isinstance(tree, bytes) else json.dumps(tree).encode()
    headers = {HEADER: length or str(len(text))} if rest or length else {}
    return ask(port, INFER, text + rest, headers)


def binary(**changes: Any) -> dict[str, Any]:
    return tensor(data=None, parameters={"binary_data_size": IMAGE.nbytes}, **changes)


def test_health_and_metadata(port: int) -> None:
    assert ask(port, "/v2/health/live").json() == {"live": True}
    assert ask(port, "/v2/health/ready").json() == {"ready": True}
    assert ask(port, "/v2/models/toy/versions/1/ready").json() == {"name": "toy", "ready": True}
    assert ask(port, "/v2").json()["extensions"] == ["binary_tensor_data"]
    found = ask(port, "/v2/models/toy").json()
    assert found["inputs"] == [{"name": "image", "datatype": "UINT8", "shape": [-1, 32, 64, 3]}]
    assert {"name": "cars.label", "datatype": "INT64", "shape": [-1, 3]} in found["outputs"]
    assert {"name": "lines.valid", "datatype": "BOOL", "shape": [-1, 1, 3]} in found["outputs"]
    for path in ("/v2/models/other", "/v2/models/toy/versions/2"):
        assert ask(port, path).status == 404


@pytest.mark.parametrize("nested", [False, True])
def test_json_in_and_out(port: int, nested: bool) -> None:
    data = IMAGE.tolist() if nested else IMAGE.reshape(-1).tolist()
    answer = infer(port, {"id": "seven", "inputs": [tensor(data=data)]})
    assert answer.status == 200, answer.body
    tree, found = unpack(answer.body, None)
    assert (tree["id"], tree["model_name"], tree["model_version"]) == ("seven", "toy", "1")
    expected = Toy()({"image": IMAGE})
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        np.testing.assert_array_equal(found[name], array, strict=True)


@pytest.mark.parametrize("every", [False, True])
def test_binary_in_and_out(port: int, every: bool) -> None:
    wanted = [{"name": "far.values"}, {"name": "cars.label", "parameters": {"binary_data": True}}]
    asked = {"parameters": {"binary_data_output": True}} if every else {"outputs": wanted}
    answer = infer(port, {"inputs": [binary()], **asked}, IMAGE.tobytes())
    tree, found = unpack(answer.body, answer.headers[HEADER])
    names = list(TOY.outputs) if every else ["far.values", "cars.label"]
    assert list(found) == names
    expected = Toy()({"image": IMAGE})
    for name in names:
        np.testing.assert_array_equal(found[name], expected[name], strict=True)
    in_json = [row["name"] for row in tree["outputs"] if "data" in row]
    assert in_json == ([] if every else ["far.values"])


@pytest.mark.parametrize(
    ("tree", "rest", "length", "status", "words"),
    [
        (b"{", b"", None, 400, "no JSON"),
        (b"\xff\xfe", b"", None, 400, "no JSON"),
        (b"[" * 100_000, b"", None, 400, "no JSON"),
        ([], b"", None, 400, "without inputs"),
        ({"inputs": []}, b"", None, 400, "without inputs"),
        ({"inputs": ["image"]}, b"", None, 400, "no table"),
        ({"inputs": [tensor(datatype="BYTES")]}, b"", None, 400, "datatype"),
        ({"inputs": [tensor(datatype=7)]}, b"", None, 400, "datatype"),
        ({"inputs": [tensor(shape="2")]}, b"", None, 400, "shape"),
        ({"inputs": [tensor(shape=[2, 32, 64, -3])]}, b"", None, 400, "shape"),
        ({"inputs": [tensor(shape=[2, 32, 64, True])]}, b"", None, 400, "shape"),
        ({"inputs": [tensor(shape=[2, 32, 64, 4])]}, b"", None, 400, "are not 16384 numbers of type UINT8"),
        ({"inputs": [tensor(shape=[1 << 30, 1 << 30, 3])]}, b"", None, 413, "million pixels"),
        ({"inputs": [tensor(data=[300] * IMAGE.size)]}, b"", None, 400, "numbers of type UINT8"),
        ({"inputs": [tensor(data=[0.5] * IMAGE.size)]}, b"", None, 400, "numbers of type UINT8"),
        ({"inputs": [tensor(data=["a"] * IMAGE.size)]}, b"", None, 400, "numbers of type UINT8"),
        ({"inputs": [tensor(data=[[1], [2, 3]])]}, b"", None, 400, "numbers of type UINT8"),
        ({"inputs": [tensor(), tensor()]}, b"", None, 400, "twice"),
        ({"inputs": [tensor(name="other")]}, b"", None, 400, "got inputs other, expected image"),
        ({"inputs": [tensor(datatype="FP32")]}, b"", None, 400, "got image of float32"),
        ({"inputs": [tensor(shape=[1, 64, 64, 3])]}, b"", None, 400, "expected uint8"),
        ({"inputs": [tensor()], "outputs": [{"name": "nothing"}]}, b"", None, 400, "there are"),
        ({"inputs": [tensor()], "outputs": 5}, b"", None, 400, "no list"),
        ({"inputs": [binary()]}, IMAGE.tobytes()[:-1], None, 400, "binary_data_size"),
        ({"inputs": [binary()]}, IMAGE.tobytes() + b"1", None, 400, "1 bytes after the last array"),
        ({"inputs": [binary() | {"data": [1]}]}, IMAGE.tobytes(), None, 400, "no data in JSON"),
        ({"inputs": [binary()]}, IMAGE.tobytes(), "99999999", 400, "expected its JSON's length"),
        ({"inputs": [binary()]}, IMAGE.tobytes(), "x", 400, "expected its JSON's length"),
        ({"inputs": [tensor(name="a" * 250_000)]}, b"", None, 413, "bytes of JSON"),
    ],
)
def test_wrong_requests_are_one_sentence(
    port: int, tree: Any, rest: bytes, length: str | None, status: int, words: str
) -> None:
    answer = infer(port, tree, rest, length)
    assert (answer.status, words in answer.json()["error"]) == (status, True), answer.body[:300]


def test_json_says_null_for_what_is_no_number() -> None:
    array = np.array([1.5, np.nan, np.inf], np.float32)
    body, _ = pack({}, {"x": array}, frozenset())
    assert json.loads(body)["outputs"] == [{"name": "x", "datatype": "FP32", "shape": [3], "data": [1.5, None, None]}]
    body, headers = pack({}, {"x": array}, frozenset({"x"}))
    np.testing.assert_array_equal(unpack(body, headers[HEADER])[1]["x"], array)
