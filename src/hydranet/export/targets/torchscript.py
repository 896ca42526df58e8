"""One .torchscript file (a traced graph): for LibTorch in C++."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor

from hydranet.core.spec import SpecError
from hydranet.deploy import trust
from hydranet.deploy.camera_input import CAMERA
from hydranet.deploy.manifest import IMAGE, KEY, Manifest
from hydranet.export.graph import ExportGraph, example
from hydranet.export.passes.nms import Suppress, survivors

SUFFIX = ".torchscript"
PRECISIONS = ("fp32",)
"""What its weights can be stored in."""


def write(graph: ExportGraph, given: tuple[Tensor, ...], path: Path, manifest: Manifest) -> tuple[Path, ...]:
    """Writes the traced and frozen graph with its manifest; returns the files written.

    A trace freezes sizes wherever Python computed with them, so every size that is to be dynamic is tried out.
    Raises SpecError where one does not work.
    """
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # torch's notes on the age of TorchScript, and on Python numbers in a trace
        with _scripted(graph):
            traced = torch.jit.freeze(torch.jit.trace(graph, given, check_trace=False).eval())
        for other in _others(graph):
            _same(traced, graph, other)
        torch.jit.save(traced, str(path), _extra_files={f"{KEY}.json": manifest.to_json()})
    trust.remember(path)
    return (path,)


@contextmanager
def _scripted(graph: ExportGraph) -> Iterator[None]:
    """Loops over boxes stay loops in a trace made inside the `with` statement."""
    parts = [part for part in graph.inside.values() if isinstance(part, Suppress)]
    for part in parts:
        part.loop = torch.jit.script(survivors)
    try:
        yield
    finally:
        for part in parts:
            part.loop = None


def _others(graph: ExportGraph) -> list[tuple[Tensor, ...]]:
    """Inputs of other sizes than the example's, where these are promised to work."""
    shape, others = graph.shape, []
    image, *rest = given = example(shape, graph.inputs)
    if shape.batch is None:
        per_image = zip(given, (name in (IMAGE, CAMERA) for name in graph.inputs), strict=True)
        others.append(tuple(torch.cat([one, one[:1]]) if more else one for one, more in per_image))
    if shape.dynamic:
        others.append((torch.cat([image, image.flip(1)], 2), *rest))
        others.append((torch.cat([image, image.flip(1), image, image.flip(1)], 1), *rest))  # and taller than wide
    return others


def _same(traced: torch.jit.ScriptModule, graph: ExportGraph, given: tuple[Tensor, ...]) -> None:
    try:
        pairs = list(zip(traced(*given), graph(*given), strict=True))
    except RuntimeError as error:
        raise SpecError(_refusal(graph, given)) from error
    if any(a.shape != b.shape or not torch.allclose(a.double(), b.double(), rtol=1e-2, atol=1e-2) for a, b in pairs):
        raise SpecError(_refusal(graph, given))


def _refusal(graph: ExportGraph, given: tuple[Tensor, ...]) -> str:
    return (
        f"the trace of this network works for {graph.shape.size[0]}x{graph.shape.size[1]} only, not for "
        f"{' x '.join(map(str, given[0].shape[:3]))}; export a fixed size and batch, or to onnx"
    )
