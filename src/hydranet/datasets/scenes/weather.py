"""Light and weather of a scene."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Weather:
    """What the light is like. Colors are float 3 in 0..1.

    sun: unit vector towards the sun (x right, y up, z forward).    sunlight, ambient: color times strength.
    zenith, horizon: colors of the sky.    clouds: share of the sky in 0..1.    fog_per_m: extinction.
    shadow: how dark a cast shadow is.    gain: exposure per channel.    seed: for clouds, streaks and sensor noise.
    """

    night: bool
    rain: bool
    sun: np.ndarray
    sunlight: np.ndarray
    ambient: np.ndarray
    zenith: np.ndarray
    horizon: np.ndarray
    clouds: float
    fog_per_m: float
    shadow: float
    gain: np.ndarray
    seed: int


def forecast(rng: np.random.Generator, night: float, fog: float, rain: float) -> Weather:
    """Draws a weather; the arguments are probabilities.

    All random numbers are drawn in every case, so that a change of one argument does not change the others' draws.
    """
    dark, foggy, wet = rng.random(3) < (night, fog, rain)
    azimuth, elevation = rng.uniform(0, 2 * np.pi), np.deg2rad(rng.uniform(14, 65))
    sun = np.array([np.sin(azimuth) * np.cos(elevation), np.sin(elevation), np.cos(azimuth) * np.cos(elevation)])
    clouds, thickness = rng.uniform(0, 1), rng.uniform(0.012, 0.04)
    warm = np.array([1.0, 0.92, 0.78]) if elevation < 0.5 else np.array([1.0, 0.97, 0.92])
    gain = rng.uniform(0.85, 1.12) * (1 + rng.normal(0, 0.02, 3))
    seed = int(rng.integers(2**31))
    overcast = max(clouds, 0.9) if wet or foggy else clouds
    strength = 0.75 * (1 - 0.85 * overcast**3)
    zenith = _mix((0.25, 0.47, 0.83), (0.62, 0.66, 0.71), overcast**2)
    horizon = _mix((0.74, 0.85, 0.95), (0.78, 0.80, 0.82), overcast**2)
    ambient = _mix((0.60, 0.63, 0.69), (0.78, 0.79, 0.81), overcast)
    if wet:
        zenith, horizon, ambient = zenith * 0.75, horizon * 0.8, ambient * 0.85
    if dark:
        zenith, horizon, ambient = (np.array(c) for c in ((0.01, 0.015, 0.04), (0.06, 0.06, 0.09), (0.10, 0.11, 0.15)))
        strength = 0.03
    return Weather(
        night=bool(dark),
        rain=bool(wet),
        sun=sun,
        sunlight=strength * warm,
        ambient=ambient,
        zenith=zenith,
        horizon=horizon,
        clouds=overcast,
        fog_per_m=thickness if foggy else (0.005 if wet else 0.0008),
        shadow=float(np.clip(0.62 * strength / 0.75, 0.12, 1.0)),
        gain=gain,
        seed=seed,
    )


def _mix(a: tuple[float, ...], b: tuple[float, ...], share: float) -> np.ndarray:
    return (1 - share) * np.array(a) + share * np.array(b)
