"""Parts of a data set often number their images alike: labels belong to the images of their own part."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from foreign_layouts import STREET, scene, write
from hydranet.core.spec import SpecError
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


def masks(folder: Path, names: Sequence[str]) -> None:
    for i, name in enumerate(names):
        write(folder / name, scene(i)[1])


@pytest.mark.parametrize("labels", ["boxes.csv", "boxes.json"])
def test_masks_with_the_names_of_images_are_no_images(labels: str, tmp_path: Path) -> None:
    names = [f"{i:03d}.png" for i in range(4)]
    images(tmp_path / "images", names)
    masks(tmp_path / "annots", names)  # first in the alphabet
    tables(tmp_path / "boxes.json", names)
    if labels.endswith("csv"):
        (tmp_path / "boxes.json").unlink()
        (tmp_path / labels).write_text("image,class,x1,y1,x2,y2\n" + "".join(f"{n},car,1,2,31,22\n" for n in names))
    (found,) = recognize(tmp_path, Answers({"": STREET}))  # boxes and masks of the same images
    assert list(found.dataset.keys()) == [f"images/{name}" for name in names]
    first = found.dataset[0]
    np.testing.assert_array_equal(first.image, scene(sum(map(ord, "images")))[0])
    assert set(first.labels) == {"detection", "semantic"}


@pytest.mark.parametrize("labels", ["labels.csv", "labels.json"])
def test_two_folders_of_equal_names_are_no_guess(labels: str, tmp_path: Path) -> None:
    for camera in ("left", "right"):
        images(tmp_path / camera, numbered(3))
    if labels.endswith("json"):
        tables(tmp_path / labels, numbered(3))
    else:
        rows = "".join(f"{name},car,1,2,31,22\n{name},bus,1,2,31,22\n" for name in numbered(3))
        (tmp_path / labels).write_text(f"image,class,x1,y1,x2,y2\n{rows}")
    with pytest.raises(SpecError, match=r"such as '0000.*', which lie in left and in right; write the folder"):
        recognize(tmp_path, Answers())


def test_a_table_says_which_of_two_folders_it_means(tmp_path: Path) -> None:
    images(tmp_path / "left", numbered(4))
    images(tmp_path / "right", numbered(3))
    (tmp_path / "labels.csv").write_text(
        "file,class\n" + "".join(f"{n},{'ab'[i % 2]}\n" for i, n in enumerate(numbered(4)))
    )
    (found,) = recognize(tmp_path, Answers())
    assert "column 'file', images in left (of these names there are some in right, too), labels in class" in found.why
