"""What a label is, and what a prediction is.

The one closed vocabulary of HydraNet. Everything else (drawing, augmentation, metrics, messages) is written once
per *kind* of annotation defined here, never once per task. The arrays may be numpy arrays or torch tensors; this file
imports neither. Shapes below are those of one image; a stacked or predicted annotation has a batch axis in front.

Pixel coordinates follow the continuous convention: the center of the top-left pixel is (0.5, 0.5), an image of width
w spans 0..w. Camera axes are x right, y down, z forward.
"""

from dataclasses import dataclass, field, fields, replace
from typing import Any, ClassVar, TypeVar

Array = Any
"""A numpy array or a torch tensor; each docstring states which one, and its shape."""

UNKNOWN_ID = 255
"""The class id for "unknown" in every `ClassMap`."""

NO_BOX = -1
"""The label of a padding row in stacked `Boxes`, `Polylines` or `Keypoints`."""

OTHER_CLASS = -2
"""The label of an ignored box around an object whose class the task does not have."""


def static(default: Any) -> Any:
    """A field that is metadata (units, permutations), not an array: it is compared, never stacked."""
    return field(default=default, metadata={"static": True})


@dataclass(frozen=True, eq=False)
class Annotation:
    """Common parent of the kinds; `arrays` and `metadata` name what a kind carries."""

    KINDS: ClassVar[tuple[type["Annotation"], ...]] = ()

    def __init_subclass__(cls) -> None:
        Annotation.KINDS = (*Annotation.KINDS, cls)

    @classmethod
    def arrays(cls) -> tuple[str, ...]:
        """Names of the fields that hold arrays (some may be None in an instance)."""
        return tuple(f.name for f in fields(cls) if not f.metadata.get("static"))

    @classmethod
    def metadata(cls) -> tuple[str, ...]:
        """Names of the static fields."""
        return tuple(f.name for f in fields(cls) if f.metadata.get("static"))


@dataclass(frozen=True, eq=False)
class ClassMap(Annotation):
    """A class for every pixel: segmentation, drivable area, lane masks, binary edges.

    ids:   uint8 h w; 255 = unknown.
    probs: float c h w or None; class probabilities, for soft labels.
    annotated_classes: bool c or None; the classes the annotator looked for. None = all of the task's classes.
           A pixel's class is certain only among these: an unlisted class is neither right nor wrong.
    """

    ids: Array
    probs: Array | None = None
    annotated_classes: Array | None = None


@dataclass(frozen=True, eq=False)
class ScalarMap(Annotation):
    """A number for every pixel: depth, disparity, edge strength.

    values: float h w in `unit`; NaN = unknown.
    unit:   "m" (a distance: divided by the factor when the image is zoomed into), "px" (a horizontal shift in
            the image: multiplied by it), "" (unchanged).
    """

    values: Array
    unit: str = static("")


@dataclass(frozen=True, eq=False)
class NormalMap(Annotation):
    """A surface direction for every pixel.

    xyz: float 3 h w; unit vectors in camera axes, facing the camera (z < 0 for visible surfaces); NaN = unknown.
    """

    xyz: Array


@dataclass(frozen=True, eq=False)
class Boxes(Annotation):
    """Axis-aligned boxes. n = 0 means that somebody looked and there is none; no `Boxes` at all, that nobody looked.

    xyxy:       float n 4, left top right bottom in pixels.
    label:      int n; class index; -1 = padding row, or with `ignore` a region that may hold any class; -2 (with
                `ignore`) = one object of a class that the task does not have.
    score:      float n in 0..1 or None; confidence of a prediction.
    ignore:     bool n or None; regions that are neither object nor background (DontCare, crowd, foreign classes).
    truncation: float n in 0..1 or None; part outside the image.    occlusion: int n or None; KITTI's 0..3.
    track:      int n or None; identity over a sequence.
    annotated_classes: bool c or None; the classes the annotator looked for, as in `ClassMap`.
    """

    xyxy: Array
    label: Array
    score: Array | None = None
    ignore: Array | None = None
    truncation: Array | None = None
    occlusion: Array | None = None
    track: Array | None = None
    annotated_classes: Array | None = None


@dataclass(frozen=True, eq=False)
class Polylines(Annotation):
    """Curves such as lane lines, ordered from near to far.

    points: float n p 2, pixels.    valid: bool n p; False = no point here (padding, or left the image).
    label:  int n or None; class index, -1 = padding row.    score: float n in 0..1 or None.
    """

    points: Array
    valid: Array
    label: Array | None = None
    score: Array | None = None


@dataclass(frozen=True, eq=False)
class Keypoints(Annotation):
    """Named points of n instances with k points each.

    xy:      float n k 2, pixels.
    visible: int n k; 0 = unknown, 1 = known but hidden, 2 = visible (COCO).
    score:   float n k in 0..1 or None.
    mirror:  for each of the k points the index of its left-right counterpart; empty = no point has another one.
    """

    xy: Array
    visible: Array
    score: Array | None = None
    mirror: tuple[int, ...] = static(())


@dataclass(frozen=True, eq=False)
class Tag(Annotation):
    """One class for the whole image: a sign, a gender.

    label:  int (0-d); class index, 255 = unknown.    probs: float c or None.
    mirror: class after a left-right flip, by class; -1 = the flipped image belongs to no class (such a sample is
            never flipped); empty = a flip changes nothing.
    """

    label: Array
    probs: Array | None = None
    mirror: tuple[int, ...] = static(())


@dataclass(frozen=True, eq=False)
class Quantity(Annotation):
    """One number for the whole image, such as an age.

    value: float (0-d) in the unit the task names; NaN = unknown.
    """

    value: Array


Rows = TypeVar("Rows", bound="Boxes | Polylines | Keypoints")


def rows(label: Rows, index: Any) -> Rows:
    """The instances that `index` (int or bool array) chooses, in every array that has one row per instance."""
    names = [name for name in label.arrays() if name != "annotated_classes"]
    chosen = {name: value[index] for name in names if (value := getattr(label, name)) is not None}
    return replace(label, **chosen)
