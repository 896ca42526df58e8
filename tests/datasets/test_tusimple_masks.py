"""TuSimple's masks: every line of an instance mask is traced once, from its nearest row to its farthest."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from dataset_folders import tusimple_masks, write
from hydranet.core.sample import DataError
from hydranet.datasets.lines_from_masks import LinesFromMasks
from hydranet.datasets.tusimple_masks import TuSimpleMasks


def test_every_line_of_real_frames_is_traced_once(data_root: Path) -> None:
    dataset = LinesFromMasks(TuSimpleMasks(str(data_root / "tusimple_lanenet")), mask="lane_instances")
    assert len(dataset) == 6
    counts = []
    for index in range(6):
        labels = dataset[index].labels
        stored = cv2.imread(str(data_root / f"tusimple_lanenet/gt_instance_image/{index:04d}.png"), -1)
        assert ((labels["lane_mask"].ids == 1) == (stored > 0)).all()
        lines = labels["lanes"]
        counts.append(len(lines.points))
        for points, valid in zip(lines.points, lines.valid, strict=True):
            column, row = points[valid].T.astype(int)
            on_line = stored[row, column]
            gray = np.bincount(on_line[on_line > 0]).argmax()
            rows = np.flatnonzero((stored == gray).any(axis=1))
            assert (on_line == gray).mean() > 0.95, "a line stays on its own pixels"
            assert rows[-1] - row[0] < 8, "from the nearest row of its pixels"
            assert row[-1] - rows[0] < 8, "to the farthest"
    assert counts == [4, 4, 4, 5, 4, 4]


def test_grays_of_no_line_are_refused(tmp_path: Path) -> None:
    dataset = tusimple_masks(tmp_path)
    write(tmp_path / "gt_instance_image/0001.png", np.full((24, 32), 21, np.uint8))
    with pytest.raises(DataError, match=r"0001\.png holds class ids \[21\], expected one of 0, 20, 70"):
        dataset[1]
    (tmp_path / "gt_binary_image/0000.png").unlink()
    skipping = TuSimpleMasks(str(tmp_path), on_error="skip")
    assert len(skipping) == 1
    assert "1 image left out, without a label file" in " ".join(skipping.ledger().sentences())
