"""Parts chosen by a word on the command line: balancer=uncertainty, encoder=resnet50, optim=adam, schedule=cosine."""

from collections.abc import Mapping
from typing import Any

import torch

from hydranet.config import schedule
from hydranet.config.catalog import members
from hydranet.core.errors import SpecError
from hydranet.core.spec import dotted, unknown

Json = Any

KINDS: Mapping[str, str] = {
    "encoder": "encoders",
    "decoder": "decoders",
    "sharing": "sharing",
    "balancer": "balancers",
    "dataset": "datasets",
}
"""By the option of a recipe that holds a part, the open set it is from (`config.catalog.OPEN`)."""

KEPT: Mapping[str, tuple[str, ...]] = {"encoder": ("weights",), "algorithm": ("weight_decay",)}
"""By the option that holds a part, what goes over to the new part where the old one states it: choices of the run."""

TIMM = "hydranet.models.encoders.timm.Timm"


def swapped(key: str, old: Json, value: Json) -> Json:
    """What takes the place of a part or dataclass for which a word is given.

    key: the whole key, such as "optim.algorithm".    old: the JSON that stands there.    value: what was given.
    Raises SpecError, with the words that are known, for any other.
    """
    if not isinstance(old, Mapping) or "class" not in old or value is None or isinstance(value, dict):
        return value
    option = key.rpartition(".")[2]
    if key == "optim":
        return {**old, "algorithm": swapped("optim.algorithm", old["algorithm"], value)}
    words = _words(option)
    if not words:
        inner = sorted(set(old) - {"class", "part", "name"})
        examples = f"one of its options, such as {key}.{inner[0]}=..." if inner else "no value: it has no options"
        raise SpecError(f"got {key}={value!r}, expected {examples} ({', '.join(inner) or 'none'})")
    if not isinstance(value, str):
        raise SpecError(f"got {key}={value!r}, expected one of {', '.join(sorted(words))}")
    path = value if "." in value else words.get(_plain(value))
    made = {"class": path, **({"part": True} if old.get("part") else {})}
    if path is None and option == "encoder" and _of_timm(value):
        made = {"class": TIMM, "part": True, "model": value}
    elif path is None:
        raise SpecError(f"got {key}={value!r}: {unknown(_plain(value), words, option)}{_more(option)}")
    return {**made, **{name: old[name] for name in KEPT.get(option, ()) if name in old}}


def _plain(word: str) -> str:
    return word.lower().replace("_", "").replace("-", "")


def _words(option: str) -> dict[str, str]:
    """Words for an option, and the class that each means: names of classes, and of files with one class."""
    if option in KINDS:
        parts = members(KINDS[option])
        files = [part.path.rpartition(".")[0] for part in parts]
        alone = [part for part, file in zip(parts, files, strict=True) if files.count(file) == 1]
        by_file = {_plain(part.path.split(".")[-2]): part.path for part in alone}
        return by_file | {_plain(part.name): part.path for part in parts}
    if option == "schedule":
        kinds = [one for one in vars(schedule).values() if isinstance(one, type)]
        return {_plain(one.__name__): dotted(one) for one in kinds if one.__mro__[1] is schedule.Schedule}
    if option == "algorithm":
        classes = [one for one in vars(torch.optim).values() if isinstance(one, type)]
        return {_plain(c.__name__): dotted(c) for c in classes if c.__mro__[1] is torch.optim.Optimizer}
    return {}


def _of_timm(word: str) -> bool:
    import timm

    return bool(timm.is_model(word))


def _more(option: str) -> str:
    return "; or a model of timm" if option == "encoder" else ""
