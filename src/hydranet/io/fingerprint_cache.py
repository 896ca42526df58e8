"""Fingerprints of a data set's images, kept on disk: reading and hashing a training set takes minutes, once.

They lie in $HYDRANET_CACHE/fingerprints, else ~/.cache/hydranet/fingerprints: one file per data set. A file is used
while all of this is as it was: the identities of the images (`Dataset.identities`: options and index), path, size and
time of change of every file under a folder that the options name (wherever that folder lies), the code of the data set,
and hydranet's version.
"""

import hashlib
import inspect
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import fields
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from hydranet.core.dataset import Dataset
from hydranet.core.sample import DataError
from hydranet.core.spec import SpecError, to_json
from hydranet.io.atomic import CheckpointError, write
from hydranet.io.cache_folder import cache
from hydranet.io.files import FileDataset, folder_of, read_json
from hydranet.io.fingerprint import content, perceptual_hash

Fingerprints = dict[str, tuple[str, str]]
"""Content and look of images (`io.fingerprint`) by key."""

Show = Callable[[int, int], None]
"""Gets how many images were read, of how many."""


def fingerprints(dataset: Dataset, show: Show) -> Fingerprints:
    """Content and look of every image by key. Broken images are left out: nobody trains on them either.

    Images are read only where neither the data set nor the cache has anything for this state of the data set.
    """
    own = dataset.fingerprints()
    if own is not None:
        return dict(own)
    path = _place(dataset)
    kept = _kept(path) if path else None
    if kept is not None:
        return kept
    prints = Fingerprints()
    for index in range(len(dataset)):
        show(index, len(dataset))
        try:
            sample = dataset[index]
        except DataError:
            continue
        prints[sample.key or str(index)] = (content(sample.image), perceptual_hash(sample.image))
    show(len(dataset), len(dataset))
    _keep(path, prints)
    return prints


def keep(dataset: Dataset, prints: Fingerprints) -> None:
    """Puts fingerprints of all images of a data set, taken by somebody who read them anyway, into the cache."""
    _keep(_place(dataset), prints)


def _keep(path: Path | None, prints: Fingerprints) -> None:
    if path:
        with suppress(CheckpointError):  # a cache that cannot be written costs time, nothing else
            write(path, json.dumps(prints).encode())


def is_kept(dataset: Dataset) -> bool:
    """Whether `fingerprints` needs to read no image of a data set."""
    path = _place(dataset)
    return dataset.fingerprints() is not None or (path is not None and _kept(path) is not None)


def _kept(path: Path) -> Fingerprints | None:
    """What a file of the cache holds; None where there is none, or no whole one."""
    try:
        tree = read_json(path)
    except DataError:
        return None
    if not isinstance(tree, Mapping) or not all(_is_pair(one) for one in tree.values()):
        return None
    return {key: (one[0], one[1]) for key, one in tree.items()}


def _is_pair(value: object) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(isinstance(one, str) for one in value)


def _place(dataset: Dataset) -> Path | None:
    """The file for this state of a data set; None for one that no other process can recognize."""
    state = state_of(dataset)
    return None if state is None else cache() / "fingerprints" / f"{state}.json"


def state_of(dataset: Dataset) -> str | None:
    """32 hex digits for a data set's options, code and files as they are now; None where no process could tell."""
    try:
        to_json(dataset)
    except SpecError:
        return None
    state = hashlib.sha256()
    with suppress(PackageNotFoundError):  # a checkout that is not installed
        state.update(version("hydranet").encode())
    for part in _parts(dataset):
        for line in (*_code(type(part)), *_files(part)):
            state.update(f"{line}\n".encode(errors="surrogateescape"))
    for one in dataset.identities():
        state.update(f"{one}\n".encode(errors="surrogateescape"))
    return state.hexdigest()[:32]


def _parts(dataset: Dataset) -> Iterator[Dataset]:
    """The data set and those that it wraps."""
    yield dataset
    for one in fields(dataset):
        value = vars(dataset)[one.name]
        for inner in value if isinstance(value, tuple) else (value,):
            if isinstance(inner, Dataset):
                yield from _parts(inner)


def _code(kind: type) -> Iterator[str]:
    """Digests of the code that makes the images: the module, and where it lies in a package, the modules beside it."""
    with suppress(TypeError, OSError):
        module = Path(inspect.getfile(kind))
        beside = sorted(module.parent.glob("*.py")) if (module.parent / "__init__.py").is_file() else [module]
        for path in beside:
            yield f"{path.name} {hashlib.sha256(path.read_bytes()).hexdigest()}"


def _files(dataset: Dataset) -> Iterator[str]:
    """Path, size and time of change of all files that a data set may read."""
    own = dataset.folder if isinstance(dataset, FileDataset) else None
    if own is not None:
        yield from _stamps(own)
    for one in fields(dataset):
        value = vars(dataset)[one.name]
        if isinstance(value, str) and value:
            with suppress(OSError, DataError, ValueError):
                path = _named(value, own, type(dataset).__name__)
                if own is None or not path.resolve().is_relative_to(own.resolve()):
                    yield from _stamps(path)


def _named(value: str, own: Path | None, what: str) -> Path:
    """What an option names: a place in the data set's own folder, a file, or a folder found as that of a data set is.

    Raises DataError where there is no such place.
    """
    if own is not None and (own / value).exists():
        return own / value
    path = Path(value).expanduser()
    return path if path.is_file() else folder_of(value, what)


def _stamps(root: Path) -> Iterator[str]:
    """The files below a folder, also below linked ones, each folder once; or the file itself."""
    if root.is_file():
        yield _stamp(root, root.parent)
    entered = set[str]()
    for folder, inside, names in os.walk(root, followlinks=True):
        real = os.path.realpath(folder)
        if real in entered:
            inside.clear()
            continue
        entered.add(real)
        inside.sort()
        for name in sorted(names):
            yield _stamp(Path(folder, name), root)


def _stamp(path: Path, root: Path) -> str:
    name = path.relative_to(root)
    try:
        state = path.stat()
    except OSError:
        return f"{name} gone"
    return f"{name} {state.st_size} {state.st_mtime_ns}"
