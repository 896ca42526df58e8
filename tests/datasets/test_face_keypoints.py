"""Faces: one person is in one part, broken lines are named or counted, a mirrored face is a face."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dataset_folders import FOLDERS, HEIGHT, WIDTH, face_keypoints
from hydranet.core.ledger import Omission
from hydranet.core.sample import DataError
from hydranet.core.spec import SpecError
from hydranet.datasets.face_keypoints import EYE_CORNERS, MIRROR, FaceKeypoints
from hydranet.transforms.warp import flip, warp_annotation


def keys(dataset: FaceKeypoints) -> list[str]:
    return [dataset[i].key for i in range(len(dataset))]


def changed(root: Path, line: int, place: int, word: str) -> FaceKeypoints:
    """The folder with one word of the file replaced; line 1 is the header, word 0 the image's name."""
    dataset = face_keypoints(root)
    file = root / dataset.annotations
    table = [text.split(",") for text in file.read_text().splitlines()]
    table[line - 1][place] = word
    file.write_text("\n".join(",".join(words) for words in table))
    return dataset


def test_persons_are_in_one_part(tmp_path: Path) -> None:
    train = face_keypoints(tmp_path)
    assert keys(replace(train, val_every=2)) == ["training/p01_1.jpg"]
    assert keys(replace(train, val_every=2, split="val")) == [
        f"training/p0{i}.jpg" for i in ("0_1", "0_2", "2_1", "2_2")
    ]
    assert len(replace(train, split="all")) == 5
    with pytest.raises(DataError, match=r"lists no image for split 'train' \(1 persons\)"):
        len(replace(train, person="^(p)"))


def test_points_are_those_of_the_line(tmp_path: Path) -> None:
    dataset = changed(tmp_path, 4, 1 + 2 * 5, "7.25")
    points = dataset[0].labels["keypoints"]
    assert dataset[0].key == "training/p01_1.jpg"
    assert points.xy[0, 5, 0] == 7.25
    assert points.mirror == MIRROR
    assert (points.visible == 2).all()


@pytest.mark.parametrize("word", ["", " ", str(WIDTH + 3)])
def test_empty_and_outside_is_unknown(tmp_path: Path, word: str) -> None:
    sample = changed(tmp_path, 4, 1 + 2 * 5, word)[0]
    assert np.flatnonzero(sample.labels["keypoints"].visible[0] == 0).tolist() == [5]
    assert sample.ledger.count(Omission.LABEL_IGNORED) == (1 if word.strip() else 0)


@pytest.mark.parametrize(
    ("line", "place", "word", "sentence"),
    [
        (4, 3, "x", "training_keypoints.csv, line 4: got 'x'; expected a number"),
        (4, 3, "nan", "line 4: a coordinate that is no number of pixels"),
        (4, 3, "1e9", "line 4: a coordinate that is no number of pixels"),
        (4, 0, "someone.jpg", "line 4: image 'someone.jpg' names no person by"),
        (4, 0, "../p01_1.jpg", "line 4: .*p01_1.jpg"),
        (4, 0, "p00_1.jpg", r"image .* occurs more than once"),
        (4, 136, "1,2", "line 4: 137 coordinates, expected 136"),
    ],
)
def test_broken_lines_are_named(tmp_path: Path, line: int, place: int, word: str, sentence: str) -> None:
    dataset = changed(tmp_path, line, place, word)
    with pytest.raises(DataError, match=sentence):
        len(dataset)
    if "once" not in sentence:
        skipping = replace(dataset, on_error="skip", split="all")
        assert len(skipping) == 4
        assert skipping.ledger().count(Omission.LABEL_IGNORED) == 1


def test_a_point_of_another_image_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=rf"point 5 of training/p01_1.jpg .* far outside the image of {WIDTH}x{HEIGHT}"):
        changed(tmp_path, 4, 1 + 2 * 5, str(3 * WIDTH))[0]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"split": "test"}, "'test'"),
        ({"val_every": 1}, "val_every=1, expected 2 or more"),
        ({"person": "("}, "no regular expression"),
        ({"person": "p00"}, "expected a group"),
    ],
)
def test_options_that_cannot_be_are_refused(options: dict[str, object], sentence: str) -> None:
    with pytest.raises(SpecError, match=sentence):
        FaceKeypoints("faces", **options)  # type: ignore[arg-type]


def test_it_is_among_the_folders_of_the_contract() -> None:
    assert FOLDERS[FaceKeypoints] is face_keypoints


def test_real_faces_and_the_mirror_of_the_mean_face(data_root: Path) -> None:
    root = str(data_root / "face_keypoints")
    train, val = FaceKeypoints(root), FaceKeypoints(root, split="val")
    assert (len(train), len(val)) == (316, 84)
    assert not train.ledger()
    sizes, shapes = [], []
    for index in range(0, len(train), 20):
        sample = train[index]
        points = sample.labels["keypoints"]
        flipped = warp_annotation(points, flip(sample.size), sample.size)
        eyes = [np.linalg.norm(np.subtract(*one.xy[0, list(EYE_CORNERS)])) for one in (points, flipped)]
        assert eyes[0] == pytest.approx(eyes[1], rel=1e-5)
        for one in (points, flipped):
            shape = one.xy[0] - one.xy[0].mean(0)
            shapes.append(shape / eyes[0])
        sizes.append(eyes[0])
    original, mirrored = np.mean(shapes[::2], 0), np.mean(shapes[1::2], 0)
    # with one pair of points exchanged, these would be off by the width of a mouth or an eye
    assert np.abs(original - mirrored).max() < 0.25
