"""UTKFace: faces with age, gender and race."""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np

from hydranet.annotations import Annotation, Quantity, Tag
from hydranet.core.ledger import Ledger, Omission
from hydranet.core.sample import DataError, Sample
from hydranet.core.spec import SpecError
from hydranet.io.box_rows import is_whole_number, quoted
from hydranet.io.files import FileDataset, check_names
from hydranet.io.images import read_rgb
from hydranet.io.listing import Listing, listing

LABELS = ("age", "gender", "race")
GENDERS = ("male", "female")
RACES = ("White", "Black", "Asian", "Indian", "Others")
"""The data set's own words, in its order."""
OLDEST = 122
"""Years; the greatest age that was ever documented."""


@dataclass(frozen=True)
class UtkFace(FileDataset):
    """UTKFace: one face per image; its labels stand in the file's name, age_gender_race_time.jpg, and carry noise.

    root:   the images, in any folders.
    split:  "train", "val" or "trainval". There is no official one: a face is of "val" where crc32 of its file name
            modulo `folds` is `fold`, which depends on no other file. Nobody knows which faces are of one person.
    labels: which labels to read: "age" (a Quantity in years), "gender", "race".

    Files with other names (some of the original ones lack the race) are left out and counted.
    Zhang, Song, Qi: Age Progression/Regression by CAAE, CVPR 2017. For research, non-commercial.
    """

    split: Literal["train", "val", "trainval"] = "train"
    labels: tuple[str, ...] = LABELS
    folds: int = 5
    fold: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_names([self.split], ("train", "val", "trainval"), "split of UtkFace")
        check_names(self.labels, LABELS, "label of UtkFace")
        if self.folds < 2 or not 0 <= self.fold < self.folds:
            raise SpecError(f"got fold {self.fold} of {self.folds} folds, expected 0 <= fold < folds, and 2 at least")

    @property
    def classes(self) -> Mapping[str, tuple[str, ...]]:
        names = {"gender": GENDERS, "race": RACES}
        return {label: classes for label, classes in names.items() if label in self.labels}

    @cached_property
    def _listing(self) -> Listing:
        files = listing(self.folder)
        named, unnamed = [], []
        for path in files.images:
            try:
                parse_name(path)
                named.append(path)
            except DataError:
                unnamed.append(path.relative_to(self.folder).as_posix())
        ledger = files.ledger
        if unnamed:
            reason = "its name is not age_gender_race_time"
            ledger = ledger.noted(Omission.IMAGE_LEFT_OUT, str(self.folder), reason, *unnamed)
        kept = tuple(
            path for path in named if self.split == "trainval" or self._held_out(path) == (self.split == "val")
        )
        if not kept:
            raise DataError(
                f"none of the {len(files.images)} images in {self.folder} is a face of split {self.split!r} with a "
                "name such as 26_1_0_20170116.jpg; check the root"
            )
        return Listing(kept, ledger)

    def _held_out(self, path: Path) -> bool:
        return zlib.crc32(path.name.encode()) % self.folds == self.fold

    @property
    def frames(self) -> tuple[Path, ...]:
        """The images of the split."""
        return self._listing.images

    def ledger(self) -> Ledger:
        return super().ledger() + self._listing.ledger

    def __len__(self) -> int:
        return len(self.frames)

    def __getitem__(self, index: int) -> Sample:
        path = self.frames[index]
        age, gender, race = parse_name(path)
        known: dict[str, Annotation] = {
            "age": Quantity(np.asarray(age, np.float32), unit="years"),
            "gender": Tag(np.asarray(gender)),
            "race": Tag(np.asarray(race)),
        }
        labels = {name: known[name] for name in self.labels}
        return Sample(read_rgb(path), labels, key=path.relative_to(self.folder).as_posix())


def parse_name(path: Path) -> tuple[int, int, int]:
    """Age in years, gender and race of a file's name. Raises DataError for another name."""
    words = path.name.partition(".")[0].split("_")
    cure = "expected age_gender_race_time, such as 26_1_0_20170116.jpg; rename it"
    if len(words) != 4 or not all(is_whole_number(word) and 0 < len(word) < 5 for word in words[:3]):
        raise DataError(f"{path} is named {quoted(path.name)}, {cure}")
    age, gender, race = map(int, words[:3])
    if not (0 <= age <= OLDEST and 0 <= gender < len(GENDERS) and 0 <= race < len(RACES)):
        raise DataError(f"{path} is named {quoted(path.name)}: age {age}, gender {gender}, race {race}, {cure}")
    return age, gender, race
