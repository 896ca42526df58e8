"""The executable `node`: `hydranet ros2` with the arguments that ROS gives."""

import sys

from hydranet.cli.main import app


def main() -> None:
    """`ros2 run hydranet_ros node MODEL --ros-args ...` is `hydranet ros2 MODEL -- --ros-args ...`."""
    words = sys.argv[1:]
    place = words.index("--ros-args") if "--ros-args" in words else len(words)
    app(["ros2", *words[:place], *(["--", *words[place:]] if words[place:] else [])])
