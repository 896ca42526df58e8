"""ROS messages as plain values, a type's name and its fields: made, tested and recorded without ROS."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Message:
    """type: such as "sensor_msgs/msg/Image".    fields: numbers, texts, arrays, Messages, lists of Messages; those that
    are left out have ROS's default."""

    type: str
    fields: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Published:
    """A message for a topic. once: it describes what follows and is kept for those who come later (latched)."""

    topic: str
    message: Message
    once: bool = False


@dataclass(frozen=True)
class Stamp:
    """The header of an image, which all messages about it have."""

    sec: int
    nanosec: int
    frame_id: str

    @property
    def header(self) -> Message:
        """std_msgs/Header."""
        return Message("std_msgs/msg/Header", {"stamp": self.time, "frame_id": self.frame_id})

    @property
    def time(self) -> Message:
        """builtin_interfaces/Time."""
        return Message("builtin_interfaces/msg/Time", {"sec": self.sec, "nanosec": self.nanosec})

    @property
    def ns(self) -> int:
        """Nanoseconds."""
        return self.sec * 10**9 + self.nanosec


def image_message(stamp: Stamp, encoding: str, pixels: np.ndarray) -> Message:
    """sensor_msgs/Image of an array h w or h w c, little-endian."""
    array = np.ascontiguousarray(pixels, pixels.dtype.newbyteorder("<"))
    return Message(
        "sensor_msgs/msg/Image",
        {
            "header": stamp.header,
            "height": array.shape[0],
            "width": array.shape[1],
            "encoding": encoding,
            "is_bigendian": 0,
            "step": array.strides[0],
            "data": array.reshape(-1).view(np.uint8),
        },
    )


def text_message(text: str) -> Message:
    """std_msgs/String."""
    return Message("std_msgs/msg/String", {"data": text})


def point(x: float, y: float, z: float) -> Message:
    """geometry_msgs/Point."""
    return Message("geometry_msgs/msg/Point", {"x": float(x), "y": float(y), "z": float(z)})
