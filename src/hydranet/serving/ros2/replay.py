"""A recorded bag through the network, without ROS: rosbag2 (SQLite or MCAP) and single .mcap files; needs rosbags."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from hydranet.core.errors import UserError
from hydranet.core.extras import needing
from hydranet.core.ledger import Ledger, Omission
from hydranet.core.sample import Camera, DataError
from hydranet.deploy.recording.mcap_records import McapRecords
from hydranet.serving.ros2.camera_image import EncodingError, RawImage, camera_of, rgb_of, rgb_of_compressed
from hydranet.serving.ros2.message import Message, Published, Stamp
from hydranet.serving.ros2.pipeline import Perception

IMAGE, COMPRESSED, INFO = "sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage", "sensor_msgs/msg/CameraInfo"
NODE = "/hydranet"
"""Topics of a replay lie below this name, as those of the node do."""


class BagError(UserError, ValueError):
    """A bag that cannot be read, or that has not the topic that is asked for."""


def is_bag(path: Path) -> bool:
    """Whether a path is a recording of ROS 2: a folder with metadata.yaml, or a single .mcap or .db3."""
    return (path / "metadata.yaml").is_file() or (path.suffix in (".mcap", ".db3") and path.is_file())


@dataclass
class Replay:
    """An open bag in, a new bag out. topic: of the images; "" = the only one. info: of CameraInfo; "" = beside it.

    Raises BagError, ImportError naming the extra.
    """

    path: Path
    topic: str = ""
    info: str = ""

    def __post_init__(self) -> None:
        with needing("reading a bag"):
            from rosbags.highlevel import AnyReader
            from rosbags.typesys import Stores, get_typestore
        self._store = get_typestore(Stores.ROS2_JAZZY)
        self._store.register(_vision_definitions())
        try:
            self._reader = AnyReader([self.path], default_typestore=self._store)
            self._reader.open()
        except Exception as error:  # rosbags lets errors of SQLite, YAML and MCAP through
            raise BagError(f"{self.path} cannot be read as a bag ({error}); record it again or repair it") from error
        kinds = {one.topic: one.msgtype for one in self._reader.connections}
        images = sorted(name for name, kind in kinds.items() if kind in (IMAGE, COMPRESSED))
        if not self.topic and len(images) == 1:
            (self.topic,) = images
        if self.topic not in images:
            self._reader.close()
            raise BagError(
                f"got topic {self.topic!r} of {self.path}, expected one with images: {', '.join(images) or 'none'}"
            )
        beside = self.topic.removesuffix("/compressed").rpartition("/")[0] + "/camera_info"
        self.info = self.info or (beside if kinds.get(beside) == INFO else "")
        self.ledger = Ledger()

    def run(self, perception: Perception, out: Path) -> Iterator[int]:
        """Writes a rosbag2 folder in MCAP, with the messages at the times of their images; yields their number so far.

        Images that cannot be used are counted in `ledger`. Raises BagError where `out` exists or cannot be written;
        what was written until then can be opened, as after a kill.
        """
        count = 0
        if out.exists():
            self._reader.close()
            raise BagError(f"{out} exists; remove it or choose another --out")
        with closing(self._reader), _bag(out) as writer:
            connections = dict[str, Any]()
            for rgb, stamp, camera, time_ns in self._frames():
                rows = [*(perception.labels() if not count else ()), *perception(rgb, stamp, camera)]
                for published in rows:
                    self._write(writer, connections, published, time_ns)
                count += 1
                yield count

    def _frames(self) -> Iterator[tuple[np.ndarray, Stamp, Camera | None, int]]:
        """Each image of the topic, its stamp, the last camera that was said before it, and when it was recorded."""
        chosen = [one for one in self._reader.connections if one.topic in (self.topic, self.info)]
        info: Any = None
        for connection, time_ns, data in self._reader.messages(chosen):
            message: Any = self._reader.deserialize(data, connection.msgtype)
            if connection.msgtype == INFO:
                info = message
                continue
            head = message.header
            stamp = Stamp(head.stamp.sec, head.stamp.nanosec, head.frame_id)
            try:
                if connection.msgtype == COMPRESSED:
                    rgb = rgb_of_compressed(message.format, message.data)
                else:
                    fields = (message.height, message.width, message.encoding, message.step, message.data)
                    rgb = rgb_of(RawImage(*fields, bool(message.is_bigendian)))
                camera = camera_of(info.k, (info.height, info.width), rgb.shape[:2]) if info is not None else None
            except (EncodingError, DataError) as error:
                self.ledger = self.ledger.noted(Omission.FRAME_DROPPED, self.topic, str(error), count=1)
                continue
            yield rgb, stamp, camera, time_ns

    def _write(self, writer: Any, connections: dict[str, Any], published: Published, time_ns: int) -> None:
        topic, kind = f"{NODE}/{published.topic}", published.message.type
        if topic not in connections:
            connections[topic] = writer.add_connection(topic, kind, self._store)
        data = self._store.serialize_cdr(recorded(self._store, published.message), kind)
        writer.write(connections[topic], time_ns, data)


@contextmanager
def _bag(out: Path) -> Iterator[Any]:
    """An open bag for writing, whose .mcap file is as good as a finished one at any time, up to its last chunk."""
    from rosbags.rosbag2 import StoragePlugin, Writer

    try:
        with Writer(out, version=9, storage_plugin=StoragePlugin.MCAP) as writer:
            storage: Any = writer.storage
            storage.bio.close()
            storage.bio = records = McapRecords(storage.path, kept=True)
            yield _Checked(writer, records)
        error = records.error
    except OSError as failure:
        error = failure
    if error:
        raise BagError(
            f"cannot write {error.filename or out}: {error.strerror}; what was written until then can be opened as a "
            "single .mcap file; make room or choose another --out"
        ) from error


@dataclass(frozen=True)
class _Checked:
    """A writer of rosbags that ends where its file cannot be written."""

    writer: Any
    records: McapRecords

    def add_connection(self, topic: str, kind: str, store: Any) -> Any:
        """A new topic."""
        return self.writer.add_connection(topic, kind, typestore=store)

    def write(self, connection: Any, time_ns: int, data: Any) -> None:
        """One message. Raises OSError."""
        self.writer.write(connection, time_ns, data)
        if error := self.records.error:
            raise error


def recorded(store: Any, message: Message) -> Any:
    """A plain message as an object of rosbags' classes, which know no defaults: each field is filled."""
    values = {}
    for name, (node, described) in store.fielddefs[message.type][1]:
        values[name] = _filled(store, node.name, described, message.fields.get(name))
    return store.types[message.type](**values)


def _filled(store: Any, node: str, described: Any, value: Any) -> Any:
    """A field's value, or its default. node: BASE, NAME, ARRAY or SEQUENCE, as rosbags describes types."""
    if node == "NAME":
        return recorded(store, value if value is not None else Message(described))
    if node == "BASE":
        kind = described[0]
        if value is None:
            return "" if kind == "string" else False if kind == "bool" else 0
        return value[0] if isinstance(value, bytes) else value
    (inner, what), length = described
    if inner.name == "NAME":
        rows = value if value is not None else [Message(what)] * length
        return [recorded(store, row) for row in rows]
    if what[0] == "string":
        return list(value or [""] * length)
    dtype = {"byte": "uint8", "octet": "uint8", "char": "uint8"}.get(what[0], what[0])
    return np.zeros(length, dtype) if value is None else np.ascontiguousarray(value, dtype)


def _vision_definitions() -> dict[str, Any]:
    """vision_msgs 4.1, which rosbags does not bring, from its text in this package."""
    from rosbags.typesys import get_types_from_msg

    text = (files("hydranet.serving.ros2") / "vision_msgs.txt").read_text(encoding="utf-8")
    types: dict[str, Any] = {}
    for part in text.split("=== ")[1:]:
        name, _, body = part.partition("\n")
        types |= get_types_from_msg(body, f"vision_msgs/msg/{name.strip()}")
    return types
