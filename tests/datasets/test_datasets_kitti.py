"""KITTI: coordinates, projection and labels, on synthetic folders and on real frames."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from dataset_folders import CALIBRATION, CAR, DONT_CARE, HEIGHT, WIDTH, kitti_object, kitti_tracking, scan, write
from hydranet.annotations import Boxes, ScalarMap
from hydranet.core.sample import DataError
from hydranet.core.spec import SpecError
from hydranet.datasets.kitti_object import KittiObject
from hydranet.datasets.kitti_tracking import KittiTracking
from hydranet.io import kitti


def boxes(sample_labels: dict) -> Boxes:
    label = sample_labels["detection"]
    assert isinstance(label, Boxes)
    return label


def depth(sample_labels: dict) -> np.ndarray:
    label = sample_labels["depth"]
    assert isinstance(label, ScalarMap)
    assert label.unit == "m"
    return label.values


def test_labels_move_by_half_a_pixel_and_dont_care_is_ignored(tmp_path: Path) -> None:
    label = boxes(kitti_object(tmp_path)[0].labels)
    assert label.xyxy.tolist() == [[4.5, 5.5, 20.5, 15.5], [22.5, 3.5, 28.5, 8.5]]
    assert label.label.tolist() == [0, -1]
    assert label.ignore.tolist() == [False, True]
    assert label.truncation.tolist() == [0.25, 0]
    assert label.occlusion.tolist() == [1, 3]
    assert label.track is None


def test_an_empty_label_file_says_that_nothing_is_there(tmp_path: Path) -> None:
    label = boxes(kitti_object(tmp_path)[2].labels)
    assert label.xyxy.shape == (0, 4)


def test_camera_projects_camera_points_to_our_pixels(tmp_path: Path) -> None:
    camera = kitti_object(tmp_path)[0].camera
    assert camera is not None
    u, v, w = camera.matrix @ [0, 0, 10]
    assert (u / w, v / w) == (16, 12), "the axis meets the center of a 32x24 image"


def test_scan_lands_where_a_loop_puts_it_and_the_nearest_point_wins(tmp_path: Path) -> None:
    points = scan(tmp_path / "a.bin")
    calibration = kitti.read_calibration(write(tmp_path / "calib.txt", CALIBRATION))
    seen = kitti.project_velodyne(kitti.read_velodyne(tmp_path / "a.bin"), calibration, (HEIGHT, WIDTH)).values
    expected = np.full((HEIGHT, WIDTH), np.nan)
    for x, y, z, _ in points.astype(np.float64):
        if x > 0:
            column, row = round(20 * -y / x + 15.5), round(20 * -z / x + 11.5)
            if 0 <= column < WIDTH and 0 <= row < HEIGHT:
                expected[row, column] = np.nanmin([expected[row, column], x])
    assert np.isfinite(expected).sum() > 50
    np.testing.assert_allclose(seen, expected, rtol=1e-6)


def test_depth_pictures_are_meters_times_256_and_zero_is_unknown(tmp_path: Path) -> None:
    dataset = kitti_object(tmp_path)
    stored = np.zeros((HEIGHT, WIDTH), np.uint16)
    stored[3, 4] = 2560 + 128
    write(tmp_path / "training/depth_velo/000000.png", stored)
    values = depth(dataset[0].labels)
    assert values[3, 4] == 10.5
    assert np.isfinite(values).sum() == 1


@pytest.mark.parametrize(
    ("split", "frames"), [("", [0, 1, 7]), ("0-1", [0, 1]), ("1-9,0", [0, 1, 7]), ("7", [7]), ("lists/val.txt", [7, 0])]
)
def test_splits(tmp_path: Path, split: str, frames: list[int]) -> None:
    kitti_object(tmp_path)
    write(tmp_path / "lists/val.txt", "000007\n000000\n")
    assert [int(path.stem) for path in KittiObject(str(tmp_path), split=split).frames] == frames


def test_splits_that_name_nothing(tmp_path: Path) -> None:
    kitti_object(tmp_path)
    write(tmp_path / "val.txt", "000007\n000123\n")
    with pytest.raises(DataError, match=r"no frame 50-60 in .*image_2; check the split"):
        len(KittiObject(str(tmp_path), split="50-60"))
    with pytest.raises(DataError, match=r"names 2 frames, 1 of which are not in .*first: 000123"):
        len(KittiObject(str(tmp_path), split="val.txt"))
    with pytest.raises(DataError, match=r"missing file .*train.txt"):
        len(KittiObject(str(tmp_path), split="train.txt"))
    with pytest.raises(SpecError, match="got '1-2-3', expected numbers and ranges"):
        len(KittiObject(str(tmp_path), split="1-2-3"))


def test_only_the_labels_asked_for_are_read(tmp_path: Path) -> None:
    kitti_object(tmp_path)
    (tmp_path / "training/label_2/000000.txt").unlink()
    assert set(KittiObject(str(tmp_path), labels=("depth",))[0].labels) == {"depth"}
    assert KittiObject(str(tmp_path), labels=())[0].labels == {}
    with pytest.raises(SpecError, match="did you mean 'depth'"):
        KittiObject(str(tmp_path), labels=("dept",))
    with pytest.raises(SpecError, match="no depth of KittiObject is called 'lidar'"):
        KittiObject(str(tmp_path), depth="lidar")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (CAR.replace("Car", "Cart"), r"label_2/000000.txt:1: class 'Cart', expected one of Car, Van"),
        (f"{DONT_CARE}\n{CAR[:30]}", r"000000.txt:2: \d columns, expected the 15"),
        (CAR.replace("20.00", "3.00"), r"000000.txt:1: box \(4.5, 5.5, 3.5, 15.5\) has no area"),
        (CAR.replace("20.00", "nan"), r"000000.txt:1: box .*not finite"),
        (CAR.replace("20.00", "wide"), r"000000.txt:1: .*'wide'; expected a number"),
        (CAR.replace("4.00", "44.00").replace("20.00", "60.00"), r"000000.txt:1: box .* outside its image of 32x24"),
        (CAR.replace("Car 0.25 1", "Car 0.25 7"), r"000000.txt:1: truncation 0.25 and occlusion 7"),
    ],
)
def test_bad_labels_are_named_by_file_and_line(tmp_path: Path, text: str, message: str) -> None:
    dataset = kitti_object(tmp_path)
    write(tmp_path / "training/label_2/000000.txt", text)
    with pytest.raises(DataError, match=message):
        dataset[0]


def test_a_box_partly_outside_is_clipped(tmp_path: Path) -> None:
    dataset = kitti_object(tmp_path)
    write(tmp_path / "training/label_2/000000.txt", CAR.replace("4.00", "-4.00").replace("20.00", "99.00"))
    assert boxes(dataset[0].labels).xyxy.tolist() == [[0, 5.5, WIDTH, 15.5]]


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda t: (t / "label_2/000000.txt").unlink(), r"missing file .*label_2/000000.txt; restore it"),
        (lambda t: (t / "image_2/000000.png").write_bytes(b"\x89PNG nothing"), r"broken image .*000000.png \(12 bytes"),
        (lambda t: (t / "depth_velo/000000.png").unlink(), r"missing file .*depth_velo/000000.png"),
        (lambda t: write(t / "depth_velo/000000.png", np.zeros((5, 6), np.uint16)), r"is 6x5, its image 32x24"),
        (lambda t: write(t / "depth_velo/000000.png", np.zeros((24, 32), np.uint8)), r"uint8 .*expected a 16-bit"),
        (lambda t: write(t / "calib/000000.txt", "P2: 1 2 3"), r"calib/000000.txt has \d numbers for \w+, expected"),
        (lambda t: write(t / "calib/000000.txt", "P2: 1 2 x"), r"calib/000000.txt:1: .*'x'; expected a number"),
    ],
)
def test_damaged_files_are_named(tmp_path: Path, damage, message: str) -> None:
    dataset = kitti_object(tmp_path)
    damage(tmp_path / "training")
    with pytest.raises(DataError, match=message):
        dataset[0]


def test_a_damaged_scan_is_named(tmp_path: Path) -> None:
    kitti_object(tmp_path)
    (tmp_path / "training/velodyne/000000.bin").write_bytes(b"123456789")
    (tmp_path / "training/velodyne/000001.bin").unlink()
    dataset = KittiObject(str(tmp_path), depth="velodyne")
    with pytest.raises(DataError, match=r"broken scan .*000000.bin: 9 bytes, expected 16 per point"):
        dataset[0]
    with pytest.raises(DataError, match=r"missing file .*000001.bin"):
        dataset[1]


def test_no_pictures_and_no_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no images in .*image_2"):
        len(KittiObject(str(tmp_path)))
    with pytest.raises(DataError, match="no data folder 'nowhere' for KittiObject: looked for"):
        len(KittiObject("nowhere"))


def test_tracking_keeps_identities_and_time(tmp_path: Path) -> None:
    dataset = kitti_tracking(tmp_path)
    assert [dataset[i].key for i in range(4)] == [
        f"image_02/{sequence}/{frame:06d}.png" for sequence in ("0001", "0003") for frame in (0, 1)
    ]
    first, second = boxes(dataset[0].labels), boxes(dataset[1].labels)
    assert first.track.tolist() == [5, -1]
    assert first.truncation.tolist() == [0.5, 0]
    assert second.track.tolist() == [7]
    assert second.truncation.tolist() == [1]
    assert dataset.classes["detection"][second.label[0]] == "Person_sitting"
    assert len(KittiTracking(str(tmp_path), sequences=("0003",))) == 2


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (f"zero 5 {CAR}", r"0001.txt:1: starts with 'zero' '5', expected frame number and track id"),
        ("0", r"0001.txt:1: starts with '0' '', expected frame"),
        ("0 5 Car 1", r"0001.txt:1: 2 columns"),
    ],
)
def test_bad_tracking_lines_are_named(tmp_path: Path, line: str, message: str) -> None:
    dataset = kitti_tracking(tmp_path)
    write(tmp_path / "label_02/0001.txt", line)
    with pytest.raises(DataError, match=message):
        dataset[0]


# --- real frames --------------------------------------------------------------------------------------------------


def test_projected_scans_equal_the_depth_pictures(data_root: Path) -> None:
    picture, laser = (
        KittiObject(str(data_root / "kitti_object"), split="0-1", depth=kind, labels=("depth",))
        for kind in ("velo_png", "velodyne")
    )
    for index in range(2):
        stored, projected = depth(picture[index].labels), depth(laser[index].labels)
        assert np.array_equal(np.isfinite(stored), np.isfinite(projected))
        cut_off = (projected - stored)[np.isfinite(stored)] * 256
        assert -0.01 < cut_off.min() < 0.1, "the images cut off what a 256th of a meter does not hold"
        assert 0.9 < cut_off.max() < 1.01


def test_depth_of_a_car_is_the_distance_its_label_says(data_root: Path) -> None:
    dataset = KittiObject(str(data_root / "kitti_object"))
    errors = []
    for index in range(len(dataset)):
        labels = dataset[index].labels
        rows = (data_root / "kitti_object" / "training/label_2" / f"{dataset.frames[index].stem}.txt").read_text()
        for line, box in zip(rows.splitlines(), boxes(labels).xyxy, strict=True):
            words = line.split()
            if words[0] == "Car" and words[2] == "0" and float(words[1]) == 0:
                x1, y1, x2, y2 = box
                middle = (
                    slice(int(0.6 * y1 + 0.4 * y2), int(0.3 * y1 + 0.7 * y2) + 1),
                    slice(int(0.7 * x1 + 0.3 * x2), int(0.3 * x1 + 0.7 * x2) + 1),
                )
                inside = depth(labels)[middle]
                if np.isfinite(inside).any():
                    errors.append(np.nanmedian(inside) - float(words[13]))
    assert len(errors) > 40
    # a laser sees the near side, up to half a car's length before its center
    assert -2.5 < np.median(errors) < 0


def test_label_boxes_are_the_projected_3d_boxes(data_root: Path) -> None:
    dataset = KittiObject(str(data_root / "kitti_object"), labels=("detection",))
    offsets = []
    for index in range(len(dataset)):
        sample, stem = dataset[index], dataset.frames[index].stem
        p2 = kitti.read_calibration(data_root / f"kitti_object/training/calib/{stem}.txt").p2
        rows = (data_root / f"kitti_object/training/label_2/{stem}.txt").read_text().splitlines()
        for line, box in zip(rows, boxes(sample.labels).xyxy, strict=True):
            words = line.split()
            if words[0] == "Car" and float(words[1]) == 0 and float(words[13]) > 15:
                h, w, length, x, y, z, yaw = map(float, words[8:15])
                corner = np.array(
                    [[a * length / 2, b * h, c * w / 2] for a in (-1, 1) for b in (-1, 0) for c in (-1, 1)]
                )
                turn = np.array([[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0], [-np.sin(yaw), 0, np.cos(yaw)]])
                u, v, s = p2 @ np.vstack([(corner @ turn.T + [x, y, z]).T, np.ones(8)])
                offsets.append(box - [*(np.array([(u / s).min(), (v / s).min(), (u / s).max(), (v / s).max()]) + 0.5)])
    assert len(offsets) > 50
    assert np.abs(np.median(offsets, axis=0)).max() < 1.5


def test_real_tracks_move_smoothly(data_root: Path) -> None:
    dataset = KittiTracking(str(data_root / "kitti_tracking"), sequences=("0001",), labels=("detection",))
    assert len(dataset) == 31
    frames = [boxes(dataset[i].labels) for i in range(len(dataset))]
    steps_px = []
    for before, after in pairwise(frames):
        shared = set(before.track[before.track >= 0]) & set(after.track)
        for track in shared:
            a, b = before.xyxy[before.track == track][0], after.xyxy[after.track == track][0]
            steps_px.append(np.abs(a[:2] - b[:2]).max())
    assert len(steps_px) > 150
    assert np.median(steps_px) < 10, "from one frame to the next is a tenth of a second"


def test_every_file_of_a_frame_may_end_in_capitals(tmp_path: Path) -> None:
    dataset = kitti_object(tmp_path)
    wanted = dataset[0].labels
    for file in list((tmp_path / "training").rglob("000000.*")):
        file.rename(file.with_suffix(file.suffix.upper()))
    (tmp_path / "training" / "image_2" / "._000000.png").write_text("macOS")
    again = KittiObject(str(tmp_path))
    assert len(again) == 3
    assert np.array_equal(again[0].labels["detection"].xyxy, wanted["detection"].xyxy)
    np.testing.assert_array_equal(again[0].labels["depth"].values, wanted["depth"].values)
