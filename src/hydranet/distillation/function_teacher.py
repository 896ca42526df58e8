"""Any function of an image as a teacher: `my_teacher.py:function`, with whatever network it likes inside."""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hydranet.annotations import Annotation
from hydranet.core.checks.class_lookup import import_file
from hydranet.core.sample import DataError, Sample
from hydranet.core.spec import SpecError, unknown
from hydranet.data.check_label import check_labels
from hydranet.data.reader import check_ids, ids_of
from hydranet.distillation.certainty import certainty, trusted
from hydranet.io.pseudo_label_index import Made


@dataclass(frozen=True, eq=False)
class FunctionTeacher:
    """A function of a user's file: image, uint8 h w 3 RGB -> {label: annotation}, numpy, in this image's own pixels.

    Class names are its attribute: `function.classes = {label: names}`, in the order of ids. What it is not sure of it
    says: 255 in class maps, NaN in numbers, scores of boxes; a least confidence of the command is applied to these.
    name:    FILE.py:FUNCTION.    digest: SHA-256 of the file (of what it opens itself nobody knows).
    """

    name: str
    digest: str
    function: Callable[[np.ndarray], Mapping[str, Annotation]]
    classes: Mapping[str, tuple[str, ...]]

    def answers(self, sample: Sample) -> dict[str, Annotation]:
        """Its labels for one image. Raises DataError where they are no annotations of this image, or it fails."""
        try:
            answers = self.function(sample.image)
        except Exception as error:
            raise DataError(
                f"{sample.key}: {self.name} ended with {type(error).__name__}: {error}; correct the function"
            ) from error
        if not isinstance(answers, Mapping) or not all(isinstance(one, Annotation) for one in answers.values()):
            raise DataError(
                f"{sample.key}: {self.name} gave a {type(answers).__name__}, expected {{label: annotation}}, such as "
                "{'drivable': ClassMap(ids)}"
            )
        labeled, where = sample.but(labels=answers), f"{sample.key}: {self.name}"
        try:
            check_labels(labeled)
        except DataError as error:
            raise DataError(f"{where}: {error}") from error
        for name, one in answers.items():
            if len(ids_of(one)) and not self.classes.get(name):
                raise DataError(
                    f"{where} gave class ids for {name!r} without class names, expected FUNCTION.classes = "
                    f"{{{name!r}: (names in the order of ids)}}; add them below the function"
                )
        check_ids(labeled, self.classes, where)
        return dict(answers)

    def made(
        self, sample: Sample, labels: Sequence[str] = (), confidence: Mapping[str, float] | None = None
    ) -> dict[str, Made]:
        """How each label is made, `Made` by label, as the answers for one image have it.

        labels: to keep; default all.    confidence: {label: least}.    Raises SpecError for a label that is not there.
        """
        answers, confidence = self.answers(sample), confidence or {}
        for name in (*labels, *confidence, *self.classes):
            if name not in answers:
                raise SpecError(unknown(name, answers, f"label of {self.name}"))
        for name, least in confidence.items():
            if certainty(type(answers[name])) not in ("probability", "score") or not 0 <= least <= 1:
                raise SpecError(
                    f"got confidence {least} for {name!r} ({type(answers[name]).__name__}), expected 0..1 of a class "
                    "map or instances; of numbers the function itself says NaN where it is not sure"
                )
        return {
            name: Made(
                type(one).__name__,
                tuple(self.classes.get(name, ())),
                {key: vars(one)[key] for key in one.metadata()},
                confidence.get(name, 0.0),
            )
            for name, one in answers.items()
            if not labels or name in labels
        }

    def labels(
        self, samples: Sequence[Sample], made: Mapping[str, Made], note: Callable[[str], None]
    ) -> Iterator[dict[str, Annotation] | None]:
        """For each image its labels, as sure as `made` says; None, with a note, where they are not what `made` says."""
        for sample in samples:
            try:
                answers = self.answers(sample)
                for name, how in made.items():
                    self._check(sample.key, name, answers, how)
            except DataError as error:
                note(str(error))
                yield None
            else:
                yield {name: trusted(answers[name], how.confidence) for name, how in made.items()}

    def _check(self, key: str, name: str, answers: Mapping[str, Annotation], made: Made) -> None:
        kind = type(answers[name]).__name__ if name in answers else "nothing"
        if kind != made.kind:
            raise DataError(
                f"{key}: {self.name} gave {kind} for {name!r}, for the first image a {made.kind}; let it give the same "
                "labels for every image, unknown where it is not sure"
            )


def function_teacher(what: str) -> FunctionTeacher:
    """The teacher "FILE.py:FUNCTION", or "FILE.py" with a single function that has `classes`.

    Runs the file. Raises SpecError where there is no such function, or what the file does fails.
    """
    path, _, name = what.partition(":")
    try:
        module = import_file(Path(path))
    except SpecError:
        raise
    except Exception as error:
        raise SpecError(f"{path} cannot be imported: {type(error).__name__}: {error}") from error
    functions = {key: one for key, one in vars(module).items() if callable(one) and getattr(one, "classes", None)}
    if not name and len(functions) != 1:
        raise SpecError(
            f"{path} has {len(functions)} functions with classes ({', '.join(functions) or 'none'}); say which: "
            f"{path}:FUNCTION"
        )
    function: Any = vars(module).get(name) if name else next(iter(functions.values()))
    if not callable(function):
        known = [key for key, one in vars(module).items() if callable(one)]
        raise SpecError(unknown(name, known, f"function in {path}"))
    classes = {label: tuple(names) for label, names in getattr(function, "classes", {}).items()}
    return FunctionTeacher(
        f"{Path(path).name}:{name or next(iter(functions))}",
        hashlib.sha256(Path(path).read_bytes()).hexdigest(),
        function,
        classes,
    )


def is_function(what: str) -> bool:
    """Whether a word of the command line names a function: FILE.py or FILE.py:FUNCTION."""
    return what.partition(":")[0].endswith(".py")
