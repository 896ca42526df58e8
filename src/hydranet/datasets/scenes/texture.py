"""Noise that repeats without a seam, for asphalt, leaves, plaster and clouds."""

from functools import cache

import cv2
import numpy as np

TILE = 512
"""Side of a noise tile in texels; a power of two, so that coordinates wrap with `& (TILE - 1)`."""


@cache
def noise(coarsest: int, finest: int, seed: int) -> np.ndarray:
    """float32 TILE TILE, mean 0, deviation 1: octaves from `coarsest` to `finest` cells per side (powers of two)."""
    rng = np.random.default_rng(seed)
    total = np.zeros((TILE, TILE), dtype=np.float32)
    cells, strength = coarsest, 1.0
    while cells <= finest:
        grid = rng.standard_normal((cells, cells)).astype(np.float32)
        grid = np.pad(grid, 2, mode="wrap")
        scale = TILE // cells
        fine = cv2.resize(grid, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
        total += strength * fine[2 * scale : 2 * scale + TILE, 2 * scale : 2 * scale + TILE]
        cells, strength = cells * 2, strength * 0.6
    tile = (total - total.mean()) / total.std()
    tile.setflags(write=False)
    return tile


def sample(tile: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Texels at float coordinates (nearest), repeating."""
    column, row = x.astype(np.int32) & (TILE - 1), y.astype(np.int32) & (TILE - 1)
    return tile.ravel().take((row << 9) | column)
