"""Whether a graph and the arrays that it is given fit what its manifest says."""

from collections.abc import Mapping, Sequence

import numpy as np

from hydranet.core.checks.names import shown
from hydranet.core.errors import UserError
from hydranet.deploy.manifest import IMAGE, Manifest, ManifestError
from hydranet.deploy.manifest_faults import CURE


class InputError(UserError, ValueError):
    """Arrays that a model file does not take."""


def check_graph(manifest: Manifest, inputs: Mapping[str, Sequence[int | None]], path: object) -> None:
    """Raises ManifestError where the graph has other inputs than the manifest says, or an `image` of another shape.

    inputs: of the graph, their shapes by name, None for axes whose length varies.
    """
    if set(inputs) != set(manifest.inputs):
        raise ManifestError(
            f"{path} takes {', '.join(map(shown, inputs))}, its manifest says {', '.join(manifest.inputs)}; {CURE}"
        )
    shape = inputs[IMAGE]
    if not _alike(shape, manifest.image_shape) or _narrower(shape, manifest.image_shape):
        raise ManifestError(
            f"{path} takes images of shape {_words(shape)}, its manifest says {_words(manifest.image_shape)}; {CURE}"
        )


Given = tuple[np.dtype, Sequence[int | None] | None]
"""Type and shape of an array that a graph gives: None for axes whose length varies, or where the shape is not known."""


def check_outputs(manifest: Manifest, outputs: Mapping[str, Given], path: object) -> None:
    """Raises ManifestError where an array that the manifest names is not there, or holds something else.

    outputs: of the graph, by name.
    """
    for name, wanted in manifest.outputs.items():
        if name not in outputs:
            raise ManifestError(f"{path} does not give {shown(name)}, which its manifest names; {CURE}")
        dtype, shape = outputs[name]
        if dtype.kind != np.dtype(wanted.dtype).kind or (shape is not None and not _alike(shape, wanted.shape)):
            raise ManifestError(
                f"{path} gives {shown(name)} as {dtype} {'' if shape is None else _words(shape)}, its manifest says "
                f"{wanted.dtype} {_words(wanted.shape)}; {CURE}"
            )


def check_count(manifest: Manifest, count: int, path: object) -> None:
    """Raises ManifestError where a graph whose inputs have no names takes more or fewer than the manifest says."""
    if count != len(manifest.inputs):
        raise ManifestError(
            f"{path} takes {count} arrays, its manifest says {len(manifest.inputs)} ({', '.join(manifest.inputs)}); "
            f"{CURE}"
        )


def check_arrays(manifest: Manifest, arrays: Mapping[str, np.ndarray]) -> None:
    """Raises InputError for arrays that the graph does not take: some runtimes would convert them and see nonsense."""
    wanted = manifest.inputs
    if set(arrays) != set(wanted):
        raise InputError(f"got inputs {', '.join(arrays) or 'none'}, expected {', '.join(wanted)}; give each of them")
    sides, stride = np.shape(arrays[IMAGE])[1:3], manifest.input.stride
    if manifest.input.dynamic and any(side % stride for side in sides):
        raise InputError(
            f"got images of {'x'.join(map(str, sides))}, expected height and width in multiples of {stride}; resize or "
            "pad them"
        )
    for name, (dtype, shape) in wanted.items():
        array = np.asarray(arrays[name])
        if array.dtype != dtype or not _alike(array.shape, shape):
            raise InputError(
                f"got {name} of {array.dtype} {_words(array.shape)}, expected {dtype} {_words(shape)}; convert it"
            )


def _alike(shape: Sequence[int | None], wanted: Sequence[int | None]) -> bool:
    """Whether no axis contradicts the other's."""
    return len(shape) == len(wanted) and all(None in (a, b) or a == b for a, b in zip(shape, wanted, strict=True))


def _narrower(shape: Sequence[int | None], promised: Sequence[int | None]) -> bool:
    """Whether an axis has one length where any is promised."""
    return any(side is not None and wanted is None for side, wanted in zip(shape, promised, strict=True))


def _words(shape: Sequence[int | None]) -> str:
    return f"({', '.join('any' if side is None else str(side) for side in shape)})"
