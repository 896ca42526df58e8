"""What a teacher answers for some images of a batch."""

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from hydranet.annotations import Annotation


@dataclass(frozen=True, eq=False)
class DistillationTarget:
    """One teacher's answers for one task of the student.

    rows:        int n; the images it is about.
    target:      the answers as a stacked label in the student's classes, unknown where the teacher is not sure; None
                 where only `raw` can teach.
    weight:      an element of this target counts as much as this many labeled ones.
    least:       below this confidence the teacher counts as not sure.
    temperature: of the softened class probabilities in `target`; 0 = decisions alone.
    raw:         the teacher's raw answers, of its task `teacher`; None where it is an exported file.
    classes:     int by class of the teacher, the student's class; below 0 = none of them.
    also:        further tasks whose outputs it needs; `distill` then gets all of them, by name.
    """

    task: str
    rows: Tensor
    target: Annotation | None
    weight: float = 1.0
    least: float = 0.0
    temperature: float = 0.0
    raw: Any = None
    teacher: Any = None
    classes: Tensor | None = None
    also: tuple[str, ...] = ()
