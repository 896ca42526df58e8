"""PyTorch itself as a runtime: what a network costs before it is exported."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch

from hydranet.bench.bare import Bare
from hydranet.checkpoint.checkpoint import load_model
from hydranet.deploy.manifest import IMAGE, Manifest
from hydranet.export.graph import ExportGraph, Shape, example
from hydranet.export.passes.fold_batchnorm import folded


class EagerSession:
    """A model.safetensors as a session; a manifest.json lies beside it.

    how: "eager" = as it was trained; "channels-last" = the same in that memory format; "compiled" = BatchNorm folded,
    channels last, by torch.compile. A path that ends in "#bare" means the network without decoding.
    """

    prunes = False

    def __init__(self, path: Path, how: str, precision: str, threads: int) -> None:
        torch.set_num_threads(threads)
        bare = path.name.endswith("#bare")
        file = path.with_name(path.name.removesuffix("#bare"))
        self.manifest = Manifest.from_json((file.parent / ("bare.json" if bare else "manifest.json")).read_text())
        model, _ = load_model(file)
        camera = self.manifest.camera
        shape = Shape(self.manifest.input.size, focal_px=camera.fixed[0] if camera and camera.fixed else None)
        graph: Any = (Bare if bare else ExportGraph)(model, shape)
        if how != "eager":
            graph = graph.to(memory_format=torch.channels_last)
        if how == "compiled":
            graph = torch.compile(folded(graph, *example(shape)), dynamic=False)
        self._graph, self._half = graph, precision == "bf16"

    def _precision(self) -> AbstractContextManager[object]:
        return torch.autocast("cpu", torch.bfloat16) if self._half else nullcontext()

    def __call__(self, arrays: Mapping[str, np.ndarray], outputs: Sequence[str] | None = None) -> dict[str, np.ndarray]:
        """The outputs asked for (default: all); everything is computed in any case."""
        with torch.inference_mode(), self._precision():
            tensors = self._graph(torch.from_numpy(arrays[IMAGE]))
        named = dict(zip(self.manifest.outputs, tensors, strict=True))
        return {
            name: named[name].float().numpy() if named[name].dtype == torch.bfloat16 else named[name].numpy()
            for name in (outputs or named)
        }
