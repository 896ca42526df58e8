"""The best instances of points. numpy only."""

from collections.abc import Mapping

import numpy as np

from hydranet.annotations import Keypoints, rows
from hydranet.core.step import Option, Step

MOST_INSTANCES = 100_000
"""Of one image: more than any head has candidates for."""


def _best(keypoints: Keypoints, options: Mapping[str, float]) -> Keypoints:
    sure = np.ones(len(keypoints.xy)) if keypoints.score is None else np.asarray(keypoints.score)
    order = np.argsort(-sure, kind="stable")
    sound = np.isfinite(keypoints.xy).all((1, 2)) & (sure >= options["score_threshold"])
    return rows(keypoints, order[sound[order]][: int(options["max_detections"])])


STEP = Step(
    _best,
    {"score_threshold": Option(0.25, 0, 1), "max_detections": Option(20, 1, MOST_INSTANCES, whole=True)},
    {Keypoints: Keypoints},
)
"""Of several instances the best, each with finite points."""
