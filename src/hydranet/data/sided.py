"""Labels that an image and its mirror image may not share: which drafted recipes do not flip."""

import re
from collections.abc import Mapping, Sequence

from hydranet.core.sample import Sample
from hydranet.data.recognition.folder import Recognized

SIDE = re.compile(r"(?<![a-z])(left|right)(?![a-z])")
"""A word in the name of a class that a flip makes wrong."""


def sided_labels(parts: Sequence[Recognized], samples: Mapping[str, Sequence[Sample]]) -> list[str]:
    """Labels that would be wrong in a flipped image: points, or classes called left or right, of which nothing says
    what their mirror images are (`mirror`)."""
    sided: dict[str, None] = {}
    for part in parts:
        named = {name for name, names in part.dataset.classes.items() if SIDE.search("\n".join(names).lower())}
        for sample in samples[part.name]:
            for name, label in sample.labels.items():
                several_points = "xy" in label.arrays() and vars(label)["xy"].shape[-2] > 1
                if (several_points or name in named) and not vars(label).get("mirror"):
                    sided[name] = None
    return list(sided)
