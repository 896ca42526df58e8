"""What is shipped: one module from uint8 frames to decoded arrays."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from hydranet.annotations import Annotation
from hydranet.core.sample import Camera, intrinsics
from hydranet.core.spec import SpecError
from hydranet.deploy.camera_input import CAMERA
from hydranet.deploy.manifest import IMAGE, IOU, SCORE
from hydranet.export.passes.fold_batchnorm import folded
from hydranet.export.passes.nms import Suppress
from hydranet.export.passes.resize import Resize, view_of
from hydranet.export.passes.rewrite_narrow_convs import narrowed
from hydranet.models.hydranet import HydraNet
from hydranet.transforms.view import View


@dataclass(frozen=True)
class Shape:
    """What a graph takes and how it prepares it; the fields mean the same as in `hydranet.deploy.manifest.Input`.

    size:  height and width the network sees.    dynamic: the graph takes other multiples of the stride, too.
    batch: images at once; None = any number.
    focal_px: bakes one camera in, of this focal length in pixels of the images that go in, which looks through their
           middle; None = heads that need the camera get it as an input.
    nms:   "outside" = candidates leave the graph; "inside" = the graph suppresses, with thresholds as inputs.
    """

    size: tuple[int, int]
    dynamic: bool = False
    batch: int | None = 1
    fit: str = "none"
    frame: tuple[int, int] | None = None
    nms: str = "outside"
    focal_px: float | None = None

    def __post_init__(self) -> None:
        if self.fit not in ("none", "letterbox", "stretch"):
            raise SpecError(f"got fit={self.fit!r}, expected 'none', 'letterbox' or 'stretch'")
        if self.nms not in ("outside", "inside"):
            raise SpecError(f"got nms={self.nms!r}, expected 'outside' or 'inside'")
        if self.focal_px is not None and not 0 < self.focal_px < math.inf:
            raise SpecError(
                f"got focal_px={self.focal_px}, expected a focal length above 0 in pixels of the images the file takes"
            )
        if self.fit == "none" and self.frame is not None:
            raise SpecError(f"got frames of {self.frame} without a way to fit them; add --fit letterbox or stretch")
        if self.fit != "none" and (self.frame is None or self.dynamic):
            raise SpecError(
                f"got fit={self.fit!r} without the size of the camera's frames or with a dynamic size; a graph fits "
                "frames of one size into one size: give --frame 720x1280 and --size, or --fit none"
            )

    @property
    def taken(self) -> tuple[int, int]:
        """Height and width of the images that go in."""
        return self.frame if self.fit != "none" and self.frame else self.size


class ExportGraph(nn.Module):
    """uint8 b h w 3 RGB frames to the arrays of all heads.

    Further inputs follow the frames, in the order of `inputs`: cameras, float32 b 4 (fx, fy, cx, cy in pixels of the
    frames), where a head needs them and none is baked in; with suppression inside, score and IoU thresholds, float32 of
    shape (1,).
    """

    def __init__(self, model: HydraNet, shape: Shape) -> None:
        super().__init__()
        self.model, self.shape = model.eval(), shape
        self.onnx_model: Any = None
        self.resize = Resize(shape.taken, shape.size, shape.fit) if shape.fit != "none" else None
        steps = {name: task.postprocess_steps() for name, task in model.tasks.items()} if shape.nms == "inside" else {}
        self.inside = nn.ModuleDict(
            {n: Suppress(int(s["nms"]["max_detections"])) for n, s in steps.items() if "nms" in s}
        )
        if shape.nms == "inside" and not self.inside:
            raise SpecError(f"got nms='inside', but no head of {', '.join(model.tasks)} finds boxes; leave it out")
        if shape.focal_px is not None and not model.needs_camera:
            raise SpecError(
                f"got focal_px={shape.focal_px:g}, but no head of {', '.join(model.tasks)} needs the camera; leave it "
                "out"
            )
        view = View.identity(shape.size) if self.resize is None else view_of(shape.taken, shape.size, shape.fit)
        scale, shift = [*view.scale] * 2, [0.0, 0.0, *view.matrix[:2, 2]]
        self.register_buffer("camera_scale", torch.tensor(scale, dtype=torch.float32), persistent=False)
        self.register_buffer("camera_shift", torch.tensor(shift, dtype=torch.float32), persistent=False)
        fixed = intrinsics([None if shape.focal_px is None else Camera.centered(shape.focal_px, shape.taken)])
        self.register_buffer("fixed_camera", torch.from_numpy(fixed), persistent=False)

    def forward(self, image: UInt8[Tensor, "b h w 3"], *others: Tensor) -> tuple[Tensor, ...]:
        return tuple(array for answer in self.answers(image, *others).values() for array in present(answer).values())

    def answers(self, image: UInt8[Tensor, "b h w 3"], *others: Tensor) -> dict[str, Annotation]:
        """The stacked annotation of each task."""
        given = dict(zip(self.inputs[1:], others, strict=True))
        pixels = image.float().permute(0, 3, 1, 2)  # the cast first: TensorRT takes uint8 at a graph's border only
        pixels = pixels if self.resize is None else self.resize(pixels)
        decoded: dict[str, Annotation] = self.model.decode(self.model(pixels / 255.0), self._camera(given.get(CAMERA)))
        thresholds = [given[name] for name in (SCORE, IOU) if name in given]
        return {n: self.inside[n](a, *thresholds) if n in self.inside else a for n, a in decoded.items()}

    def _camera(self, given: Float[Tensor, "b 4"] | None) -> Float[Tensor, "b 4"] | None:
        """The cameras in pixels of what the network sees; one row for all images, where it is baked in."""
        if not self.model.needs_camera:
            return None
        camera = self.get_buffer("fixed_camera") if given is None else given
        if self.resize is None:
            return camera
        return camera * self.get_buffer("camera_scale") + self.get_buffer("camera_shift")

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of what it takes, in order."""
        camera = (CAMERA,) if self.model.needs_camera and self.shape.focal_px is None else ()
        return (IMAGE, *camera, *((SCORE, IOU) if self.thresholds else ()))

    @property
    def thresholds(self) -> bool:
        """Whether it takes thresholds."""
        return len(self.inside) > 0


def present(annotation: Annotation) -> dict[str, Tensor]:
    """The arrays that an annotation has, by field."""
    return {name: value for name in annotation.arrays() if (value := getattr(annotation, name)) is not None}


def example(shape: Shape, inputs: Sequence[str] = (IMAGE,)) -> tuple[Tensor, ...]:
    """Inputs to trace with, by their names: noise, so that no operation sees a special case."""
    generator = torch.Generator().manual_seed(0)
    batch = 2 if shape.batch is None else shape.batch
    height, width = shape.taken
    made = {
        IMAGE: torch.randint(0, 256, (batch, height, width, 3), dtype=torch.uint8, generator=generator),
        CAMERA: torch.tensor([width, 1.1 * width, width / 2, height / 2]) * torch.linspace(0.8, 1, batch)[:, None],
        SCORE: torch.tensor([0.25]),
        IOU: torch.tensor([0.5]),
    }
    return tuple(made[name] for name in inputs)


def plain(model: HydraNet, heads: Sequence[str] | None, shape: Shape) -> ExportGraph:
    """The chosen heads (default: all) as they were trained: what files are compared with."""
    return ExportGraph(model.subset(*heads) if heads else model, shape)


def shipped(model: HydraNet, heads: Sequence[str] | None, shape: Shape) -> ExportGraph:
    """A faster copy of the same: every BatchNorm folded, convolutions to few channels rewritten."""
    whole = plain(model, heads, shape)
    small = narrowed(folded(whole, *example(shape, whole.inputs)))
    assert isinstance(small, ExportGraph)
    return small
