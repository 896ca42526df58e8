"""What a scan measured, kept on disk: another budget does not repeat it.

$HYDRANET_CACHE/quantize/DIGEST.json, where DIGEST stands for the weights, the recipe, the size, the images that were
measured and calibrated with, the state of their files, and hydranet's version.
"""

import hashlib
import json
from collections.abc import Collection
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from hydranet.config.recipe import Recipe
from hydranet.core.errors import MALFORMED
from hydranet.core.sample import DataError
from hydranet.evaluation.report import finite, number
from hydranet.export.parity import Bounds, MetricPair, Parity
from hydranet.io.atomic import CheckpointError, write
from hydranet.io.cache_folder import cache
from hydranet.io.files import read_json
from hydranet.io.fingerprint_cache import state_of


class KeptScan:
    """The measurements of one network's ways to quantize; empty where nothing can be kept."""

    def __init__(self, recipe: Recipe, *made_of: object) -> None:
        self.path = _path(recipe, made_of)
        self._kept: dict[str, Any] = {}
        if self.path is not None:
            with suppress(DataError):
                tree = read_json(self.path)
                self._kept = tree if isinstance(tree, dict) else {}

    def get(self, target: str, float_heads: Collection[str], bounds: Bounds) -> Parity | None:
        """What was measured of a way to quantize; None where it was not."""
        try:
            one = self._kept[_key(target, float_heads)]
            metrics = {name: MetricPair(number(a), number(b)) for name, (a, b) in one["metrics"].items()}
            resampled = {name: [(number(a), number(b)) for a, b in pairs] for name, pairs in one["resampled"].items()}
            counts = {name: int(count) for name, count in one["counts"].items()}
            return Parity("", target, bounds, int(one["images"]), {}, metrics, resampled, counts)
        except MALFORMED:
            return None

    def put(self, target: str, float_heads: Collection[str], parity: Parity) -> None:
        """Keeps a measurement; where the cache cannot be written, the next scan measures again."""
        self._kept[_key(target, float_heads)] = {
            "images": parity.images,
            "metrics": {name: [finite(one.torch), finite(one.exported)] for name, one in parity.metrics.items()},
            "resampled": {name: [[finite(a), finite(b)] for a, b in pairs] for name, pairs in parity.resampled.items()},
            "counts": dict(parity.counts),
        }
        if self.path is not None:
            with suppress(CheckpointError):
                write(self.path, json.dumps(self._kept).encode())


def _key(target: str, float_heads: Collection[str]) -> str:
    return " ".join([target, *sorted(float_heads)])


def _path(recipe: Recipe, made_of: tuple[object, ...]) -> Path | None:
    states = [state_of(source.dataset) for source in (*recipe.data, *recipe.validation)]
    if None in states:
        return None
    with suppress(PackageNotFoundError):
        states.append(version("hydranet"))
    text = json.dumps([recipe.to_json(), states, repr(made_of)])
    return cache() / "quantize" / f"{hashlib.sha256(text.encode()).hexdigest()[:32]}.json"
