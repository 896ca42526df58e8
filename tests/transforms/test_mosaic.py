"""Mosaics: each label of the canvas is what its tile shows, and no sample is part of one whose labels would not be."""

from dataclasses import replace

import numpy as np
import pytest

from fakes import FAKES
from hydranet.annotations import UNKNOWN_ID, Annotation, Boxes, ClassMap, Keypoints, NormalMap, ScalarMap
from hydranet.config.source import Source
from hydranet.core.sample import Camera, Sample
from hydranet.data.mixture import Mixture
from hydranet.transforms.augment import Augment
from hydranet.transforms.mosaic import fits, mosaic, partners, survives
from toys import Noise, toy_recipe

RNG = np.random.default_rng
H, W = 40, 80
SIZE = (64, 128)
SURVIVORS = {Boxes, ClassMap, Keypoints, NormalMap}


def scene(seed: int) -> Sample:
    """A rectangle of its own brightness on gray of its own; its box, its corners, its pixels and their class."""
    rng = RNG(seed)
    left, top = int(rng.integers(4, 40)), int(rng.integers(4, 18))
    right, bottom = left + int(rng.integers(12, 32)), top + int(rng.integers(10, 18))
    image = np.full((H, W, 3), 20 + 10 * seed, np.uint8)
    image[top:bottom, left:right] = 150 + 20 * seed
    ids = np.zeros((H, W), np.uint8)
    ids[top:bottom, left:right] = 1 + seed % 3
    xyxy = np.array([[left, top, right, bottom]], np.float32)
    labels: dict[str, Annotation] = {
        "seg": ClassMap(ids),
        "box": Boxes(xyxy, np.array([seed]), ignore=None if seed % 2 else np.zeros(1, bool), track=np.array([seed])),
        "corner": Keypoints(xyxy.reshape(1, 2, 2), np.full((1, 2), 2)),
        "edge": ScalarMap((ids > 0).astype(np.float32)),
    }
    return Sample(image, labels, Camera(np.eye(3)), "toy", str(seed))


@pytest.mark.parametrize("seed", range(8))
def test_every_label_lies_on_what_it_names(seed: int) -> None:
    seen = mosaic([scene(i) for i in range(4)], SIZE, RNG(seed), scale=(1.0, 1.5))
    assert seen.image.shape == (*SIZE, 3)
    assert seen.camera is None
    ids, boxes = seen.labels["seg"].ids, seen.labels["box"]
    value, inner = seen.image[..., 0].astype(int), np.zeros(SIZE, bool)
    for xyxy, label in zip(boxes.xyxy, boxes.label, strict=True):
        left, top, right, bottom = np.round(xyxy).astype(int)
        inner[top:bottom, left:right] = True
        if min(right - left, bottom - top) < 5:
            continue
        core = np.s_[top + 2 : bottom - 2, left + 2 : right - 2]
        assert (ids[core] == 1 + label % 3).all()
        assert (np.abs(value[core] - (150 + 20 * label)) <= 2).all()
        around = ids[max(top - 2, 0) : bottom + 2, max(left - 2, 0) : right + 2]
        assert (around > 0).sum() <= (right - left + 2) * (bottom - top + 2)
    assert (ids[~inner] == 0).mean() > 0.98, "what no box covers is background, up to a rounded rim"
    assert np.array_equal(seen.labels["edge"].values > 0, ids > 0)
    assert boxes.track is None
    assert len(seen.labels["corner"].xy) == 4
    for xy, visible in zip(seen.labels["corner"].xy, seen.labels["corner"].visible, strict=True):
        x, y = xy[visible > 0].T
        assert ((x >= 0) & (x <= SIZE[1]) & (y >= 0) & (y <= SIZE[0])).all()


def test_padding_of_a_tile_is_unknown() -> None:
    seen = mosaic([scene(i) for i in range(4)], SIZE, RNG(0), scale=(0.4, 0.5))
    padding = seen.labels["seg"].ids == UNKNOWN_ID
    assert 0.2 < padding.mean() < 0.95
    unknown = np.isnan(seen.labels["edge"].values)
    assert not (unknown & ~padding).any()
    assert (padding & ~unknown).mean() < 0.05, "a shrunk map keeps the points of its rim"


@pytest.mark.parametrize("kind", Annotation.KINDS)
def test_only_kinds_that_survive_are_put_together(kind: type[Annotation]) -> None:
    sample = replace(scene(0), labels={"label": FAKES[kind](RNG(0), H, W)})
    assert survives(sample) is (kind in SURVIVORS)
    assert bool(partners(sample, lambda: sample)) is (kind in SURVIVORS)
    if kind in SURVIVORS:
        seen = mosaic([sample] * 4, SIZE, RNG(0)).labels["label"]
        assert isinstance(seen, kind)


@pytest.mark.parametrize(
    ("other", "why"),
    [
        ({}, "a label less"),
        ({"seg": ClassMap(np.zeros((H, W), np.uint8)), "box": Boxes(np.zeros((0, 4)), np.zeros(0, int))}, "one more"),
        (
            {"seg": ClassMap(np.zeros((H, W), np.uint8), annotated_classes=np.array([True, False]))},
            "other known classes",
        ),
        ({"seg": ClassMap(np.zeros((H, W), np.uint8), np.zeros((2, H, W), np.float32))}, "soft beside hard"),
        ({"seg": ScalarMap(np.zeros((H, W), np.float32))}, "another kind"),
    ],
)
def test_partners_state_the_same_labels(other: dict[str, Annotation], why: str) -> None:
    given = replace(
        scene(0), labels={"seg": ClassMap(np.zeros((H, W), np.uint8), annotated_classes=np.array([True, True]))}
    )
    assert fits(given, replace(given, labels={"seg": ClassMap(np.zeros((H, W), np.uint8))}))
    assert not fits(given, replace(given, labels=other)), why
    assert partners(given, lambda: replace(given, labels=other)) == []


def test_a_slot_is_the_same_sample_however_it_is_reached() -> None:
    pictures = Noise(labels=("glow",))
    recipe = toy_recipe((Source("noise", pictures, (32, 64)),), augment=replace(Augment.none(), mosaic=0.5))
    once, again = Mixture(recipe), Mixture(recipe)
    forward = [once.sample(slot).image for slot in range(12)]
    backward = [again.sample(slot).image for slot in reversed(range(12))][::-1]
    assert all(np.array_equal(a, b) for a, b in zip(forward, backward, strict=True))
    plain = {pictures[i].image.tobytes() for i in range(len(pictures))}
    assert 2 <= sum(image.tobytes() in plain for image in forward) <= 10
    whole = toy_recipe(augment=replace(Augment.none(), mosaic=1.0))
    assert Mixture(whole).sample(0).image.tobytes() in plain, "one number for the image is no number for a tile"


def test_without_a_mosaic_nothing_changes() -> None:
    given = scene(1)
    asked = Augment()(given, SIZE, RNG(3), lambda rng: scene(int(rng.integers(6))))
    assert np.array_equal(asked.image, Augment()(given, SIZE, RNG(3)).image)


def test_a_share_is_a_share() -> None:
    with pytest.raises(ValueError, match=r"got mosaic=1.5, expected 0 \(never\) to 1"):
        Augment(mosaic=1.5)
