"""Runs a .torchscript file with PyTorch: the one runtime here that needs torch."""

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from hydranet.deploy.manifest import KEY, ManifestError, parse
from hydranet.deploy.manifest_faults import CURE
from hydranet.deploy.manifest_fit import check_arrays, check_count, check_outputs

SUFFIXES = (".torchscript",)
BESIDE: dict[str, tuple[str, ...]] = {}
"""Suffixes of the files that belong to a file of each suffix."""

CODE = True
"""Opening a file runs what its author wrote."""

PRECISIONS: Mapping[str, str] = {}
"""Precisions to compute in by choice: none, a file has its own."""


class Session:
    """An open TorchScript file: arrays by name in, arrays by name out.

    threads: of the convolutions, for the whole process, as in torch itself; None = unchanged.    device: torch's name.
    Several threads may call it at once.
    Raises ManifestError for a file that is no export, ImportError where torch is missing.
    """

    prunes = False

    def __init__(self, path: Path | str, threads: int | None = None, *, device: str = "cpu") -> None:
        try:
            import torch
        except ImportError as error:
            raise ImportError('TorchScript files need PyTorch; pip install "hydranet[train]"') from error
        self._torch, self._device, self._path = torch, device, path
        if threads:
            torch.set_num_threads(threads)
        inside = {f"{KEY}.json": ""}
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # TorchScript is deprecated
                self._module = torch.jit.load(str(path), map_location=device, _extra_files=inside).eval()
        except RuntimeError as error:
            reason = str(error).strip().partition("\n")[0]
            raise ManifestError(f"{path} cannot be opened by TorchScript ({reason}); {CURE}") from error
        self.manifest = parse(inside[f"{KEY}.json"], path)
        check_count(self.manifest, len(list(self._module.graph.inputs())) - 1, path)  # the module itself is one, too

    def __call__(self, arrays: Mapping[str, np.ndarray], outputs: Sequence[str] | None = None) -> dict[str, np.ndarray]:
        """The outputs asked for (default: all); the whole graph is computed in any case.

        Raises InputError for wrong arrays, ManifestError where the file gives others than its manifest says.
        """
        check_arrays(self.manifest, arrays)
        given = [arrays[name] for name in self.manifest.inputs]
        with self._torch.inference_mode():
            tensors = self._module(*(self._torch.from_numpy(np.ascontiguousarray(a)).to(self._device) for a in given))
        named = {name: one.cpu().numpy() for name, one in zip(self.manifest.outputs, tensors, strict=False)}
        check_outputs(self.manifest, {name: (one.dtype, one.shape) for name, one in named.items()}, self._path)
        # copies: an output may be a constant of the graph, which every call would share
        return {name: np.array(named[name]) for name in (outputs or named)}
