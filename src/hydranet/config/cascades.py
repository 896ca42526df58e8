"""Whether the cascades of a recipe fit its tasks."""

from collections.abc import Sequence

from hydranet.annotations import Boxes
from hydranet.core.cascade import Cascade
from hydranet.core.spec import SpecError, unknown
from hydranet.core.task import Task
from hydranet.postprocess.per_box import ANSWERS


def check_cascades(cascades: Sequence[Cascade], tasks: Sequence[Task]) -> None:
    """Raises SpecError for a task or class that is not there, a task without boxes, and heads that cannot answer."""
    by_name = {task.name: task for task in tasks}
    heads = [name for cascade in cascades for name in cascade.heads]
    if len(set(heads)) != len(heads):
        raise SpecError(f"got cascades to {heads}, expected every head in one of them; take it out of the others")
    for cascade in cascades:
        for name in (cascade.boxes, *cascade.heads):
            if name not in by_name:
                raise SpecError(unknown(name, by_name, "task (in a cascade)"))
        boxes = by_name[cascade.boxes]
        if boxes.kind is not Boxes:
            raise SpecError(
                f"got a cascade from {cascade.boxes!r}, which answers a {boxes.kind.__name__}, expected boxes"
            )
        for name in cascade.classes:
            if name not in boxes.classes:
                raise SpecError(unknown(name, boxes.classes, f"class of {cascade.boxes!r} (in a cascade)"))
        for name in cascade.heads:
            if by_name[name].kind not in ANSWERS:
                raise SpecError(
                    f"got a cascade to {name!r}, which answers a {by_name[name].kind.__name__}, expected a task of "
                    f"{', '.join(kind.__name__ for kind in ANSWERS)}"
                )
