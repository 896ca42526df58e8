"""The image of all tasks is drawn at the size at which it is shown, and looks as if it were scaled down afterwards."""

import cv2
import numpy as np

from hydranet.annotations import Annotation, Boxes, ClassMap, ScalarMap
from hydranet.deploy.writer import _shrunk
from hydranet.visualization.contact_sheet import WIDEST_PX, tile_size
from hydranet.visualization.draw import captioned, composite

SIZE = (720, 1280)


def predictions(unit: str = "m") -> dict[str, Annotation]:
    """Smooth depth, blocks of classes, and two boxes."""
    rng = np.random.default_rng(0)
    values = cv2.resize(rng.uniform(2, 60, (5, 8)).astype(np.float32), SIZE[::-1])
    ids = cv2.resize(rng.integers(0, 3, (5, 8), dtype=np.uint8), SIZE[::-1], interpolation=cv2.INTER_NEAREST)
    boxes = np.array([[100, 200, 400, 500], [700, 300, 900, 700]], np.float32)
    drawn = Boxes(boxes, np.array([0, 1]), score=np.array([0.9, 0.5], np.float32))
    return {"depth": ScalarMap(values, unit), "ground": ClassMap(ids), "things": drawn}


def test_a_sheet_drawn_at_its_size_looks_like_one_that_was_scaled() -> None:
    image = cv2.resize(np.random.default_rng(1).integers(0, 256, (9, 16, 3), dtype=np.uint8), SIZE[::-1])
    small, shrunk = _shrunk(image, predictions())
    assert small.shape[:2] == tile_size(SIZE, 3) < SIZE
    depth, things = shrunk["depth"], shrunk["things"]
    assert isinstance(depth, ScalarMap)
    assert isinstance(things, Boxes)
    assert depth.values.shape == small.shape[:2]
    wanted = np.array([[100, 200, 400, 500], [700, 300, 900, 700]]) * small.shape[1] / SIZE[1]
    np.testing.assert_allclose(things.xyxy, wanted, atol=0.5)  # the sides of the small frame are whole pixels
    names = {"depth": (), "ground": ("a", "b", "c"), "things": ("car", "bus")}
    sheets = [
        composite(picture, {name: captioned(picture, one, names[name]) for name, one in answers.items()})
        for picture, answers in ((image, predictions()), (small, shrunk))
    ]
    assert abs(sheets[0].shape[1] - sheets[1].shape[1]) <= 8
    assert sheets[1].shape[1] <= WIDEST_PX
    same = cv2.resize(sheets[1], sheets[0].shape[1::-1], interpolation=cv2.INTER_AREA)
    assert np.abs(same.astype(int) - sheets[0]).mean() < 6


def test_numbers_in_pixels_and_small_frames_are_drawn_as_they_are() -> None:
    image = np.zeros((*SIZE, 3), np.uint8)
    assert _shrunk(image, predictions("px"))[0] is image
    little = np.zeros((96, 128, 3), np.uint8)
    assert _shrunk(little, {})[0] is little
