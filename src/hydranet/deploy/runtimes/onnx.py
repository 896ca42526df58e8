"""Runs an .onnx file with ONNX Runtime; needs numpy and onnxruntime only."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np

from hydranet.core.spec import unknown
from hydranet.deploy.manifest import KEY, ManifestError, parse
from hydranet.deploy.manifest_faults import CURE
from hydranet.deploy.manifest_fit import InputError, check_arrays, check_graph, check_outputs
from hydranet.deploy.onnx_subgraph import part

SUFFIXES = (".onnx",)
BESIDE: dict[str, tuple[str, ...]] = {}
"""Suffixes of the files that belong to a file of each suffix."""

CODE = False
"""Its files are data."""

PRECISIONS: Mapping[str, str] = {}
"""Precisions to compute in by choice: none, a file has its own."""


class Session:
    """An open ONNX file: arrays by name in, arrays by name out.

    threads:   of the convolutions; None = one per core. They sleep between frames instead of spinning, so that several
               sessions of one process do not take the processor from each other.
    providers: ONNX Runtime's execution providers, best first, such as ("CUDAExecutionProvider",); default the CPU's.
    Each set of outputs that is asked for is opened once, as a network that computes nothing else: ONNX Runtime itself
    computes all of the file, even with `only_execute_path_to_fetches`. The file's bytes stay in memory for that.
    Several threads may call it at once.
    Raises ManifestError for a file that is no export, ImportError where ONNX Runtime is missing.
    """

    prunes = True

    def __init__(
        self, path: Path | str, threads: int | None = None, *, providers: Sequence[str] = ("CPUExecutionProvider",)
    ) -> None:
        try:
            import onnxruntime
        except ImportError as error:
            raise ImportError('.onnx files need ONNX Runtime; pip install "hydranet[onnx]"') from error
        self._options = onnxruntime.SessionOptions()
        self._options.log_severity_level = 3
        self._options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        if threads:
            self._options.intra_op_num_threads = threads
        self._open, self._providers, self._path = onnxruntime.InferenceSession, list(providers), Path(path)
        self._model = self._path.read_bytes()
        whole = self._opened(self._model)
        try:
            text = whole.get_modelmeta().custom_metadata_map.get(KEY)
        except UnicodeDecodeError as error:
            raise ManifestError(f"{path} holds a manifest that is no text ({error}); {CURE}") from error
        self.manifest = parse(text, path)
        shapes = {one.name: _sides(one.shape) for one in whole.get_inputs()}
        check_graph(self.manifest, shapes, path)
        given = {one.name: (_dtype(one.type), _sides(one.shape) or None) for one in whole.get_outputs()}
        check_outputs(self.manifest, given, path)
        self._sessions: dict[frozenset[str], Any] = {frozenset(self.manifest.outputs): whole}
        self._opening = Lock()

    def __call__(self, arrays: Mapping[str, np.ndarray], outputs: Sequence[str] | None = None) -> dict[str, np.ndarray]:
        """The outputs asked for (default: all); costs only what these need.

        Raises InputError for wrong arrays and for an output that the file does not have.
        """
        check_arrays(self.manifest, arrays)
        names = list(self.manifest.outputs) if outputs is None else list(outputs)
        chosen = frozenset(names)
        for name in names:
            if name not in self.manifest.outputs:
                raise InputError(unknown(name, self.manifest.outputs, "output of this file"))
        with self._opening:
            if chosen not in self._sessions:
                self._sessions[chosen] = self._opened(part(self._model, chosen))
        return dict(zip(names, self._sessions[chosen].run(names, dict(arrays)), strict=True))

    def _opened(self, model: bytes) -> Any:
        try:
            return self._open(model, self._options, providers=self._providers)
        except Exception as error:  # ONNX Runtime's errors have no common base class but this one
            raise ManifestError(f"{self._path} cannot be opened by ONNX Runtime ({error}); {CURE}") from error


def _sides(shape: Sequence[object]) -> list[int | None]:
    """Lengths of axes; None for those that have a name, since they vary."""
    return [side if isinstance(side, int) else None for side in shape]


def _dtype(words: str) -> np.dtype:
    """numpy's type of what ONNX Runtime calls, for example, "tensor(float)"."""
    name = words.removeprefix("tensor(").removesuffix(")")
    return np.dtype({"float": "float32", "double": "float64"}.get(name, name))
