"""What is shipped: one module from uint8 frames to decoded arrays."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from hydranet.annotations import Annotation
from hydranet.core.spec import SpecError
from hydranet.export.passes.fold_batchnorm import folded
from hydranet.export.passes.nms import Suppress
from hydranet.export.passes.resize import Resize
from hydranet.export.passes.rewrite_narrow_convs import narrowed
from hydranet.models.hydranet import HydraNet


@dataclass(frozen=True)
class Shape:
    """What a graph takes and how it prepares it; the fields mean the same as in `hydranet.deploy.manifest.Input`.

    size:  height and width the network sees.    dynamic: the graph takes other multiples of the stride, too.
    batch: images at once; None = any number.
    nms:   "outside" = candidates leave the graph; "inside" = the graph suppresses, with thresholds as inputs.
    """

    size: tuple[int, int]
    dynamic: bool = False
    batch: int | None = 1
    fit: str = "none"
    frame: tuple[int, int] | None = None
    nms: str = "outside"

    def __post_init__(self) -> None:
        if self.fit not in ("none", "letterbox", "stretch"):
            raise SpecError(f"got fit={self.fit!r}, expected 'none', 'letterbox' or 'stretch'")
        if self.nms not in ("outside", "inside"):
            raise SpecError(f"got nms={self.nms!r}, expected 'outside' or 'inside'")
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
    """uint8 b h w 3 RGB frames to the arrays of all heads, in the order of `names`.

    With suppression inside, two more inputs: score and IoU thresholds, float32 of shape (1,).
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

    def forward(self, image: UInt8[Tensor, "b h w 3"], *thresholds: Float[Tensor, " 1"]) -> tuple[Tensor, ...]:
        return tuple(
            array for answer in self.answers(image, *thresholds).values() for array in present(answer).values()
        )

    def answers(self, image: UInt8[Tensor, "b h w 3"], *thresholds: Float[Tensor, " 1"]) -> dict[str, Annotation]:
        """The stacked annotation of each task."""
        pixels = image.float().permute(0, 3, 1, 2)  # the cast first: TensorRT takes uint8 at a graph's border only
        pixels = pixels if self.resize is None else self.resize(pixels)
        decoded: dict[str, Annotation] = self.model.decode(self.model(pixels / 255.0))
        return {n: self.inside[n](a, *thresholds) if n in self.inside else a for n, a in decoded.items()}

    @property
    def thresholds(self) -> bool:
        """Whether it takes thresholds."""
        return len(self.inside) > 0


def present(annotation: Annotation) -> dict[str, Tensor]:
    """The arrays that an annotation has, by field."""
    return {name: value for name in annotation.arrays() if (value := getattr(annotation, name)) is not None}


def example(shape: Shape, thresholds: bool) -> tuple[Tensor, ...]:
    """Inputs to trace with: noise, so that no operation sees a special case."""
    generator = torch.Generator().manual_seed(0)
    batch = 2 if shape.batch is None else shape.batch
    image = torch.randint(0, 256, (batch, *shape.taken, 3), dtype=torch.uint8, generator=generator)
    return (image, torch.tensor([0.25]), torch.tensor([0.5])) if thresholds else (image,)


def plain(model: HydraNet, heads: Sequence[str] | None, shape: Shape) -> ExportGraph:
    """The chosen heads (default: all) as they were trained: what files are compared with."""
    return ExportGraph(model.subset(*heads) if heads else model, shape)


def shipped(model: HydraNet, heads: Sequence[str] | None, shape: Shape) -> ExportGraph:
    """A faster copy of the same: every BatchNorm folded, convolutions to few channels rewritten."""
    whole = plain(model, heads, shape)
    small = narrowed(folded(whole, *example(shape, whole.thresholds)))
    assert isinstance(small, ExportGraph)
    return small
