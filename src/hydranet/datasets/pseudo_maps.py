"""Class maps made by a teacher network, laid over the images of another data set."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from hydranet.core.dataset import Dataset
from hydranet.core.sample import Sample
from hydranet.core.spec import SpecError
from hydranet.io.files import FileDataset, as_written, read_class_map


@dataclass(frozen=True)
class PseudoMaps(FileDataset):
    """A data set with class maps from folders of png files added to its labels.

    root:    holds one folder per label; in it every image has a png at its own relative path: the map of
             train/a.jpg is LABEL/train/a.png. 255 = the teacher was not sure.
    dataset: the images, and labels that stay.
    maps:    {label, which is also the folder's name: class names in the order of ids}.
    teacher: the network that made the maps; reports say that scores are agreement with it.
    """

    dataset: Dataset = field(kw_only=True)
    maps: Mapping[str, tuple[str, ...]] = field(kw_only=True)
    teacher: str = field(default="a teacher network", kw_only=True)

    def __post_init__(self) -> None:
        if not self.maps:
            raise SpecError(
                "PseudoMaps got no maps; give label folders and classes, such as {'drivable': ('no', 'yes')}"
            )

    @property
    def classes(self) -> Mapping[str, tuple[str, ...]]:
        return {**self.dataset.classes, **{name: tuple(classes) for name, classes in self.maps.items()}}

    @property
    def provenance(self) -> Mapping[str, str]:
        return {**self.dataset.provenance, **dict.fromkeys(self.maps, f"pseudo-labels of {self.teacher}")}

    def identities(self) -> Sequence[str]:
        return self.dataset.identities()

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> Sample:
        sample = self.dataset[index]
        added = {
            name: read_class_map(
                as_written(self.folder / name / PurePosixPath(sample.key).with_suffix(".png")),
                len(classes),
                size=sample.size,
            )
            for name, classes in self.maps.items()
        }
        return sample.but(labels={**sample.labels, **added})
