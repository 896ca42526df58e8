"""The look of what stands on the ground: lit surfaces, leaves and plaster, walls with windows, lamps."""

import numpy as np

from hydranet.datasets.scenes.mesh import FACADE, PLAIN, PLASTER
from hydranet.datasets.scenes.raster import FIRST, Faces
from hydranet.datasets.scenes.street import FLOOR_M
from hydranet.datasets.scenes.texture import noise, sample
from hydranet.datasets.scenes.view import View
from hydranet.datasets.scenes.weather import Weather

LAMPLIGHT = np.array((0.95, 0.75, 0.42), dtype=np.float32)


def paint(canvas: np.ndarray, glow: np.ndarray, view: View) -> None:
    """Puts all objects on a canvas (float32 3 h w) and their own light on `glow` (float32 h w). In place."""
    faces, lens = view.faces, view.ground.lens
    where = np.flatnonzero(view.raster.face >= FIRST)
    face = view.raster.face.ravel().take(where).astype(np.intp)
    depth = 1 / view.raster.inverse_depth.ravel().take(where)
    row, column = np.divmod(where.astype(np.int32), np.int32(lens.width_px))
    rx, ry = (axis.astype(np.float32) for axis in lens.rays())
    c, s = np.float32(np.cos(lens.pitch_rad)), np.float32(np.sin(lens.pitch_rad))
    x, ahead = rx.take(column) * depth, (c - s * ry).take(row) * depth
    high = np.float32(lens.height_m) - (c * ry + s).take(row) * depth

    table = _lit(view).astype(np.float32)
    pixels = np.stack([np.ascontiguousarray(table[:, k]).take(face) for k in range(3)])
    shine = _padded(faces.mesh.glow).take(face)
    look = _padded(faces.mesh.look).take(face)
    rough = np.flatnonzero(look != PLAIN)
    at, above, pixel_m = face.take(rough), high.take(rough), depth.take(rough) * np.float32(1 / lens.focal_px)
    axis_x, axis_z, start = _along(faces)
    along = axis_x.take(at) * x.take(rough) + axis_z.take(at) * ahead.take(rough) - start.take(at)
    look = look.take(rough)

    # less light reaches what is near the ground
    factor = 1 - 0.4 * np.exp(np.minimum(-high, 0) * np.float32(1 / 0.35))
    factor[rough] *= _grain(along, above, pixel_m, look >= PLASTER)
    pixels *= factor
    walls = np.flatnonzero(look == FACADE)
    house, chosen = faces.thing.take(at.take(walls)).astype(np.float32), rough.take(walls)
    fill, glass, lamps = _windows(along.take(walls), above.take(walls), pixel_m.take(walls), house, view.weather)
    for channel, color in zip(pixels, glass, strict=True):
        channel[chosen] += fill * (color - channel[chosen])
    shine[chosen] = lamps
    for plane, values in zip((*canvas, glow), (*pixels, shine), strict=True):
        plane.reshape(-1)[where] = values


def _padded(values: np.ndarray) -> np.ndarray:
    """Values by polygon to values by face: 0 for sky and ground. float32."""
    return np.concatenate([np.zeros(FIRST), values]).astype(np.float32)


def _lit(view: View) -> np.ndarray:
    """float f 3: the color of each face by Lambert's law, from the sun and, more from above, the sky."""
    weather, lens, faces = view.weather, view.ground.lens, view.faces
    normal = faces.normal[FIRST:]
    sun = np.clip(normal @ lens.turned(weather.sun), 0, 1)[:, None] * weather.sunlight
    sky = weather.ambient * (0.85 - 0.15 * (normal @ lens.down))[:, None]
    color, own = faces.mesh.color * (sky + sun), faces.mesh.glow[:, None]
    if weather.night:
        color = color * (1 - own) + np.minimum(1.4 * faces.mesh.color, 1) * own
    return np.concatenate([np.zeros((FIRST, 3)), color])


def _along(faces: Faces) -> np.ndarray:
    """float32 3 f: for each face a horizontal direction in it (x, z), and the first corner's place along that."""
    corner, side = faces.mesh.points[:, 0], faces.mesh.points[:, 1] - faces.mesh.points[:, 0]
    flat = side[:, [0, 2]] / np.maximum(np.hypot(side[:, 0], side[:, 2]), 1e-6)[:, None]
    start = np.sum(flat * corner[:, [0, 2]], axis=1)
    return np.stack([_padded(flat[:, 0]), _padded(flat[:, 1]), _padded(start)])


def _grain(along: np.ndarray, high: np.ndarray, pixel_m: np.ndarray, plaster: np.ndarray) -> np.ndarray:
    """Leaves are rough, plaster less; two sizes of grain, each fading where a pixel covers many."""
    fine = 0.16 * sample(noise(32, 256, 3), along * 60, high * 60) / (1 + np.square(pixel_m / 0.04))
    coarse = 0.11 * sample(noise(8, 64, 4), along * 22, high * 22) / (1 + np.square(pixel_m / 0.5))
    return np.clip(1 + (fine + coarse) * np.where(plaster, np.float32(0.35), np.float32(1)), 0.3, 1.8)


def _windows(
    along: np.ndarray, high: np.ndarray, pixel_m: np.ndarray, house: np.ndarray, weather: Weather
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Windows of walls at n places given by meters along and above the ground; every house has its own measures.

    Returns float32 n: the share of each pixel that is window; 3 n: its color; n: how much the lit ones shine at night.
    """
    step = 2.3 + 1.4 * np.mod(house * 0.618, 1)
    half = 0.25 + 0.09 * np.mod(house * 0.37, 1)
    column, row = np.floor(along / step), np.floor(high / FLOOR_M)
    s, t = along / step - column - 0.5, high / FLOOR_M - row - 0.55
    pixel = np.maximum(pixel_m, 0.02)
    fill = np.clip((half - np.abs(s)) * step / pixel + 0.5, 0, 1) * np.clip(
        (0.28 - np.abs(t)) * FLOOR_M / pixel + 0.5, 0, 1
    )
    fill *= high > 0.3
    chance = np.mod(np.sin(column * 12.99 + row * 78.23 + house * 37.72) * 437.5, 1)
    frame = 0.12 * (np.abs(s) * step < 0.04)
    light = (0.16 + 0.3 * chance) * (1 + 0.5 * t)
    tone = 0.5 * (weather.zenith + weather.horizon)
    glass = np.stack([light * np.float32(value) + frame for value in tone])
    lit_up = (chance > 0.62) & weather.night
    glass = np.where(lit_up, LAMPLIGHT[:, None] * (1.3 * chance - 0.55), glass)
    return fill, glass, 0.25 * fill * lit_up
