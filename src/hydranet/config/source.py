"""Where samples come from, and how their labels serve the tasks."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from hydranet.core.checks.names import check_name, check_names
from hydranet.core.dataset import Dataset
from hydranet.core.features import SIDES
from hydranet.core.sample import Camera, Sample
from hydranet.core.spec import Component, SpecError
from hydranet.transforms.augment import Augment

LARGEST_PX = 16_384
"""Longest side of a network's input."""
LONGEST_PATTERN, MOST_STARS = 100, 4
"""Of a pattern of groups; more would let somebody's recipe match for hours."""


@dataclass(frozen=True)
class Source(Component):
    """Where samples come from, and how their labels serve the tasks.

    name:    its key in overrides, and the source's name in reports.    dataset: images and labels.
    size:    height and width of the network's input for this source; multiples of 4, quickest in multiples of 32.
    weight:  its share of the samples, relative to the other sources.
    labels:  {task: label of the data set}, where they are called differently; None switches a label off.
    classes: {task: {class of the data set: class of the task}}, where they are called differently; None = the class
             counts as background (boxes) or unknown (maps). Classes of equal name need no entry. Boxes of classes
             without a counterpart are ignored, never background; every class of a map needs a counterpart or None.
    augment: replaces the recipe's augmentation for this source.
    on_error: what an item that cannot be read or used does: "refuse" ends the run with a sentence, "skip" leaves it
             out and counts it; training then draws the next one of its order.
    group:   a pattern of the images' keys in which {} stands for the clip, person or track and * for anything, such as
             "{}/*" or "train/{}_*.png"; a group that training and validation share is said (`data.overlap`).
    focal_px: focal length in pixels of the data set's own images, for data sets that say nothing about their camera, or
             something wrong: its images are then of a camera of this focal length that looks through their middle.
    """

    name: str
    dataset: Dataset
    size: tuple[int, int]
    weight: float = 1.0
    labels: Mapping[str, str | None] = field(default_factory=dict)
    classes: Mapping[str, Mapping[str, str | None]] = field(default_factory=dict)
    augment: Augment | None = None
    on_error: Literal["refuse", "skip"] = "refuse"
    focal_px: float | None = None
    group: str = ""

    def __post_init__(self) -> None:
        check_name(self.name, "source")
        check_names((*self.labels, *self.classes), "task")
        if len(self.size) != 2 or any(not 0 < side <= LARGEST_PX or side % SIDES for side in self.size):
            raise SpecError(
                f"source {self.name!r} has size {self.size}, expected (height, width) in multiples of {SIDES} "
                f"up to {LARGEST_PX}"
            )
        if not 0 < self.weight < math.inf:
            raise SpecError(f"source {self.name!r} has weight {self.weight}, expected a number > 0; or take it out")
        if self.on_error not in ("refuse", "skip"):
            raise SpecError(f"source {self.name!r} got on_error={self.on_error!r}, expected 'refuse' or 'skip'")
        if self.focal_px is not None and not 0 < self.focal_px < math.inf:
            raise SpecError(
                f"source {self.name!r} has focal_px={self.focal_px}, expected a focal length above 0 in pixels of its "
                "images, or null for what the data set says"
            )

        if self.group and (self.group.count("{}") != 1 or not 2 <= len(self.group) <= LONGEST_PATTERN):
            raise SpecError(
                f"source {self.name!r} got group={self.group!r}, expected a pattern with one {{}} for the clip, person "
                f"or track, such as '{{}}/*', of at most {LONGEST_PATTERN} letters"
            )
        if self.group.count("*") > MOST_STARS:
            raise SpecError(f"source {self.name!r} got group={self.group!r}, expected at most {MOST_STARS} stars in it")

    def with_camera(self, sample: Sample) -> Sample:
        """A sample of its data set with the camera that this source names, if it does."""
        return sample if self.focal_px is None else sample.but(camera=Camera.centered(self.focal_px, sample.size))

    def only(self, tasks: Iterable[str]) -> "Source":
        """The same source for a network that has only these tasks."""
        kept = set(tasks)
        labels = {name: label for name, label in self.labels.items() if name in kept}
        return replace(self, labels=labels, classes={n: table for n, table in self.classes.items() if n in kept})
