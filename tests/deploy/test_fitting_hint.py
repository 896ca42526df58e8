"""Images that leave much of the network's input gray: said once, with the size that fits."""

import warnings

import numpy as np
import pytest

from hydranet.deploy.fitting_hint import SeenShapes, fitting_size, hint, used
from hydranet.deploy.manifest import Input


def test_how_much_is_used_and_what_would_fit() -> None:
    assert used((720, 1280), (128, 416)) == pytest.approx((1.0, 128 * 16 / 9 / 416))
    assert fitting_size((720, 1280), (128, 416), 32) == (160, 288)
    assert min(used((720, 1280), (160, 288))) > 0.98
    assert fitting_size((375, 1242), (192, 640), 32) == (192, 640)
    assert fitting_size((1280, 720), (128, 416), 32) == (288, 160)


def test_the_hint_names_the_size_to_export() -> None:
    fixed = hint((720, 1280), (128, 416), Input((128, 416)))
    assert fixed == (
        "images of 720x1280 fill only 55% of the width of the network's input of 128x416; to see more at the same "
        "cost, export with --size 160x288"
    )
    assert hint((720, 1280), (128, 416), Input((128, 416), dynamic=True)).endswith("use size 160x288 (--size)")


def test_it_comes_once_for_each_size_and_not_where_most_is_used() -> None:
    shapes, given = SeenShapes(), Input((128, 416))
    with pytest.warns(UserWarning, match="fill only 55%"):
        shapes.look((720, 1280), (128, 416), given)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        shapes.look((720, 1280), (128, 416), given)
        shapes.look((375, 1242), (128, 416), given)
        SeenShapes().look((720, 1280), (128, 416), Input((128, 416), fit="stretch", frame=(720, 1280)))
    with pytest.warns(UserWarning, match="images of 1280x720 fill only"):
        shapes.look((1280, 720), (128, 416), given)


def test_the_networks_own_size_is_no_advice() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        SeenShapes().look((100, 100), (64, 96), Input((64, 96)))
    with pytest.warns(UserWarning, match="export with --size 96x96"):
        SeenShapes().look((100, 100), (64, 128), Input((64, 128)))


def test_maps_are_summarized_from_a_part_of_their_pixels() -> None:
    from hydranet.annotations import ClassMap, NormalMap, ScalarMap
    from hydranet.deploy.messages import LOOKED_AT, message

    ramp = np.broadcast_to(np.linspace(1, 50, 1280, dtype=np.float32), (720, 1280))
    told = message(ScalarMap(ramp.copy(), "m"))
    assert told["size"] == [720, 1280]
    assert (told["min"], told["median"], told["max"]) == pytest.approx((1, 25.5, 50), rel=0.08)
    ids = (np.arange(1280) < 960).astype(np.uint8) * np.ones((720, 1), np.uint8)
    assert message(ClassMap(ids), ("a", "b"))["share"] == pytest.approx({"a": 0.25, "b": 0.75}, abs=0.01)
    xyz = np.zeros((3, 720, 1280), np.float32)
    xyz[2] = -1
    assert message(NormalMap(xyz))["mean_xyz"] == [0, 0, -1]
    assert 180 * 320 <= LOOKED_AT < 720 * 1280
