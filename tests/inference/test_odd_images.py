"""A folder with an image that the network cannot take: it is named, and the others are predicted."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from commands import hydranet
from hydranet.annotations import Annotation, Boxes, ClassMap
from hydranet.core.ledger import Omission
from hydranet.core.sample import DataError
from hydranet.datasets.coco import Coco
from hydranet.deploy.video.frames import Frames, find_frames
from hydranet.deploy.video.stopwatch import Pace
from hydranet.deploy.video.video_file import VideoFile
from hydranet.deploy.writer import Writer
from hydranet.inference.pipeline import run_pipeline


class OfOneSize:
    """A predictor that takes 24x40 pixels alone, as an exported file of one size does."""

    classes: Mapping[str, Sequence[str]] = {"road": ("other", "road")}

    def __call__(self, image: np.ndarray, /) -> Mapping[str, Annotation]:
        if image.shape != (24, 40, 3):
            raise DataError(f"got an image of {image.shape[:2]}, expected (24, 40); scale it")
        return {"road": ClassMap(np.zeros((24, 40), np.uint8))}


def predicted(source: Frames, out: Path) -> tuple[list[str], list[DataError]]:
    notes: list[DataError] = []
    predictor = OfOneSize()
    with Writer(out, predictor.classes, source.fps, images="none") as writer:
        names = [frame.name for frame in run_pipeline(source, predictor, writer, Pace(), notes.append)]
    return names, notes


def test_an_image_of_another_size_is_named_and_the_rest_goes_on(tmp_path: Path) -> None:
    for name, size in (("a1", (40, 24)), ("a2", (64, 48)), ("a10", (40, 24))):
        Image.new("RGB", size).save(tmp_path / f"{name}.png")
    names, notes = predicted(find_frames(str(tmp_path)), tmp_path / "out")
    assert names == ["a1", "a10"]
    assert [str(note) for note in notes] == ["a2: got an image of (48, 64), expected (24, 40); scale it"]


def test_what_else_lies_in_a_folder_is_counted(tmp_path: Path) -> None:
    Image.new("RGB", (40, 24)).save(tmp_path / "a.png")
    (tmp_path / "b.heic").write_bytes(b"an image elsewhere")
    (tmp_path / "deep").mkdir()
    source, predictor = find_frames(str(tmp_path)), OfOneSize()
    with Writer(tmp_path / "out", predictor.classes, images="none") as writer:
        assert [frame.name for frame in run_pipeline(source, predictor, writer, Pace(), _raise)] == ["a"]
    (left, folders) = writer.ledger.ranked()
    assert (left.what, left.count, left.examples) == (Omission.IMAGE_LEFT_OUT, 1, ("b.heic",))
    assert (folders.what, folders.count, folders.examples) == (Omission.FOLDER_LEFT_OUT, 1, ("deep",))


class OneBox(OfOneSize):
    classes: Mapping[str, Sequence[str]] = {"cars": ("car",)}

    def __call__(self, image: np.ndarray, /) -> Mapping[str, Annotation]:
        return {"cars": Boxes(np.array([[1.0, 2, 20, 12]]), np.array([0]), np.array([0.5]))}


@pytest.mark.parametrize("fps", [None, 10.0])
@pytest.mark.parametrize("what", ["*.*", "**/*.*"])
def test_a_coco_file_names_images_so_that_readers_find_them(tmp_path: Path, what: str, fps: float | None) -> None:
    files = ["a.png", "b.jpg"] if what == "*.*" else ["a.png", "b.jpg", "deep/b.bmp"]
    for name in ("a.png", "b.jpg", "deep/b.bmp"):
        (tmp_path / "images" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (40, 24)).save(tmp_path / "images" / name)
    predictor = OneBox()
    with Writer(tmp_path / "out", predictor.classes, fps, images="none", files=True) as writer:
        list(run_pipeline(find_frames(f"{tmp_path}/images/{what}"), predictor, writer, Pace(), _raise))
    dataset = Coco(str(tmp_path), "out/cars.coco.json", "images")
    assert [dataset[i].key for i in range(len(dataset))] == [f"images/{name}" for name in files]
    assert [dataset[i].labels["detection"].xyxy.tolist() for i in range(len(dataset))] == [[[1, 2, 20, 12]]] * len(
        files
    )


def _raise(error: DataError) -> None:
    raise error


def test_a_video_of_another_size_ends_at_once(tmp_path: Path) -> None:
    video = VideoFile(tmp_path / "a.mp4", 10)
    for _ in range(3):
        video.add(np.zeros((48, 64, 3), np.uint8))
    video.close()
    with pytest.raises(DataError, match=r"got an image of \(48, 64\), expected \(24, 40\)"):
        predicted(find_frames(str(tmp_path / "a.mp4")), tmp_path / "out")


@pytest.mark.parametrize("command", [("predict", "nowhere", "nothing"), ("data", "check", "nothing")])
def test_the_pixel_limit_can_be_given(command: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HYDRANET_MAX_PIXELS", "7")
    assert "--max-pixels" in hydranet(*command, "--max-pixels", "0").err
