"""Colours of sky, ground and walls before anything stands in front of them."""

import cv2
import numpy as np

from hydranet.datasets.scenes.camera import Lens
from hydranet.datasets.scenes.ground import Ground
from hydranet.datasets.scenes.road import KERB, ONCOMING, OWN_LANE, PARKING, PAVEMENT, SAME_WAY, TERRAIN, VERGE
from hydranet.datasets.scenes.street import FLOOR_M
from hydranet.datasets.scenes.texture import noise, sample
from hydranet.datasets.scenes.weather import Weather
from hydranet.datasets.scenes.world import World

ASPHALT, SLABS, STONE, GRAVEL = (0.31, 0.31, 0.32), (0.53, 0.51, 0.49), (0.64, 0.63, 0.61), (0.42, 0.39, 0.33)


def sky(lens: Lens, weather: Weather, rows: int) -> np.ndarray:
    """float32 rows w 3: a gradient with clouds on a layer above the world."""
    _, y = lens.rays()
    up = np.maximum(-(y[:rows] * np.cos(lens.pitch_rad) + np.sin(lens.pitch_rad)), 0.004)[:, None]
    share = (1 - np.exp(-up / 0.16)).astype(np.float32)[..., None]
    colour = (1 - share) * weather.horizon.astype(np.float32) + share * weather.zenith.astype(np.float32)
    colour = np.repeat(colour, lens.width_px, axis=1)
    x, _ = lens.rays()
    shift = weather.seed % 512
    columns = (x / (up + 0.06) * 30 + shift).astype(np.float32)
    lines = np.repeat((1 / (up + 0.06) * 30 + shift).astype(np.float32), lens.width_px, axis=1)
    lumps = cv2.remap(noise(8, 128, 5), columns, lines, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
    cover = np.clip((lumps - 1.2 + 2.4 * weather.clouds) * 0.8, 0, 1) * np.clip(up / 0.1, 0, 1).astype(np.float32)
    bright = weather.ambient + 0.9 * weather.sunlight
    white = (
        np.minimum(bright * 1.25, 0.98).astype(np.float32) if not weather.night else weather.horizon.astype(np.float32)
    )
    shaded = white * (1 - 0.10 * np.clip(lumps, -1, 2)[..., None])
    return colour + (0.85 * cover)[..., None] * (shaded - colour)


def road(ground: Ground, world: World, weather: Weather) -> np.ndarray:
    """float32 r w 3: asphalt with wear and patches, markings, kerbs, slabs, grass; lit, with cast shadows."""
    u, z = ground.lateral_m, ground.z_m.astype(np.float32)[:, None]
    strips = np.array(ground.road.strips)
    colours = {TERRAIN: world.grass, VERGE: GRAVEL, PAVEMENT: SLABS, KERB: STONE}
    table = np.array([colours.get(int(strip), ASPHALT) for strip in strips], dtype=np.float32)
    canvas = table.take(ground.strip, axis=0)
    paved = np.isin(strips, (OWN_LANE, SAME_WAY, ONCOMING, PARKING)).take(ground.strip)
    factor = _grit(ground, u, z, paved)
    slabs = (strips == PAVEMENT).take(ground.strip)
    if slabs.any():
        factor -= 0.14 * slabs * _joints(ground, u, z)
    canvas *= factor[..., None]
    wear = 1 - 0.35 * np.clip(sample(noise(32, 256, 6), u * 40, np.broadcast_to(z * 10, u.shape)) - 0.6, 0, 1)
    _painted(canvas, ground, wear)
    light = weather.ambient + weather.sunlight * max(float(weather.sun[1]), 0.25)
    shade = 1 - (1 - shadows(ground, world, weather))[..., None] * weather.shadow
    canvas *= light.astype(np.float32)
    canvas *= shade
    return _wet(canvas, ground, weather, paved) if weather.rain else canvas


def _grit(ground: Ground, u: np.ndarray, z: np.ndarray, paved: np.ndarray) -> np.ndarray:
    """float32 r w, around 1: grains, blotches and wheel tracks; grains fade where a row of pixels covers many."""
    deep = np.broadcast_to(z, u.shape)
    span = (ground.far_m - ground.near_m).astype(np.float32)[:, None]
    grains = sample(noise(128, 256, 1), u * 96, deep * 96) / (1 + (span / 0.12) ** 2)
    blotches = cv2.remap(noise(16, 128, 2), u * 26, deep * 9, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
    factor = 1 + 0.09 * grains + 0.055 * blotches / (1 + span / 12)
    lanes = ground.road.lanes
    width = 3.2 if len(lanes) < 2 else abs(lanes[0].u_m - lanes[1].u_m)
    tracks = np.cos(u * np.float32(4 * np.pi / width)) * np.float32(0.035)
    return factor - tracks * paved


def _joints(ground: Ground, u: np.ndarray, z: np.ndarray) -> np.ndarray:
    """float32 r w: 1 in the joints between the slabs of a pavement, fading with distance."""
    size = 0.6
    pixel = ground.scale.astype(np.float32)[:, None]
    span = (ground.far_m - ground.near_m).astype(np.float32)[:, None]
    across = np.clip(1.3 - np.abs(np.mod(u, size) - size / 2) / np.maximum(pixel, 0.012), 0, 1) / (
        1 + (pixel / 0.1) ** 2
    )
    along = np.clip(1.3 - np.abs(np.mod(z, size) - size / 2) / np.maximum(span, 0.012), 0, 1) / (1 + (span / 0.2) ** 2)
    return np.maximum(across, along)


def _painted(canvas: np.ndarray, ground: Ground, wear: np.ndarray) -> None:
    """Puts the markings on, a little worn."""
    white = np.array((0.86, 0.86, 0.83), dtype=np.float32)
    if ground.road.crossing_m is not None:
        share = (ground.paint * wear)[..., None]
        canvas += share * (white - canvas)
    for line in ground.road.lines:
        window, share = ground.line(line)
        part = canvas[window]
        part += (share * wear[window])[..., None] * (np.array(line.colour, dtype=np.float32) - part)


def shadows(ground: Ground, world: World, weather: Weather) -> np.ndarray:
    """float32 r w, 1 = lit: repaired patches and the shadows that objects cast on the ground."""
    lens = ground.lens
    mask = np.zeros((lens.height_px, lens.width_px), dtype=np.uint8)
    sun = weather.sun
    throw = -sun[[0, 2]] / max(float(sun[1]), 0.25)
    for thing in world.things:
        if thing.footprint is None:
            continue
        foot = thing.footprint
        moved = foot + throw * min(thing.height_m, 12.0) * (0.85 if not weather.night else 0.0)
        hull = cv2.convexHull(np.concatenate([foot, moved]).astype(np.float32))[:, 0]
        _fill(mask, hull, lens)
    soft = cv2.blur(mask[ground.top :], (3, 3)).astype(np.float32) * np.float32(0.62 / 255)
    return 1 - soft


def _fill(mask: np.ndarray, outline: np.ndarray, lens: Lens) -> None:
    """Fills a convex outline on the ground (float k 2: x, z), cut off near the camera."""
    near = 0.6
    points = outline if (outline[:, 1] >= near).all() else _clipped(outline, near)
    if len(points) < 3:
        return
    seen = lens.seen(np.column_stack([points[:, 0], np.zeros(len(points)), points[:, 1]]))
    pixels = np.clip(lens.project(seen), -4000, 4000)
    cv2.fillConvexPoly(mask, np.round((pixels - 0.5) * 16).astype(np.int32), 255, cv2.LINE_AA, 4)


def _clipped(outline: np.ndarray, near: float) -> np.ndarray:
    """The part of a convex outline beyond a distance (Sutherland and Hodgman's clipping at one line)."""
    kept = []
    for a, b in zip(outline, np.roll(outline, -1, axis=0), strict=True):
        if a[1] >= near:
            kept.append(a)
        if (a[1] >= near) != (b[1] >= near):
            kept.append(a + (near - a[1]) / (b[1] - a[1]) * (b - a))
    return np.array(kept).reshape(-1, 2)


def _wet(canvas: np.ndarray, ground: Ground, weather: Weather, paved: np.ndarray) -> np.ndarray:
    """A wet surface is darker and mirrors the sky at low angles (Schlick's approximation)."""
    grazing = (ground.lens.height_m / np.hypot(ground.z_m, ground.lens.height_m)).astype(np.float32)[:, None]
    mirror = (0.06 + 0.6 * (1 - grazing) ** 5) * np.where(paved, 1.0, 0.15).astype(np.float32)
    puddles = np.clip(
        0.65
        + 0.35
        * sample(
            noise(8, 64, 7), ground.lateral_m * 20, np.repeat(ground.z_m[:, None] * 8, 1, 1) + 0 * ground.lateral_m
        ),
        0.1,
        1,
    )
    mirror = (mirror * puddles)[..., None]
    return canvas * 0.72 * (1 - mirror) + mirror * weather.horizon.astype(np.float32)


def windows(
    along: np.ndarray, high: np.ndarray, pixel_m: np.ndarray, house: np.ndarray, weather: Weather
) -> tuple[np.ndarray, np.ndarray]:
    """Windows of walls at places given by metres along and above the ground; n pixels.

    Returns float32 n 4: colour and how much of the pixel it fills; and float32 n: light of lit windows at night.
    """
    step = 2.3 + 1.4 * np.mod(house * 0.618, 1).astype(np.float32)
    column, row = np.floor(along / step), np.floor(high / FLOOR_M)
    s, t = along / step - column, high / FLOOR_M - row
    wide = 0.25 + 0.09 * np.mod(house * 0.37, 1).astype(np.float32)
    across = np.clip((wide - np.abs(s - 0.5)) * step / np.maximum(pixel_m, 0.02) + 0.5, 0, 1)
    upright = np.clip((0.28 - np.abs(t - 0.55)) * FLOOR_M / np.maximum(pixel_m, 0.02) + 0.5, 0, 1)
    fill = across * upright * (high > 0.3)
    chance = np.mod(np.sin(column * 12.9898 + row * 78.233 + house * 37.719) * 43758.547, 1).astype(np.float32)
    frame = np.abs(s - 0.5) * step < 0.04
    glass = (
        np.float32(0.55)
        * weather.zenith.astype(np.float32)
        * (0.25 + 0.55 * chance)[:, None]
        * (0.8 + 0.5 * t)[:, None]
    )
    lit = (chance > 0.62) & weather.night
    glass = np.where(
        lit[:, None], np.array((0.95, 0.75, 0.42), dtype=np.float32) * (0.4 + 0.6 * chance)[:, None], glass
    )
    glass = np.where(frame[:, None], glass + 0.15, glass)
    return np.concatenate([glass, fill[:, None]], axis=1).astype(np.float32), (fill * lit).astype(np.float32)
