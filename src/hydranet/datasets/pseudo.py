"""Labels that a teacher network wrote to disk (`hydranet label`), added to another data set."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, singledispatch
from pathlib import Path

import numpy as np

from hydranet.annotations import (
    NO_BOX,
    UNKNOWN_ID,
    Annotation,
    Boxes,
    ClassMap,
    Keypoints,
    NormalMap,
    Polylines,
    Quantity,
    ScalarMap,
    Tag,
    UnknownKind,
)
from hydranet.core.dataset import Dataset
from hydranet.core.ledger import Ledger, Omission
from hydranet.core.sample import DataError, Sample
from hydranet.core.spec import SpecError, unknown
from hydranet.core.wrapper import Wrapper
from hydranet.io.files import folder_of
from hydranet.io.fingerprint import content
from hydranet.io.paths import inside
from hydranet.io.pseudo_label_cache import has_scores, unpack
from hydranet.io.pseudo_label_index import Index, read_index

LOOKED_AT = 32
"""Images of which a cache must know at least one."""


@dataclass(frozen=True)
class Pseudo(Wrapper):
    """A data set with pseudo-labels where it has no label of its own.

    dataset:    the images, and labels that stay.
    cache:      folder that `hydranet label` wrote, as given or under $HYDRANET_DATA.
    labels:     {label of this data set: label of the cache}; empty = all of the cache under their own names.
    classes_of: {label: {class of the teacher: class of the data set}}, for a label that both have, where their class
                names differ; classes without a counterpart become unknown pixels and ignored boxes.
    confidence: {label: least confidence}, not below that of `hydranet label`; boxes below it are ignored. Maps keep the
                confidence of `hydranet label`.
    replace:    let pseudo-labels replace the data set's own labels, too.

    An image is recognized by its name and its pixels. Images that the cache does not know are counted.
    Raises SpecError for a label or class that is not there, DataError for a broken cache and for one of other images.
    """

    dataset: Dataset
    cache: str
    labels: Mapping[str, str] = field(default_factory=dict)
    classes_of: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    confidence: Mapping[str, float] = field(default_factory=dict)
    replace: bool = False

    @cached_property
    def folder(self) -> Path:
        """Where the cache is."""
        return folder_of(self.cache, type(self).__name__)

    @cached_property
    def index(self) -> Index:
        """What the cache holds."""
        index = read_index(self.folder)
        for name in self.labels.values():
            if name not in index.labels:
                raise SpecError(unknown(name, index.labels, f"label in {self.folder}"))
        for name, least in self.confidence.items():
            if name not in (self.labels or index.labels):
                raise SpecError(unknown(name, self.labels or index.labels, "pseudo-label (in confidence)"))
            made = index.labels[self.labels.get(name, name)]
            if least < made.confidence:
                raise SpecError(
                    f"{self.folder} holds no {name!r} below the confidence of {made.confidence} that it was labeled "
                    f"with, got {least}; say at least {made.confidence}, or label again with "
                    f"--confidence {name}={least}"
                )
            if least > made.confidence and not has_scores(made):
                raise SpecError(
                    f"{self.folder} was labeled with confidence {made.confidence} for {name!r}, got {least}; label "
                    f"again with --confidence {name}={least}"
                )
        return index

    @property
    def added(self) -> Mapping[str, str]:
        """{label of this data set: label of the cache}."""
        return self.labels or {name: name for name in self.index.labels}

    @property
    def classes(self) -> Mapping[str, tuple[str, ...]]:
        own = self.dataset.classes
        made = {name: self.index.labels[of].classes for name, of in self.added.items()}
        return {**{name: classes for name, classes in made.items() if classes}, **own}

    @property
    def provenance(self) -> Mapping[str, str]:
        origin = f"pseudo-labels of {self.index.teacher}" + ("" if self.replace else ", where the data set has none")
        return {**self.dataset.provenance, **dict.fromkeys(self.added, origin)}

    def __getitem__(self, index: int) -> Sample:
        sample = self.dataset[index]
        entry = self.index.images.get(sample.key)
        if entry is None:
            self._refuse_strangers()
            missed = Ledger().noted(Omission.CACHE_MISS, str(self.cache), "no entry for an image", sample.key)
            return sample.but(ledger=sample.ledger + missed)
        if index not in self._same and content(sample.image) != entry.content:
            raise DataError(
                f"{sample.key} is not the image that {self.folder} was labeled from: the name is the same, the pixels "
                "differ; label again into a new folder"
            )
        self._same.add(index)
        pseudo_labels: dict[str, Annotation] = {}
        for name, of in self.added.items():
            if of in entry.files and (self.replace or name not in sample.labels):
                made = self.index.labels[of]
                least = self.confidence.get(name, made.confidence)
                label = unpack(inside(self.folder, entry.files[of], follow_links=True), made, sample.size, least)
                pseudo_labels[name] = self._in_own_classes(label, name, made.classes)
        return sample.but(labels={**sample.labels, **pseudo_labels})

    @cached_property
    def _same(self) -> set[int]:
        """Images that were compared with the cache already."""
        return set()

    def _refuse_strangers(self) -> None:
        """Raises DataError where the cache knows none of a few images spread over the data set."""
        if self._strangers:
            raise DataError(
                f"{self.folder} knows none of the images ({self._strangers[0]}, ...): it holds the labels of others "
                f"({next(iter(self.index.images), 'it is empty')}, ...); give the cache that belongs to these images"
            )

    @cached_property
    def _strangers(self) -> list[str]:
        """Keys of a few images spread over the data set, if the cache knows none of them."""
        count = len(self.dataset)
        places = sorted({round(i * (count - 1) / max(LOOKED_AT - 1, 1)) for i in range(min(LOOKED_AT, count))})
        keys = [self.dataset[place].key for place in places]
        return [] if any(key in self.index.images for key in keys) else keys

    def _in_own_classes(self, label: Annotation, name: str, classes: tuple[str, ...]) -> Annotation:
        """The label in the ids of the data set's own class list, where it has one."""
        own = self.dataset.classes.get(name, classes)
        names = self.classes_of.get(name, {})
        if own == classes and not names:
            return label
        for mine, theirs in names.items():
            if mine not in classes or theirs not in own:
                known, word = (classes, mine) if mine not in classes else (own, theirs)
                raise SpecError(unknown(word, known, f"class of {name!r} (in Pseudo.classes_of)"))
        own_names = [names.get(one, one) for one in classes]
        target = np.array([own.index(one) if one in own else NO_BOX for one in own_names])
        annotated = np.isin(np.arange(len(own)), target)
        return _in_ids(label, target, annotated, name)


@singledispatch
def _in_ids(label: Annotation, target: np.ndarray, annotated: np.ndarray, name: str) -> Annotation:
    """A pseudo-label in ids of the data set: `target` by id of the teacher, NO_BOX where the data set has none."""
    raise UnknownKind("pseudo-label", type(label), "datasets/pseudo.py")


@_in_ids.register
def _(label: ClassMap, target: np.ndarray, annotated: np.ndarray, name: str) -> ClassMap:
    table = np.full(256, UNKNOWN_ID, dtype=np.uint8)
    table[: len(target)] = np.where(target < 0, UNKNOWN_ID, target)
    return ClassMap(table[label.ids], annotated_classes=annotated)


@_in_ids.register
def _(label: Boxes, target: np.ndarray, annotated: np.ndarray, name: str) -> Boxes:
    ids = target[label.label]
    ignore = ids < 0 if label.ignore is None else label.ignore | (ids < 0)
    return replace(label, label=ids, ignore=ignore, annotated_classes=annotated)


@_in_ids.register
def _(
    label: ScalarMap | NormalMap | Polylines | Keypoints | Tag | Quantity,
    target: np.ndarray,
    annotated: np.ndarray,
    name: str,
) -> Annotation:
    raise SpecError(
        f"got other classes for {name!r} than the data set has, expected the same: those of a {type(label).__name__} "
        "are mapped in Source.classes only; give the pseudo-label a name of its own in Pseudo.labels"
    )
