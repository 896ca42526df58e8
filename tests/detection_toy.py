"""Bright rectangles on a dark ground, and a small encoder that can see them: what detection tests train on."""

import numpy as np
import torch
from torch import Tensor, nn

from hydranet.annotations import Boxes
from hydranet.core.batch import stack
from hydranet.core.features import Features, FeatureSpec, Pyramid
from hydranet.core.task import merge, to_numpy
from hydranet.tasks.detection.task import Detection

CLASSES = ("tall", "wide")
FEATURES: Features = (
    FeatureSpec(16, 4),
    FeatureSpec(24, 8),
    FeatureSpec(24, 16),
    FeatureSpec(32, 16),
    FeatureSpec(32, 32),
)


def scene(seed: int, height: int = 64, width: int = 96) -> tuple[np.ndarray, Boxes]:
    """float 3 h w with 0 to 3 rectangles that do not touch; tall ones are red, wide ones blue."""
    rng = np.random.default_rng(seed)
    image = rng.uniform(0, 0.2, (3, height, width)).astype(np.float32)
    boxes, labels = [], []
    for slot in range(seed % 4):
        label = int(rng.integers(2))
        h, w = ((28, 14), (14, 28))[label]
        left, top = slot * 32 + int(rng.integers(0, 32 - w)), int(rng.integers(0, height - h))
        image[0 if label == 0 else 2, top : top + h, left : left + w] = 1
        boxes.append((left, top, left + w, top + h))
        labels.append(label)
    return image, Boxes(np.array(boxes, np.float32).reshape(-1, 4), np.array(labels, np.int64))


def batch(seeds: range) -> tuple[Tensor, Boxes]:
    """Stacked images and labels."""
    scenes = [scene(seed) for seed in seeds]
    return torch.from_numpy(np.stack([image for image, _ in scenes])), stack([label for _, label in scenes])


class ToyEncoder(nn.Module):
    """Strided convolutions, one a level."""

    def __init__(self) -> None:
        super().__init__()
        channels, strides = [3, *(f.channels for f in FEATURES)], (4, 2, 2, 1, 2)
        self.steps = nn.ModuleList(
            nn.Sequential(nn.Conv2d(i, o, 5, s, 2, bias=False), nn.BatchNorm2d(o), nn.ReLU())
            for i, o, s in zip(channels, channels[1:], strides, strict=False)
        )

    def forward(self, image: Tensor) -> Pyramid:
        levels = []
        for step in self.steps:
            image = step(image)
            levels.append(image)
        return levels


def train(task: Detection, steps: int, seeds: range, lr: float = 3e-3) -> dict[str, float]:
    """Scores on the batch that was trained on, over and over."""
    torch.manual_seed(0)
    model = nn.Sequential(ToyEncoder(), task.head(FEATURES))
    image, label = batch(seeds)
    optimizer = torch.optim.AdamW(model.parameters(), lr)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, lr, total_steps=steps)
    for _ in range(steps):
        optimizer.zero_grad()
        task.loss(model(image), label).mean().backward()
        optimizer.step()
        schedule.step()
    with torch.no_grad():
        seen = task.decode(model.eval()(image))
    truths = [scene(seed)[1] for seed in seeds]
    found = [task.postprocess(to_numpy(seen, i)) for i in range(len(truths))]
    return task.score(merge(task.measure(f, t) for f, t in zip(found, truths, strict=True)))
