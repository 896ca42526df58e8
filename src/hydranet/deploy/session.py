"""Opening an exported file with the runtime that reads it."""

import hashlib
import importlib
import pkgutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Protocol

import numpy as np

from hydranet.core.checks.json_text import parse_json
from hydranet.core.errors import MALFORMED, UserError
from hydranet.deploy import runtimes
from hydranet.deploy.manifest import Manifest, ManifestError
from hydranet.deploy.onnx_subgraph import reads_other_files
from hydranet.deploy.trust import check as check_trust

BESIDE = "manifest.json"
"""Name of the file beside exported files that holds their digests."""


class Session(Protocol):
    """An open model: arrays by name in, arrays by name out. Each file in `runtimes/` defines one.

    prunes: whether outputs that are not asked for are not computed either.
    """

    manifest: Manifest
    prunes: bool

    def __call__(self, arrays: Mapping[str, np.ndarray], outputs: Sequence[str] | None = None) -> dict[str, np.ndarray]:
        """The outputs asked for (default: all)."""


def known() -> Iterator[tuple[str, ModuleType]]:
    """Name and module of every runtime; importing them imports no runtime yet."""
    for module in pkgutil.iter_modules(runtimes.__path__):
        yield module.name, importlib.import_module(f"{runtimes.__name__}.{module.name}")


def runtimes_for(path: Path | str) -> list[str]:
    """Names of the runtimes that read such a file, the file's own one first."""
    suffix = Path(path).suffix.lower()
    able = [(module.SUFFIXES.index(suffix), name) for name, module in known() if suffix in module.SUFFIXES]
    return [name for _, name in sorted(able)]


@dataclass(frozen=True)
class Runtime:
    """What computes a network, and how.

    name:      "onnx", "openvino", "torchscript" for an exported file; "" = by its suffix.
    device:    "cpu", or for a run folder another one that PyTorch knows, such as "cuda".
    threads:   of the convolutions, from 1; None = the runtime's own choice.
    precision: "bf16" or "fp16" to compute in half precision, for run folders and OpenVINO; "" = fp32, or whatever an
               exported file holds.
    trust:     open a file that is code (.torchscript) though this user did not export it (`deploy.trust`).
    """

    name: str = ""
    device: str = "cpu"
    threads: int | None = None
    precision: str = ""
    trust: bool = False


def open_session(
    path: Path | str, runtime: str = "", threads: int | None = None, precision: str = "", trust: bool = False
) -> Session:
    """The model in a file; the options are those of `Runtime`.

    Raises ManifestError for a file that is missing, damaged, of an unknown kind or no export, UntrustedFile for one
    that is code and neither the user's own export nor trusted, UserError for a wrong
    number of threads or a precision that the runtime cannot choose, ImportError naming the extra that is not
    installed.
    """
    check_threads(threads)
    if not Path(path).is_file():
        raise ManifestError(f"no file {path}; make one with `hydranet export RUN --to onnx`")
    able = runtimes_for(path)
    if not able or (runtime and runtime not in able):
        every = sorted({suffix for _, module in known() for suffix in module.SUFFIXES})
        names = ", ".join(name for name, _ in known())
        raise ManifestError(
            f"got {Path(path).name} for runtime {runtime or 'by suffix'!r}, expected a file of {', '.join(every)} "
            f"and one of {names} that reads it; export the run for it"
        )
    name = runtime or able[0]
    module = dict(known())[name]
    if precision and precision not in module.PRECISIONS:
        able = [other for other, its in known() if precision in its.PRECISIONS and other in runtimes_for(path)]
        cure = f"use runtime {' or '.join(able)}" if able else "leave it out: the file's own precision is used"
        raise UserError(f"got precision {precision!r} for {name}, which cannot choose that; {cure}")
    check_digests(Path(path))
    _check_alone(Path(path))
    if module.CODE:
        check_trust(Path(path), trust)
    session: Session = (
        module.Session(path, threads, precision=precision) if precision else module.Session(path, threads)
    )
    return session


def _check_alone(path: Path) -> None:
    """Raises ManifestError for an .onnx file whose weights lie in other files, at paths of its author's choice."""
    if path.suffix.lower() != ".onnx":
        return
    try:
        elsewhere = reads_other_files(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise ManifestError(
            f"{path} cannot be opened by ONNX Runtime or any other: it is damaged or no ONNX file ({error}); export "
            "the run again"
        ) from error
    if elsewhere:
        raise ManifestError(
            f"{path} keeps weights in other files, which could be any file of this machine; expected one file that "
            "holds all: export the run again, or load and save it with onnx.save_model(model, path)"
        )


def check_threads(threads: int | None) -> None:
    """Raises UserError for what is no number of threads."""
    if threads is not None and (isinstance(threads, bool) or not isinstance(threads, int) or threads < 1):
        raise UserError(
            f"got threads {threads!r}, expected a whole number from 1, or None for the runtime's own choice"
        )


def check_digests(path: Path) -> None:
    """Compares a file, and the weights of an .xml file, with the sha256 in the manifest.json beside it.

    A manifest that is absent, cannot be read or does not name the file is no error: files may be renamed and moved.
    Raises ManifestError where it names the file with another digest.
    """
    try:
        digests = parse_json(path.with_name(BESIDE).read_text())["files"]
    except (OSError, *MALFORMED):
        return
    named = isinstance(digests, dict) and path.name in digests
    for file in parts_of(path):
        if named and file.is_file() and digests.get(file.name) not in (None, _digest(file)):
            raise ManifestError(
                f"{file} is damaged or of another export: its sha256 is not the one in the {BESIDE} beside it; "
                "copy the whole folder of the export again"
            )


def parts_of(path: Path) -> list[Path]:
    """The files that a model consists of, its own first; what else belongs to it, its runtime says (`BESIDE`)."""
    beside = {suffix for _, module in known() for suffix in module.BESIDE.get(path.suffix, ())}
    return [path, *(path.with_suffix(suffix) for suffix in sorted(beside))]


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
