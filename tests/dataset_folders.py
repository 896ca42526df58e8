"""Tiny folders in the layout of every data set, filled with noise: loaders are tested without the real data."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np

from hydranet.annotations import Boxes, ClassMap
from hydranet.core.dataset import Dataset
from hydranet.core.spec import to_json
from hydranet.datasets.around import Around
from hydranet.datasets.bdd100k import Bdd100k
from hydranet.datasets.bdd100k_road import Bdd100kRoad
from hydranet.datasets.camvid import CamVid
from hydranet.datasets.cityscapes import Cityscapes
from hydranet.datasets.coco import Coco
from hydranet.datasets.coco_keypoints import CocoKeypoints
from hydranet.datasets.culane import CuLane
from hydranet.datasets.depth_maps import DepthMaps
from hydranet.datasets.distant import Distant
from hydranet.datasets.face_keypoints import FaceKeypoints
from hydranet.datasets.folder import Folder
from hydranet.datasets.folder_part import FolderPart
from hydranet.datasets.gtsrb import Gtsrb
from hydranet.datasets.idd_lite import IddLite
from hydranet.datasets.image_list import ImageList
from hydranet.datasets.in_memory import InMemory
from hydranet.datasets.kitti_object import KittiObject
from hydranet.datasets.kitti_tracking import KittiTracking
from hydranet.datasets.labelme import Labelme
from hydranet.datasets.lines_from_masks import LinesFromMasks
from hydranet.datasets.masks import Masks
from hydranet.datasets.nyuv2 import NyuV2, NyuV2Examples
from hydranet.datasets.packed import Packed
from hydranet.datasets.pseudo import Pseudo
from hydranet.datasets.pseudo_maps import PseudoMaps
from hydranet.datasets.shift import Shift
from hydranet.datasets.split import Split
from hydranet.datasets.subset import Subset
from hydranet.datasets.table import Table
from hydranet.datasets.table_part import TablePart
from hydranet.datasets.thinned import Thinned
from hydranet.datasets.together import Together
from hydranet.datasets.tusimple import TuSimple
from hydranet.datasets.tusimple_masks import TuSimpleMasks
from hydranet.datasets.unlike import Unlike
from hydranet.datasets.utkface import UtkFace
from hydranet.datasets.voc import Voc
from hydranet.datasets.yolo import Yolo
from hydranet.io.columns import BoxColumns, LineColumn, NumberColumn, PointColumns, TagColumn
from hydranet.io.fingerprint import content as pixels
from hydranet.io.fingerprint import perceptual_hash
from hydranet.io.fingerprint_cache import state_of
from hydranet.io.image_codec import CODECS
from hydranet.io.pack_index import PackIndex
from hydranet.io.pseudo_label_cache import file_of, packed
from hydranet.io.pseudo_label_index import Entry, Index, Made
from hydranet.io.sample_record import to_files
from hydranet.io.shards import ShardWriter

HEIGHT, WIDTH = 24, 32
RNG = np.random.default_rng(0)

P2 = "P2: 20 0 15.5 0 0 20 11.5 0 0 0 1 0"
CALIBRATION = f"{P2}\nR0_rect: 1 0 0 0 1 0 0 0 1\nTr_velo_to_cam: 0 -1 0 0 0 0 -1 0 1 0 0 0\n\n"
"""A camera at the laser: velodyne x forward, y left, z up become camera z, -x, -y."""
CAR = "Car 0.25 1 -1.57 4.00 5.00 20.00 15.00 1.5 1.6 3.7 1.0 1.7 10.0 -1.5"
DONT_CARE = "DontCare -1 -1 -10 22.00 3.00 28.00 8.00 -1 -1 -1 -1000 -1000 -1000 -10"


def write(path: Path, content: str | np.ndarray) -> Path:
    """Writes text, or an image by suffix."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, str):
        path.write_text(content)
    else:
        assert cv2.imwrite(str(path), content)
    return path


def noise(top: int = 256, channels: int | None = None) -> np.ndarray:
    """uint8 HEIGHT WIDTH (channels), below `top`."""
    shape = (HEIGHT, WIDTH) if channels is None else (HEIGHT, WIDTH, channels)
    return RNG.integers(0, top, shape, dtype=np.uint8)


def depth_picture() -> np.ndarray:
    """uint16, meters x 256, half of it empty."""
    return (RNG.integers(1, 80, (HEIGHT, WIDTH)) * 256 * RNG.integers(0, 2, (HEIGHT, WIDTH))).astype(np.uint16)


def scan(path: Path) -> np.ndarray:
    """Writes and returns a velodyne file: float32 n 4 in front of, behind and beside the camera."""
    points = RNG.uniform([-20, -30, -5, 0], [60, 30, 5, 1], (500, 4)).astype(np.float32)
    path.parent.mkdir(parents=True, exist_ok=True)
    points.tofile(path)
    return points


def kitti_object(root: Path) -> KittiObject:
    training = root / "training"
    for name, suffix, text in (
        ("000000", "png", f"{CAR}\n{DONT_CARE}\n"),
        ("000001", "jpg", CAR),
        ("000007", "png", ""),
    ):
        write(training / "image_2" / f"{name}.{suffix}", noise(channels=3))
        write(training / "label_2" / f"{name}.txt", text)
        write(training / "calib" / f"{name}.txt", CALIBRATION)
        write(training / "depth_velo" / f"{name}.png", depth_picture())
        scan(training / "velodyne" / f"{name}.bin")
    return KittiObject(str(root))


def kitti_tracking(root: Path) -> KittiTracking:
    for sequence in ("0001", "0003"):
        for frame in range(2):
            write(root / "image_02" / sequence / f"{frame:06d}.png", noise(channels=3))
            write(root / "depth_velo" / sequence / f"{frame:06d}.png", depth_picture())
        person = CAR.replace("Car 0.25", "Person 2")
        write(
            root / "label_02" / f"{sequence}.txt", f"0 5 {CAR.replace('0.25', '1')}\n0 -1 {DONT_CARE}\n1 7 {person}\n"
        )
        tracking = CALIBRATION.replace("R0_rect:", "R_rect").replace("Tr_velo_to_cam:", "Tr_velo_cam")
        write(root / "calib" / f"{sequence}.txt", tracking)
    return KittiTracking(str(root))


def camvid(root: Path) -> CamVid:
    for name in ("a", "b"):
        write(root / "train" / f"{name}.jpg", noise(channels=3))
        write(root / "trainannot" / f"{name}.png", noise(12))
    return CamVid(str(root))


def idd_lite(root: Path) -> IddLite:
    write(root / "leftImg8bit/train/7/frame1_image.jpg", noise(channels=3))
    write(root / "gtFine/train/7/frame1_label.png", np.where(noise(4) == 0, 255, noise(7)).astype(np.uint8))
    return IddLite(str(root))


def nyuv2(root: Path) -> NyuV2:
    write(root / "train/image/0001.jpg", noise(channels=3))
    write(root / "train/label40/0001.png", noise(40))
    write(root / "train/depth8/0001.png", np.maximum(noise(), 10))
    return NyuV2(str(root))


def nyuv2_examples(root: Path) -> NyuV2Examples:
    write(root / "three/000433.png", noise(channels=3))
    write(root / "three/segm_gt_000433.png", noise(40))
    write(root / "three/depth_gt_000433.png", depth_picture())
    normals = np.full((HEIGHT, WIDTH, 3), 127, np.uint8)
    normals[4:] = (127, 0, 127)  # BGR: the camera's z is -1
    write(root / "three/norm_gt_000433.png", normals)
    write(root / "joint/000464.png", noise(channels=3))
    write(root / "joint/segm_gt_000464.png", noise(40))
    write(root / "joint/depth_gt_000464.png", depth_picture())
    return NyuV2Examples(str(root))


def gtsrb(root: Path) -> Gtsrb:
    """Two classes with six tracks of two frames each, and two test images; the tables are of images twice as large."""
    head = "Filename;Width;Height;Roi.X1;Roi.Y1;Roi.X2;Roi.Y2;ClassId"
    row = f"{2 * WIDTH};{2 * HEIGHT};10;8;50;40"
    for label in (14, 33):
        folder = root / "Final_Training/Images" / f"{label:05d}"
        names = [f"{track:05d}_{frame:05d}.ppm" for track in range(6) for frame in range(2)]
        for name in names:
            write(folder / name, noise(channels=3))
        write(folder / f"GT-{label:05d}.csv", "\n".join([head, *(f"{name};{row};{label}" for name in names)]))
    for name in ("00000.ppm", "00001.ppm"):
        write(root / "Final_Test/Images" / name, noise(channels=3))
    test = [head, f"00000.ppm;{row};33", f"00001.ppm;{row};0"]
    write(root / "Final_Test/Images/GT-final_test.csv", "\r\n".join(test))
    return Gtsrb(str(root))


def utkface(root: Path) -> UtkFace:
    for name in ("26_1_0_20170116.jpg.chip.jpg", "80_0_4_20170117.jpg", "1_1_2_20170118.jpg", "61_3_20170109.jpg"):
        write(root / name, noise(channels=3))
    return UtkFace(str(root), split="trainval")


def bdd100k(root: Path) -> Bdd100k:
    def label(category: str, *corners: float) -> dict[str, object]:
        return {"category": category, "box2d": dict(zip(("x1", "y1", "x2", "y2"), corners, strict=True))}

    lane = {"category": "lane", "poly2d": []}
    labels = [label("car", 2.5, 3, 9, 8), label("pedestrian", 1, 1, 4, 9), label("trailer", 0, 0, 5, 5), lane]
    entries = [{"name": "a.jpg", "labels": labels}, {"name": "b.jpg", "labels": None}, {"name": "c.jpg", "labels": []}]
    for entry in entries:
        write(root / "images" / str(entry["name"]), noise(channels=3))
    write(root / "det_labels.json", json.dumps(entries))
    return Bdd100k(str(root))


LANE = {"vertices": [[10, 22], [12, 10], [20, 10], [22, 2]], "types": "LCCC", "closed": False}
STOP_LINE = {"vertices": [[4, 18], [28, 18.5]], "types": "LL", "closed": False}
AREA = {"vertices": [[4, 24], [10, 12], [22, 12], [28, 24]], "types": "LLLL", "closed": True}
BESIDE = {"vertices": [[22, 12], [32, 12], [32, 24], [28, 24]], "types": "LLLL", "closed": True}


def bdd100k_road(root: Path) -> Bdd100kRoad:
    """The release of 2020: masks of both kinds, lines as curves; b has no lane, c no entry among the lines."""
    lane = {"category": "single white", "attributes": {"laneDirection": "parallel", "laneStyle": "dashed"}}
    stop = {"category": "crosswalk", "attributes": {"laneDirection": "vertical"}}
    lines = [{"name": "a.jpg", "labels": [{**lane, "poly2d": [LANE]}, {**stop, "poly2d": [STOP_LINE]}]}]
    areas = [{"category": "direct", "poly2d": [AREA]}, {"category": "alternative", "poly2d": [BESIDE]}]
    bytes_ = np.full((HEIGHT, WIDTH), 255, np.uint8)
    bytes_[:, 10], bytes_[18] = 0b00010110, 0b00100000  # dashed single white along, solid crosswalk across
    for name in ("a", "b", "c"):
        write(root / f"images/100k/train/{name}.jpg", noise(channels=3))
        write(root / f"labels/drivable/masks/train/{name}.png", noise(3))
        write(root / f"labels/lane/masks/train/{name}.png", bytes_)
    write(root / "labels/lane/polygons/lane_train.json", json.dumps([*lines, {"name": "b.jpg"}]))
    table = [{"name": "a.jpg", "labels": areas}, {"name": "c.jpg", "labels": []}]
    write(root / "labels/drivable/polygons/drivable_train.json", json.dumps(table))
    return Bdd100kRoad(str(root), labels=("drivable", "lanes", "lane_mask"))


def bdd100k_road_2018(root: Path, release: Literal["2018", "2018 by image"] = "2018 by image") -> Bdd100kRoad:
    """The release of 2018 in one file, and in one for each image: the same labels in other words."""
    bdd100k_road(root)
    attributes = {"laneDirection": "parallel", "laneStyle": "dashed", "laneType": "single white"}
    box = {"category": "car", "box2d": {"x1": 1, "y1": 2, "x2": 3, "y2": 4}}
    labels = [
        box,
        {"category": "drivable area", "attributes": {"areaType": "direct"}, "poly2d": [AREA]},
        {"category": "lane", "attributes": attributes, "poly2d": [LANE]},
    ]
    write(root / "labels/bdd100k_labels_images_train.json", json.dumps([{"name": "a.jpg", "labels": labels}]))
    objects = [
        box,
        {"category": "area/drivable", "poly2d": triples(AREA)},
        {"category": "area/unknown", "poly2d": triples(BESIDE)},
        {"category": "lane/single white", "attributes": {"direction": "parallel", "style": "dashed"}},
    ]
    objects[-1]["poly2d"] = triples(LANE)
    for name, own in (("a", objects), ("b", [box]), ("c", [])):
        file = root / f"labels/100k/train/{name}.json"
        write(file, json.dumps({"name": name, "frames": [{"timestamp": 10000, "objects": own}]}))
    for name in ("a", "b", "c"):
        write(root / f"drivable_maps/labels/train/{name}_drivable_id.png", noise(3))
    return Bdd100kRoad(str(root), release=release, areas="polygons")


def triples(path: dict[str, Any]) -> list[list[object]]:
    """A path as the release of 2018 writes it in a file for each image."""
    return [[*vertex, kind] for vertex, kind in zip(path["vertices"], path["types"], strict=True)]


def voc_object(name: str, corners: tuple[float, ...], difficult: int = 0) -> str:
    sides = "".join(f"<{s}>{v}</{s}>" for s, v in zip(("xmin", "ymin", "xmax", "ymax"), corners, strict=True))
    return f"<object><name>{name}</name><difficult>{difficult}</difficult><bndbox>{sides}</bndbox></object>"


def voc(root: Path) -> Voc:
    objects = voc_object("car", (1, 1, WIDTH, HEIGHT)) + voc_object("bike", (3, 4, 10, 12), difficult=1)
    for name, text in (("a", objects), ("b", "")):
        write(root / "JPEGImages" / f"{name}.jpg", noise(channels=3))
        write(root / "Annotations" / f"{name}.xml", f"<annotation>\n{text}\n</annotation>")
    return Voc(str(root), names=("bike", "car"))


def coco_tables() -> dict[str, list[dict[str, object]]]:
    return {
        "images": [{"id": 7, "file_name": "a.jpg"}, {"id": 3, "file_name": "b.jpg"}],
        "categories": [{"id": 9, "name": "dog"}, {"id": 2, "name": "cat"}],
        "annotations": [
            {"id": 1, "image_id": 7, "category_id": 9, "bbox": [2, 3, 10, 5], "iscrowd": 0},
            {"id": 2, "image_id": 7, "category_id": 2, "bbox": [0, 0, 4, 5], "iscrowd": 1},
        ],
    }


def coco(root: Path) -> Coco:
    for name in ("a", "b"):
        write(root / "train2017" / f"{name}.jpg", noise(channels=3))
    write(root / "annotations/instances_train2017.json", json.dumps(coco_tables()))
    return Coco(str(root))


def cityscapes(root: Path) -> Cityscapes:
    for number in range(2):
        stem = f"aachen_00000{number}_000019"
        write(root / f"leftImg8bit/train/aachen/{stem}_leftImg8bit.png", noise(channels=3))
        write(root / f"disparity/train/aachen/{stem}_disparity.png", depth_picture())
        intrinsic = {"fx": 20.0, "fy": 20.0, "u0": 15.5, "v0": 11.5}
        write(root / f"camera/train/aachen/{stem}_camera.json", json.dumps({"intrinsic": intrinsic}))
    write(root / "gtFine/train/aachen/aachen_000000_000019_gtFine_labelIds.png", noise(34))
    everything = [[0, 0], [WIDTH, 0], [WIDTH, HEIGHT], [0, HEIGHT]]
    shapes = [
        {"label": "road", "polygon": everything},
        {"label": "cargroup", "polygon": [[2, 2], [9, 2], [9, 6], [2, 6]]},
        {"label": "license plate", "polygon": [[4, 4], [5, 4], [5, 5], [4, 5]]},
        {"label": "ego vehicle", "polygon": [[0, 20], [WIDTH, 20], [WIDTH, HEIGHT], [0, HEIGHT]]},
    ]
    tree = {"imgHeight": HEIGHT, "imgWidth": WIDTH, "objects": shapes}
    write(root / "gtFine/train/aachen/aachen_000001_000019_gtFine_polygons.json", json.dumps(tree))
    return Cityscapes(str(root))


def shift(root: Path) -> Shift:
    place, frames = root / "images/train/front", []
    for number in range(2):
        name = f"{number:08d}_img_front.jpg"
        write(place / "img/007b-4e72" / name, noise(channels=3))
        ids = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
        ids[..., 2] = noise(23)  # OpenCV writes BGR
        write(place / f"semseg/007b-4e72/{number:08d}_semseg_front.png", ids)
        far = noise(channels=3)
        far[:2] = 255
        write(place / f"depth/007b-4e72/{number:08d}_depth_front.png", far)
        box = {"category": "car", "box2d": {"x1": 2.0, "y1": 3.0, "x2": 9.0, "y2": 8.0}}
        intrinsics = {"focal": [20.0, 20.0], "center": [16.0, 12.0], "skew": 0}
        frames.append({"name": name, "videoName": "007b-4e72", "intrinsics": intrinsics, "labels": [box]})
    write(place / "det_2d.json", json.dumps({"frames": frames, "config": {}}))
    return Shift(str(root))


def face_keypoints(root: Path) -> FaceKeypoints:
    lines = ["," + ",".join(map(str, range(136)))]
    for name in ("p00_1", "p00_2", "p01_1", "p02_1", "p02_2"):
        write(root / "training" / f"{name}.jpg", noise(channels=3))
        points = RNG.uniform(0, [WIDTH, HEIGHT], (68, 2)).round(1).reshape(-1).tolist()
        lines.append(",".join(map(str, [f"{name}.jpg", *points])))
    write(root / "training_keypoints.csv", "\n".join(lines) + "\n")
    return FaceKeypoints(str(root))


def coco_keypoints(root: Path) -> CocoKeypoints:
    for name in ("a", "b"):
        write(root / "train2017" / f"{name}.jpg", noise(channels=3))
    persons = [
        {"keypoints": [5, 4, 2, 9, 4, 1, 0, 0, 0], "num_keypoints": 2, "bbox": [2, 3, 10, 5], "area": 30.5},
        {"keypoints": [0] * 9, "num_keypoints": 0, "bbox": [20, 3, 4, 5], "area": 12},
        {"keypoints": [0] * 9, "num_keypoints": 0, "bbox": [0, 0, 9, 9], "area": 60, "iscrowd": 1},
    ]
    tree = {
        "images": [{"id": 7, "file_name": "a.jpg", "height": HEIGHT, "width": WIDTH}, {"id": 3, "file_name": "b.jpg"}],
        "categories": [{"id": 1, "name": "person", "keypoints": ["left_eye", "right_eye", "nose"]}],
        "annotations": [{"id": i, "image_id": 7, "category_id": 1, **one} for i, one in enumerate(persons)],
    }
    write(root / "annotations/person_keypoints_train2017.json", json.dumps(tree))
    return CocoKeypoints(str(root))


def yolo(root: Path) -> Yolo:
    for name, text in (("a", "1 0.5 0.5 0.25 0.5\n0 0 0 0.5 0.5\n"), ("b", "")):
        write(root / "images/train" / f"{name}.png", noise(channels=3))
        write(root / "labels/train" / f"{name}.txt", text)
    return Yolo(str(root), names=("car", "person"))


def folder(root: Path) -> Folder:
    write(root / "b.png", noise(channels=3))
    write(root / "deep/a.jpg", noise(channels=3))
    return Folder(str(root))


def pseudo_maps(root: Path) -> PseudoMaps:
    pictures = folder(root / "images")
    for name in ("b.png", "deep/a.png"):
        write(root / "maps/drivable" / name, np.where(noise(3) == 2, 255, noise(2)).astype(np.uint8))
    return PseudoMaps(str(root / "maps"), dataset=pictures, maps={"drivable": ("other", "drivable")})


def pseudo(root: Path) -> Pseudo:
    pictures = folder(root / "images")
    made = {"area": Made("ClassMap", ("other", "drivable")), "cars": Made("Boxes", ("car",))}
    boxes = Boxes(np.array([[1.0, 1, 4, 4]], np.float32), np.array([0]), np.array([0.9], np.float32))
    images = {}
    for index in range(len(pictures)):
        sample = pictures[index]
        labels = {"area": ClassMap(np.where(noise(3) == 2, 255, noise(2)).astype(np.uint8)), "cars": boxes}
        files = {name: file_of(name, sample.key, made[name]) for name in labels}
        for name, label in labels.items():
            path = root / "cache" / files[name]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(packed(label, made[name]))
        images[sample.key] = Entry(pixels(sample.image), perceptual_hash(sample.image), sample.size, files)
    (root / "cache/index.json").write_text(Index("a teacher", "", made, None, images).to_json())
    return Pseudo(pictures, str(root / "cache"))


def in_memory(root: Path) -> InMemory:
    return InMemory(kitti_object(root))


def distant(root: Path) -> Distant:
    dataset = pseudo_maps(root)
    return Distant(dataset, label="drivable", names=(dataset.classes["drivable"][0],), every=1)


def subset(root: Path) -> Subset:
    return Subset(kitti_object(root), "1-2")


def culane(root: Path) -> CuLane:
    """Two lines, and one image without any."""
    drive = "driver_1/clip"
    for name, lines in (("a", "-1.5 23 3 18.5 7 12\n30 23 25 12\n"), ("b", "")):
        write(root / drive / f"{name}.jpg", noise(channels=3))
        write(root / drive / f"{name}.lines.txt", lines)
        write(root / "laneseg_label_w16" / drive / f"{name}.png", noise(5))
    write(root / "list" / "train_gt.txt", f"/{drive}/a.jpg /laneseg_label_w16/{drive}/a.png 1 1 0 0\n{drive}/b.jpg\n")
    return CuLane(str(root), labels=("lanes", "lane_mask"))


def tusimple(root: Path) -> TuSimple:
    rows = [8, 12, 16, 20]
    frames = [
        {"raw_file": "clips/1/20.jpg", "lanes": [[-2, 12, 10, 8], [-2, -2, 20, 25]], "h_samples": rows},
        {"raw_file": "clips/2/20.jpg", "lanes": [], "h_samples": rows},
    ]
    for frame in frames:
        write(root / str(frame["raw_file"]), noise(channels=3))
    write(root / "label_data_0313.json", "\n".join(map(json.dumps, frames)) + "\n")
    return TuSimple(str(root), annotations=("label_data_0313.json",))


def tusimple_masks(root: Path) -> TuSimpleMasks:
    for name in ("0000", "0001"):
        grays = np.array([0, 20, 70, 120, 170, 220], np.uint8)[noise(6)]
        write(root / f"image/{name}.jpg", noise(channels=3))
        write(root / f"gt_instance_image/{name}.png", grays)
        write(root / f"gt_binary_image/{name}.png", np.where(grays > 0, 255, 0).astype(np.uint8))
    return TuSimpleMasks(str(root))


def lines_from_masks(root: Path) -> LinesFromMasks:
    return LinesFromMasks(culane(root))


def masks(root: Path) -> Masks:
    for name in ("a", "deep/er/b", "deep/c"):
        write(root / "images" / f"{name}.jpg", noise(channels=3))
        write(root / "masks" / f"{name}.png", np.where(noise(4) == 0, 255, noise(3)).astype(np.uint8))
    return Masks(str(root), names=("road", "car", "sky"))


def depth_maps(root: Path) -> DepthMaps:
    write(root / "images/a.png", noise(channels=3))
    write(root / "depth/a.png", depth_picture())
    write(root / "images/clip/b.png", noise(channels=3))
    write(root / "depth/clip/b.tiff", depth_picture().astype(np.float32))
    write(root / "images/clip/c.png", noise(channels=3))
    np.save(root / "depth/clip/c.npy", depth_picture().astype(np.float64))
    return DepthMaps(str(root), unit="m", scale=1 / 256)


TABLE = """image,sign,age,x1,y1,x2,y2,px0,py0,px1,py1,line
a.png,stop,31.5,1,2,9,8,3,4,5,6,1 20 3 10 5 2
a.png,stop,31.5,2,2,30,20,,,,,
b,yield,,,,,,1,1,2,2,
"""


def table(root: Path) -> Table:
    for name in ("a", "deep/b"):
        write(root / "images" / f"{name}.png", noise(channels=3))
    write(root / "labels.csv", TABLE)
    return Table(
        str(root),
        labels={
            "sign": TagColumn("sign", ("yield", "stop")),
            "age": NumberColumn("age"),
            "detection": BoxColumns(("x1", "y1", "x2", "y2"), names=("car",)),
            "points": PointColumns("px{}", "py{}", count=2, mirror=(1, 0)),
            "lanes": LineColumn("line"),
        },
    )


def labelme_shape(label: str, kind: str, *points: tuple[float, float]) -> dict[str, object]:
    return {"label": label, "shape_type": kind, "points": [list(point) for point in points], "group_id": None}


def labelme(root: Path) -> Labelme:
    shapes = [
        labelme_shape("car", "rectangle", (20.0, 3.0), (4.0, 15.0)),
        labelme_shape("road", "polygon", (0, 24), (32, 24), (16, 12)),
        labelme_shape("lane", "linestrip", (1, 20), (5, 10), (9, 2)),
    ]
    for name, used in (("a", shapes), ("deep/b", [])):
        write(root / f"{name}.jpg", noise(channels=3))
        tree = {
            "version": "5.0",
            "shapes": used,
            "imageHeight": HEIGHT,
            "imageWidth": WIDTH,
            "imagePath": f"{name}.jpg",
        }
        write(root / f"{name}.json", json.dumps(tree))
    read = {"detection": "boxes", "semantic": "mask", "lanes": "lines"}
    return Labelme(str(root), names=("road", "car", "lane"), read=read, background="road")


def around(root: Path) -> Around:
    return Around(face_keypoints(root), label="keypoints")


def unlike(root: Path) -> Unlike:
    return Unlike(kitti_object(root), Subset(kitti_object(root), "0"))


def thinned(root: Path) -> Thinned:
    return Thinned(kitti_object(root), label="depth", every=2)


def split(root: Path) -> Split:
    return Split(masks(root), val=0.3)


def image_list(root: Path) -> ImageList:
    whole = masks(root)
    write(root / "train.txt", "a\nimages/deep/er/b.jpg masks/deep/er/b.png\n")
    return ImageList(whole, "train.txt")


def table_part(root: Path) -> TablePart:
    whole = masks(root)
    write(root / "parts.csv", "file,part\na.jpg,train\nimages/deep/er/b.jpg,Train\n")
    return TablePart(whole, "parts.csv", "file", "part", ("train",))


def folder_part(root: Path) -> FolderPart:
    return FolderPart(masks(root), ("deep",))


def together(root: Path) -> Together:
    whole = masks(root)
    for name in ("a", "deep/c"):
        write(root / "depth" / f"{name}.png", depth_picture())
    return Together((whole, DepthMaps(str(root), unit="mm", on_error="skip")))


def pack_of_masks(root: Path) -> Packed:
    """A pack without loss, of shards that hold one sample each."""
    whole = masks(root / "files")
    index = PackIndex(to_json(whole), state_of(whole) or "", None, "zstd", ("semantic",))
    writer = ShardWriter(root / "pack", shard_bytes=1)
    for sample in (whole[place] for place in range(len(whole))):
        prints = {"content": pixels(sample.image), "look": perceptual_hash(sample.image)}
        writer.add(to_files(sample, CODECS["zstd"]), {"key": sample.key, **prints})
    writer.close()
    replace(index, complete=True, classes=whole.classes, samples=len(whole)).save(root / "pack")
    return Packed(str(root / "pack"), whole)


FOLDERS: dict[type[Dataset], Callable[[Path], Dataset]] = {
    KittiObject: kitti_object,
    KittiTracking: kitti_tracking,
    CamVid: camvid,
    IddLite: idd_lite,
    NyuV2: nyuv2,
    NyuV2Examples: nyuv2_examples,
    Bdd100k: bdd100k,
    Bdd100kRoad: bdd100k_road,
    Voc: voc,
    Cityscapes: cityscapes,
    Coco: coco,
    CocoKeypoints: coco_keypoints,
    FaceKeypoints: face_keypoints,
    Yolo: yolo,
    Folder: folder,
    Gtsrb: gtsrb,
    UtkFace: utkface,
    Packed: pack_of_masks,
    PseudoMaps: pseudo_maps,
    Pseudo: pseudo,
    Shift: shift,
    Distant: distant,
    InMemory: in_memory,
    Subset: subset,
    CuLane: culane,
    TuSimple: tusimple,
    TuSimpleMasks: tusimple_masks,
    LinesFromMasks: lines_from_masks,
    Masks: masks,
    DepthMaps: depth_maps,
    Table: table,
    Labelme: labelme,
    Split: split,
    Unlike: unlike,
    Thinned: thinned,
    Around: around,
    ImageList: image_list,
    TablePart: table_part,
    FolderPart: folder_part,
    Together: together,
}
"""A small one of every data set that reads files; one without an entry must be constructible without arguments."""
