"""Labels of named points: as many as a task has, and the same left-right counterparts."""

from collections.abc import Sequence

import numpy as np

from hydranet.annotations import Annotation, Keypoints
from hydranet.core.errors import SpecError
from hydranet.core.sample import DataError


def check_mirror(name: str, points: int, mirror: Sequence[int], what: str = "point") -> None:
    """Raises SpecError for what does not exchange `points` points in pairs; `name` is that of the task.

    what: is exchanged, as people call it.
    """
    if not mirror:
        return
    if sorted(mirror) != list(range(points)):
        raise SpecError(
            f"{name!r} got a mirror of {len(mirror)} entries, expected each of 0..{points - 1} once: for every {what} "
            "the index of its left-right counterpart, itself if it has none"
        )
    odd = [i for i in range(points) if mirror[mirror[i]] != i]
    if odd:
        raise SpecError(f"{name!r} got a mirror in which {what} {odd[0]} does not come back; exchange {what}s in pairs")


def points_of(labels: Sequence[Annotation]) -> tuple[int, tuple[int, ...]]:
    """How many points an instance of these labels (numpy, at least one) has, and their left-right counterparts."""
    first = labels[0]
    assert isinstance(first, Keypoints)
    return first.xy.shape[1], first.mirror


def check_points(name: str, label: Keypoints, points: int, mirror: Sequence[int]) -> None:
    """Raises DataError for a label of other points than the task's, or with other counterparts."""
    count = np.asarray(label.xy).shape[1]
    if count != points:
        raise DataError(f"{name!r} got {count} points per instance, expected {points}; correct the task's `points`")
    if tuple(label.mirror) != tuple(mirror):
        raise DataError(
            f"{name!r} got points whose left-right counterparts are {_text(label.mirror)}, expected {_text(mirror)}; "
            "give the task the mirror of its data set, or a flip would mix left and right"
        )


def known_points(labels: Sequence[Annotation]) -> int:
    """How many points of these labels (numpy) are known and not ignored."""
    total = 0
    for label in labels:
        assert isinstance(label, Keypoints)
        known = np.asarray(label.visible) > 0
        if label.ignore is not None:
            known = known & ~np.asarray(label.ignore, bool)[:, None]
        total += int(np.count_nonzero(known))
    return total


def _text(mirror: Sequence[int]) -> str:
    return f"({', '.join(map(str, mirror[:4]))}{', ...' if len(mirror) > 4 else ''})"
