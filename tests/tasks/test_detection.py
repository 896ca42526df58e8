"""The detection task as a whole: what its heads promise, whichever is chosen."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from detection_toy import CLASSES, FEATURES, ToyEncoder, batch, scene, train
from hydranet.annotations import Boxes
from hydranet.core.features import FeatureSpec
from hydranet.core.sample import DataError
from hydranet.core.spec import SpecError, from_json, to_json
from hydranet.core.task import merge, pick, to_numpy
from hydranet.models.heads.faster_rcnn import TwoStage
from hydranet.models.heads.ssd import Ssd
from hydranet.models.heads.yolov8 import YoloV8
from hydranet.postprocess.nms import above
from hydranet.tasks.detection.task import HEADS, Detection

SMALL = {
    "yolov8": YoloV8(),
    "ssd": Ssd(width=32),
    "two_stage": TwoStage(sizes=(16, 24, 40), considered=200, proposals=48, rpn_width=32, width=128),
}
"""Each head at a size that learns in seconds."""

each_head = pytest.mark.parametrize("word", sorted(HEADS))


def answer(word: str, seeds: range = range(4)) -> tuple[Detection, dict, Boxes]:
    torch.manual_seed(0)
    task = Detection("boxes", CLASSES, detector=word)
    image, label = batch(seeds)
    return task, task.head(FEATURES)(ToyEncoder()(image)), label


@each_head
def test_overfits_a_batch(word: str) -> None:
    assert train(Detection("boxes", CLASSES, detector=SMALL[word]), 80, range(8))["ap50"] > 0.9


@each_head
def test_loss_adds_up_over_images(word: str) -> None:
    task, raw, label = answer(word)
    whole = task.loss(raw, label)
    single = [
        task.loss(pick(raw, torch.tensor([i])), Boxes(label.xyxy[i : i + 1], label.label[i : i + 1])) for i in range(4)
    ]
    torch.testing.assert_close(sum(one.total for one in single), whole.total)
    torch.testing.assert_close(sum(one.count for one in single), whole.count)
    torch.testing.assert_close(sum(whole.parts.values()), whole.total)


@each_head
def test_loss_does_not_depend_on_the_order_of_objects_or_on_padding(word: str) -> None:
    task, raw, label = answer(word)
    plain = task.loss(raw, label)
    padded = Boxes(
        torch.cat((torch.zeros(4, 2, 4), label.xyxy.flip(1)), 1),
        torch.cat((torch.full((4, 2), -1), label.label.flip(1)), 1),
    )
    torch.testing.assert_close(task.loss(raw, padded).total, plain.total)


@each_head
def test_images_without_boxes_train_the_negatives(word: str) -> None:
    task, raw, label = answer(word)
    for value in raw.values():
        if value.requires_grad:
            value.retain_grad()
    loss = task.loss(raw, Boxes(label.xyxy[:, :0], label.label[:, :0]))
    loss.mean().backward()
    assert torch.isfinite(loss.mean())
    assert loss.mean() > 0
    assert raw["scores"].grad.abs().sum() > 0
    assert raw["boxes"].grad is None or raw["boxes"].grad.abs().sum() == 0


@each_head
def test_a_class_that_nobody_looked_for_gets_no_gradient(word: str) -> None:
    task, raw, label = answer(word)
    raw["scores"].retain_grad()
    known = torch.tensor([[True, False]]).expand(4, -1)
    task.loss(raw, Boxes(label.xyxy, label.label, annotated_classes=known)).mean().backward()
    width = raw["scores"].shape[-1]
    assert raw["scores"].grad[..., width - 1].eq(0).all()
    assert raw["scores"].grad[..., width - 2].abs().sum() > 0


@each_head
def test_an_ignored_region_over_the_whole_image_leaves_nothing_to_learn(word: str) -> None:
    task, raw, _ = answer(word)
    everywhere = torch.tensor([[[-500.0, -500, 900, 900]]]).expand(4, -1, -1)
    label = Boxes(everywhere, torch.full((4, 1), -1), ignore=torch.ones(4, 1, dtype=torch.bool))
    assert task.loss(raw, label).total == 0


@each_head
def test_decoding_is_static_and_sorted_and_exportable(word: str) -> None:
    torch.manual_seed(0)
    task = Detection("boxes", CLASSES, detector=word, pre_nms_topk=50)
    head, encoder = task.head(FEATURES).eval(), ToyEncoder().eval()

    class Whole(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encoder, self.head = encoder, head

        def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, ...]:
            seen = task.decode(self.head(self.encoder(image)))
            return seen.xyxy, seen.label, seen.score

    image = batch(range(2))[0]
    eager = Whole()(image)
    assert eager[0].shape == (2, 50, 4)
    assert eager[2].diff(dim=1).le(0).all()
    exported = torch.export.export(Whole(), (image,)).module()(image)
    torch.testing.assert_close(exported, eager)


@each_head
def test_half_precision_outputs_give_a_full_precision_loss(word: str) -> None:
    task, raw, label = answer(word)
    low = {name: v.bfloat16() if name in ("scores", "boxes") else v for name, v in raw.items()}
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = task.loss(low, label)
    assert loss.total.dtype == torch.float32
    torch.testing.assert_close(loss.mean(), task.loss(raw, label).mean(), rtol=0.05, atol=0.05)


@each_head
def test_a_recipe_names_a_head_by_word_or_in_full(word: str) -> None:
    short, full = Detection("boxes", CLASSES, detector=word), Detection("boxes", CLASSES, detector=HEADS[word]())
    assert short.box_head == full.box_head
    assert from_json(to_json(full), lambda _: True) == full


def test_a_perfect_prediction_scores_one() -> None:
    task = Detection("boxes", CLASSES)
    truths = [scene(seed)[1] for seed in range(8)]
    scores = task.score(merge(task.measure(truth, truth) for truth in truths))
    assert set(scores) == {"ap", "ap50", "ap75", "ar", "ap50/tall", "ap50/wide"}
    assert all(value == pytest.approx(1) for value in scores.values())


def test_a_class_that_nobody_looked_for_is_no_false_alarm() -> None:
    task, boxes = Detection("boxes", CLASSES), scene(14)[1]
    only = Boxes(boxes.xyxy[boxes.label == 0], boxes.label[boxes.label == 0], annotated_classes=np.array([True, False]))
    scores = task.score(merge([task.measure(boxes, only)]))
    assert scores["ap50"] == 1
    assert np.isnan(scores["ap50/wide"])


def test_showing_raises_the_threshold_of_what_was_scored() -> None:
    task, raw, _ = answer("yolov8")
    seen = task.postprocess(to_numpy(task.decode(raw), 0))
    assert 0 < len(seen.label) <= task.max_detections
    assert (above(seen, task.score_threshold).score >= task.score_threshold).all()


@pytest.mark.parametrize(
    ("xyxy", "label", "message"),
    [
        ([[0, 0, 5, 5]], [2], r"class id 2, expected 0\.\.1"),
        ([[0, 0, 5, 5]], [-1], r"class id -1"),
        ([[0, 0, np.nan, 5]], [0], "expected finite numbers"),
        ([[9, 0, 5, 5]], [0], "left < right"),
        ([[0, 0, 5, 5]], [0, 1], r"expected \(2, 4\)"),
    ],
)
def test_labels_that_cannot_be_learned_from_are_named(xyxy: list, label: list, message: str) -> None:
    with pytest.raises(DataError, match=message):
        Detection("boxes", CLASSES).check(Boxes(np.array(xyxy, np.float32), np.array(label)))


def test_an_ignored_region_may_belong_to_no_class() -> None:
    region = Boxes(np.array([[0, 0, 5, 5]], np.float32), np.array([-1]), ignore=np.array([True]))
    assert Detection("boxes", CLASSES).check(region) is None
    with pytest.raises(DataError, match="got class id -1"):
        Detection("boxes", CLASSES).check(replace(region, ignore=None))


def test_mistakes_in_a_recipe_are_named_with_the_cure() -> None:
    with pytest.raises(SpecError, match="did you mean 'yolov8'"):
        Detection("boxes", CLASSES, detector="yolo8")
    with pytest.raises(SpecError, match="give classes="):
        Detection("boxes")
    with pytest.raises(SpecError, match="expected one of xs, n, s, m"):
        YoloV8(width="x")  # type: ignore[arg-type]
    with pytest.raises(SpecError, match=r"\[16, 32\] missing"):
        Detection("boxes", CLASSES).head((FeatureSpec(16, 8),))


def test_yolov8_has_the_known_size_and_never_trains_its_bins() -> None:
    features = tuple(FeatureSpec(256, s) for s in (4, 8, 16, 32))
    head = YoloV8().build(features, 80)
    projection = sum(p.numel() for p in head.project.parameters())
    assert round((sum(p.numel() for p in head.parameters()) - projection) / 1e6, 2) == 0.9  # YOLOv8n's, 80 classes
    assert round(projection / 1e6, 2) == 0.12
    assert not any("bins" in name or "dfl" in name for name, _ in head.named_parameters())


def test_yolov8_reads_the_last_level_of_each_stride() -> None:
    assert YoloV8().build(FEATURES, 2).levels == (1, 3, 4)


def test_a_light_yolov8_has_a_tenth_of_the_weights_of_the_smallest_known_one() -> None:
    features = tuple(FeatureSpec(256, s) for s in (8, 16, 32))
    light, known = (config.build(features, 6) for config in (YoloV8(width="xs", separable=True), YoloV8()))
    count = {head: sum(p.numel() for b in (head.box, head.score) for p in b.parameters()) for head in (light, known)}
    assert count[light] < count[known] / 10
    raw = light.eval()([torch.randn(1, 256, 64 // s, 96 // s) for s in (8, 16, 32)])
    assert raw["boxes"].shape == (1, 126, 4, 16)
