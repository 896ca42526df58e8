"""One crowded image in a batch: the same assignment as ever, in memory that one image's boxes need."""

import subprocess
import sys

import pytest
import torch

from hydranet.annotations import Boxes
from hydranet.models.heads import assignment
from hydranet.models.heads.assignment import by_overlap, task_aligned
from hydranet.models.heads.box_head import truth

CLASSES = 3


def crowd(images: int, rows: int, anchors: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, Boxes]:
    """Scores, boxes, points, and labels of which the first image has `rows`, the others few, one none."""
    generator = torch.Generator().manual_seed(3)
    corner = torch.rand(images, anchors, 2, generator=generator) * 200
    boxes = torch.cat((corner, corner + 4 + torch.rand(images, anchors, 2, generator=generator) * 40), -1)
    scores = torch.rand(images, anchors, CLASSES, generator=generator)
    points = (boxes[..., :2] + boxes[..., 2:]) / 2
    place = torch.rand(images, rows, 2, generator=generator) * 200
    xyxy = torch.cat((place, place + 6 + torch.rand(images, rows, 2, generator=generator) * 40), -1)
    label = torch.randint(0, CLASSES, (images, rows), generator=generator)
    for image in range(1, images):
        label[image, (image - 1) * 2 :] = -1
    ignore = torch.rand(images, rows, generator=generator) < 0.2
    return scores, boxes, points, Boxes(xyxy, label, ignore=ignore)


def test_images_assigned_one_by_one_give_the_same_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    scores, boxes, points, label = crowd(images=4, rows=30, anchors=300)
    known, fixed = truth(label, CLASSES), boxes[:1].expand(4, -1, -1)
    together = task_aligned(scores, boxes, points, known, least_px=8.0), by_overlap(fixed, known, 0.5, 0.4)
    monkeypatch.setattr(assignment, "PAIRS", 1)
    alone = task_aligned(scores, boxes, points, known, least_px=8.0), by_overlap(fixed, known, 0.5, 0.4)
    assert together[0].positive.any()
    assert together[1].positive.any()
    for one, other in zip(together, alone, strict=True):
        for mine, theirs in zip(one, other, strict=True):
            assert torch.equal(mine, theirs)


CROWDED = """
import resource, torch
from hydranet.annotations import Boxes
from hydranet.models.heads.assignment import task_aligned
from hydranet.models.heads.box_head import truth
label = torch.full((8, 1000), -1)
label[0] = 0
corner = torch.rand(8, 1000, 2) * 500
known = truth(Boxes(torch.cat((corner, corner + 30), -1), label), 3)
points = torch.rand(8, 5040, 2) * 500
boxes = torch.cat((points - 15, points + 15), -1)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
match = task_aligned(torch.rand(8, 5040, 3), boxes, points, known)
known.judged(points)
assert match.positive[0].any() and not match.positive[1:].any()
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
"""


def test_a_thousand_boxes_in_one_of_eight_images_stay_within_memory() -> None:
    ended = subprocess.run([sys.executable, "-c", CROWDED], capture_output=True, text=True, check=True)
    assert float(ended.stdout) < 500, "MiB above what was there before"
