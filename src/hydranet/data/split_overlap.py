"""Do training and validation share images, copies of images, or frames of one clip?"""

import re

import numpy as np

from hydranet.config.recipe import Recipe
from hydranet.config.source import Source
from hydranet.core.sample import DataError
from hydranet.data.finding import Finding, Severity
from hydranet.io.fingerprint import bits
from hydranet.io.fingerprint_cache import Show, fingerprints
from hydranet.io.near_duplicates import overlap

NEIGHBORS_SHARE, LEAST_NEIGHBORS = 0.5, 5
"""Validation images whose next frame by name trains: this share of them, and so many at least, are worth a look."""
MUCH_NEARER = 0.75
"""Neighbors by name that differ in fewer bits than this share of what strangers differ in are of one clip."""


def split_overlap(recipe: Recipe, show: Show) -> list[Finding]:
    """Compares every validation source with all training sources, by content, by look, by names. Reads every image
    once; then a cache knows them. Sources that cannot be read are passed over: others say so."""
    trained: dict[str, tuple[str, str]] = {}
    for source in recipe.data:
        trained |= _images(source, show)
    return [finding for source in recipe.validation for finding in _compared(source, _images(source, show), trained)]


def _images(source: Source, show: Show) -> dict[str, tuple[str, str]]:
    try:
        return {f"{source.name}:{key}": one for key, one in fingerprints(source.dataset, show).items()}
    except DataError:
        return {}


def _compared(
    source: Source, held_out: dict[str, tuple[str, str]], trained: dict[str, tuple[str, str]]
) -> list[Finding]:
    if not held_out or not trained:
        return []
    where, made = f"validation {source.name}", []
    same, similar = overlap(held_out, trained)
    if same:
        severity = Severity.POINTLESS if len(same) * 2 > len(held_out) else Severity.HARMFUL
        what = f"{len(same)} of {len(held_out)} images are training images, too, so that scores are too good"
        cure = "split the data: Split(dataset, 'train') and Split(dataset, 'val')"
        made.append(Finding(severity, where, what, cure, tuple(f"{a} = {b}" for a, b in same[:2])))
    if similar:
        what = f"{len(similar)} of {len(held_out)} images look like training images"
        cure = "copies, or frames of one clip, must be in one part: Split(..., similar='together') or a group"
        made.append(Finding(Severity.HARMFUL, where, what, cure, tuple(f"{a} = {b}" for a, b in similar[:2])))
    if not same and not similar:
        made += _neighbors(where, held_out, trained)
    return made


def _neighbors(where: str, held_out: dict[str, tuple[str, str]], trained: dict[str, tuple[str, str]]) -> list[Finding]:
    """Frames of one clip in both, told by consecutive numbers in names and by looks that are nearer than strangers'."""
    pairs = [(name, near) for name in held_out if (near := _next(name, trained))]
    if len(pairs) < max(LEAST_NEIGHBORS, NEIGHBORS_SHARE * len(held_out)):
        return []
    near = [_distance(held_out[a], trained[b]) for a, b in pairs]
    others = list(trained)
    far = [_distance(held_out[a], trained[others[(7919 * i) % len(others)]]) for i, (a, _) in enumerate(pairs)]
    if np.median(near) > MUCH_NEARER * np.median(far):
        return []
    what = f"{len(pairs)} of {len(held_out)} images are neighbors of training images by name and look, as in one clip"
    cure = "put whole clips into one part: Split(..., group='{clip}/*') (init: --group)"
    return [Finding(Severity.HARMFUL, where, what, cure, tuple(f"{a} = {b}" for a, b in pairs[:2]))]


def _next(name: str, among: dict[str, tuple[str, str]]) -> str:
    """The image of `among` whose last number is one more or less; "" for none."""
    match = re.fullmatch(r"(.*?)(\d+)(\D*)", name.partition(":")[2])
    if match is None:
        return ""
    source = name.partition(":")[0]
    for step in (-1, 1):
        number = str(int(match[2]) + step).zfill(len(match[2]))
        other = f"{source}:{match[1]}{number}{match[3]}"
        if other in among:
            return other
    return ""


def _distance(one: tuple[str, str], other: tuple[str, str]) -> int:
    a, b = bits([one[1], other[1]])
    return int(np.bitwise_count(a ^ b).sum())
