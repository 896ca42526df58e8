"""From the camera's stamp to the answer's: how late the ROS 2 node is, and how much of that is the network.

    python benchmarks/ros2_latency.py MODEL [--frames 100] [--rate 4] [--size 192x640] [--heads a,b]

Needs rclpy. A camera publishes slower than the node answers, so that no image waits for another. Printed are the time
from an image's stamp until its last answer is here, and what the node says of itself on /diagnostics: from the stamp
until all messages are out, and the part of that in the predictor.
"""

import argparse
import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

APART = {"ROS_DOMAIN_ID": str(20 + os.getpid() % 80), "ROS_LOCALHOST_ONLY": "1"}


def listen(
    heads: dict[str, str], frames: int, rate: float, size: tuple[int, int]
) -> tuple[list[float], dict[str, str]]:
    """Milliseconds from each image's stamp to its last answer here, and the node's last diagnostics."""
    import rclpy
    from diagnostic_msgs.msg import DiagnosticArray
    from rclpy.qos import QoSProfile, ReliabilityPolicy
    from sensor_msgs.msg import Image

    rclpy.init()
    node = rclpy.create_node("camera")
    publisher = node.create_publisher(Image, "/image", QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT))
    late: dict[tuple[int, int], float] = {}
    health: dict[str, str] = {}

    def note(message: Any) -> None:
        stamp = message.header.stamp
        late[stamp.sec, stamp.nanosec] = 1000 * (time.time() - stamp.sec - stamp.nanosec / 1e9)

    def note_health(message: Any) -> None:
        health.update({one.key: one.value for one in message.status[0].values})

    for topic in heads.values():
        node.create_subscription(Image, topic, note, 10)
    node.create_subscription(DiagnosticArray, "/diagnostics", note_health, 10)
    wait(node, lambda: bool(publisher.get_subscription_count() and node.count_publishers("/diagnostics")), 60)
    pixels = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8).tobytes()
    for _ in range(frames):
        message = Image(height=size[0], width=size[1], encoding="rgb8", step=3 * size[1])
        message.data.frombytes(pixels)
        message.header.stamp = node.get_clock().now().to_msg()
        publisher.publish(message)
        wait(node, lambda: False, 1 / rate)
    wait(node, lambda: False, 2)
    node.destroy_node()
    rclpy.shutdown()
    return list(late.values()), health


def wait(node: Any, done: Callable[[], bool], seconds: float) -> None:
    """Listens until something is so, or the time is over."""
    import rclpy

    end = time.monotonic() + seconds
    while not done() and time.monotonic() < end:
        rclpy.spin_once(node, timeout_sec=0.01)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("model")
    parser.add_argument("--frames", type=int, default=100)
    parser.add_argument("--rate", type=float, default=4.0)
    parser.add_argument("--size", default="192x640", help="of the camera's images")
    parser.add_argument(
        "--heads", default="semantic,depth", help="heads with an image as an answer, that are listened to"
    )
    options = parser.parse_args()
    height, width = map(int, options.size.split("x"))
    os.environ |= APART
    command = [sys.executable, "-m", "hydranet", "ros2", options.model, "--image", "/image"]
    served = subprocess.Popen(command, env=os.environ.copy())
    try:
        topics = {head: f"/hydranet/{head}/image" for head in options.heads.split(",")}
        late, health = listen(topics, options.frames, options.rate, (height, width))
    finally:
        served.send_signal(signal.SIGINT)
        served.wait(30)
    if not late:
        sys.exit("no answer came; see the node's words above")
    print(f"{len(late)} of {options.frames} images answered, {options.size}, {options.rate:g} per second")
    print(
        f"stamp to the last answer here: median {statistics.median(late):.1f} ms, 90 % {np.quantile(late, 0.9):.1f} ms"
    )
    for name, value in health.items():
        print(f"{name}: {value}")


if __name__ == "__main__":
    main()
