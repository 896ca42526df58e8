"""Images as cameras publish them: sensor_msgs/Image by encoding, and CompressedImage, as RGB."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from hydranet.core.errors import UserError
from hydranet.core.sample import Camera
from hydranet.io.images import decode_image, max_pixels


class EncodingError(UserError, ValueError):
    """An image or a calibration that the network cannot be given."""


@dataclass(frozen=True)
class Encoding:
    """How pixels lie in memory. dtype: of a value.    channels: values per pixel.    to_rgb: h w (c) -> h w 3."""

    dtype: str
    channels: int
    to_rgb: Callable[[np.ndarray], np.ndarray]


def _by(code: int) -> Callable[[np.ndarray], np.ndarray]:
    return lambda pixels: cv2.cvtColor(pixels, code)


def _upper(pixels: np.ndarray) -> np.ndarray:
    return cv2.cvtColor((pixels >> 8).astype(np.uint8), cv2.COLOR_GRAY2RGB)


ENCODINGS: Mapping[str, Encoding] = {
    "rgb8": Encoding("u1", 3, lambda pixels: pixels),
    "bgr8": Encoding("u1", 3, _by(cv2.COLOR_BGR2RGB)),
    "8UC3": Encoding("u1", 3, _by(cv2.COLOR_BGR2RGB)),
    "rgba8": Encoding("u1", 4, _by(cv2.COLOR_RGBA2RGB)),
    "bgra8": Encoding("u1", 4, _by(cv2.COLOR_BGRA2RGB)),
    "8UC4": Encoding("u1", 4, _by(cv2.COLOR_BGRA2RGB)),
    "mono8": Encoding("u1", 1, _by(cv2.COLOR_GRAY2RGB)),
    "8UC1": Encoding("u1", 1, _by(cv2.COLOR_GRAY2RGB)),
    "mono16": Encoding("u2", 1, _upper),
    "16UC1": Encoding("u2", 1, _upper),
    # OpenCV names Bayer patterns by their second row and column: RGGB is its BG
    "bayer_rggb8": Encoding("u1", 1, _by(cv2.COLOR_BayerBG2RGB)),
    "bayer_bggr8": Encoding("u1", 1, _by(cv2.COLOR_BayerRG2RGB)),
    "bayer_gbrg8": Encoding("u1", 1, _by(cv2.COLOR_BayerGR2RGB)),
    "bayer_grbg8": Encoding("u1", 1, _by(cv2.COLOR_BayerGB2RGB)),
    "yuv422": Encoding("u1", 2, _by(cv2.COLOR_YUV2RGB_UYVY)),
    "uyvy": Encoding("u1", 2, _by(cv2.COLOR_YUV2RGB_UYVY)),
    "yuv422_yuy2": Encoding("u1", 2, _by(cv2.COLOR_YUV2RGB_YUY2)),
    "yuyv": Encoding("u1", 2, _by(cv2.COLOR_YUV2RGB_YUY2)),
}
"""By the names of sensor_msgs/image_encodings.hpp; OpenCV's own names (8UC3) mean BGR, as cv_bridge takes them."""


@dataclass(frozen=True)
class RawImage:
    """The fields of sensor_msgs/Image. step: bytes per row, padding included."""

    height: int
    width: int
    encoding: str
    step: int
    data: bytes | memoryview | np.ndarray
    is_bigendian: bool = False


def rgb_of(image: RawImage) -> np.ndarray:
    """uint8 h w 3, RGB. Raises EncodingError for an encoding that is no image of a camera, and for too few bytes."""
    known = ENCODINGS.get(image.encoding)
    if known is None:
        raise EncodingError(
            f"got encoding {image.encoding[:30]!r}, expected one of {', '.join(ENCODINGS)}; give the topic of a camera "
            "image"
        )
    if not image.height or not image.width or image.height * image.width > max_pixels():
        raise EncodingError(f"got an image of {image.width}x{image.height}, expected 1 to {max_pixels()} pixels")
    row = image.width * known.channels * np.dtype(known.dtype).itemsize
    data = np.frombuffer(image.data, np.uint8)
    step = image.step or row
    if step < row or len(data) < step * (image.height - 1) + row:
        raise EncodingError(
            f"got {len(data)} bytes with step {image.step} for {image.width}x{image.height} {image.encoding}, expected "
            f"{row} per row; the driver publishes a broken image"
        )
    rows = np.lib.stride_tricks.as_strided(data, (image.height, row), (step, 1), writeable=False)
    pixels = np.ascontiguousarray(rows).view(np.dtype(known.dtype).newbyteorder(">" if image.is_bigendian else "<"))
    shape = (image.height, image.width, known.channels) if known.channels > 1 else (image.height, image.width)
    try:
        return np.ascontiguousarray(known.to_rgb(pixels.astype(known.dtype, copy=False).reshape(shape)))
    except cv2.error as error:  # an odd width of a format of pairs
        raise EncodingError(
            f"cannot convert {image.width}x{image.height} {image.encoding}: {' '.join(error.err.split())[:80]}"
        ) from error


def rgb_of_compressed(format: str, data: bytes | memoryview | np.ndarray) -> np.ndarray:
    """uint8 h w 3, RGB, of a sensor_msgs/CompressedImage.

    Raises EncodingError for depth, DataError for a broken one.
    """
    if "compressedDepth" in format:
        raise EncodingError(f"got a compressed image of format {format[:40]!r}, expected JPEG or PNG of a camera")
    return decode_image("the compressed image", bytes(data), max_pixels())


def camera_of(k: Sequence[float] | np.ndarray, size: tuple[int, int], image_size: tuple[int, int]) -> Camera | None:
    """The camera of a sensor_msgs/CameraInfo; None where it says that it is not calibrated (K = 0).

    k: its nine numbers, row by row.    size: its height and width, (0, 0) = not given.    image_size: of the image.
    ROS measures from the center of the first pixel, this package from the image's corner: half a pixel is added.
    Raises EncodingError where the image has another shape than the calibration: it was cropped.
    """
    matrix = np.array(k, dtype=np.float64).reshape(3, 3)
    if not matrix.any():
        return None
    height, width = size
    matrix[:2, 2] += 0.5
    if (height, width) not in ((0, 0), image_size):
        across, down = image_size[1] / width, image_size[0] / height
        if abs(across / down - 1) > 0.02:
            raise EncodingError(
                f"got a CameraInfo of {width}x{height} for an image of {image_size[1]}x{image_size[0]}, expected the "
                "same shape; give the camera_info topic of this image"
            )
        matrix[0] *= across
        matrix[1] *= down
    return Camera(matrix)
