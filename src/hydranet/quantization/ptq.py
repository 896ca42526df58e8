"""Post-training quantization with NNCF: weights per channel, activations by range, calibrated on images."""

import io
import logging
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hydranet.config.recipe import Recipe
from hydranet.core.spec import SpecError
from hydranet.data.reader import Reader
from hydranet.deploy.camera_input import CAMERA
from hydranet.deploy.manifest import IMAGE, KEY, Manifest
from hydranet.deploy.runtimes.openvino import core
from hydranet.export.graph import ExportGraph, example
from hydranet.export.targets.onnx import proto, quiet
from hydranet.io.atomic import placed
from hydranet.quantization.integer_layers import in_integers
from hydranet.quantization.node_scopes import floats, parts_of
from hydranet.quantization.openvino_signals import kept_signal_stack
from hydranet.transforms.augment import fit

TARGETS = {"openvino": ".xml", "onnx": ".onnx"}


@dataclass(frozen=True, eq=False)
class Floating:
    """A network before quantization: as ONNX, with the part of every node."""

    graph: ExportGraph
    proto: Any
    parts: dict[str, str]

    @property
    def heads(self) -> list[str]:
        """Names of its heads."""
        return list(self.graph.model.tasks)


def floating(graph: ExportGraph, manifest: Manifest) -> Floating:
    """The network as NNCF takes it. Raises ImportError without the extra."""
    os.environ.setdefault("NNCF_CI", "1")  # else each call starts a process that reports its use over the network
    try:
        import nncf  # noqa: F401
        import openvino  # noqa: F401
    except ImportError as error:
        raise ImportError('quantization needs NNCF and OpenVINO; pip install "hydranet[export]"') from error
    made = proto(graph, example(graph.shape, graph.inputs), list(manifest.outputs))
    return Floating(graph, made, parts_of(made))


def calibration_images(recipe: Recipe, size: tuple[int, int], count: int) -> list[np.ndarray]:
    """uint8 1 h w 3 images for calibration, equally many from each training source, evenly spread over it.

    A range that the images do not reach is cut off for all sources, so a source's share of training does not matter.
    """
    images: list[np.ndarray] = []
    for source in recipe.data:
        reader = Reader(source, list(recipe.tasks))
        each = min(max(count // len(recipe.data), 1), len(reader))
        for index in sorted({int(i) for i in np.linspace(0, len(reader) - 1, each)}):
            sample, _ = fit(reader[index].but(labels={}), size)
            images.append(sample.image[None])
    return images


def write(
    network: Floating,
    target: str,
    float_heads: Iterable[str],
    images: Sequence[np.ndarray],
    path: Path,
    manifest: Manifest,
) -> Path:
    """Writes the network with all parts in INT8 but those in `float_heads` and the decoding; returns the file.

    The range of a network's first layer is halved (NNCF's overflow fix): processors without VNNI add up INT8 products
    in 16 bits. Raises SpecError for an unknown target.
    """
    import nncf

    if target not in TARGETS:
        raise SpecError(f"got target {target!r}, expected {' or '.join(TARGETS)}")
    logging.getLogger("nncf").setLevel(logging.ERROR)
    model = _opened(network, target)
    # decoding stays in floats, so that the camera it is given does not matter to any range
    others = {CAMERA: example(network.graph.shape, (CAMERA,))[0].numpy()} if CAMERA in manifest.inputs else {}
    names = [node.name for node in model.graph.node] if target == "onnx" else _nodes(model)
    # NNCF draws bars of its own, and makes torch look for CUDA, which is not needed (nncf.torch.extensions)
    with kept_signal_stack(), redirect_stdout(io.StringIO()), quiet("torch.utils.cpp_extension"):
        quantized: Any = nncf.quantize(
            model,
            nncf.Dataset(list(images), lambda image: {IMAGE: image, **others}),
            preset=nncf.QuantizationPreset.MIXED,
            subset_size=len(images),
            ignored_scope=nncf.IgnoredScope(names=floats(network.parts, float_heads, names), validate=False),
            advanced_parameters=_by_tensor() if target == "onnx" else None,
        )
    _save(in_integers(quantized) if target == "onnx" else quantized, target, path, manifest)
    return path


def write_float(network: Floating, target: str, path: Path, manifest: Manifest) -> Path:
    """The same network as it is, in float, to measure its time beside; returns the file."""
    _save(_opened(network, target), target, path, manifest)
    return path


def _opened(network: Floating, target: str) -> Any:
    """A fresh model of the target's kind; NNCF's ONNX part wants every shape written down."""
    if target == "onnx":
        import onnx

        return onnx.shape_inference.infer_shapes(network.proto)
    return core().read_model(network.proto.SerializeToString(), b"")  # convert_model would report its use


def _by_tensor() -> Any:
    """One range for all channels of an activation: ONNX Runtime's convolutions take no other, not even depthwise."""
    from nncf.quantization.advanced_parameters import AdvancedQuantizationParameters, QuantizationParameters

    return AdvancedQuantizationParameters(activations_quantization_params=QuantizationParameters(per_channel=False))


def _nodes(model: Any) -> Iterator[str]:
    return (node.get_friendly_name() for node in model.get_ordered_ops())


def _save(model: Any, target: str, path: Path, manifest: Manifest) -> None:
    """Puts the file in place, whole or not at all. Raises CheckpointError where it cannot be written."""
    with placed(path) as draft:
        if target == "onnx":
            import onnx

            onnx.helper.set_model_props(model, {KEY: manifest.to_json()})
            onnx.save_model(model, str(draft))
            return
        import openvino

        model.set_rt_info(manifest.to_json(), [KEY])
        openvino.save_model(model, str(draft), compress_to_fp16=False)
