"""What an exported file says about itself: what goes in, what comes out, and what the numbers mean.

A manifest travels inside the model file and lies beside it as `manifest.json`. Plain values only.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import hydranet.annotations as vocabulary
from hydranet.annotations import Annotation
from hydranet.core.errors import UserError

FORMAT = 1
"""Version of this layout; readers refuse a newer one."""

KEY = "hydranet"
"""Name of the manifest inside a model file."""

IMAGE = "image"
"""Name of the input that takes pictures."""

SCORE, IOU = "score_threshold", "iou_threshold"
"""Names of the inputs of a graph that suppresses boxes itself: float32 of shape (1,)."""


class ManifestError(UserError, ValueError):
    """A model file that does not say, in words we know, what it is."""


@dataclass(frozen=True)
class Input:
    """The input `image`: uint8 (batch, height, width, 3), RGB.

    size:  height and width the network sees; with `dynamic` any other multiple of `stride` will do, too.
    fit:   "none" = pictures come in the network's size (the predictor letterboxes them); "letterbox" and "stretch" =
           the graph fits frames of size `frame` into `size` itself.
    frame: height and width of the pictures the graph takes, where it fits them itself.
    batch: pictures at once; None = any number.
    """

    size: tuple[int, int]
    dynamic: bool = False
    fit: str = "none"
    frame: tuple[int, int] | None = None
    batch: int | None = 1
    stride: int = 32
    name: str = IMAGE
    dtype: str = "uint8"
    layout: str = "bhwc"
    colour: str = "RGB"


@dataclass(frozen=True)
class Output:
    """One array that the graph gives: `shape` with None for axes whose length varies; `unit` where it has one."""

    dtype: str
    shape: tuple[int | None, ...]
    unit: str = ""


@dataclass(frozen=True)
class Head:
    """How the arrays of one task become an annotation, and what its ids mean.

    kind:     name of a class in `hydranet.annotations`.    fields: its arrays that the graph gives, as `task.field`.
    metadata: the annotation's static fields, such as unit "m".
    classes:  names by id; colours: RGB by id.
    post:     steps of `hydranet.deploy.post.finished` that come after the graph, with their options.
    inside:   whether the graph did those steps itself.
    score:    boxes and lines below are not shown unless a caller asks for another threshold.
    """

    kind: str
    fields: tuple[str, ...]
    metadata: Mapping[str, Any] = field(default_factory=dict)
    classes: tuple[str, ...] = ()
    colours: tuple[tuple[int, int, int], ...] = ()
    post: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    inside: bool = False
    score: float = 0.0

    def annotation(self, arrays: Mapping[str, Any]) -> Annotation:
        """The annotation of arrays by field name."""
        return kind_named(self.kind)(**{name: arrays[name] for name in self.fields}, **_tuples(self.metadata))


@dataclass(frozen=True)
class Manifest:
    """All of it.

    name: of the run.    recipe: digest of the recipe.    data: sources the weights were trained on.
    protocol: source -> task -> how its report was measured; empty where there is no report.
    precision: of the weights.    versions: of the packages that made the file.
    files: file name -> sha256; only in `manifest.json`, since no file can hold its own.
    """

    name: str
    input: Input
    heads: Mapping[str, Head]
    outputs: Mapping[str, Output]
    recipe: str = ""
    data: tuple[str, ...] = ()
    protocol: Mapping[str, Any] = field(default_factory=dict)
    precision: str = "fp32"
    versions: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    format: int = FORMAT

    @property
    def thresholds(self) -> bool:
        """Whether the graph takes the thresholds of its suppression as inputs."""
        return any(head.inside for head in self.heads.values())

    def outputs_of(self, task: str) -> tuple[str, ...]:
        """Names of the arrays of one task, `task.field`."""
        return tuple(f"{task}.{name}" for name in self.heads[task].fields)

    def to_json(self) -> str:
        """The manifest as text."""
        return json.dumps(asdict(self), indent=2)

    @staticmethod
    def from_json(text: str) -> "Manifest":
        """The inverse of `to_json`. Raises ManifestError for what is none, or is of a newer format."""
        try:
            tree = json.loads(text)
            if tree["format"] > FORMAT:
                raise ManifestError(
                    f"got a manifest of format {tree['format']}, expected at most {FORMAT}; update hydranet"
                )
            return Manifest(
                **_tuples(tree)
                | {
                    "input": Input(**_tuples(tree["input"])),
                    "heads": {name: Head(**_tuples(head)) for name, head in tree["heads"].items()},
                    "outputs": {name: Output(**_tuples(output)) for name, output in tree["outputs"].items()},
                }
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            if isinstance(error, ManifestError):
                raise
            raise ManifestError(f"this is no manifest of a HydraNet export ({error}); export the run again") from error


def kind_named(name: str) -> type[Annotation]:
    """The kind of annotation with this name. Raises ManifestError for an unknown one."""
    kinds = {kind.__name__: kind for kind in vocabulary.Annotation.KINDS}
    if name not in kinds:
        raise ManifestError(f"got an output of kind {name!r}, expected one of {', '.join(kinds)}; update hydranet")
    return kinds[name]


def parse(text: str | None, path: object) -> Manifest:
    """The manifest found in a model file. Raises ManifestError where there is none."""
    if not text:
        raise ManifestError(f"{path} holds no manifest; give a file that `hydranet export` wrote")
    return Manifest.from_json(text)


def _tuples(tree: Mapping[str, Any]) -> dict[str, Any]:
    """JSON's lists as tuples."""

    def one(value: Any) -> Any:
        return tuple(map(one, value)) if isinstance(value, list) else value

    return {name: one(value) for name, value in tree.items()}
