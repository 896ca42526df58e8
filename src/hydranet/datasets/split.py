"""A share of a data set for training, another for validation: what belongs together never in both."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from hydranet.core.dataset import Dataset
from hydranet.core.sample import DataError
from hydranet.core.spec import SpecError
from hydranet.core.wrapper import Selection
from hydranet.io.fingerprint_cache import fingerprints
from hydranet.io.near_duplicates import look_alikes
from hydranet.io.path_groups import own_names, path_groups, pattern_of


@dataclass(frozen=True)
class Split(Selection):
    """The training, validation or test part of a data set, by share; the same on every machine.

    dataset:   the whole data set.    split: "train", "val" or "test".
    val, test: their shares of the images, 0 to 1; the rest trains. Reached as nearly as groups allow, one at least.
    group:     a pattern of the images' paths whose part in braces names what belongs together: "{clip}/*",
               "*p{person}_*", "{track}_*". "" = every image for itself.
    seed:      another number, another split.
    similar:   "together" = images that look alike, such as neighboring frames of a video, are in one part; every image
               is read once for that, then the cache knows them. "apart" = looks do not matter.
    drawn:     by which lots are drawn: an image's "path", or its "name": its path without the parts that are the same
               for all, and without the suffix. By name, data sets of the same images (boxes in one folder, depth in
               another) are split alike: no image trains one task and scores another.
    """

    dataset: Dataset
    split: Literal["train", "val", "test"] = "train"
    val: float = 0.2
    test: float = 0.0
    group: str = ""
    seed: int = 0
    similar: Literal["together", "apart"] = "together"
    drawn: Literal["path", "name"] = "path"

    def __post_init__(self) -> None:
        if self.split not in ("train", "val", "test"):
            raise SpecError(f"Split got split={self.split!r}, expected 'train', 'val' or 'test'")
        if self.similar not in ("together", "apart"):
            raise SpecError(f"Split got similar={self.similar!r}, expected 'together' or 'apart'")
        if self.drawn not in ("path", "name"):
            raise SpecError(f"Split got drawn={self.drawn!r}, expected 'path' or 'name'")
        if not (0 <= self.val < 1 and 0 <= self.test < 1 and 0 < self.val + self.test < 1):
            raise SpecError(f"Split got val={self.val}, test={self.test}, expected shares that leave some to train")
        if self.group:
            pattern_of(self.group)

    @cached_property
    def chosen(self) -> list[int]:
        """Positions in the whole data set. Raises DataError where a part would be empty."""
        keys = self.dataset.keys()
        groups = self._groups(keys)
        lots = keys if self.drawn == "path" else own_names(keys)
        names = [min(lots[i] for i in members) for members in groups]
        dice = [hashlib.sha256(f"{self.seed} {name}".encode(errors="surrogateescape")).digest() for name in names]
        order = [members for _, members in sorted(zip(dice, groups, strict=True))]
        wanted = {name: share * len(keys) for name, share in (("test", self.test), ("val", self.val)) if share}
        parts: dict[str, list[int]] = {"test": [], "val": []}
        for name, count in wanted.items():
            parts[name], order = _filled(order, count)
        parts["train"] = [i for members in order for i in members]
        empty = [name for name in (*wanted, "train") if not parts[name]]
        if empty:
            what = f"group={self.group!r}, or looking alike" if self.group else "looking alike"
            raise DataError(
                f"{len(keys)} images are in {len(groups)} groups ({what}), too few for a part {empty[0]!r}; "
                "change group, or set similar='apart' where a static camera makes all images look alike"
            )
        return sorted(parts[self.split])

    def _groups(self, keys: Sequence[str]) -> list[list[int]]:
        """Positions that stay together."""
        parent = list(range(len(keys)))

        def root(i: int) -> int:
            while parent[i] != i:
                parent[i] = i = parent[parent[i]]
            return i

        if self.group:
            first: dict[str, int] = {}
            for i, name in enumerate(path_groups(keys, self.group)):
                parent[root(i)] = root(first.setdefault(name, i))
        if self.similar == "together":
            known = fingerprints(self.dataset, _silent)
            present = [i for i, key in enumerate(keys) if key in known]
            for members in look_alikes([known[keys[i]] for i in present]):
                for other in members[1:]:
                    parent[root(present[other])] = root(present[members[0]])
        groups: dict[int, list[int]] = {}
        for i in range(len(keys)):
            groups.setdefault(root(i), []).append(i)
        return list(groups.values())


def _filled(order: Sequence[list[int]], count: float) -> tuple[list[int], list[list[int]]]:
    """Groups up to `count` images, in order, those that would be too many passed over; and the groups that are left."""
    taken: list[int] = []
    left: list[list[int]] = []
    for members in order:
        if len(taken) + len(members) / 2 <= count:  # else nearer without them
            taken += members
        else:
            left.append(members)
    if not taken and len(left) > 1:  # every group is too large: the smallest
        smallest = min(left, key=len)
        left.remove(smallest)
        taken = list(smallest)
    return taken, left


def _silent(done: int, total: int) -> None:
    """Shows nothing."""
