"""Small parts with exact arithmetic for tests of the plumbing."""

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
import torch
from torch import Tensor, nn

from hydranet.annotations import Annotation, Quantity, ScalarMap
from hydranet.config.optim import Optim
from hydranet.config.recipe import Recipe
from hydranet.config.source import Source
from hydranet.core.dataset import Dataset
from hydranet.core.features import Decoder, Encoder, Features, FeatureSpec, Pyramid, StagedEncoder
from hydranet.core.sample import Sample
from hydranet.core.spec import Part
from hydranet.core.task import Loss, Raw, Stats, Task
from hydranet.transforms.augment import Augment


class ToyEncoder(Encoder):
    """Two levels at strides 16 and 32; BatchNorm and dropout by choice, so that state and randomness can be tested."""

    def __init__(self, norm: bool = True, dropout: float = 0.0, weights: str | None = None) -> None:
        super().__init__()
        self.features = (FeatureSpec(8, 16), FeatureSpec(8, 32))
        self.stem = nn.Conv2d(3, 8, 16, stride=16)
        self.norm = nn.BatchNorm2d(8) if norm else nn.Identity()
        self.dropout = nn.Dropout(dropout)
        self.down = nn.Conv2d(8, 8, 3, stride=2, padding=1)

    def forward(self, image: Tensor) -> Pyramid:
        fine = torch.tanh(self.dropout(self.norm(self.stem(image - 0.45))))
        return [fine, torch.tanh(self.down(fine))]


class ToyStages(StagedEncoder):
    """The same as a chain of two stages, with BatchNorm in each."""

    features = (FeatureSpec(8, 16), FeatureSpec(8, 32))

    def __init__(self, weights: str | None = None) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 16, stride=16), nn.BatchNorm2d(8), nn.Tanh())
        self.down = nn.Sequential(nn.Conv2d(8, 8, 3, stride=2, padding=1), nn.BatchNorm2d(8), nn.Tanh())

    def segments(self) -> list[nn.Module]:
        return [self.stem, self.down]


class ToyDecoder(Decoder):
    """A 1x1 convolution on every level; the finest one sees the coarser one, too."""

    def __init__(self, features: Features, width: int = 6) -> None:
        super().__init__()
        self.features = tuple(FeatureSpec(width, f.stride) for f in features)
        self.layers = nn.ModuleList(nn.Conv2d(f.channels, width, 1) for f in features)

    def forward(self, pyramid: Pyramid) -> Pyramid:
        fine, coarse = (layer(level) for layer, level in zip(self.layers, pyramid, strict=True))
        return [fine + nn.functional.interpolate(coarse, scale_factor=2.0), coarse]


class ToyHead(nn.Module):
    def __init__(self, features: Features, pooled: bool) -> None:
        super().__init__()
        self.pooled = pooled
        self.layer = nn.Conv2d(features[0].channels, 1, 1)

    def forward(self, pyramid: Pyramid) -> Tensor:
        raw = self.layer(pyramid[0])
        return raw.mean((2, 3)) if self.pooled else raw


@dataclass(frozen=True)
class Brightness(Task):
    """Regresses one number for the whole image."""

    kind: ClassVar[type[Annotation]] = Quantity
    headline: ClassVar[tuple[str, Literal["higher", "lower"]]] = ("mae", "lower")

    def head(self, features: Features) -> nn.Module:
        return ToyHead(features, pooled=True)

    def loss(self, raw: Raw, label: Annotation) -> Loss:
        assert isinstance(label, Quantity)
        error = (raw.float()[:, 0] - label.value.float()) ** 2
        return Loss(error.sum(), torch.tensor(float(len(error))), {"squared": error.sum()})

    def decode(self, raw: Raw) -> Annotation:
        return Quantity(raw[:, 0])

    def measure(self, seen: Annotation, label: Annotation) -> Stats:
        assert isinstance(seen, Quantity)
        assert isinstance(label, Quantity)
        return {"error": abs(float(seen.value) - float(label.value)), "count": 1}

    def score(self, stats: Stats) -> dict[str, float]:
        return {"mae": stats["error"] / stats["count"]}


@dataclass(frozen=True)
class Glow(Task):
    """Regresses a number for every 16th pixel; NaN where nobody knows, so that counts vary."""

    kind: ClassVar[type[Annotation]] = ScalarMap
    headline: ClassVar[tuple[str, Literal["higher", "lower"]]] = ("mae", "lower")

    def head(self, features: Features) -> nn.Module:
        return ToyHead(features, pooled=False)

    def loss(self, raw: Raw, label: Annotation) -> Loss:
        assert isinstance(label, ScalarMap)
        wanted = label.values[:, 8::16, 8::16].float()
        valid = torch.isfinite(wanted)
        error = (raw.float()[:, 0] - torch.where(valid, wanted, 0.0)) ** 2 * valid
        return Loss(error.sum(), valid.sum().float())

    def decode(self, raw: Raw) -> Annotation:
        return ScalarMap(nn.functional.interpolate(raw, scale_factor=16.0)[:, 0])

    def measure(self, seen: Annotation, label: Annotation) -> Stats:
        assert isinstance(seen, ScalarMap)
        assert isinstance(label, ScalarMap)
        error = np.abs(seen.values - label.values)
        return {"error": float(np.nansum(error)), "count": int(np.isfinite(error).sum())}

    def score(self, stats: Stats) -> dict[str, float]:
        return {"mae": stats["error"] / max(stats["count"], 1)}


@dataclass(frozen=True)
class Noise(Dataset):
    """Random images with the chosen labels."""

    count: int = 12
    seed: int = 0
    labels: tuple[str, ...] = ("bright", "glow")
    size: tuple[int, int] = (32, 64)
    holes: float = 0.5

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Sample:
        rng = np.random.default_rng((self.seed, index))
        image = rng.integers(0, 256, (*self.size, 3), dtype=np.uint8)
        glow = (image.mean(2) / 255).astype(np.float32)
        glow[rng.random(self.size) < self.holes * rng.random()] = np.nan
        known = {"bright": Quantity(np.float32(image.mean() / 255)), "glow": ScalarMap(glow)}
        return Sample(image, {name: known[name] for name in self.labels}, key=str(index))


STILL = Augment.none()


def toy_recipe(
    sources: tuple[Source, ...] = (Source("noise", Noise(), (32, 64)),),
    *,
    steps: int = 6,
    batch: int = 4,
    norm: bool = True,
    dropout: float = 0.0,
    augment: Augment = STILL,
    lr: float = 1e-2,
) -> Recipe:
    """A recipe that trains in milliseconds."""
    return Recipe(
        name="toy",
        tasks=(Brightness("bright"), Glow("glow")),
        encoder=Part(ToyEncoder, norm=norm, dropout=dropout),
        decoder=Part(ToyDecoder),
        data=sources,
        validation=(Source("held-out", Noise(count=5, seed=1), (32, 64)),),
        augment=augment,
        optim=Optim(lr=lr),
        steps=steps,
        batch=batch,
        save_every=2,
        workers=0,
    )
