"""What an exported file says about cameras. Plain values only; part of its manifest."""

from dataclasses import dataclass

from hydranet.core.checks.types import check_fields

CAMERA = "camera"
"""Name of the input that takes cameras: float32 (batch, 4), fx, fy, cx, cy in pixels of the images in `image`."""


@dataclass(frozen=True)
class CameraInput:
    """What the heads know of the camera: fx, fy, cx, cy in pixels of the images that `image` takes.

    heads: those whose answers depend on it.
    fixed: the only camera that the file was made for; None = it is an input, `camera`: float32 (batch, 4).
    usual: mean focal length of the images of training over the width of what the network sees: a guess for images
           whose camera nobody knows; None = there is none.
    Raises ValueError for numbers that are none of a camera.
    """

    heads: tuple[str, ...]
    fixed: tuple[float, ...] | None = None
    usual: float | None = None

    def __post_init__(self) -> None:
        check_fields(self)
        fixed = self.fixed or (1.0,) * 4
        if len(fixed) != 4 or not min(*fixed[:2], 1.0 if self.usual is None else self.usual) > 0:
            raise ValueError(
                f"got camera {self.fixed!r} and usual focal length {self.usual!r}, expected fx, fy, cx, cy and a "
                "number above 0"
            )
