"""From a camera's image to all messages about it: what the node and the replay of a bag share."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from hydranet.annotations import Annotation
from hydranet.core.errors import UserError
from hydranet.core.sample import Camera
from hydranet.deploy.predictor import SessionPredictor
from hydranet.postprocess.distance import meters_of
from hydranet.serving.ros2.message import Message, Published, Stamp, image_message
from hydranet.serving.ros2.outputs import Context, label_info, point_cloud, published
from hydranet.visualization.draw import overlaid

OVERLAY, POINTS = "overlay", "points"
"""Topics of the drawing and of the point cloud."""


class OutputError(UserError, ValueError):
    """Messages that this network cannot give."""


@dataclass(frozen=True)
class Outputs:
    """What is published beside one message per head.

    vision: vision_msgs instead of markers and JSON.    millimeters: depth as 16UC1.
    overlay: the image with the predictions drawn on it.    cloud: the depth as points, where a camera is known.
    """

    vision: bool = False
    millimeters: bool = False
    overlay: bool = True
    cloud: bool = False


@dataclass
class Perception:
    """An open network as a function from an image to messages. threshold, iou: may be changed between two images."""

    predictor: SessionPredictor
    outputs: Outputs = field(default_factory=Outputs)
    threshold: float | None = None
    iou: float | None = None

    def __post_init__(self) -> None:
        heads = self.predictor.heads.values()
        if self.outputs.cloud and not any(head.metadata.get("unit") == "m" for head in heads):
            raise OutputError("got a point cloud asked of a network without a depth head; leave it out")

    def labels(self) -> list[Published]:
        """What class ids mean, to be published once."""
        rows = []
        for name, classes in self.predictor.classes.items():
            threshold = self.predictor.heads[name].score_threshold if self.threshold is None else self.threshold
            rows += label_info(name, classes, self.outputs.vision, threshold)
        return rows

    def __call__(self, rgb: np.ndarray, stamp: Stamp, camera: Camera | None) -> list[Published]:
        """All messages about one image (uint8 h w 3), with its stamp; none of heads that rest (`stream(every=...)`).

        Raises what the predictor raises.
        """
        return self.messages(rgb, self.predict(rgb, camera), stamp, camera)

    def predict(self, rgb: np.ndarray, camera: Camera | None) -> dict[str, Annotation]:
        """What the predictor sees in one image. Raises what it raises."""
        known = self.predictor.manifest.camera
        given = camera if known is not None and known.fixed is None else None
        return self.predictor(rgb, self.threshold, self.iou, given)

    def messages(
        self,
        rgb: np.ndarray,
        predictions: Mapping[str, Annotation],
        stamp: Stamp,
        camera: Camera | None,
        has_listener: Callable[[str], bool] = lambda topic: True,
    ) -> list[Published]:
        """The messages about what this thread saw last.

        has_listener: of a topic; a drawing or a cloud that has none is not made.
        """
        size = (rgb.shape[0], rgb.shape[1])
        rows: list[Published] = []
        ages = self.predictor.ages
        for name, prediction in predictions.items():
            if ages.get(name, 0):
                continue  # it rests: its last answer belongs to an earlier image and must not get this one's stamp
            classes, wanted = self.predictor.classes.get(name, ()), self.outputs
            context = Context(stamp, classes, size, camera, wanted.vision, wanted.millimeters)
            rows += published(name, prediction, context)
        if self.outputs.overlay and has_listener(OVERLAY):
            drawn = overlaid(rgb, _drawable(predictions), self.predictor.classes)
            rows.append(Published(OVERLAY, image_message(stamp, "rgb8", drawn)))
        if self.outputs.cloud and camera is not None and has_listener(POINTS):
            meters = next(values for one in predictions.values() if (values := meters_of(one)) is not None)
            rows.append(Published(POINTS, point_cloud(meters, rgb, camera, stamp)))
        return rows


def _drawable(predictions: Mapping[str, Annotation]) -> Mapping[str, Annotation]:
    """Without maps of numbers and of directions, which would hide the image; all, where there is nothing else."""
    others = {name: one for name, one in predictions.items() if not {"values", "xyz"} & set(one.arrays())}
    return others or predictions


def diagnostic(name: str, level: int, sentence: str, values: Sequence[tuple[str, str]]) -> Message:
    """diagnostic_msgs/DiagnosticStatus. level: 0 ok, 1 warning, 2 error, 3 stale."""
    rows = [Message("diagnostic_msgs/msg/KeyValue", {"key": key, "value": value}) for key, value in values]
    status = {"level": bytes([level]), "name": name, "message": sentence, "hardware_id": "hydranet", "values": rows}
    return Message("diagnostic_msgs/msg/DiagnosticStatus", status)
