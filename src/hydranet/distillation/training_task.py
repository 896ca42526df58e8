"""What exists while training only, but is weighed like a task: a head and a loss, and neither labels nor answers."""

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar, NoReturn

from hydranet.annotations import Annotation
from hydranet.core.distillation_target import DistillationTarget
from hydranet.core.spec import SpecError
from hydranet.core.task import Loss, Raw, Stats, Task


@dataclass(frozen=True)
class TrainingTask(Task):
    """A task that learns by `distill` alone.

    It is a task of its own where its loss has another unit than labels have: balancers weigh it, checkpoints for
    --resume hold its head, shipped networks do not.
    """

    kind: ClassVar[type[Annotation]] = Annotation

    @abstractmethod
    def distill(self, raw: Raw, distilled_target: DistillationTarget) -> Loss:
        """Its loss."""

    def loss(self, raw: Raw, label: Annotation) -> NoReturn:
        self._no_answers()

    def decode(self, raw: Raw) -> NoReturn:
        self._no_answers()

    def measure(self, prediction: Annotation, label: Annotation) -> NoReturn:
        self._no_answers()

    def score(self, stats: Stats) -> NoReturn:
        self._no_answers()

    def _no_answers(self) -> NoReturn:
        raise SpecError(f"{self.name!r} exists while training only; it has neither labels nor answers")
