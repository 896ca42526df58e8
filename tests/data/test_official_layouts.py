"""hydranet init knows folders that lie as well-known data sets were released."""

from collections.abc import Callable
from pathlib import Path

import pytest

import dataset_folders
from commands import hydranet
from hydranet.annotations import ClassMap, Keypoints, Polylines
from hydranet.checkpoint import resolve
from hydranet.core.dataset import Dataset
from hydranet.data.official_layouts import official
from hydranet.data.recognize import Answers, recognize
from hydranet.datasets.split import Split

LAYOUTS = {
    "culane": (dataset_folders.culane, "lanes", Polylines, "CULane"),
    "tusimple": (dataset_folders.tusimple, "lanes", Polylines, "TuSimple"),
    "cityscapes": (dataset_folders.cityscapes, "semantic", ClassMap, "Cityscapes"),
    "coco_keypoints": (dataset_folders.coco_keypoints, "keypoints", Keypoints, "COCO, with key points"),
}


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HYDRANET_CACHE", str(tmp_path / "cache"))


@pytest.mark.parametrize("name", LAYOUTS)
def test_the_layout_names_its_reader(name: str, tmp_path: Path) -> None:
    make, label, kind, why = LAYOUTS[name]
    given = make(tmp_path / name)
    (found,) = recognize(tmp_path / name, Answers())
    assert type(found.dataset) is type(given)
    assert list(found.dataset.keys())
    assert isinstance(found.dataset[0].labels[label], kind)
    assert why in found.why


def test_another_folder_has_no_such_layout(tmp_path: Path) -> None:
    dataset_folders.coco(tmp_path / "coco")
    dataset_folders.camvid(tmp_path / "camvid")
    assert official(tmp_path / "coco") is None
    assert official(tmp_path / "camvid") is None


def test_own_splits_are_used(tmp_path: Path) -> None:
    culane = dataset_folders.culane(tmp_path / "culane")
    whole = (tmp_path / "culane" / culane.listed).read_text().splitlines(keepends=True)
    (tmp_path / "culane/list/train_gt.txt").write_text("".join(whole[:-1]))
    (tmp_path / "culane/list/val_gt.txt").write_text(whole[-1])
    (found,) = recognize(tmp_path / "culane", Answers())
    assert found.validation is not None
    assert [len(found.dataset), len(found.validation)] == [len(whole) - 1, 1]
    assert not set(found.dataset.keys()) & set(found.validation.keys())


def test_init_writes_a_recipe_of_them(tmp_path: Path) -> None:
    makers: list[Callable[[Path], Dataset]] = [make for make, *_ in LAYOUTS.values()]
    folders = [tmp_path / name for name in LAYOUTS]
    given = [make(folder) for make, folder in zip(makers, folders, strict=True)]
    ended = hydranet("init", *folders, "--out", tmp_path / "roads.py")
    assert ended.code == 0, ended.err
    recipe = resolve.recipe(str(tmp_path / "roads.py"))
    tasks = {task.name: type(task).__module__.split(".")[-2] for task in recipe.tasks}
    assert tasks["lanes"] == "lanes"
    assert tasks["semantic"] == "semantic"
    assert tasks["keypoints"] in ("pose", "landmarks")
    lanes = next(task for task in recipe.tasks if task.name == "lanes")
    assert vars(lanes)["canvas_px"] in {one[0].size for one in given}, "scored at the images' own size"
    wholes = [one.dataset.dataset if isinstance(one.dataset, Split) else one.dataset for one in recipe.data]
    assert [type(one) for one in wholes] == [type(one) for one in given]
