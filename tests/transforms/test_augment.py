"""Random views and lights: reproducible, within their limits, refused when they make no sense."""

import numpy as np
import pytest
import torch

from fakes import FAKES, picture
from hydranet.annotations import UNKNOWN_ID, Annotation, Boxes, ClassMap, ScalarMap, Tag
from hydranet.core.batch import collate
from hydranet.core.sample import Sample
from hydranet.transforms.augment import Augment, fit
from hydranet.transforms.photometric import Light, relight
from hydranet.transforms.warp import unwarp

RNG = np.random.default_rng
H, W = 60, 120
PLAIN = Augment.none()


def sample(seed: int = 0, **labels: Annotation) -> Sample:
    return Sample(picture(RNG(seed), H, W), labels or {k.__name__: fake(RNG(seed), H, W) for k, fake in FAKES.items()})


def test_the_same_generator_gives_the_same_sample_and_all_kinds_collate():
    augment = Augment(rotate_rad=0.1, hue=0.05)
    once, again = ([augment(sample(i), (32, 64), RNG(i)) for i in range(6)] for _ in range(2))
    for a, b in zip(once, again, strict=True):
        np.testing.assert_array_equal(a.image, b.image)
        np.testing.assert_array_equal(a.labels["Boxes"].xyxy, b.labels["Boxes"].xyxy)
    assert len({a.image.tobytes() for a in once}) == 6
    batch = collate(once)
    assert batch.image.shape == (6, 3, 32, 64)
    assert set(batch.labels) == {kind.__name__ for kind in FAKES}


@pytest.mark.parametrize("kind", Annotation.KINDS)
def test_every_kind_survives_every_augmentation(kind):
    given = sample(0, label=FAKES[kind](RNG(1), H, W))
    for seed in range(5):
        seen = Augment(rotate_rad=0.5, scale=(0.3, 3.0))(given, (32, 64), RNG(seed))
        assert seen.image.shape == (32, 64, 3)
        assert isinstance(seen.labels["label"], kind)


def test_none_only_crops():
    given = sample()
    for seed in range(5):
        seen = PLAIN(given, (H, 64), RNG(seed))
        assert any((given.image[:, x : x + 64] == seen.image).all() for x in range(W - 63))
        whole = PLAIN(given, (H, W), RNG(seed))
        np.testing.assert_array_equal(whole.image, given.image)
        np.testing.assert_array_equal(whole.labels["ScalarMap"].values, given.labels["ScalarMap"].values)


def test_no_padding_when_the_picture_covers_the_crop_and_some_when_it_is_smaller():
    given = sample(0, seg=ClassMap(np.zeros((H, W), np.uint8)))
    for seed in range(10):
        big = Augment(scale=(1.0, 2.0))(given, (48, 64), RNG(seed))
        small = Augment(scale=(0.5, 0.9))(given, (48, 96), RNG(seed))
        assert (big.labels["seg"].ids == 0).all()
        assert (small.labels["seg"].ids == UNKNOWN_ID).any()


def test_meters_follow_the_zoom_against_the_letterboxed_picture():
    given = sample(0, depth=ScalarMap(np.full((H, W), 12.0, np.float32), unit="m"))
    for size in ((H, W), (H // 2, W // 2), (64, 64)):
        ratios = size[0] / H, size[1] / W
        seen = Augment(scale=(1.5, 1.5))(given, size, RNG(0)).labels["depth"].values
        np.testing.assert_allclose(seen, 8.0 * min(ratios) / max(ratios), rtol=1e-6)
        np.testing.assert_allclose(fit(given, (H // 2, W // 2))[0].labels["depth"].values, 12.0)


def test_a_sample_that_cannot_be_flipped_never_is():
    sign = sample(0, sign=Tag(np.asarray(0), mirror=(-1,)))
    for seed in range(20):
        flipped = Augment(flip=1.0, scale=(1.0, 1.0), brightness=0, contrast=0, saturation=0, noise=0, blur=0)
        np.testing.assert_array_equal(flipped(sign, (H, W), RNG(seed)).image, sign.image)


def test_center_crop_is_the_middle():
    given = sample()
    augment = Augment(0.0, (1.0, 1.0), crop="center", brightness=0, contrast=0, saturation=0, noise=0, blur=0)
    np.testing.assert_array_equal(augment(given, (H, 60), RNG(0)).image, given.image[:, 30:90])


def test_fit_shows_everything_and_is_undone():
    given = sample()
    seen, view = fit(given, (96, 128))
    assert seen.image.shape == (96, 128, 3)
    back = unwarp(seen.labels["Boxes"], view, (H, W))
    np.testing.assert_allclose(back.xyxy, given.labels["Boxes"].xyxy, atol=0.5)


def test_light_changes_the_picture_as_it_says_and_nothing_when_it_is_one():
    image = picture(RNG(0), H, W)
    np.testing.assert_array_equal(relight(image, Light(), RNG(0)), image)
    assert relight(image, Light(brightness=1.2), RNG(0)).mean() > image.mean()
    assert relight(image, Light(contrast=0.5), RNG(0)).std() < image.std()
    gray = relight(image, Light(saturation=0.0), RNG(0)).astype(int)
    assert np.abs(gray - gray[..., :1]).max() <= 1
    noisy = relight(np.full((H, W, 3), 128, np.uint8), Light(noise=0.1), RNG(0))
    assert noisy.std() == pytest.approx(25.5, rel=0.1)
    noise = RNG(0).integers(0, 256, (H, W, 3), dtype=np.uint8)
    assert relight(noise, Light(blur_px=2.0), RNG(0)).std() < noise.std() / 2


def test_light_leaves_labels_alone():
    label = FAKES[Boxes](RNG(0), H, W)
    augment = Augment(flip=0.0, scale=(1.0, 1.0), brightness=0.5, noise=0.1)
    np.testing.assert_array_equal(augment(sample(0, box=label), (H, W), RNG(0)).labels["box"].xyxy, label.xyxy)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scale": (1.5, 0.5)}, r"got scale=\(1.5, 0.5\), expected \(smallest, largest\)"),
        ({"scale": (0.0, 1.0)}, "factors above 0"),
        ({"scale": (1.0,)}, "factors above 0"),
        ({"crop": "left"}, "got crop='left', expected 'random' or 'center'"),
        ({"flip": 1.5}, r"got flip=1.5, expected 0 \(never\) to 1"),
        ({"brightness": -0.1}, "got brightness=-0.1"),
        ({"hue": 0.6}, "got hue=0.6, .* to 0.5"),
        ({"rotate_rad": 15.0}, "got rotate_rad=15.0, .* to 3.14"),
        ({"noise": float("nan")}, "got noise=nan"),
    ],
)
def test_senseless_options_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        Augment(**options)


def test_colors_are_torchvisions_to_the_last_bit() -> None:
    from torchvision.transforms.v2 import functional as oracle

    image = np.random.default_rng(3).integers(0, 256, (64, 200, 3), dtype=np.uint8)
    for brightness, contrast, saturation in ((0.7, 1.3, 0.0), (1.21, 0.83, 1.17), (1.0, 1.0, 1.4), (1.3, 0.71, 0.9)):
        wanted = torch.from_numpy(image).permute(2, 0, 1)
        wanted = oracle.adjust_contrast(oracle.adjust_brightness(wanted, brightness), contrast)
        wanted = oracle.adjust_saturation(wanted, saturation).permute(1, 2, 0).numpy()
        found = relight(image, Light(brightness, contrast, saturation), RNG(0))
        np.testing.assert_array_equal(found, wanted)
    turned = oracle.adjust_hue(torch.from_numpy(image).permute(2, 0, 1), 0.3).permute(1, 2, 0).numpy()
    assert np.abs(relight(image, Light(hue=0.3), RNG(0)).astype(int) - turned).max() <= 1
