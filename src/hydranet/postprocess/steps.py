"""What comes after a graph: steps by name, one after another, each a file of this folder. numpy only."""

import importlib
import pkgutil
from collections.abc import Mapping
from functools import cache

from hydranet import postprocess as folder
from hydranet.annotations import (
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
from hydranet.core.checks.names import shown
from hydranet.core.sample import DataError
from hydranet.core.step import Step

Steps = Mapping[str, Mapping[str, float]]
"""Steps by name, in order, with options: {"nms": {"score_threshold", "iou_threshold", "max_detections",
"pre_nms_topk"}}. Options that are left out have their defaults."""

SCORE, IOU = "score_threshold", "iou_threshold"
"""Options that callers may set for all heads at once."""

REFUSED = frozenset({ClassMap, ScalarMap, NormalMap, Boxes, Polylines, Keypoints, Tag, Quantity})
"""Kinds that a step refuses in a sentence unless it takes them; another one is not known here yet."""


@cache
def known_steps() -> Mapping[str, Step]:
    """The steps by name: files of this folder that say they are one. Nothing else is ever imported for a name."""
    modules = [
        (one.name, vars(importlib.import_module(f"{folder.__name__}.{one.name}")))
        for one in pkgutil.iter_modules(folder.__path__)
    ]
    return {name: parts["STEP"] for name, parts in modules if isinstance(parts.get("STEP"), Step)}


def step_named(name: str) -> Step:
    """The step of this name. Raises DataError for an unknown one."""
    if name not in known_steps():
        raise DataError(f"got step {shown(name)}, expected one of {', '.join(known_steps())}; update hydranet")
    return known_steps()[name]


def kind_after(kind: type[Annotation], steps: Steps) -> type[Annotation]:
    """The kind of what `steps` make of a kind.

    Raises DataError for a step or an option that is not known or wrong, and where a step does not take the kind.
    """
    for name, options in steps.items():
        step = step_named(name)
        step.checked(options, name)
        kind = _given_kind(step, name, kind)
    return kind


def postprocess(prediction: Annotation, steps: Steps, score: float = 0.0, iou: float | None = None) -> Annotation:
    """One image's decoded annotation after the steps that its task names (`Task.postprocess_steps`).

    score, iou: thresholds of this call; the score only raises that of the steps.
    Raises DataError as `kind_after`.
    """
    for name, given in steps.items():
        step = step_named(name)
        _given_kind(step, name, type(prediction))
        options = step.checked(given, name)
        if SCORE in options:
            options[SCORE] = step.options[SCORE].checked(max(score, options[SCORE]), f"{name}.{SCORE}")
        if IOU in options and iou is not None:
            options[IOU] = step.options[IOU].checked(iou, f"{name}.{IOU}")
        prediction = step.run(prediction, options)
    return prediction


def _given_kind(step: Step, name: str, kind: type[Annotation]) -> type[Annotation]:
    if kind in step.kinds:
        return step.kinds[kind]
    if kind not in REFUSED:
        raise UnknownKind(f"step {name!r}", kind, "postprocess/steps.py")
    takes = " or ".join(one.__name__ for one in step.kinds)
    raise DataError(f"got step {name!r} for a {kind.__name__}, expected it for {takes} only; update hydranet")
