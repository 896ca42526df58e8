"""The ROS 2 node: an image topic in, one message per head out. Needs rclpy."""

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy

from hydranet.core.errors import UserError
from hydranet.core.sample import Camera
from hydranet.deploy.options import PredictorError, check_share
from hydranet.serving.ros2.camera_image import RawImage, camera_of, rgb_of, rgb_of_compressed
from hydranet.serving.ros2.health import Health
from hydranet.serving.ros2.live_messages import message_class, to_ros
from hydranet.serving.ros2.message import Message, Published, Stamp
from hydranet.serving.ros2.newest import Newest
from hydranet.serving.ros2.pipeline import Perception

WAIT_S = 0.2
THRESHOLDS = ("threshold", "iou")
"""Parameters that may be changed while the node runs; -1 = each head's own."""

SENSOR = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
"""Takes what reliable and unreliable cameras publish."""

LATCHED = QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.TRANSIENT_LOCAL)
OUT = QoSProfile(depth=2, reliability=ReliabilityPolicy.RELIABLE)


@dataclass(frozen=True)
class Topics:
    """Names of what the node listens to. compressed: the image topic is a CompressedImage. camera_info: "" = none."""

    image: str = "image"
    compressed: bool = False
    camera_info: str = ""


@dataclass
class _Calibration:
    k: Sequence[float] = field(default_factory=list)
    size: tuple[int, int] = (0, 0)


class PerceptionNode(Node):
    """Publishes below its own name; a thread of its own looks at the newest image while others arrive."""

    def __init__(self, perception: Perception, topics: Topics, name: str = "hydranet") -> None:
        super().__init__(name)
        self._perception, self._calibration = perception, _Calibration()
        self._outputs: dict[str, Any] = {}
        self._newest: Newest[Any] = Newest()
        kind = "sensor_msgs/msg/CompressedImage" if topics.compressed else "sensor_msgs/msg/Image"
        self.create_subscription(message_class(kind), topics.image, self._arrived, SENSOR)
        if topics.camera_info:
            info = message_class("sensor_msgs/msg/CameraInfo")
            self.create_subscription(info, topics.camera_info, self._calibrated, SENSOR)
        self._health = Health(
            f"{self.get_name()}: {perception.predictor.manifest.name}", topics.image, time.monotonic()
        )
        self._diagnostics = self.create_publisher(
            message_class("diagnostic_msgs/msg/DiagnosticArray"), "/diagnostics", 1
        )
        self.create_timer(1.0, self._diagnose)
        for one, value in zip(THRESHOLDS, (perception.threshold, perception.iou), strict=True):
            self.declare_parameter(one, -1.0 if value is None else float(value))
        self.add_on_set_parameters_callback(self._change)
        for name_, value in zip(THRESHOLDS, map(self._parameter, THRESHOLDS), strict=True):
            self._set(name_, value)  # as parameter files and the command line of ROS say
        for published in perception.labels():
            self._publish(published)
        self._closing = threading.Event()
        self._worker = threading.Thread(target=self._work, name="hydranet-perception", daemon=True)
        self._worker.start()

    def close(self) -> None:
        """Ends after the image under way; nothing is published after this call."""
        self._closing.set()
        self._worker.join(10)
        self.destroy_node()

    @property
    def counts(self) -> dict[str, int]:
        """Images that came, and those that a newer one replaced before they were looked at."""
        return {"frames arrived": self._newest.given, "frames dropped": self._newest.dropped}

    def _parameter(self, name: str) -> float:
        return float(self.get_parameter(name).value)

    def _set(self, name: str, value: float) -> None:
        given = None if value == -1 else check_share(value, name)
        if name == "threshold":
            self._perception.threshold = given
        else:
            self._perception.iou = given

    def _change(self, parameters: Sequence[Any]) -> Any:
        """Thresholds given at run time; refused as a whole where one is none."""
        result = message_class("rcl_interfaces/msg/SetParametersResult")(successful=True)
        known = [one for one in parameters if one.name in THRESHOLDS]
        try:
            for one in known:
                if one.value != -1:
                    check_share(one.value, one.name)
        except PredictorError as error:
            result.successful, result.reason = False, f"{error}, or -1 for each head's own"
            return result
        for one in known:
            self._set(one.name, float(one.value))
        return result

    def _arrived(self, image: Any) -> None:
        self._health.arrived(time.monotonic())
        self._newest.put(image)

    def _calibrated(self, info: Any) -> None:
        self._calibration = _Calibration(list(info.k), (info.height, info.width))

    def _work(self) -> None:
        while not self._closing.is_set():
            image = self._newest.take(WAIT_S)
            if image is None or self._closing.is_set():
                continue
            try:
                self._look(image)
            except Exception as error:  # a thread that ends in silence would leave a node that seems to run
                if not self._closing.is_set():
                    self._failed(error)

    def _failed(self, error: Exception) -> None:
        sentence = (
            str(error) if isinstance(error, UserError) else f"the network failed: {type(error).__name__}: {error}"
        )
        if self._health.broke(" ".join(sentence.split()), time.monotonic()):
            self.get_logger().error(" ".join(sentence.split()))

    def _look(self, image: Any) -> None:
        rgb = pixels_of(image)
        stamp = Stamp(image.header.stamp.sec, image.header.stamp.nanosec, image.header.frame_id)
        camera, begin = self._camera(rgb), time.perf_counter()
        predictions = self._perception.predict(rgb, camera)
        network_s = time.perf_counter() - begin
        for published in self._perception.messages(rgb, predictions, stamp, camera, self._has_listener):
            if self._closing.is_set():
                return
            self._publish(published)
        self._health.answered((self.get_clock().now().nanoseconds - stamp.ns) / 1e9, network_s)

    def _camera(self, rgb: np.ndarray) -> Camera | None:
        calibration = self._calibration
        return camera_of(calibration.k, calibration.size, rgb.shape[:2]) if calibration.k else None

    def _publish(self, published: Published) -> None:
        if published.topic not in self._outputs:
            kind, qos = message_class(published.message.type), LATCHED if published.once else OUT
            self._outputs[published.topic] = self.create_publisher(kind, f"~/{published.topic}", qos)
        publisher = self._outputs[published.topic]
        if published.once or publisher.get_subscription_count():
            publisher.publish(to_ros(published.message))

    def _has_listener(self, topic: str) -> bool:
        """Whether anybody listens; of a topic that nobody could know yet, that somebody may."""
        return topic not in self._outputs or self._outputs[topic].get_subscription_count() > 0

    def _diagnose(self) -> None:
        now = self.get_clock().now().to_msg()
        stamp = Stamp(now.sec, now.nanosec, "")
        status = self._health.status(time.monotonic(), self.counts)
        fields = {"header": stamp.header, "status": [status]}
        self._diagnostics.publish(to_ros(Message("diagnostic_msgs/msg/DiagnosticArray", fields)))


def pixels_of(image: Any) -> np.ndarray:
    """uint8 h w 3, RGB, of an Image or CompressedImage of rclpy or of a bag. Raises EncodingError, DataError."""
    kind = type(image).__name__
    if kind.endswith("CompressedImage"):
        return rgb_of_compressed(image.format, image.data)
    raw = RawImage(image.height, image.width, image.encoding, image.step, image.data, bool(image.is_bigendian))
    return rgb_of(raw)


def spin(perception: Perception, topics: Topics, ros_arguments: Sequence[str] = (), name: str = "hydranet") -> None:
    """Runs the node until Ctrl-C or a shutdown of ROS."""
    rclpy.init(args=["hydranet", *ros_arguments])
    node, executor = PerceptionNode(perception, topics, name), SingleThreadedExecutor()
    executor.add_node(node)
    try:
        executor.spin()
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    finally:
        executor.shutdown()
        node.close()
        if rclpy.ok():
            rclpy.shutdown()
