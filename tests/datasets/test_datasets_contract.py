"""What every data set must do. New ones are found by walking the package."""

import importlib
import inspect
import json
import pickle
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from dataset_folders import FOLDERS
from hydranet.annotations import UNKNOWN_ID, Annotation, Boxes, ClassMap, Keypoints, NormalMap, ScalarMap
from hydranet.config import catalog
from hydranet.core.dataset import Dataset
from hydranet.core.ledger import Ledger
from hydranet.core.spec import Component, from_json, to_json
from hydranet.data.label_statistics import label_statistics
from hydranet.datasets.kitti_object import KittiObject

LOOKED_AT = 3


def every_dataset() -> list[type[Dataset]]:
    found: list[type[Dataset]] = []
    for name, _ in catalog.modules("datasets"):
        for _, value in inspect.getmembers(importlib.import_module(name), inspect.isclass):
            if issubclass(value, Dataset) and not inspect.isabstract(value) and value.__module__ == name:
                found.append(value)
    return found


@pytest.fixture(params=every_dataset(), ids=lambda cls: cls.__name__)
def dataset(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Dataset:
    monkeypatch.setenv("HYDRANET_CACHE", str(tmp_path / "cache-of-fingerprints"))
    make = FOLDERS.get(request.param, lambda _: request.param())
    return make(tmp_path)


def test_samples_are_pictures_with_labels_of_their_size(dataset: Dataset) -> None:
    assert len(dataset) > 0
    keys = set()
    for index in range(min(len(dataset), LOOKED_AT)):
        sample = dataset[index]
        assert sample.image.dtype == np.uint8
        assert sample.image.shape == (*sample.size, 3)
        assert sample.image.flags.c_contiguous
        assert sample.camera is None or sample.camera.matrix.shape == (3, 3)
        keys.add(sample.key)
        for name, label in sample.labels.items():
            check_label(label, sample.size)
            classes = dataset.classes.get(name)
            if classes is not None:
                ids = label_statistics(label, sample.size).classes
                assert set(ids) <= set(range(len(classes))), f"{name} has ids that its class list does not name"
    assert len(keys) == min(len(dataset), LOOKED_AT), "every sample needs a key of its own"


def check_label(label: Annotation, size: tuple[int, int]) -> None:
    height, width = size
    match label:
        case ClassMap():
            assert label.ids.dtype == np.uint8
            assert label.ids.shape == size
        case ScalarMap():
            assert label.values.dtype == np.float32
            assert label.values.shape == size
            assert not np.isneginf(label.values).any()
            assert label.unit == "m" or not np.isinf(label.values).any()
        case NormalMap():
            assert label.xyz.shape == (3, *size)
            length = np.linalg.norm(label.xyz, axis=0)
            assert np.allclose(length[np.isfinite(length)], 1, atol=1e-3)
        case Keypoints():
            count, points = label.visible.shape
            assert label.xy.shape == (count, points, 2)
            assert np.isin(label.visible, (0, 1, 2)).all()
            known = label.visible > 0
            assert np.isfinite(label.xy[known]).all()
            assert (label.xy[known] >= 0).all()
            assert (label.xy[known] <= [width, height]).all()
            assert not label.mirror or sorted(label.mirror) == list(range(points))
        case Boxes():
            assert label.xyxy.shape == (len(label.label), 4)
            assert (label.xyxy >= 0).all()
            assert (label.xyxy <= [width, height, width, height]).all()
            assert (label.xyxy[:, 2:] > label.xyxy[:, :2]).all()
            ignore = np.zeros(len(label.label), bool) if label.ignore is None else label.ignore
            assert ((label.label >= 0) | ignore).all()


def test_class_names_differ_and_leave_room_for_unknown(dataset: Dataset) -> None:
    for classes in dataset.classes.values():
        assert len(set(classes)) == len(classes) <= UNKNOWN_ID


def test_keys_are_known_without_reading(dataset: Dataset) -> None:
    keys = dataset.keys()
    assert len(keys) == len(dataset)
    for index in range(min(len(dataset), LOOKED_AT)):
        assert keys[index] == (dataset[index].key or str(index))


def test_reading_twice_gives_the_same(dataset: Dataset) -> None:
    one, two = dataset[0], dataset[0]
    assert np.array_equal(one.image, two.image)
    assert one.labels.keys() == two.labels.keys()
    for name, label in one.labels.items():
        for array in label.arrays():
            np.testing.assert_array_equal(getattr(label, array), getattr(two.labels[name], array))


def test_past_the_end_is_an_index_error(dataset: Dataset) -> None:
    with pytest.raises(IndexError):
        dataset[len(dataset)]


def test_recipes_and_workers_can_carry_it(dataset: Dataset) -> None:
    again = from_json(to_json(dataset), allowed=lambda cls: issubclass(cls, Component))
    assert to_json(again) == to_json(dataset)
    assert len(again) == len(dataset)
    len(dataset)  # fills the cached lists, which travel along
    assert np.array_equal(pickle.loads(pickle.dumps(dataset))[0].image, dataset[0].image)


def test_a_relative_root_is_found_under_the_data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    FOLDERS[KittiObject](tmp_path / "somewhere" / "kitti")
    monkeypatch.setenv("HYDRANET_DATA", str(tmp_path / "somewhere"))
    assert len(KittiObject("kitti")) == 3


def test_what_it_leaves_out_is_reported(dataset: Dataset) -> None:
    ledger = dataset.ledger()
    assert Ledger.from_json(json.loads(json.dumps(ledger.to_json()))) == ledger
    for inner in (vars(dataset)[one.name] for one in fields(dataset)):
        if isinstance(inner, Dataset):
            assert set(inner.ledger().entries) <= set(ledger.entries), "a wrapped data set's report must not get lost"
