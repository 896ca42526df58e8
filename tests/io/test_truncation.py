"""An image that was cut off is an error, whatever a decoder makes of its first half."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hydranet.core.sample import DataError
from hydranet.io.images import read_rgb
from hydranet.io.truncation import is_whole

NOISE = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)
OPTIONS: dict[str, dict[str, object]] = {
    "plain": {"format": "JPEG"},
    "progressive": {"format": "JPEG", "progressive": True},
    "restarts": {"format": "JPEG", "restart_marker_rows": 1},
    "thumbnail": {"format": "JPEG"},
    "png": {"format": "PNG"},
}


def encoded(kind: str) -> bytes:
    file = io.BytesIO()
    if kind == "thumbnail":  # an EXIF segment that holds a whole JPEG, as cameras write it
        small = encoded("plain")
        Image.fromarray(NOISE).save(file, exif=b"Exif\0\0" + small, **OPTIONS[kind])
    else:
        Image.fromarray(NOISE).save(file, **OPTIONS[kind])
    return file.getvalue()


@pytest.mark.parametrize("kind", OPTIONS)
@pytest.mark.parametrize("tail", [b"", bytes(100), b"text" * 50])
def test_an_image_without_its_end_is_refused(tmp_path: Path, kind: str, tail: bytes) -> None:
    path, data = tmp_path / "a.img", encoded(kind)
    path.write_bytes(data + tail)
    assert read_rgb(path).shape == NOISE.shape, "bytes after the end do no harm"
    for kept in (len(data) - 1, len(data) * 3 // 4, len(data) // 2):
        path.write_bytes(data[:kept] + tail)
        with pytest.raises(DataError, match=r"a.img is cut off \(\d+ bytes without an end\); restore it"):
            read_rgb(path)


def test_other_formats_are_left_to_their_decoders() -> None:
    file = io.BytesIO()
    Image.fromarray(NOISE).save(file, "BMP")
    for data in (file.getvalue(), b"", b"text"):
        assert is_whole(data)
