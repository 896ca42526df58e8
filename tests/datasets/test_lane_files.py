"""Label files of lanes, by hand: pixel numbers become centers, lines run near to far, what means nothing is refused."""

import json
from pathlib import Path

import numpy as np
import pytest

from dataset_folders import culane, tusimple
from hydranet.core.sample import DataError
from hydranet.core.spec import SpecError
from hydranet.datasets.culane import CuLane, read_culane_lines
from hydranet.datasets.lines_from_masks import LinesFromMasks
from hydranet.datasets.tusimple import TuSimple, read_tusimple_lanes


def test_culane_lines_run_near_to_far_at_centers_of_pixels(tmp_path: Path) -> None:
    first, second = (culane(tmp_path)[i].labels["lanes"] for i in range(2))
    assert first.points[0].tolist() == [[-1.0, 23.5], [3.5, 19.0], [7.5, 12.5]]
    assert first.points[1][first.valid[1]].tolist() == [[30.5, 23.5], [25.5, 12.5]]
    assert len(second.points) == 0, "somebody looked and there is none"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("1 2 3", "line 1: '1 2 3' has 3 numbers, expected pairs x y"),
        ("1 2 3 x", "line 1: got 'x'; expected a number"),
        (
            ".3 .9 .4 .5",
            r"line 1: '.3 .9 .4 .5': points \(0.3, 0.9, 0.4, 0.5, ...\) within one pixel, shares of the im",
        ),
        ("1 2\n1 nan", "line 2: '1 nan' has coordinates beyond 1e.06 px"),
    ],
)
def test_culane_lines_that_are_none(tmp_path: Path, text: str, sentence: str) -> None:
    path = tmp_path / "a.lines.txt"
    path.write_text(text)
    with pytest.raises(DataError, match=rf"a\.lines\.txt, {sentence}"):
        read_culane_lines(path)


def test_culane_lists_and_missing_files(tmp_path: Path) -> None:
    dataset = culane(tmp_path)
    assert [sample.key for sample in (dataset[0], dataset[1])] == ["driver_1/clip/a.jpg", "driver_1/clip/b.jpg"]
    assert len(CuLane(str(tmp_path), frames="1")) == 1
    (tmp_path / "driver_1/clip/b.lines.txt").unlink()
    with pytest.raises(DataError, match=r"missing file .*b\.lines\.txt"):
        dataset[1]
    skipping = CuLane(str(tmp_path), on_error="skip")
    assert len(skipping) == 1
    assert "1 image left out, without a label file" in " ".join(skipping.ledger().sentences())
    (tmp_path / "driver_1/clip/a.jpg").unlink()
    with pytest.raises(DataError, match=r"train_gt\.txt lists 'driver_1/clip/a\.jpg', which is missing"):
        skipping[0]
    with pytest.raises(SpecError, match="no label of CuLane is called 'lane'"):
        CuLane(str(tmp_path), labels=("lane",))


def test_tusimple_keeps_the_rows_without_a_point(tmp_path: Path) -> None:
    lanes = tusimple(tmp_path)[0].labels["lanes"]
    assert lanes.points[0].tolist() == [[8.5, 20.5], [10.5, 16.5], [12.5, 12.5], [-1.5, 8.5]]
    assert lanes.valid.tolist() == [[True, True, True, False], [True, True, False, False]]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"lanes": [[1, 2]]}, "x: lanes .*, expected lists of 3 x, one per row"),
        ({"lanes": [[1, 2, None]]}, "x: lanes "),
        ({"h_samples": [1, 1, 2]}, "x: h_samples .*, expected rows of the image, each once"),
        ({"h_samples": [0.3, 0.4, 0.5]}, "x: h_samples: points .* within one pixel, shares of the image, expected pix"),
        ({"h_samples": []}, "x: h_samples "),
    ],
)
def test_tusimple_rows_that_mean_nothing(change: dict[str, object], sentence: str) -> None:
    with pytest.raises(DataError, match=sentence):
        read_tusimple_lanes({"lanes": [[1, 2, 3]], "h_samples": [10, 20, 30], **change}, "x")


def test_tusimple_skips_and_counts(tmp_path: Path) -> None:
    tusimple(tmp_path)
    file = tmp_path / "label_data_0313.json"
    file.write_text(file.read_text() + json.dumps({"raw_file": "../x.jpg", "lanes": [], "h_samples": [1]}) + "\n{\n")
    with pytest.raises(DataError, match=r"label_data_0313\.json, line 3: "):
        len(TuSimple(str(tmp_path), annotations=(file.name,)))
    dataset = TuSimple(str(tmp_path), annotations=(file.name,), on_error="skip")
    assert len(dataset) == 2
    assert "2 images left out, its label means nothing" in " ".join(dataset.ledger().sentences())


def test_masks_of_a_real_frame_are_its_lines(data_root: Path) -> None:
    """Masks end a little before the annotated curves do, so ends are not compared."""
    frame = CuLane(str(data_root / "culane"), labels=("lanes", "lane_mask"), frames="5")
    labels = LinesFromMasks(frame, lines="traced")[0].labels
    assert len(labels["traced"].points) == len(labels["lanes"].points) == 4
    for wanted, valid in zip(labels["lanes"].points, labels["lanes"].valid, strict=True):
        gaps = []
        for points, there in zip(labels["traced"].points, labels["traced"].valid, strict=True):
            line, rows = points[there][::-1], wanted[valid][3:-3]
            rows = rows[(rows[:, 1] > line[0, 1] + 10) & (rows[:, 1] < line[-1, 1] - 10)]
            apart = np.abs(np.interp(rows[:, 1], line[:, 1], line[:, 0]) - rows[:, 0])
            gaps.append(apart.max() if len(rows) else np.inf)
        assert min(gaps) < 16
