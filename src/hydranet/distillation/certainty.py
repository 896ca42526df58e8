"""How sure a teacher is of its answers, by kind, and what becomes of those that it is not sure of."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import singledispatch
from typing import Literal

import numpy as np
import torch

from hydranet.annotations import (
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
    given,
)
from hydranet.core.batch import stack
from hydranet.core.spec import SpecError
from hydranet.core.task import to_numpy
from hydranet.postprocess.nms import above, confidence
from hydranet.postprocess.padding import unpadded

Certainty = Literal["probability", "agreement", "score", "none"]
"""What tells how sure an answer is: the probability of the chosen class; that the answer for the mirrored image is the
same; the score of each instance; nothing."""

_CERTAINTY: Mapping[type[Annotation], Certainty] = {
    ClassMap: "probability",
    ScalarMap: "agreement",
    NormalMap: "agreement",
    Boxes: "score",
    Polylines: "score",
    Keypoints: "score",
    Tag: "probability",
    Quantity: "none",
}


def certainty(kind: type[Annotation]) -> Certainty:
    """What tells how sure an answer of a kind is. Raises UnknownKind."""
    if kind not in _CERTAINTY:
        raise UnknownKind("certainty", kind, "distillation/certainty.py")
    return _CERTAINTY[kind]


Postprocess = Callable[[Annotation], Annotation]


@singledispatch
def sure(label: Annotation, postprocess: Postprocess, least: float) -> Annotation:
    """A stacked answer as a teacher's label: of instances, those that `postprocess` leaves and that it is sure of.

    Instances between half of `least` and `least` are ignored: neither objects nor background. Other kinds are
    unknown already where the teacher is not sure (`Task.to_label`).
    """
    raise UnknownKind("certainty", type(label), "distillation/certainty.py")


@sure.register
def _(label: Boxes | Polylines | Keypoints, postprocess: Postprocess, least: float) -> Annotation:
    return _each(label, lambda one: _believed(postprocess(one), least))


@sure.register
def _(label: ClassMap | ScalarMap | NormalMap | Tag | Quantity, postprocess: Postprocess, least: float) -> Annotation:
    return label


def label_of(answer: Annotation, kind: type[Annotation], postprocess: Postprocess, least: float) -> Annotation:
    """A stacked answer of a graph as a stacked label of the task's `kind`, as sure as `sure` says.

    Where the two kinds differ, `postprocess` makes one of the other (lines of a map).
    """
    if type(answer) is kind:
        return sure(answer, postprocess, least)
    return sure(_each(answer, postprocess), lambda one: one, least)


def _each(answer: Annotation, change: Postprocess) -> Annotation:
    """A stacked answer with each image's annotation changed, as numpy arrays."""
    first = next(iter(given(answer).values()))
    return on_device(stack([change(to_numpy(answer, i)) for i in range(len(first))]), first.device)


def _believed(answer: Annotation, least: float) -> Annotation:
    """One image's instances that reach half of `least`; those below `least` are ignored."""
    kept = above(unpadded(answer), least / 2)
    assert isinstance(kept, Boxes | Polylines | Keypoints)
    return replace(kept, ignore=confidence(kept) < least)


def on_device(label: Annotation, device: torch.device) -> Annotation:
    """A stacked label on a device."""
    return replace(label, **{name: value.to(device) for name, value in given(label).items()})


@singledispatch
def trusted(answer: Annotation, least: float) -> Annotation:
    """One image's answer, numpy, as a label: unknown or ignored where its own confidence is below `least`.

    Class maps and tags without a probability are sure. Of other maps and quantities the teacher itself says NaN.
    """
    raise UnknownKind("certainty", type(answer), "distillation/certainty.py")


@trusted.register
def _(answer: Boxes | Polylines | Keypoints, least: float) -> Annotation:
    return _believed(answer, least)


@trusted.register
def _(answer: ClassMap, least: float) -> ClassMap:
    sure_of = answer.confidence if answer.probs is None else np.asarray(answer.probs).max(0)
    return answer if sure_of is None else replace(answer, ids=np.where(sure_of >= least, answer.ids, UNKNOWN_ID))


@trusted.register
def _(answer: Tag, least: float) -> Tag:
    if answer.probs is None or np.max(answer.probs) >= least:
        return answer
    return replace(answer, label=np.full_like(np.asarray(answer.label), UNKNOWN_ID))


@trusted.register
def _(answer: ScalarMap | NormalMap | Quantity, least: float) -> Annotation:
    return answer


@singledispatch
def mirrored(target: Annotation) -> Annotation:
    """The answer to a mirrored image, as one to the image itself; stacked maps of numbers or normals."""
    raise UnknownKind("mirrored answer", type(target), "distillation/certainty.py")


@mirrored.register
def _(target: ScalarMap) -> ScalarMap:
    return replace(target, values=target.values.flip(-1))


@mirrored.register
def _(target: NormalMap) -> NormalMap:
    return NormalMap(target.xyz.flip(-1) * target.xyz.new_tensor([-1.0, 1.0, 1.0])[:, None, None])


@mirrored.register
def _(target: ClassMap | Boxes | Polylines | Keypoints | Tag | Quantity) -> Annotation:
    raise _no_agreement(target)


@singledispatch
def agreed(target: Annotation, other: Annotation, least: float) -> Annotation:
    """What two answers agree on: NaN where min / max of two numbers, or the cosine of two normals, is below `least`.

    A network has no reason to be right where its answer depends on which way round it sees an image. Numbers
    of which one is not above 0 do not agree.
    """
    raise UnknownKind("agreement", type(target), "distillation/certainty.py")


@agreed.register
def _(target: ScalarMap, other: Annotation, least: float) -> ScalarMap:
    assert isinstance(other, ScalarMap)
    low, high = torch.minimum(target.values, other.values), torch.maximum(target.values, other.values)
    return replace(target, values=target.values.where((low > 0) & (low >= least * high), torch.nan))


@agreed.register
def _(target: NormalMap, other: Annotation, least: float) -> NormalMap:
    assert isinstance(other, NormalMap)
    cosine = (target.xyz * other.xyz).sum(1, keepdim=True)
    return NormalMap(target.xyz.where(cosine >= least, torch.nan))


@agreed.register
def _(target: ClassMap | Boxes | Polylines | Keypoints | Tag | Quantity, other: Annotation, least: float) -> Annotation:
    raise _no_agreement(target)


def _no_agreement(target: Annotation) -> SpecError:
    kind = type(target)
    return SpecError(
        f"got two answers of kind {kind.__name__} to compare, expected numbers or normals; its certainty is "
        f"{certainty(kind)!r}, so ask the teacher once"
    )
