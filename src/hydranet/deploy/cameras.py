"""Cameras as an exported network takes them: in pixels of the images that go into its graph."""

from collections.abc import Sequence

import numpy as np

from hydranet.core.sample import Camera, intrinsics
from hydranet.deploy.manifest import Manifest
from hydranet.transforms.view import Size, View
from hydranet.transforms.warp import warp_camera


def usual_camera(manifest: Manifest, view: View, size: Size) -> Camera | None:
    """The camera of an image whose own nobody knows, in pixels of the image, whose (h, w) is `size`: as in training.

    It sees what the network sees at the mean focal length of the images of training. None where the file names none.
    view: how the image lies in what the network sees.
    """
    if manifest.camera is None or manifest.camera.usual is None:
        return None
    seen = Camera.centered(manifest.camera.usual * view.size[1], view.size)
    return warp_camera(seen, view.inverse(size))


def camera_array(manifest: Manifest, views: Sequence[View], cameras: Sequence[Camera]) -> np.ndarray:
    """float32 n 4: what the input `camera` takes for images of these cameras, in pixels of the images themselves.

    views: how each image lies in what the network sees; where the graph fits images itself, it fits cameras, too.
    """
    if manifest.input.fit != "none":
        return intrinsics(cameras)
    return intrinsics([warp_camera(camera, view) for camera, view in zip(cameras, views, strict=True)])
