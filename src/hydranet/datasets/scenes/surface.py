"""The look of the ground: asphalt with wear and patches, markings, curbs, slabs, grass, shadows, wetness."""

import cv2
import numpy as np

from hydranet.datasets.scenes.ground import Ground, within, zebra
from hydranet.datasets.scenes.road import CARRIAGEWAY, CURB, PAVEMENT, TERRAIN, VERGE, WHITE
from hydranet.datasets.scenes.texture import noise, sample
from hydranet.datasets.scenes.weather import Weather
from hydranet.datasets.scenes.world import World

ASPHALT, SLABS, STONE, GRAVEL = (0.36, 0.36, 0.37), (0.56, 0.54, 0.52), (0.68, 0.67, 0.65), (0.45, 0.42, 0.35)

SLAB_M = 0.6
"""Side of a slab of the pavement."""

SHADOW = 0.62
"""Share of the light that a full shadow takes away."""

NEAR_M, SHADOW_END_M = 0.6, 80.0
"""Shadows are drawn between these distances from the camera."""


def road(ground: Ground, world: World, weather: Weather) -> np.ndarray:
    """float32 3 r w: the ground without the objects on it, but with their shadows."""
    strips = np.array(ground.road.strips)
    colors = {TERRAIN: world.grass, VERGE: GRAVEL, PAVEMENT: SLABS, CURB: STONE}
    table = np.array([colors.get(int(strip), ASPHALT) for strip in strips], dtype=np.float32)
    paved = np.isin(strips, CARRIAGEWAY).take(ground.strip)
    factor = _grit(ground, paved)
    for patch in world.patches:
        factor[within(ground, patch.left_m, patch.right_m, patch.near_m, patch.far_m)] *= patch.brightness
    if PAVEMENT in strips:
        factor -= 0.14 * (strips == PAVEMENT).take(ground.strip) * _joints(ground)
    canvas = np.stack([column.take(ground.strip) for column in np.ascontiguousarray(table.T)])
    canvas *= factor
    _markings(canvas, ground, factor)
    light = weather.ambient + weather.sunlight * max(float(weather.sun[1]), 0.25)
    canvas *= _shadows(ground, world, weather)
    canvas *= light.astype(np.float32)[:, None, None]
    if weather.rain:
        _wet(canvas, ground, weather, paved)
    return canvas


def _grit(ground: Ground, paved: np.ndarray) -> np.ndarray:
    """float32 r w, around 1: grains, blotches and wheel tracks; grains fade where a row of pixels covers many."""
    u, deep, span = ground.lateral_m, ground.deep_m, ground.span_m
    grains = sample(noise(128, 256, 1), u * 96, deep * 96)
    blotches = cv2.remap(noise(16, 128, 2), u * 26, deep * 9, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
    factor = 1 + grains * (0.07 / (1 + np.square(span / 0.12))) + blotches * (0.05 / (1 + span / 12))
    lanes = ground.road.lanes
    width = abs(lanes[0].u_m - lanes[1].u_m)
    factor -= 0.035 * paved * np.cos(u * np.float32(4 * np.pi / width))
    return factor


def _joints(ground: Ground) -> np.ndarray:
    """float32 r w: 1 in the joints between the slabs of a pavement, fading with distance."""
    pixel, span = ground.pixel_m, ground.span_m

    def lines(place: np.ndarray, size: np.ndarray, limit: float) -> np.ndarray:
        off = np.abs(np.mod(place, SLAB_M) - SLAB_M / 2)
        return np.clip(1.3 - off / np.maximum(size, 0.012), 0, 1) / (1 + np.square(size / limit))

    return np.maximum(lines(ground.lateral_m, pixel, 0.1), lines(ground.deep_m[:, :1], span, 0.2))


def _markings(canvas: np.ndarray, ground: Ground, grit: np.ndarray) -> None:
    """Paints lines and crossing, worn where the asphalt is dark."""
    layers = [(*ground.line(line), line.color) for line in ground.road.lines]
    if ground.road.crossing_m is not None:
        layers.append((*zebra(ground, ground.road.crossing_m), WHITE))
    for window, share, color in layers:
        cover = share * np.clip(2.2 * grit[window] - 1.2, 0.55, 1)
        for channel, value in zip(canvas, color, strict=True):
            channel[window] += cover * (np.float32(value) - channel[window])


def _shadows(ground: Ground, world: World, weather: Weather) -> np.ndarray:
    """float32 r w: the share of the light that the objects' shadows leave, 1 = lit."""
    lens = ground.lens
    mask = np.zeros((lens.height_px, lens.width_px), dtype=np.uint8)
    reach = 0.0 if weather.night else 0.85
    throw = -reach * weather.sun[[0, 2]] / max(float(weather.sun[1]), 0.25)
    outlines = []
    for thing in world.things:
        if thing.footprint is not None and thing.footprint[0, 1] < SHADOW_END_M:
            moved = thing.footprint + throw * min(thing.height_m, 12.0)
            hull = cv2.convexHull(np.concatenate([thing.footprint, moved]).astype(np.float32))[:, 0]
            outlines.append(hull if hull[:, 1].min() >= NEAR_M else _clipped(hull))
    flat = np.concatenate([*outlines, np.zeros((0, 2))])
    pixels = lens.project(lens.to_camera(np.column_stack([flat[:, 0], np.zeros(len(flat)), flat[:, 1]])))
    fixed = np.round((np.clip(pixels, -4000, 4000) - 0.5) * 16).astype(np.int32)  # OpenCV: pixel centers are whole
    for outline in np.split(fixed, np.cumsum([len(outline) for outline in outlines])[:-1]):
        if len(outline) > 2:
            cv2.fillConvexPoly(mask, outline, 255, cv2.LINE_AA, 4)
    soft = cv2.blur(mask[ground.top :], (3, 3))
    return 1 - soft.astype(np.float32) * np.float32(SHADOW * weather.shadow / 255)


def _clipped(outline: np.ndarray) -> np.ndarray:
    """The part of a convex outline beyond NEAR_M (Sutherland and Hodgman's clipping at one line)."""
    kept = []
    for a, b in zip(outline, np.roll(outline, -1, axis=0), strict=True):
        if a[1] >= NEAR_M:
            kept.append(a)
        if (a[1] >= NEAR_M) != (b[1] >= NEAR_M):
            kept.append(a + (NEAR_M - a[1]) / (b[1] - a[1]) * (b - a))
    return np.array(kept).reshape(-1, 2)


def _wet(canvas: np.ndarray, ground: Ground, weather: Weather, paved: np.ndarray) -> None:
    """A wet surface is darker and mirrors the sky at low angles (Schlick's approximation)."""
    height = ground.lens.height_m
    steep = (height / np.hypot(ground.z_m, height)).astype(np.float32)[:, None]
    puddles = np.clip(0.65 + 0.35 * sample(noise(8, 64, 7), ground.lateral_m * 20, ground.deep_m * 8), 0.1, 1)
    mirror = (0.06 + 0.6 * (1 - steep) ** 5) * puddles * np.where(paved, np.float32(1), np.float32(0.15))
    canvas *= 0.72 * (1 - mirror)
    for channel, light in zip(canvas, weather.horizon, strict=True):
        channel += np.float32(light) * mirror
