"""A trained network as files that run without it."""

import hashlib
import importlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

from hydranet.config.recipe import Recipe
from hydranet.core.errors import UserError
from hydranet.core.spec import SpecError, unknown
from hydranet.deploy.manifest import Manifest
from hydranet.deploy.session import Session, known, open_session, parts_of, runtimes_for
from hydranet.evaluation.report import read_report
from hydranet.export.build_manifest import described
from hydranet.export.graph import ExportGraph, Shape, example, plain, shipped
from hydranet.io.atomic import write
from hydranet.models.hydranet import HydraNet

MANIFEST = "manifest.json"


class ExportError(UserError):
    """A file that could not be written; nothing was shipped."""


def target(name: str) -> ModuleType:
    """The file of this package that writes for a runtime: it has `SUFFIX`, `PRECISIONS` and `write`.

    Raises SpecError with a suggestion for an unknown name.
    """
    names = [runtime for runtime, _ in known()]
    if name not in names:
        raise SpecError(unknown(name, names, "target of an export"))
    return importlib.import_module(f"hydranet.export.targets.{name}")


def export(
    model: HydraNet,
    recipe: Recipe,
    folder: Path,
    *,
    targets: Sequence[str],
    shape: Shape,
    heads: Sequence[str] | None = None,
    name: str = "",
    protocol: Mapping[str, Any] | None = None,
    precision: str = "fp32",
) -> tuple[ExportGraph, list[Path]]:
    """Writes the chosen heads for each target, and manifest.json; returns the network as it was trained, which the
    files are compared with, and the model files. `settle` then moves the files that passed into place.

    Raises SpecError for an unknown head, target or shape, ImportError where the extra is missing, ExportError where a
    runtime cannot write its file or a weight is no finite number.
    """
    if not targets or len(set(heads or ())) < len(heads or ()):
        given = f"got targets {list(targets)} and heads {list(heads or ())}"
        raise SpecError(f"{given}, expected at least one target, and each name once; list them")
    modules = [target(one) for one in targets]
    for one, module in zip(targets, modules, strict=True):
        if precision not in module.PRECISIONS:
            able = " or ".join(module.PRECISIONS)
            raise SpecError(f"got precision {precision!r} for {one}, expected {able}; export it apart, or as fp32")
    _check_weights(model.subset(*heads) if heads else model)
    graph = shipped(model, heads, shape)
    manifest = described(graph, recipe, name or recipe.name, protocol, precision)
    folder.mkdir(parents=True, exist_ok=True)
    paths: list[Path] = []
    digests: dict[str, str] = {}
    for one, module in zip(targets, modules, strict=True):
        path = folder / f"model{module.SUFFIX}"
        try:
            files = module.write(graph, example(shape, graph.inputs), path, manifest)
        except (OSError, RuntimeError) as error:
            lines = str(error).strip().splitlines() or [type(error).__name__]
            raise ExportError(f"cannot write {path.name} for {one}: {lines[-1]}; nothing was shipped") from error
        paths.append(files[0])
        digests |= {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}
    write(folder / MANIFEST, replace(manifest, files=digests).to_json().encode())
    return plain(model, heads, shape), paths


def _check_weights(model: HydraNet) -> None:
    """Raises ExportError for weights and statistics that are not finite."""
    for name, values in model.state_dict().items():
        count = int((~values.isfinite()).sum()) if values.is_floating_point() else 0
        if count:
            raise ExportError(
                f"got {count} number{'s' * (count > 1)} that {'are' if count > 1 else 'is'} NaN or infinite in {name}, "
                "expected finite weights; export another checkpoint"
            )


def settle(paths: Sequence[Path], folder: Path, proven: Sequence[Path]) -> list[Path]:
    """Moves files that `export` wrote into one folder to `folder`: proven ones, with the manifest, over those of an
    earlier export; the others as NAME.failed. Returns the new paths of the proven ones.
    """
    if not paths:
        return []
    manifest = Manifest.from_json((paths[0].parent / MANIFEST).read_text())
    digests = _before(folder, manifest)
    for path in paths:
        for file in parts_of(path):
            failed = folder / f"{file.name}.failed"
            if path in proven:
                digests[file.name] = manifest.files[file.name]
                failed.unlink(missing_ok=True)
            file.replace(folder / file.name if path in proven else failed)
    if proven:
        write(folder / MANIFEST, replace(manifest, files=digests).to_json().encode())
    return [folder / path.name for path in proven]


def _before(folder: Path, manifest: Manifest) -> dict[str, str]:
    """Digests of files from an earlier export of the same thing into the same folder."""
    try:
        earlier = Manifest.from_json((folder / MANIFEST).read_text())
    except (OSError, ValueError):  # none, or a damaged one
        return {}
    same = replace(earlier, files={}, versions={}) == replace(manifest, files={}, versions={})
    return {name: digest for name, digest in earlier.files.items() if same and (folder / name).is_file()}


def opened(paths: Sequence[Path]) -> dict[tuple[str, str], Session]:
    """Sessions by (file, runtime): each file in its own runtime, and in every other installed one that reads it."""
    sessions = {}
    for path in paths:
        own, *others = runtimes_for(path)
        sessions[path.name, own] = open_session(path, own)
        for other in others:
            with suppress(ImportError):
                sessions[path.name, other] = open_session(path, other)
    return sessions


def other_sizes(recipe: Recipe, size: tuple[int, int]) -> list[str]:
    """A sentence on each validation source that the run was scored on at another size than the file sees."""
    return [
        f"{source.name} was scored at {source.size[0]}x{source.size[1]}, this file sees {size[0]}x{size[1]}: scores "
        f"differ from the run's report; for that camera, export with --size {source.size[0]}x{source.size[1]}"
        for source in recipe.validation
        if source.size != size
    ]


def parse_batch(text: str) -> int | None:
    """ "4" as 4, "dynamic" as None. Raises SpecError for anything else."""
    if text == "dynamic":
        return None
    if not text.isdecimal() or int(text) < 1:
        raise SpecError(f"got batch {text!r}, expected a whole number >= 1 or 'dynamic'")
    return int(text)


def report_of(run: Path) -> dict[str, Any]:
    """The protocol of a run's report; empty where it has none. Raises DataError for a damaged one."""
    return read_report(run).protocol if (run / "report.json").is_file() else {}
