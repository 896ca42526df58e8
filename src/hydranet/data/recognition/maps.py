"""Masks and depth maps in image files, recognized."""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from hydranet.core.spec import SpecError
from hydranet.data.image_content import Content, content_of
from hydranet.data.pairing import pairing
from hydranet.data.recognition.folder import (
    Answers,
    Folder,
    Recognized,
    ask_classes,
    colors_in,
    names_in,
    stems_below,
)
from hydranet.datasets.depth_maps import DepthMaps
from hydranet.datasets.masks import Masks
from hydranet.io.images import IMAGES
from hydranet.io.listing import natural
from hydranet.io.number_map import NUMBER_SUFFIXES
from hydranet.io.pairs import PairedFiles, stem_of

Key = tuple[str, str, str, str]
"""What tells labels from photographs: first folder, last folder, suffix, end of the name."""


NOT_LABELED = ("void", "ignore", "ignored", "unlabeled", "unlabelled", "not labeled", "don't care", "dontcare")
"""Names of classes that often mean that nobody labeled these pixels."""


def recognized(folder: Folder, answers: Answers) -> Iterator[Recognized]:
    """Masks and depth maps: image files that are no photographs and belong to some."""
    clusters = _clusters(folder)
    contents = {key: content_of(files) for key, files in clusters.items()}
    photographs = [path for key, files in clusters.items() if contents[key].holds == "photographs" for path in files]
    images = [stem_of(path, folder.root) for path in photographs]
    for key, files in clusters.items():
        content = contents[key]
        if content.holds == "photographs" or not photographs:
            continue
        rule = pairing(images, [stem_of(path, folder.root) for path in files])
        if rule is None:
            continue
        paired: dict[str, Any] = {
            "images": rule.images,
            "labels": rule.labels,
            "rename": rule.rename,
            "ending": rule.ending,
            "on_error": "skip" if rule.matched < len(stems_below(images, rule.images)) else "refuse",
        }
        where = files[0].parent.relative_to(folder.root).as_posix()
        why = f"files as in {where}: {content.why}"
        make = _distances if content.holds == "numbers" else _masks
        dataset = make(folder, answers, content, paired, where)
        yield Recognized(folder.name, dataset, why + _perhaps_unknown(dataset))


def _distances(
    folder: Folder, answers: Answers, content: Content, paired: Mapping[str, Any], where: str
) -> PairedFiles:
    if not answers.unit:
        raise SpecError(
            f"{folder.root}/{where} holds {content.why}, one number per pixel, and no file says in which unit; give "
            "--unit mm, or --unit m with --scale 0.001 (one stored step in that unit); KITTI's PNG: --unit m --scale "
            "0.00390625"
        )
    answers.used.add("--unit")
    return DepthMaps(str(folder.root), unit=answers.unit, scale=answers.scale, **paired)


def _masks(folder: Folder, answers: Answers, content: Content, paired: Mapping[str, Any], where: str) -> PairedFiles:
    names = answers.names(folder.name) or names_in(folder)
    place = f"{folder.root}/{where}"
    if content.holds == "binary":
        answers.used.add("--values")
        values = answers.values or (dict(zip(("0", "255"), names, strict=True)) if len(names) == 2 else {})
        if not values:
            raise SpecError(f"{place} holds masks of 0 and 255; give --values 0=background,255=lane")
        return Masks(str(folder.root), names=_known(names) or _in_order(values), values=_unknowns(values), **paired)
    colors = answers.colors or _stated_colors(folder, answers, content)
    if content.holds == "colors" or colors:
        answers.used.add("--colors")
        if not colors:
            some = ",".join(f"{color}=NAME" for color in content.values[:3])
            raise SpecError(
                f"{place} holds {len(content.values)} colors of unknown meaning; give "
                f"--colors {some},... (NAME unknown = no class), for all of "
                f"{', '.join(map(str, content.values[:40]))}"
            )
        return Masks(str(folder.root), names=_known(names) or _in_order(colors), colors=_unknowns(colors), **paired)
    ids = [int(value) for value in content.values if int(value) != 255]
    if answers.values:
        answers.used.add("--values")
        values = answers.values
        return Masks(str(folder.root), names=_known(names) or _in_order(values), values=_unknowns(values), **paired)
    if not names or (ids and max(ids) >= len(names)):
        given = f", {len(names)} names are given" if names else ""
        ask_classes(folder, place, max(ids, default=0) + 1, f"ids {', '.join(map(str, ids[:30]))}{given}")
    if "unknown" in names:
        by_id = _unknowns({str(i): name for i, name in enumerate(names)})
        return Masks(str(folder.root), names=_known(names), values=by_id, **paired)
    return Masks(str(folder.root), names=names, **paired)


def _stated_colors(folder: Folder, answers: Answers, content: Content) -> dict[str, str]:
    """Colors of classes by a file that lies there, where masks have colors and the user says nothing else."""
    stated = answers.names(folder.name) or answers.values
    return {} if stated or not (content.palette or content.holds == "colors") else colors_in(folder)


def _known(names: Sequence[str]) -> tuple[str, ...]:
    """The classes: "unknown" is none."""
    return tuple(name for name in names if name != "unknown")


def _perhaps_unknown(dataset: PairedFiles) -> str:
    """What is said of a class whose name sounds as if nobody had labeled its pixels."""
    classes = [name for names in dataset.classes.values() for name in names if name.lower() in NOT_LABELED]
    if not classes:
        return ""
    return f"; class {classes[0]!r} is learned like any other: call it unknown where it means not labeled"


def _in_order(table: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for name in table.values() if name != "unknown"))


def _unknowns(table: Mapping[str, str]) -> dict[str, str | None]:
    return {key: None if name == "unknown" else name for key, name in table.items()}


def _clusters(folder: Folder) -> dict[Key, list[Path]]:
    """Image files by what tells labels from photographs."""
    paths = folder.of(*dict.fromkeys((*IMAGES, *NUMBER_SUFFIXES)))
    last = {path.parent.name for path in paths}
    clusters: dict[Key, list[Path]] = {}
    for path in paths:
        parts = path.relative_to(folder.root).parts
        end = re.search(r"[_-]([A-Za-z]+)$", path.stem)
        inner = path.parent.name if len(parts) > 2 and len(last) <= 12 else ""
        key = (parts[0] if len(parts) > 1 else "", inner, path.suffix.lower(), end[1] if end else "")
        clusters.setdefault(key, []).append(path)
    return _one_kind(_over_clips(clusters))


def _one_kind(clusters: Mapping[Key, list[Path]]) -> dict[Key, list[Path]]:
    """Clusters of one first folder, suffix and naming as one, where a folder inside makes no difference in kind."""
    groups: dict[tuple[str, str, str], dict[str, list[Path]]] = {}
    for (first, inner, suffix, end), files in clusters.items():
        groups.setdefault((first, suffix, end), {})[inner] = files
    merged: dict[Key, list[Path]] = {}
    for (first, suffix, end), by_inner in groups.items():
        kinds = {inner: content_of(files).holds for inner, files in by_inner.items()}
        for inner, files in by_inner.items():
            key = (first, inner if len(set(kinds.values())) > 1 else "", suffix, end)
            merged.setdefault(key, []).extend(files)
    return {key: sorted(files, key=natural) for key, files in merged.items()}


def _over_clips(clusters: Mapping[Key, list[Path]]) -> dict[Key, list[Path]]:
    """clip1/seg and clip2/seg as one cluster, where each of these clips holds its photographs, too."""
    kinds = {key: content_of(files).holds for key, files in clusters.items()}
    clips = {first for first, *_ in clusters if any(kinds[k] == "photographs" for k in clusters if k[0] == first)}
    by_name: dict[tuple[str, str, str], list[Key]] = {}
    for key in clusters:
        by_name.setdefault(key[1:], []).append(key)
    merged: dict[Key, list[Path]] = {}
    for (inner, suffix, end), keys in by_name.items():
        one = inner and {first for first, *_ in keys} <= clips and len({kinds[key] for key in keys}) == 1
        for key in keys:
            merged.setdefault(("", inner, suffix, end) if one else key, []).extend(clusters[key])
    return merged
