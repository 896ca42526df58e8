"""The samples of another data set out of a pack that `hydranet data pack` made: read, fitted and compressed once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from hydranet.core.dataset import Dataset
from hydranet.core.ledger import Ledger, Omission
from hydranet.core.sample import DataError, Sample
from hydranet.core.spec import SpecError, flatten, to_json
from hydranet.io.files import folder_of
from hydranet.io.fingerprint_cache import Fingerprints, state_of
from hydranet.io.image_codec import CODECS
from hydranet.io.pack_index import INDEX, PackIndex, read_pack_index
from hydranet.io.sample_record import from_files
from hydranet.io.shards import SAMPLES, Line, read_files, read_lines

UNCOMPARED = "taken as it is, since the files it was made of are not here to compare it with"


@dataclass(frozen=True)
class Packed(Dataset):
    """A data set out of a pack (`io.shards`): the same samples in the same order, read faster.

    root:    the folder of one source in a pack, such as packs/road/data/kitti; looked for under $HYDRANET_DATA, too.
    dataset: what was packed. Where its files are here, a pack of other files or options is refused when it is first
             used; where they are not (a node of a cluster), the pack is used as it is, and the ledger says so.

    Raises DataError for a pack that is not whole, that is damaged, or that no longer fits its files.
    """

    root: str
    dataset: Dataset

    @cached_property
    def folder(self) -> Path:
        """The folder that `root` means. Raises DataError where there is none."""
        return folder_of(self.root, "Packed")

    @cached_property
    def index(self) -> PackIndex:
        """What the pack says about itself. Raises DataError for one that is stale or not whole."""
        index = read_pack_index(self.folder)
        if not index.complete:
            raise DataError(f"the pack {self.folder} is not whole: packing was stopped; the same command goes on there")
        changed = differences(index.dataset, to_json(self.dataset))
        if changed:
            raise DataError(f"the pack {self.folder} was made with other options ({'; '.join(changed)}); pack again")
        if self._state and self._state != index.state:
            raise DataError(
                f"the pack {self.folder} is stale: files of its data set, or the code that reads them, have changed "
                "since; pack again with `hydranet data pack`"
            )
        return index

    @property
    def is_exact(self) -> bool:
        """Whether all images are as the data set has them: none shrunk, none stored with loss."""
        return not self.index.shrunk and CODECS[self.index.images].lossless

    @cached_property
    def _state(self) -> str:
        """The state of the data set as it is here; "" where its files are not."""
        try:
            return state_of(self.dataset) or ""
        except (DataError, SpecError):
            return ""

    @cached_property
    def _lines(self) -> list[Line]:
        lines = read_lines(self.folder)
        if len(lines) != self.index.samples:
            raise DataError(
                f"{self.folder / INDEX} has {self.index.samples} samples, but {len(lines)} lie there; pack again"
            )
        for line in lines:
            if "broken" not in line and not all(isinstance(line.get(name), str) for name in ("content", "look")):
                raise DataError(f"{self.folder / SAMPLES} has no fingerprint of {line['key'][:80]}; pack again")
        return lines

    @property
    def classes(self) -> Mapping[str, tuple[str, ...]]:
        return self.index.classes

    @property
    def provenance(self) -> Mapping[str, str]:
        return self.index.provenance

    def ledger(self) -> Ledger:
        """What the packed data set leaves out, and whether the pack could be compared with it."""
        ledger = self.index.ledger
        return ledger if self._state else ledger.noted(Omission.CACHE_MISS, f"pack {self.root}", UNCOMPARED, count=1)

    def identities(self) -> Sequence[str]:
        return self.dataset.identities() if self._state else super().identities()

    def fingerprints(self) -> Fingerprints:
        """Content and look of the images before they were fitted."""
        return {line["key"]: (line["content"], line["look"]) for line in self._lines if "broken" not in line}

    def keys(self) -> Sequence[str]:
        return [line["key"] for line in self._lines]

    def __len__(self) -> int:
        return len(self._lines)

    def __getitem__(self, index: int) -> Sample:
        line = self._lines[index]
        if "broken" in line:
            raise DataError(line["broken"])
        try:
            return from_files(read_files(self.folder, line), CODECS[self.index.images])
        except DataError as error:
            raise DataError(f"pack {self.folder}, item {index}: {error}") from error


def differences(packed: Any, here: Any) -> list[str]:
    """Options in which two data sets as JSON differ, as "key: packed -> here"; a few of them."""
    mine, theirs = flatten(packed), flatten(here)
    keys = [key for key in {**mine, **theirs} if (key in mine, mine.get(key)) != (key in theirs, theirs.get(key))]
    return [f"{key}: {mine.get(key)} -> {theirs.get(key)}" for key in keys][:3]
