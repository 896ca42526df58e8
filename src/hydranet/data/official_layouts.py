"""Folders that lie as a well-known data set was released: its own reader knows more than its files show."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from hydranet.core.dataset import Dataset
from hydranet.core.errors import UserError
from hydranet.datasets.cityscapes import IMAGE, Cityscapes
from hydranet.datasets.coco_keypoints import CocoKeypoints
from hydranet.datasets.culane import CuLane
from hydranet.datasets.tusimple import TuSimple
from hydranet.io.box_rows import OnError
from hydranet.io.listing import natural

Found = tuple[Dataset, Dataset | None, str]
"""A data set, its own split for validation where there is one, and why it is taken for that."""


def official(root: Path) -> Found | None:
    """The data set whose released layout this folder has; None where it has none that is known.

    Raises DataError for files of such a layout that cannot be read.
    """
    return next((layout for look in (_culane, _tusimple, _cityscapes) for layout in look(root)), None)


def _culane(root: Path) -> Iterator[Found]:
    """list/*.txt, and a .lines.txt beside each image."""
    lists = sorted((root / "list").glob("*.txt"), key=natural)
    training = next((path for path in lists if "train" in path.stem), None) or next(iter(lists), None)
    if training is None or next(root.rglob("*.lines.txt"), None) is None:
        return
    held_out = next((path for path in lists if "val" in path.stem and path != training), None)
    sets = [CuLane(str(root), listed=f"list/{path.name}") for path in (training, held_out) if path]
    own = _if_any(sets[1:])
    yield sets[0], own, f"list/{training.name} and .lines.txt beside images: CULane{_split(own, held_out)}"


def _tusimple(root: Path) -> Iterator[Found]:
    """label_data_*.json, one object per line."""
    files = sorted(root.glob("label_data_*.json"), key=natural)
    if not files:
        return
    official_test = root / "test_label.json"
    own = TuSimple(str(root), annotations=(official_test.name,)) if official_test.is_file() else None
    names = tuple(path.name for path in files)
    yield TuSimple(str(root), annotations=names), own, f"{', '.join(names)}: TuSimple{_split(own, official_test)}"


def _cityscapes(root: Path) -> Iterator[Found]:
    """leftImg8bit/SPLIT/CITY beside gtFine or gtCoarse."""
    labels = next((name for name in ("gtFine", "gtCoarse") if (root / name).is_dir()), None)
    parts = [part for part in ("train", "val") if labels and (root / IMAGE / part).is_dir()]
    if labels is None or not parts:
        return
    sets = [Cityscapes(str(root), split=part, labels=labels) for part in parts]
    own = _if_any(sets[1:])
    yield sets[0], own, f"{IMAGE} and {labels}: Cityscapes{_split(own, root / 'val')}"


def keypoints(root: Path, annotations: str, images: str, tree: Any, on_error: OnError) -> Dataset | None:
    """COCO's tables with key points of a category; None where no category names any."""
    names = [one["name"] for one in tree["categories"] if isinstance(one, dict) and one.get("keypoints")]
    pointed = any(isinstance(one, dict) and one.get("keypoints") for one in tree["annotations"])
    if not (names and pointed):
        return None
    return CocoKeypoints(str(root), annotations=annotations, images=images, category=str(names[0]), on_error=on_error)


def _if_any(sets: Sequence[Dataset]) -> Dataset | None:
    """The first, unless none of its images is there."""
    for one in sets:
        try:
            return one if len(one) else None
        except UserError:  # a list or a folder of images that were not downloaded
            return None
    return None


def _split(own: Dataset | None, path: Path | None) -> str:
    return f", validation {path.name}" if own is not None and path else ""
