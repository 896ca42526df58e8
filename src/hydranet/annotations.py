"""What a label is, and what a prediction is.

The one closed vocabulary of HydraNet. Everything else (drawing, augmentation, metrics, messages) is written once
per *kind* of annotation defined here, never once per task. The arrays may be numpy arrays or torch tensors; this file
imports neither. Shapes below are those of one image; a stacked or predicted annotation has a batch axis in front.

Pixel coordinates follow the continuous convention: the center of the top-left pixel is (0.5, 0.5), an image of width
w spans 0..w. Camera axes are x right, y down, z forward.
"""

import math
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields, replace
from functools import cache
from types import MappingProxyType
from typing import Any, ClassVar, Literal, TypeVar

Array = Any
"""A numpy array or a torch tensor; each docstring states which one, and its shape."""

UNKNOWN_ID = 255
"""The class id for "unknown" in every `ClassMap`."""

NO_BOX = -1
"""The label of a padding row in stacked `Boxes`, `Polylines` or `Keypoints`."""

OTHER_CLASS = -2
"""The label of an ignored box around an object whose class the task does not have."""


@dataclass(frozen=True)
class Role:
    """What one array of a kind is, so that stacking, choosing rows and joining need not know the kind.

    per:     what its first axis counts: "image" = the array belongs to the image as a whole (a map, a number);
             "instance" = one row per instance; "class" = one entry per class of the task, whatever the image holds.
    padding: what the rows hold that stacking adds to images with fewer instances.
    absent:  what the array holds for an image that lacks it, beside images that have it; None = all images of a batch
             must have it, or none.
    ragged:  its second axis has a length of its own in each image (points of a line) and is padded, too.
    unit:    what its numbers are in, "px" (of the image that it belongs to), "px^2" or "m"; "" = they have none (ids,
             shares, directions).    unit_field: the static field that names it instead, where it differs.
    """

    per: Literal["image", "instance", "class"] = "image"
    padding: float = 0
    absent: float | None = None
    ragged: bool = False
    unit: str = ""
    unit_field: str = ""


IMAGE, INSTANCE = Role(), Role("instance")
CLASS = Role("class", absent=True)
LABEL, SCORE = Role("instance", padding=NO_BOX), Role("instance", absent=1.0)
OPTIONAL_LABEL = Role("instance", padding=NO_BOX, absent=0)
PLACE, UNIT = Role("instance", unit="px"), Role(unit_field="unit")
IGNORE, TRACK = Role("instance", padding=False, absent=False), Role("instance", padding=NO_BOX, absent=NO_BOX)
"""Roles that several kinds share."""


def array(role: Role, default: Any = MISSING) -> Any:
    """A field that holds an array, and what its axes are."""
    return field(default=default, metadata={"role": role})


def static(default: Any) -> Any:
    """A field that is metadata (units, permutations), not an array: it is compared, never stacked."""
    return field(default=default, metadata={"static": True})


class UnknownKind(TypeError):
    """A kind of annotation that an operation does not know yet."""

    def __init__(self, operation: str, kind: type, file: str) -> None:
        super().__init__(f"no {operation} for a {kind.__name__}; add one in {file}")


@dataclass(frozen=True, eq=False)
class Annotation:
    """Common parent of the kinds; `arrays` and `metadata` name what a kind carries.

    Whatever is done with annotations is a `functools.singledispatch` function with one registered function per kind;
    where an operation means nothing for a kind, that is registered, too. An unregistered kind raises `UnknownKind`.
    A kind whose fields are neither `array` nor `static` raises TypeError where it is defined.
    """

    KINDS: ClassVar[tuple[type["Annotation"], ...]] = ()

    def __init_subclass__(cls, abstract: bool = False) -> None:
        if abstract:
            return
        for name in cls.__annotations__:
            given = cls.__dict__.get(name)
            if not (given and {"role", "static"} & given.metadata.keys()):
                raise TypeError(f"{cls.__name__}.{name} does not say what it is; make it an `array` or `static` field")
        Annotation.KINDS = (*Annotation.KINDS, cls)

    @classmethod
    @cache
    def roles(cls) -> Mapping[str, Role]:
        """What each array is, by field."""
        return MappingProxyType({f.name: f.metadata["role"] for f in fields(cls) if "role" in f.metadata})

    @classmethod
    @cache
    def arrays(cls, per: str = "") -> tuple[str, ...]:
        """Names of the fields that hold arrays (some may be None in an instance), or of those with this `Role.per`."""
        return tuple(name for name, role in cls.roles().items() if per in ("", role.per))

    @classmethod
    def unit_of(cls, name: str, metadata: Mapping[str, Any]) -> str:
        """What the numbers of an array are in (`Role.unit`), by its name and the values of the static fields."""
        role = cls.roles()[name]
        return str(metadata.get(role.unit_field, "")) if role.unit_field else role.unit

    @classmethod
    def metadata(cls) -> tuple[str, ...]:
        """Names of the static fields."""
        return tuple(f.name for f in fields(cls) if f.metadata.get("static"))


def given(annotation: Annotation, per: str = "") -> dict[str, Array]:
    """The arrays that an annotation has, by field; with `per`, those whose first axis counts that (`Role.per`)."""
    values = {name: getattr(annotation, name) for name in annotation.arrays(per)}
    return {name: value for name, value in values.items() if value is not None}


@dataclass(frozen=True, eq=False)
class ClassMap(Annotation):
    """A class for every pixel: segmentation, drivable area, lane masks, binary edges.

    ids:   uint8 h w; 255 = unknown.
    probs: float c h w or None; class probabilities, for soft labels.
    annotated_classes: bool c or None; the classes the annotator looked for. None = all of the task's classes.
           A pixel's class is certain only among these: an unlisted class is neither right nor wrong.
    confidence: float h w or None; the probability of the class in `ids`, 0 where that is unknown. Of predictions.
    """

    ids: Array = array(IMAGE)
    probs: Array | None = array(IMAGE, None)
    annotated_classes: Array | None = array(CLASS, None)
    confidence: Array | None = array(IMAGE, None)


@dataclass(frozen=True, eq=False)
class ScalarMap(Annotation):
    """A number for every pixel: depth, disparity, edge strength.

    values: float h w in `unit`; NaN = unknown; inf as a label in meters = farther than anybody measures: the sky.
    unit:   "m" (a distance: divided by the factor when the image is zoomed into), "px" (a horizontal shift in
            the image: multiplied by it), "" (unchanged).
    """

    values: Array = array(UNIT)
    unit: str = static("")


@dataclass(frozen=True, eq=False)
class NormalMap(Annotation):
    """A surface direction for every pixel.

    xyz: float 3 h w; unit vectors in camera axes, facing the camera (z < 0 for visible surfaces); NaN = unknown.
    """

    xyz: Array = array(IMAGE)


class Instances(Annotation, abstract=True):
    """Any number of things in one image, a row each; n = 0: somebody looked and there is none. No annotation at all:
    nobody looked. What all kinds of instances carry, in one meaning (each kind declares the fields, its own first):

    label:  int n; class index; -1 = padding row, or with `ignore` a region that may hold any class; -2 (with `ignore`)
            = one object of a class that the task does not have. None = there is one class only.
    score:  float n in 0..1 or None; confidence of a prediction. None = sure, as an annotator is.
    ignore: bool n or None; instances that are neither object nor background (DontCare, crowd, foreign classes).
    track:  int n or None; identity over a sequence, -1 = none.
    annotated_classes: bool c or None; the classes the annotator looked for, as in `ClassMap`.
    """

    label: Array | None
    score: Array | None
    ignore: Array | None
    track: Array | None
    annotated_classes: Array | None

    def __init_subclass__(cls, abstract: bool = False) -> None:
        missing = [name for name in Instances.__annotations__ if name not in cls.__annotations__]
        if missing and not abstract:
            raise TypeError(f"{cls.__name__} is a kind of instances without {', '.join(missing)}; declare these fields")
        super().__init_subclass__(abstract)


@dataclass(frozen=True, eq=False)
class Boxes(Instances):
    """Axis-aligned boxes.

    xyxy:       float n 4, left top right bottom in pixels.
    label:      int n; never None.    score, ignore, track, annotated_classes: as in `Instances`.
    truncation: float n in 0..1 or None; part outside the image.    occlusion: int n or None; KITTI's 0..3.
    distance_m: float n or None; how far the object is along the camera's axis, NaN = unknown.
    value: float n or None; a number that a head gives each object, such as an age, in `value_unit`; NaN = unknown.
    """

    xyxy: Array = array(PLACE)
    label: Array = array(LABEL)
    score: Array | None = array(SCORE, None)
    ignore: Array | None = array(IGNORE, None)
    truncation: Array | None = array(Role("instance", absent=0.0), None)
    occlusion: Array | None = array(Role("instance", padding=3, absent=0), None)
    track: Array | None = array(TRACK, None)
    annotated_classes: Array | None = array(CLASS, None)
    distance_m: Array | None = array(Role("instance", padding=math.nan, absent=math.nan, unit="m"), None)
    value: Array | None = array(Role("instance", padding=math.nan, absent=math.nan, unit_field="value_unit"), None)
    value_unit: str = static("")


@dataclass(frozen=True, eq=False)
class Polylines(Instances):
    """Curves such as lane lines, ordered from near to far.

    points: float n p 2, pixels.    valid: bool n p; False = no point here (padding, or left the image).
    label, score, ignore, track, annotated_classes: as in `Instances`.
    mirror: class after a left-right flip, by class, where classes are places (the line on the left becomes the one on
            the right); empty = a flip changes no class.
    """

    points: Array = array(Role("instance", ragged=True, unit="px"))
    valid: Array = array(Role("instance", padding=False, ragged=True))
    label: Array | None = array(OPTIONAL_LABEL, None)
    score: Array | None = array(SCORE, None)
    ignore: Array | None = array(IGNORE, None)
    track: Array | None = array(TRACK, None)
    annotated_classes: Array | None = array(CLASS, None)
    mirror: tuple[int, ...] = static(())


@dataclass(frozen=True, eq=False)
class Keypoints(Instances):
    """Named points of n instances with k points each.

    xy:      float n k 2, pixels.
    visible: int n k; 0 = unknown, 1 = known but hidden, 2 = visible (COCO).
    label, score, ignore, track, annotated_classes: as in `Instances`. `score` is that of the instance, by which AP
             ranks; `point_score` that of each point, by which points are shown or not.
    point_score: float n k in 0..1 or None.
    area:    float n, square pixels, or None; size of the instance, the s^2 of COCO's OKS. In a crop still that of the
             whole instance.
    xyxy:    float n 4, left top right bottom in pixels, or None; the box around the instance where it is labeled, NaN
             = not known. Of an instance without a known point (a crowd) it is all that is known.
    mirror:  for each of the k points the index of its left-right counterpart; empty = no point has another one.
    """

    xy: Array = array(PLACE)
    visible: Array = array(INSTANCE)
    label: Array | None = array(OPTIONAL_LABEL, None)
    score: Array | None = array(SCORE, None)
    point_score: Array | None = array(SCORE, None)
    area: Array | None = array(Role("instance", unit="px^2"), None)
    xyxy: Array | None = array(Role("instance", absent=math.nan, unit="px"), None)
    ignore: Array | None = array(IGNORE, None)
    track: Array | None = array(TRACK, None)
    annotated_classes: Array | None = array(CLASS, None)
    mirror: tuple[int, ...] = static(())


@dataclass(frozen=True, eq=False)
class Tag(Annotation):
    """One class for the whole image: a sign, a gender.

    label:  int (0-d); class index, 255 = unknown.    probs: float c or None.
    mirror: class after a left-right flip, by class; -1 = the flipped image belongs to no class (such a sample is
            never flipped); empty = a flip changes nothing.
    """

    label: Array = array(IMAGE)
    probs: Array | None = array(IMAGE, None)
    mirror: tuple[int, ...] = static(())


@dataclass(frozen=True, eq=False)
class Quantity(Annotation):
    """One number for the whole image, such as an age.

    value: float (0-d) in `unit`; NaN = unknown.    unit: as people write it, such as "years"; "" = not said.
    """

    value: Array = array(UNIT)
    unit: str = static("")


def row_count(label: Annotation) -> int:
    """How many rows one image's instances have, padding included."""
    return len(getattr(label, label.arrays("instance")[0]))


Rows = TypeVar("Rows", bound=Instances)


def rows(label: Rows, index: Any) -> Rows:
    """The instances that `index` (int or bool array) chooses, in every array that has one row per instance."""
    return replace(label, **{name: value[index] for name, value in given(label, "instance").items()})
