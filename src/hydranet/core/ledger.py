"""What was not used: counted where it happens, added up, and said in plain sentences, the worst first."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

EXAMPLES = 3
"""Items that an entry names; the count has all."""


class Omission(StrEnum):
    """Kinds of things that were not used, the worst first; the value stands in JSON files."""

    TASK_NOT_LEARNED = "task not learned"
    """A task without a single counted element. where: the task."""
    IMAGE_LEAKED = "image leaked"
    """Validation images that are among the training images. where: whose images they meet."""
    LEAK_NOT_CHECKED = "leak not checked"
    """Validation images that could not be compared with the training images. where: the recipe or source."""
    NOT_SCORED = "not scored"
    """Nothing will be, or was, measured. where: the recipe or the task."""
    NOT_COMPARED = "not compared"
    """A score or a run that a comparison leaves out. where: the metric or the run."""
    CLASS_NOT_SEEN = "class not seen"
    """A class of a task that no label holds. where: the task; items: classes."""
    CLASS_NOT_MEASURED = "class not measured"
    """A class of a task that no label of an evaluation holds. where: source and task; items: classes."""
    IMAGE_LEFT_OUT = "image left out"
    """An image or a file that nobody uses. where: the source or folder; items: files."""
    FOLDER_LEFT_OUT = "folder left out"
    """A folder inside that nobody looks into. where: the folder around it; items: folders."""
    LABEL_IGNORED = "label ignored"
    """A label, or a part of one (a box, a row), that was left out. where: the source or folder; items: files."""
    CLASS_UNMAPPED = "class unmapped"
    """A class of a data set that the task does not have. where: source and label; items: classes."""
    CACHE_MISS = "cache miss"
    """An image that a cache holds nothing for, or an entry of a cache that matches no image. where: the cache."""
    FRAME_DROPPED = "frame dropped"
    """A frame of a camera or video that was not looked at. where: the video or camera."""
    HEAD_NOT_COMPUTED = "head not computed"
    """A head that did not run, for some frames or for all. where: the head."""


ORDER = {what: place for place, what in enumerate(Omission)}

_PHRASES = {
    Omission.TASK_NOT_LEARNED: "task {where} learns nothing: {reason}",
    Omission.IMAGE_LEAKED: "{where}: {count} validation image{s}, {reason}",
    Omission.LEAK_NOT_CHECKED: "{where}: {count} comparison{s} with the training images left out, {reason}",
    Omission.NOT_SCORED: "{where} is not scored: {reason}",
    Omission.NOT_COMPARED: "{where} is not compared, {count} time{s}: {reason}",
    Omission.CLASS_NOT_SEEN: "{where}: {count} class{es} never seen, {reason}",
    Omission.CLASS_NOT_MEASURED: "{where}: {count} class{es} not measured, {reason}",
    Omission.IMAGE_LEFT_OUT: "{where}: {count} image{s} left out, {reason}",
    Omission.FOLDER_LEFT_OUT: "{where}: {count} folder{s} left out, {reason}",
    Omission.LABEL_IGNORED: "{where}: {count} label{s} ignored, {reason}",
    Omission.CLASS_UNMAPPED: "{where}: {count} class{es} not mapped, {reason}",
    Omission.CACHE_MISS: "{where}: {count} cache miss{es}, {reason}",
    Omission.FRAME_DROPPED: "{where}: {count} frame{s} dropped, {reason}",
    Omission.HEAD_NOT_COMPUTED: "head {where} not computed in {count} frame{s}, {reason}",
}


@dataclass(frozen=True)
class Entry:
    """One reason for which something was not used.

    where:  the source, task, folder, cache or head it happened in.    reason: why, as the end of a sentence.
    count:  how often.    examples: the first few items, each once.
    """

    what: Omission
    where: str
    reason: str
    count: int
    examples: tuple[str, ...] = ()

    def sentence(self) -> str:
        """The entry as one line of plain text."""
        one = self.count == 1
        text = _PHRASES[self.what].format(
            where=self.where, reason=self.reason, count=f"{self.count:,}", s="" if one else "s", es="" if one else "es"
        )
        more = ", ..." if self.count > len(self.examples) else ""
        return f"{text} ({', '.join(self.examples)}{more})" if self.examples else text


@dataclass(frozen=True)
class Ledger:
    """Everything that was not used, by reason. Ledgers add: over images, workers, processes and sources."""

    entries: Mapping[tuple[Omission, str, str], Entry] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.entries)

    def __add__(self, other: "Ledger") -> "Ledger":
        entries = dict(self.entries)
        for key, entry in other.entries.items():
            mine = entries.get(key)
            entries[key] = entry if mine is None else _joined(mine, entry)
        return Ledger(entries)

    def noted(self, what: Omission, where: str, reason: str, *items: str, count: int | None = None) -> "Ledger":
        """With one more reason. items: what it concerns; count: how many, where not all have a name."""
        number = len(items) if count is None else count
        return self + Ledger({(what, where, reason): Entry(what, where, reason, number, _first(items))})

    def count(self, what: Omission) -> int:
        """How many of a kind, over all reasons."""
        return sum(entry.count for entry in self.entries.values() if entry.what is what)

    def sentences(self) -> list[str]:
        """One line per reason: the worst kind first, within a kind the most frequent."""
        return [entry.sentence() for entry in self.ranked()]

    def ranked(self) -> list[Entry]:
        """The entries, the worst kind first."""
        return sorted(self.entries.values(), key=lambda entry: (ORDER[entry.what], -entry.count, entry.where))

    def to_json(self) -> list[dict[str, Any]]:
        """JSON values: a list of entries in the order of `sentences`."""
        return [
            {
                "what": entry.what.value,
                "where": entry.where,
                "reason": entry.reason,
                "count": entry.count,
                "examples": list(entry.examples),
            }
            for entry in self.ranked()
        ]

    @staticmethod
    def from_json(values: Iterable[Mapping[str, Any]]) -> "Ledger":
        """The inverse of `to_json`. Raises ValueError, KeyError or TypeError for other values."""
        entries = [
            Entry(
                Omission(value["what"]),
                str(value["where"]),
                str(value["reason"]),
                int(value["count"]),
                tuple(map(str, value["examples"])),
            )
            for value in values
        ]
        return Ledger({(entry.what, entry.where, entry.reason): entry for entry in entries})


def add_up(ledgers: Iterable[Ledger]) -> Ledger:
    """The sum of ledgers."""
    return sum(ledgers, start=Ledger())


def _first(items: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(items))[:EXAMPLES]


def _joined(one: Entry, other: Entry) -> Entry:
    examples = _first((*one.examples, *other.examples))
    return Entry(one.what, one.where, one.reason, one.count + other.count, examples)
