"""Edges of one pixel's width: non-maximum suppression of strengths, and morphological thinning of masks. numpy only."""

import cv2
import numpy as np

RADIUS = 4
"""Of the triangle filter that smooths strengths before their orientation is taken (Dollar & Zitnick's convTri)."""

SLACK = 1.01
"""A pixel stays where its strength times this reaches that of both neighbors across the edge."""


def suppressed(strength: np.ndarray) -> np.ndarray:
    """Strengths that are the greatest across the edge; 0 elsewhere, and where a strength is not known (NaN).

    Across the edge is where the second derivative of the smoothed strengths is steepest; the two neighbors lie one
    pixel to either side, between pixels by bilinear interpolation (Dollar & Zitnick, arXiv 1406.5549, and their
    edgesNms, without its fading out of the image's rim).

    strength: float h w.
    """
    known = np.isfinite(strength)
    values = np.where(known, strength, 0).astype(np.float32)
    along_x, along_y = _normals(values)
    rows, columns = np.mgrid[0 : values.shape[0], 0 : values.shape[1]].astype(np.float32)
    keep = known & (values > 0)
    for side in (-1, 1):
        # in OpenCV's coordinates, whose pixels are whole numbers
        beside = cv2.remap(
            values, columns + side * along_x, rows + side * along_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
        keep &= values * SLACK >= beside
    return np.where(keep, values, 0)


def _normals(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """float32 h w each: x and y of the unit vector across the edge at each pixel."""
    triangle = np.concatenate([np.arange(1, RADIUS + 2), np.arange(RADIUS, 0, -1)]).astype(np.float32)
    triangle /= triangle.sum()
    smooth = cv2.sepFilter2D(values, cv2.CV_32F, triangle, triangle, borderType=cv2.BORDER_REFLECT)
    dy, dx = np.gradient(smooth)
    dxy, dxx = np.gradient(dx)
    dyy = np.gradient(dy, axis=0)
    angle = 0.5 * np.arctan2(2 * dxy, dxx - dyy)  # of the eigenvectors of the Hessian
    cosine, sine = np.cos(angle), np.sin(angle)
    first = np.abs(dxx * cosine**2 + 2 * dxy * cosine * sine + dyy * sine**2)
    second = np.abs(dxx * sine**2 - 2 * dxy * cosine * sine + dyy * cosine**2)
    turned = second > first
    return np.where(turned, -sine, cosine).astype(np.float32), np.where(turned, cosine, sine).astype(np.float32)


def _table(phase: int) -> np.ndarray:
    """bool 256: whether a pixel with these eight neighbors goes in one half step.

    Bit i is the i-th neighbor: east, north-east, north, ... counter-clockwise, as in the conditions G1, G2 and G3 of
    Lam, Lee, Suen (PAMI 14(9), 1992, p. 879), which MATLAB's bwmorph(..., 'thin') uses.
    """
    gone = np.zeros(256, bool)
    for code in range(256):
        x = [bool(code >> i & 1) for i in range(8)]
        crossings = sum(not x[2 * i] and (x[2 * i + 1] or x[(2 * i + 2) % 8]) for i in range(4))
        first = sum(x[2 * k] or x[2 * k + 1] for k in range(4))
        second = sum(x[2 * k + 1] or x[(2 * k + 2) % 8] for k in range(4))
        here = (x[1] or x[2] or not x[7]) and x[0] if phase == 0 else (x[5] or x[6] or not x[3]) and x[4]
        gone[code] = crossings == 1 and 2 <= min(first, second) <= 3 and not here
    return gone


_TABLES = (_table(0), _table(1))
_NEIGHBORS = ((0, 1), (-1, 1), (-1, 0), (-1, -1), (0, -1), (1, -1), (1, 0), (1, 1))
"""Row and column of each neighbor, relative to the pixel."""


def thinned(mask: np.ndarray) -> np.ndarray:
    """The mask thinned until nothing changes: lines of one pixel's width, connected as before.

    mask: bool h w.
    """
    height, width = mask.shape
    stride = width + 2
    padded = np.zeros((height + 2, stride), bool)
    padded[1:-1, 1:-1] = mask
    flat = padded.reshape(-1)
    offsets = np.array([row * stride + column for row, column in _NEIGHBORS])
    bits = 1 << np.arange(8)
    pixels = np.flatnonzero(flat)
    while len(pixels):
        before = len(pixels)
        for table in _TABLES:
            codes = (flat[pixels[:, None] + offsets] * bits).sum(1)
            gone = table[codes]
            flat[pixels[gone]] = False
            pixels = pixels[~gone]
        if len(pixels) == before:
            break
    return padded[1:-1, 1:-1]
