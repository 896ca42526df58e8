"""A camera and a listener as a process of their own: publishes images, notes what the node answers, writes JSON."""

import json
import sys
import time
from typing import Any

import numpy as np
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image
from std_msgs.msg import String


def image_of(number: int, size: tuple[int, int]) -> np.ndarray:
    """uint8 h w 3: brightness counts, so that an answer tells which image it belongs to."""
    return np.full((*size, 3), 20 + 3 * (number % 70), np.uint8)


def main(frames: int, rate: float, out: str) -> None:
    """Sends `frames` images, a wrong encoding after them, then images of another size; notes all answers."""
    rclpy.init()
    node = rclpy.create_node("camera")
    sensor = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
    publisher = node.create_publisher(Image, "/image", sensor)
    answers: list[dict[str, Any]] = []
    diagnostics: list[list[Any]] = []

    def note(kind: str, message: Any) -> None:
        if kind == "json":
            said = json.loads(message.data)
            stamp, frame, value = said["header"], said["header"]["frame_id"], said["value"]
            answers.append(
                {"kind": kind, "sec": stamp["sec"], "nanosec": stamp["nanosec"], "frame": frame, "value": value}
            )
            return
        values = np.frombuffer(message.data, np.float32 if message.encoding == "32FC1" else np.uint8)
        answers.append(
            {
                "kind": kind,
                "sec": message.header.stamp.sec,
                "nanosec": message.header.stamp.nanosec,
                "frame": message.header.frame_id,
                "size": [message.height, message.width],
                "value": float(values[0]),
                "late_s": time.time() - message.header.stamp.sec - message.header.stamp.nanosec / 1e9,
            }
        )

    node.create_subscription(Image, "/hydranet/far/image", lambda m: note("far", m), 10)
    node.create_subscription(Image, "/hydranet/area/image", lambda m: note("area", m), 10)
    node.create_subscription(String, "/hydranet/bright/json", lambda m: note("json", m), 10)

    def note_health(message: Any) -> None:
        status = message.status[0]
        diagnostics.append([status.level[0], status.message, {one.key: one.value for one in status.values}])

    node.create_subscription(DiagnosticArray, "/diagnostics", note_health, 10)
    end = time.monotonic() + 60
    while not (publisher.get_subscription_count() and node.count_publishers("/diagnostics")) and time.monotonic() < end:
        rclpy.spin_once(node, timeout_sec=0.1)
    sent = {}

    def send(number: int, size: tuple[int, int], encoding: str = "rgb8") -> None:
        now = node.get_clock().now().to_msg()
        message = Image(height=size[0], width=size[1], encoding=encoding, step=3 * size[1])
        message.header.stamp, message.header.frame_id = now, "front"
        message.data.frombytes(image_of(number, size).tobytes())
        sent[f"{now.sec}.{now.nanosec}"] = [number, list(size)]
        publisher.publish(message)

    def during(seconds: float) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            rclpy.spin_once(node, timeout_sec=0.01)

    send(0, (40, 90))
    during(1.0)
    for number in range(frames):
        send(number, (40, 90))
        during(1 / rate)
    during(1.5)
    for number in range(3):
        send(number, (64, 48))
        during(0.4)
    send(0, (40, 90), "32FC9")
    during(2.5)
    with open(out, "w") as file:
        json.dump({"sent": sent, "answers": answers, "diagnostics": diagnostics}, file)
    node.destroy_node()
    rclpy.shutdown()


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]), sys.argv[3])
