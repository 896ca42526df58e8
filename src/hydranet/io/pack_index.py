"""What a pack of one source says about itself: of what it was made, how, and what it holds."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from hydranet.core.checks.names import shown
from hydranet.core.checks.types import check_fields
from hydranet.core.errors import MALFORMED
from hydranet.core.ledger import Ledger
from hydranet.core.sample import DataError
from hydranet.io.atomic import write
from hydranet.io.files import read_json
from hydranet.io.image_codec import CODECS

INDEX, FORMAT = "index.json", 1


@dataclass(frozen=True)
class PackIndex:
    """A pack of one source.

    dataset:  options of the packed data set, as in a recipe.    state: of its files and code (`io.fingerprint_cache`).
    reach:    height and width in pixels that an image has in the largest view that training takes of it; larger images
              were shrunk to that. None = all are as they were.
    images:   how images are stored (`io.image_codec.CODECS`).    labels: names of the labels that were stored.
    focal_px: focal length that the source names, or None; the stored cameras have it.
    complete: whether all samples are there; what follows is known then.
    left_out: names of labels that the data set has and the pack has not.    samples, bytes: how many, and their size.
    shrunk, broken: how many images were shrunk, and how many samples could not be read.
    off, most_off: mean and largest error of a gray level, where images are stored with loss.
    """

    dataset: Mapping[str, Any]
    state: str
    reach: tuple[int, int] | None
    images: str
    labels: tuple[str, ...]
    focal_px: float | None = None
    complete: bool = False
    left_out: tuple[str, ...] = ()
    classes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    provenance: Mapping[str, str] = field(default_factory=dict)
    ledger: Ledger = field(default_factory=Ledger)
    samples: int = 0
    bytes: int = 0
    shrunk: int = 0
    broken: int = 0
    off: float = 0.0
    most_off: int = 0
    format: int = FORMAT

    def is_of(self, other: "PackIndex") -> bool:
        """Whether samples of both may stand in one pack."""
        names = ("dataset", "state", "reach", "images", "labels", "focal_px", "format")
        return all(_plain(getattr(self, name)) == _plain(getattr(other, name)) for name in names)

    def sentences(self) -> list[str]:
        """What was packed, and what of the data set is not in it."""
        lines = [f"{self.samples} samples, {self.bytes / 1e6:.1f} MB"]
        if self.shrunk and self.reach:
            views = f"{self.reach[1]}x{self.reach[0]}"
            lines.append(f"{self.shrunk} images were shrunk with their labels: views of up to {views} show no more")
        if self.left_out:
            lines.append(f"labels that no task reads are not in it: {', '.join(self.left_out)}")
        if self.most_off:
            lines.append(f"stored with loss: a gray level is off by {self.off:.2g} on average, {self.most_off} at most")
        if self.broken:
            lines.append(f"{self.broken} samples cannot be read; training leaves them out as it would without the pack")
        return lines

    def save(self, folder: Path) -> None:
        """Writes FOLDER/index.json. Raises CheckpointError."""
        tree = {one.name: getattr(self, one.name) for one in fields(self)} | {"ledger": self.ledger.to_json()}
        write(folder / INDEX, json.dumps(tree, indent=1).encode())


def _plain(value: Any) -> Any:
    return json.loads(json.dumps(value))


def read_pack_index(folder: Path) -> PackIndex:
    """What a pack says about itself. Raises DataError where there is none or it is damaged."""
    path = folder / INDEX
    if not path.is_file():
        raise DataError(f"no {INDEX} in {folder}: this is no pack; make one with `hydranet data pack`")
    tree = read_json(path)
    try:
        if tree["format"] > FORMAT:
            raise DataError(f"{path} has format {shown(tree['format'])}, expected at most {FORMAT}; update hydranet")
        reach, classes = tree["reach"], {name: tuple(one) for name, one in tree["classes"].items()}
        index = PackIndex(**{**tree, "ledger": Ledger.from_json(tree["ledger"]), "classes": classes})
        index = replace(
            index,
            reach=None if reach is None else (reach[0], reach[1]),
            labels=tuple(index.labels),
            left_out=tuple(index.left_out),
        )
        check_fields(index)
        if index.images not in CODECS:
            raise DataError(
                f"{path} stores images as {shown(index.images)}, expected {', '.join(CODECS)}; update hydranet"
            )
    except DataError:
        raise
    except MALFORMED as error:
        raise DataError(f"{path} is no index of a pack ({shown(str(error))}); pack again") from error
    return index
