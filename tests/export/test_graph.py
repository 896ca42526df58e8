"""Inside the exported graph: folded norms, fitted frames, suppressed boxes; and how far apart arrays are said to be."""

import copy
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from timm.layers import BatchNormAct2d
from torch import Tensor, nn

from export_toys import CLASSES, SIZE, every_recipe, pictures, shaken
from hydranet.annotations import NO_BOX, Boxes, ClassMap, Keypoints, NormalMap, ScalarMap
from hydranet.core.sample import DataError
from hydranet.core.spec import SpecError
from hydranet.deploy.runtimes.openvino import core
from hydranet.export.differences import gaps
from hydranet.export.graph import ExportGraph, Shape, example, shipped
from hydranet.export.passes.fold_batchnorm import folded
from hydranet.export.passes.nms import Suppress, onnx_table, survive, survivors
from hydranet.export.passes.resize import Resize
from hydranet.export.passes.rewrite_narrow_convs import Narrow, narrowed
from hydranet.postprocess.nms import nms
from hydranet.tasks.detection.task import Detection
from hydranet.transforms.warp import letterbox
from hydranet.transforms.warp_maps import image_of


class Awkward(nn.Module):
    """Norms that follow a convolution, one with an activation of its own, one after something else, one used twice."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.first_norm = nn.Conv2d(3, 8, 3), BatchNormAct2d(8)
        self.second, self.second_norm = nn.Conv2d(8, 8, 3, bias=False, groups=2), nn.BatchNorm2d(8)
        self.late_norm = nn.BatchNorm2d(8)
        self.shared, self.shared_norm = nn.Conv2d(8, 8, 1), nn.BatchNorm2d(8)

    def forward(self, x: Tensor) -> Tensor:
        x = self.second_norm(self.second(self.first_norm(self.first(x))))
        x = self.late_norm(torch.tanh(x))
        return self.shared_norm(self.shared(self.shared_norm(self.shared(x))))


def test_folding_changes_no_answer_and_leaves_the_network_alone() -> None:
    torch.manual_seed(0)
    network = shaken(Awkward())  # type: ignore[arg-type]
    before = {name: value.clone() for name, value in network.state_dict().items()}
    image = torch.randn(2, 3, 16, 16)
    small = folded(network, image)
    with torch.no_grad():
        torch.testing.assert_close(small(image), network(image), rtol=1e-4, atol=1e-5)
    assert [name for name, m in small.named_modules() if isinstance(m, nn.BatchNorm2d)] == ["late_norm", "shared_norm"]
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


@pytest.mark.parametrize(("outputs", "kernel", "bias"), [(1, (3, 3), True), (3, (3, 3), False), (2, (1, 5), True)])
def test_convolutions_to_few_channels_are_rewritten_to_the_same_sums(outputs: int, kernel: tuple, bias: bool) -> None:
    torch.manual_seed(0)
    conv = nn.Conv2d(32, outputs, kernel, padding=(kernel[0] // 2, kernel[1] // 2), bias=bias).double()
    x = torch.randn(2, 32, 7, 9, dtype=torch.float64)
    network = narrowed(nn.Sequential(copy.deepcopy(conv)).double())
    assert isinstance(network[0], Narrow)
    torch.testing.assert_close(network.double()(x), conv(x))


@pytest.mark.parametrize(
    "conv",
    [
        nn.Conv2d(32, 8, 3, padding=1),
        nn.Conv2d(8, 1, 3, padding=1),
        nn.Conv2d(32, 1, 3),
        nn.Conv2d(32, 1, 3, padding=1, stride=2),
        nn.Conv2d(32, 1, 3, padding=1, padding_mode="reflect"),
        nn.Conv2d(32, 1, 4, padding="same"),
        nn.Conv2d(32, 1, 1),
    ],
)
def test_other_convolutions_stay(conv: nn.Conv2d) -> None:
    assert narrowed(nn.Sequential(conv))[0] is conv


def test_the_shipped_graph_has_no_norms_and_answers_the_same() -> None:
    model = shaken(every_recipe().build())
    shape = Shape(SIZE)
    whole, small = ExportGraph(model, shape), shipped(model, None, shape)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in small.modules())
    image = torch.from_numpy(image_of(pictures(1)[0], letterbox((75, 130), SIZE)))[None]
    with torch.no_grad():
        for ours, theirs in zip(small(image), whole(image), strict=True):
            if ours.is_floating_point() and ours.shape[-1] == SIZE[1]:
                torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("frame", [(75, 130), (40, 31), (64, 96), (200, 300)])
def test_frames_fitted_in_the_graph_are_the_predictors(frame: tuple[int, int]) -> None:
    image = cv2.GaussianBlur(pictures(1, frame)[0], (3, 3), 0)
    image = np.resize(image, (*frame, 3)) if image.shape[:2] != frame else image
    ours = Resize(frame, SIZE, "letterbox")(torch.from_numpy(image)[None].permute(0, 3, 1, 2).float())
    theirs = image_of(image, letterbox(frame, SIZE))
    difference = np.abs(ours[0].permute(1, 2, 0).numpy() - theirs)
    assert difference.max() <= (1 if min(frame) >= min(SIZE) else 6)  # OpenCV magnifies in 1/32 of a pixel
    assert difference.mean() < 0.3
    stretched = Resize(frame, SIZE, "stretch")(torch.from_numpy(image)[None].permute(0, 3, 1, 2).float())
    assert stretched.shape == (1, 3, *SIZE)


def candidates(seed: int, count: int = 60) -> Boxes:
    generator = torch.Generator().manual_seed(seed)
    corner = torch.rand(2, count, 2, generator=generator) * 60
    xyxy = torch.cat([corner, corner + 5 + 40 * torch.rand(2, count, 2, generator=generator)], 2)
    score = torch.rand(2, count, generator=generator).sort(1, descending=True).values
    return Boxes(xyxy, torch.randint(0, 3, (2, count), generator=generator), score)


@pytest.mark.parametrize("overlap", [0.0, 0.3, 0.7, 1.0])
@pytest.mark.parametrize("least", [0.0, 0.4, 2.0])
def test_suppression_inside_is_suppression_outside(overlap: float, least: float) -> None:
    found = candidates(1)
    inside = Suppress(20)(found, torch.tensor([least]), torch.tensor([overlap]))
    assert inside.xyxy.shape == (2, 20, 4)
    for image in range(2):
        one = Boxes(found.xyxy[image].numpy(), found.label[image].numpy(), found.score[image].numpy())
        outside = nms(one, least, overlap, max_detections=20)
        kept = inside.label[image].numpy() != NO_BOX
        np.testing.assert_array_equal(inside.xyxy[image].numpy()[kept], outside.xyxy)
        np.testing.assert_array_equal(inside.label[image].numpy()[kept], outside.label)
        np.testing.assert_array_equal(inside.score[image].numpy()[kept], outside.score)
        assert not inside.score[image].numpy()[~kept].any()
    with pytest.raises(DataError, match="got ScalarMap to suppress, expected Boxes with scores"):
        Suppress(3)(ScalarMap(torch.zeros(1, 2, 2)), torch.tensor([0.1]), torch.tensor([0.5]))


@pytest.mark.parametrize("runtime", ["eager", "onnx", "openvino", "openvino fp16"])
def test_runtimes_suppress_what_overlaps_by_more_than_the_threshold(tmp_path: Path, runtime: str) -> None:
    """Of the boxes one covers half of the first, one is the first, one lies apart: overlaps of exactly 0, 0.5 and 1."""
    corners = [[0, 0, 16, 16], [0, 0, 16, 8], [0, 0, 16, 16], [32, 32, 48, 48]]
    survivors_of = survivors_in(runtime, tmp_path)
    for overlap, alive in {
        0.0: [1, 0, 0, 1],
        0.25: [1, 0, 0, 1],
        0.5: [1, 1, 0, 1],
        0.99: [1, 1, 0, 1],
        1.0: [1] * 4,
    }.items():
        found = survivors_of(np.array([corners], np.float32), np.array([overlap], np.float32))
        assert found.astype(int).tolist() == [alive], overlap


def survivors_in(runtime: str, folder: Path) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """`survivors` as a runtime computes it."""
    if runtime == "eager":
        return lambda xyxy, overlap: survivors(torch.from_numpy(xyxy), torch.from_numpy(overlap)).numpy()

    class Alone(nn.Module):
        def forward(self, xyxy: Tensor, overlap: Tensor) -> Tensor:
            return survive(xyxy, overlap)

    pytest.importorskip("onnxscript")
    given = (torch.rand(1, 4, 4), torch.tensor([0.5]))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            Alone(),
            given,
            dynamo=True,
            opset_version=18,
            custom_translation_table=onnx_table(),
            verbose=False,
            input_names=["xyxy", "overlap"],
        )
    assert program is not None
    data = program.model_proto.SerializeToString()
    if runtime == "onnx":
        session = pytest.importorskip("onnxruntime").InferenceSession(data, providers=["CPUExecutionProvider"])
        return lambda xyxy, overlap: session.run(None, {"xyxy": xyxy, "overlap": overlap})[0]
    openvino = pytest.importorskip("openvino")
    openvino.save_model(core().read_model(data, b""), folder / "nms.xml", compress_to_fp16="fp16" in runtime)
    compiled = core().compile_model(str(folder / "nms.xml"), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return lambda xyxy, overlap: compiled({"xyxy": xyxy, "overlap": overlap})[0]


def test_shapes_explain_themselves() -> None:
    with pytest.raises(SpecError, match="without the size of the camera's frames"):
        Shape(SIZE, fit="stretch")
    assert Shape(SIZE, fit="stretch", frame=(30, 40)).taken == (30, 40)
    recipe = replace(every_recipe(), tasks=(Detection("boxes", CLASSES, reads="encoder"),))
    graph = ExportGraph(shaken(recipe.build()), Shape(SIZE, nms="inside", batch=None))
    assert graph.thresholds
    assert [len(one) for one in example(graph.shape, graph.inputs)] == [2, 1, 1]


def test_differences_are_told_by_kind() -> None:
    depth = np.full((4, 6), 10, np.float32)
    assert gaps(ScalarMap(depth), ScalarMap(depth * 1.01), (4, 6))["values"].relative == pytest.approx(0.01, rel=1e-3)
    holes = depth.copy()
    holes[0, 0] = np.nan
    assert gaps(ScalarMap(depth), ScalarMap(holes), (4, 6))["values"].relative == np.inf
    ids = np.zeros((4, 6), np.uint8)
    other = ids.copy()
    other[0, :3] = 1
    assert gaps(ClassMap(ids), ClassMap(other), (4, 6))["ids"].relative == pytest.approx(3 / 24)
    with pytest.raises(DataError, match=r"ClassMap.ids is int64 \(4, 6\) here and uint8"):
        gaps(ClassMap(ids), ClassMap(ids.astype(np.int64)), (4, 6))
    xyz = np.zeros((3, 4, 6), np.float32)
    xyz[2] = -1
    turned = xyz.copy()
    turned[0] = 0.02
    assert gaps(NormalMap(xyz), NormalMap(turned), (4, 6))["xyz"].relative == pytest.approx(0.02)


def boxes(*rows: tuple[float, ...]) -> Boxes:
    table = np.array(rows, np.float32).reshape(-1, 6)
    return Boxes(table[:, :4], table[:, 4].astype(np.int64), table[:, 5])


def test_boxes_are_compared_whatever_their_order() -> None:
    a, b, weak = (0, 0, 10, 20, 0, 0.9), (50, 50, 90, 60, 1, 0.9), (5, 5, 9, 9, 0, 0.005)
    same = gaps(boxes(a, b), boxes(b, a), SIZE)
    assert [gap.relative for gap in same.values()] == [0, 0, 0]
    moved = gaps(boxes(a, b, weak), boxes(b, (0, 0, 10, 20.2, 0, 0.89)), SIZE)
    assert moved["xyxy"].absolute == pytest.approx(0.2, rel=1e-3)
    assert moved["xyxy"].relative == pytest.approx(0.01, rel=1e-3)
    assert moved["score"].relative == pytest.approx(0.01, rel=1e-2)
    assert moved["label"].relative == 0
    lost = gaps(boxes(a, b, weak), boxes(b, weak), SIZE)
    assert lost["label"].absolute == 1


def instances(*rows: tuple[float, ...]) -> Keypoints:
    """Of two points each: x y x y score."""
    table = np.array(rows, np.float32)
    xy = table[:, :4].reshape(-1, 2, 2)
    return Keypoints(xy, np.full(xy.shape[:2], 2), score=table[:, 4], point_score=table[:, ::2][:, :2] / 100)


def test_instances_of_points_are_compared_whatever_their_order() -> None:
    a, b, weak = (0, 0, 10, 20, 0.9), (50, 50, 90, 60, 0.9), (5, 5, 9, 9, 0.005)
    assert {gap.relative for gap in gaps(instances(a, b, weak), instances(b, a, weak), SIZE).values()} == {0}
    tied = gaps(instances(a, b, weak), instances(b, a, (30, 30, 40, 40, 0.005)), SIZE)
    assert {gap.relative for gap in tied.values()} == {0}  # ties decide which of the weakest is in the list
    moved = gaps(instances(a, b, weak), instances(b, (0, 0, 10, 21, 0.89), weak), SIZE)
    assert moved["xy"].absolute == 1
    assert moved["xy"].relative == pytest.approx(1 / max(SIZE))
    assert moved["score"].relative == pytest.approx(0.01, rel=1e-2)
    lost = gaps(instances(a, b, weak), instances(b, weak, weak), SIZE)
    assert lost["xy"].relative > 0.1
    broken = instances(a, (np.nan, 50, 90, 60, 0.9), weak)
    assert {gap.relative for gap in gaps(instances(a, b, weak), broken, SIZE).values()} == {np.inf}


@pytest.mark.parametrize("field", ["xyxy", "score"])
def test_boxes_that_are_no_numbers_are_no_match(field: str) -> None:
    good = boxes((0, 0, 10, 20, 0, 0.9), (50, 50, 90, 60, 1, 0.9))
    bad = replace(good, **{field: getattr(good, field) * np.float32(np.nan)})
    assert all(gap.relative == np.inf for gap in gaps(good, bad, SIZE).values())
    assert all(gap.relative == np.inf for gap in gaps(bad, good, SIZE).values())


def test_the_best_boxes_are_compared_however_weak_they_are() -> None:
    mine = boxes((0, 0, 10, 20, 0, 0.003), (50, 50, 90, 60, 1, 0.002), (5, 5, 9, 9, 0, 0.001))
    theirs = boxes((0, 0, 10, 25, 0, 0.003), (50, 50, 90, 60, 0, 0.002), (5, 5, 9, 9, 0, 0.001))
    assert gaps(mine, theirs, SIZE)["label"].absolute == 2
