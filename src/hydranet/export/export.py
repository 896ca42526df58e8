"""A trained network as files that run without it."""

import hashlib
import importlib
import pkgutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

from hydranet.config.recipe import Recipe
from hydranet.core.cascade import Cascade
from hydranet.core.errors import UserError
from hydranet.core.spec import SpecError, unknown
from hydranet.deploy.manifest import Manifest, TargetFiles
from hydranet.deploy.session import Session, open_session, runtimes_for
from hydranet.evaluation.report import read_report
from hydranet.export import targets as targets_folder
from hydranet.export.build_manifest import described
from hydranet.export.graph import ExportGraph, Shape, example, plain, shipped
from hydranet.io.atomic import reason, write
from hydranet.models.hydranet import HydraNet

MANIFEST = "manifest.json"

PROVEN, UNPROVEN, NO_RUNTIME = "proven", "not proven", "not proven on this machine: no runtime"
"""What a manifest says of the files of a target: compared with PyTorch, not yet compared, nothing here opens them."""


class ExportError(UserError):
    """A file that could not be written; nothing was shipped."""


def target_names() -> list[str]:
    """Names of all targets: the files in `targets/`."""
    return sorted(module.name for module in pkgutil.iter_modules(targets_folder.__path__))


def target(name: str) -> ModuleType:
    """The file in `targets/` that writes this format.

    It has `write(graph, example inputs, path, manifest)`, which returns the files that belong together, the model
    first; `SUFFIX` of `path`, by which a runtime in `hydranet.deploy.runtimes` may know it, or "" where `path` is a
    folder with the target's name; and `PRECISIONS`, in which weights can be stored.
    Raises SpecError with a suggestion for an unknown name.
    """
    names = target_names()
    if name not in names:
        raise SpecError(unknown(name, names, "target of an export"))
    return importlib.import_module(f"hydranet.export.targets.{name}")


@dataclass(frozen=True)
class ExportPlan:
    """What is written.

    targets: files in `hydranet.export.targets`, such as "onnx".    shape: what the files take.
    heads:   tasks in the files; none = all.    precision: of the stored weights, as the targets offer it.
    confidence: heads that also say how sure they are, or "all".
    beside:  cascades whose crops the files of another plan see, in `Cascade.folder` below these (`export.crops`).
    """

    targets: Sequence[str]
    shape: Shape
    heads: Sequence[str] | None = None
    precision: str = "fp32"
    confidence: Sequence[str] = ()
    beside: Sequence[Cascade] = ()


def export(
    model: HydraNet,
    recipe: Recipe,
    folder: Path,
    plan: ExportPlan,
    *,
    name: str = "",
    protocol: Mapping[str, Any] | None = None,
) -> tuple[ExportGraph, list[Path]]:
    """Writes the chosen heads for each target, and manifest.json; returns the network as it was trained, which the
    files are compared with, and the model files that a runtime here opens. `settle` then moves the files that passed,
    and those that nothing here opens, into place.

    Raises SpecError for an unknown head, target or shape, ImportError where the extra is missing, ExportError where a
    runtime cannot write its file or a weight is no finite number.
    """
    targets, shape, heads, precision = plan.targets, plan.shape, plan.heads, plan.precision
    if not targets or len(set(heads or ())) < len(heads or ()):
        given = f"got targets {list(targets)} and heads {list(heads or ())}"
        raise SpecError(f"{given}, expected at least one target, and each name once; list them")
    modules = [target(one) for one in targets]
    for one, module in zip(targets, modules, strict=True):
        if precision not in module.PRECISIONS:
            able = " or ".join(module.PRECISIONS)
            raise SpecError(f"got precision {precision!r} for {one}, expected {able}; export it apart, or as fp32")
    model = sure(model, plan.confidence, heads)
    _check_weights(model.subset(*heads) if heads else model)
    graph = shipped(model, heads, shape)
    manifest = described(graph, recipe, name or recipe.name, protocol, precision, plan.beside)
    if shape.dynamic and any(side % manifest.input.stride for side in shape.size):
        raise SpecError(
            f"got size {shape.size} with a dynamic size, expected multiples of {manifest.input.stride}: files of one "
            "size pad inside, those of any size do not; leave --dynamic-size out, or give another --size"
        )
    folder.mkdir(parents=True, exist_ok=True)
    paths: list[Path] = []
    written: dict[str, TargetFiles] = {}
    for one, module in zip(targets, modules, strict=True):
        path = folder / (f"model{module.SUFFIX}" if module.SUFFIX else one)
        try:
            files = module.write(graph, example(shape, graph.inputs), path, manifest)
        except (OSError, RuntimeError) as error:
            why = reason(error, folder)
            raise ExportError(f"cannot write {path.name} for {one}: {why}; nothing was shipped") from error
        readers = runtimes_for(path)
        paths += files[:1] if readers else ()
        names = tuple(file.relative_to(folder).as_posix() for file in files)
        written[one] = TargetFiles(names, UNPROVEN if readers else NO_RUNTIME)
    digests = {name: _digest(folder / name) for made in written.values() for name in made.files}
    write(folder / MANIFEST, replace(manifest, files=digests, targets=written).to_json().encode())
    return plain(model, heads, shape), paths


def sure(model: HydraNet, confidence: Sequence[str], heads: Sequence[str] | None = None) -> HydraNet:
    """The network, whose chosen heads (or with "all", all that can) also answer how sure they are; it shares weights.

    Raises SpecError for a head that is not exported, or has nothing of the kind to say.
    """
    chosen = [name for name in heads or model.tasks if name in model.tasks]
    able = {name: made for name in chosen if (made := model.tasks[name].with_confidence()) is not None}
    names = list(able) if list(confidence) == ["all"] else list(confidence)
    for name in names:
        if name not in able:
            raise SpecError(unknown(name, able, "head with a confidence of its own (others have scores, or none)"))
    smaller = model.subset(*model.tasks)
    smaller.tasks = {name: able[name] if name in names else task for name, task in model.tasks.items()}
    return smaller


def _digest(file: Path) -> str:
    with file.open("rb") as opened_file:
        return hashlib.file_digest(opened_file, "sha256").hexdigest()


def _check_weights(model: HydraNet) -> None:
    """Raises ExportError for weights and statistics that are not finite."""
    for name, values in model.state_dict().items():
        count = int((~values.isfinite()).sum()) if values.is_floating_point() else 0
        if count:
            raise ExportError(
                f"got {count} number{'s' * (count > 1)} that {'are' if count > 1 else 'is'} NaN or infinite in {name}, "
                "expected finite weights; export another checkpoint"
            )


def settle(drafts: Path, folder: Path, proven: Sequence[Path]) -> dict[str, TargetFiles]:
    """Moves what `export` wrote into the folder `drafts` to `folder`, over what an earlier export left there.

    proven: model files that passed their comparison. They get their names, with all files that belong to them; so do
    files that no runtime here opens; all others are called NAME.failed.    Returns what was delivered, by target.
    """
    manifest = Manifest.from_json((drafts / MANIFEST).read_text())
    passed = {path.relative_to(drafts).as_posix() for path in proven}
    delivered: dict[str, TargetFiles] = {}
    for name, made in manifest.targets.items():
        if made.files[0] in passed:
            made = replace(made, proof=PROVEN)
        ready = made.proof != UNPROVEN
        for file in made.files:
            place, failed = folder / file, folder / f"{file}.failed"
            place.parent.mkdir(parents=True, exist_ok=True)
            if ready:
                failed.unlink(missing_ok=True)
            (drafts / file).replace(place if ready else failed)
        if ready:
            delivered[name] = made
    if delivered:
        digests, targets = _before(folder, manifest)
        digests |= {file: manifest.files[file] for made in delivered.values() for file in made.files}
        merged = replace(manifest, files=digests, targets={**targets, **delivered})
        write(folder / MANIFEST, merged.to_json().encode())
    return delivered


def _before(folder: Path, manifest: Manifest) -> tuple[dict[str, str], dict[str, TargetFiles]]:
    """Digests of files, and targets that are whole, from an earlier export of the same thing into the same folder."""
    try:
        earlier = Manifest.from_json((folder / MANIFEST).read_text())
    except (OSError, ValueError):  # none, or a damaged one
        return {}, {}
    if replace(earlier, files={}, versions={}, targets={}) != replace(manifest, files={}, versions={}, targets={}):
        return {}, {}
    files = {name: digest for name, digest in earlier.files.items() if (folder / name).is_file()}
    return files, {name: made for name, made in earlier.targets.items() if files.keys() >= set(made.files)}


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
