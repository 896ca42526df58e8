"""Are validation images among the training images? Compared by content, by look, and by clip, person or track."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, replace
from functools import lru_cache

from hydranet.config.recipe import Recipe
from hydranet.config.source import Source
from hydranet.core.dataset import Dataset
from hydranet.core.ledger import Ledger, Omission
from hydranet.core.sample import DataError
from hydranet.core.spec import SpecError, to_json
from hydranet.core.wrapper import unwrapped
from hydranet.datasets.packed import Packed
from hydranet.datasets.pseudo_maps import PseudoMaps
from hydranet.io.files import FileDataset
from hydranet.io.fingerprint import NEAR_BITS, bits, nearest
from hydranet.io.fingerprint_cache import Fingerprints, Show, fingerprints

Images = Mapping[str, tuple[str, str]]
"""SOURCE:KEY of an image to the fingerprints of its content and look (`io.fingerprint`)."""

SHARED = "which are training images, too, so that scores are too good"
SIMILAR = "which look like training images (other frames, other sizes), so that scores may be too good"
GROUPED = "whose group (clip, person, track) is trained on, so that scores are too good"
UNGROUPED = "whose name has no group of the source's pattern, so that they were not compared by group"
UNREADABLE = "since its images cannot be read here"

Pairs = tuple[tuple[str, str], ...]


def silent(done: int, total: int) -> None:
    """Shows nothing."""


def leaks(recipe: Recipe, show: Show = silent) -> Ledger:
    """Validation images that a recipe trains on, that look as if it did, or whose group it trains on.

    Images in files are compared by their pixels, each read once and kept in the cache (`io.fingerprint_cache`);
    generated ones by the options that they are made from (`Dataset.identities`), without making any.
    Raises DataError where files cannot be listed.
    """
    cached: dict[str, Fingerprints] = {}
    trained = {one for source in recipe.data for one in source.dataset.identities()}
    in_files = [source for source in recipe.data if has_files(source.dataset)]
    ledger = Ledger()
    if not any(has_files(source.dataset) for source in recipe.validation):
        in_files = [source for source in in_files if source.group]
    own = images_of(in_files, cached, show) if recipe.validation else {}
    groups = {group for source in in_files for _, group in _groups(source, cached) if group}
    for source in recipe.validation:
        where = f"validation {source.name}"
        if has_files(source.dataset):
            theirs = images_of([source], cached, show)
            same, similar = overlap(theirs, own)
            ledger = _noted(ledger, where, SHARED, [name for name, _ in same])
            ledger = _noted(ledger, where, SIMILAR, [name for name, _ in similar])
            of = _groups(source, cached)
            ledger = _noted(ledger, where, GROUPED, [key for key, group in of if group in groups])
            if groups:
                ledger = _noted(ledger, where, UNGROUPED, [key for key, group in of if not group])
            continue
        shared = sum(one in trained for one in source.dataset.identities())
        if shared:
            ledger = ledger.noted(Omission.IMAGE_LEAKED, where, SHARED, count=shared)
    return ledger


def leaks_if_readable(recipe: Recipe) -> Ledger:
    """`leaks`, or an entry that says that they cannot be known, where the training images are not at hand."""
    try:
        return leaks(recipe)
    except (DataError, SpecError):
        return Ledger().noted(Omission.LEAK_NOT_CHECKED, f"recipe {recipe.name!r}", UNREADABLE, count=1)


def overlap(validation: Images, theirs: Images) -> tuple[Pairs, Pairs]:
    """Pairs that are the same image, and other pairs that look alike; one for each validation image, at most."""
    by_content = {one[0]: name for name, one in theirs.items()}
    names, looks = list(theirs), bits([one[1] for one in theirs.values()])
    distance, place = nearest(bits([one[1] for one in validation.values()]), looks)
    same: list[tuple[str, str]] = []
    similar: list[tuple[str, str]] = []
    for (name, (pixels, _)), far, index in zip(validation.items(), distance, place, strict=True):
        if pixels in by_content:
            same.append((name, by_content[pixels]))
        elif far <= NEAR_BITS:
            other = names[index]
            renamed = name.partition(":")[2] == other.partition(":")[2]
            (same if renamed else similar).append((name, other))
    return tuple(same), tuple(similar)


def images_of(sources: Sequence[Source], cached: dict[str, Fingerprints], show: Show = silent) -> Images:
    """Fingerprints of the images of some sources; `cached` keeps them by data set, for the next call."""
    images: dict[str, tuple[str, str]] = {}
    for source in sources:
        images |= {f"{source.name}:{key}": one for key, one in _fingerprints(source, cached, show).items()}
    return images


def has_files(dataset: Dataset) -> bool:
    """Whether a data set reads images from files, here or in one that it wraps."""
    return isinstance(dataset, FileDataset) or any(has_files(inner) for inner in wrapped(dataset))


def wrapped(dataset: Dataset) -> Iterator[Dataset]:
    """The data sets in the options of a data set."""
    for one in fields(dataset):
        value = vars(dataset).get(one.name)
        yield from (inner for inner in (value if isinstance(value, tuple) else (value,)) if isinstance(inner, Dataset))


def group_of(pattern: str, key: str) -> str | None:
    """The part of an image's key that {} of a source's pattern stands for (`Source.group`); None where none fits."""
    match = _compiled(pattern).fullmatch(key)
    return match.group(1) if match else None


@lru_cache(maxsize=64)
def _compiled(pattern: str) -> re.Pattern[str]:
    parts = re.split(r"(\{\}|\*)", pattern)
    return re.compile("".join({"{}": "([^/]+?)", "*": ".*?"}.get(part, re.escape(part)) for part in parts))


def _groups(source: Source, cached: dict[str, Fingerprints]) -> list[tuple[str, str | None]]:
    """Key and group of each image of a source that names a pattern."""
    if not source.group:
        return []
    return [(key, group_of(source.group, key)) for key in _fingerprints(source, cached, silent)]


def _fingerprints(source: Source, cached: dict[str, Fingerprints], show: Show) -> Fingerprints:
    images = bare(source.dataset)
    try:
        known = json.dumps(to_json(images), sort_keys=True)
    except SpecError:  # a data set that no recipe file can hold; equal to itself alone
        known = str(id(source.dataset))
    if known not in cached:
        cached[known] = fingerprints(images, show)
    return cached[known]


def bare(dataset: Dataset) -> Dataset:
    """The images without the wrappers around them; a pack, which knows its images anyway, as it is."""
    if isinstance(dataset, Packed):
        return dataset
    images = dataset.dataset if isinstance(dataset, PseudoMaps) else unwrapped(dataset)
    if images is not dataset:
        return bare(images)
    inner = {one.name: vars(dataset).get(one.name) for one in fields(dataset)}
    changed = {name: bare(one) for name, one in inner.items() if isinstance(one, Dataset) and bare(one) is not one}
    return replace(dataset, **changed) if changed else dataset


def _noted(ledger: Ledger, where: str, reason: str, names: Sequence[str]) -> Ledger:
    what = Omission.LEAK_NOT_CHECKED if reason == UNGROUPED else Omission.IMAGE_LEAKED
    keys = [name.partition(":")[2] or name for name in names]
    return ledger.noted(what, where, reason, *keys) if keys else ledger
