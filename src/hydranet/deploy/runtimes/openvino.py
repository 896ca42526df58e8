"""Runs an .xml or .onnx file with OpenVINO; needs numpy and openvino only."""

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np

from hydranet.core.errors import UserError
from hydranet.deploy.manifest import KEY, ManifestError, parse
from hydranet.deploy.manifest_fit import check_arrays, check_graph, check_outputs

SUFFIXES = (".xml", ".onnx")
BESIDE: dict[str, tuple[str, ...]] = {".xml": (".bin",)}
"""Suffixes of the files that belong to a file of each suffix."""

CODE = False
"""Its files are data."""

PRECISIONS = {"fp32": "f32", "bf16": "bf16", "fp16": "f16"}
_STARTING = Lock()


def core() -> Any:
    """The process's one OpenVINO core, never freed; raises ImportError where OpenVINO is missing.

    Each core takes over the thread's stack for signal handlers. The last of several to be freed may leave it pointing
    at freed memory, and the next Ctrl-C or ended child process is then a segmentation fault.
    """
    with _STARTING:
        return _core()


@cache
def _core() -> Any:
    import openvino

    # OpenVINO makes its table of numpy's types at first use, by code that lets go of Python's lock in between. A second
    # thread that asks just then takes that lock and waits for the table, while the first one waits for the lock: the
    # whole process stands still for good. So the table is made here, by one thread.
    tensor = openvino.Tensor(np.zeros(1, np.float32))
    np.zeros_like(tensor.data, tensor.element_type.to_dtype())
    return openvino.Core()


class Session:
    """An open OpenVINO model: arrays by name in, arrays by name out.

    threads:   of the convolutions; None = one per core.    device: OpenVINO's name for it, such as "CPU" or "GPU".
    precision: "fp32", or "bf16" or "fp16" to compute in half precision where the processor can. OpenVINO's own
               default is bf16 on processors with AMX; here it is what PyTorch computes.
    Each set of outputs that is asked for is compiled once, into a network that computes nothing else.
    Several threads may call it at once: each call has an infer request to itself, since a request holds the arrays of
    one image; requests are kept and used again.
    Raises ManifestError for a file that is no export, ImportError where OpenVINO is missing.
    """

    prunes = True

    def __init__(
        self, path: Path | str, threads: int | None = None, *, device: str = "CPU", precision: str = "fp32"
    ) -> None:
        try:
            import openvino
        except ImportError as error:
            raise ImportError('OpenVINO files need OpenVINO; pip install "hydranet[openvino]"') from error
        if precision not in PRECISIONS:
            raise UserError(f"got precision {precision!r}, expected one of {', '.join(PRECISIONS)}")
        self._openvino: Any = openvino
        self._device = device
        self._options: dict[str, Any] = {
            "INFERENCE_PRECISION_HINT": PRECISIONS[precision],
            "PERFORMANCE_HINT": "LATENCY",
        }
        if threads:
            self._options["INFERENCE_NUM_THREADS"] = threads
        self._core = core()
        try:
            self._model = self._core.read_model(str(path))
        except RuntimeError as error:
            raise ManifestError(f"{path} cannot be opened by OpenVINO ({error}); export the run again") from error
        self.manifest = parse(_text(self._model), path)
        check_graph(self.manifest, {one.any_name: _sides(one) for one in self._model.inputs}, path)
        given = {
            name: (np.dtype(one.element_type.to_dtype()), None if one.partial_shape.rank.is_dynamic else _sides(one))
            for one in self._model.outputs
            for name in one.names
        }
        check_outputs(self.manifest, given, path)
        self._compiled: dict[tuple[str, ...], Any] = {}
        self._idle: dict[tuple[str, ...], list[Any]] = {}
        self._compiling = Lock()

    def __call__(self, arrays: Mapping[str, np.ndarray], outputs: Sequence[str] | None = None) -> dict[str, np.ndarray]:
        """The outputs asked for (default: all); costs only what these need. Raises InputError for wrong arrays."""
        check_arrays(self.manifest, arrays)
        names = tuple(self.manifest.outputs) if outputs is None else tuple(outputs)
        with self._compiling:
            if names not in self._compiled:
                self._compiled[names] = self._core.compile_model(self._only(names), self._device, self._options)
                self._idle[names] = []
            idle = self._idle[names]
            request = idle.pop() if idle else self._compiled[names].create_infer_request()
        results = request.infer(dict(arrays), share_inputs=True, share_outputs=True)
        copied = {name: np.array(results[name]) for name in names}  # before another call may have the request
        idle.append(request)  # a request whose call failed is not used again
        return copied

    def _only(self, names: tuple[str, ...]) -> Any:
        """The model with these outputs alone."""
        if set(names) == set(self.manifest.outputs):
            return self._model
        copied = self._model.clone()
        chosen = [copied.output(name) for name in names]
        results = [output.get_node() for output in chosen]
        return self._openvino.Model(results, copied.get_parameters(), self.manifest.name)


def _sides(port: Any) -> list[int | None]:
    """Lengths of the axes of an input or output; None for those that vary."""
    return [side.get_length() if side.is_static else None for side in port.partial_shape]


def _text(model: Any) -> str | None:
    """The manifest inside a model; OpenVINO keeps the metadata of an .onnx file under "framework"."""
    for place in ([KEY], ["framework", KEY]):
        if model.has_rt_info(place):
            return str(model.get_rt_info(place).astype(str))
    return None
