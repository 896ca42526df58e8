"""Runs an .onnx file with ONNX Runtime; needs numpy and onnxruntime only."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hydranet.deploy.manifest import KEY, ManifestError, parse

SUFFIXES = (".onnx",)


class Session:
    """An open ONNX file: arrays by name in, arrays by name out.

    threads:   of the convolutions; None = one a core. They sleep between frames instead of spinning, so that several
               sessions of one process do not take the processor from each other.
    providers: ONNX Runtime's execution providers, best first, such as ("CUDAExecutionProvider",); default the CPU's.
    Raises ManifestError for a file that is no export, ImportError where ONNX Runtime is missing.
    """

    prunes = True

    def __init__(
        self, path: Path | str, threads: int | None = None, *, providers: Sequence[str] = ("CPUExecutionProvider",)
    ) -> None:
        try:
            import onnxruntime
        except ImportError as error:
            raise ImportError('.onnx files need ONNX Runtime; pip install "hydranet[export]"') from error
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        if threads:
            options.intra_op_num_threads = threads
        try:
            self._session = onnxruntime.InferenceSession(str(path), options, providers=list(providers))
        except Exception as error:  # ONNX Runtime's errors have no common parent but this
            raise ManifestError(f"{path} cannot be opened by ONNX Runtime ({error}); export the run again") from error
        self.manifest = parse(self._session.get_modelmeta().custom_metadata_map.get(KEY), path)
        self._path: Any = onnxruntime.RunOptions()
        self._path.only_execute_path_to_fetches = True

    def __call__(self, arrays: Mapping[str, np.ndarray], outputs: Sequence[str] | None = None) -> dict[str, np.ndarray]:
        """The outputs asked for (default: all); costs only what these need."""
        names = list(self.manifest.outputs) if outputs is None else list(outputs)
        return dict(zip(names, self._session.run(names, dict(arrays), self._path), strict=True))
