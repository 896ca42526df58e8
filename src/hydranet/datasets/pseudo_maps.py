"""Class maps made by a teacher network, laid over the images of another data set."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath

from hydranet.core.dataset import Dataset
from hydranet.core.sample import DataError, Sample
from hydranet.core.spec import SpecError
from hydranet.core.wrapper import Wrapper
from hydranet.io.class_map import IdCoding, Values, read_class_map
from hydranet.io.files import FileDataset, check_names
from hydranet.io.fingerprint import content
from hydranet.io.images import IMAGES
from hydranet.io.listing import as_written, check_stems
from hydranet.io.map_record import MapRecord
from hydranet.io.orientation import Extent
from hydranet.io.paths import inside

LOOKED_AT = 32
"""Images of which at least one must have a map."""


@dataclass(frozen=True)
class PseudoMaps(Wrapper, FileDataset):
    """A data set with class maps from folders of png files added to its labels.

    root:    holds one folder per label; in it every image has a png at its own relative path: the map of
             train/a.jpg is LABEL/train/a.png. 255 = the teacher was not sure.
    dataset: the images, and labels that stay.
    maps:    {label, which is also the folder's name: class names in the order of ids}.
    values:  {label: {stored value: class name, or None for unknown}}, for maps that hold something else than ids.
    teacher: the network that made the maps; reports say that scores are agreement with it.

    An image is recognized by its name and its pixels (`io.map_record`): which image a map belongs to is noted when both
    are first read, or stated in ROOT/images.jsonl. Raises DataError for an image of other pixels, for one without a
    map, and where none of the images has one.
    """

    dataset: Dataset = field(kw_only=True)
    maps: Mapping[str, tuple[str, ...]] = field(kw_only=True)
    values: Mapping[str, Values] = field(default_factory=dict, kw_only=True)
    teacher: str = field(default="a teacher network", kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.maps:
            raise SpecError(
                "PseudoMaps got no maps; give label folders and classes, such as {'drivable': ('no', 'yes')}"
            )
        check_names(self.values, self.maps, "map (in values)")

    @cached_property
    def _codings(self) -> dict[str, IdCoding]:
        return {name: IdCoding(tuple(one), values=self.values.get(name, {})) for name, one in self.maps.items()}

    @property
    def classes(self) -> Mapping[str, tuple[str, ...]]:
        return {**self.dataset.classes, **{name: tuple(classes) for name, classes in self.maps.items()}}

    @property
    def provenance(self) -> Mapping[str, str]:
        return {**self.dataset.provenance, **dict.fromkeys(self.maps, f"pseudo-labels of {self.teacher}")}

    def __getitem__(self, index: int) -> Sample:
        sample = self.dataset[index]
        self._check_beside(sample.key)
        paths = {name: self._map_of(name, sample.key) for name in self.maps}
        if not any(path.is_file() for path in paths.values()):
            self._refuse_strangers()
        if index not in self._same:
            self._record.check(sample.key, content(sample.image), paths)
            self._same.add(index)
        added = {
            name: read_class_map(paths[name], coding, Extent(sample.size)) for name, coding in self._codings.items()
        }
        return sample.but(labels={**sample.labels, **added})

    @cached_property
    def _record(self) -> MapRecord:
        return MapRecord(self.folder)

    @cached_property
    def _same(self) -> set[int]:
        """Images that were compared with the record already."""
        return set()

    def _refuse_strangers(self) -> None:
        """Raises DataError where none of a few images spread over the data set has a map."""
        if self._strangers:
            raise DataError(
                f"{self.folder} has a map for none of the images ({self._strangers[0]}, ...): it was made for others; "
                "give the folder that belongs to these images"
            )

    @cached_property
    def _strangers(self) -> list[str]:
        """Keys of a few images spread over the data set, if none of them has a map."""
        count = len(self.dataset)
        places = sorted({round(i * (count - 1) / max(LOOKED_AT - 1, 1)) for i in range(min(LOOKED_AT, count))})
        keys = [self.dataset[place].key for place in places]
        return [] if any(self._map_of(name, key).is_file() for name in self.maps for key in keys) else keys

    def _map_of(self, name: str, key: str) -> Path:
        relative = PurePosixPath(key).with_suffix(".png").as_posix()
        return as_written(inside(self.folder / name, relative, follow_links=True))

    def _check_beside(self, key: str) -> None:
        """Raises DataError where another image of the data set would have the same map."""
        if isinstance(self.dataset, FileDataset):
            path = self.dataset.folder / key
            same = {path.with_suffix(suffix) for one in IMAGES for suffix in (one, one.upper())}
            check_stems(sorted(one for one in same if os.path.exists(one)), self.dataset.folder)
