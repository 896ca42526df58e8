"""Labeling that several processes share: each labels every n-th image, and their indices become one."""

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from hydranet.core.sample import DataError
from hydranet.core.spec import SpecError
from hydranet.io.atomic import write
from hydranet.io.pseudo_label_index import INDEX, Entry, Index, read_index

MOST_PARTS = 256
PARTS = ".parts"
"""Folder beside those of the labels, for the indices of processes at work and what they say; no label is called so."""


@dataclass(frozen=True)
class Share:
    """The images that one of several processes labels: those at `number`, `number + of`, ...; 0 of 1 = all."""

    number: int = 0
    of: int = 1

    @staticmethod
    def parsed(text: str) -> "Share":
        """ "2/4", counted from 0; "" = all images. Raises SpecError for other text."""
        if not text:
            return Share()
        number, _, of = text.partition("/")
        with suppress(ValueError):
            share = Share(int(number), int(of))
            if 0 <= share.number < share.of <= MOST_PARTS:
                return share
        raise SpecError(f"got part {text!r}, expected NUMBER/OF, such as 0/4 to 3/4")

    def places(self, total: int) -> range:
        """The images of the share, of so many."""
        return range(self.number, total, self.of)

    def folder(self, cache: Path) -> Path:
        """Where this process keeps its own index: a cache of its own, whose files lie in the cache."""
        return cache if self.of == 1 else cache / PARTS / f"{self.number}-of-{self.of}"


ALL = Share()


def merge(cache: Path, index: Index) -> Index:
    """Writes the index of all that processes have labeled so far, and takes their own ones away; the index."""
    images = dict(known_images(cache, index))
    parts = sorted((cache / PARTS).glob(f"*-of-*/{INDEX}"))
    for part in parts:
        with suppress(DataError):  # damaged: what it says is labeled again
            images |= known_images(part.parent, index)
    whole = replace(index, images=dict(sorted(images.items())))
    write(cache / INDEX, whole.to_json().encode())
    for part in parts:
        part.unlink()
    return whole


def count_labeled(cache: Path) -> int:
    """How many images the processes at work have labeled so far, as their indices say."""
    return sum(_count(part) for part in (cache / PARTS).glob(f"*-of-*/{INDEX}"))


def _count(path: Path) -> int:
    with suppress(OSError, ValueError, KeyError, TypeError):
        return len(json.loads(path.read_text())["images"])
    return 0


def known_images(folder: Path, index: Index) -> Mapping[str, Entry]:
    """The images that are labeled already, as an index in the folder says, if it was made as this one."""
    if not (folder / INDEX).is_file():
        return {}
    before = read_index(folder)
    return before.images if before.protocol == index.protocol else {}
