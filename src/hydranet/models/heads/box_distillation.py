"""Learning from a detector's logits: what every cell predicts, not only the boxes that remain in the end."""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor
from torch.nn import functional as F

from hydranet.core.task import Loss, Raw
from hydranet.models.heads.box_head import BoxHead
from hydranet.models.heads.yolov8 import YoloV8


class Gains(NamedTuple):
    """Weights of the two parts."""

    classed: float
    dfl: float


def same_outputs(student: BoxHead, teacher: BoxHead) -> bool:
    """Whether the cells and bins of two heads mean the same, so that their logits can be compared."""
    if not (isinstance(student, YoloV8) and isinstance(teacher, YoloV8)):
        return False
    return (student.reg_max, student.strides) == (teacher.reg_max, teacher.strides)


def class_divergence(
    logits: Float[Tensor, "b a k"], probs: Float[Tensor, "b a k"], listed: Bool[Tensor, " k"]
) -> Float[Tensor, ""]:
    """Sum over cells and listed classes of KL(p || sigmoid(z)), each class decided independently of the others.

    Without a temperature: a softened sigmoid would have thousands of background cells match logits far below 0.
    """
    cross = F.binary_cross_entropy_with_logits(logits, probs, reduction="none")
    entropy = -(torch.xlogy(probs, probs) + torch.xlogy(1 - probs, 1 - probs))
    return ((cross - entropy) * listed).sum()


def localization_divergence(
    bins: Float[Tensor, "b a 4 r"],
    teacher_bins: Float[Tensor, "b a 4 r"],
    weight: Float[Tensor, "b a"],
    temperature: float,
) -> Float[Tensor, ""]:
    """Sum over cells of weight * T^2 KL between the softened distributions of a side, mean over the four sides.

    Localization distillation (Zheng et al., arXiv 2102.12252, eq. 2 and 3) with the T^2 of Hinton et al.
    """
    wanted, own = (teacher_bins / temperature).softmax(-1), (bins / temperature).log_softmax(-1)
    divergence = (torch.xlogy(wanted, wanted) - wanted * own).sum(-1).mean(-1)
    return temperature**2 * (divergence * weight).sum()


def by_logits(
    raw: Raw, teacher: Raw, classes: Int64[Tensor, " j"] | None, temperature: float, least: float, gains: Gains
) -> Loss:
    """Class and localization divergence of two heads that are `alike`.

    A cell's sides count as much as the teacher believes in an object there, and not at all below `least`: the rest of
    the image has no box to learn. Divided as the head's own loss is: by the sum of these weights, plus one per image.

    classes: the student's class of each of the teacher's, below 0 = none; None = they are the same.
    """
    scores = raw["scores"].float()
    probs, listed = _of_student(teacher["scores"].float().sigmoid(), classes, scores.shape[-1])
    belief = probs.amax(-1)
    weight = belief * (belief >= least)
    classed = class_divergence(scores, probs, listed)
    dfl = localization_divergence(raw["boxes"].float(), teacher["boxes"].float(), weight, temperature)
    parts = {"class": gains.classed * classed, "dfl": gains.dfl * dfl}
    return Loss(parts["class"] + parts["dfl"], weight.sum() + len(scores), parts)


def _of_student(
    probs: Float[Tensor, "b a j"], classes: Int64[Tensor, " j"] | None, count: int
) -> tuple[Float[Tensor, "b a k"], Bool[Tensor, " k"]]:
    """Probabilities by class of the student, the greatest where several become one, and the classes the teacher has."""
    if classes is None:
        return probs, torch.ones(count, dtype=torch.bool, device=probs.device)
    own = [(classes == k).nonzero()[:, 0] for k in range(count)]
    empty = probs.new_zeros(probs.shape[:-1])
    mapped = torch.stack([probs[..., index].amax(-1) if len(index) else empty for index in own], -1)
    return mapped, torch.tensor([len(index) > 0 for index in own], device=probs.device)
