"""Which data sets lie in a folder that nobody described, and why that is thought."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, NoReturn

from hydranet.core.dataset import Dataset
from hydranet.core.sample import DataError
from hydranet.core.spec import SpecError
from hydranet.data.image_content import Content, content_of
from hydranet.data.official_layouts import keypoints, official
from hydranet.data.pairing import Pairing, pairing
from hydranet.data.table_columns import table_of
from hydranet.datasets.coco import Coco
from hydranet.datasets.depth_maps import DepthMaps
from hydranet.datasets.labelme import AS_BOXES, AS_LINES, Labelme
from hydranet.datasets.masks import Masks
from hydranet.datasets.together import Together
from hydranet.datasets.voc import Voc
from hydranet.datasets.yolo import Yolo
from hydranet.io.box_rows import OnError
from hydranet.io.class_names import read_class_names
from hydranet.io.files import read_json, read_text
from hydranet.io.images import IMAGES
from hydranet.io.listing import natural, walk
from hydranet.io.number_map import NUMBER_SUFFIXES
from hydranet.io.pairs import PairedFiles, stem_of

NAME_FILES = (
    "classes.txt",
    "labels.txt",
    "names.txt",
    "label_names.txt",
    "class_names.txt",
    "obj.names",
    "_darknet.labels",
)
"""Files that list names of classes, by common names."""

FEW = 40
"""Text files of a folder that are opened to see what they are."""
LARGEST_JSON = 400_000_000


@dataclass(frozen=True)
class Answers:
    """What nobody can see in files, as the user states it.

    classes: by name of a source ("" = of all), class names in the order of ids.
    values:  {stored value: class name, or "unknown"}.    colors: {"#rrggbb": class name, or "unknown"}.
    unit, scale: of stored distances, see `datasets.depth_maps`.
    columns: {column of a table: "tag", "number" or "skip"}.
    """

    classes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    values: Mapping[str, str] = field(default_factory=dict)
    colors: Mapping[str, str] = field(default_factory=dict)
    unit: str = ""
    scale: float = 1.0
    columns: Mapping[str, str] = field(default_factory=dict)

    def names(self, source: str) -> tuple[str, ...]:
        """The names that are given for a source."""
        return self.classes.get(source, self.classes.get("", ()))


@dataclass(frozen=True)
class Recognized:
    """A data set, and why it is taken for one. validation: its own split for it, where the folder has one."""

    name: str
    dataset: Dataset
    why: str
    validation: Dataset | None = None


@dataclass(frozen=True)
class _Folder:
    """The files of a folder by suffix, in natural order."""

    root: Path
    name: str
    files: Mapping[str, Sequence[Path]]

    def of(self, *suffixes: str) -> list[Path]:
        """Files that end so."""
        return sorted((path for suffix in suffixes for path in self.files.get(suffix, ())), key=natural)


def recognize(root: Path, answers: Answers) -> list[Recognized]:
    """The data sets of a folder.

    Raises SpecError where something must be said that files do not show, with the option that says it; DataError for a
    folder in which nothing is recognized.
    """
    if not root.is_dir():
        raise DataError(f"no folder {root}; give the folder that holds images and labels")
    files: dict[str, list[Path]] = {}
    for path in walk(root):
        files.setdefault(path.suffix.lower(), []).append(path)
    word = re.sub(r"[^A-Za-z0-9_-]+", "_", root.resolve().name).strip("_-") or "data"
    folder = _Folder(root, word if word[0].isalpha() else f"data_{word}", files)
    if not folder.of(*IMAGES):
        raise DataError(f"{root} holds no images ({' '.join(IMAGES)}); give the folder that does")
    if (layout := official(root)) is not None:
        return [Recognized(folder.name, layout[0], layout[2], layout[1])]
    parts = [*_coco(folder), *_voc(folder), *_labelme(folder, answers), *_yolo(folder, answers)]
    parts += [*_table(folder, answers), *_maps(folder, answers)]
    if not parts:
        raise DataError(
            f"{root} holds {len(folder.of(*IMAGES))} images and no labels that are recognized: masks, depth maps, COCO "
            "JSON, YOLO or VOC files, labelme JSON, a table; labels of another form need a data set of your own "
            "(docs/howto.md)"
        )
    return _joined_by_images(folder, parts)


def _table(folder: _Folder, answers: Answers) -> Iterator[Recognized]:
    """A table that names images."""
    images = folder.of(*IMAGES)
    for path in folder.of(".csv", ".tsv", ".jsonl"):
        if recognized := table_of(path, folder.root, images, answers.columns):
            dataset, why = recognized
            yield Recognized(folder.name, dataset, why)


def _joined_by_images(folder: _Folder, parts: Sequence[Recognized]) -> list[Recognized]:
    """Data sets of the same image files become one, so that an image goes through the network once."""
    groups: list[list[Recognized]] = []
    for part in parts:
        keys = set(part.dataset.keys())
        for group in groups:
            names = {name for one in group for name in _labels(one.dataset)}
            known = set(group[0].dataset.keys())
            apart = names & set(_labels(part.dataset))
            if (
                part.validation is None
                and group[0].validation is None
                and len(keys & known) * 2 > len(keys)
                and not apart
            ):
                group.append(part)
                break
        else:
            groups.append([part])
    whole: list[Recognized] = []
    for i, group in enumerate(groups):
        name = folder.name if len(groups) == 1 else f"{folder.name}_{i + 1}"
        dataset = group[0].dataset if len(group) == 1 else Together(tuple(one.dataset for one in group))
        whole.append(Recognized(name, dataset, "; ".join(one.why for one in group), group[0].validation))
    return whole


def _labels(dataset: Dataset) -> set[str]:
    """Names of the labels of a data set, by its first image."""
    return set(dataset.classes) | set(dataset[0].labels)


def _coco(folder: _Folder) -> Iterator[Recognized]:
    """JSON files with the three tables of COCO; several are splits, named by their files."""
    files = [path for path in folder.of(".json") if _has_keys(path, ("images", "annotations", "categories"))]
    sets = {path: one for path in files if (one := _coco_of(path, folder)) is not None}
    held_out = [path for path in sets if re.search(r"val|test|dev", path.stem.lower())]
    training = [path for path in sets if path not in held_out]
    for path in training or held_out:
        same = [one for one in held_out if one != path and "val" in one.stem.lower()] if training else []
        own = sets[same[0]] if len(training) == 1 and same else None
        split = f", validation {same[0].name}" if own else ""
        what = "" if isinstance(sets[path], Coco) else ", with key points"
        yield Recognized(folder.name, sets[path], f"{path.name} has the tables of COCO{what}{split}", own)


def _coco_of(path: Path, folder: _Folder) -> Dataset | None:
    tree = read_json(path)
    boxes = [one for one in tree["annotations"] if isinstance(one, dict) and isinstance(one.get("bbox"), list)]
    names = [
        one["file_name"] for one in tree["images"] if isinstance(one, dict) and isinstance(one.get("file_name"), str)
    ]
    if not boxes or not names:
        return None
    wanted = names[0].replace("\\", "/").lstrip("/")
    for image in folder.of(*IMAGES):
        relative = image.relative_to(folder.root).as_posix()
        if relative == wanted or relative.endswith(f"/{wanted}"):
            images = relative.removesuffix(wanted).strip("/") or "."
            missing = sum(not (folder.root / images / name).is_file() for name in names)
            error: OnError = "skip" if missing else "refuse"
            name = path.relative_to(folder.root).as_posix()
            return keypoints(folder.root, name, images, tree, error) or Coco(
                str(folder.root), name, images, on_error=error
            )
    raise DataError(
        f"{path} lists images such as {wanted[:80]!r}, which are not in {folder.root}; give the folder of both"
    )


def _has_keys(path: Path, keys: Sequence[str]) -> bool:
    """Whether a JSON file is an object with these keys; its beginning must name one of them."""
    if path.stat().st_size > LARGEST_JSON:
        return False
    with suppress(DataError, OSError):
        with path.open("rb") as stream:
            if not stream.read(200).lstrip(b"\xef\xbb\xbf \r\n\t").startswith(b"{"):
                return False
        tree: Any = read_json(path)
        return isinstance(tree, dict) and all(isinstance(tree.get(key), list) for key in keys)
    return False


def _voc(folder: _Folder) -> Iterator[Recognized]:
    files = [path for path in folder.of(".xml") if "<annotation" in _beginning(path)]
    rule = _pairing(folder, files)
    if rule is None or rule.rename or rule.ending:
        return
    names = sorted({name.strip() for path in files for name in re.findall(r"<name>([^<]*)</name>", _text(path))} - {""})
    parts = {name.strip() for path in files for name in re.findall(r"<part>\s*<name>([^<]*)</name>", _text(path))}
    names = [name for name in names if name not in parts]
    dataset = Voc(str(folder.root), tuple(names), rule.images, rule.labels, on_error=_error(rule, folder))
    yield Recognized(folder.name, dataset, f"{len(files)} XML files of Pascal VOC beside images of their names")


def _labelme(folder: _Folder, answers: Answers) -> Iterator[Recognized]:
    files = [path for path in folder.of(".json") if _has_keys(path, ("shapes",))]
    rule = _pairing(folder, files)
    if rule is None:
        return
    shapes = [shape for path in files for shape in read_json(path)["shapes"] if isinstance(shape, dict)]
    kinds = {str(shape.get("shape_type")) for shape in shapes}
    names = answers.names(folder.name) or tuple(
        sorted({shape["label"] for shape in shapes if isinstance(shape.get("label"), str)})
    )
    read = dict(AS_BOXES if kinds & {"rectangle", "polygon", "circle"} else AS_LINES)
    options: dict[str, Any] = {"names": names, "read": read, "on_error": _error(rule, folder)}
    dataset = Labelme(str(folder.root), images=rule.images, labels=rule.labels, **options)
    yield Recognized(folder.name, dataset, f"{len(files)} JSON files of labelme with {', '.join(sorted(kinds))}")


def _yolo(folder: _Folder, answers: Answers) -> Iterator[Recognized]:
    files = [path for path in folder.of(".txt") if path.name not in NAME_FILES]
    opened = [
        line for path in files[:: max(1, len(files) // FEW)] for line in _text(path).splitlines()[:5] if line.strip()
    ]
    number = r"\s+[-+.\deE]+"
    if not opened or not all(re.fullmatch(rf"\s*\d+(?:\.0*)?{number * 4}\s*", line) for line in opened):
        return
    rule = _pairing(folder, files)
    if rule is None or rule.rename or rule.ending:
        return
    highest = max(int(float(line.split()[0])) for path in files for line in _text(path).splitlines() if line.strip())
    names = answers.names(folder.name) or _names_in(folder) or _names_in_yaml(folder)
    if len(names) <= highest:
        _ask_classes(folder, "YOLO's text files", highest + 1, f"ids up to {highest}")
    dataset = Yolo(str(folder.root), names, rule.images, rule.labels, on_error=_error(rule, folder))
    yield Recognized(folder.name, dataset, f"{len(files)} text files with a class and four numbers per line (YOLO)")


def _maps(folder: _Folder, answers: Answers) -> Iterator[Recognized]:
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
            "on_error": "skip" if rule.matched < len(_below(images, rule.images)) else "refuse",
        }
        where = files[0].parent.relative_to(folder.root).as_posix()
        why = f"files as in {where}: {content.why}"
        make = _distances if content.holds == "numbers" else _masks
        yield Recognized(folder.name, make(folder, answers, content, paired, where), why)


def _distances(
    folder: _Folder, answers: Answers, content: Content, paired: Mapping[str, Any], where: str
) -> PairedFiles:
    if not answers.unit:
        raise SpecError(
            f"{folder.root}/{where} holds {content.why}, one number per pixel, and no file says in which unit; give "
            "--unit mm, or --unit m with --scale 0.001 (one stored step in that unit); KITTI's PNG: --unit m --scale "
            "0.00390625"
        )
    return DepthMaps(str(folder.root), unit=answers.unit, scale=answers.scale, **paired)


def _masks(folder: _Folder, answers: Answers, content: Content, paired: Mapping[str, Any], where: str) -> PairedFiles:
    names = answers.names(folder.name) or _names_in(folder)
    place = f"{folder.root}/{where}"
    if content.holds == "binary":
        values = answers.values or (dict(zip(("0", "255"), names, strict=True)) if len(names) == 2 else {})
        if not values:
            raise SpecError(f"{place} holds masks of 0 and 255; give --values 0=background,255=lane")
        return Masks(str(folder.root), names=names or _in_order(values), values=_unknowns(values), **paired)
    if content.holds == "colors" or answers.colors:
        if not answers.colors:
            colors = ",".join(f"{color}=NAME" for color in content.values[:3])
            raise SpecError(
                f"{place} holds {len(content.values)} colors of unknown meaning; give "
                f"--colors {colors},... (NAME unknown = no class), for all of "
                f"{', '.join(map(str, content.values[:40]))}"
            )
        names = names or _in_order(answers.colors)
        return Masks(str(folder.root), names=names, colors=_unknowns(answers.colors), **paired)
    ids = [int(value) for value in content.values if int(value) != 255]
    if answers.values:
        names = names or _in_order(answers.values)
        return Masks(str(folder.root), names=names, values=_unknowns(answers.values), **paired)
    if not names or (ids and max(ids) >= len(names)):
        given = f", {len(names)} names are given" if names else ""
        _ask_classes(folder, place, max(ids, default=0) + 1, f"ids {', '.join(map(str, ids[:30]))}{given}")
    return Masks(str(folder.root), names=names, **paired)


def _in_order(table: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for name in table.values() if name != "unknown"))


def _unknowns(table: Mapping[str, str]) -> dict[str, str | None]:
    return {key: None if name == "unknown" else name for key, name in table.items()}


def _ask_classes(folder: _Folder, where: str, count: int, ids: str) -> NoReturn:
    example = ",".join(f"name{i}" for i in range(min(count, 3))) + (",..." if count > 3 else "")
    raise SpecError(
        f"{where} holds {ids}, and no file names the classes; give --classes {folder.name}={example} in the order of "
        f"ids, or --classes {folder.name}=FILE.txt with a name per line (or put {NAME_FILES[0]} there)"
    )


def _clusters(folder: _Folder) -> dict[tuple[str, str, str, str], list[Path]]:
    """Image files by what tells labels from photographs: first folder, last folder, suffix, end of the name."""
    paths = folder.of(*dict.fromkeys((*IMAGES, *NUMBER_SUFFIXES)))
    last = {path.parent.name for path in paths}
    clusters: dict[tuple[str, str, str, str], list[Path]] = {}
    for path in paths:
        parts = path.relative_to(folder.root).parts
        end = re.search(r"[_-]([A-Za-z]+)$", path.stem)
        inner = path.parent.name if len(parts) > 2 and len(last) <= 12 else ""
        key = (parts[0] if len(parts) > 1 else "", inner, path.suffix.lower(), end[1] if end else "")
        clusters.setdefault(key, []).append(path)
    return _one_kind(clusters)


def _one_kind(clusters: Mapping[tuple[str, str, str, str], list[Path]]) -> dict[tuple[str, str, str, str], list[Path]]:
    """Clusters of one first folder, suffix and naming as one, where a folder inside makes no difference in kind."""
    groups: dict[tuple[str, str, str], dict[str, list[Path]]] = {}
    for (first, inner, suffix, end), files in clusters.items():
        groups.setdefault((first, suffix, end), {})[inner] = files
    merged: dict[tuple[str, str, str, str], list[Path]] = {}
    for (first, suffix, end), by_inner in groups.items():
        kinds = {inner: content_of(files).holds for inner, files in by_inner.items()}
        for inner, files in by_inner.items():
            key = (first, inner if len(set(kinds.values())) > 1 else "", suffix, end)
            merged.setdefault(key, []).extend(files)
    return {key: sorted(files, key=natural) for key, files in merged.items()}


def _pairing(folder: _Folder, files: Sequence[Path]) -> Pairing | None:
    if not files:
        return None
    images = [stem_of(path, folder.root) for path in folder.of(*IMAGES)]
    return pairing(images, [stem_of(path, folder.root) for path in files])


def _below(stems: Sequence[str], folder: str) -> list[str]:
    return list(stems) if folder == "." else [stem for stem in stems if stem.startswith(f"{folder}/")]


def _error(rule: Pairing, folder: _Folder) -> Any:
    """What the data set does about images without a label: leave them out, if there are any."""
    images = [stem_of(path, folder.root) for path in folder.of(*IMAGES)]
    return "skip" if rule.matched < len(_below(images, rule.images)) else "refuse"


def _names_in(folder: _Folder) -> tuple[str, ...]:
    """Names of classes in a file of a usual name, the nearest to the top."""
    files = [path for path in folder.of(".txt", ".names", ".labels") if path.name in NAME_FILES]
    for path in sorted(files, key=lambda one: len(one.parts)):
        with suppress(DataError):
            return read_class_names(path)
    return ()


def _names_in_yaml(folder: _Folder) -> tuple[str, ...]:
    """`names` of the YAML file that YOLO's tools write: a list, or a table by id."""
    for path in folder.of(".yaml", ".yml"):
        text = _text(path)
        inline = re.search(r"^names:\s*(\[.*?\])", text, re.MULTILINE | re.DOTALL)
        if inline:
            with suppress(ValueError):
                return tuple(map(str, json.loads(inline[1].replace("'", '"'))))
        block = re.search(r"^names:\s*\n((?:\s*(?:-|\d+:).*\n?)+)", text, re.MULTILINE)
        if block:
            lines = [re.sub(r"^\s*(?:-|\d+:)\s*", "", line).strip(" '\"") for line in block[1].splitlines()]
            return tuple(line for line in lines if line)
    return ()


def _text(path: Path) -> str:
    try:
        return read_text(path)
    except DataError:
        return ""


def _beginning(path: Path) -> str:
    return "\n".join(islice(_text(path).splitlines(), 5))
