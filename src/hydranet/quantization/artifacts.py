"""The folder of INT8 files that kept the budget: what goes into it, and for which weights they were accepted."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from hydranet.core.checks.json_text import parse_json
from hydranet.deploy.manifest import Manifest
from hydranet.export.export import MANIFEST
from hydranet.export.parity import Parity, save
from hydranet.io.atomic import write
from hydranet.quantization.ptq import TARGETS

REPORT, REFUSED = "quantize", "refused"
"""Names, without ending, of the report of what was accepted, and of a refusal beside it."""


def report(folder: Path, shipped: bool) -> str:
    """The name of a scan's report: a refusal does not overwrite the report of files accepted earlier."""
    return REPORT if shipped or not (folder / MANIFEST).is_file() else REFUSED


def note_refusal(folder: Path, record: Mapping[str, object]) -> None:
    """Writes the report of a scan after which nothing is shipped."""
    write(folder / f"{report(folder, False)}.json", json.dumps({**record, "shipped": []}, indent=2).encode())


def ship(
    folder: Path, trials: Sequence[Path], manifest: Manifest, parities: Sequence[Parity], record: Mapping[str, object]
) -> list[Path]:
    """Moves files that were on trial, each in its own folder with its weights, into place; returns the model files.

    The old manifest is removed first and the new one written last, so that after a kill in between no mixture counts
    as accepted. Files of an earlier INT8 manifest that are not written again are removed: no manifest would list them.
    """
    files = [file for tried in trials for file in sorted(tried.parent.iterdir())]
    digests = {file.name: _digest(file) for file in files}
    stale = _earlier(folder) - digests.keys()
    (folder / MANIFEST).unlink(missing_ok=True)
    for name in (*stale, f"{REFUSED}.json", f"{REFUSED}.md"):
        (folder / name).unlink(missing_ok=True)
    for file in files:
        file.replace(folder / file.name)
    named = [replace(parity, file=tried.name) for parity, tried in zip(parities, trials, strict=True)]
    save(folder / "parity.json", named)
    write(folder / f"{REPORT}.json", json.dumps({**record, "shipped": sorted(digests)}, indent=2).encode())
    write(folder / MANIFEST, replace(manifest, files=digests).to_json().encode())
    return [folder / tried.name for tried in trials]


def rejection_reason(folder: Path | None, target: str, size: tuple[int, int], weights: str) -> str:
    """Why a folder has no file of a format that was accepted for these weights at this size; empty where it has.

    weights: SHA-256 of the run's model file. Reports of earlier versions do not name it; their files do not count.
    """
    names = [f"model{TARGETS[target]}", *(["model.bin"] if target == "openvino" else [])]
    if folder is None:
        return "it is no run as it was trained"
    try:
        manifest = Manifest.from_json((folder / MANIFEST).read_text())
        record = parse_json((folder / f"{REPORT}.json").read_text())
        digests = {name: _digest(folder / name) for name in names}
    except (OSError, ValueError):  # none, or damaged ones
        return f"no {target} file was accepted"
    if not manifest.precision.startswith("int8") or any(manifest.files.get(n) != d for n, d in digests.items()):
        return f"the {target} file is not the one that was accepted"
    if manifest.input.size != size:
        return f"the accepted file sees {manifest.input.size[0]}x{manifest.input.size[1]}"
    if not weights or record.get("weights") != weights:
        return "the accepted file is not known to be made from these weights"
    return ""


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _earlier(folder: Path) -> set[str]:
    """Names of the files of an INT8 result that is already in the folder."""
    try:
        manifest = Manifest.from_json((folder / MANIFEST).read_text())
    except (OSError, ValueError):  # none, or a damaged one
        return set()
    return {Path(name).name for name in manifest.files} if manifest.precision.startswith("int8") else set()
