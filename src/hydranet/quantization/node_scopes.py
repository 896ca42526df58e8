"""Which node of an exported graph belongs to which part of the network, so that a part can be left in float."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

TRUNK, DECODE = "trunk", "decode"
"""Everything that heads share; and everything before and after the network: scaling of pixels, decoding."""

HEAD = re.compile(r"/model\.heads\.([^./:]+)[.:]")

GATHER = ".gather: "
"""The convolutions of zeros and ones in `export.passes.rewrite_narrow_convs`, which add up products.

Their inputs would only lose by being rounded once more.
"""


def parts_of(proto: Any) -> dict[str, str]:
    """The part of every node of an ONNX model by its name: "trunk", "decode" or the name of a head.

    Read from the module that the exporter noted for each node. Nodes without a note (constants that it moved) belong
    to the part that reads them, or else to the decoding, so that in doubt they stay in float.
    """
    parts = {node.name: _part(node) for node in proto.graph.node}
    readers: dict[str, list[str]] = {}
    for node in proto.graph.node:
        for given in node.input:
            readers.setdefault(given, []).append(node.name)
    for node in reversed(proto.graph.node):
        if parts[node.name] is None:
            heirs = {parts[name] for made in node.output for name in readers.get(made, ())}
            parts[node.name] = heirs.pop() if len(heirs) == 1 else DECODE
    return {name: part or DECODE for name, part in parts.items()}


def _part(node: Any) -> str | None:
    where = next((note.value for note in node.metadata_props if note.key == "namespace"), None)
    if where is None:
        return None
    if GATHER in where:
        return DECODE
    if match := HEAD.search(where):
        return match.group(1)
    return TRUNK if "/model.trunk" in where else DECODE


def floats(parts: Mapping[str, str], float_heads: Iterable[str], names: Iterable[str]) -> list[str]:
    """Those of `names` that lie in the decoding or in a part of `float_heads`.

    names: of the nodes of a graph made from the ONNX model.
    OpenVINO calls a node that it made from another one "NAME/SUFFIX".
    """
    out = {DECODE, *float_heads}
    return [name for name in names if parts.get(name.partition("/")[0]) in out]
