"""What an exported file says about itself: what goes in, what comes out, and what the numbers mean.

A manifest travels inside the model file and lies beside it as `manifest.json`. Plain values only.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import hydranet.annotations as vocabulary
from hydranet.annotations import Annotation
from hydranet.core.cascade import Cascade
from hydranet.core.checks.json_text import parse_json
from hydranet.core.checks.names import check_classes, check_names, is_name, shown
from hydranet.core.checks.types import check_fields, fits
from hydranet.core.errors import MALFORMED, UserError
from hydranet.core.sample import DataError
from hydranet.deploy.camera_input import CAMERA, CameraInput
from hydranet.deploy.fitting import Fitting
from hydranet.deploy.manifest_faults import CURE, head_faults, input_faults, size_fault
from hydranet.deploy.moved import modern_manifest
from hydranet.postprocess.steps import kind_after

FORMAT = 5
"""Version of this layout; readers refuse a newer one and translate an older one."""

KEY = "hydranet"
"""Name of the manifest inside a model file."""

IMAGE = "image"
"""Name of the input that takes images."""

SCORE, IOU = "score_threshold", "iou_threshold"
"""Names of the inputs of a graph that suppresses boxes itself: float32 of shape (1,)."""


class ManifestError(UserError, ValueError):
    """A model file without a manifest that this version can read."""


@dataclass(frozen=True)
class Input:
    """The input `image`: uint8 (batch, height, width, 3), RGB.

    size:  height and width the network sees; with `dynamic` any other multiple of `stride` will do, too.
    sizes: those it was trained at, for a choice by the shape of an image, where it is `dynamic`.
    fit:   "none" = images come in the network's size (the predictor letterboxes them); "letterbox" and "stretch" =
           the graph fits frames of size `frame` into `size` itself.
    fitting: what whoever calls the graph does to images before; None where the graph fits them itself.
    frame: height and width of the images the graph takes, where it fits them itself.
    batch: images at once; None = any number.
    """

    size: tuple[int, int]
    dynamic: bool = False
    fit: str = "none"
    frame: tuple[int, int] | None = None
    batch: int | None = 1
    stride: int = 32
    sizes: tuple[tuple[int, int], ...] = ()
    name: str = IMAGE
    dtype: str = "uint8"
    layout: str = "bhwc"
    color: str = "RGB"
    fitting: Fitting | None = None


@dataclass(frozen=True)
class Output:
    """One array that the graph gives.

    shape: None for axes whose length varies.
    unit:  "px" (pixels of what the network sees, which is `Input.size`, also of a graph that fits frames itself),
           "px^2", or as the head's metadata says, such as "m"; "" = it has none: ids, shares, directions. Up to
           format 4 only numbers in a unit of the metadata had theirs.
    """

    dtype: str
    shape: tuple[int | None, ...]
    unit: str = ""


@dataclass(frozen=True)
class Head:
    """How the arrays of one task become an annotation, and what its ids mean.

    kind:     of what the graph gives, the name of a class in `hydranet.annotations`; steps after the graph may make
              another kind of it (`answer_kind`).    fields: its arrays that the graph gives, as `task.field`.
    metadata: the annotation's static fields, such as unit "m".
    classes:  names by id; colors: RGB by id.
    postprocess: steps of `hydranet.postprocess.steps` that come after the graph, with their options.
    inside:   whether the graph did those steps itself.
    score_threshold: boxes and lines below are not shown unless a caller asks for another threshold.
    """

    kind: str
    fields: tuple[str, ...]
    metadata: Mapping[str, Any] = field(default_factory=dict)
    classes: tuple[str, ...] = ()
    colors: tuple[tuple[int, int, int], ...] = ()
    postprocess: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    inside: bool = False
    score_threshold: float = 0.0

    def annotation(self, arrays: Mapping[str, Any]) -> Annotation:
        """The annotation of arrays by field name. Raises ManifestError for a head that lacks a part of its kind."""
        try:
            return kind_named(self.kind)(**{name: arrays[name] for name in self.fields}, **_tuples(self.metadata))
        except TypeError as error:
            raise ManifestError(f"got a head that is no {self.kind} ({error}); {CURE}") from error

    def unit_of(self, name: str) -> str:
        """What the numbers of one of its arrays are in; "" = they have no unit."""
        return kind_named(self.kind).unit_of(name, self.metadata)

    @property
    def answer_kind(self) -> type[Annotation]:
        """The kind of the answers: what the steps make of the graph's kind. Raises DataError for wrong steps."""
        return kind_after(kind_named(self.kind), self.postprocess)


@dataclass(frozen=True)
class TargetFiles:
    """What an export target wrote.

    files: those that belong together, the model first, by their names below the folder of the export.
    proof: whether they were compared with the network in PyTorch on the machine that made them.
    """

    files: tuple[str, ...]
    proof: str


@dataclass(frozen=True)
class Manifest:
    """Everything that an exported file says about itself.

    name: of the run.    recipe: digest of the recipe.    data: sources the weights were trained on.
    protocol: source -> task -> how its report was measured; empty where there is no report.
    precision: of the weights.    versions: of the packages that made the file.
    files: file name, below the folder of the export -> sha256; only in `manifest.json`, since no file can hold its own.
    targets: export target -> its files, and whether they were proven; only in `manifest.json`.
    camera: None = not needed.
    cascades: boxes that are cut out and shown to other heads: those of this graph, where it takes any size and has
        them, else those of the graph of the same file name in the folder `Cascade.folder` beside this one.
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
    targets: Mapping[str, TargetFiles] = field(default_factory=dict)
    camera: CameraInput | None = None
    cascades: tuple[Cascade, ...] = ()
    format: int = FORMAT

    @property
    def thresholds(self) -> bool:
        """Whether the graph takes the thresholds of its suppression as inputs."""
        return any(head.inside for head in self.heads.values())

    @property
    def inputs(self) -> dict[str, tuple[str, tuple[int | None, ...]]]:
        """Type and shape of each input by name, in the graph's order; None for axes whose length varies."""
        camera = {CAMERA: ("float32", (self.input.batch, 4))} if self.camera and not self.camera.fixed else {}
        thresholds = dict.fromkeys((SCORE, IOU), ("float32", (1,))) if self.thresholds else {}
        return {IMAGE: (self.input.dtype, self.image_shape), **camera, **thresholds}

    def outputs_of(self, task: str) -> tuple[str, ...]:
        """Names of the arrays of one task, `task.field`."""
        return tuple(f"{task}.{name}" for name in self.heads[task].fields)

    def to_json(self) -> str:
        """The manifest as text."""
        return json.dumps(asdict(self), indent=2)

    @property
    def image_shape(self) -> tuple[int | None, ...]:
        """Shape of the array that `image` takes, with None for axes whose length varies."""
        sides = (None, None) if self.input.dynamic else self.input.frame or self.input.size
        return self.input.batch, *sides, 3

    @staticmethod
    def from_json(text: str) -> "Manifest":
        """The inverse of `to_json`. Raises ManifestError for what is none, or is of a newer format."""
        try:
            tree = parse_json(text)
            if tree["format"] > FORMAT:
                raise ManifestError(
                    f"got a manifest of format {tree['format']}, expected at most {FORMAT}; update hydranet"
                )
            tree = modern_manifest(tree) if tree["format"] < FORMAT else tree
            return _sound(
                Manifest(
                    **_tuples(tree)
                    | {
                        "input": _input(tree["input"]),
                        "heads": {name: Head(**_tuples(head)) for name, head in tree["heads"].items()},
                        "outputs": {name: Output(**_tuples(output)) for name, output in tree["outputs"].items()},
                        "targets": {name: TargetFiles(**_tuples(one)) for name, one in tree.get("targets", {}).items()},
                        "camera": CameraInput(**_tuples(camera)) if (camera := tree.get("camera")) else None,
                        "cascades": tuple(Cascade(**_tuples(one)) for one in tree.get("cascades", ())),
                    }
                )
            )
        except MALFORMED as error:
            if isinstance(error, ManifestError):
                raise
            raise ManifestError(f"this is no manifest of a HydraNet export ({error}); export the run again") from error


def _input(tree: Mapping[str, Any]) -> Input:
    given = _tuples(tree)
    return Input(**given | {"fitting": Fitting(**rule) if (rule := given.get("fitting")) else None})


def kind_named(name: str) -> type[Annotation]:
    """The kind of annotation with this name. Raises ManifestError for an unknown one."""
    kinds = {kind.__name__: kind for kind in vocabulary.Annotation.KINDS}
    if name not in kinds:
        raise ManifestError(f"got an output of kind {name!r}, expected one of {', '.join(kinds)}; update hydranet")
    return kinds[name]


def _sound(manifest: Manifest) -> Manifest:
    """The manifest itself. Raises ManifestError where its parts contradict each other."""
    check_names(manifest.heads, "head")
    for name, head in manifest.heads.items():
        _check_steps(name, head)
        check_classes(head.classes, f"head {name!r}")
    for name in manifest.outputs:
        task, _, of = name.partition(".")
        if not (is_name(task) and of.isidentifier() and of.isascii()):
            raise ManifestError(f"got an output named {shown(name)} in the manifest, expected task.field; {CURE}")
    if fault := size_fault(manifest.input):
        raise ManifestError(fault)
    for part in (
        manifest,
        manifest.input,
        *manifest.heads.values(),
        *manifest.outputs.values(),
        *manifest.targets.values(),
        *filter(None, (manifest.input.fitting,)),
        *filter(None, (manifest.camera,)),
    ):
        check_fields(part)
    for fault in input_faults(manifest.input):
        raise ManifestError(fault)
    for name, head in manifest.heads.items():
        kind = kind_named(head.kind)
        if odd := sorted({*head.metadata} - {*kind.metadata()} | {*head.fields} - {*kind.arrays()}):
            raise ManifestError(f"got {', '.join(map(shown, odd))} in head {name!r}, no part of a {head.kind}; {CURE}")
    absent = [name for task in manifest.heads for name in manifest.outputs_of(task) if name not in manifest.outputs]
    if absent:
        raise ManifestError(f"got heads without their outputs {', '.join(absent)} in the manifest; {CURE}")
    for fault in head_faults(manifest):
        raise ManifestError(fault)
    return manifest


def _check_steps(name: str, head: Head) -> None:
    """Raises ManifestError for a kind, a step or an option that is not known, or for steps that do not take the kind.

    Wrong types are left to `check_fields`.
    """
    kind_named(head.kind)
    if not fits(head.postprocess, Mapping[str, Mapping[str, float]]):
        raise ManifestError(f"got steps {shown(head.postprocess)} of head {shown(name)}, expected a table of tables")
    if head.inside and "nms" not in head.postprocess:
        raise ManifestError(f"got head {shown(name)} that suppresses inside its graph without step 'nms'; {CURE}")
    try:
        _ = head.answer_kind
    except DataError as error:
        raise ManifestError(f"head {shown(name)}: {error}") from error


def parse(text: str | bytes | None, path: object) -> Manifest:
    """The manifest of a model file. Raises ManifestError where there is none."""
    if not text:
        raise ManifestError(f"{path} holds no manifest; give a file that `hydranet export` wrote")
    try:
        return Manifest.from_json(text.decode() if isinstance(text, bytes) else text)
    except UnicodeDecodeError as error:
        raise ManifestError(f"{path}: its manifest is no text ({error}); {CURE}") from error
    except ManifestError as error:
        raise ManifestError(f"{path}: {error}") from error


def _tuples(tree: Mapping[str, Any]) -> dict[str, Any]:
    """JSON's lists as tuples."""

    def one(value: Any) -> Any:
        return tuple(map(one, value)) if isinstance(value, list) else value

    return {name: one(value) for name, value in tree.items()}
