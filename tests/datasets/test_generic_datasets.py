"""Folders of other people's layouts: which files belong together, and what their numbers mean."""

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from dataset_folders import HEIGHT, WIDTH, labelme, labelme_shape, noise, table, write
from hydranet.annotations import Boxes, ClassMap, Keypoints, Polylines, Quantity, ScalarMap, Tag
from hydranet.core.ledger import Omission
from hydranet.core.sample import DataError
from hydranet.core.spec import SpecError
from hydranet.datasets.depth_maps import DepthMaps
from hydranet.datasets.image_list import ImageList
from hydranet.datasets.labelme import Labelme
from hydranet.datasets.masks import Masks
from hydranet.datasets.split import Split
from hydranet.datasets.table import Table
from hydranet.datasets.together import Together
from hydranet.io.columns import BoxColumns, NumberColumn, PointColumns, TagColumn

TWO = ("background", "lane")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HYDRANET_CACHE", str(tmp_path / "cache"))


def ids_of(dataset: Masks) -> np.ndarray:
    label = dataset[0].labels["semantic"]
    assert isinstance(label, ClassMap)
    return label.ids


def meters_of(dataset: DepthMaps) -> np.ndarray:
    label = dataset[0].labels["depth"]
    assert isinstance(label, ScalarMap)
    assert label.unit == "m"
    return label.values


def palette_png(ids: np.ndarray, colors: list[tuple[int, int, int]]) -> bytes:
    from io import BytesIO

    from PIL import Image

    image = Image.fromarray(ids, mode="P") if ids.dtype == np.uint8 else None
    assert image is not None
    image.putpalette([value for color in colors for value in color])
    stream = BytesIO()
    image.save(stream, format="PNG")
    return stream.getvalue()


def test_colors_and_palettes_say_the_class(tmp_path: Path) -> None:
    ids = np.array([[0, 1], [1, 2]], np.uint8).repeat(12, 0).repeat(16, 1)
    colors = [(0, 0, 0), (128, 64, 128), (1, 2, 3)]
    write(tmp_path / "images/a.png", noise(channels=3))
    write(tmp_path / "masks/a.png", np.array(colors, np.uint8)[ids][..., ::-1])
    coded = {"#000000": "sky", "128 64 128": "road", "1,2,3": None}
    expected = np.array([1, 0, 255], np.uint8)[ids]
    dataset = Masks(str(tmp_path), names=("road", "sky"), colors=coded)
    assert np.array_equal(ids_of(dataset), expected)
    (tmp_path / "masks/a.png").write_bytes(palette_png(ids, colors))
    assert np.array_equal(ids_of(dataset), expected), "colors of the palette"
    assert np.array_equal(ids_of(Masks(str(tmp_path), names=("a", "b", "c"))), ids), "indices without colors"
    with pytest.raises(DataError, match=r"a.png holds colors without a meaning in 25.0% of its pixels.*#010203"):
        Masks(str(tmp_path), names=("road", "sky"), colors={"#000000": "sky", "128 64 128": "road"})[0]


def test_zero_and_255_need_a_meaning(tmp_path: Path) -> None:
    write(tmp_path / "images/a.png", noise(channels=3))
    write(tmp_path / "masks/a.png", noise(2) * 255)
    with pytest.raises(DataError, match=r"values={0: 'background', 255: 'lane'}"):
        Masks(str(tmp_path), names=TWO)[0]
    ids = ids_of(Masks(str(tmp_path), names=TWO, values={"0": "background", "255": "lane"}))
    assert set(np.unique(ids)) == {0, 1}


def test_names_come_from_a_file(tmp_path: Path) -> None:
    write(tmp_path / "images/a.png", noise(channels=3))
    write(tmp_path / "masks/a.png", noise(2))
    write(tmp_path / "classes.txt", "# ids\n0: free road\n1: car\n")
    assert Masks(str(tmp_path), names_file="classes.txt").classes == {"semantic": ("free road", "car")}
    write(tmp_path / "classes.txt", "1 car\n0 road\n")
    assert Masks(str(tmp_path), names_file="classes.txt").classes == {"semantic": ("road", "car")}
    write(tmp_path / "classes.txt", "2 car\n0 road\n")
    with pytest.raises(DataError, match=r"numbers its classes \[0, 2\], expected 0, 1"):
        Masks(str(tmp_path), names_file="classes.txt").classes  # noqa: B018
    with pytest.raises(SpecError, match="neither names nor names_file"):
        Masks(str(tmp_path))


@pytest.mark.parametrize(
    ("image", "mask", "options"),
    [
        ("images/x/a.jpg", "masks/x/a.png", {}),
        ("images/frame1_image.jpg", "masks/frame1_label.png", {"rename": {"_image": "_label"}}),
        ("all/a.jpg", "all/a_mask.png", {"images": "all", "labels": "all", "ending": "_mask"}),
        ("clips/1/rgb/7.jpg", "clips/1/seg/7.png", {"images": "clips", "labels": "clips", "rename": {"rgb/": "seg/"}}),
    ],
)
def test_masks_are_found_by_the_images_path(tmp_path: Path, image: str, mask: str, options: dict[str, object]) -> None:
    wanted = noise(2)
    write(tmp_path / image, noise(channels=3))
    write(tmp_path / mask, wanted)
    dataset = Masks(str(tmp_path), names=TWO, **options)  # type: ignore[arg-type]
    assert dataset.keys() == [image]
    assert np.array_equal(ids_of(dataset), wanted)


def test_what_has_no_counterpart_is_refused_or_counted(tmp_path: Path) -> None:
    for name in "ab":
        write(tmp_path / f"images/{name}.png", noise(channels=3))
    write(tmp_path / "masks/a.png", noise(2))
    write(tmp_path / "masks/old/c.png", noise(2))
    write(tmp_path / "images/notes.doc", "x")
    with pytest.raises(DataError, match=r"images/b.png has no label file: looked for b in"):
        Masks(str(tmp_path), names=TWO)[1]
    dataset = Masks(str(tmp_path), names=TWO, on_error="skip")
    assert len(dataset) == 1
    assert [(e.what, e.reason, e.examples) for e in dataset.ledger().ranked()] == [
        (Omission.IMAGE_LEFT_OUT, "without a label file", ("images/b.png",)),
        (Omission.IMAGE_LEFT_OUT, "no image by its suffix", ("notes.doc",)),
        (Omission.LABEL_IGNORED, "a label file without an image", ("masks/old/c.png",)),
    ]
    write(tmp_path / "masks/a.tif", noise(2))
    with pytest.raises(DataError, match="two label files"):
        len(Masks(str(tmp_path), names=TWO))
    with pytest.raises(DataError, match=r"none of the 2 images .* check labels, rename and ending"):
        len(Masks(str(tmp_path), names=TWO, ending="_x"))


@pytest.mark.parametrize(("unit", "scale", "stored"), [("mm", 1.0, 2500), ("m", 1 / 256, 640), ("cm", 0.5, 500)])
def test_stored_numbers_become_meters(tmp_path: Path, unit: str, scale: float, stored: int) -> None:
    write(tmp_path / "images/a.png", noise(channels=3))
    pixels = np.full((HEIGHT, WIDTH), stored, np.uint16)
    pixels[0, 0], pixels[0, 1] = 0, 65535
    write(tmp_path / "depth/a.png", pixels)
    values = meters_of(DepthMaps(str(tmp_path), unit=unit, scale=scale, invalid=(0, 65535)))
    assert np.isnan(values[0, :2]).all()
    assert np.allclose(values[1:], 2.5)


def test_depth_in_files_of_floats(tmp_path: Path) -> None:
    meters = np.full((HEIGHT, WIDTH), 3.5, np.float32)
    meters[0, :3] = np.nan, np.inf, -1
    for suffix in ("tiff", "pfm", "npy"):
        folder = tmp_path / suffix
        write(folder / "images/a.png", noise(channels=3))
        (folder / "depth").mkdir()
        if suffix == "npy":
            np.save(folder / "depth/a.npy", np.asfortranarray(meters.astype(np.float64)))
        else:
            write(folder / f"depth/a.{suffix}", meters)
        values = meters_of(DepthMaps(str(folder), unit="m"))
        assert np.isnan(values[0, :3]).all()
        assert (values[1:] == 3.5).all()
    with pytest.raises(SpecError, match="got unit='', expected one of m, dm, cm, mm, km, or px"):
        DepthMaps(str(tmp_path))


def test_a_colored_depth_map_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "images/a.png", noise(channels=3))
    write(tmp_path / "depth/a.png", noise(channels=3))
    with pytest.raises(DataError, match=r"expected one number per pixel; is it a colored drawing\?"):
        DepthMaps(str(tmp_path), unit="mm")[0]


def test_depth_focal_length_and_disparity(tmp_path: Path) -> None:
    write(tmp_path / "images/a.png", noise(channels=3))
    write(tmp_path / "depth/a.png", np.full((HEIGHT, WIDTH), 256, np.uint16))
    sample = DepthMaps(str(tmp_path), unit="px", scale=1 / 256, focal_px=20.0)[0]
    label = sample.labels["depth"]
    assert isinstance(label, ScalarMap)
    assert label.unit == "px"
    assert (label.values == 1).all()
    assert sample.camera is not None
    assert sample.camera.focal_px == 20


def test_a_table_has_every_kind_of_label(tmp_path: Path) -> None:
    dataset = table(tmp_path)
    first, second = dataset[0].labels, dataset[1].labels
    tag, age, boxes, points, lines = (first[name] for name in ("sign", "age", "detection", "points", "lanes"))
    assert isinstance(tag, Tag)
    assert isinstance(age, Quantity)
    assert isinstance(boxes, Boxes)
    assert isinstance(points, Keypoints)
    assert isinstance(lines, Polylines)
    assert int(tag.label) == 1
    assert float(age.value) == 31.5
    assert boxes.xyxy.tolist() == [[1, 2, 9, 8], [2, 2, 30, 20]]
    assert points.xy.tolist() == [[[3, 4], [5, 6]]]
    assert points.mirror == (1, 0)
    assert lines.points.tolist() == [[[1, 20], [3, 10], [5, 2]]]
    assert "age" not in second, "an empty cell: nobody knows"
    nothing = second["detection"]
    assert isinstance(nothing, Boxes)
    assert len(nothing.label) == 0, "empty cells of a box: nothing is there"


def test_points_of_a_table_outside_their_image_are_unknown_and_counted(tmp_path: Path) -> None:
    write(tmp_path / "images/a.png", noise(channels=3))
    write(tmp_path / "labels.csv", "image,x0,y0,x1,y1\na.png,3,4,5,6\na.png,99,4,-1,6\na.png,7,25,32,24\n")
    columns = PointColumns("x{}", "y{}", count=2)
    sample = Table(str(tmp_path), labels={"points": columns})[0]
    points = sample.labels["points"]
    assert isinstance(points, Keypoints)
    assert np.asarray(points.visible).tolist() == [[2, 2], [0, 0], [0, 2]], "a point on the border is inside"
    (entry,) = sample.ledger.ranked()
    assert (entry.what, entry.reason, entry.count) == (Omission.LABEL_IGNORED, "a point outside its image", 3)
    assert [name.rpartition("/")[2] for name in entry.examples] == ["labels.csv:3", "labels.csv:4"]


@pytest.mark.parametrize(
    ("images", "name", "depth"),
    [
        (".", "rgb/a.png", "depth/a.png"),
        (".", "rgb/a.png", "a_depth.png"),
        (".", "rgb\\a.png", ".\\depth\\a.png"),
        ("shots", "rgb/a.png", "shots/depth/a.png"),
    ],
    ids=["path", "name", "windows", "from the data set"],
)
def test_files_that_a_table_names_as_labels_are_no_images(tmp_path: Path, images: str, name: str, depth: str) -> None:
    """A depth map beside its image is a label; the number 1 in another column does not name 1.png."""
    inside = "depth/a_depth.png" if depth == "a_depth.png" else "depth/a.png"
    for one in ("rgb/a.png", "rgb/1.png", inside):
        write(tmp_path / images / one, noise(channels=3))
    write(tmp_path / "labels.csv", f"image,age,depth\n{name},1,{depth}\n")
    dataset = Table(str(tmp_path), images=images, labels={"age": NumberColumn("age")})
    assert len(dataset) == 1
    (entry,) = dataset.ledger().ranked()
    left_out = "rgb/1.png" if images == "." else "shots/rgb/1.png"
    assert (entry.what, entry.count, list(entry.examples)) == (Omission.IMAGE_LEFT_OUT, 1, [left_out])
    assert entry.reason == "in no row of labels.csv"


def test_json_lines_with_instances_inside(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write(tmp_path / f"images/{name}.png", noise(channels=3))
    rows = [
        {"file": "a.png", "objects": [{"box": [1, 2, 8, 6], "kind": "car"}, {"box": [0, 0, 4, 4], "kind": "bus"}]},
        {"file": "b.png", "objects": []},
    ]
    write(tmp_path / "labels.jsonl", "\n".join(map(json.dumps, rows)))
    columns = BoxColumns(("box",), "xywh", column="kind", names=("bus", "car"))
    dataset = Table(str(tmp_path), "labels.jsonl", image="file", labels={"cars": columns}, instances="objects")
    boxes, nothing = (dataset[i].labels["cars"] for i in range(2))
    assert isinstance(boxes, Boxes)
    assert isinstance(nothing, Boxes)
    assert boxes.xyxy.tolist() == [[1, 2, 9, 8], [0, 0, 4, 4]]
    assert boxes.label.tolist() == [1, 0]
    assert len(nothing.label) == 0
    for wrong in (0, "", False, {}):
        write(tmp_path / "labels.jsonl", "\n".join(map(json.dumps, [rows[0], {"file": "b.png", "objects": wrong}])))
        with pytest.raises(DataError, match=r"labels.jsonl:2: 'objects' is .*, expected a list of objects; correct it"):
            len(replace(dataset))


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        ("c.png,stop", r"labels.csv:2: no image 'c.png' in"),
        ("../a.png,stop", r"labels.csv:2: got file name .* with '..' in it"),
        ("a.png,halt", r"labels.csv:2: 'sign' is 'halt', expected one of yield, stop"),
        ("a.png,7", r"'sign' is '7', expected one of yield, stop"),
        ("a.png,stop,1", r"labels.csv:2: 3 cells, expected 2"),
        ("a.png,stop\na.png,yield", r"several values of 'sign' \(yield, stop\)"),
    ],
)
def test_a_row_that_means_nothing_is_named(tmp_path: Path, row: str, sentence: str) -> None:
    write(tmp_path / "images/a.png", noise(channels=3))
    write(tmp_path / "labels.csv", f"image,sign\n{row}\n")
    dataset = Table(str(tmp_path), labels={"sign": TagColumn("sign", ("yield", "stop"))})
    with pytest.raises(DataError, match=sentence):
        dataset[0]


def test_a_table_counts_images_that_no_row_names(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write(tmp_path / f"images/{name}.png", noise(channels=3))
    write(tmp_path / "labels.csv", "image;sign\na;stop\nz;stop\n")
    dataset = Table(str(tmp_path), labels={"sign": TagColumn("sign", ("yield", "stop"))}, on_error="skip")
    assert [(e.what, e.count) for e in dataset.ledger().ranked()] == [
        (Omission.IMAGE_LEFT_OUT, 1),
        (Omission.LABEL_IGNORED, 1),
    ]


def test_labelme_shapes_as_boxes_masks_and_lines(tmp_path: Path) -> None:
    labels = labelme(tmp_path)[0].labels
    boxes, mask, lines = labels["detection"], labels["semantic"], labels["lanes"]
    assert isinstance(boxes, Boxes)
    assert isinstance(mask, ClassMap)
    assert isinstance(lines, Polylines)
    assert boxes.xyxy.tolist() == [[4, 3, 20, 15], [0, 12, 32, 24]]
    assert boxes.label.tolist() == [1, 0]
    inside = mask.ids == 1
    assert inside[3:12, 4:20].all(), "pixels whose centers lie in the rectangle"
    assert inside[:, 4:20].sum() == inside[3:15, 4:20].sum()
    assert not inside[:, 20:].any()
    assert not inside[:3].any()
    assert lines.points.tolist() == [[[1, 20], [5, 10], [9, 2]]]


def test_labelme_counts_other_shapes_and_refuses_another_size(tmp_path: Path) -> None:
    write(tmp_path / "a.png", noise(channels=3))
    shapes = [labelme_shape("car", "point", (3.0, 3.0)), labelme_shape("moose", "rectangle", (1, 1), (5, 5))]
    tree = {"shapes": shapes, "imageHeight": HEIGHT, "imageWidth": WIDTH}
    write(tmp_path / "a.json", json.dumps(tree))
    dataset = Labelme(str(tmp_path), names=("car",))
    assert {entry.reason: entry.examples for entry in dataset.ledger().ranked()} == {
        "of a shape that is not read": ("car",),
        "of a class that names does not have": ("moose",),
    }
    write(tmp_path / "a.json", json.dumps({**tree, "imageHeight": 2 * HEIGHT}))
    with pytest.raises(DataError, match=r"states 32x48 pixels, the image has 32x24"):
        dataset[0]


def clips(root: Path, count: int = 6, frames: int = 4) -> Masks:
    """Clips of frames that look alike, and no two clips do."""
    rng = np.random.default_rng(3)
    for clip in range(count):
        still = cv2.resize(rng.integers(0, 256, (12, 16, 3), dtype=np.uint8), (WIDTH * 2, HEIGHT * 2))
        for frame in range(frames):
            moved = np.clip(still.astype(int) + rng.integers(-2, 3, still.shape), 0, 255).astype(np.uint8)
            write(root / f"images/c{clip}_{frame}.png", moved)
            write(root / f"masks/c{clip}_{frame}.png", np.zeros(still.shape[:2], np.uint8))
    return Masks(str(root), names=TWO)


@pytest.mark.parametrize("options", [{"group": "*/{clip}_*", "similar": "apart"}, {"similar": "together"}])
def test_a_split_keeps_clips_together(tmp_path: Path, options: dict[str, str]) -> None:
    whole = clips(tmp_path)
    parts = [Split(whole, one, val=0.3, **options) for one in ("train", "val")]  # type: ignore[arg-type]
    train, val = ({key.split("_")[0] for key in list(part.keys())} for part in parts)
    assert not train & val
    assert len(train | val) == 6
    assert len(parts[0]) + len(parts[1]) == 24
    assert len(parts[1]) == 8, "two of six clips are nearest to 0.3 of 24 images"
    assert parts[1][0].key == parts[1].keys()[0]
    other = Split(whole, "val", val=0.3, seed=1, **options)  # type: ignore[arg-type]
    assert other.keys() != parts[1].keys() or Split(whole, "val", 0.3, seed=2, **options).keys() != parts[1].keys()  # type: ignore[arg-type]


def test_a_split_that_cannot_be_made_is_a_sentence(tmp_path: Path) -> None:
    whole = clips(tmp_path, count=1)
    with pytest.raises(DataError, match=r"4 images are in 1 groups \(looking alike\), too few for a part 'val'"):
        len(Split(whole, "val"))
    assert len(Split(whole, "val", val=0.25, similar="apart")) == 1
    with pytest.raises(SpecError, match=r"got group='x', expected a pattern with what names a group in braces"):
        Split(whole, group="x")
    with pytest.raises(DataError, match=r"got image 'images/c0_0.png', expected a path like group='p{person}'"):
        len(Split(whole, group="p{person}"))


def test_a_list_chooses_images(tmp_path: Path) -> None:
    whole = clips(tmp_path, count=2, frames=2)
    write(tmp_path / "val.txt", "/data/images/c1_0.jpg\nc0_1\n")
    with pytest.raises(DataError, match=r"val.txt:1: no image ends like"):
        len(ImageList(whole, "val.txt"))
    skipping = ImageList(whole, "val.txt", on_error="skip")
    assert skipping.keys() == ["images/c0_1.png"]
    assert skipping.ledger().count(Omission.IMAGE_LEFT_OUT) == 1
    write(tmp_path / "val.txt", "images/c1_0 masks/c1_0\nc0_1.png\n")
    assert ImageList(whole, "val.txt").keys() == ["images/c0_1.png", "images/c1_0.png"]


def test_a_list_of_names_with_spaces(tmp_path: Path) -> None:
    for name in ("my image 1", "my image 2", "my"):
        write(tmp_path / f"images/{name}.png", noise(channels=3))
        write(tmp_path / f"masks/{name}.png", np.zeros((HEIGHT, WIDTH), np.uint8))
    whole = Masks(str(tmp_path), names=TWO)
    write(tmp_path / "val.txt", "my image 2.png\nimages/my image 1.png\tmasks/my image 1.png\n")
    assert ImageList(whole, "val.txt").keys() == ["images/my image 1.png", "images/my image 2.png"]
    write(tmp_path / "val.txt", "my image 1 my mask 1\nmy -1\n")
    assert ImageList(whole, "val.txt").keys() == ["images/my image 1.png", "images/my.png"]


def test_images_with_labels_of_several_folders_are_read_once(tmp_path: Path) -> None:
    whole = clips(tmp_path, count=2, frames=1)
    write(tmp_path / "depth/c1_0.png", np.full((2 * HEIGHT, 2 * WIDTH), 4000, np.uint16))
    both = Together((whole, DepthMaps(str(tmp_path), unit="mm", on_error="skip")))
    assert [sorted(both[i].labels) for i in range(len(both))] == [["semantic"], ["depth", "semantic"]]
    with pytest.raises(DataError, match="two labels called 'semantic'"):
        Together((whole, Masks(str(tmp_path), names=("x", "y"))))[0]
