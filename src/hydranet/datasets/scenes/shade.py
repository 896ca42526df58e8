"""From what is seen to a picture: colours, light, weather, lens. No label depends on anything in this file."""

from dataclasses import dataclass

import cv2
import numpy as np

from hydranet.datasets.scenes import surface
from hydranet.datasets.scenes.ground import Ground
from hydranet.datasets.scenes.mesh import FACADE, PLAIN
from hydranet.datasets.scenes.raster import FIRST, SKY_FACE, Faces, Raster
from hydranet.datasets.scenes.texture import noise, sample
from hydranet.datasets.scenes.weather import Weather
from hydranet.datasets.scenes.world import World

FOG_NIGHT = 0.16
"""Fog at night shows what street lamps leave: this share of its daylight brightness."""


@dataclass(frozen=True, eq=False)
class View:
    """All that a picture is made of."""

    world: World
    ground: Ground
    faces: Faces
    raster: Raster
    weather: Weather


def picture(view: View) -> np.ndarray:
    """uint8 h w 3, RGB."""
    ground, raster, weather = view.ground, view.raster, view.weather
    lens = ground.lens
    canvas = np.empty((lens.height_px, lens.width_px, 3), dtype=np.float32)
    canvas[: ground.top] = surface.sky(lens, weather, ground.top)
    canvas[ground.top :] = surface.road(ground, view.world, weather)
    glow = np.zeros(canvas.shape[:2], dtype=np.float32)
    _things(canvas, glow, view)
    if weather.night:
        canvas *= _headlights(view)[..., None] + glow[..., None]
    _fog(canvas, raster.inverse_depth, weather, glow)
    _smooth_edges(canvas, raster.face)
    if weather.night:
        _halo(canvas, glow)
    return _exposed(canvas, weather)


def _things(canvas: np.ndarray, glow: np.ndarray, view: View) -> None:
    """Colours of all objects, lit by sun and sky, textured by their place in the world."""
    faces, raster, weather, lens = view.faces, view.raster, view.weather, view.ground.lens
    where = np.flatnonzero(raster.face.ravel() >= FIRST)
    if not len(where):
        return
    face = raster.face.ravel().take(where)
    towards = lens.turned(weather.sun)
    lit = np.clip(faces.normal[FIRST:] @ towards, 0, 1)[:, None] * weather.sunlight
    up = np.clip(-(faces.normal[FIRST:] @ lens.down), -1, 1)[:, None]
    light = weather.ambient * (0.82 + 0.18 * up) + lit
    own = faces.mesh.glow[:, None]
    colour = faces.mesh.colour * light
    if weather.night:
        colour = colour * (1 - own) + np.minimum(faces.mesh.colour * 1.4, 1) * own
    table = np.concatenate([np.zeros((FIRST, 3)), colour]).astype(np.float32)
    pixels = table.take(face, axis=0)
    depth = 1 / raster.inverse_depth.ravel().take(where)
    rx, ry = lens.rays()
    x = np.tile(rx.astype(np.float32), lens.height_px).take(where) * depth
    y = np.repeat(ry.astype(np.float32), lens.width_px).take(where)
    c, s = np.float32(np.cos(lens.pitch_rad)), np.float32(np.sin(lens.pitch_rad))
    high = np.float32(lens.height_m) - (c * y + s) * depth
    ahead = (c - s * y) * depth
    look = np.concatenate([np.zeros(FIRST, np.int64), faces.mesh.look]).take(face)
    rough = np.flatnonzero(look != PLAIN)
    axis, start = _along(faces)
    at = face.take(rough)
    along = axis[:, 0].take(at) * x.take(rough) + axis[:, 1].take(at) * ahead.take(rough) - start.take(at)
    pixels[rough] *= _grain(along, high.take(rough), depth.take(rough) / lens.focal_px)[:, None]
    walls = np.flatnonzero(look.take(rough) == FACADE)
    chosen = rough.take(walls)
    tint, light_on = surface.windows(
        along.take(walls),
        high.take(chosen),
        depth.take(chosen) / lens.focal_px,
        faces.thing.take(face.take(chosen)),
        weather,
    )
    pixels[chosen] = pixels[chosen] * (1 - tint[:, 3:]) + tint[:, :3] * tint[:, 3:]
    shine = np.concatenate([np.zeros(FIRST), faces.mesh.glow]).astype(np.float32).take(face)
    shine[chosen] = light_on
    pixels *= (1 - 0.4 * np.exp(-np.maximum(high, 0) / 0.35))[:, None]
    canvas.reshape(-1, 3)[where] = pixels
    glow.reshape(-1)[where] = shine


def _along(faces: Faces) -> tuple[np.ndarray, np.ndarray]:
    """For each face a horizontal axis in it (float32 f 2: x, z) and where that axis starts."""
    points = faces.mesh.points
    side = points[:, 1] - points[:, 0]
    flat = side[:, [0, 2]]
    length = np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-6)
    axis = np.concatenate([np.zeros((FIRST, 2)), flat / length])
    start = np.concatenate([np.zeros(FIRST), np.sum(flat / length * points[:, 0][:, [0, 2]], axis=1)])
    return axis.astype(np.float32), start.astype(np.float32)


def _grain(along: np.ndarray, high: np.ndarray, pixel_m: np.ndarray) -> np.ndarray:
    """Roughness of leaves and walls; two sizes, each fading where a pixel covers many grains."""
    fine, coarse = noise(32, 256, 3), noise(8, 64, 4)
    factor = 0.16 * sample(fine, along * 60, high * 60) / (1 + (pixel_m / 0.04) ** 2)
    factor += 0.11 * sample(coarse, along * 22, high * 22) / (1 + (pixel_m / 0.5) ** 2)
    return np.clip(1 + factor, 0.3, 1.8)


def _headlights(view: View) -> np.ndarray:
    """float32 h w: light from our own lamps and the street's at night."""
    lens = view.ground.lens
    rx, ry = lens.rays()
    depth = 1 / np.maximum(view.raster.inverse_depth, 1e-3)
    x = rx.astype(np.float32) * depth
    high = lens.height_m - (ry.astype(np.float32)[:, None] + np.float32(lens.pitch_rad)) * depth
    cone = np.exp(-np.square(x / (1.6 + 0.22 * depth)) - np.square(np.maximum(high - 0.4, 0) / (0.7 + 0.06 * depth)))
    street = 1.5 if view.world.kind in ("city", "suburb") else 0.8
    return street + 6.5 * cone / (1 + np.square(depth / 22))


def _fog(canvas: np.ndarray, inverse_depth: np.ndarray, weather: Weather, glow: np.ndarray) -> None:
    """Koschmieder's law: light is lost with distance, and the air's own light takes its place."""
    kept = np.exp(-weather.fog_per_m / np.maximum(inverse_depth, 1 / 600))
    kept = np.where(inverse_depth > 0, kept, np.exp(-weather.fog_per_m * 60)).astype(np.float32)
    kept = np.maximum(kept, 0.6 * glow) if weather.night else kept
    air = weather.horizon * (1.0 if not weather.night else 0.9)
    canvas *= kept[..., None]
    canvas += (1 - kept)[..., None] * air.astype(np.float32)


def _smooth_edges(canvas: np.ndarray, face: np.ndarray) -> None:
    """Softens the steps of polygon edges, where pixels show one face only."""
    step = np.zeros(face.shape, dtype=bool)
    across, down = face[:, 1:] != face[:, :-1], face[1:] != face[:-1]
    step[:, 1:] |= across
    step[:, :-1] |= across
    step[1:] |= down
    step[:-1] |= down
    soft = cv2.GaussianBlur(canvas, (3, 3), 0.7)
    np.copyto(canvas, soft, where=step[..., None])


def _halo(canvas: np.ndarray, glow: np.ndarray) -> None:
    """Light that spreads around lamps in a camera at night."""
    small = cv2.resize(canvas * glow[..., None], None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    spread = cv2.GaussianBlur(small, (0, 0), 2.5) * 0.9 + cv2.GaussianBlur(small, (0, 0), 9) * 0.8
    canvas += cv2.resize(spread, canvas.shape[1::-1], interpolation=cv2.INTER_LINEAR)


def _exposed(canvas: np.ndarray, weather: Weather) -> np.ndarray:
    """Rain streaks, exposure, vignette, sensor noise, 8 bits."""
    h, w = canvas.shape[:2]
    rng = np.random.default_rng(weather.seed)
    if weather.rain:
        _streaks(canvas, rng)
    y, x = np.linspace(-1, 1, h, dtype=np.float32)[:, None], np.linspace(-1, 1, w, dtype=np.float32)
    canvas *= weather.gain.astype(np.float32)
    canvas *= (1 - 0.10 * (x * x + y * y))[..., None]
    tile, shift = noise(256, 256, 9), rng.integers(0, 256, 2)
    strength = np.float32(0.018 if weather.night else 0.008)
    rows, columns = (np.arange(h) * 3 + shift[0]) % 512, (np.arange(w) * 3 + shift[1]) % 512
    canvas += (strength * tile[np.ix_(rows, columns)])[..., None]
    return cv2.convertScaleAbs(np.clip(canvas, 0, 1), alpha=255)


def _streaks(canvas: np.ndarray, rng: np.random.Generator) -> None:
    h, w = canvas.shape[:2]
    drops = rng.uniform(0, 1, (int(w * h / 800), 4))
    layer = np.zeros((h, w), dtype=np.uint8)
    for a, b, long, light in drops:
        x, y = int(a * w), int(b * h)
        cv2.line(layer, (x, y), (x + 1, y + int(3 + 9 * long)), int(20 + 45 * light), 1, cv2.LINE_AA)
    canvas += (layer.astype(np.float32) / 255)[..., None]


__all__ = ["SKY_FACE", "View", "picture"]
