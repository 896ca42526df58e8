"""TuSimple: lane lines of highways, 1280x720."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from hydranet.annotations import Polylines
from hydranet.core.ledger import Ledger, Omission
from hydranet.core.sample import DataError, Sample
from hydranet.io.box_rows import is_number, once, quoted
from hydranet.io.files import FileDataset, read_lines
from hydranet.io.images import read_image
from hydranet.io.line_rows import FAR_PX
from hydranet.io.paths import OutsideFolder, inside
from hydranet.io.shares import refuse_path_of_shares

ANNOTATIONS = ("label_data_0313.json", "label_data_0531.json", "label_data_0601.json")


@dataclass(frozen=True)
class TuSimple(FileDataset):
    """TuSimple: `lanes`, one point per row of `h_samples`.

    root:        holds the label files, and the images as they name them (clips/...).
    annotations: files relative to root, an object per line: {"raw_file", "lanes": [[x, ...], ...], "h_samples"}; x = -2
                 where a lane has no point in a row. test_label.json is the official test set.

    Points of rows without one are kept, not valid, so that the official rows are known when scoring. Frames without
    labels (19 of 20) are not part of the data set. License Apache 2.0 (benchmark).
    """

    annotations: tuple[str, ...] = ANNOTATIONS

    @cached_property
    def _tables(self) -> tuple[list[tuple[Path, Polylines]], Ledger]:
        frames, ledger = list[tuple[Path, Polylines]](), Ledger()
        for name in self.annotations:
            file = self.folder / name
            for i, text in read_lines(file):
                try:
                    frames.append(self._frame(text, f"{file}, line {i}"))
                except DataError as error:
                    if self.on_error == "refuse":
                        raise
                    ledger = ledger.noted(Omission.IMAGE_LEFT_OUT, str(file), "its label means nothing", str(error))
        if not frames:
            raise DataError(f"{', '.join(self.annotations)} in {self.folder} hold no frame; check the root")
        once([path.as_posix() for path, _ in frames], "raw_file", str(self.folder))
        return frames, ledger

    def _frame(self, text: str, where: str) -> tuple[Path, Polylines]:
        try:
            row = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise DataError(f"{where} is no JSON object ({quoted(str(error))}); restore the file") from error
        if not isinstance(row, dict) or not isinstance(row.get("raw_file"), str):
            raise DataError(f"{where} has no raw_file, expected the path of its image; correct it")
        lines = read_tusimple_lanes(row, where)
        try:
            return inside(self.folder, row["raw_file"], follow_links=True), lines
        except OutsideFolder as error:
            raise DataError(f"{where}: {error}") from error

    def ledger(self) -> Ledger:
        return super().ledger() + self._tables[1]

    def __len__(self) -> int:
        return len(self._tables[0])

    def __getitem__(self, index: int) -> Sample:
        path, lines = self._tables[0][index]
        return Sample(read_image(path).rgb, {"lanes": lines}, key=path.relative_to(self.folder).as_posix())


def read_tusimple_lanes(row: Mapping[str, Any], where: str) -> Polylines:
    """The lanes of one frame, near to far, a point per row, valid where there is one. Raises DataError that says
    where."""
    lanes, rows = row.get("lanes"), row.get("h_samples")
    if not isinstance(rows, list) or not _numbers(rows) or len(set(rows)) != len(rows) or not rows:
        raise DataError(f"{where}: h_samples {quoted(rows)}, expected rows of the image, each once; correct it")
    refuse_path_of_shares(rows, f"{where}: h_samples")
    if not isinstance(lanes, list) or not all(_numbers(lane) and len(lane) == len(rows) for lane in lanes):
        raise DataError(f"{where}: lanes {quoted(lanes)}, expected lists of {len(rows)} x, one per row; correct it")
    order = np.argsort(-np.array(rows, np.float64), kind="stable")
    y = np.array(rows, np.float64)[order]
    x = np.array(lanes, np.float64).reshape(len(lanes), len(rows))[:, order]
    points = np.stack([x, np.broadcast_to(y, x.shape)], 2) + 0.5
    return Polylines(points.astype(np.float32), x >= 0)


def _numbers(values: Any) -> bool:
    return isinstance(values, list) and all(is_number(one) and abs(one) <= FAR_PX for one in values)
