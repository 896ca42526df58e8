"""A hint, once for each size of images, where much of the network's input stays gray."""

import math
import threading
import warnings

from hydranet.deploy.manifest import Input
from hydranet.transforms.view import Size

ENOUGH = 0.75
"""Share of the network's input that an image must fill; below, another size would see the same at less cost."""
MOST_SHAPES = 1000
"""Sizes of images that are remembered: a server is sent any number of them."""
AREA = (0.7, 1.25)
"""A size that fits costs as much as the network's own, within these factors."""


class SeenShapes:
    """Sizes of images that were looked at; any thread may ask."""

    def __init__(self) -> None:
        self._seen: set[tuple[Size, Size]] = set()
        self._lock = threading.Lock()

    def look(self, image: Size, size: Size, given: Input) -> None:
        """Warns where images of this (height, width) leave much of the network's input unused; once for each.

        There is no advice where no other size shows more of them.
        """
        if (image, size) in self._seen or given.fit == "stretch" or len(self._seen) >= MOST_SHAPES:
            return
        with self._lock:
            first = (image, size) not in self._seen
            self._seen.add((image, size))
        if first and min(used(image, size)) < ENOUGH and fitting_size(image, size, given.stride) != size:
            warnings.warn(hint(image, size, given), UserWarning, stacklevel=5)


def used(image: Size, size: Size) -> tuple[float, float]:
    """The shares of the input's height and width that a letterboxed image fills."""
    factor = min(size[0] / image[0], size[1] / image[1])
    return image[0] * factor / size[0], image[1] * factor / size[1]


def fitting_size(image: Size, size: Size, stride: int) -> Size:
    """The (height, width) in multiples of the stride that an image fills best, at about the cost of `size`.

    `size` itself where no other one is better.
    """
    best, area = size, size[0] * size[1]
    for height in range(stride, math.isqrt(area) * 4, stride):
        width = max(round(height * image[1] / image[0] / stride), 1) * stride
        if AREA[0] <= height * width / area <= AREA[1] and min(used(image, (height, width))) > min(used(image, best)):
            best = height, width
    return best


def hint(image: Size, size: Size, given: Input) -> str:
    """What is unused, and the size that fits."""
    height, width = used(image, size)
    side, share = ("width", width) if width < height else ("height", height)
    better = "x".join(map(str, fitting_size(image, size, given.stride)))
    cure = f"use size {better} (--size)" if given.dynamic else f"export with --size {better}"
    return (
        f"images of {image[0]}x{image[1]} fill only {share:.0%} of the {side} of the network's input of "
        f"{size[0]}x{size[1]}; to see more at the same cost, {cure}"
    )
