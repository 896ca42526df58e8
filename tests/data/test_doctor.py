"""The doctor finds what was planted, and says nothing on sound data."""

import json
import re
import shutil
import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from commands import hydranet
from foreign_layouts import HEIGHT, STREET, WIDTH, coco_boxes, depth_in_mm, palette_masks, scene, write
from hydranet.config.recipe import Recipe
from hydranet.config.source import Source
from hydranet.core.dataset import Dataset
from hydranet.core.spec import Part
from hydranet.core.task import Task
from hydranet.data.check import Report
from hydranet.data.examine import Examination
from hydranet.data.finding import Finding, Severity, ranked
from hydranet.datasets.coco import Coco
from hydranet.datasets.depth_maps import DepthMaps
from hydranet.datasets.masks import Masks
from hydranet.datasets.split import Split
from hydranet.datasets.table import Table
from hydranet.datasets.yolo import Yolo
from hydranet.io.columns import PointColumns
from hydranet.models.decoders.lw_refinenet import LightWeightRefineNet
from hydranet.models.encoders.mobilenetv2 import MobileNetV2
from hydranet.reporting.doctor_page import write_page
from hydranet.tasks.depth.task import Depth
from hydranet.tasks.detection.task import Detection
from hydranet.tasks.landmarks.task import Landmarks
from hydranet.tasks.semantic.task import Semantic
from hydranet.training.first_steps import FirstSteps, judged

POINTLESS, HARMFUL, ODD = Severity
SIZE = (HEIGHT, WIDTH)
COUNT = 10
CARS, ROAD, METERS = Detection("detection", ("car",)), Semantic("semantic", STREET), Depth("depth", min_m=1, max_m=80)


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("sound")
    palette_masks(root / "masks", COUNT)
    coco_boxes(root / "boxes", COUNT)
    depth_in_mm(root / "depth", COUNT)
    for i in range(COUNT):
        image, _, (left, top, right, bottom), _ = scene(100 + i)
        write(root / f"yolo/images/{i}.jpg", image)
        numbers = (
            (left + right) / 2 / WIDTH,
            (top + bottom) / 2 / HEIGHT,
            (right - left) / WIDTH,
            (bottom - top) / HEIGHT,
        )
        (root / "yolo/labels").mkdir(exist_ok=True)
        (root / f"yolo/labels/{i}.txt").write_text(f"0 {' '.join(map(str, numbers))}\n")
    return root


@pytest.fixture
def root(sound: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the sound data, to spoil."""
    monkeypatch.setenv("HYDRANET_CACHE", str(tmp_path / "cache"))
    shutil.copytree(sound, tmp_path / "data")
    return tmp_path / "data"


def masks(root: Path, **options: object) -> Masks:
    return Masks(
        str(root / "masks"), images="photos", labels="gt", rename={"_photo": "_gt"}, **{"names": STREET, **options}
    )  # type: ignore[arg-type]


def boxes(root: Path) -> Coco:
    return Coco(str(root / "boxes"), "annotations.json", "images")


def depth(root: Path, unit: str = "mm") -> DepthMaps:
    return DepthMaps(str(root / "depth"), images=".", labels=".", rename={"rgb/": "depth/"}, unit=unit)


def yolo(root: Path) -> Yolo:
    return Yolo(str(root / "yolo"), ("car",), "images", "labels")


def recipe_for(task: Task, dataset: Dataset, validation: Dataset | None = None, **source: object) -> Recipe:
    train = Split(dataset, "train", similar="apart") if validation is None else dataset
    held_out = Split(dataset, "val", similar="apart") if validation is None else validation
    return Recipe(
        name="patient",
        tasks=(task,),
        encoder=Part(MobileNetV2, weights=None),
        decoder=Part(LightWeightRefineNet, width=16),
        data=(Source("data", train, SIZE, **source),),  # type: ignore[arg-type]
        validation=(Source("held-out", held_out, SIZE, **source),),  # type: ignore[arg-type]
    )


def examined(recipe: Recipe, out: Path) -> list[Finding]:
    examination = Examination(recipe)
    for _ in examination.run(out, None):
        pass
    return ranked(examination.findings)


def files(root: Path, pattern: str) -> list[Path]:
    return sorted(root.glob(pattern))


def over(root: Path, pattern: str, change: Callable[[np.ndarray], np.ndarray]) -> None:
    """Changes stored pixels; of a palette the indices."""
    from PIL import Image

    for path in files(root, pattern):
        stored = np.array(Image.open(path)) if "gt" in path.parts else cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        assert cv2.imwrite(str(path), change(stored))


def with_tables(root: Path, change: Callable[[dict[str, list[dict[str, object]]]], None]) -> None:
    path = root / "boxes/annotations.json"
    tables = json.loads(path.read_text())
    change(tables)
    path.write_text(json.dumps(tables))


@pytest.mark.parametrize(
    ("task", "make"),
    [(ROAD, masks), (CARS, boxes), (METERS, depth), (CARS, yolo)],
    ids=["masks", "coco", "depth", "yolo"],
)
def test_sound_data_is_left_alone(root: Path, tmp_path: Path, task: Task, make: Callable[[Path], Dataset]) -> None:
    assert examined(recipe_for(task, make(root)), tmp_path / "out") == []


def binary_masks(root: Path) -> Recipe:
    over(root, "masks/gt/**/*.png", lambda ids: np.where(ids == 1, 255, 0).astype(np.uint8))
    two = ("background", "car")
    return recipe_for(Semantic("semantic", two), masks(root, names=two))


def turned_by_exif(root: Path) -> Recipe:
    block = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0"
    for path in files(root, "yolo/images/*.jpg"):
        data = path.read_bytes()
        path.write_bytes(data[:2] + b"\xff\xe1" + struct.pack(">H", len(block) + 2) + block + data[2:])
    return recipe_for(CARS, yolo(root))


def another_stated_size(root: Path) -> Recipe:
    with_tables(root, lambda tables: [image.update(width=HEIGHT, height=WIDTH) for image in tables["images"]] and None)
    return recipe_for(CARS, boxes(root))


def boxes_without_height(root: Path) -> Recipe:
    with_tables(
        root,
        lambda t: t["annotations"].extend({**t["annotations"][i], "id": 90 + i, "bbox": [1, 1, 5, 0]} for i in (0, 1)),
    )
    return recipe_for(CARS, boxes(root))


def millimeters_as_meters(root: Path) -> Recipe:
    return recipe_for(METERS, depth(root, "m"))


def millimeters_as_meters_in_a_wide_range(root: Path) -> Recipe:
    return recipe_for(replace(METERS, max_m=70000.0), depth(root, "m"))


def meters_as_millimeters(root: Path) -> Recipe:
    over(root, "depth/clips/*/depth/*.png", lambda mm: (mm // 1000).astype(np.uint16))
    return recipe_for(replace(METERS, min_m=1e-4), depth(root, "mm"))


def eight_of_16_bits(root: Path) -> Recipe:
    over(root, "depth/clips/*/depth/*.png", lambda mm: (mm >> 8 << 8).astype(np.uint16))
    return recipe_for(METERS, depth(root))


def one_stem_twice(root: Path) -> Recipe:
    path = files(root, "masks/photos/**/*.jpg")[0]
    shutil.copy(path, path.with_suffix(".png"))
    return recipe_for(ROAD, masks(root))


def twelve_bit_cameras(root: Path) -> Recipe:
    for path in files(root, "masks/photos/**/*.jpg"):
        cv2.imwrite(str(path.with_suffix(".png")), cv2.imread(str(path)).astype(np.uint16) * 16)
        path.unlink()
    return recipe_for(ROAD, masks(root))


def boxes_in_pixels(root: Path) -> Recipe:
    for path in files(root, "yolo/labels/*.txt"):
        path.write_text("0 50 40 30 20\n")
    return recipe_for(CARS, yolo(root))


def training_is_validation(root: Path) -> Recipe:
    return recipe_for(CARS, boxes(root), boxes(root))


def copies_in_validation(root: Path) -> Recipe:
    shutil.copytree(root / "masks", root / "copy/masks")
    for path in files(root, "copy/masks/photos/**/*.jpg"):
        small = cv2.resize(cv2.imread(str(path)), (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)
        cv2.imwrite(str(path), small, [cv2.IMWRITE_JPEG_QUALITY, 60])
        path.rename(path.with_name(f"x{path.name}"))
    for path in files(root, "copy/masks/gt/**/*.png"):
        path.rename(path.with_name(f"x{path.name}"))
    return recipe_for(ROAD, masks(root), masks(root / "copy"))


def a_class_that_no_task_has(root: Path) -> Recipe:
    return recipe_for(Semantic("semantic", ("road", "car", "heaven")), masks(root))


def another_name_of_the_label(root: Path) -> Recipe:
    return recipe_for(replace(CARS, name="objects"), boxes(root))


def a_class_never_seen(root: Path) -> Recipe:
    four = (*STREET, "bus")
    return recipe_for(Semantic("semantic", four), masks(root, names=four))


def one_mask_for_all(root: Path) -> Recipe:
    first, *others = files(root, "masks/gt/**/*.png")
    for path in others:
        shutil.copy(first, path)
    return recipe_for(ROAD, masks(root))


def masks_full_of_holes(root: Path) -> Recipe:
    over(root, "masks/gt/**/*.png", lambda ids: np.where(np.arange(WIDTH) % 5 == 0, ids, 255).astype(np.uint8))
    return recipe_for(ROAD, masks(root))


def half_of_the_labels_missing(root: Path) -> Recipe:
    for path in files(root, "masks/gt/**/*.png")[::2]:
        path.unlink()
    return recipe_for(ROAD, masks(root, on_error="skip"))


def a_covered_camera(root: Path) -> Recipe:
    for path in files(root, "boxes/images/*.jpg")[:4]:
        cv2.imwrite(str(path), np.full((HEIGHT, WIDTH, 3), 3, np.uint8))
    return recipe_for(CARS, boxes(root))


def images_that_nobody_labeled_yet(root: Path) -> Recipe:
    def spoil(tables: dict[str, list[dict[str, object]]]) -> None:
        late = [image["id"] for image in tables["images"][:4]]
        tables["annotations"] = [one for one in tables["annotations"] if one["image_id"] not in late]

    with_tables(root, spoil)
    return recipe_for(CARS, boxes(root))


def corners_as_sizes(root: Path) -> Recipe:
    def spoil(tables: dict[str, list[dict[str, object]]]) -> None:
        for image in tables["images"]:
            del image["width"], image["height"]
        for one in tables["annotations"]:
            left, top, width, height = one["bbox"]  # type: ignore[misc]
            one["bbox"] = [left, top, left + width, top + height]

    with_tables(root, spoil)
    return recipe_for(CARS, boxes(root))


def frames_of_one_clip_in_both(root: Path) -> Recipe:
    dice = np.random.default_rng(0)
    still = cv2.resize(dice.integers(0, 256, (12, 20, 3), dtype=np.uint8), (2 * WIDTH, HEIGHT))
    for i in range(20):  # a camera that turns: neighbors look related, no two are nearly the same
        write(root / f"clip/images/{i:02d}.png", np.ascontiguousarray(still[:, 4 * i : 4 * i + WIDTH]))
        write(root / f"clip/masks/{i:02d}.png", scene(i)[1])
    whole = Masks(str(root / "clip"), names=STREET)
    return recipe_for(ROAD, Split(whole, "train", 0.4, similar="apart"), Split(whole, "val", 0.4, similar="apart"))


def points_without_mirror_images(root: Path) -> Recipe:
    rows = [f"{path.name},{i},5,{20 + i},{9 + i}" for i, path in enumerate(files(root, "boxes/images/*.jpg"))]
    (root / "boxes/points.csv").write_text("\n".join(["image,x0,y0,x1,y1", *rows]))
    columns = PointColumns("x{}", "y{}", count=2)
    table = Table(str(root / "boxes"), "points.csv", labels={"eyes": columns})
    return recipe_for(Landmarks("eyes", points=2), table)


FAULTS: dict[Callable[[Path], Recipe], tuple[Severity, str]] = {
    binary_masks: (POINTLESS, r"cannot be used: .*values=\{0: 'background', 255: 'car'\}"),
    turned_by_exif: (HARMFUL, r"images are stored turned and are turned upright as their EXIF tag says"),
    another_stated_size: (POINTLESS, r"states 96x160 pixels \(height and width swapped\?\)"),
    boxes_without_height: (ODD, r"2 labels are ignored, a box without width or height"),
    millimeters_as_meters: (POINTLESS, r"no label of 'depth' lies in 1..80 m"),
    millimeters_as_meters_in_a_wide_range: (
        POINTLESS,
        r"the median distance is [\d,]+ m; they are stored in millimeters",
    ),
    meters_as_millimeters: (POINTLESS, r"the median distance is 0.0\d+ m; they are stored in meters"),
    eight_of_16_bits: (HARMFUL, r"distances have \d+ steps of 0.256 m, as 8 bits give"),
    one_stem_twice: (POINTLESS, r"would share the label"),
    twelve_bit_cameras: (HARMFUL, r"16-bit images without a value above 4095 are read as 12-bit"),
    boxes_in_pixels: (POINTLESS, r"a box of 30 x 20 images, expected shares"),
    training_is_validation: (POINTLESS, r"10 validation images, which are training images, too"),
    copies_in_validation: (HARMFUL, r"validation images?, which look like training images"),
    a_class_that_no_task_has: (POINTLESS, r"has classes sky, which task 'semantic' .* does not have"),
    another_name_of_the_label: (POINTLESS, r"no source labels task 'objects'; data offers detection"),
    a_class_never_seen: (ODD, r"class bus: is in no label of 8 images"),
    one_mask_for_all: (POINTLESS, r"all 8 labels are the same"),
    masks_full_of_holes: (HARMFUL, r"only 20.0% of the pixels have a class"),
    half_of_the_labels_missing: (HARMFUL, r"5 images are left out, without a label file"),
    a_covered_camera: (HARMFUL, r"images are of one color, as of a covered or broken camera"),
    images_that_nobody_labeled_yet: (ODD, r"\d of \d+ images have no box: they teach that nothing is there"),
    corners_as_sizes: (POINTLESS, r"of the boxes end at the right or lower border, 0% begin at the left"),
    points_without_mirror_images: (HARMFUL, r"label 'eyes': left and right differ, images are flipped in training"),
    frames_of_one_clip_in_both: (HARMFUL, r"images,? (are neighbors of|which look like) training images"),
}


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_a_planted_fault_is_found(root: Path, tmp_path: Path, fault: Callable[[Path], Recipe]) -> None:
    severity, sentence = FAULTS[fault]
    findings = examined(fault(root), tmp_path / "out")
    matching = [one for one in findings if re.search(sentence, one.sentence())]
    assert matching, [one.sentence() for one in findings]
    assert matching[0].severity is severity
    assert [one.severity for one in findings] == sorted(one.severity for one in findings), "the worst first"
    assert all(one.cure for one in findings)


def test_points_are_not_named_where_nothing_is_flipped_or_a_mirror_is_given(root: Path, tmp_path: Path) -> None:
    recipe = points_without_mirror_images(root)
    table = Table(
        str(root / "boxes"), "points.csv", labels={"eyes": PointColumns("x{}", "y{}", count=2, mirror=(1, 0))}
    )
    whole = recipe_for(Landmarks("eyes", points=2, mirror=(1, 0)), table)
    for sound in (recipe.changed(["augment.flip=0"]), recipe.changed(["data.data.augment.flip=0"]), whole):
        assert not [one for one in examined(sound, tmp_path / "out") if "mirror" in one.cure]


def test_images_without_labels_are_said_once_for_both_parts(root: Path, tmp_path: Path) -> None:
    """A folder of which a tenth has no label yet, split in two: one finding, and it is no harm."""
    files(root, "masks/gt/**/*.png")[3].unlink()
    part = masks(root, on_error="skip")
    split = [Split(part, name, 0.4, similar="apart") for name in ("train", "val")]
    findings = examined(recipe_for(ROAD, *split), tmp_path / "out")
    left_out = [one for one in findings if "left out, without a label file" in one.what]
    assert [(one.severity, one.what) for one in left_out] == [(ODD, "1 images are left out, without a label file")]


def test_the_page_holds_its_sheets_as_jpeg(tmp_path: Path) -> None:
    dice = np.random.default_rng(0)
    write(tmp_path / "cars.png", dice.integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8))
    finding = Finding(ODD, "source cars", "2 images are black", "leave them out", ("a.png", "b.png"))
    write_page(
        tmp_path / "page.html",
        "doctor",
        [finding],
        {"cars": Report("cars", "Coco", 2, 2, 1.0, (), {}, 0, (), {})},
        None,
    )
    page = (tmp_path / "page.html").read_text()
    assert "(a.png, b.png)" in page
    assert "data:image/jpeg;base64," in page
    assert len(page) < (tmp_path / "cars.png").stat().st_size


def test_first_steps_are_judged() -> None:
    recipe = recipe_for(CARS, Coco("nowhere"))
    well = FirstSteps({"detection": [5.0, 4.8, 4.5, 4.4, 4.1]}, {"detection": 1.0})
    assert judged(recipe, well) == []
    cases = {
        "gets no gradient": FirstSteps(well.losses, {"detection": 0.0}),
        "its loss grows from 5, a blind guess, to 90": FirstSteps({"detection": [5.0] * 3 + [90.0] * 5}, well.heads),
        "no label in 20 steps": FirstSteps(),
        "61% of the time is spent waiting": FirstSteps(well.losses, well.heads, wait=0.61),
        "pull against each other .median cosine -0.80": FirstSteps(well.losses, well.heads, {"a/b": [-0.8]}),
        "gradient of 'a' is 1000 times that of 'b'": FirstSteps(
            well.losses, well.heads, norms={"a": [10.0], "b": [0.01]}
        ),
        "step 3: the loss of x is nan": FirstSteps(stopped="step 3: the loss of x is nan; lower optim.lr"),
    }
    for sentence, record in cases.items():
        (finding,) = judged(recipe, record)
        assert re.search(sentence, finding.sentence()), finding


RECIPE = """
from hydranet.config.optim import Optim
from hydranet.config.recipe import Recipe
from hydranet.config.source import Source
from hydranet.datasets.masks import Masks
from hydranet.datasets.split import Split
from hydranet.tasks.semantic.task import Semantic
from toys import toy_recipe
from dataclasses import replace


def {name}() -> Recipe:
    whole = Masks({root!r}, images="photos", labels="gt", rename={{"_photo": "_gt"}}, names={names})
    sources = [Source("street", Split(whole, part), (96, 160)) for part in ("train", "val")]
    tasks = (Semantic("semantic", {names}),)
    data, held_out = (sources[0],), (sources[1],)
    return replace(toy_recipe(), tasks=tasks, data=data, validation=held_out, steps=30, batch=2, workers=0)
"""


def test_the_command_trains_first_steps_and_writes_a_page(root: Path, tmp_path: Path) -> None:
    path = tmp_path / "sound_patient.py"
    path.write_text(RECIPE.format(name="patient", root=str(root / "masks"), names=STREET))
    ended = hydranet("doctor", path, "--out", tmp_path / "page")
    assert ended.code == 0, ended.err + ended.out
    assert "nothing to complain about in 10 samples" in ended.out
    page = (tmp_path / "page/doctor.html").read_text()
    assert "First steps" in page
    assert "data:image/jpeg;base64" in page
    worse = tmp_path / "broken_patient.py"
    over(root, "masks/gt/**/*.png", lambda ids: np.where(ids == 1, 255, 0).astype(np.uint8))
    worse.write_text(RECIPE.format(name="patient", root=str(root / "masks"), names=STREET))
    ended = hydranet("doctor", worse, "--out", tmp_path / "page2")
    assert ended.code == 1
    assert ended.out.startswith("pointless to train: source street: 8 of 8 samples cannot be used")
    assert "the first steps were not tried" in ended.out
