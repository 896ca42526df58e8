"""Arrays as requests and answers of the Open Inference Protocol, version 2, with its binary tensor data extension.

https://github.com/kserve/open-inference-protocol and
https://docs.nvidia.com/deeplearning/triton-inference-server/user-guide/docs/protocol/extension_binary_data.html:
a body is JSON; with the header `Inference-Header-Content-Length` it is so many bytes of JSON and then the arrays'
bytes, little-endian, one after another.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from hydranet.core.checks.json_text import parse_json
from hydranet.serving.web.limits import Limits, Refusal

HEADER = "inference-header-content-length"

TYPES = {
    "BOOL": "bool",
    "UINT8": "uint8",
    "UINT16": "uint16",
    "UINT32": "uint32",
    "UINT64": "uint64",
    "INT8": "int8",
    "INT16": "int16",
    "INT32": "int32",
    "INT64": "int64",
    "FP16": "float16",
    "FP32": "float32",
    "FP64": "float64",
}
"""The protocol's names of numpy's types; BYTES (text) is in no network here."""

NAMES = {dtype: name for name, dtype in TYPES.items()}

DEEPEST_AXES = 8


@dataclass(frozen=True)
class InferRequest:
    """Arrays by name, the outputs that are asked for (None = all), and those of them wanted in binary."""

    arrays: Mapping[str, np.ndarray]
    outputs: tuple[str, ...] | None = None
    binary: frozenset[str] = frozenset()
    all_binary: bool = False
    id: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)


def read_request(body: bytes, header_length: str | None, limits: Limits) -> InferRequest:
    """The arrays in a body. header_length: the value of `Inference-Header-Content-Length`, None without.

    Raises Refusal for what is no request, and for more than the limits allow, before memory is taken for it.
    """
    text, rest = _split(body, header_length, limits)
    try:
        tree = parse_json(text.decode())
    except ValueError as error:
        raise Refusal(400, f"the request is no JSON ({error})") from error
    if not isinstance(tree, dict) or not isinstance(tree.get("inputs"), list) or not tree["inputs"]:
        raise Refusal(400, 'got a request without inputs, expected {"inputs": [{"name", "shape", "datatype", ...}]}')
    arrays: dict[str, np.ndarray] = {}
    for one in tree["inputs"]:
        name, array, rest = _input(one, rest, limits)
        if name in arrays:
            raise Refusal(400, f"got input {name!r} twice, expected it once")
        arrays[name] = array
    if len(rest):
        raise Refusal(400, f"got {len(rest)} bytes after the last array, expected none; correct binary_data_size")
    parameters = _table(tree.get("parameters", {}), "parameters")
    rows = tree.get("outputs")
    if rows is not None and not isinstance(rows, list):
        raise Refusal(400, 'got outputs that are no list, expected [{"name": ...}]')
    tables = [_table(row, "an output") for row in rows or ()]
    names = tuple(_text(row.get("name"), "name of an output") for row in tables)
    asked = [_table(row.get("parameters", {}), "parameters").get("binary_data") for row in tables]
    every = parameters.get("binary_data_output") is True
    binary = {name for name, one in zip(names, asked, strict=True) if one is True or (every and one is None)}
    wanted = names or None
    identity = _text(tree.get("id", ""), "id")
    return InferRequest(arrays, wanted, frozenset(binary), every and wanted is None, identity, parameters)


def _split(body: bytes, header_length: str | None, limits: Limits) -> tuple[bytes, memoryview]:
    if header_length is None:
        text, rest = body, memoryview(b"")
    else:
        length = int(header_length) if header_length.isascii() and header_length.isdecimal() else -1
        if not 0 <= length <= len(body):
            raise Refusal(
                400,
                f"got {HEADER}: {header_length[:20]!r} with a body of {len(body)} bytes, expected its JSON's length",
            )
        text, rest = body[:length], memoryview(body)[length:]
    if len(text) > limits.json_bytes:
        raise Refusal(
            413,
            f"got {len(text)} bytes of JSON, expected at most {limits.json_bytes}; send arrays as binary tensor data",
        )
    return text, rest


def _input(one: Any, rest: memoryview, limits: Limits) -> tuple[str, np.ndarray, memoryview]:
    """Name and array of an input, and the bytes behind it."""
    table = _table(one, "an input")
    name = _text(table.get("name"), "name of an input")
    kind = table.get("datatype")
    if not isinstance(kind, str) or kind not in TYPES:
        raise Refusal(400, f"got datatype {str(kind)[:20]!r} of {name!r}, expected one of {', '.join(TYPES)}")
    dtype = np.dtype(TYPES[kind]).newbyteorder("<")
    shape: Any = table.get("shape")
    if not _is_shape(shape):
        raise Refusal(400, f"got shape {str(shape)[:60]} of {name!r}, expected a list of whole numbers above 0")
    count = math.prod(shape)
    if count > 3 * limits.pixels:
        raise Refusal(
            413,
            f"got {name!r} of shape {shape}, expected at most {limits.pixels / 1e6:g} million pixels; make it smaller",
        )
    size = _table(table.get("parameters", {}), "parameters").get("binary_data_size")
    if size is None:
        return name, _from_json(name, table.get("data"), dtype, shape), rest
    if "data" in table or type(size) is not int or size != count * dtype.itemsize or size > len(rest):
        raise Refusal(
            400,
            f"got binary_data_size {str(size)[:20]} of {name!r} with {len(rest)} bytes left, expected "
            f"{count * dtype.itemsize}, and no data in JSON",
        )
    array = np.frombuffer(rest[:size], dtype).reshape(shape)
    return name, array.astype(dtype.newbyteorder("="), copy=False), rest[size:]


def _is_shape(value: Any) -> bool:
    sides = isinstance(value, list) and len(value) <= DEEPEST_AXES
    return sides and all(type(side) is int and 0 < side < 2**31 for side in value)


def _from_json(name: str, data: Any, dtype: np.dtype, shape: Sequence[int]) -> np.ndarray:
    """The numbers of a list, nested by axes or flat, as the protocol allows both."""
    wrong = f"got data of {name!r} that are not {math.prod(shape)} numbers of type {NAMES[str(dtype)]}"
    if not isinstance(data, list):
        raise Refusal(400, f"{wrong}; expected a list")
    try:
        given = np.array(data)
        if given.dtype.kind not in "biuf" or (given.dtype.kind == "f" and dtype.kind != "f"):
            raise ValueError("not such numbers")
        with np.errstate(over="ignore", invalid="ignore"):
            array = given.astype(dtype).reshape(shape)
        if dtype.kind != "f" and (array.reshape(-1) != given.reshape(-1)).any():
            raise ValueError("out of range")
    except (ValueError, TypeError, OverflowError, RecursionError) as error:
        raise Refusal(400, f"{wrong}; expected shape {list(shape)} or a flat list") from error
    return array.astype(dtype.newbyteorder("="), copy=False)


def _table(value: Any, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise Refusal(400, f"got {what} that is no table, expected {{...}}")
    return value


def _text(value: Any, what: str) -> str:
    if not isinstance(value, str) or len(value) > 200:
        raise Refusal(400, f"got {what} {str(value)[:40]!r}, expected a short text")
    return value


def pack(
    head: Mapping[str, Any], arrays: Mapping[str, np.ndarray], binary: frozenset[str]
) -> tuple[bytes, dict[str, str]]:
    """Body and headers of an answer: the fields of `head`, then `outputs` with the arrays.

    binary: names of the arrays that follow the JSON as bytes; the others stand in it, as flat lists, with null where a
    number is not finite.
    """
    outputs, parts = [], []
    for name, array in arrays.items():
        row: dict[str, Any] = {"name": name, "datatype": NAMES[str(array.dtype)], "shape": list(array.shape)}
        if name in binary:
            data = np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes()
            parts.append(data)
            row["parameters"] = {"binary_data_size": len(data)}
        else:
            row["data"] = _numbers(array)
        outputs.append(row)
    text = json.dumps({**head, "outputs": outputs}, allow_nan=False).encode()
    if not binary:
        return text, {"content-type": "application/json"}
    return b"".join([text, *parts]), {"content-type": "application/octet-stream", HEADER: str(len(text))}


def _numbers(array: np.ndarray) -> list[Any]:
    flat = array.reshape(-1)
    values: list[Any] = flat.tolist()
    if array.dtype.kind == "f" and not np.isfinite(flat).all():
        values = [value if math.isfinite(value) else None for value in values]
    return values


def unpack(body: bytes, header_length: str | None) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """What `pack` made, as a client reads it: the JSON, and the arrays by name."""
    length = len(body) if header_length is None else int(header_length)
    tree, at = json.loads(body[:length]), length
    arrays = {}
    for row in tree["outputs"]:
        dtype = np.dtype(TYPES[row["datatype"]])
        if (size := row.get("parameters", {}).get("binary_data_size")) is None:
            flat = [np.nan if value is None else value for value in row["data"]]
            arrays[row["name"]] = np.array(flat, dtype).reshape(row["shape"])
        else:
            data = np.frombuffer(body[at : at + size], dtype.newbyteorder("<")).astype(dtype)
            arrays[row["name"]], at = data.reshape(row["shape"]), at + size
    return tree, arrays
