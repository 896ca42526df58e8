"""Tasks whose options determine what their weights mean."""

from abc import ABC, abstractmethod
from typing import Any, ClassVar


class FixedAfterTraining(ABC):
    """A second base of tasks whose options are part of the decoding: with others, the same weights give other answers.

    Such options are refused as overrides of a trained network (`checkpoint.load_model`).
    """

    alternative: ClassVar[str] = ""
    """The option that may be changed instead, if there is one."""

    @abstractmethod
    def calibration(self) -> dict[str, Any]:
        """These options by name."""
