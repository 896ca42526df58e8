"""Plain messages as objects of rclpy's message classes. The only file beside the node that needs ROS."""

import array
import importlib
from typing import Any

import numpy as np

from hydranet.serving.ros2.message import Message


def message_class(name: str) -> Any:
    """The class of "package/msg/Name". Raises ImportError where its package is not installed."""
    package, _, kind = name.split("/")
    return vars(importlib.import_module(f"{package}.msg"))[kind]


def has_vision() -> bool:
    """Whether vision_msgs are installed."""
    try:
        message_class("vision_msgs/msg/Detection2DArray")
    except (ImportError, KeyError):
        return False
    return True


def to_ros(message: Message) -> Any:
    """The message as ROS wants it. Raises AttributeError for a field that its type does not have."""
    made = message_class(message.type)()
    for name, value in message.fields.items():
        setattr(made, name, _value(value))
    return made


def _value(value: Any) -> Any:
    if isinstance(value, Message):
        return to_ros(value)
    if isinstance(value, list):
        return [_value(one) for one in value]
    if isinstance(value, np.ndarray) and value.dtype == np.uint8:
        return array.array("B", value.tobytes())  # anything else is copied number by number
    return value
