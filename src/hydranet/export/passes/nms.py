"""Non-maximum suppression inside a graph, with thresholds that stay inputs.

The greedy choice is a loop, which no exporter can trace; so it is one custom operator. In eager torch and in
TorchScript it is that loop, in ONNX it is NonMaxSuppression.
"""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from hydranet.annotations import NO_BOX, Annotation, Boxes
from hydranet.core.sample import DataError


def survivors(xyxy: Tensor, overlap: Tensor) -> Tensor:
    """bool b k: boxes (float b k 4, best first) that no better surviving one overlaps by more than `overlap` (1,)."""
    left_top = torch.maximum(xyxy[:, :, None, :2], xyxy[:, None, :, :2])
    right_bottom = torch.minimum(xyxy[:, :, None, 2:], xyxy[:, None, :, 2:])
    common = (right_bottom - left_top).clamp(min=0).prod(-1)
    area = (xyxy[:, :, 2:] - xyxy[:, :, :2]).clamp(min=0).prod(-1)
    union = area[:, :, None] + area[:, None, :] - common
    rivals = (common > overlap * union).triu(diagonal=1)
    alive = torch.ones(xyxy.shape[:2], dtype=torch.bool, device=xyxy.device)
    for i in range(xyxy.shape[1]):
        alive = alive & ~(rivals[:, i] & alive[:, i : i + 1])
    return alive


survive = torch.library.custom_op(
    "hydranet::survivors", survivors, mutates_args=(), schema="(Tensor xyxy, Tensor overlap) -> Tensor"
)
"""`survivors` as an operator that torch.export keeps whole."""


@survive.register_fake
def _(xyxy: Tensor, overlap: Tensor) -> Tensor:
    return xyxy.new_empty(xyxy.shape[:2], dtype=torch.bool)


class Suppress(nn.Module):
    """Candidates by falling score to `limit` rows: those that no better one of their class covers, then padding.

    Padding rows have label -1, score 0 and a box of zeros.    loop: `survivors`, in the form an exporter wants.
    """

    def __init__(self, limit: int) -> None:
        super().__init__()
        self.limit = limit
        self.loop: Any = None

    def forward(self, candidates: Annotation, score: Float[Tensor, " 1"], overlap: Float[Tensor, " 1"]) -> Boxes:
        """Raises DataError for anything but boxes with scores."""
        if not isinstance(candidates, Boxes) or candidates.score is None:
            raise DataError(f"got {type(candidates).__name__} to suppress, expected Boxes with scores")
        span = candidates.xyxy.amax((1, 2), keepdim=True) - candidates.xyxy.amin((1, 2), keepdim=True) + 1
        apart = candidates.xyxy + candidates.label[..., None] * span  # classes that lie far apart cannot overlap
        kept = (self.loop or survive)(apart, overlap) & (candidates.score >= score)
        place = torch.arange(kept.shape[1], device=kept.device) + (~kept).long() * kept.shape[1]
        first = place.topk(min(self.limit, kept.shape[1]), dim=1, largest=False).indices
        alive = kept.gather(1, first)
        rows = first[..., None].expand(-1, -1, 4)
        return Boxes(
            candidates.xyxy.gather(1, rows) * alive[..., None],
            torch.where(alive, candidates.label.gather(1, first), NO_BOX),
            candidates.score.gather(1, first) * alive,
        )


def onnx_table() -> dict[Any, Any]:
    """How the operator is written in ONNX: NonMaxSuppression, and a mask of what it selected.

    NonMaxSuppression takes candidates best first by their score; falling scores of our own keep that order exact.
    Of two boxes that overlap by exactly the threshold, ONNX Runtime keeps both, as ONNX says, and OpenVINO one (at
    threshold 0 that is every box of an image). So the graph asks for the next larger number, and for no suppression
    at 1. The two constants survive storage in half precision.
    """
    from onnxscript import opset18

    op: Any = opset18

    def in_onnx(xyxy: Any, overlap: Any) -> Any:
        shape = op.Shape(xyxy)
        batch, count = op.Slice(shape, [0], [1]), op.Slice(shape, [1], [2])
        one = op.Constant(value_ints=[1])
        rank = op.Range(op.Constant(value_int=0), op.Squeeze(count), op.Constant(value_int=1))
        falling = op.Neg(op.Cast(rank, to=1))
        scores = op.Expand(op.Unsqueeze(falling, [0, 1]), op.Concat(batch, one, count, axis=0))
        tiny, least = op.Constant(value_floats=[2.0**-23]), op.Constant(value_floats=[2.0**-14])
        beyond = op.Add(overlap, op.Mul(op.Max(overlap, least), tiny))
        most = op.Constant(value_floats=[1.0])
        chosen = op.NonMaxSuppression(xyxy, scores, count, op.Min(beyond, most))
        places = op.Gather(chosen, op.Constant(value_ints=[0, 2]), axis=1)
        nobody = op.Expand(op.Constant(value_int=0), op.Concat(batch, count, axis=0))
        ones = op.Expand(op.Constant(value_int=1), op.Shape(op.Gather(chosen, op.Constant(value_int=0), axis=1)))
        return op.Or(op.Cast(op.ScatterND(nobody, places, ones), to=9), op.GreaterOrEqual(overlap, most))

    return {torch.ops.hydranet.survivors.default: in_onnx}
