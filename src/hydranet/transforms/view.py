"""A view of an image: where each of its pixels goes. Every geometric operation is one affine map and an output size.

Coordinates are continuous: the center of the top-left pixel is (0.5, 0.5), an image of width w spans 0..w. Since views
compose (`a.then(b)`), any chain of operations costs one resampling, and since they invert, predictions can be mapped
back to the caller's pixels.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

Size = tuple[int, int]
"""Height and width in pixels."""


@dataclass(frozen=True, eq=False)
class View:
    """An affine pixel map to an image of a given size.

    matrix: float64 3 3; source pixel coordinates (x, y, 1) to those of the view.
    size:   height and width of the view.
    zoom:   by how much the image was magnified *as an augmentation*. Distances are divided by it; see `warp`.
            Fitting an image into the network's input is no zoom: it stays 1.
    """

    matrix: np.ndarray
    size: Size
    zoom: float = 1.0

    def __post_init__(self) -> None:
        matrix = np.asarray(self.matrix)
        if matrix.shape != (3, 3) or not np.isfinite(matrix).all() or not np.array_equal(matrix[2], (0, 0, 1)):
            raise ValueError(f"got matrix {matrix.tolist()}, expected a finite 3x3 affine map ending in 0 0 1")
        if min(self.size) < 1:
            raise ValueError(f"got size {self.size}, expected (height, width) of at least one pixel each")
        if not self.zoom > 0:
            raise ValueError(f"got zoom {self.zoom}, expected a factor above 0 (1 = not zoomed)")

    @staticmethod
    def identity(size: Size) -> "View":
        """The whole image as it is."""
        return View(np.eye(3), size)

    def then(self, other: "View") -> "View":
        """This view, and `other` of what it shows."""
        return View(other.matrix @ self.matrix, other.size, self.zoom * other.zoom)

    def inverse(self, size: Size) -> "View":
        """The way back to the source image, whose height and width are `size`."""
        (across, shear, x), (turn, down, y), _ = self.matrix.tolist()
        if across and down and not (shear or turn):
            matrix = np.array([[1 / across, 0, -x / across], [0, 1 / down, -y / down], [0, 0, 1]])
        else:
            matrix = np.linalg.inv(self.matrix)
            matrix[2] = 0, 0, 1
        return View(matrix, size, 1 / self.zoom)

    def points(self, xy: np.ndarray) -> np.ndarray:
        """Maps points, float ... 2; float64, so that mirroring twice gives the same numbers again."""
        return np.asarray(xy, dtype=np.float64) @ self.matrix[:2, :2].T + self.matrix[:2, 2]

    @property
    def scale(self) -> tuple[float, float]:
        """By how much the view magnifies along the source's x and y axes."""
        return float(np.hypot(*self.matrix[:2, 0])), float(np.hypot(*self.matrix[:2, 1]))

    @property
    def mirrored(self) -> bool:
        """Whether left and right are exchanged."""
        return bool(np.linalg.det(self.matrix[:2, :2]) < 0)

    @property
    def turn(self) -> np.ndarray:
        """float64 2 2: the rotation and mirroring alone, without scale (polar decomposition in closed form).

        It is what happens to directions in the image plane; stretching an image turns no direction in the world.
        """
        (a, b), (c, d) = self.matrix[:2, :2]
        nearest = np.array([[a - d, b + c], [b + c, d - a]] if self.mirrored else [[a + d, b - c], [c - b, a + d]])
        return nearest / np.hypot(*nearest[0])


def _translate(x: float, y: float) -> np.ndarray:
    return np.array([[1, 0, x], [0, 1, y], [0, 0, 1]], dtype=np.float64)


def stretch(size: Size, to: Size) -> View:
    """The whole image in another size; the aspect ratio changes with it."""
    return View(np.diag([to[1] / size[1], to[0] / size[0], 1.0]), to)


def letterbox(size: Size, to: Size) -> View:
    """The whole image, centered, as large as it fits into `to`, with padding left and right or above and below.

    The fitted image and the padding are whole pixels, so that a resize and a border do the same in any language.
    Equal sizes give the same object, whose matrix cannot be written to: a camera asks for it with every frame.
    """
    return _letterbox((size[0], size[1]), (to[0], to[1]))


@lru_cache(64)
def _letterbox(size: Size, to: Size) -> View:
    factor = min(to[0] / size[0], to[1] / size[1])
    height, width = (min(limit, max(1, round(side * factor))) for side, limit in zip(size, to, strict=True))
    left, top = (to[1] - width) // 2, (to[0] - height) // 2
    matrix = _translate(left, top) @ stretch(size, (height, width)).matrix
    matrix.flags.writeable = False
    return View(matrix, to)


def flip(size: Size) -> View:
    """Left and right exchanged."""
    return View(np.array([[-1.0, 0, size[1]], [0, 1, 0], [0, 0, 1]]), size)


def crop(top: float, left: float, to: Size) -> View:
    """A window of size `to` whose top-left corner is at (left, top); what lies outside the image is padding."""
    return View(_translate(-left, -top), to)


def rotate(size: Size, angle_rad: float) -> View:
    """The image turned about its center, clockwise as displayed; the corners that come in are padding."""
    height, width = size
    cosine, sine = np.cos(angle_rad), np.sin(angle_rad)
    turn = np.array([[cosine, -sine, 0], [sine, cosine, 0], [0, 0, 1]])
    return View(_translate(width / 2, height / 2) @ turn @ _translate(-width / 2, -height / 2), size)


def random_view(
    size: Size,
    to: Size,
    rng: np.random.Generator,
    scale: tuple[float, float] = (1.0, 1.0),
    rotate_rad: float = 0.0,
    centered: bool = False,
    mirror: bool = False,
) -> View:
    """A random window of the image as one view: scale, crop, rotate, then mirror.

    scale:      range of the factor (log-uniform), relative to the size at which the image just covers the window:
                at 1 and above there is no padding, below 1 there is. `View.zoom` is how much larger things are than
                in the whole image, letterboxed, as evaluation and deployment show it: for another aspect ratio than
                the window's, that is more than the factor.
    rotate_rad: largest angle to either side.    centered: the middle of the image instead of a random place.
    """
    factor = float(np.exp(rng.uniform(*np.log(scale))))
    ratios = to[0] / size[0], to[1] / size[1]
    cover = factor * max(ratios)
    slack_y, slack_x = size[0] * cover - to[0], size[1] * cover - to[1]
    up, along = (0.5, 0.5) if centered else rng.random(2)
    window = crop(int(up * slack_y), int(along * slack_x), to)  # whole pixels: a mere crop must not blur
    view = View(np.diag([cover, cover, 1.0]), to, cover / min(ratios)).then(window)
    if rotate_rad:
        view = view.then(rotate(to, rng.uniform(-rotate_rad, rotate_rad)))
    return view.then(flip(to)) if mirror else view
