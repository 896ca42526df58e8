"""The rule by which an image gets the size that a network sees, as its file says it."""

from dataclasses import dataclass

from hydranet.transforms.shrink import Shrink


@dataclass(frozen=True)
class Fitting:
    """How an image is brought to the size the network sees, so that a program without this package does the same.

    scale = min(height / image height, width / image width); each side of the image becomes round(side * scale), at
    least 1, halves to the even number. Where it shrinks, blocks of int(before / after + .5) pixels are averaged first
    (OpenCV's INTER_AREA); the last row and column are repeated until they fill blocks. What is left to do is linear
    (INTER_LINEAR). The result lies at (size - side) // 2 from the top and from the left, the rest is of the gray value
    `padding`. docs/shipping.md holds it as a program.

    shrink: "blocks", or "area" in earlier files: each pixel is the mean of exactly what it covers, both sides together.
    """

    method: str = "letterbox"
    padding: int = 114
    position: str = "center, rounded down"
    rounding: str = "half to even"
    shrink: Shrink = "blocks"
    enlarge: str = "linear"
