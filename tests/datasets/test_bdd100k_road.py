"""BDD100K's roads, by hand: curves and areas of both releases, the bits of lane masks, what is left out and counted."""

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from dataset_folders import AREA, LANE, bdd100k_road, bdd100k_road_2018, noise, write
from hydranet.core.sample import DataError
from hydranet.core.spec import SpecError
from hydranet.datasets.bdd100k_road import Bdd100kRoad, lane_coding
from hydranet.io.bdd_labels import LANE_CATEGORIES, read_areas, read_lanes
from hydranet.io.poly2d import STEPS, fill, read_poly2d

LANES = "labels/lane/polygons/lane_train.json"


def test_curves_are_bezier_curves_and_run_near_to_far(tmp_path: Path) -> None:
    lanes = bdd100k_road(tmp_path)[0].labels["lanes"]
    assert lanes.label.tolist() == [LANE_CATEGORIES.index("single white"), LANE_CATEGORIES.index("crosswalk")]
    line = lanes.points[0][lanes.valid[0]]
    assert line[0].tolist() == [10, 22]
    assert line[-1].tolist() == [22, 2]
    assert len(line) == 1 + STEPS
    # the middle of a cubic: (start + 3 first + 3 second + end) / 8
    np.testing.assert_allclose(line[STEPS // 2], [(10 + 3 * 12 + 3 * 20 + 22) / 8, (22 + 30 + 30 + 2) / 8])
    assert lanes.points[1][lanes.valid[1]].tolist() == [[28, 18.5], [4, 18]], "its nearer end comes first"


def test_curves_of_real_annotations_of_2018() -> None:
    """A lane that begins with C: its first vertex is a start, the next three are one curve, whatever the last's type.

    The corners are those of the label file's own example.
    """
    corners = [[305.268154, 449.929388], [209.389704, 468.664488], [106.898947, 468.664488], [0, 469.766552]]
    (path,) = read_poly2d([{"vertices": corners, "types": "CCCL", "closed": False}], closed=False, where="x")
    assert len(path) == 1 + STEPS
    np.testing.assert_allclose(path[-1], corners[-1])
    closed = [*corners, [0, 700]]
    (path,) = read_poly2d([{"vertices": closed, "types": "LLLCC"}], closed=True, where="x")
    np.testing.assert_allclose(path[-1], corners[0], err_msg="the curve ends where the area began")
    assert len(path) == 3 + STEPS


def test_releases_say_the_same_in_other_words(tmp_path: Path) -> None:
    bdd100k_road_2018(tmp_path)
    options = {"areas": "polygons", "directions": ("parallel",)}
    new, one_file, by_image = (
        Bdd100kRoad(str(tmp_path), release=release, **options)[0].labels
        for release in ("2020", "2018", "2018 by image")
    )
    for other in (one_file, by_image):
        np.testing.assert_array_equal(other["lanes"].points, new["lanes"].points)
        np.testing.assert_array_equal(other["lanes"].label, new["lanes"].label)
    ids = new["drivable"].ids
    assert ids[20, 16] == 0
    assert ids[20, 30] == 1
    assert ids[4, 16] == 2
    assert one_file["drivable"].ids[20, 30] == 2
    assert by_image["drivable"].ids[20, 30] == 255, "area/unknown is unknown"


def test_an_area_covers_the_pixels_whose_centers_it_holds() -> None:
    ids = np.full((24, 32), 9, np.uint8)
    fill(ids, np.array([[4.25, 6.25], [12.25, 6.25], [12.25, 10.25], [4.25, 10.25]]), 1)
    rows, columns = np.nonzero(ids == 1)
    # 4.25 to 12.25: centers 4.5 .. 11.5; OpenCV adds pixels that the border runs through
    assert {4, 11} <= set(columns.tolist()) <= set(range(4, 13))
    assert {6, 9} <= set(rows.tolist()) <= set(range(6, 11))


def test_both_releases_number_drivable_areas_in_their_masks(tmp_path: Path) -> None:
    """0 1 2 of 2020 are direct, alternative, background; those of 2018 background, direct, alternative."""
    bdd100k_road_2018(tmp_path)
    stored = cv2.imread(str(tmp_path / "drivable_maps/labels/train/a_drivable_id.png"), cv2.IMREAD_UNCHANGED)
    ids = Bdd100kRoad(str(tmp_path), labels=("drivable",), release="2018")[0].labels["drivable"].ids
    assert (ids == np.array([2, 0, 1])[stored]).all()
    stored = cv2.imread(str(tmp_path / "labels/drivable/masks/train/a.png"), cv2.IMREAD_UNCHANGED)
    ids = Bdd100kRoad(str(tmp_path), labels=("drivable",))[0].labels["drivable"].ids
    assert (ids == stored).all()


@pytest.mark.parametrize(
    ("aspect", "along", "across"),
    [
        ("category", "single white", "crosswalk"),
        ("direction", "parallel", "vertical"),
        ("style", "dashed", "solid"),
    ],
)
def test_bits_of_lane_masks(tmp_path: Path, aspect: str, along: str, across: str) -> None:
    dataset = replace(bdd100k_road(tmp_path), aspect=aspect)
    names, ids = dataset.classes["lane_mask"], dataset[0].labels["lane_mask"].ids
    assert names[ids[3, 10]] == along
    assert names[ids[18, 3]] == across
    assert names[ids[3, 3]] == "no line"
    write(tmp_path / "labels/lane/masks/train/a.png", np.full((24, 32), 0b01000000, np.uint8))
    with pytest.raises(DataError, match=r"a\.png holds class ids \[64\]"):
        dataset[0]


def test_bits_of_lane_masks_are_those_of_the_official_evaluation() -> None:
    """Restated: foreground is bit 3 at 0; category is bits 0-2, style bit 4, direction bit 5."""
    for aspect, first, width in (("category", 0, 3), ("style", 4, 1), ("direction", 5, 1)):
        table = lane_coding(aspect).table
        for byte in range(64):
            wanted = 0 if byte & 8 else 1 + (byte >> first) % (1 << width)
            assert table[byte] == wanted


def test_an_image_has_the_labels_that_list_it(tmp_path: Path) -> None:
    dataset = bdd100k_road(tmp_path)
    assert [set(dataset[i].labels) for i in range(3)] == [
        {"drivable", "lanes", "lane_mask"},
        {"drivable", "lanes", "lane_mask"},
        {"drivable", "lane_mask"},
    ]
    assert len(dataset[1].labels["lanes"].points) == 0, "somebody looked and there is none"
    only_lanes = replace(dataset, labels=("lanes",))
    assert len(only_lanes) == 2
    assert "1 image left out, in no label file (c.jpg)" in " ".join(only_lanes.ledger().sentences())


def test_directions_not_asked_for_are_counted(tmp_path: Path) -> None:
    dataset = replace(bdd100k_road(tmp_path), directions=("parallel",))
    assert len(dataset[0].labels["lanes"].points) == 1
    assert "1 label ignored, lanes that are not parallel" in " ".join(dataset.ledger().sentences())


def test_a_label_with_a_broken_path_is_refused_or_left_out_whole(tmp_path: Path) -> None:
    dataset = bdd100k_road(tmp_path)
    entries = json.loads((tmp_path / LANES).read_text())
    entries[0]["labels"][0]["poly2d"][0]["types"] = "LLLC"
    write(tmp_path / LANES, json.dumps([*entries, {"name": "gone.jpg"}]))
    with pytest.raises(DataError, match=r"a\.jpg, label 1: a curve of vertex 4 has no end"):
        len(replace(dataset))
    skipping = replace(dataset, on_error="skip")
    assert "lanes" not in skipping[0].labels, "half of an image's lanes would teach that there are no others"
    sentences = " ".join(skipping.ledger().sentences())
    assert "1 label ignored, a path that means nothing" in sentences
    assert "1 image left out, no such file (gone.jpg)" in sentences
    (tmp_path / "labels/drivable/masks/train/b.png").unlink()
    assert "drivable" not in skipping[1].labels
    assert "1 label ignored, no such file (b.png)" in " ".join(skipping.ledger().sentences())


@pytest.mark.parametrize(
    ("label", "sentence"),
    [
        ({"category": "lane", "poly2d": [LANE]}, "category '' of a lane, expected one of crosswalk"),
        ({"category": "lane/none", "poly2d": [LANE]}, "category 'none' of a lane"),
        ({"category": "road curb", "attributes": {"laneStyle": "dotted"}, "poly2d": [LANE]}, "style 'dotted'"),
        ({"category": "road curb"}, "poly2d None, expected a list"),
        ({"category": "road curb", "poly2d": [7]}, "poly2d holds 7, expected an object with vertices"),
        ({"category": "road curb", "poly2d": [{"vertices": [[1, 2]], "types": "L"}]}, "a path of 1 vertices"),
        ({"category": "road curb", "poly2d": [[1, 2, "L"], [1, True, "L"]]}, r"vertex \[1, True\]"),
        ({"category": "road curb", "poly2d": [[1, 2, "L"], [1, 2e6, "L"]]}, "expected pixels of the image"),
        ({"category": "road curb", "poly2d": [[0.1, 0.2, "L"], [0.1, 0.9, "L"]]}, "within one pixel, shares of the"),
        ({"category": "road curb", "poly2d": [[1, 2, "L"], [1, 2, "X"]]}, "expected L or C for each"),
        ({"category": "pavement", "poly2d": [LANE]}, "category 'pavement' of a poly2d, expected an area or a lane"),
    ],
)
def test_lanes_that_mean_nothing(label: dict[str, object], sentence: str) -> None:
    with pytest.raises(DataError, match=f"x, label 1: .*{sentence}"):
        read_lanes([label], "x")


def test_areas_that_mean_nothing() -> None:
    for label in ({"category": "drivable area"}, {"category": "area/side"}):
        with pytest.raises(DataError, match=r"x, label 1: area .*, expected direct or alternative"):
            read_areas([{**label, "poly2d": [AREA]}], "x")


def test_options_that_do_not_go_together(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="release 2018 has no lane masks"):
        Bdd100kRoad(str(tmp_path), labels=("lane_mask",), release="2018")
    with pytest.raises(SpecError, match="got no labels, expected some of drivable, lanes, lane_mask"):
        Bdd100kRoad(str(tmp_path), labels=())
    with pytest.raises(DataError, match=r"no folder .*images/100k/train"):
        len(Bdd100kRoad(str(tmp_path)))
    write(tmp_path / "images/100k/train/a.jpg", noise(channels=3))
    with pytest.raises(DataError, match=r"missing file .*lane_train\.json"):
        len(Bdd100kRoad(str(tmp_path)))
