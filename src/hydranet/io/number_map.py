"""Files in which every pixel is a number: PNG of 16 bits, TIFF, PFM, EXR, NumPy arrays."""

import ast
import math
import os
import re
from pathlib import Path
from typing import Literal

import cv2
import numpy as np

from hydranet.core.sample import DataError
from hydranet.io.images import max_pixels, read_map, read_whole

NUMBER_SUFFIXES = (".png", ".tif", ".tiff", ".npy", ".exr", ".pfm")
"""Suffixes of files that are read as numbers."""

EXR_VARIABLE = "OPENCV_IO_ENABLE_OPENEXR"
EXR, PFM = b"\x76\x2f\x31\x01", (b"Pf", b"PF")


def read_numbers(path: Path) -> np.ndarray:
    """The numbers of a file as stored: h w of uint8, uint16, int or float; upright where the file says so.

    Raises DataError for a missing or broken file, for colors, and for more pixels than `io.images.max_pixels`.
    """
    suffix = path.suffix.lower()
    values = _array(path) if suffix == ".npy" else _float_image(path) if suffix in (".exr", ".pfm") else read_map(path)
    if values.ndim == 3 and 1 in (values.shape[0], values.shape[2]):
        values = values[..., 0] if values.shape[2] == 1 else values[0]
    if values.ndim != 2:
        shape = " ".join(map(str, values.shape))
        raise DataError(f"{path} holds {values.dtype} {shape}, expected one number per pixel; is it a colored drawing?")
    if values.dtype.kind not in "uif":
        raise DataError(f"{path} holds {values.dtype}, expected numbers; convert it")
    return values


def _array(path: Path) -> np.ndarray:
    """A .npy file (NEP 1, versions 1 to 3), its size checked by its header before anything is made of it."""
    data = read_whole(path)
    head = re.match(rb"\x93NUMPY([\x01-\x03])\x00", data)
    width = 2 if head and head[1] == b"\x01" else 4
    begin = 8 + width + int.from_bytes(data[8 : 8 + width], "little")
    try:
        if head is None or begin > len(data):
            raise ValueError("no header of NumPy")
        stated = ast.literal_eval(data[8 + width : begin].decode("latin-1").strip())
        shape, dtype = tuple(int(side) for side in stated["shape"]), np.dtype(str(stated["descr"]))
        order: Literal["F", "C"] = "F" if stated["fortran_order"] else "C"
    except (ValueError, TypeError, KeyError, SyntaxError, MemoryError, RecursionError, OverflowError) as error:
        reason = " ".join(str(error).split())[:80]
        raise DataError(f"broken array {path} ({reason!a}); restore it or leave it out") from error
    if dtype.kind not in "uif":
        raise DataError(f"{path} holds {str(dtype)[:40]!a}, expected numbers; save a plain array with numpy.save")
    count = math.prod(shape)
    if not 0 < count <= max_pixels() or min(shape, default=0) < 1 or len(data) - begin < count * dtype.itemsize:
        raise DataError(
            f"{path} declares {str(shape)[:60]} numbers in {len(data)} bytes, expected a whole file of at most "
            f"{max_pixels() / 1e6:g} million; restore it or leave it out"
        )
    return np.frombuffer(data, dtype, count, begin).reshape(shape, order=order)


def _float_image(path: Path) -> np.ndarray:
    """An EXR or PFM file as OpenCV reads it."""
    os.environ.setdefault(EXR_VARIABLE, "1")  # OpenCV asks for it when it first opens such a file
    data = read_whole(path)
    if not data.startswith((EXR, *PFM)):
        raise DataError(f"broken file {path}: neither EXR nor PFM by its first bytes; restore it or leave it out")
    size = re.match(rb"P[fF]\s+(\d{1,9})\s+(\d{1,9})\s", data)
    if size and int(size[1]) * int(size[2]) * 4 > len(data):
        raise DataError(
            f"{path} is cut off (it declares {int(size[1])}x{int(size[2])} numbers); restore it or leave it out"
        )
    try:
        values = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error as error:
        reason = " ".join(error.err.split())[:120]
        raise DataError(f"cannot decode {path}: {reason}; convert it to .npy or TIFF") from error
    if values is None:
        raise DataError(
            f"broken file {path}, or an OpenCV {cv2.__version__} that cannot read it; convert it to .npy or TIFF"
        )
    return values[..., 0] if values.ndim == 3 and (values == values[..., :1]).all() else values
