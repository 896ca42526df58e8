"""Every image of a folder is read, or counted with a reason; in the order in which people count."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from dataset_folders import camvid, idd_lite, kitti_object, noise, nyuv2, voc, write, yolo
from hydranet.core.ledger import Omission
from hydranet.core.sample import DataError
from hydranet.core.spec import SpecError
from hydranet.datasets.folder import Folder
from hydranet.deploy.video.frames import find_frames
from hydranet.io.files import in_ranges
from hydranet.io.listing import listing, natural, subfolders


def images(root: Path, *names: str) -> None:
    data = write(root / "one.png", noise(channels=3)).read_bytes()
    (root / "one.png").unlink()
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)


def test_nested_linked_and_rare_suffixes_are_read(tmp_path: Path) -> None:
    images(tmp_path / "set", "a.jfif", "b.JPE", "c/d.gif", "c/e/f.avif", "g.TIF")
    images(tmp_path / "elsewhere", "h.png")
    (tmp_path / "set/linked").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "set/c/circle").symlink_to(tmp_path / "set")
    files = listing(tmp_path / "set")
    names = [path.relative_to(tmp_path / "set").as_posix() for path in files.images]
    assert names == ["a.jfif", "b.JPE", "c/d.gif", "c/e/f.avif", "g.TIF", "linked/h.png"]
    assert not files.ledger


def test_order_is_that_of_counting(tmp_path: Path) -> None:
    names = [f"frame_{i}.png" for i in (1, 2, 10, 11, 12)]
    images(tmp_path, *reversed(names))
    assert [path.name for path in Folder(str(tmp_path)).frames] == names
    assert [path.name for path in find_frames(str(tmp_path)).paths] == names
    assert [path.name for path in find_frames(f"{tmp_path}/frame_*").paths] == names
    assert sorted([Path("b"), Path("1"), Path("²"), Path("9" * 5000), Path("a/10"), Path("a/9")], key=natural)


def test_what_is_left_out_is_counted(tmp_path: Path) -> None:
    images(tmp_path, "a.png", "b.heic", "c.raw", "deep/d.png", "._a.png", "notes.txt")
    files = listing(tmp_path, "*")
    assert [path.name for path in files.images] == ["a.png"]
    assert files.ledger.count(Omission.IMAGE_LEFT_OUT) == 3
    text = " ".join(files.ledger.sentences())
    assert "no image by its suffix (b.heic, c.raw)" in text
    assert "not matching * (deep/d.png)" in text


def test_predict_counts_what_it_leaves_in_a_folder(tmp_path: Path) -> None:
    images(tmp_path, "a.png", "b.heic", "deep/d.png", "._a.png", "notes.txt")
    (tmp_path / "gone.png").symlink_to(tmp_path / "nowhere")
    (tmp_path / "gone.mp4").symlink_to(tmp_path / "nowhere")
    frames = find_frames(str(tmp_path))
    assert [path.name for path in frames.paths] == ["a.png"]
    reasons = [(entry.what, entry.reason, entry.examples) for entry in frames.left_out.ranked()]
    assert reasons[0] == (Omission.IMAGE_LEFT_OUT, "no file behind its name", ("gone.mp4", "gone.png"))
    assert reasons[1] == (Omission.IMAGE_LEFT_OUT, "no image by its suffix", ("b.heic",))
    assert [(what, names) for what, _, names in reasons[2:]] == [(Omission.FOLDER_LEFT_OUT, ("deep",))]
    deeper = find_frames(f"{tmp_path}/**/*")
    assert [path.name for path in deeper.paths] == ["a.png", "d.png"]
    assert [entry.examples for entry in deeper.left_out.ranked()] == [
        (f"{tmp_path}/gone.mp4", f"{tmp_path}/gone.png"),
        (f"{tmp_path}/b.heic",),
    ]
    assert not find_frames(str(tmp_path / "a.png")).left_out


def test_dead_links_and_locked_folders_of_a_data_set_are_counted(tmp_path: Path, monkeypatch) -> None:
    images(tmp_path, "a.png", "locked/b.png")
    (tmp_path / "gone.png").symlink_to(tmp_path / "nowhere")
    scan = os.scandir

    def refusing(place: str) -> object:
        if place.endswith("locked"):
            raise PermissionError(13, "Permission denied", place)
        return scan(place)

    monkeypatch.setattr(os, "scandir", refusing)
    entries = listing(tmp_path).ledger.ranked()
    assert [(entry.what, entry.reason, entry.examples) for entry in entries] == [
        (Omission.IMAGE_LEFT_OUT, "no file behind its name", ("gone.png",)),
        (Omission.FOLDER_LEFT_OUT, "which cannot be listed", (f"{tmp_path}/locked",)),
    ]


@pytest.mark.parametrize(
    ("make", "image"),
    [
        (camvid, "train/a.jpg"),
        (idd_lite, "leftImg8bit/train/7/frame1_image.jpg"),
        (voc, "JPEGImages/a.jpg"),
        (yolo, "images/train/a.png"),
        (kitti_object, "training/image_2/000000.png"),
        (nyuv2, "train/image/0001.jpg"),
    ],
)
def test_images_that_would_share_a_label_are_refused(tmp_path: Path, make, image: str) -> None:
    dataset = make(tmp_path)
    path = tmp_path / image
    path.with_suffix(".bmp").write_bytes(path.read_bytes())
    with pytest.raises(DataError, match=r"which would share one label; rename or remove one of them"):
        len(dataset)


@pytest.mark.parametrize(("make", "images", "labels"), [(voc, "JPEGImages", "Annotations"), (yolo, "images", "labels")])
def test_labels_of_nested_images_lie_in_the_same_folders(tmp_path: Path, make, images: str, labels: str) -> None:
    dataset = make(tmp_path)
    wanted = dataset[0].labels["detection"].xyxy.tolist()
    for folder in (images, labels):
        for path in list((tmp_path / folder).rglob("a.*")):
            (path.parent / "monday").mkdir(exist_ok=True)
            path.rename(path.parent / "monday" / path.name)
    again = replace(dataset)
    keys = [again[i].key for i in range(len(again))]
    assert any("monday/a" in key for key in keys)
    index = next(i for i, key in enumerate(keys) if "monday" in key)
    assert again[index].labels["detection"].xyxy.tolist() == wanted


def test_folders_in_order(tmp_path: Path) -> None:
    for name in ("10", "9", ".hidden"):
        (tmp_path / name).mkdir()
    assert [path.name for path in subfolders(tmp_path, "sequences")] == ["9", "10"]
    with pytest.raises(DataError, match=r"no sequences in .*; check the root and the split"):
        subfolders(tmp_path / "9", "sequences")


def test_a_range_costs_no_more_than_what_is_there() -> None:
    assert in_ranges("0-9999999999999,3", [1, 5, 3]) == [1, 5, 3]
    with pytest.raises(SpecError, match=r"got '1-x', expected numbers and ranges"):
        in_ranges("1-x", [1])
