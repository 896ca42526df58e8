"""The part of an ONNX file that some of its outputs need; reads the bytes themselves, so that `onnx` is not needed.

ONNX Runtime computes every node of the file it opened, whatever is asked for. An ONNX file is one protobuf message:
fields of a number, a kind, and a value. Only those named here are looked into; all others are kept as they are. The
numbers are those of onnx.proto, https://github.com/onnx/onnx/blob/main/onnx/onnx.proto
"""

from collections.abc import Collection, Iterator

GRAPH = 7  # of a model
NODE, WEIGHTS, OUTPUT, VALUE = 1, 5, 12, 13  # of a graph
TAKES, GIVES, ATTRIBUTE = 1, 2, 5  # of a node
INNER, INNERS = 6, 11  # graphs, of an attribute: the branches of an If, the body of a Loop
NAME = {WEIGHTS: 8, OUTPUT: 1, VALUE: 1}  # field that holds the name

TENSOR, TENSORS = 5, 10  # of an attribute
FUNCTION, INSIDE = 25, 7  # functions of a model, and their nodes
LOCATION, ELSEWHERE = 13, 14  # of a tensor: keys and values that say where its numbers are; whether they are not here
SPARSE_WEIGHTS, SPARSE, SPARSE_PARTS = 15, (22, 23), (1, 2)  # of a graph; of an attribute; tensors inside one

Fields = Iterator[tuple[int, memoryview, memoryview]]


def part(model: bytes, outputs: Collection[str]) -> bytes:
    """The model with these outputs alone, and with the nodes and weights that they need.

    Raises ValueError for what is no ONNX file.
    """
    made = bytearray()
    for number, whole, value in _fields(memoryview(model)):
        made += _message(GRAPH, _pruned(value, outputs)) if number == GRAPH else whole
    return bytes(made)


def reads_other_files(model: bytes) -> bool:
    """Whether any tensor's numbers lie in another file, which a runtime would read from a path of the file's choice.

    Raises ValueError for what is no ONNX file.
    """
    return any(
        number == LOCATION or (number == ELSEWHERE and any(value))
        for tensor in _tensors_of_model(memoryview(model))
        for number, _, value in _fields(tensor)
    )


def _tensors_of_model(model: memoryview) -> Iterator[memoryview]:
    for number, _, value in _fields(model):
        if number == GRAPH:
            yield from _tensors_of_graph(value)
        elif number == FUNCTION:
            yield from (t for n, _, node in _fields(value) if n == INSIDE for t in _tensors_of_node(node))


def _tensors_of_graph(graph: memoryview) -> Iterator[memoryview]:
    for number, _, value in _fields(graph):
        if number == WEIGHTS:
            yield value
        elif number == SPARSE_WEIGHTS:
            yield from (part for n, _, part in _fields(value) if n in SPARSE_PARTS)
        elif number == NODE:
            yield from _tensors_of_node(value)


def _tensors_of_node(node: memoryview) -> Iterator[memoryview]:
    for number, _, value in (field for n, _, a in _fields(node) if n == ATTRIBUTE for field in _fields(a)):
        if number in (TENSOR, TENSORS):
            yield value
        elif number in SPARSE:
            yield from (part for n, _, part in _fields(value) if n in SPARSE_PARTS)
        elif number in (INNER, INNERS):
            yield from _tensors_of_graph(value)


def _pruned(graph: memoryview, outputs: Collection[str]) -> bytes:
    fields = list(_fields(graph))
    needed, kept = set(outputs), set()
    for i, (number, _, value) in reversed(list(enumerate(fields))):  # nodes stand behind those they read from
        if number == NODE and needed & set(_texts(value, GIVES)):
            kept.add(i)
            needed |= _read(value)
    for i, (number, _, value) in enumerate(fields):
        names = outputs if number == OUTPUT else needed
        if number != NODE and (number not in NAME or set(_texts(value, NAME[number])) & set(names)):
            kept.add(i)
    return b"".join(bytes(fields[i][1]) for i in sorted(kept))


def _read(node: memoryview) -> set[str]:
    """Names that a node reads, and those that graphs inside it may read from around it."""
    names = set(_texts(node, TAKES))
    for number, _, attribute in _fields(node):
        if number == ATTRIBUTE:
            for inner in (value for n, _, value in _fields(attribute) if n in (INNER, INNERS)):
                for n, _, value in _fields(inner):
                    names |= _read(value) if n == NODE else set(_texts(value, NAME[n])) if n == OUTPUT else set()
    return names


def _texts(message: memoryview, wanted: int) -> list[str]:
    return [bytes(value).decode() for number, _, value in _fields(message) if number == wanted]


def _fields(message: memoryview) -> Fields:
    """Number, whole bytes and value of each field."""
    place = 0
    while place < len(message):
        begin = place
        key, place = _number(message, place)
        kind = key & 7
        if kind == 0:
            end = _number(message, place)[1]
        elif kind == 2:
            length, place = _number(message, place)
            end = place + length
        elif kind in (1, 5):
            end = place + (8 if kind == 1 else 4)
        else:
            raise ValueError(f"got a field of kind {kind}, expected a protobuf message")
        if end > len(message):
            raise ValueError("the file is cut off")
        yield key >> 3, message[begin:end], message[place:end]
        place = end


def _number(message: memoryview, place: int) -> tuple[int, int]:
    """A number, seven bits per byte, and the position behind it."""
    value = shift = 0
    while place < len(message):
        byte = message[place]
        value |= (byte & 127) << shift
        place, shift = place + 1, shift + 7
        if byte < 128:
            return value, place
    raise ValueError("the file is cut off")


def _message(number: int, value: bytes) -> bytes:
    """A field that holds a message."""
    return _bytes(number << 3 | 2) + _bytes(len(value)) + value


def _bytes(value: int) -> bytes:
    made = bytearray()
    while value > 127:
        made.append(value & 127 | 128)
        value >>= 7
    return bytes([*made, value])
