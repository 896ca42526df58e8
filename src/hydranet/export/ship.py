"""A trained network as files that run without it."""

import hashlib
import importlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

from hydranet.checkpoint import write
from hydranet.core.spec import SpecError, unknown
from hydranet.deploy.manifest import Manifest
from hydranet.deploy.session import Session, known, open_session, runtimes_for
from hydranet.evaluate import Report
from hydranet.export.describe import described
from hydranet.export.graph import Shape, Shipped, example, plain, shipped
from hydranet.model import HydraNet
from hydranet.recipe import Recipe

MANIFEST = "manifest.json"


def target(name: str) -> ModuleType:
    """The file of this package that writes for a runtime: it has `SUFFIX`, `PRECISIONS` and `write`.

    Raises SpecError with a suggestion for an unknown name.
    """
    names = [runtime for runtime, _ in known()]
    if name not in names:
        raise SpecError(unknown(name, names, "target of an export"))
    return importlib.import_module(f"hydranet.export.{name}")


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
) -> tuple[Shipped, list[Path]]:
    """Writes the chosen heads for each target, and manifest.json; returns what they are held against, the network
    as it was trained, and the model files.

    Raises SpecError for an unknown head, target or shape, ImportError where the extra is missing.
    """
    modules = [target(one) for one in targets]
    for one, module in zip(targets, modules, strict=True):
        if precision not in module.PRECISIONS:
            able = " or ".join(module.PRECISIONS)
            raise SpecError(f"got precision {precision!r} for {one}, expected {able}; export it apart, or as fp32")
    graph = shipped(model, heads, shape)
    manifest = described(graph, recipe, name or recipe.name, protocol, precision)
    folder.mkdir(parents=True, exist_ok=True)
    paths: list[Path] = []
    digests: dict[str, str] = {}
    for module in modules:
        files = module.write(graph, example(shape, graph.thresholds), folder / f"model{module.SUFFIX}", manifest)
        paths.append(files[0])
        digests |= {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}
    write(folder / MANIFEST, replace(manifest, files=_before(folder, manifest) | digests).to_json().encode())
    return plain(model, heads, shape), paths


def _before(folder: Path, manifest: Manifest) -> dict[str, str]:
    """Digests of files from an earlier export of the same thing into the same folder."""
    path = folder / MANIFEST
    if not path.is_file():
        return {}
    earlier = Manifest.from_json(path.read_text())
    same = replace(earlier, files={}, versions={}) == replace(manifest, files={}, versions={})
    return {name: digest for name, digest in earlier.files.items() if same and (folder / name).is_file()}


def opened(paths: Sequence[Path]) -> dict[tuple[str, str], Session]:
    """Sessions by (file, runtime): each file in its own runtime, and in every other installed one that reads it."""
    found = {}
    for path in paths:
        own, *others = runtimes_for(path)
        found[path.name, own] = open_session(path, own)
        for other in others:
            with suppress(ImportError):
                found[path.name, other] = open_session(path, other)
    return found


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
    """The protocol of a run's report; empty where it has none."""
    path = run / "report.json"
    return Report.from_json(path.read_text()).protocol if path.is_file() else {}
