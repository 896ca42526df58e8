"""The look at data: broken files never stop it, counts add up, images and JSON are written."""

import json
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from rich.console import Console

from dataset_folders import HEIGHT, WIDTH, camvid, folder, kitti_object, nyuv2, write
from fakes import FAKES, picture
from hydranet.annotations import Annotation, Boxes, ClassMap
from hydranet.core.dataset import Dataset
from hydranet.core.sample import Sample
from hydranet.data.check import Broken, Report, check, summary
from hydranet.data.label_sheet import sheet
from hydranet.data.label_statistics import add_up, label_statistics
from hydranet.datasets.camvid import CamVid


def report_of(dataset: Dataset, draw_to: Path | None = None, limit: int | None = None) -> Report:
    seen = list(check(dataset, draw_to, limit))
    assert [p.done for p in seen] == list(range(len(seen) > 0, len(seen) + 1))[: len(seen)] or seen[-1].total == 0
    assert all(p.report is None for p in seen[:-1])
    report = seen[-1].report
    assert report is not None
    json.dumps(report.to_json(), allow_nan=False)
    return report


def text_of(report: Report) -> str:
    console = Console(width=200, file=None, record=True)
    with console.capture() as capture:
        console.print(summary(report))
    return capture.get()


def test_counts_of_boxes_and_depth(tmp_path: Path) -> None:
    report = report_of(kitti_object(tmp_path), tmp_path / "sheets" / "kitti.png")
    assert (report.samples, report.read, report.broken) == (3, 3, ())
    assert report.sizes == {f"{WIDTH}x{HEIGHT}": 3}
    boxes = report.labels["detection"]
    assert (boxes.kind, boxes.images, boxes.empty, boxes.unit) == ("Boxes", 3, 1, "boxes")
    assert boxes.classes["Car"] == boxes.in_images["Car"] == 2
    assert boxes.classes["Tram"] == 0
    assert boxes.counts["ignored"] == 1
    low, middle, high = report.labels["depth"].ranges["m"]
    assert 1 <= low < middle < high <= 80
    assert cv2.imread(str(tmp_path / "sheets/kitti.png")).shape[2] == 3
    assert "Car 2, Van 0" in text_of(report)


def test_boxes_that_are_there_twice_are_counted() -> None:
    corners = np.array([[0, 0, 9, 9], [0, 0, 9, 9], [0, 0, 9, 9], [1, 0, 9, 9]], np.float32)
    twice = Boxes(corners, np.array([0, 0, 1, 0]))
    assert label_statistics(twice, (20, 20)).counts["copies of another box"] == 1
    once = Boxes(corners[1:], np.array([0, 1, 0]))
    assert "copies of another box" not in label_statistics(once, (20, 20)).counts


def test_every_broken_file_is_collected_and_none_stops_the_scan(tmp_path: Path) -> None:
    dataset = kitti_object(tmp_path)
    (tmp_path / "training/label_2/000000.txt").unlink()
    (tmp_path / "training/image_2/000007.png").write_bytes(b"x")
    report = report_of(dataset)
    assert [broken.index for broken in report.broken] == [0, 2]
    assert "label_2/000000.txt" in report.broken[0].message
    assert report.labels["detection"].images == 1
    assert "1 of 3 samples read well" in text_of(report)
    assert "[a, b]" in text_of(replace(report, broken=(Broken(0, "expected one of [a, b]"),)))
    assert "broken image" in text_of(report)


def test_a_data_set_that_is_not_there_is_one_broken_entry(tmp_path: Path) -> None:
    report = report_of(CamVid(str(tmp_path / "nowhere")))
    assert report.samples == report.read == 0
    assert "no data folder" in report.broken[0].message
    assert "0 of 0 samples" in text_of(report)
    assert "no data folder" in text_of(report)


def test_limit_reads_evenly_spread_samples(tmp_path: Path) -> None:
    report = report_of(kitti_object(tmp_path), limit=2)
    assert (report.samples, report.read) == (3, 2)
    with pytest.raises(ValueError, match="got limit=0, expected a number of samples >= 1"):
        next(check(kitti_object(tmp_path), limit=0))


def test_class_shares_of_maps(tmp_path: Path) -> None:
    dataset = camvid(tmp_path)
    stored = np.full((HEIGHT, WIDTH), 11, np.uint8)
    stored[0, 0] = 3
    write(tmp_path / "trainannot/a.png", stored)
    write(tmp_path / "trainannot/b.png", np.full_like(stored, 11))
    label = report_of(dataset).labels["semantic"]
    assert label.empty == 1
    assert label.classes == {name: int(name == "road") for name in dataset.classes["semantic"]}
    assert label.counts == {"pixels": 2 * HEIGHT * WIDTH, "known pixels": 1}


def test_equal_pictures_and_unlabeled_ones_are_counted(tmp_path: Path) -> None:
    dataset = folder(tmp_path)
    write(tmp_path / "same.png", cv2.imread(str(tmp_path / "b.png")))
    report = report_of(dataset)
    assert report.duplicates == (("same.png", "b.png"),)
    assert report.unlabeled == 3
    assert "same.png = b.png" in text_of(report)


def test_normals_are_counted(tmp_path: Path) -> None:
    label = report_of(nyuv2(tmp_path)).labels["normals"]
    assert label.counts["not of length 1"] == 0
    assert label.ranges["z"][0] >= -1


@dataclass(frozen=True)
class Fake(Dataset):
    """One sample of a kind of label."""

    kind: str

    def __len__(self) -> int:
        return 1

    def __getitem__(self, index: int) -> Sample:
        rng = np.random.default_rng(0)
        make = {kind.__name__: fake for kind, fake in FAKES.items()}[self.kind]
        return Sample(picture(rng, 48, 64), {"label": make(rng, 48, 64)}, key="only")


@pytest.mark.parametrize("kind", Annotation.KINDS, ids=lambda kind: kind.__name__)
def test_every_kind_of_annotation_is_counted_and_drawn(tmp_path: Path, kind: type[Annotation]) -> None:
    report = report_of(Fake(kind.__name__), tmp_path / "sheet.png")
    label = report.labels["label"]
    assert (label.kind, label.images, label.empty) == (kind.__name__, 1, 0)
    assert (tmp_path / "sheet.png").exists()
    assert kind.__name__ in text_of(report)


def test_ids_outside_the_class_list_are_broken() -> None:
    @dataclass(frozen=True)
    class Wrong(Dataset):
        @property
        def classes(self) -> dict[str, tuple[str, ...]]:
            return {"map": ("a", "b")}

        def __len__(self) -> int:
            return 1

        def __getitem__(self, index: int) -> Sample:
            return Sample(np.zeros((4, 4, 3), np.uint8), {"map": ClassMap(np.full((4, 4), 7, np.uint8))}, key="x.png")

    report = report_of(Wrong())
    assert report.broken[0].message == (
        "Wrong:x.png: 'map' holds class ids [7], expected 0..1 or 255 (unknown); correct the label file or the data "
        "set's class list"
    )


def test_a_kind_without_statistics_says_where_to_add_one() -> None:
    with pytest.raises(TypeError, match=r"no statistics for a Annotation; add one in data/label_statistics\.py"):
        label_statistics(Annotation(), (4, 4))


def test_tallies_add_up_over_any_split() -> None:
    rng = np.random.default_rng(1)
    statistics = [label_statistics(FAKES[ClassMap](rng, 16, 16), (16, 16)) for _ in range(4)]
    whole, parts = add_up(statistics, "abcd"), [add_up(statistics[:1], "abcd"), add_up(statistics[1:], "abcd")]
    for name in "abcd":
        assert whole.classes[name] == sum(part.classes[name] for part in parts)


def test_sheet_fills_the_shorter_column() -> None:
    tall, low = np.full((40, 10, 3), 1, np.uint8), np.full((10, 10, 3), 2, np.uint8)
    canvas = sheet([tall, low, low])
    assert canvas.shape[0] < 60
    assert (canvas == 2).sum() == 2 * low.size
    assert (canvas == 1).sum() == tall.size
