"""Which images a run began to learn from: files come and go, and a split of others is another one."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from hydranet.config.recipe import Recipe
from hydranet.core.dataset import Dataset
from hydranet.core.ledger import Ledger, Omission
from hydranet.core.sample import DataError
from hydranet.core.spec import SpecError
from hydranet.data.overlap import wrapped
from hydranet.io.atomic import write
from hydranet.io.files import FileDataset, read_json

FILE = "images.json"
"""In the folder of a run: {name of a source: names of its images}."""

BEFORE = "which this run began to learn from, before files came or went, so that scores are too good"


def note(recipe: Recipe, folder: Path) -> None:
    """Writes down the training images whose names are known without reading them. Raises CheckpointError."""
    names = {source.name: list(source.dataset.keys()) for source in recipe.data if _has_names(source.dataset)}
    write(folder / FILE, json.dumps(names).encode())


def changed(recipe: Recipe, folder: Path) -> list[str]:
    """A sentence for each training source that has other images than when the run began."""
    sentences = []
    for name, dataset, before in _known(recipe, folder):
        now = dataset.keys()
        gone, new = len({*before} - {*now}), len({*now} - {*before})
        if gone or new:
            sentences.append(
                f"source {name!r} had {len(before)} images when this run began and has {len(now)} now ({gone} gone, "
                f"{new} new): it goes on otherwise than an unbroken run would"
            )
    return sentences


def leaked(recipe: Recipe, folder: Path) -> Ledger:
    """Validation images that a run began to learn from, and that its recipe would not train on any more."""
    ledger = Ledger()
    for source in recipe.validation if _file(folder) else ():
        if not _has_names(source.dataset):
            continue
        beside = [one for one in _known(recipe, folder) if _roots(one[1]) == _roots(source.dataset)]
        now = {name for _, dataset, _ in beside for name in _names(dataset)}
        trained = {name for _, _, before in beside for name in before} - now
        keys = [name for name in _names(source.dataset) if name in trained]
        if keys:
            ledger = ledger.noted(Omission.IMAGE_LEAKED, f"validation {source.name}", BEFORE, *keys)
    return ledger


def _known(recipe: Recipe, folder: Path) -> Iterator[tuple[str, Dataset, list[str]]]:
    """Name, data set and noted images of each training source. Raises DataError for a damaged file."""
    file = _file(folder)
    tree = read_json(file) if file else {}
    if not isinstance(tree, dict) or not all(isinstance(names, list) for names in tree.values()):
        raise DataError(f"{file} is damaged; remove it, and nothing is known of the images that the run began with")
    for source in recipe.data:
        if source.name in tree and _has_names(source.dataset):
            yield source.name, source.dataset, [name for name in tree[source.name] if isinstance(name, str)]


def _names(dataset: Dataset) -> Sequence[str]:
    """Names of the images; none where they are not at hand, as on the machine that a run was copied to."""
    try:
        return dataset.keys()
    except (DataError, SpecError):
        return ()


def _file(folder: Path) -> Path | None:
    """The file of a run; of its best network, or that of a stage, that of the run around it. None in runs of before."""
    places = (folder, *folder.absolute().parents[:2])
    return next((place / FILE for place in places if (place / FILE).is_file()), None)


def _has_names(dataset: Dataset) -> bool:
    """Whether a data set reads files, and knows their names without reading each."""
    inner = list(wrapped(dataset))
    own = isinstance(dataset, FileDataset) or any(map(_has_names, inner))
    return own and type(dataset).keys is not Dataset.keys and all(map(_has_names, inner))


def _roots(dataset: Dataset) -> frozenset[str]:
    """The folders that a data set reads."""
    own = [str(Path(dataset.root))] if isinstance(dataset, FileDataset) else []
    return frozenset(own).union(*map(_roots, wrapped(dataset)))
