"""A teacher in a recipe: whose answers a student learns from, for which tasks, on which images."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from hydranet.core.checks.names import check_names
from hydranet.core.spec import Component, SpecError, unknown


@dataclass(frozen=True)
class Teacher(Component):
    """A trained network that answers for images that nobody labeled, or beside their labels.

    It sees what the student sees: the same augmented images. It never learns and is in no checkpoint.

    path:        a run folder, a model.safetensors, or an exported file (.onnx, .torchscript: decisions only).
    tasks:       {task of the student: task of the teacher}; empty = all tasks of equal name and kind.
    classes:     {task of the student: {class of the teacher: class of the student}}, as `Source.classes`.
    weight:      an element it answers for counts as much as this many labeled ones (`training.losses.joined`).
    temperature: of class probabilities and of the distributions behind boxes; 0 = decisions only.
    confidence:  {task of the student: least confidence} of answers that are used: the greatest probability of a class
                 map, the score of a box, and for depth and normals the agreement of the answers to the image and to its
                 mirror image (the ratio of the values, or the cosine), for which the teacher runs twice. 0 = all
                 answers. Of a task that is left out: instances from the teacher's own threshold on, else all answers.
    when:        "unlabeled" = images without a label of the task; "always" = every image, beside its labels.
    sources:     the only sources it teaches on; empty = all.
    features:    weight of a separate loss that matches the pyramid its first task reads through 1x1 projections,
                 which are trained, saved for --resume, and not shipped; 0 = none.
    """

    path: str
    tasks: Mapping[str, str] = field(default_factory=dict)
    classes: Mapping[str, Mapping[str, str | None]] = field(default_factory=dict)
    weight: float = 1.0
    temperature: float = 3.0
    confidence: Mapping[str, float] = field(default_factory=dict)
    when: Literal["unlabeled", "always"] = "unlabeled"
    sources: tuple[str, ...] = ()
    features: float = 0.0

    def __post_init__(self) -> None:
        where = f"teacher {self.path!r}"
        check_names((*self.tasks, *self.tasks.values(), *self.classes, *self.confidence), "task")
        check_names(self.sources, "source")
        if self.when not in ("unlabeled", "always"):
            raise SpecError(f"{where} got when={self.when!r}, expected 'unlabeled' or 'always'")
        if not 0 < self.weight < math.inf:
            raise SpecError(f"{where} got weight={self.weight}, expected a number > 0; or take it out")
        for what, value in (("temperature", self.temperature), ("features", self.features)):
            if not 0 <= value < math.inf:
                raise SpecError(f"{where} got {what}={value}, expected 0 or more")
        for task, least in self.confidence.items():
            if not 0 <= least <= 1:
                raise SpecError(f"{where} got confidence {least} for {task!r}, expected 0..1")
        for what, given in (("classes", self.classes), ("confidence", self.confidence)):
            for task in given:
                if self.tasks and task not in self.tasks:
                    raise SpecError(unknown(task, self.tasks, f"task of {where} (in {what})"))
