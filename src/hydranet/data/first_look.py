"""A look at a recipe's labels before training: who labels what, in which classes, and whether any of it counts."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from hydranet.annotations import Annotation
from hydranet.config.recipe import Recipe
from hydranet.core.ledger import Ledger, Omission, add_up
from hydranet.core.sample import DataError
from hydranet.core.spec import SpecError
from hydranet.core.task import Task
from hydranet.data.overlap import leaks
from hydranet.data.reader import Reader, read

FEW, MANY = 4, 500
"""Images that are read of each source: at first, and where a task has no counted element in these; evenly spread."""

NO_VALIDATION = "it has no validation sources"
OF_NO_SOURCE = "labeled by no source"


@dataclass
class Offer:
    """What is known of the labels of some sources: filled image by image.

    names:    by source, the labels that occur in it or that its data set declares.
    counted:  by task, how many elements its loss counts.
    examples: by task, labels of which nothing counts, a few.
    """

    names: dict[str, set[str]] = field(default_factory=dict)
    counted: dict[str, int] = field(default_factory=dict)
    examples: dict[str, list[Annotation]] = field(default_factory=dict)

    def declare(self, source: str, names: Iterable[str]) -> None:
        """Adds names of labels that a source offers."""
        self.names.setdefault(source, set()).update(names)

    def add(self, labels: Mapping[str, Annotation], tasks: Mapping[str, Task]) -> None:
        """Counts the labels of one image, which have the tasks' names."""
        for name, label in labels.items():
            count, _ = tasks[name].counted([label])
            self.counted[name] = self.counted.get(name, 0) + count
            if not count and len(self.examples.setdefault(name, [])) < FEW:
                self.examples[name].append(label)

    def lacking(self, tasks: Sequence[Task], taught: Collection[str]) -> list[Task]:
        """Tasks without a counted element, which no teacher teaches either."""
        return [task for task in tasks if task.name not in taught and not self.counted.get(task.name)]

    def errors(self, tasks: Sequence[Task], taught: Collection[str]) -> list[str]:
        """A sentence for each task that can learn nothing."""
        sentences = []
        for task in self.lacking(tasks, taught):
            if task.name in self.counted:
                sentences.append(task.counted(self.examples[task.name])[1])
                continue
            offers = [
                f"{source} offers {', '.join(sorted(names)) or 'no label'}" for source, names in self.names.items()
            ]
            sentences.append(f"no source labels task {task.name!r}; {'; '.join(offers)}; map one with Source.labels")
        return sentences


def taught(recipe: Recipe) -> set[str]:
    """The tasks that need no label: those that a teacher may teach, and those at rest."""
    every = [task.name for task in recipe.tasks]
    return {name for teacher in recipe.teachers for name in (teacher.tasks or every)} | at_rest(recipe)


def at_rest(recipe: Recipe) -> set[str]:
    """The tasks that no stage computes: the heads of a trained network beside a new one. They need no labels."""
    if not recipe.stages or any(not stage.tasks for stage in recipe.stages):
        return set()
    return {task.name for task in recipe.tasks} - {name for stage in recipe.stages for name in stage.tasks}


@dataclass(frozen=True)
class FirstLook:
    """What is said when training begins.

    ledger: what the sources leave out, classes that no source labels.    classes: where classes go, in lines.
    """

    ledger: Ledger = field(default_factory=Ledger)
    classes: tuple[str, ...] = ()

    def lines(self) -> list[str]:
        """All of it, in lines."""
        return [*self.classes, *self.ledger.sentences()]


def first_look(recipe: Recipe, compare: bool = True) -> FirstLook:
    """Reads a few images of each source, and more of them for tasks that no label of these teaches.

    compare: find validation images that are trained on (`data.overlap`), too, which reads each image in a file once.
    Raises SpecError for a task that no source labels and no teacher teaches, DataError where none of its labels counts,
    and for broken files among these images in sources that do not skip them.
    """
    readers = [Reader(source, recipe.tasks) for source in recipe.data]
    ledger = add_up(source.dataset.ledger() for source in recipe.data)
    offer, spared = Offer(), taught(recipe)
    for most in (FEW, MANY):
        for reader in readers:
            for index in sorted(set(spread(len(reader), most)) - set(spread(len(reader), FEW if most > FEW else 0))):
                if most == FEW or offer.lacking(recipe.tasks, spared):
                    _look(reader, index, offer)
    errors = offer.errors(recipe.tasks, spared)
    if errors:
        missing = any(task.name not in offer.counted for task in offer.lacking(recipe.tasks, spared))
        raise (SpecError if missing else DataError)("; ".join(errors))
    if not recipe.validation:
        ledger = ledger.noted(Omission.NOT_SCORED, f"recipe {recipe.name!r}", NO_VALIDATION, count=1)
    classes = [
        line
        for reader in readers
        for line in class_lines(reader.source.name, {name: reader.class_of(name) for name in reader.tables})
    ]
    leaked = leaks(recipe) if compare else Ledger()
    return FirstLook(ledger + leaked + unlabeled_classes(recipe.tasks, readers, spared), tuple(classes))


def _look(reader: Reader, index: int, offer: Offer) -> None:
    source = reader.source
    offer.declare(source.name, source.dataset.classes)
    try:
        sample = read(source.dataset, index, source.name)
        offer.declare(source.name, sample.labels)
        offer.add(reader.use(sample, str(index)).labels, reader.tasks)
    except DataError:
        if source.on_error == "refuse":
            raise


def spread(count: int, most: int) -> list[int]:
    """At most so many of `count` indices, evenly spread."""
    return (
        np.unique(np.linspace(0, count - 1, min(most, count)).round().astype(int)).tolist() if min(count, most) else []
    )


def unlabeled_classes(tasks: Sequence[Task], readers: Sequence[Reader], spared: Collection[str] = ()) -> Ledger:
    """Classes of tasks that no source labels, although one labels the task."""
    ledger = Ledger()
    for task in tasks:
        tables = [reader.tables[task.name] for reader in readers if task.name in reader.tables]
        if not tables or task.name in spared:
            continue
        annotated = np.any([table.annotated_classes for table in tables], axis=0)
        absent = [name for name, known in zip(task.classes, annotated, strict=True) if not known]
        if absent:
            ledger = ledger.noted(Omission.CLASS_NOT_SEEN, f"task {task.name}", OF_NO_SOURCE, *absent)
    return ledger


def class_lines(source: str, classes: Mapping[str, Mapping[str, str]]) -> list[str]:
    """Where the classes of a source go (by task, {class of the data set: what it is there}): a line per task."""
    lines = []
    for name, table in classes.items():
        goals: dict[str, list[str]] = {}
        for own, goal in table.items():
            goals.setdefault(goal, []).append(own)
        changed = [f"{', '.join(own)} -> {goal}" for goal, own in goals.items() if own != [goal]]
        same = sum(own == [goal] for goal, own in goals.items())
        changed += [f"{same} of equal name"] if same and changed else []
        lines.append(f"classes of {source}, {name}: {'; '.join(changed) or f'all {same} of equal name'}")
    return lines
