"""Cameras as an exported network takes them: in pixels of the images that go into its graph."""

import threading
import warnings
from collections.abc import Sequence

import numpy as np

from hydranet.core.errors import UserError
from hydranet.core.sample import Camera, intrinsics
from hydranet.deploy.manifest import Manifest
from hydranet.transforms.view import Size, View
from hydranet.transforms.warp import warp_camera

CameraLike = Camera | float
"""The camera of an image in its own pixels; a number is a focal length, of a camera that looks through the middle."""


CamerasGiven = CameraLike | Sequence[CameraLike | None] | np.ndarray | None
"""One camera for all images, or one for each, an array of focal lengths too; None = nobody says."""


class CameraError(UserError, ValueError):
    """A camera that a network does not take, or lacks."""


def usual_camera(manifest: Manifest, view: View, size: Size) -> Camera | None:
    """The camera of an image whose own nobody knows, in pixels of the image, whose (h, w) is `size`: as in training.

    It sees what the network sees at the mean focal length of the images of training. None where the file names none.
    view: how the image lies in what the network sees.
    """
    if manifest.camera is None or manifest.camera.usual is None:
        return None
    network_camera = Camera.centered(manifest.camera.usual * view.size[1], view.size)
    return warp_camera(network_camera, view.inverse(size))


def camera_array(manifest: Manifest, views: Sequence[View], cameras: Sequence[Camera]) -> np.ndarray:
    """float32 n 4: what the input `camera` takes for images of these cameras, in pixels of the images themselves.

    views: how each image lies in what the network sees; where the graph fits images itself, it fits cameras, too.
    """
    if manifest.input.fit != "none":
        return intrinsics(cameras)
    return intrinsics([warp_camera(camera, view) for camera, view in zip(cameras, views, strict=True)])


class CallersCameras:
    """What callers say of their cameras, for one open network; where they say nothing, a guess and one warning."""

    def __init__(self, manifest: Manifest) -> None:
        self.manifest, self._guessed = manifest, threading.Event()

    def allowed(self, camera: CameraLike | None) -> CameraLike | None:
        """The camera itself. Raises CameraError for one beside another that is part of the file."""
        known = self.manifest.camera
        if camera is not None and known is not None and known.fixed is not None:
            raise CameraError(
                f"got a camera for {self.manifest.name!r}, a file that was made for a focal length of "
                f"{known.fixed[0]:g} px alone; leave it out, or export without --focal-px"
            )
        return camera

    def each(self, given: CamerasGiven, default: CameraLike | None, count: int) -> Sequence[CameraLike | None]:
        """The camera of each of several images, one given for all or one for each; None where nobody says.

        Raises CameraError for another number of cameras.
        """
        if isinstance(given, np.ndarray):
            if given.ndim > 1:
                raise CameraError(
                    f"got an array of shape {given.shape}, expected a focal length for each image; a matrix is "
                    "Camera(matrix)"
                )
            return self.each(given.tolist(), default, count)
        cameras = given if isinstance(given, Sequence) else [given] * count
        if len(cameras) != count:
            raise CameraError(f"got {len(cameras)} cameras for {count} images, expected one for all or one for each")
        return [default if one is None else self.allowed(one) for one in cameras]

    def array(
        self,
        cameras: Sequence[CameraLike | None],
        sizes: Sequence[Sequence[int]],
        views: Sequence[View],
        tasks: Sequence[str],
    ) -> np.ndarray:
        """float32 n 4: what the input `camera` takes for images of these sizes (h, w), as far as `tasks` need it.

        Raises CameraError where one needs a camera, nobody says which, and the file names none to guess.
        """
        rows = zip(cameras, sizes, views, strict=True)
        known = [self._known(camera, (size[0], size[1]), view, tasks) for camera, size, view in rows]
        return camera_array(self.manifest, views, known)

    def _known(self, camera: CameraLike | None, size: Size, view: View, tasks: Sequence[str]) -> Camera:
        if camera is not None:
            return camera if isinstance(camera, Camera) else Camera.centered(float(camera), size)
        guess = usual_camera(self.manifest, view, size)
        asked = self.manifest.camera.heads if self.manifest.camera else ()
        needing = ", ".join(name for name in asked if name in tasks)
        if not needing:
            return guess or Camera.centered(float(size[1]), size)
        if guess is None:
            raise CameraError(
                f"{needing} needs the camera of the image, got none; give camera=FOCAL_PX, its focal length in pixels"
            )
        if not self._guessed.is_set():
            self._guessed.set()
            warnings.warn(
                f"{needing} needs the camera of the image, got none: distances are those of the mean camera of training"
                f", {guess.focal_px:.0f} px for this image; give camera=FOCAL_PX (--focal-px) for yours",
                stacklevel=2,
            )
        return guess
