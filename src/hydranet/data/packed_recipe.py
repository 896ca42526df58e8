"""A recipe that reads its sources from packs (`data.pack`), and what it may ask of them."""

import math
from dataclasses import replace
from pathlib import Path

from hydranet.config.recipe import Recipe
from hydranet.config.source import Source
from hydranet.core.spec import SpecError, to_json
from hydranet.datasets.packed import Packed, differences
from hydranet.io.pack_index import INDEX, read_pack_index


def packed(recipe: Recipe, folder: Path) -> Recipe:
    """The recipe, reading its sources from a pack; validation sources that were not packed stay as they are.

    Raises SpecError for a source that is not in the pack, or that was packed for other options.
    """
    data = tuple(_from(source, folder / "data" / source.name) for source in recipe.data)
    places = {source.name: folder / "validation" / source.name for source in recipe.validation}
    validation = tuple(
        _from(source, places[source.name]) if (places[source.name] / INDEX).is_file() else source
        for source in recipe.validation
    )
    made = replace(recipe, data=data, validation=validation)
    check_packs(made)
    return made


def _from(source: Source, place: Path) -> Source:
    if isinstance(source.dataset, Packed):
        return source
    if not (place / INDEX).is_file():
        raise SpecError(f"no pack of source {source.name!r} at {place}; make it with `hydranet data pack RECIPE`")
    index = read_pack_index(place)
    mine = differences(index.dataset, to_json(source.dataset))
    if index.focal_px != source.focal_px:
        mine.append(f"focal_px: {index.focal_px} -> {source.focal_px}")
    if mine:
        raise SpecError(f"the pack {place} was made with other options ({'; '.join(mine)}); pack again")
    return replace(source, dataset=Packed(str(place), source.dataset), focal_px=None)


def check_packs(recipe: Recipe) -> None:
    """Raises SpecError where training would need more of a pack than it holds: larger images, or other labels."""
    for source in recipe.data:
        if not isinstance(source.dataset, Packed):
            continue
        index, needed = source.dataset.index, reach_of(source, recipe)
        missing = sorted(set(stored_labels(recipe, source)) & set(index.left_out))
        if missing:
            raise SpecError(f"the pack {source.dataset.root} was made without labels {', '.join(missing)}; pack again")
        if not index.shrunk or index.reach is None:
            continue
        if source.focal_px is not None:
            raise SpecError(f"{source.name!r} names focal_px for a pack of shrunk images; name it before packing")
        if needed[0] > index.reach[0] or needed[1] > index.reach[1]:
            raise SpecError(
                f"the pack {source.dataset.root} holds images for views of {index.reach[1]}x{index.reach[0]} pixels; "
                f"this recipe takes {needed[1]}x{needed[0]} (Source.size times the largest Augment.scale): pack again"
            )


def reach_of(source: Source, recipe: Recipe) -> tuple[int, int]:
    """Height and width in pixels of the whole image in the view that magnifies it most, for an image that has the shape
    of the network's input.
    """
    largest = (source.augment or recipe.augment).scale[1]
    return math.ceil(source.size[0] * largest), math.ceil(source.size[1] * largest)


def stored_labels(recipe: Recipe, source: Source) -> tuple[str, ...]:
    """Names of the data set's labels that the recipe's tasks read."""
    names = (source.labels.get(task.name, task.name) for task in recipe.tasks)
    return tuple(sorted({name for name in names if name is not None}))
