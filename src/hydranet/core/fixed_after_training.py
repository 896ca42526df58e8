"""Tasks whose options say what their weights mean."""

from abc import ABC, abstractmethod
from typing import Any, ClassVar


class FixedAfterTraining(ABC):
    """Beside Task where options are part of the decoding: with other ones, the same weights give other answers.

    Such options are refused as overrides of a trained network (`checkpoint.load_model`).
    """

    alternative: ClassVar[str] = ""
    """The option that may be changed in their place, if there is one."""

    @abstractmethod
    def calibration(self) -> dict[str, Any]:
        """These options by name."""
