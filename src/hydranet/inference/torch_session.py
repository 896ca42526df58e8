"""PyTorch as a runtime: a run folder or a model.safetensors as an open session."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from hydranet.checkpoint.checkpoint import load_model
from hydranet.core.errors import UserError
from hydranet.core.features import SIDES
from hydranet.core.spec import unknown
from hydranet.deploy.camera_input import CAMERA
from hydranet.deploy.manifest import IMAGE
from hydranet.deploy.manifest_fit import InputError, check_arrays
from hydranet.deploy.session import Runtime, check_threads
from hydranet.export.build_manifest import described
from hydranet.export.graph import ExportGraph, Shape
from hydranet.models.device import available_device

PRECISIONS: Mapping[str, torch.dtype | None] = {
    "": None,
    "fp32": None,
    "bf16": torch.bfloat16,
    "fp16": torch.float16,
}
"""What the network is computed in; decoding is always float32."""


class TorchSession:
    """A trained network as an open session: arrays by name in, arrays by name out.

    path:    a run folder or a model.safetensors; images whose sides are multiples of 4, and any number at once.
    runtime: its device, threads (for the whole process, as in torch itself) and precision.
    Several threads may call it at once.
    Raises CheckpointError for what is no run, SpecError for a device that is not there, UserError for another
    precision.
    """

    prunes = True

    def __init__(self, path: Path | str, runtime: Runtime | None = None) -> None:
        runtime = runtime or Runtime()
        if runtime.precision not in PRECISIONS:
            names = ", ".join(name for name in PRECISIONS if name)
            raise UserError(f"got precision {runtime.precision!r}, expected one of {names}")
        check_threads(runtime.threads)
        self._device, self._half = available_device(runtime.device), PRECISIONS[runtime.precision]
        if runtime.threads:
            torch.set_num_threads(runtime.threads)
        model, recipe = load_model(path)
        place = Path(path).resolve()
        graph = ExportGraph(model, Shape(recipe.sizes[0], dynamic=True, batch=None))
        manifest = described(graph, recipe, (place if place.is_dir() else place.parent).name)
        self.manifest = replace(manifest, input=replace(manifest.input, stride=SIDES))  # PyTorch pads what it is given
        self._model = model.to(self._device)

    def __call__(self, arrays: Mapping[str, np.ndarray], outputs: Sequence[str] | None = None) -> dict[str, np.ndarray]:
        """The outputs asked for (default: all); costs only the heads that these need.

        Raises InputError for wrong arrays and for an output that the network does not have.
        """
        check_arrays(self.manifest, arrays)
        names = list(self.manifest.outputs) if outputs is None else list(outputs)
        for name in names:
            if name not in self.manifest.outputs:
                raise InputError(unknown(name, self.manifest.outputs, "output of this network"))
        tasks = [task for task in self.manifest.heads if set(self.manifest.outputs_of(task)) & set(names)]
        with torch.inference_mode():
            image = torch.from_numpy(np.ascontiguousarray(arrays[IMAGE])).permute(0, 3, 1, 2).to(self._device)
            pixels = image.contiguous(memory_format=torch.channels_last).float().div_(255.0)
            with self._precision():
                raw = self._model(pixels, tasks)
            camera = torch.from_numpy(arrays[CAMERA]).to(self._device) if CAMERA in arrays else None
            decoded = self._model.decode(pytree.tree_map(_single, raw), camera)
        made = {f"{task}.{name}": value for task, one in decoded.items() for name, value in vars(one).items()}
        # copies: an output may be a constant of the network, which every call would share
        return {name: np.array(made[name].cpu().numpy()) for name in names}

    def _precision(self) -> AbstractContextManager[object]:
        return torch.autocast(torch.device(self._device).type, self._half) if self._half else nullcontext()


def _single(value: Any) -> Any:
    """Half-precision tensors as float32; other values as they are."""
    half = isinstance(value, Tensor) and value.dtype in (torch.bfloat16, torch.float16)
    return value.float() if half else value
