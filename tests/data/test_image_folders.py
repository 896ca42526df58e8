"""Parts of a data set often number their images alike: labels belong to the images of their own part."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from foreign_layouts import scene, write
from hydranet.data.recognize import Answers, recognize
from hydranet.datasets.coco import Coco
from hydranet.datasets.table import Table


def images(folder: Path, names: Sequence[str]) -> None:
    for i, name in enumerate(names):
        write(folder / name, scene(sum(map(ord, folder.name)) + i)[0])


def tables(path: Path, names: Sequence[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    tree = {
        "images": [{"id": i, "file_name": name} for i, name in enumerate(names)],
        "annotations": [{"id": i, "image_id": i, "category_id": 1, "bbox": [1, 2, 30, 20]} for i in range(len(names))],
        "categories": [{"id": 1, "name": "car"}],
    }
    path.write_text(json.dumps(tree))


def numbered(count: int) -> list[str]:
    return [f"{i:04d}.jpg" for i in range(count)]


def coco(dataset: object) -> tuple[str, str, str]:
    assert isinstance(dataset, Coco)
    return dataset.annotations, dataset.images, dataset.on_error


@pytest.mark.parametrize(
    ("folders", "files"),
    [
        (("train2017", "val2017"), ("annotations/instances_train2017.json", "annotations/instances_val2017.json")),
        (("data/training", "data/validation"), ("train.json", "val.json")),
        (("train", "valid"), ("train/_annotations.coco.json", "valid/_annotations.coco.json")),
    ],
)
def test_coco_of_parts_with_equal_names(folders: Sequence[str], files: Sequence[str], tmp_path: Path) -> None:
    for folder, file, count in zip(folders, files, (6, 3), strict=True):
        images(tmp_path / folder, numbered(count))
        tables(tmp_path / file, numbered(count))
    (found,) = recognize(tmp_path, Answers())
    assert coco(found.dataset) == (files[0], folders[0], "refuse")
    assert coco(found.validation) == (files[1], folders[1], "refuse")
    assert f"images in {folders[0]} (of these names there are some in {folders[1]}, too)" in found.why


def test_a_part_of_which_some_images_lack_keeps_its_folder(tmp_path: Path) -> None:
    images(tmp_path / "train", numbered(8))
    images(tmp_path / "val", numbered(5))
    tables(tmp_path / "train.json", numbered(8))
    tables(tmp_path / "val.json", numbered(8))
    (found,) = recognize(tmp_path, Answers())
    assert coco(found.validation) == ("val.json", "val", "skip")
    assert found.validation is not None
    assert len(found.validation) == 5


def test_a_part_that_nothing_uses_is_named(tmp_path: Path) -> None:
    for part, count in (("train", 6), ("valid", 3), ("test", 3)):
        images(tmp_path / part, numbered(count))
        tables(tmp_path / part / "_annotations.coco.json", numbered(count))
    (found,) = recognize(tmp_path, Answers())
    assert coco(found.dataset)[1] == "train"
    assert found.why.endswith("validation valid/_annotations.coco.json; not used: test/_annotations.coco.json")


def test_images_that_no_file_lists_are_counted(tmp_path: Path) -> None:
    images(tmp_path / "images", numbered(9))
    tables(tmp_path / "instances_train.json", numbered(4))
    tables(tmp_path / "instances_val.json", numbered(6)[4:])
    (found,) = recognize(tmp_path, Answers())
    assert found.why.endswith(
        "validation instances_val.json; 3 images beside them are in no such file, as images/0006.jpg"
    )
    tables(tmp_path / "instances_val.json", numbered(9)[4:])
    (found,) = recognize(tmp_path, Answers())
    assert found.why.endswith("validation instances_val.json")


def test_a_table_of_one_part(tmp_path: Path) -> None:
    images(tmp_path / "train", numbered(6))
    images(tmp_path / "val", numbered(4))
    rows = "".join(f"{name},{'ab'[i % 2]}\n" for i, name in enumerate(numbered(4)))
    (tmp_path / "val" / "labels.csv").write_text(f"file,class\n{rows}")
    (found,) = recognize(tmp_path, Answers())
    assert isinstance(found.dataset, Table)
    assert (found.dataset.images, found.dataset.on_error) == ("val", "refuse")
    assert found.dataset.keys() == [f"val/{name}" for name in numbered(4)]


def test_a_table_of_images_in_folders_inside(tmp_path: Path) -> None:
    images(tmp_path / "images" / "monday", numbered(2))
    images(tmp_path / "images" / "tuesday", ["0002.jpg", "0003.jpg"])
    (tmp_path / "labels.csv").write_text("file,class\n0000.jpg,a\n0001.jpg,b\n0002.jpg,a\n0003.jpg,b\n")
    (found,) = recognize(tmp_path, Answers())
    assert isinstance(found.dataset, Table)
    assert (found.dataset.images, found.dataset.on_error, len(found.dataset)) == ("images", "refuse", 4)
