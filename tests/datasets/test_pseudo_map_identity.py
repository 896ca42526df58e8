"""Maps of a teacher are never laid over another image of the same name."""

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from dataset_folders import pseudo_maps
from hydranet.core.sample import DataError
from hydranet.datasets.folder import Folder
from hydranet.datasets.pseudo_maps import PseudoMaps
from hydranet.io.cache_folder import VARIABLE
from hydranet.io.fingerprint import content
from hydranet.io.map_record import FILE, MapRecord


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the cache."""
    monkeypatch.setenv(VARIABLE, str(tmp_path / "cache"))
    return tmp_path / "cache"


def anew(dataset: PseudoMaps) -> PseudoMaps:
    """The same data set as another process would open it."""
    assert isinstance(dataset.dataset, Folder)
    return replace(dataset, dataset=replace(dataset.dataset))


def repaint(path: Path) -> None:
    image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    assert image is not None
    cv2.imwrite(str(path), 255 - image)


def test_an_image_that_was_replaced_is_refused(tmp_path: Path) -> None:
    dataset = pseudo_maps(tmp_path)
    first, second = dataset[0], dataset[1]
    assert np.array_equal(anew(dataset)[0].image, first.image)
    repaint(tmp_path / "images/b.png")
    with pytest.raises(DataError, match=r"^b.png is not the image that .*maps/drivable/b.png was made for"):
        anew(dataset)[0]
    assert np.array_equal(anew(dataset)[1].image, second.image)  # the other one is as it was


def test_another_folder_with_equal_names_is_refused(tmp_path: Path) -> None:
    dataset = pseudo_maps(tmp_path)
    for index in range(2):
        dataset[index]
    for name in ("b.png", "deep/a.jpg"):
        (tmp_path / "others" / name).parent.mkdir(parents=True, exist_ok=True)
        image = cv2.imread(str(tmp_path / "images" / name))
        assert image is not None
        cv2.imwrite(str(tmp_path / "others" / name), image[::-1])
    others = replace(dataset, dataset=Folder(str(tmp_path / "others")))
    for index in range(2):
        with pytest.raises(DataError, match="the name is the same, the pixels differ"):
            others[index]


def test_maps_made_again_for_new_images_are_noted_anew(tmp_path: Path) -> None:
    dataset = pseudo_maps(tmp_path)
    dataset[0]
    repaint(tmp_path / "images/b.png")
    repaint(tmp_path / "maps/drivable/b.png")
    changed = replace(anew(dataset), values={"drivable": {0: "other", 1: "drivable", **dict.fromkeys((254, 255))}})
    assert changed[0].labels.keys() == {"drivable"}
    repaint(tmp_path / "images/b.png")
    with pytest.raises(DataError, match="pixels differ"):
        anew(changed)[0]


def test_a_record_beside_the_maps_is_believed_on_first_use(tmp_path: Path, own_cache: Path) -> None:
    dataset = pseudo_maps(tmp_path)
    for index in range(2):
        dataset[index]
    (noted,) = own_cache.glob("maps/*.jsonl")
    assert {json.loads(line)["content"] for line in noted.read_text().splitlines() if line} == {
        content(dataset[index].image) for index in range(2)
    }
    noted.rename(tmp_path / "maps" / FILE)  # handed on with the maps, to somebody with other images
    repaint(tmp_path / "images/b.png")
    with pytest.raises(DataError, match=rf"delete the line of b.png in .*maps/{FILE}"):
        anew(dataset)[0]
    assert anew(dataset)[1].labels


def test_maps_of_other_images_altogether_are_refused_as_such(tmp_path: Path) -> None:
    dataset = pseudo_maps(tmp_path)
    for name in ("b.png", "deep/a.jpg"):
        path = tmp_path / "images" / name
        path.rename(path.with_stem(f"{path.stem}_other"))
    with pytest.raises(DataError, match=r"has a map for none of the images \(b_other.png, ...\)"):
        anew(dataset)[0]


def test_a_torn_or_foreign_record_costs_nothing_but_its_own_lines(tmp_path: Path, own_cache: Path) -> None:
    dataset = pseudo_maps(tmp_path)
    dataset[0]
    (noted,) = own_cache.glob("maps/*.jsonl")
    noted.write_text('[1]\n{"key": 3}\nnull\n' + noted.read_text() + '{"key": "deep/a.jpg", "conte')
    assert anew(dataset)[1].labels
    repaint(tmp_path / "images/b.png")
    with pytest.raises(DataError, match="pixels differ"):
        anew(dataset)[0]


def test_a_cache_that_cannot_be_written_stops_nothing(tmp_path: Path, own_cache: Path) -> None:
    own_cache.write_text("in the way")
    dataset = pseudo_maps(tmp_path)
    assert dataset[0].labels
    record = MapRecord(tmp_path / "maps")
    record.check("a", "1", {"drivable": tmp_path / "maps/drivable/b.png"})
    with pytest.raises(DataError, match="pixels differ"):
        record.check("a", "2", {"drivable": tmp_path / "maps/drivable/b.png"})
