"""What is wrong with data or with the first steps of a run, in plain sentences, the worst first."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum


class Severity(IntEnum):
    """How bad it is; the lowest number is the worst."""

    POINTLESS = 0
    """A task, or all of them, would learn nothing or the wrong thing."""
    HARMFUL = 1
    """It learns less than it could, or its scores mislead."""
    ODD = 2
    """It may be meant; look at it."""


WORDS = {Severity.POINTLESS: "pointless to train", Severity.HARMFUL: "harmful", Severity.ODD: "look at this"}


@dataclass(frozen=True)
class Finding:
    """where: source and label, or task.    what: a fact.    cure: what to do.    images: a few that show it."""

    severity: Severity
    where: str
    what: str
    cure: str
    images: tuple[str, ...] = ()

    def sentence(self) -> str:
        """All of it in one line."""
        named = f" ({', '.join(self.images[:3])})" if self.images else ""
        return f"{WORDS[self.severity]}: {self.where}: {self.what}{named}; {self.cure}"


def ranked(findings: Iterable[Finding]) -> list[Finding]:
    """The worst first, each once."""
    return sorted(dict.fromkeys(findings), key=lambda one: one.severity)
