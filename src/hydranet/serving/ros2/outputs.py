"""Predictions as ROS messages, one function per kind, following REP-117 and REP-118 and the package vision_msgs.

Topics lie below the node's name: HEAD/image for maps, HEAD/detections (vision_msgs) or HEAD/markers and HEAD/json.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import singledispatch
from typing import Any

import numpy as np

from hydranet.annotations import (
    UNKNOWN_ID,
    Annotation,
    Boxes,
    ClassMap,
    Instances,
    Keypoints,
    NormalMap,
    Polylines,
    Quantity,
    ScalarMap,
    Tag,
    UnknownKind,
)
from hydranet.core.sample import Camera
from hydranet.deploy.messages import message
from hydranet.serving.ros2.message import Message, Published, Stamp, image_message, point, text_message
from hydranet.visualization.class_colors import colors_of

MOST_MM = 65535
PLANE_M = 1.0
"""Things whose distance nobody knows are shown on a plane this far from the camera."""


@dataclass(frozen=True)
class Context:
    """What a message depends on beside the prediction.

    camera:  of the image, None = nobody knows: rays are then those of a camera as wide as its focal length.
    vision:  whether vision_msgs are there.    millimeters: depth as 16UC1 in mm, 0 = unknown, instead of 32FC1 meters.
    """

    stamp: Stamp
    classes: Sequence[str] = ()
    size: tuple[int, int] = (1, 1)
    camera: Camera | None = None
    vision: bool = False
    millimeters: bool = False

    def rays(self, xy: np.ndarray) -> np.ndarray:
        """float n 3: points one meter along the optical axis that these pixels (n 2, continuous) show."""
        matrix = (self.camera or Camera.centered(float(self.size[1]), self.size)).matrix
        points = np.asarray(xy, float).reshape(-1, 2)
        flat = (points - matrix[[0, 1], 2]) / matrix[[0, 1], [0, 1]]
        return np.column_stack([flat, np.ones(len(flat))])


def published(head: str, prediction: Annotation, context: Context) -> list[Published]:
    """The messages of one head about one image."""
    return [Published(f"{head}/{name}", made) for name, made in _messages(prediction, context)]


def label_info(head: str, classes: Sequence[str], vision: bool, threshold: float) -> list[Published]:
    """What the class ids of a head mean, once: vision_msgs/LabelInfo, else JSON; 255 = unlabeled."""
    if not classes:
        return []
    names = {**dict(enumerate(classes)), UNKNOWN_ID: "UNLABELED"}
    if not vision:
        return [Published(f"{head}/labels", text_message(json.dumps(names)), once=True)]
    rows = [Message("vision_msgs/msg/VisionClass", {"class_id": i, "class_name": name}) for i, name in names.items()]
    info = Message("vision_msgs/msg/LabelInfo", {"class_map": rows, "threshold": float(threshold)})
    return [Published(f"{head}/label_info", info, once=True)]


@singledispatch
def _messages(prediction: Annotation, context: Context) -> Iterator[tuple[str, Message]]:
    raise UnknownKind("ROS message", type(prediction), "serving/ros2/outputs.py")


@_messages.register
def _(prediction: ClassMap, context: Context) -> Iterator[tuple[str, Message]]:
    yield "image", image_message(context.stamp, "mono8", np.asarray(prediction.ids, np.uint8))


@_messages.register
def _(prediction: ScalarMap, context: Context) -> Iterator[tuple[str, Message]]:
    """Meters along the optical axis, as REP-118 wants it; what is farther than 16 bits say is 0, too."""
    values = np.asarray(prediction.values, np.float32)
    if context.millimeters and prediction.unit == "m":
        mm = np.nan_to_num(values * 1000, nan=0, posinf=0, neginf=0).round()
        yield "image", image_message(context.stamp, "16UC1", np.where(mm > MOST_MM, 0, mm).clip(0).astype(np.uint16))
    else:
        yield "image", image_message(context.stamp, "32FC1", values)


@_messages.register
def _(prediction: NormalMap, context: Context) -> Iterator[tuple[str, Message]]:
    yield "image", image_message(context.stamp, "32FC3", np.asarray(prediction.xyz, np.float32).transpose(1, 2, 0))


@_messages.register
def _(prediction: Boxes, context: Context) -> Iterator[tuple[str, Message]]:
    if not context.vision:
        yield from _markers_and_json(prediction, context)
        return
    boxes = np.asarray(prediction.xyxy, float).reshape(-1, 4)
    centers, sizes = (boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]
    rows = [
        Message(
            "vision_msgs/msg/Detection2D",
            {
                "header": context.stamp.header,
                "results": [_hypothesis(prediction, i, context)],
                "bbox": _bbox(center, size),
                "id": _track(prediction, i),
            },
        )
        for i, (center, size) in enumerate(zip(centers, sizes, strict=True))
    ]
    header = context.stamp.header
    yield "detections", Message("vision_msgs/msg/Detection2DArray", {"header": header, "detections": rows})
    if context.camera is not None and prediction.distance_m is not None:
        yield "detections_3d", _in_space(prediction, centers, sizes, context)


def _hypothesis(prediction: Boxes, i: int, context: Context, at: Message | None = None) -> Message:
    score = 1.0 if prediction.score is None else float(prediction.score[i])
    values = {"class_id": _name(context.classes, int(prediction.label[i])), "score": score}
    pose = {} if at is None else {"pose": Message("geometry_msgs/msg/PoseWithCovariance", {"pose": at})}
    hypothesis = Message("vision_msgs/msg/ObjectHypothesis", values)
    return Message("vision_msgs/msg/ObjectHypothesisWithPose", {"hypothesis": hypothesis, **pose})


def _bbox(center: np.ndarray, size: np.ndarray) -> Message:
    place = Message("vision_msgs/msg/Point2D", {"x": float(center[0]), "y": float(center[1])})
    pose = Message("vision_msgs/msg/Pose2D", {"position": place, "theta": 0.0})
    return Message(
        "vision_msgs/msg/BoundingBox2D", {"center": pose, "size_x": float(size[0]), "size_y": float(size[1])}
    )


def _in_space(prediction: Boxes, centers: np.ndarray, sizes: np.ndarray, context: Context) -> Message:
    """Boxes whose distance (the median of the depth inside) is known, at that distance; their depth is not known: 0."""
    assert context.camera is not None
    focal = context.camera.matrix[[0, 1], [0, 1]]
    rows = []
    for i, distance in enumerate(np.asarray(prediction.distance_m, float)):
        if not np.isfinite(distance):
            continue
        across, down = sizes[i] * distance / focal
        pose = _pose(context.rays(centers[i])[0] * distance)
        size = Message("geometry_msgs/msg/Vector3", {"x": float(across), "y": float(down), "z": 0.0})
        rows.append(
            Message(
                "vision_msgs/msg/Detection3D",
                {
                    "header": context.stamp.header,
                    "results": [_hypothesis(prediction, i, context, pose)],
                    "bbox": Message("vision_msgs/msg/BoundingBox3D", {"center": pose, "size": size}),
                    "id": _track(prediction, i),
                },
            )
        )
    return Message("vision_msgs/msg/Detection3DArray", {"header": context.stamp.header, "detections": rows})


def _pose(place: np.ndarray) -> Message:
    upright = Message("geometry_msgs/msg/Quaternion", {"x": 0.0, "y": 0.0, "z": 0.0, "w": 1.0})
    return Message("geometry_msgs/msg/Pose", {"position": point(*place), "orientation": upright})


@_messages.register
def _(prediction: Polylines | Keypoints, context: Context) -> Iterator[tuple[str, Message]]:
    yield from _markers_and_json(prediction, context)


@_messages.register
def _(prediction: Tag, context: Context) -> Iterator[tuple[str, Message]]:
    if not context.vision:
        yield _json(prediction, context)
        return
    label = int(prediction.label)
    score = 1.0 if prediction.probs is None else float(np.max(prediction.probs))
    values = {"class_id": _name(context.classes, label), "score": score}
    results = [Message("vision_msgs/msg/ObjectHypothesis", values)] if label != UNKNOWN_ID else []
    yield (
        "classification",
        Message("vision_msgs/msg/Classification", {"header": context.stamp.header, "results": results}),
    )


@_messages.register
def _(prediction: Quantity, context: Context) -> Iterator[tuple[str, Message]]:
    yield _json(prediction, context)


def _json(prediction: Annotation, context: Context) -> tuple[str, Message]:
    """The prediction as everywhere in this package, with its stamp: a String has no header."""
    stamp = {"sec": context.stamp.sec, "nanosec": context.stamp.nanosec, "frame_id": context.stamp.frame_id}
    text = json.dumps({"header": stamp, **message(prediction, context.classes)}, allow_nan=False)
    return "json", text_message(text)


def _markers_and_json(prediction: Instances, context: Context) -> Iterator[tuple[str, Message]]:
    """Lines in space for viewers, and the numbers in pixels; the first marker deletes those of the frame before."""
    header = context.stamp.header
    ids = [] if prediction.label is None else [max(int(i), 0) for i in prediction.label]
    colors = colors_of(None, context.classes, max(ids, default=0))
    rows = [Message("visualization_msgs/msg/Marker", {"header": header, "action": 3})]
    for i, (kind, paths) in enumerate(_paths(prediction, context)):
        red, green, blue = (channel / 255 for channel in colors[ids[i] if ids else 0])
        color = Message("std_msgs/msg/ColorRGBA", {"r": red, "g": green, "b": blue, "a": 1.0})
        width = {"x": 0.02, "y": 0.02, "z": 0.0}
        rows.append(
            Message(
                "visualization_msgs/msg/Marker",
                {
                    "header": header,
                    "id": i,
                    "type": kind,
                    "action": 0,
                    "pose": _pose(np.zeros(3)),
                    "scale": Message("geometry_msgs/msg/Vector3", width),
                    "color": color,
                    "points": [point(*place) for place in paths],
                },
            )
        )
    yield "markers", Message("visualization_msgs/msg/MarkerArray", {"markers": rows})
    yield _json(prediction, context)


LINE_STRIP, POINTS = 4, 8


@singledispatch
def _paths(prediction: Instances, context: Context) -> list[tuple[int, np.ndarray]]:
    """Type of marker and points in the camera's frame (n 3) of each instance."""
    raise UnknownKind("ROS marker", type(prediction), "serving/ros2/outputs.py")


@_paths.register
def _(prediction: Boxes, context: Context) -> list[tuple[int, np.ndarray]]:
    """The outline, at the object's distance where it is known."""
    rows = []
    for i, (x0, y0, x1, y1) in enumerate(np.asarray(prediction.xyxy, float).reshape(-1, 4)):
        distance = PLANE_M if prediction.distance_m is None else float(prediction.distance_m[i])
        corners = np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1], [x0, y0]])
        rows.append((LINE_STRIP, context.rays(corners) * (distance if np.isfinite(distance) else PLANE_M)))
    return rows


@_paths.register
def _(prediction: Polylines, context: Context) -> list[tuple[int, np.ndarray]]:
    rows = zip(np.asarray(prediction.points), np.asarray(prediction.valid, bool), strict=True)
    return [(LINE_STRIP, PLANE_M * context.rays(points[valid])) for points, valid in rows]


@_paths.register
def _(prediction: Keypoints, context: Context) -> list[tuple[int, np.ndarray]]:
    rows = zip(np.asarray(prediction.xy), np.asarray(prediction.visible) > 0, strict=True)
    return [(POINTS, PLANE_M * context.rays(points[known])) for points, known in rows]


def _name(classes: Sequence[str], index: int) -> str:
    return classes[index] if 0 <= index < len(classes) else str(index)


def _track(prediction: Instances, i: int) -> str:
    track = -1 if prediction.track is None else int(prediction.track[i])
    return "" if track < 0 else str(track)


def point_cloud(meters: np.ndarray, rgb: np.ndarray, camera: Camera, stamp: Stamp) -> Message:
    """sensor_msgs/PointCloud2, organized as the image is: x y z in meters (NaN = unknown) and the pixel's color.

    meters: float h w along the optical axis.    rgb: uint8 h w 3.
    """
    height, width = meters.shape
    matrix = camera.matrix
    x, y = np.arange(width) + 0.5, np.arange(height) + 0.5
    points = np.empty((height, width, 4), "<f4")
    points[..., 0] = (x[None] - matrix[0, 2]) / matrix[0, 0] * meters
    points[..., 1] = (y[:, None] - matrix[1, 2]) / matrix[1, 1] * meters
    points[..., 2] = meters
    red, green, blue = (rgb[..., i].astype(np.uint32) for i in range(3))
    points[..., 3] = (red << 16 | green << 8 | blue).view(np.float32)
    names = [("x", 0), ("y", 4), ("z", 8), ("rgb", 12)]
    made: dict[str, Any] = {"offset": 0, "datatype": 7, "count": 1}
    return Message(
        "sensor_msgs/msg/PointCloud2",
        {
            "header": stamp.header,
            "height": height,
            "width": width,
            "fields": [Message("sensor_msgs/msg/PointField", {**made, "name": n, "offset": o}) for n, o in names],
            "is_bigendian": False,
            "point_step": 16,
            "row_step": 16 * width,
            "data": points.reshape(-1).view(np.uint8),
            "is_dense": bool(np.isfinite(meters).all()),
        },
    )
