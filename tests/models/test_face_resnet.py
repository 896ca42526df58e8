"""The face network: its weights come out of a package of npm unchanged, and it computes what face-api.js computes."""

import hashlib
import io
import json
import tarfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import Tensor

from hydranet.core.spec import SpecError
from hydranet.models import face_weights
from hydranet.models.encoders.face_resnet import FaceResNet
from hydranet.models.face_weights import FACES, NETWORK, STAGES
from hydranet.models.pretrained import WeightsError, cached, fetch

BLOCKS = (
    *("32_1", "32_2", "32_3", "64_down", "64_1", "64_2", "64_3", "128_down", "128_1", "128_2"),
    *("256_down", "256_1", "256_2", "256_down_out"),
)
"""The blocks of face-api.js in their order."""

Entry = dict[str, object]


def shapes() -> dict[str, tuple[int, ...]]:
    """Name and shape of each tensor in the package's manifest."""
    shapes: dict[str, tuple[int, ...]] = {"conv32_down/conv/filters": (7, 7, 3, 32)}
    before = 32
    for block in BLOCKS:
        channels = int(block.split("_")[0])
        shapes[f"conv{block}/conv1/conv/filters"] = (3, 3, before, channels)
        shapes[f"conv{block}/conv2/conv/filters"] = (3, 3, channels, channels)
        before = channels
    layers = {name.removesuffix("/conv/filters"): shape[-1] for name, shape in shapes.items()}
    for layer, channels in layers.items():
        shapes |= {f"{layer}/{part}": (channels,) for part in ("conv/bias", "scale/weights", "scale/biases")}
    return shapes


@pytest.fixture(scope="module")
def tensors() -> dict[str, Tensor]:
    """Random tensors, as the package would give them."""
    generator = torch.Generator().manual_seed(0)
    return {
        name: torch.randn(shape, generator=generator) * (0.3 / np.sqrt(np.prod(shape[:-1])) if len(shape) == 4 else 1)
        for name, shape in shapes().items()
    }


@pytest.fixture
def registry(tmp_path: Path, tensors: dict[str, Tensor], monkeypatch: pytest.MonkeyPatch) -> Path:
    """A registry with one package like npm's, in which every other tensor is stored in 8 bits; and an empty cache."""
    monkeypatch.setenv("HYDRANET_CACHE", str(tmp_path / "cache"))
    entries, data = [], b""
    for i, (name, tensor) in enumerate(tensors.items()):
        entry: Entry = {"name": name, "shape": list(tensor.shape), "dtype": "float32"}
        if i % 2:
            least, scale = float(tensor.min()), max(float(tensor.max() - tensor.min()) / 255, 1e-9)
            entry["quantization"] = {"dtype": "uint8", "scale": scale, "min": least}
            data += ((tensor.numpy() - least) / scale).round().astype(np.uint8).tobytes()
        else:
            data += tensor.numpy().astype(np.float32).tobytes()
        entries.append(entry)
    manifest = json.dumps([{"weights": entries, "paths": ["weights.bin"]}]).encode()
    package = tmp_path / NETWORK.tarball
    package.parent.mkdir(parents=True)
    with tarfile.open(package, "w:gz") as archive:
        for path, content in ((NETWORK.manifest, manifest), (NETWORK.weights, data)):
            member = tarfile.TarInfo(path)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    digests = hashlib.sha256(manifest).hexdigest(), hashlib.sha256(data).hexdigest()
    monkeypatch.setattr(face_weights, "NETWORK", replace(NETWORK, sha256=digests))
    monkeypatch.setenv("NPM_CONFIG_REGISTRY", tmp_path.as_uri() + "/")
    return package


def restated(image: Tensor, tensors: dict[str, Tensor]) -> Tensor:
    """The last level after face-api.js's own steps (FaceRecognitionNet.ts), but for padded borders."""

    def layer(x: Tensor, name: str, stride: int = 1, pad: int = 1) -> Tensor:
        filters, bias = tensors[f"{name}/conv/filters"], tensors[f"{name}/conv/bias"]
        y = F.conv2d(x, filters.permute(3, 2, 0, 1), bias, stride, pad)
        scale, shift = tensors[f"{name}/scale/weights"], tensors[f"{name}/scale/biases"]
        return y * scale[:, None, None] + shift[:, None, None]

    x = (255 * image - torch.tensor([122.782, 117.001, 104.298])[:, None, None]) / 255
    x = layer(F.pad(x, (2, 3, 2, 3)), "conv32_down", 2, 0).relu()
    x = F.max_pool2d(F.pad(x, (0, 1, 0, 1)), 3, 2)
    for block in BLOCKS:
        if "down" in block:
            y = layer(F.pad(x, (0, 1, 0, 1)), f"conv{block}/conv1", 2, 0).relu()
            x = F.avg_pool2d(x, 2)
        else:
            y = layer(x, f"conv{block}/conv1").relu()
        y = layer(y, f"conv{block}/conv2")
        x = torch.cat([x, x.new_zeros(len(x), y.shape[1] - x.shape[1], *x.shape[2:])], 1)
        x = (x + y).relu()
    return x


def test_it_computes_what_face_api_does(tmp_path: Path, tensors: dict[str, Tensor]) -> None:
    file = tmp_path / "own.safetensors"
    save_file(face_weights.from_tfjs(tensors), file)
    encoder, image = FaceResNet(str(file)).eval(), torch.rand(2, 3, 128, 192)
    with torch.no_grad():
        levels = encoder(image)
    assert [(level.shape[1], 128 // level.shape[2]) for level in levels] == [
        (32, 4),
        (64, 8),
        (128, 16),
        (256, 32),
        (256, 64),
    ]
    torch.testing.assert_close(levels[-1], restated(image, tensors), rtol=1e-3, atol=1e-4)


def test_weights_come_out_of_the_package(registry: Path, tensors: dict[str, Tensor]) -> None:
    wanted = face_weights.from_tfjs(tensors)
    for name, tensor in load_file(fetch(FACES)).items():
        torch.testing.assert_close(tensor, wanted[name], rtol=0, atol=0.08)
    encoder = FaceResNet()
    registry.unlink()
    assert fetch(FACES) == cached(FACES)
    assert torch.equal(encoder.stem.conv.weight, load_file(cached(FACES))["stem.conv.weight"])


def test_another_package_than_the_known_one_is_not_used(registry: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(face_weights, "NETWORK", NETWORK)
    with pytest.raises(WeightsError, match=r"manifest.json in .* has SHA-256 .*, expected cbaffa.* was not used"):
        fetch(FACES)
    registry.write_bytes(b"no archive")
    with pytest.raises(WeightsError, match=r"face-api-1.7.15.tgz holds no readable .*; it is damaged"):
        fetch(FACES)
    assert not cached(FACES).exists()


def test_without_a_registry(registry: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    registry.unlink()
    with pytest.raises(WeightsError, match=r"could not download .*; check the network, or set NPM_CONFIG_REGISTRY"):
        fetch(FACES)
    with pytest.raises(WeightsError, match="run `hydranet weights get face_resnet` or None"):
        FaceResNet()
    monkeypatch.setenv("NPM_CONFIG_REGISTRY", "no address")
    with pytest.raises(WeightsError, match="could not download no address/@vladmandic"):
        fetch(FACES)


def test_files_that_do_not_fit(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"no weights at .*nothing.safetensors; give a"):
        FaceResNet(str(tmp_path / "nothing.safetensors"))
    save_file({"a": torch.ones(1)}, tmp_path / "other.safetensors")
    with pytest.raises(WeightsError, match="holds no weights of FaceResNet"):
        FaceResNet(str(tmp_path / "other.safetensors"))
    with pytest.raises(SpecError, match=r"encoder\.taps"):
        FaceResNet(None, taps=6)


def test_fewer_levels_are_the_same_ones(tmp_path: Path) -> None:
    encoder = FaceResNet(None)
    save_file({k: v for k, v in encoder.state_dict().items() if "normalize" not in k}, tmp_path / "all.safetensors")
    fewer, image = FaceResNet(str(tmp_path / "all.safetensors"), taps=2), torch.rand(1, 3, 64, 64)
    assert len(fewer.stages) == 2 < len(STAGES)
    for one, other in zip(fewer(image), encoder(image), strict=False):
        assert torch.equal(one, other)


def test_the_real_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """npm still holds what is expected: a face and its mirror image are more alike than a face and a cat."""
    data = pytest.importorskip("skimage.data")
    monkeypatch.setenv("HYDRANET_CACHE", str(tmp_path))
    try:
        fetch(FACES)
    except WeightsError as error:
        pytest.skip(f"no npm here: {error}")
    encoder = FaceResNet().eval()
    face, cat = data.astronaut()[:210, 120:330], data.chelsea()[20:230, 80:290]
    photos = torch.stack([torch.from_numpy(np.ascontiguousarray(x)) for x in (face, face[:, ::-1], cat)])
    with torch.no_grad():
        pixels = F.interpolate(photos.permute(0, 3, 1, 2) / 255, (128, 128), mode="area")
        a, b, c = encoder(pixels)[-1].mean((2, 3))
    assert (a - b).norm() < 0.6 * (a - c).norm()
