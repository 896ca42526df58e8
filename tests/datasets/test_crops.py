"""Images with one label each: GTSRB by track, UTKFace by name."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from dataset_folders import FOLDERS
from hydranet.core.ledger import Omission
from hydranet.core.sample import DataError
from hydranet.core.spec import SpecError
from hydranet.datasets.gtsrb import CLASSES, MIRROR, Gtsrb, track_of
from hydranet.datasets.utkface import UtkFace, parse_name
from hydranet.transforms.warp import can_flip, flip, warp

DATA = Path(os.environ.get("HYDRANET_DATA", Path(__file__).parents[2] / "../shared/data"))
HEAD = "Filename;Width;Height;Roi.X1;Roi.Y1;Roi.X2;Roi.Y2;ClassId"


@pytest.fixture
def signs(tmp_path: Path) -> Gtsrb:
    made = FOLDERS[Gtsrb](tmp_path)
    assert isinstance(made, Gtsrb)
    return made


def test_validation_is_by_track(signs: Gtsrb) -> None:
    train, val = signs.frames, replace(signs, split="val").frames
    assert {(path.parent.name, track_of(path)) for path in val} == {("00014", "00004"), ("00033", "00004")}
    assert len(train) == 2 * 5 * 2
    assert len(val) == 2 * 2
    assert not set(train) & set(val)
    assert set(replace(signs, split="trainval").frames) == {*train, *val}
    folds = [set(replace(signs, split="val", fold=fold).frames) for fold in range(5)]
    assert len(set().union(*folds)) == sum(map(len, folds)) == 24, "every track is held out in one fold"


def test_the_official_test_has_its_own_table(signs: Gtsrb) -> None:
    test = replace(signs, split="test")
    assert [int(test[i].labels["sign"].label) for i in range(len(test))] == [33, 0]
    table = signs.folder / "Final_Test/Images/GT-final_test.csv"
    table.replace(signs.folder / "GT-final_test.csv")
    assert len(replace(signs, split="test")) == 2, "beside the folders, as people unpack it"
    (signs.folder / "GT-final_test.csv").write_text(
        "Filename;Width;Height;Roi.X1;Roi.Y1;Roi.X2;Roi.Y2\n00000.ppm;9;9;1;1;8;8"
    )
    with pytest.raises(DataError, match=r"no column ClassId .* take the table with classes"):
        replace(signs, split="test")[0]


def test_boxes_are_scaled_to_the_image_at_hand(signs: Gtsrb) -> None:
    whole, part = signs[0].image, replace(signs, crop="roi")[0].image
    np.testing.assert_array_equal(part, whole[4:20, 5:25])  # 10 8 50 40 in an image twice as large


def test_what_a_mirror_makes_of_signs() -> None:
    pairs = {CLASSES[i]: CLASSES[other] for i, other in enumerate(MIRROR) if other not in (-1, i)}
    assert pairs["turn right"] == "turn left"
    assert pairs["keep left"] == "keep right"
    assert all(pairs[other] == one for one, other in pairs.items())
    assert len(pairs) == 8
    for name in (
        "stop",
        "speed limit 50",
        "no passing",
        "double curve",
        "roundabout",
        "end of all limits",
        "pedestrians",
    ):
        assert MIRROR[CLASSES.index(name)] == -1, name
    assert MIRROR[CLASSES.index("yield")] == CLASSES.index("yield")


def test_flips_change_the_class_or_do_not_happen(signs: Gtsrb) -> None:
    stop, right = signs[0], signs[len(signs) - 1]
    assert CLASSES[int(stop.labels["sign"].label)] == "stop"
    assert not can_flip(stop)
    flipped = warp(right, flip(right.size)).labels["sign"]
    assert CLASSES[int(right.labels["sign"].label)] == "turn right"
    assert CLASSES[int(flipped.label)] == "turn left"


def spoil(signs: Gtsrb, change: Callable[[str], str]) -> Gtsrb:
    table = signs.folder / "Final_Training/Images/00033/GT-00033.csv"
    table.write_text(change(table.read_text()))
    return signs


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda text: text.replace(";33", ";43", 1), r"GT-00033\.csv:2: class 43, expected 0\.\.42"),
        (lambda text: text.replace(";33", ";32", 1), r"GT-00033\.csv:2: class 32 in folder '00033'"),
        (
            lambda text: text.replace(";10;8;50", ";10;8;x", 1),
            r"GT-00033\.csv:2: got Roi\.X2='x', expected a whole number",
        ),
        (lambda text: text.replace(";10;8;50", ";10;8;90", 1), r"box 10 8 90 40 in an image of 64x48"),
        (lambda text: text + "\n" + text.splitlines()[-1], r"GT-00033\.csv:14: '00005_00001\.ppm' has two rows"),
        (lambda text: "\n".join(text.splitlines()[:-1]), r"00005_00001\.ppm has no row in .*GT-00033\.csv"),
    ],
)
def test_a_bad_row_is_named_or_skipped_and_counted(signs: Gtsrb, change: Callable[[str], str], sentence: str) -> None:
    spoil(signs, change)
    with pytest.raises(DataError, match=sentence):
        len(signs)
    skipping = replace(signs, on_error="skip")
    counted = skipping.ledger()
    left_out = counted.count(Omission.LABEL_IGNORED) + counted.count(Omission.IMAGE_LEFT_OUT)
    assert left_out >= 1
    assert len(skipping) in (19, 20)


def test_a_name_without_a_track_is_refused(signs: Gtsrb) -> None:
    image = signs.frames[0]
    image.rename(image.with_name("stop.ppm"))
    with pytest.raises(DataError, match=r"stop\.ppm has no track in its name"):
        len(replace(signs))


def test_faces_by_name(tmp_path: Path) -> None:
    faces = FOLDERS[UtkFace](tmp_path)
    assert [path.name[:6] for path in faces.frames] == ["1_1_2_", "26_1_0", "80_0_4"]
    labels = faces[1].labels
    assert float(labels["age"].value) == 26
    assert labels["age"].unit == "years"
    assert (int(labels["gender"].label), int(labels["race"].label)) == (1, 0)
    assert faces.ledger().sentences() == [
        f"{tmp_path}: 1 image left out, its name is not age_gender_race_time (61_3_20170109.jpg)"
    ]


@pytest.mark.parametrize(
    "name", ["26_2_0_1.jpg", "26_1_5_1.jpg", "140_1_0_1.jpg", "26_1_0.jpg", "x_1_0_1.jpg", "__0_1.jpg"]
)
def test_other_names_are_no_labels(name: str) -> None:
    with pytest.raises(DataError, match=r"expected age_gender_race_time"):
        parse_name(Path(name))


def test_the_split_of_faces_depends_on_the_name_alone(tmp_path: Path) -> None:
    for i in range(200):
        cv2.imwrite(str(tmp_path / f"{i % 90}_0_0_{i}.jpg"), np.zeros((8, 8, 3), np.uint8))
    train, val = ({p.name for p in UtkFace(str(tmp_path), split=split).frames} for split in ("train", "val"))
    assert not train & val
    assert len(train) + len(val) == 200
    assert 20 < len(val) < 60
    for name in list(train)[:50]:
        (tmp_path / name).unlink()
    assert {p.name for p in UtkFace(str(tmp_path), split="val").frames} == val


def test_folds_that_are_none_are_refused() -> None:
    for cls in (Gtsrb, UtkFace):
        with pytest.raises(SpecError, match="got fold 5 of 5 folds"):
            cls("x", fold=5)


@pytest.mark.skipif(not (DATA / "gtsrb").is_dir(), reason="no GTSRB in HYDRANET_DATA or ../shared/data")
def test_real_signs() -> None:
    train, val = (Gtsrb(str((DATA / "gtsrb").resolve()), split=split) for split in ("train", "val"))
    assert (len(train), len(val)) == (3990, 770)
    of_val = {(path.parent.name, track_of(path)) for path in val.frames}
    assert not of_val & {(path.parent.name, track_of(path)) for path in train.frames}
    assert {path.parent.name for path in val.frames} == {f"{i:05d}" for i in range(43)}, "every class is measured"
    assert not train.ledger()


@pytest.mark.skipif(not (DATA / "utkface").is_dir(), reason="no UTKFace in HYDRANET_DATA or ../shared/data")
def test_real_faces() -> None:
    train, val = (UtkFace(str((DATA / "utkface").resolve()), split=split) for split in ("train", "val"))
    assert len(train) + len(val) == 2000
    assert train[0].image.shape == (200, 200, 3)
    assert not val.ledger()
