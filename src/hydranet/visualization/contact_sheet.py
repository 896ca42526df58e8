"""Many images on one sheet: a titled grid, or a page of HTML that holds its images."""

import base64
import html
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np

from hydranet.visualization.primitives import DARK, text_px, write

SCREEN = 16 / 9
WIDEST_PX = 1920
"""Width of a sheet that people can watch as a video."""
JPEG_QUALITY = 88


GAP = 4
"""Pixels between two images of a sheet."""
LEGEND = 0.15
"""Share of a drawing's height that its legend usually takes."""


def composite(image: np.ndarray, drawn: Mapping[str, np.ndarray], widest_px: int = WIDEST_PX) -> np.ndarray:
    """The image and the drawings made on it as one titled grid, about as wide as a screen; uint8 h w 3.

    drawn: by title; every drawing is scaled to the width of the first one, its legend with it.
    widest_px: of the sheet; where the drawings are too wide for it, they are scaled down.
    """
    tiles = {"input": image, **drawn}
    first = next(iter(drawn.values()), image)
    gap = GAP
    width = first.shape[1]
    height = max(_height(tile, width) for tile in tiles.values())
    columns = _columns(len(tiles), width / height)
    width = min(width, (widest_px - gap) // columns - gap)
    height = max(_height(tile, width) for tile in tiles.values())
    band = round(1.6 * text_px(np.empty((height, width))))
    rows = math.ceil(len(tiles) / columns)
    sheet = np.full((rows * (height + band) + gap, columns * (width + gap) + gap, 3), DARK, dtype=np.uint8)
    for i, (title, tile) in enumerate(tiles.items()):
        top, left = (i // columns) * (height + band), gap + (i % columns) * (width + gap)
        write(sheet, title, left + 4, top + band * 0.18, round(band * 0.66))
        size = width, _height(tile, width)
        shown = tile if tile.shape[1] == width else cv2.resize(tile, size, interpolation=cv2.INTER_AREA)
        sheet[top + band : top + band + size[1], left : left + width] = shown
    return sheet


def tile_size(size: tuple[int, int], drawings: int, widest_px: int = WIDEST_PX) -> tuple[int, int]:
    """Height and width at which `composite` shows an image of `size` beside this many drawings, or a little more.

    What is drawn at this size looks the same in the sheet, at a part of the cost.
    """
    columns = _columns(drawings + 1, size[1] / size[0] * (1 - LEGEND))
    width = min(size[1], (widest_px - GAP) // columns - GAP)
    return max(1, round(size[0] * width / size[1])), width


def _height(tile: np.ndarray, width: int) -> int:
    """Its height when it is this wide."""
    return max(1, round(tile.shape[0] * width / tile.shape[1]))


def _columns(tiles: int, aspect: float) -> int:
    """How many columns make the sheet about as wide as a screen without many empty places."""

    def flaw(columns: int) -> float:
        rows = math.ceil(tiles / columns)
        return abs(math.log(columns * aspect / rows / SCREEN)) + (rows * columns - tiles) / tiles

    return min(range(1, tiles + 1), key=flaw)


@dataclass(frozen=True, eq=False)
class Row:
    """One frame of a gallery: the image, and by task the drawn prediction and the drawn label."""

    title: str
    image: np.ndarray
    predictions: Mapping[str, np.ndarray]
    labels: Mapping[str, np.ndarray] = field(default_factory=dict)


def gallery_html(rows: Sequence[Row], title: str = "HydraNet", note: str = "") -> str:
    """One self-contained page: a section per frame, a column per task, the prediction above its label.

    note: plain text under the title, such as a table of scores.
    """
    sections = "".join(_section(row) for row in rows)
    return _PAGE.format(title=html.escape(title), note=html.escape(note), sections=sections)


def _section(row: Row) -> str:
    columns = [_figure("input", row.image)]
    for name in dict.fromkeys([*row.predictions, *row.labels]):
        given = ((name, row.predictions.get(name)), (f"{name}: label", row.labels.get(name)))
        columns.append("".join(_figure(caption, image) for caption, image in given if image is not None))
    return f"<h2>{html.escape(row.title)}</h2><div class=row>{''.join(f'<div>{c}</div>' for c in columns)}</div>"


def _figure(caption: str, image: np.ndarray) -> str:
    """Raises ValueError for an image that cannot be stored as JPEG."""
    bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    fine, data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    if not fine:
        raise ValueError(f"got an image of shape {image.shape}, expected uint8 h w 3")
    source = base64.b64encode(data.tobytes()).decode()
    name = html.escape(caption)
    return f'<figure><figcaption>{name}</figcaption><img alt="{name}" src="data:image/jpeg;base64,{source}"></figure>'


_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>
body {{ background: #16181c; color: #e8e8e8; font: 15px/1.45 system-ui, sans-serif; margin: 2rem; }}
h1 {{ font-weight: 600; }}
h2 {{ font-size: 1rem; font-weight: 500; color: #9aa4b2; margin: 2rem 0 .4rem; }}
pre {{ color: #c8d0da; }}
.row {{ display: grid; grid-template-columns: repeat(auto-fit, minmax(min(420px, 100%), 1fr)); gap: 8px; }}
figure {{ margin: 0 0 8px; }}
figcaption {{ color: #9aa4b2; font-size: .85rem; padding: 2px 0; }}
img {{ width: 100%; display: block; border-radius: 3px; }}
</style></head>
<body><h1>{title}</h1><pre>{note}</pre>
{sections}
</body></html>
"""
