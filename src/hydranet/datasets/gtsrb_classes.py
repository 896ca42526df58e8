"""The 43 German traffic signs of GTSRB, in the order of their ids, and what a mirror makes of them."""

CLASSES = (
    "speed limit 20",
    "speed limit 30",
    "speed limit 50",
    "speed limit 60",
    "speed limit 70",
    "speed limit 80",
    "end of speed limit 80",
    "speed limit 100",
    "speed limit 120",
    "no passing",
    "no passing for trucks",
    "priority at next intersection",
    "priority road",
    "yield",
    "stop",
    "no vehicles",
    "no trucks",
    "no entry",
    "general danger",
    "curve left",
    "curve right",
    "double curve",
    "uneven road",
    "slippery road",
    "road narrows right",
    "road work",
    "traffic lights",
    "pedestrians",
    "children",
    "bicycles",
    "snow or ice",
    "wild animals",
    "end of all limits",
    "turn right",
    "turn left",
    "ahead only",
    "ahead or right",
    "ahead or left",
    "keep right",
    "keep left",
    "roundabout",
    "end of no passing",
    "end of no passing for trucks",
)

SYMMETRIC = (
    "priority at next intersection",
    "priority road",
    "yield",
    "no vehicles",
    "no entry",
    "general danger",
    "uneven road",
    "traffic lights",
    "snow or ice",
    "ahead only",
)
"""Signs that look alike in a mirror."""

SWAPPED = (
    ("curve left", "curve right"),
    ("turn right", "turn left"),
    ("ahead or right", "ahead or left"),
    ("keep right", "keep left"),
)
"""Signs of which a mirror makes one another."""


def _mirror() -> tuple[int, ...]:
    becomes = {name: name for name in SYMMETRIC}
    for one, other in SWAPPED:
        becomes |= {one: other, other: one}
    return tuple(CLASSES.index(becomes[name]) if name in becomes else -1 for name in CLASSES)


MIRROR = _mirror()
"""`Tag.mirror`: the class of the flipped image; -1 for digits, letters, slanted bars, vehicles and figures that face
one way: their mirror images are no signs."""
