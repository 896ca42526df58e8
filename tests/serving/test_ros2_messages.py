"""What the ROS 2 node is given and says, without ROS: encodings, cameras, one message per kind, diagnostics."""

import json
from typing import Any

import numpy as np
import pytest

from fakes import FAKES
from hydranet.annotations import Annotation, Boxes, ClassMap, NormalMap, ScalarMap, Tag
from hydranet.core.sample import Camera
from hydranet.deploy.predictor import SessionPredictor
from hydranet.serving.ros2.camera_image import ENCODINGS, EncodingError, RawImage, camera_of, rgb_of, rgb_of_compressed
from hydranet.serving.ros2.health import Health
from hydranet.serving.ros2.message import Message, Stamp
from hydranet.serving.ros2.newest import Newest
from hydranet.serving.ros2.outputs import Context, label_info, point_cloud, published
from hydranet.serving.ros2.pipeline import OutputError, Outputs, Perception
from web_client import Toy, image_file

STAMP = Stamp(12, 34, "front")
CAMERA = Camera(np.array([[50.0, 0, 20], [0, 50, 10], [0, 0, 1]]))
RGB = np.random.default_rng(0).integers(0, 256, (6, 8, 3), dtype=np.uint8)


def raw(encoding: str, pixels: np.ndarray, pad: int = 0) -> RawImage:
    rows = pixels.reshape(len(pixels), -1).view(np.uint8)
    padded = np.pad(rows, ((0, 0), (0, pad)))
    return RawImage(pixels.shape[0], pixels.shape[1], encoding, padded.shape[1], padded.tobytes())


@pytest.mark.parametrize("pad", [0, 5])
def test_encodings_of_colors(pad: int) -> None:
    alpha = np.concatenate([RGB, np.full((6, 8, 1), 7, np.uint8)], 2)
    for name, pixels in {
        "rgb8": RGB,
        "bgr8": np.ascontiguousarray(RGB[..., ::-1]),
        "8UC3": np.ascontiguousarray(RGB[..., ::-1]),
        "rgba8": alpha,
        "bgra8": np.ascontiguousarray(alpha[..., [2, 1, 0, 3]]),
    }.items():
        np.testing.assert_array_equal(rgb_of(raw(name, pixels, pad)), RGB)
    gray = RGB[..., 0].copy()
    np.testing.assert_array_equal(rgb_of(raw("mono8", gray, pad)), gray[..., None].repeat(3, 2))
    deep = gray.astype("<u2") * 256 + 9
    np.testing.assert_array_equal(rgb_of(raw("mono16", deep, 2 * pad)), gray[..., None].repeat(3, 2))
    big = RawImage(6, 8, "mono16", 16, deep.astype(">u2").tobytes(), True)
    np.testing.assert_array_equal(rgb_of(big), gray[..., None].repeat(3, 2))


@pytest.mark.parametrize(("name", "corner"), [("rggb", 0), ("bggr", 2), ("grbg", 1), ("gbrg", 1)])
def test_bayer_patterns_give_the_color_of_their_first_pixel(name: str, corner: int) -> None:
    """A mosaic with light at the places of red alone, by the name's own order."""
    pixels = np.zeros((16, 16), np.uint8)
    place = name.index("r")
    pixels[place // 2 :: 2, place % 2 :: 2] = 200
    seen = rgb_of(raw(f"bayer_{name}8", pixels))[4:-4, 4:-4].reshape(-1, 3).mean(0)
    assert seen[0] > 150
    assert seen[1:].max() < 5
    assert "rgb"[corner] == name[0]


def test_yuv_of_a_gray_and_a_red_area() -> None:
    gray = np.tile(np.array([128, 90], np.uint8), (4, 6, 1))  # u or v, then y
    np.testing.assert_allclose(rgb_of(raw("uyvy", gray)), 86, atol=4)
    np.testing.assert_allclose(rgb_of(raw("yuv422_yuy2", np.ascontiguousarray(gray[..., ::-1]))), 86, atol=4)


def test_wrong_images_are_one_sentence() -> None:
    cases = [
        (RawImage(6, 8, "32FC1", 32, bytes(192)), "got encoding '32FC1', expected one of rgb8"),
        (RawImage(6, 8, "rgb8", 24, bytes(100)), "got 100 bytes with step 24"),
        (RawImage(6, 8, "rgb8", 20, bytes(1000)), "expected 24 per row"),
        (RawImage(0, 8, "rgb8", 24, b""), "got an image of 8x0"),
        (RawImage(2**31, 2**31, "mono8", 0, b""), "pixels"),
        (RawImage(4, 5, "uyvy", 10, bytes(40)), "cannot convert 5x4 uyvy"),
    ]
    for image, words in cases:
        with pytest.raises(EncodingError, match=words):
            rgb_of(image)
    with pytest.raises(EncodingError, match="compressedDepth"):
        rgb_of_compressed("32FC1; compressedDepth", b"")
    data, rgb = image_file(3)
    np.testing.assert_array_equal(rgb_of_compressed("bgr8; png compressed bgr8", data), rgb)
    assert len(ENCODINGS) == 18


def test_cameras_are_measured_from_the_corner_and_scaled_with_the_image() -> None:
    k = [50, 0, 19.5, 0, 60, 9.5, 0, 0, 1]
    camera = camera_of(k, (20, 40), (20, 40))
    assert camera is not None
    np.testing.assert_allclose(camera.matrix, [[50, 0, 20], [0, 60, 10], [0, 0, 1]])
    half = camera_of(k, (20, 40), (10, 20))
    assert half is not None
    np.testing.assert_allclose(half.matrix, [[25, 0, 10], [0, 30, 5], [0, 0, 1]])
    assert camera_of([0] * 9, (20, 40), (20, 40)) is None
    with pytest.raises(EncodingError, match="got a CameraInfo of 40x20 for an image of 20x20"):
        camera_of(k, (20, 40), (20, 20))


def values(message: Message) -> np.ndarray:
    fields = message.fields
    dtype = {"mono8": "<u1", "32FC1": "<f4", "16UC1": "<u2", "32FC3": "<f4"}[fields["encoding"]]
    array = np.frombuffer(fields["data"].tobytes(), dtype)
    assert fields["step"] * fields["height"] == len(fields["data"])
    return (
        array.reshape(fields["height"], fields["width"], -1).squeeze(-1)
        if "C3" not in fields["encoding"]
        else (array.reshape(fields["height"], fields["width"], 3))
    )


def by_topic(annotation: Annotation, **changes: Any) -> dict[str, Message]:
    context = Context(STAMP, ("road", "car", "person", "sky"), (24, 40), **changes)
    return {one.topic: one.message for one in published("x", annotation, context)}


def test_maps_are_images_in_the_unit_of_the_standard() -> None:
    ids = np.array([[0, 255], [3, 1]], np.uint8)
    said = by_topic(ClassMap(ids))["x/image"]
    assert (said.fields["encoding"], said.fields["header"].fields["frame_id"]) == ("mono8", "front")
    np.testing.assert_array_equal(values(said), ids)
    meters = np.array([[1.2342, np.nan], [80.0, 0.0004]], np.float32)
    np.testing.assert_array_equal(values(by_topic(ScalarMap(meters, "m"))["x/image"]), meters)
    np.testing.assert_array_equal(
        values(by_topic(ScalarMap(meters, "m"), millimeters=True)["x/image"]), [[1234, 0], [0, 0]]
    )
    np.testing.assert_array_equal(values(by_topic(ScalarMap(meters, ""), millimeters=True)["x/image"]), meters)
    xyz = np.random.default_rng(0).random((3, 2, 2)).astype(np.float32)
    np.testing.assert_array_equal(values(by_topic(NormalMap(xyz))["x/image"]), xyz.transpose(1, 2, 0))


BOXES = Boxes(
    np.array([[10, 4, 30, 16], [0, 0, 4, 4]], np.float32),
    np.array([1, 2]),
    score=np.array([0.75, 0.5], np.float32),
    track=np.array([7, -1]),
    distance_m=np.array([10.0, np.nan], np.float32),
)


def test_boxes_with_vision_messages() -> None:
    made = by_topic(BOXES, vision=True, camera=CAMERA)
    assert list(made) == ["x/detections", "x/detections_3d"]
    first, second = made["x/detections"].fields["detections"]
    box = first.fields["bbox"].fields
    assert (box["size_x"], box["size_y"]) == (20, 12)
    assert dict(box["center"].fields["position"].fields) == {"x": 20, "y": 10}
    hypothesis = first.fields["results"][0].fields["hypothesis"].fields
    assert (hypothesis["class_id"], hypothesis["score"], first.fields["id"]) == ("car", 0.75, "7")
    assert (second.fields["id"], second.fields["header"].fields["stamp"].fields["nanosec"]) == ("", 34)
    (solid,) = made["x/detections_3d"].fields["detections"]  # the other one's distance is not known
    place = solid.fields["bbox"].fields["center"].fields["position"].fields
    assert (place["x"], place["y"], place["z"]) == (0, 0, 10)  # the box lies around the principal point
    size = solid.fields["bbox"].fields["size"].fields
    np.testing.assert_allclose([size["x"], size["y"]], [20 / 50 * 10, 12 / 50 * 10])
    assert list(by_topic(BOXES, vision=True)) == ["x/detections"]


def test_boxes_without_vision_messages() -> None:
    made = by_topic(BOXES, camera=CAMERA)
    assert list(made) == ["x/markers", "x/json"]
    delete, first, second = made["x/markers"].fields["markers"]
    assert delete.fields["action"] == 3
    corners = [tuple(p.fields.values()) for p in first.fields["points"]]
    np.testing.assert_allclose(corners[0], (-2, -1.2, 10))
    np.testing.assert_allclose(corners[2], (2, 1.2, 10))
    assert corners[0] == corners[4]
    assert {p.fields["z"] for p in second.fields["points"]} == {1.0}
    said = json.loads(made["x/json"].fields["data"])
    assert said["header"] == {"sec": 12, "nanosec": 34, "frame_id": "front"}
    assert said["boxes"][0]["distance_m"] == 10


def test_a_tag_and_class_names() -> None:
    tag = Tag(np.asarray(1), probs=np.array([0.1, 0.9], np.float32))
    (said,) = by_topic(tag, vision=True)["x/classification"].fields["results"]
    assert (said.fields["class_id"], round(said.fields["score"], 3)) == ("car", 0.9)
    assert by_topic(Tag(np.asarray(255)), vision=True)["x/classification"].fields["results"] == []
    (info,) = label_info("x", ("road", "car"), True, 0.3)
    rows = [(row.fields["class_id"], row.fields["class_name"]) for row in info.message.fields["class_map"]]
    assert (rows, info.once, info.topic) == ([(0, "road"), (1, "car"), (255, "UNLABELED")], True, "x/label_info")
    (text,) = label_info("x", ("road",), False, 0.3)
    assert json.loads(text.message.fields["data"]) == {"0": "road", "255": "UNLABELED"}


@pytest.mark.parametrize("vision", [False, True])
@pytest.mark.parametrize("kind", Annotation.KINDS, ids=lambda kind: kind.__name__)
def test_every_kind_has_messages(kind: type[Annotation], vision: bool) -> None:
    made = by_topic(FAKES[kind](np.random.default_rng(0), 24, 40), vision=vision, camera=CAMERA)
    assert made
    assert all("/msg/" in message.type for message in made.values())


def test_points_lie_where_the_camera_saw_them() -> None:
    meters = np.array([[2.0, np.nan], [4.0, 8.0]], np.float32)
    rgb = np.array([[[255, 0, 0], [0, 0, 0]], [[0, 255, 0], [1, 2, 3]]], np.uint8)
    camera = Camera(np.array([[2.0, 0, 0.5], [0, 4, 0.5], [0, 0, 1]]))
    made = point_cloud(meters, rgb, camera, STAMP).fields
    points = np.frombuffer(made["data"].tobytes(), "<f4").reshape(2, 2, 4)
    np.testing.assert_allclose(points[..., :3], [[[0, 0, 2], [np.nan] * 3], [[0, 1, 4], [4, 2, 8]]])
    np.testing.assert_array_equal(points[..., 3].view(np.uint32), [[0xFF0000, 0], [0x00FF00, 0x010203]])
    assert (made["is_dense"], made["row_step"], len(made["data"])) == (False, 32, 64)


def test_one_image_gives_all_messages_with_one_stamp() -> None:
    _, rgb = image_file(4)
    perception = Perception(SessionPredictor(Toy()), Outputs(overlay=True, cloud=True))
    rows = perception(rgb, STAMP, CAMERA)
    topics = [one.topic for one in rows]
    assert topics == [
        *("far/image", "area/image", "cars/markers", "cars/json", "lines/markers", "lines/json"),
        *("sign/json", "bright/json", "faces/image", "overlay", "points"),
    ]
    asked: list[str] = []
    few = perception.messages(
        rgb, perception.predict(rgb, CAMERA), STAMP, CAMERA, lambda topic: bool(asked.append(topic))
    )
    assert ([one.topic for one in few], asked) == (topics[:-2], ["overlay", "points"])  # nobody listens: not drawn
    with_header = [one.message.fields["header"] for one in rows if "header" in one.message.fields]
    assert all(header == STAMP.header for header in with_header)
    assert [one.topic for one in perception.labels()] == ["area/labels", "cars/labels", "sign/labels"]
    np.testing.assert_array_equal(values(rows[0].message), SessionPredictor(Toy())(rgb)["far"].values)
    perception.threshold = 0.99
    again = {one.topic: one.message for one in perception(rgb, STAMP, None)}
    assert json.loads(again["cars/json"].fields["data"])["boxes"] == []
    assert "points" not in again
    with pytest.raises(OutputError, match="without a depth head"):
        Perception(SessionPredictor(Toy(), ["cars"]), Outputs(cloud=True))


@pytest.mark.parametrize(("threshold", "published"), [(None, 0.25), (0.0, 0.0), (0.5, 0.5)])
def test_label_info_states_the_threshold_in_use(threshold: float | None, published: float) -> None:
    perception = Perception(
        SessionPredictor(Toy(), ["cars"], options={"cars": {"score_threshold": 0.25}}), Outputs(vision=True), threshold
    )
    (info,) = [one for one in perception.labels() if one.topic == "cars/label_info"]
    assert info.message.fields["threshold"] == published


def test_the_overlay_leaves_the_image_visible() -> None:
    _, rgb = image_file(4)

    def overlay(heads: list[str]) -> bytes:
        *_, last = Perception(SessionPredictor(Toy(), heads))(rgb, STAMP, None)
        assert last.topic == "overlay"
        return bytes(last.message.fields["data"])

    assert overlay(["cars", "faces"]) == overlay(["cars"])
    assert overlay(["faces"]) != rgb.tobytes()  # nothing else is there: drawn after all


def test_the_newest_image_wins() -> None:
    place: Newest[int] = Newest()
    assert place.take(0) is None
    for i in range(3):
        place.put(i)
    assert (place.take(0), place.take(0), place.given, place.dropped) == (2, None, 3, 2)


def test_health_says_what_is_wrong() -> None:
    health = Health("node: model", "/image", 100.0)

    def status(now_s: float) -> tuple[int, str]:
        fields = health.status(now_s, {"frames dropped": 4}).fields
        return fields["level"][0], fields["message"]

    assert status(101) == (0, "running")
    assert status(104) == (1, "no image on /image for 3 s; is the camera running?")
    health.arrived(105)
    health.answered(0.050, 0.040)
    health.answered(0.070, 0.041)
    assert status(105.5) == (0, "running")
    assert health.broke("got encoding '32FC1'", 106)
    assert not health.broke("got encoding '32FC1'", 106.5)
    assert status(107) == (2, "got encoding '32FC1'")
    health.arrived(111)
    assert status(111) == (0, "running")
    rows = health.status(111, {"frames dropped": 4}).fields["values"]
    said = {row.fields["key"]: row.fields["value"] for row in rows}
    assert said["latency median ms"] == "60.0"
    assert said["latency greatest ms"] == "70.0"
    assert (said["frames dropped"], said["frames answered"], said["frames failed"]) == ("4", "2", "2")
