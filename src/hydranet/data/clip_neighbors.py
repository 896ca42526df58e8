"""Do training and validation share clips? Told from consecutive numbers in names, and from looks."""

import re
import statistics

import numpy as np

from hydranet.config.recipe import Recipe
from hydranet.core.sample import DataError
from hydranet.core.spec import SpecError
from hydranet.data.finding import Finding, Severity
from hydranet.data.overlap import Images, has_files, images_of
from hydranet.io.fingerprint import bits
from hydranet.io.fingerprint_cache import Fingerprints

NEIGHBORS_SHARE, LEAST_NEIGHBORS = 0.5, 5
"""Validation images whose next frame by name trains: this share of them, and so many at least, are worth a look."""
MUCH_NEARER = 0.75
"""Neighbors by name that differ in fewer bits than this share of what strangers differ in are of one clip."""


def clip_neighbors(recipe: Recipe) -> list[Finding]:
    """Validation images that are neighbors of training images; sources that cannot be read say so elsewhere."""
    cached: dict[str, Fingerprints] = {}
    try:
        trained = images_of([source for source in recipe.data if has_files(source.dataset)], cached)
        held_out = {
            source.name: images_of([source], cached) for source in recipe.validation if has_files(source.dataset)
        }
    except (DataError, SpecError):
        return []
    return [
        finding for name, images in held_out.items() for finding in _neighbors(f"validation {name}", images, trained)
    ]


def _neighbors(where: str, held_out: Images, trained: Images) -> list[Finding]:
    keys = {name.partition(":")[2]: one for name, one in trained.items()}
    pairs = [(name, near) for name in held_out if (near := _next(name.partition(":")[2], keys))]
    if len(pairs) < max(LEAST_NEIGHBORS, NEIGHBORS_SHARE * len(held_out)):
        return []
    close = [_distance(held_out[a], keys[b]) for a, b in pairs]
    others = list(keys)
    far = [_distance(held_out[a], keys[others[(7919 * i) % len(others)]]) for i, (a, _) in enumerate(pairs)]
    if statistics.median(close) > MUCH_NEARER * statistics.median(far):
        return []
    what = f"{len(pairs)} of {len(held_out)} images are neighbors of training images by name and look, as in one clip"
    cure = "put whole clips into one part: Split(..., group='{clip}/*') (init: --group)"
    return [Finding(Severity.HARMFUL, where, what, cure, tuple(f"{a} = {b}" for a, b in pairs[:2]))]


def _next(key: str, among: Images) -> str:
    """The image of `among` whose last number is one more or less; "" for none."""
    match = re.fullmatch(r"(.*?)(\d{1,9})(\D*)", key, re.ASCII)
    if match is None:
        return ""
    for step in (-1, 1):
        number = str(int(match[2]) + step).zfill(len(match[2]))
        if (other := f"{match[1]}{number}{match[3]}") in among:
            return other
    return ""


def _distance(one: tuple[str, str], other: tuple[str, str]) -> int:
    a, b = bits([one[1], other[1]])
    return int(np.bitwise_count(a ^ b).sum())
