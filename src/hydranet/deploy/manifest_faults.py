"""What a manifest asks for that this version cannot do, and numbers in it that mean nothing: each as a sentence."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING

from hydranet.core.checks.names import shown
from hydranet.deploy.fitting import Fitting

if TYPE_CHECKING:
    from hydranet.deploy.manifest import Input, Manifest

CURE = "export the run again"
NEWER = "update hydranet"

FITS = ("none", "letterbox", "stretch")
"""What a graph may do with the size of images, as `Input.fit` names it."""

TAKEN = {"name": "image", "dtype": "uint8", "layout": "bhwc", "color": "RGB"}
"""The one kind of input that is prepared here."""

CHOSEN = ("shrink",)
"""Rules of a fitting that a file may choose; the values are checked with its type."""

DTYPES = frozenset({"bool", "uint8", "int8", "int16", "int32", "int64", "float16", "float32", "float64"})
"""Types of the arrays that a graph gives."""

CLASS_AXES = ("probs",)
"""Arrays whose first axis after the batch counts the classes of the answer, where no step makes another one of it."""


def size_fault(given: "Input") -> str:
    """Why the sizes of an input are none, for a manifest whose types nobody has checked; empty where they are fine."""
    named = [("size", given.size), ("frame", given.frame or given.size), *(("sizes", one) for one in given.sizes)]
    for what, sides in named:
        if len(sides) != 2 or not all(isinstance(side, int) and side > 0 for side in sides):
            return f"got input {what} {sides!r} in the manifest, expected (height, width) in pixels; {CURE}"
    return ""


def input_faults(given: "Input") -> Iterator[str]:
    """Of an input whose types are right: rules that are not followed here would change every answer silently."""
    for name, known in TAKEN.items():
        if (value := getattr(given, name)) != known:
            yield f"got {name}={shown(value)} of the input in the manifest, this version knows {known!r}; {NEWER}"
    if given.fit not in FITS:
        yield f"got fit={shown(given.fit)} of the input in the manifest, this version knows {', '.join(FITS)}; {NEWER}"
    elif given.fit != "none" and given.frame is None:
        yield f"got fit={given.fit!r} without a frame in the manifest, expected the size of the frames; {CURE}"
    if given.fitting is not None:
        usual = asdict(Fitting())
        for name, value in asdict(given.fitting).items():
            if name not in CHOSEN and value != usual[name]:
                yield (
                    f"got {name}={shown(value)} of the fitting in the manifest, this version knows {usual[name]!r}; "
                    f"{NEWER}"
                )
    for name, number in (("stride", given.stride), ("batch", given.batch)):
        if number is not None and number < 1:
            yield f"got {name}={number} of the input in the manifest, expected a whole number from 1; {CURE}"


def head_faults(manifest: "Manifest") -> Iterator[str]:
    """Of heads whose outputs are there."""
    for name, head in manifest.heads.items():
        if not 0 <= head.score_threshold <= 1:
            yield (
                f"got score_threshold={head.score_threshold} of head {shown(name)} in the manifest, expected a number "
                f"from 0 to 1; {CURE}"
            )
        for color in head.colors:
            if not all(0 <= value <= 255 for value in color):
                yield f"got color {shown(color)} of head {shown(name)}, expected red, green, blue from 0 to 255; {CURE}"
        for field in head.fields:
            output, unit = f"{name}.{field}", head.unit_of(field)
            given = manifest.outputs[output]
            if given.dtype not in DTYPES:
                yield f"got dtype={shown(given.dtype)} of output {shown(output)}, expected a type of numbers; {CURE}"
            if given.unit not in ("", unit):
                yield (
                    f"got unit={shown(given.unit)} of output {shown(output)} in the manifest, and {shown(unit)} of its "
                    f"head, expected one unit; {CURE}"
                )
        for field in set(head.fields) & {*CLASS_AXES} if not head.postprocess else ():
            shape = manifest.outputs[f"{name}.{field}"].shape
            count = shape[1] if len(shape) > 1 else None
            if head.classes and count is not None and len(head.classes) < count:
                yield (
                    f"got {len(head.classes)} class names of head {shown(name)}, whose {name}.{field} has {count} "
                    f"classes, expected a name for each; {CURE}"
                )
