"""Stored values become class ids; what the user means is never our word for unknown."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dataset_folders import HEIGHT, WIDTH, camvid, noise, pseudo_maps, write
from hydranet.annotations import UNKNOWN_ID
from hydranet.core.sample import DataError
from hydranet.core.spec import Component, SpecError, from_json, to_json
from hydranet.datasets.camvid import CamVid
from hydranet.datasets.pseudo_maps import PseudoMaps
from hydranet.io.class_map import IdCoding, read_class_map

LANES = IdCoding(("background", "lane"))
LANE = np.zeros((HEIGHT, WIDTH), np.uint8)
LANE[:, 10:14] = 1


def test_masks_of_one_bit_hold_0_and_1(tmp_path: Path) -> None:
    Image.fromarray(LANE * 255).convert("1").save(tmp_path / "a.png")
    assert np.array_equal(read_class_map(tmp_path / "a.png", LANES).ids, LANE)


def test_masks_of_0_and_255_are_a_sentence_and_values_say_what_they_mean(tmp_path: Path) -> None:
    for name in "abc":
        write(tmp_path / f"{name}.png", LANE * 255)
    with pytest.raises(
        DataError,
        match=r"a.png and the masks beside it hold 0 and 255 alone, and 255 means unknown; say what they mean, such as "
        r"values=\{0: 'background', 255: 'lane'\}",
    ):
        read_class_map(tmp_path / "a.png", LANES)
    binary = IdCoding(LANES.classes, values={0: "background", 255: "lane"})
    assert np.array_equal(read_class_map(tmp_path / "a.png", binary).ids, LANE)
    unsure = IdCoding(LANES.classes, values={0: "background", 255: None})
    assert np.array_equal(read_class_map(tmp_path / "a.png", unsure).ids, LANE * UNKNOWN_ID)


def test_a_mask_of_0_and_255_beside_masks_of_ids_means_unknown(tmp_path: Path) -> None:
    write(tmp_path / "a.png", LANE * 255)
    write(tmp_path / "b.png", LANE)
    assert np.array_equal(read_class_map(tmp_path / "a.png", LANES).ids, LANE * UNKNOWN_ID)


def test_values_without_a_meaning_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "a.png", LANE * 7)
    with pytest.raises(DataError, match=r"a.png holds class ids \[7\], expected one of 0, 255"):
        read_class_map(tmp_path / "a.png", IdCoding(LANES.classes, values={0: "background", 255: "lane"}))
    with pytest.raises(SpecError, match=r"got stored value 256 in values, expected 0..255"):
        IdCoding(LANES.classes, values={256: "lane"})
    with pytest.raises(SpecError, match="got 254 classes of masks, expected at most 253"):
        IdCoding(tuple(map(str, range(254))))
    with pytest.raises(SpecError, match="did you mean 'lane'"):
        IdCoding(LANES.classes, values={1: "lanes"})


def test_data_sets_of_masks_take_values_and_recipes_carry_them(tmp_path: Path) -> None:
    camvid(tmp_path)
    for name in "ab":
        write(tmp_path / f"trainannot/{name}.png", LANE * 255)
    with pytest.raises(DataError, match="hold 0 and 255 alone"):
        CamVid(str(tmp_path))[0]
    dataset = CamVid(str(tmp_path), values={0: "sky", 255: "road"})
    again = from_json(to_json(dataset), allowed=lambda cls: issubclass(cls, Component))
    for one in (dataset, again):
        assert np.array_equal(one[0].labels["semantic"].ids, LANE * 3)


def test_maps_of_a_teacher_take_values(tmp_path: Path) -> None:
    made = pseudo_maps(tmp_path)
    for name in ("b.png", "deep/a.png"):
        write(tmp_path / "maps/drivable" / name, LANE * 255)
    options = {"dataset": made.dataset, "maps": made.maps}
    dataset = PseudoMaps(made.root, **options, values={"drivable": {"0": "other", "255": "drivable"}})
    assert np.array_equal(dataset[0].labels["drivable"].ids, LANE)
    with pytest.raises(SpecError, match=r"no map \(in values\) is called 'drivble'"):
        PseudoMaps(made.root, **options, values={"drivble": {0: "other"}})


def test_two_images_that_would_share_a_map_are_refused(tmp_path: Path) -> None:
    made = pseudo_maps(tmp_path)
    write(tmp_path / "images/b.jpg", noise(channels=3))
    with pytest.raises(DataError, match=r"b.jpg and b.png, which would share one label"):
        PseudoMaps(made.root, dataset=made.dataset, maps=made.maps)[0]
