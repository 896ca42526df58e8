"""Labels that an image and its mirror image may not share: drafted recipes do not flip them, the doctor names them."""

import re
from collections.abc import Mapping, Sequence

from hydranet.annotations import Annotation
from hydranet.core.sample import Sample
from hydranet.data.recognition.folder import Recognized

SIDE = re.compile(r"(?<![a-z])(left|right)(?![a-z])")
"""A word in the name of a class that a flip makes wrong."""


def sided_labels(parts: Sequence[Recognized], samples: Mapping[str, Sequence[Sample]]) -> list[str]:
    """Labels that would be wrong in a flipped image: points, or classes called left or right, of which nothing says
    what their mirror images are (`mirror`)."""
    return list(
        dict.fromkeys(
            name
            for part in parts
            for sample in samples[part.name]
            for name, label in sample.labels.items()
            if is_sided(label, part.dataset.classes.get(name, ()))
        )
    )


def is_sided(label: Annotation, classes: Sequence[str]) -> bool:
    """Whether a flip may make a label of these classes wrong."""
    several_points = "xy" in label.arrays() and vars(label)["xy"].shape[-2] > 1
    named = SIDE.search("\n".join(classes).lower()) is not None
    return (several_points or named) and not vars(label).get("mirror")
