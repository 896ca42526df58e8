"""What the page must know of a model to draw its predictions: heads, names and colors."""

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from hydranet.deploy.manifest import Head
from hydranet.deploy.options import has_use
from hydranet.transforms.view import Size
from hydranet.visualization.class_colors import colors_of, is_background
from hydranet.visualization.draw_maps import SPAN, turbo
from hydranet.visualization.style import RANGE_M

PARAMETERS = ("threshold", "iou", "focal_px")
"""Of /predict, those that are said of heads."""


def page_data(heads: Mapping[str, Head], cameras: Collection[str], name: str, size: Size) -> dict[str, Any]:
    """JSON values. cameras: heads whose answers depend on the camera.

    takes: which parameters of /predict change a head's answer; one that changes none is refused there.
    scale: 256 colors from far to near, as in the package's drawings, and the distances they span.
    """
    shown = {}
    for head, known in heads.items():
        colors = colors_of(known.colors or None, known.classes, 0)
        shown[head] = {
            "kind": known.kind,
            "classes": list(known.classes),
            "colors": [list(map(int, color)) for color in colors],
            "background": [is_background(known.classes, i) for i in range(len(known.classes))],
            "unit": str(known.metadata.get("unit", "")),
            "score_threshold": known.score_threshold,
            "takes": [word for word in PARAMETERS if has_use(word, head, known, cameras)],
        }
    low, high = RANGE_M
    scale = {"low_m": max(low, high / SPAN), "high_m": high, "colors": turbo(np.linspace(0, 1, 256))[0].tolist()}
    return {"name": name, "size": list(size), "heads": shown, "scale": scale}
