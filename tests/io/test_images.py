"""One reader for every image: size before decoding, upright, 8-bit RGB; and the same for training and prediction."""

import struct
import zlib
from contextlib import suppress
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image, ImageOps

from hydranet.core.sample import DataError
from hydranet.core.spec import SpecError
from hydranet.datasets.folder import Folder
from hydranet.deploy.video.frames import find_frames
from hydranet.io.image_header import read_header
from hydranet.io.images import ImageWarning, max_pixels, read_ids, read_image, read_map, read_rgb, read_unturned
from hydranet.io.tiff_tags import EXTRA_TAG, tiff_tags

CORNERS = np.zeros((24, 40, 3), dtype=np.uint8)
CORNERS[:12, :20], CORNERS[:12, 20:], CORNERS[12:, :20] = (250, 10, 10), (10, 250, 10), (10, 10, 250)
"""Upper left red, upper right green, lower left blue, lower right black: every turn shows."""


def save(path: Path, pixels: np.ndarray = CORNERS, orientation: int = 1, **options: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(pixels).save(path, exif=exif, **options)
    return path


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif", ".avif"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_images_are_turned_upright_and_training_reads_what_prediction_reads(
    tmp_path: Path, suffix: str, orientation: int
) -> None:
    path = save(tmp_path / f"a{suffix}", orientation=orientation)
    with Image.open(path) as image:
        wanted = np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
    upright = read_image(path)
    assert upright.rgb.shape == wanted.shape
    assert np.abs(upright.rgb.astype(int) - wanted).mean() < 4
    assert upright.extent.orientation == orientation
    assert upright.extent.stored == (24, 40)
    assert np.array_equal(Folder(str(tmp_path))[0].image, next(iter(find_frames(str(path)))).image)


def test_a_calibrated_image_that_exif_turns_is_refused(tmp_path: Path) -> None:
    assert read_unturned(save(tmp_path / "a.jpg")).shape == (24, 40, 3)
    path = save(tmp_path / "b.jpg", orientation=6)
    with pytest.raises(DataError, match=r"b.jpg has EXIF orientation 6, expected 1: its calibration .*save the image"):
        read_unturned(path)


@pytest.mark.parametrize("suffix", [".bmp", ".gif", ".ppm", ".jfif", ".jpe", ".tiff"])
def test_every_format_states_its_size(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    Image.fromarray(CORNERS).save(path)
    header = read_header(path.read_bytes())
    assert header is not None
    assert header.size == (24, 40)
    assert np.abs(read_rgb(path).astype(int) - CORNERS).mean() < 8


@pytest.mark.filterwarnings("ignore:of files that hold several images")  # a damaged header may say so
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif", ".avif", ".bmp", ".gif", ".ppm"])
def test_a_damaged_header_is_no_other_error(tmp_path: Path, suffix: str) -> None:
    data = bytearray(save(tmp_path / f"a{suffix}").read_bytes())
    random = np.random.default_rng(0)
    for cut in (0, 1, 3, 9, 17, 30, 60):
        read_header(bytes(data[:cut]))
    for _ in range(200):
        bent = bytearray(data)
        for place in random.integers(0, min(len(bent), 200), 4):
            bent[place] = random.integers(0, 256)
        path = tmp_path / f"bent{suffix}"
        path.write_bytes(bent)
        with suppress(DataError):
            assert read_rgb(path).dtype == np.uint8


def png(width: int, height: int, rows: bytes) -> bytes:
    """A gray PNG with some compressed rows."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


@pytest.mark.parametrize("read", [read_rgb, read_map, read_ids])
def test_a_huge_image_is_refused_before_it_is_decoded(tmp_path: Path, read) -> None:
    path = tmp_path / "bomb.png"
    path.write_bytes(png(16384, 16384, bytes(1000)))
    with pytest.raises(
        DataError, match=r"bomb.png declares 16384x16384 pixels, expected at most 100 million; .*--max-pixels"
    ):
        read(path)


def test_the_limit_can_be_raised_and_lowered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save(tmp_path / "a.png")
    monkeypatch.setenv("HYDRANET_MAX_PIXELS", "959")
    with pytest.raises(DataError, match=r"a.png declares 40x24 pixels, expected at most 0.000959 million"):
        read_rgb(path)
    monkeypatch.setenv("HYDRANET_MAX_PIXELS", "2e8")
    assert max_pixels() == 200_000_000
    assert read_rgb(path).shape == (24, 40, 3)
    for text in ("many", "0", "nan", "inf", "-5"):
        monkeypatch.setenv("HYDRANET_MAX_PIXELS", text)
        with pytest.raises(SpecError, match=f"got HYDRANET_MAX_PIXELS='{text}', expected a number of pixels from 1"):
            max_pixels()


def test_a_jpeg_too_short_for_its_pixels_is_cut_off(tmp_path: Path) -> None:
    """A decoder would fill the rest with gray: 9000x9000 pixels from a few hundred bytes."""
    data = bytearray(save(tmp_path / "a.jpg").read_bytes())
    place = data.index(b"\xff\xc0") + 5
    data[place : place + 4] = struct.pack(">HH", 9000, 9000)
    (tmp_path / "a.jpg").write_bytes(data)
    with pytest.raises(DataError, match=r"a.jpg is cut off \(\d+ bytes, expected \d+ or more for its 9000x9000 pixels"):
        read_rgb(tmp_path / "a.jpg")


@pytest.mark.parametrize("read", [read_rgb, read_map, read_ids])
def test_a_png_too_short_for_its_pixels_is_cut_off(tmp_path: Path, read) -> None:
    """A decoder would take its time and fill the rest with black."""
    path = tmp_path / "a.png"
    path.write_bytes(png(9000, 9000, bytes(1000)))
    with pytest.raises(DataError, match=r"a.png is cut off \(\d+ bytes, expected \d+ or more for its 9000x9000 pixels"):
        read(path)


def test_a_part_of_a_png_that_states_gigabytes_is_cut_off(tmp_path: Path) -> None:
    """A decoder would make room for them. What follows the end of the image is nobody's business."""
    path = tmp_path / "a.png"
    path.write_bytes(png(8, 1, bytes(9)) + b"a camera's own words" * 3)
    assert read_ids(path).shape == (1, 8)
    data = bytearray(path.read_bytes())
    data[data.index(b"IDAT") - 4] = 0xD9
    path.write_bytes(data)
    with pytest.raises(DataError, match=r"a.png is cut off \(\d+ bytes, expected 364\d{7} or more for its 8x1 pixels"):
        read_ids(path)


@pytest.mark.parametrize("pixels", [np.zeros((2048, 2048), bool), np.zeros((2048, 2048, 4), np.uint8)])
def test_the_least_png_is_whole(tmp_path: Path, pixels: np.ndarray) -> None:
    path = tmp_path / "even.png"
    Image.fromarray(pixels).save(path, compress_level=9)
    assert not read_map(path).any()


def test_an_even_image_is_no_bomb(tmp_path: Path) -> None:
    """The least file of many pixels: one color, progressive, best tables."""
    path = tmp_path / "even.jpg"
    Image.fromarray(np.full((2048, 2048), 128, np.uint8)).save(path, progressive=True, optimize=True)
    assert (read_rgb(path) == 128).all()


def test_sixteen_bits_keep_their_upper_eight(tmp_path: Path) -> None:
    stored = (np.arange(24 * 40, dtype=np.uint16) * 68).reshape(24, 40)
    cv2.imwrite(str(tmp_path / "a.png"), stored)
    cv2.imwrite(str(tmp_path / "a.tif"), stored)
    for name in ("a.png", "a.tif"):
        assert np.array_equal(read_rgb(tmp_path / name)[..., 0], stored >> 8)


def test_twelve_bits_in_sixteen_are_stretched_and_said(tmp_path: Path) -> None:
    stored = (np.arange(24 * 40, dtype=np.uint16) * 4).reshape(24, 40)
    cv2.imwrite(str(tmp_path / "a.png"), stored)
    with pytest.warns(ImageWarning, match="16-bit images without a value above 4095 are read as 12-bit images"):
        image = read_rgb(tmp_path / "a.png")
    assert np.array_equal(image[..., 0], stored >> 4)
    with pytest.warns(ImageWarning):
        assert np.array_equal(next(iter(find_frames(str(tmp_path)))).image, image), "prediction reads the same"


def test_a_format_that_states_its_bits_needs_no_rule(tmp_path: Path) -> None:
    values = np.arange(960, dtype=">u2").reshape(24, 40)
    (tmp_path / "a.pgm").write_bytes(b"P5\n# ten bits\n40 24\n1023\n" + values.tobytes())
    assert np.array_equal(read_rgb(tmp_path / "a.pgm")[..., 0], values >> 2)


def test_few_gray_levels_of_sixteen_bits_are_said(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "thermal.png"), np.linspace(29000, 31000, 960).reshape(24, 40).astype(np.uint16))
    with pytest.warns(ImageWarning, match="fewer than 32 of 256 gray levels"):
        read_rgb(tmp_path / "thermal.png")


@pytest.mark.parametrize("name", ["a.gif", "a.tif", "a.webp", "a.png"])
def test_of_several_images_in_a_file_the_first_is_read_and_that_is_said(tmp_path: Path, name: str) -> None:
    images = [Image.fromarray(np.full((24, 40, 3), level, np.uint8)) for level in (40, 120, 200)]
    images[0].save(tmp_path / name, save_all=True, append_images=images[1:], lossless=True)
    with pytest.warns(ImageWarning, match="several images .* only the first one is read; save the others"):
        assert abs(int(read_rgb(tmp_path / name)[12, 20, 0]) - 40) <= 2
    images[0].save(tmp_path / name)
    assert abs(int(read_rgb(tmp_path / name)[12, 20, 0]) - 40) <= 2  # warnings are errors in tests


def test_an_animation_without_durations_and_a_sequence_are_said(tmp_path: Path) -> None:
    frames = [Image.fromarray(np.roll(CORNERS, i, 0)) for i in range(3)]
    for name in ("a.gif", "a.avif", "a.png"):
        frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:])
        with pytest.warns(ImageWarning, match="only the first one is read"):
            assert read_rgb(tmp_path / name).shape == (24, 40, 3)
        frames[0].save(tmp_path / name)
        header = read_header((tmp_path / name).read_bytes())
        assert header is not None
        assert not header.several, "a single image says nothing"


@pytest.mark.parametrize("stored", [1, 2])
@pytest.mark.parametrize("orientation", [1, 6])
def test_colors_under_the_transparency_of_a_tiff(tmp_path: Path, stored: int, orientation: int) -> None:
    """1 = the file holds colors that are multiplied by their transparency, 2 = they lie apart."""
    colors = np.random.default_rng(0).integers(0, 256, (24, 40, 3)).astype(np.uint8)
    alpha = np.full((24, 40, 1), 128, np.uint8)
    kept = (colors.astype(int) * alpha / 255).round().astype(np.uint8) if stored == 1 else colors
    pixels = np.concatenate([kept, alpha], 2)
    data = bytearray(save(tmp_path / "a.tif", pixels, orientation).read_bytes())
    tag = tiff_tags(bytes(data))[EXTRA_TAG]
    struct.pack_into(tag.code, data, tag.place, stored)
    (tmp_path / "a.tif").write_bytes(data)
    wanted = np.rot90(colors, -1) if orientation == 6 else colors
    assert np.abs(read_rgb(tmp_path / "a.tif").astype(int) - wanted).max() <= (1 if stored == 1 else 0)
    assert read_map(tmp_path / "a.tif").shape[:2] == wanted.shape[:2]


@pytest.mark.parametrize("largest", [1, 5, 15, 100, 255, 1000, 40000, 65535])
@pytest.mark.parametrize("ascii", [False, True])
def test_white_of_a_pnm_is_white(tmp_path: Path, largest: int, ascii: bool) -> None:
    values = np.linspace(0, largest, 40).round().astype(int)
    stored = np.repeat(values[None], 24, 0)
    body = " ".join(map(str, stored.ravel())).encode()
    if not ascii:
        body = stored.astype(">u2" if largest > 255 else "u1").tobytes()
    (tmp_path / "a.pgm").write_bytes(b"P%d\n40 24\n%d\n" % (2 if ascii else 5, largest) + body)
    gray = read_rgb(tmp_path / "a.pgm")[0, :, 0].astype(int)
    assert np.abs(gray - values * 255 / largest).max() <= 1
    assert gray[-1] == 255
    assert read_map(tmp_path / "a.pgm")[0].tolist() == values.tolist(), "labels keep their ids"
    assert read_ids(tmp_path / "a.pgm")[0].tolist() == values.tolist()


def test_colors_of_a_tiff_that_are_no_rgb_are_refused(tmp_path: Path) -> None:
    Image.new("LAB", (8, 8), (200, 120, 90)).save(tmp_path / "a.tif")
    with pytest.raises(DataError, match=r"a.tif has its colors in CIELab, expected gray or RGB; save it as RGB"):
        read_rgb(tmp_path / "a.tif")


def test_a_smaller_copy_in_a_tiff_is_no_other_image(tmp_path: Path) -> None:
    big, small = (Image.fromarray(np.full((side, side, 3), 90, np.uint8)) for side in (40, 20))
    small.encoderinfo = {"tiffinfo": {254: 1}}
    big.save(tmp_path / "a.tif", save_all=True, append_images=[small])
    assert read_rgb(tmp_path / "a.tif").shape == (40, 40, 3)


def test_floating_point_images_are_refused(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.tif"), np.zeros((24, 40, 3), np.float32))
    with pytest.raises(DataError, match=r"a.tif holds float32 samples, expected 8 or 16 bits"):
        read_rgb(tmp_path / "a.tif")


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
@pytest.mark.parametrize("palette", [False, True])
def test_ids_are_the_stored_numbers_whatever_the_bits(tmp_path: Path, bits: int, palette: bool) -> None:
    ids = np.random.default_rng(0).integers(0, 1 << bits, (23, 37), dtype=np.uint8)
    image = Image.frombytes("P", (37, 23), ids.tobytes())
    image.putpalette([7 * i % 256 for i in range(3 << bits)])
    image.save(tmp_path / "a.png", bits=bits)
    data = (tmp_path / "a.png").read_bytes()
    assert data[24] == bits
    if not palette:
        body = b"IHDR" + data[16:25] + b"\0" + data[26:29]
        (tmp_path / "a.png").write_bytes(data[:12] + body + struct.pack(">I", zlib.crc32(body)) + data[33:])
    assert np.array_equal(read_ids(tmp_path / "a.png"), ids)


def test_missing_and_unreadable_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"missing file .*none.png"):
        read_rgb(tmp_path / "none.png")
    with pytest.raises(DataError, match=r"cannot read .*: Is a directory"):
        read_rgb(tmp_path)
    with pytest.raises(DataError, match=r"cannot read .*null"):
        read_rgb(tmp_path / "a\0b.png")
