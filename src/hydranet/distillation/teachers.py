"""Teachers at work: their answers for a batch become distillation targets in it."""

from collections.abc import Callable, Collection, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace

import torch
from jaxtyping import UInt8
from torch import Tensor

from hydranet.annotations import Annotation
from hydranet.checkpoint.checkpoint import digest
from hydranet.config.recipe import Recipe
from hydranet.config.teacher import Teacher
from hydranet.core.batch import Batch, stack
from hydranet.core.distillation_target import DistillationTarget
from hydranet.core.sample import DataError
from hydranet.core.spec import SpecError, unknown
from hydranet.core.task import Cameras, Task, to_numpy
from hydranet.data.check_label import without_camera
from hydranet.data.class_table import ClassTable, class_table
from hydranet.distillation.certainty import agreed, certainty, mirrored, on_device
from hydranet.distillation.feature_matching import FeatureMatching
from hydranet.distillation.joint_code import joint_code
from hydranet.distillation.teacher_model import TeacherModel, TeacherOutput, check_probabilities, teacher_model
from hydranet.io.atomic import CheckpointError
from hydranet.postprocess.padding import unpadded

Autocast = Callable[[], AbstractContextManager[object]]


@dataclass(frozen=True, eq=False)
class TaskPair:
    """What one teacher teaches one task of the student.

    table: brings its classes to the student's, if they differ.    least: below it the teacher counts as not sure.
    """

    task: str
    of: str
    table: ClassTable | None
    least: float


class Teachers:
    """The teachers of a recipe. Called with a batch on the student's device, they add their distillation targets.

    digests: SHA-256 of each teacher by its path.
    Raises SpecError for a teacher that does not fit the student, CheckpointError for one that cannot be loaded.
    """

    def __init__(self, recipe: Recipe, device: torch.device | str = "cpu") -> None:
        tasks = {task.name: task for task in recipe.tasks}
        self.teaching = [_Teaching(i, teacher, tasks, device) for i, teacher in enumerate(recipe.teachers)]
        self.joint = joint_code(recipe.joint, tasks)
        self.digests = {teacher.path: digest(teacher.path) for teacher in recipe.teachers}
        names = {source.name for source in recipe.data}
        for teacher in recipe.teachers:
            for name in teacher.sources:
                if name not in names:
                    raise SpecError(unknown(name, names, f"source (of teacher {teacher.path!r})"))

    def compare(self, known: object) -> None:
        """Raises CheckpointError where a teacher is not the one that a run, whose digests are `known`, began with."""
        for path, mine in self.digests.items():
            if isinstance(known, dict) and known.get(path, mine) != mine:
                raise CheckpointError(
                    f"the teacher {path} is not the network this run began with; put that one back, or start anew"
                )

    @property
    def extra_tasks(self) -> tuple[Task, ...]:
        """The tasks that exist while training only: one for each teacher whose features are matched, and the code."""
        matched = (one.feature_matching for one in self.teaching)
        return tuple(task for task in (*matched, self.joint) if task is not None)

    @torch.no_grad()
    def __call__(self, batch: Batch, tasks: Collection[str], autocast: Autocast) -> Batch:
        """The batch with a distillation target for each of `tasks` that a teacher has answers for.

        Each teacher runs once, on the images it is asked about and with the heads it needs (twice where its answers
        are compared with those for the mirrored images), in eval mode, in the precision of `autocast`.
        """
        distillation = tuple(
            distilled_target for one in self.teaching for distilled_target in one.distillation(batch, tasks, autocast)
        )
        if self.joint and self.joint.name in tasks and (compared := self.joint.target(batch)):
            distillation += (compared,)
        return replace(batch, distillation=distillation) if distillation else batch


class _Teaching:
    """One teacher and what it teaches."""

    def __init__(self, index: int, teacher: Teacher, tasks: Mapping[str, Task], device: torch.device | str) -> None:
        self.teacher, self.teacher_model, self.tasks = teacher, teacher_model(teacher.path, device), tasks
        self.pairs = [
            _task_pair(teacher, tasks, name, of, self.teacher_model)
            for name, of in _pairs(teacher, tasks, self.teacher_model)
        ]
        self.feature_matching: FeatureMatching | None = None
        if teacher.features:
            first = self.pairs[0]
            features = self.teacher_model.features(first.of)
            reads = tasks[first.task].reads
            self.feature_matching = FeatureMatching(
                f"features_{index}", reads=reads, hint=features, strength=teacher.features
            )

    def distillation(self, batch: Batch, tasks: Collection[str], autocast: Autocast) -> list[DistillationTarget]:
        """Its distillation targets for a batch."""
        here = _of_sources(batch, self.teacher.sources)
        asked = [(one, self._rows(batch, one.task, here)) for one in self.pairs if one.task in tasks]
        asked = [(one, index) for one, index in asked if len(index)]
        matching = self.feature_matching
        matched = matching if matching and matching.name in tasks and len(here) else None
        if not asked and not matched:
            return []
        needed = here if matched else torch.unique(torch.cat([index for _, index in asked]))
        image, camera = batch.image[needed], batch.camera[needed]
        names = [one.of for one, _ in asked] or [self.pairs[0].of]
        if matched and self.pairs[0].of not in names:
            names.append(self.pairs[0].of)
        with autocast():
            outputs = self.teacher_model.forward(image, camera, names)
            mirror_outputs = _mirror_outputs(self.teacher_model, image, camera, {one.of: one.least for one, _ in asked})
        targets = []
        for one, index in asked:
            if self.teacher_model.needs_camera(one.of) or self.tasks[one.task].needs_camera:
                _check_cameras(batch, one.task, index)
            place = torch.searchsorted(needed, index)
            answers = [output.only(one.of, place) for output in (outputs, mirror_outputs)]
            targets.append(self._distillation_target(one, index, *answers))
        if matched:
            pyramid = [level.float() for level in outputs.pyramids[self.pairs[0].of]]
            targets.append(DistillationTarget(matched.name, here, None, raw=pyramid))
        return targets

    def _distillation_target(
        self, one: TaskPair, index: Tensor, outputs: TeacherOutput, mirror_outputs: TeacherOutput
    ) -> DistillationTarget:
        with torch.autocast(index.device.type, enabled=False):
            target = _to_label(self.teacher_model, one.of, outputs, mirror_outputs, one.least, self.teacher.temperature)
        known = None if one.table is None else torch.from_numpy(one.table.target).to(index.device)
        task = self.teacher_model.task(one.of)
        return DistillationTarget(
            one.task,
            index,
            in_classes(target, one.table),
            weight=self.teacher.weight,
            least=one.least,
            temperature=self.teacher.temperature,
            raw=None if task is None else outputs.raw[one.of],
            teacher=task,
            classes=known,
        )

    def _rows(self, batch: Batch, task: str, here: Tensor) -> Tensor:
        """The images that it is asked about."""
        if self.teacher.when == "always" or task not in batch.rows:
            return here
        return here[~torch.isin(here, batch.rows[task])]


def labels_of(
    teacher_model: TeacherModel, image: UInt8[Tensor, "b 3 h w"], camera: Cameras, least: Mapping[str, float]
) -> dict[str, Annotation]:
    """A teacher model's labels for images, for each task of `least`, unknown where it is less sure than that.

    camera: of the images, as in `Batch.camera`.
    """
    outputs = teacher_model.forward(image, camera, list(least))
    mirror_outputs = _mirror_outputs(teacher_model, image, camera, least)
    return {task: _to_label(teacher_model, task, outputs, mirror_outputs, sure) for task, sure in least.items()}


def _mirror_outputs(
    teacher_model: TeacherModel, image: Tensor, camera: Cameras, least: Mapping[str, float]
) -> TeacherOutput:
    """Its outputs for the mirrored images, for the tasks whose confidence is the agreement of both."""
    doubtful = [task for task, sure in least.items() if sure and certainty(teacher_model.kind(task)) == "agreement"]
    if not doubtful:
        return TeacherOutput({}, {}, camera)
    fx, fy, cx, cy = camera.unbind(1)
    return teacher_model.forward(image.flip(-1), torch.stack([fx, fy, image.shape[-1] - cx, cy], 1), doubtful)


def _to_label(
    teacher_model: TeacherModel,
    task: str,
    outputs: TeacherOutput,
    mirror_outputs: TeacherOutput,
    least: float,
    temperature: float = 0.0,
) -> Annotation:
    target = teacher_model.to_label(task, outputs.raw[task], outputs.camera, temperature, least)
    if task not in mirror_outputs.raw:
        return target
    other = teacher_model.to_label(task, mirror_outputs.raw[task], mirror_outputs.camera, 0.0, 0.0)
    return agreed(target, mirrored(other), least)


def _check_cameras(batch: Batch, task: str, index: Tensor) -> None:
    """Raises DataError where an image that a teacher is asked about has no camera, and one of both sides needs it."""
    for image in index[batch.camera[index].isnan().any(1)].tolist()[:1]:
        raise DataError(f"{batch.source[image]}:{batch.key[image]}: {without_camera(task, batch.source[image])}")


def _of_sources(batch: Batch, sources: tuple[str, ...]) -> Tensor:
    chosen = [i for i, source in enumerate(batch.source) if not sources or source in sources]
    return torch.tensor(chosen, dtype=torch.long, device=batch.image.device)


def _pairs(teacher: Teacher, tasks: Mapping[str, Task], teacher_model: TeacherModel) -> list[tuple[str, str]]:
    if not teacher.tasks:
        pairs = [
            (name, name)
            for name, task in tasks.items()
            if name in teacher_model.tasks and teacher_model.kind(name) is task.kind
        ]
        if not pairs:
            raise SpecError(
                f"teacher {teacher.path!r} has tasks {', '.join(teacher_model.tasks)}, the student {', '.join(tasks)}: "
                "none of equal name and kind; say which teaches which in Teacher.tasks"
            )
        return pairs
    for name, of in teacher.tasks.items():
        if name not in tasks:
            raise SpecError(unknown(name, tasks, f"task of the student (of teacher {teacher.path!r})"))
        if of not in teacher_model.tasks:
            raise SpecError(unknown(of, teacher_model.tasks, f"task of teacher {teacher.path!r}"))
    return list(teacher.tasks.items())


def _task_pair(
    teacher: Teacher, tasks: Mapping[str, Task], name: str, of: str, teacher_model: TeacherModel
) -> TaskPair:
    task, where = tasks[name], f"teacher {teacher.path!r}"
    if teacher_model.kind(of) is not task.kind:
        raise SpecError(
            f"{where} answers {of!r} with a {teacher_model.kind(of).__name__}, the student's {name!r} learns a "
            f"{task.kind.__name__}; choose another task in Teacher.tasks"
        )
    least = teacher.confidence.get(name, teacher_model.own_confidence(of))
    if least and certainty(task.kind) == "none":
        raise SpecError(f"{where} got a confidence for {name!r}, but a {task.kind.__name__} has none; leave it out")
    check_probabilities(teacher_model, of, least)
    own, names = teacher_model.classes(of), teacher.classes.get(name, {})
    same = not names and own == task.classes
    return TaskPair(name, of, None if same else class_table(own, task, names, f"{of!r} of {where}"), least)


def in_classes(target: Annotation, table: ClassTable | None) -> Annotation:
    """A stacked label in the student's classes, by the same code that maps the classes of a data set."""
    if table is None:
        return target
    first = getattr(target, target.arrays()[0])
    mapped = [table.apply(unpadded(to_numpy(target, image))) for image in range(len(first))]
    return on_device(stack(mapped), first.device)
