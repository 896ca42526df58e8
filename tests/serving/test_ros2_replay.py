"""A bag through the network without ROS: the messages that come out are those of the Python predictor."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rosbags", reason="rosbags is not installed; pip install hydranet[record]")
from rosbags.highlevel import AnyReader
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

from full_disk import no_file_beyond
from hydranet.core.sample import Camera
from hydranet.deploy.predictor import SessionPredictor
from hydranet.serving.ros2.pipeline import Outputs, Perception
from hydranet.serving.ros2.replay import BagError, Replay, _bag, is_bag
from web_client import Toy, image_file

K = [50.0, 0, 44.5, 0, 50.0, 19.5, 0, 0, 1]
FRAMES = 4


def write_bag(path: Path, plugin: StoragePlugin, second_topic: bool = False) -> list[np.ndarray]:
    """Raw images on /cam/image, one of them broken, CameraInfo beside them; the pixels of the good ones."""
    store = get_typestore(Stores.ROS2_JAZZY)
    types = store.types
    stamp, header = types["builtin_interfaces/msg/Time"], types["std_msgs/msg/Header"]
    image, info, roi = (types[f"sensor_msgs/msg/{name}"] for name in ("Image", "CameraInfo", "RegionOfInterest"))
    pixels = [image_file(i)[1] for i in range(FRAMES)]
    with Writer(path, version=9, storage_plugin=plugin) as writer:
        images = writer.add_connection("/cam/image", "sensor_msgs/msg/Image", typestore=store)
        infos = writer.add_connection("/cam/camera_info", "sensor_msgs/msg/CameraInfo", typestore=store)
        if second_topic:
            writer.add_connection("/other/image", "sensor_msgs/msg/Image", typestore=store)
        region = roi(0, 0, 0, 0, False)
        matrix, rotation, projection = np.array(K), np.eye(3).reshape(-1), np.zeros(12)
        said = info(
            header(stamp(1, 0), "front"), 40, 90, "plumb_bob", np.zeros(5), matrix, rotation, projection, 0, 0, region
        )
        writer.write(infos, 0, store.serialize_cdr(said, said.__msgtype__))
        for i, rgb in enumerate(pixels):
            head = header(stamp(100 + i, 7), "front")
            made = image(head, 40, 90, "rgb8", 0, 270, rgb.reshape(-1))
            writer.write(images, 10**9 * (i + 1), store.serialize_cdr(made, made.__msgtype__))
        broken = image(header(stamp(200, 0), "front"), 40, 90, "32FC1", 0, 360, np.zeros(14400, np.uint8))
        writer.write(images, 10**11, store.serialize_cdr(broken, broken.__msgtype__))
    return pixels


def read_bag(path: Path) -> dict[str, list[tuple[int, Any]]]:
    """Messages by topic with their times, read with the definitions that the bag itself holds."""
    rows: dict[str, list[tuple[int, Any]]] = {}
    with AnyReader([path]) as reader:
        for connection, time_ns, data in reader.messages():
            rows.setdefault(connection.topic, []).append((time_ns, reader.deserialize(data, connection.msgtype)))
    return rows


@pytest.mark.parametrize("plugin", [StoragePlugin.MCAP, StoragePlugin.SQLITE3])
def test_a_bag_of_answers_equals_the_predictor(tmp_path: Path, plugin: StoragePlugin) -> None:
    pixels = write_bag(tmp_path / "drive", plugin)
    single = next((tmp_path / "drive").glob("*.mcap"), None)
    source = single or tmp_path / "drive"  # a lone .mcap has no metadata beside it
    assert is_bag(source)
    replay = Replay(source)
    perception = Perception(SessionPredictor(Toy()), Outputs(vision=True, cloud=True))
    assert list(replay.run(perception, tmp_path / "out")) == [1, 2, 3, 4]
    assert replay.ledger.sentences() == [
        next(one for one in replay.ledger.sentences() if "32FC1" in one and "/cam/image: 1 frame dropped" in one)
    ]
    rows = read_bag(tmp_path / "out")
    predictor = SessionPredictor(Toy())
    for i, rgb in enumerate(pixels):
        expected = predictor(rgb)
        time_ns, depth = rows["/hydranet/far/image"][i]
        assert (time_ns, depth.header.stamp.sec, depth.header.stamp.nanosec) == (10**9 * (i + 1), 100 + i, 7)
        assert (depth.header.frame_id, depth.encoding) == ("front", "32FC1")
        np.testing.assert_array_equal(depth.data.view("<f4").reshape(40, 90), expected["far"].values)
        ids = rows["/hydranet/area/image"][i][1]
        np.testing.assert_array_equal(ids.data.reshape(40, 90), expected["area"].ids)
        found = rows["/hydranet/cars/detections"][i][1].detections
        boxes = [
            (d.bbox.center.position.x, d.bbox.center.position.y, d.bbox.size_x, d.results[0].hypothesis.score)
            for d in found
        ]
        x0, y0, x1, y1 = expected["cars"].xyxy.T
        wanted = np.column_stack([(x0 + x1) / 2, (y0 + y1) / 2, x1 - x0, expected["cars"].score])
        np.testing.assert_allclose(boxes, wanted, rtol=1e-6)
        solid = rows["/hydranet/cars/detections_3d"][i][1].detections
        assert [d.bbox.center.position.z for d in solid] == pytest.approx(expected["cars"].distance_m.tolist())
        cloud = rows["/hydranet/points"][i][1].data.view("<f4").reshape(40, 90, 4)
        np.testing.assert_array_equal(cloud[..., 2], expected["far"].values)
    (info,) = [message for _, message in rows["/hydranet/area/label_info"]]
    assert [one.class_name for one in info.class_map] == ["dark", "middle", "bright", "UNLABELED"]
    assert len(rows["/hydranet/overlay"]) == FRAMES
    camera = Camera(np.array([[50.0, 0, 45], [0, 50, 20], [0, 0, 1]]))
    x = (0.5 - camera.matrix[0, 2]) / 50 * cloud[0, 0, 2]
    assert cloud[0, 0, 0] == pytest.approx(x)


def test_what_is_no_bag_and_what_is_not_in_it(tmp_path: Path) -> None:
    write_bag(tmp_path / "drive", StoragePlugin.MCAP, second_topic=True)
    with pytest.raises(BagError, match="expected one with images: /cam/image, /other/image"):
        Replay(tmp_path / "drive")
    broken = tmp_path / "broken.mcap"
    broken.write_bytes(b"\x89MCAP0\r\n" + bytes(100))
    assert is_bag(broken)
    with pytest.raises(BagError, match="cannot be read as a bag"):
        Replay(broken)
    assert not is_bag(tmp_path)
    perception = Perception(SessionPredictor(Toy()))
    with pytest.raises(BagError, match="exists"):
        next(Replay(tmp_path / "drive", "/cam/image").run(perception, tmp_path / "drive"))


def write_texts(out: Path, count: int) -> None:
    """A message of 200 KB each; six of them fill a chunk. The file as it is before the end is copied to killed.mcap."""
    store = get_typestore(Stores.ROS2_JAZZY)
    text = store.types["std_msgs/msg/String"]("x" * 200_000)
    data = store.serialize_cdr(text, text.__msgtype__)
    with _bag(out) as writer:
        topic = writer.add_connection("/text", text.__msgtype__, store)
        for time_ns in range(count):
            writer.write(topic, time_ns, data)
        (out.parent / "killed.mcap").write_bytes((out / f"{out.name}.mcap").read_bytes())


def times(path: Path) -> list[int]:
    return [time_ns for time_ns, _ in read_bag(path).get("/text", [])]


def test_a_bag_that_a_kill_ends_can_be_opened(tmp_path: Path) -> None:
    write_texts(tmp_path / "out", 10)
    assert times(tmp_path / "killed.mcap") == list(range(6))
    assert times(tmp_path / "out") == list(range(10))


def test_a_bag_on_a_full_disk_can_be_opened(tmp_path: Path) -> None:
    sentence = r"cannot write .*out.mcap: File too large; what was written until then can be opened as a single .mcap"
    with no_file_beyond(2_000_000), pytest.raises(BagError, match=sentence):
        write_texts(tmp_path / "out", 20)
    assert times(tmp_path / "out" / "out.mcap") == list(range(6))
