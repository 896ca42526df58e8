"""Does a teacher know the images that its student will be scored on? Compared by content, by name and by look."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from hydranet.checkpoint.checkpoint import load_recipe
from hydranet.config.recipe import Recipe
from hydranet.config.source import Source
from hydranet.core.checks.json_text import parse_json
from hydranet.core.checks.types import check_fields
from hydranet.core.dataset import Dataset
from hydranet.core.errors import SpecError, UserError
from hydranet.core.sample import DataError
from hydranet.core.spec import to_json
from hydranet.datasets.pseudo import Pseudo
from hydranet.deploy.session import runtimes_for
from hydranet.distillation.fingerprint_cache import Show, fingerprints
from hydranet.distillation.teacher_model import Network, TeacherModel
from hydranet.io.atomic import write
from hydranet.io.fingerprint import NEAR_BITS, bits, nearest

FILE = "leakage.json"
NAMED = 3
"""Pairs of images that a message names; the file has all."""

Images = Mapping[str, tuple[str, str]]
"""SOURCE:KEY of an image to the fingerprints of its content and look (`io.fingerprint`)."""


class LeakError(UserError, ValueError):
    """A teacher, or the images it labeled, meet the validation split: scores would be too good."""


@dataclass(frozen=True)
class Finding:
    """One comparison with the validation images.

    what:  whose images were compared.    images: how many; -1 = not known which they are.    validation: how many.
    same:  (validation image, its equal): of equal pixels, or of equal name and alike.
    alike: (validation image, an image that looks like it): another frame of a video, or a copy in another size.
    cure:  what allows it nonetheless; "" = nothing needs to.
    """

    what: str
    images: int
    validation: int
    same: tuple[tuple[str, str], ...] = ()
    similar: tuple[tuple[str, str], ...] = ()
    allowed: bool = False
    cure: str = ""

    def sentence(self) -> str:
        """The finding in one line."""
        if self.images < 0:
            return f"leakage: {self.what}: not compared, since nobody knows on which images it was trained"
        counts = f"{len(self.same)} the same, {len(self.similar)} look alike"
        pairs = "; ".join(f"{a} = {b}" for a, b in (*self.same, *self.similar)[:NAMED])
        return f"leakage: {self.what}: {self.images} images against {self.validation} of validation: {counts}" + (
            f" ({pairs})" if pairs else ""
        )


def refuse(recipe: Recipe, folder: Path) -> None:
    """Compares, and writes FOLDER/leakage.json where there was something to compare.

    Raises LeakError for validation images that a teacher was trained on or that train the student with its labels,
    unless that is allowed.
    """
    findings = check(recipe)
    if findings:
        write(folder / FILE, json.dumps([asdict(one) for one in findings], indent=1).encode())
    for one in findings:
        if one.same and not one.allowed:
            raise LeakError(
                f"{one.what}: {len(one.same)} of {one.validation} validation images are among these "
                f"{one.images} ({'; '.join(f'{a} = {b}' for a, b in one.same[:NAMED])}), so scores would be too "
                f"good; take them out of the validation, or allow it with {one.cure}"
            )


def read(folder: Path) -> list[Finding]:
    """The findings of `refuse` when a run began; empty for runs without teachers."""
    path = folder / FILE
    if not path.is_file():
        return []
    try:
        findings = [Finding(**one) for one in parse_json(path.read_text())]
        for finding in findings:
            check_fields(finding)
    except (OSError, ValueError, TypeError) as error:
        raise DataError(f"{path} is damaged ({error}); delete it") from error
    return findings


def due(recipe: Recipe) -> bool:
    """Whether a recipe has teachers or pseudo-labels, and images that must not be among theirs."""
    return bool((recipe.teachers or any(source.dataset.provenance for source in recipe.data)) and recipe.validation)


def check(recipe: Recipe) -> list[Finding]:
    """Every comparison that a recipe with teachers or pseudo-labels calls for; none for other recipes."""
    if not due(recipe):
        return []
    caches = [(source, pseudo) for source in recipe.data for pseudo in _caches(source.dataset)]
    labeled = [source for source in recipe.data if source.dataset.provenance]
    cached: dict[str, Images] = {}
    validation = _of_sources(recipe.validation, cached)
    findings = []
    for i, teacher in enumerate(recipe.teachers):
        cure = f"teachers.{i}.allow_leaks=true"
        theirs = None if runtimes_for(teacher.path) else _of_run(teacher.path, cached)
        findings.append(_compared(f"teacher {teacher.path}", theirs, validation, teacher.allow_leaks, cure))
    for source, pseudo in caches:
        what, cure = f"teacher {pseudo.index.teacher} of {pseudo.cache}", f"allow_leaks=True in source {source.name!r}"
        findings.append(_compared(what, pseudo.index.trained_on, validation, pseudo.allow_leaks, cure))
    taught = [source for source in recipe.data if source in labeled or _taught(recipe, source)]
    allowed = bool(recipe.teachers or caches) and all(
        (*(teacher.allow_leaks for teacher in recipe.teachers), *(pseudo.allow_leaks for _, pseudo in caches))
    )
    own = _of_sources(taught, cached)
    findings.append(_compared("images that teachers label", own, validation, allowed, "allow_leaks of all of them"))
    return findings


def _taught(recipe: Recipe, source: Source) -> bool:
    return any(not teacher.sources or source.name in teacher.sources for teacher in recipe.teachers)


def _caches(dataset: Dataset) -> Iterator[Pseudo]:
    """The caches of pseudo-labels in a data set, however deep they are wrapped."""
    if isinstance(dataset, Pseudo):
        yield dataset
    for one in fields(dataset):
        inner = vars(dataset).get(one.name)
        if isinstance(inner, Dataset):
            yield from _caches(inner)


def _compared(what: str, theirs: Images | None, validation: Images, allowed: bool, cure: str) -> Finding:
    if theirs is None:
        return Finding(what, -1, len(validation), allowed=allowed, cure=cure)
    same, similar = overlap(validation, theirs)
    return Finding(what, len(theirs), len(validation), same, similar, allowed, cure)


Pairs = tuple[tuple[str, str], ...]


def overlap(validation: Images, theirs: Images) -> tuple[Pairs, Pairs]:
    """Pairs that are the same image, and other pairs that look alike; one for each validation image, at most."""
    by_content = {one[0]: name for name, one in theirs.items()}
    names, looks = list(theirs), bits([one[1] for one in theirs.values()])
    distance, place = nearest(bits([one[1] for one in validation.values()]), looks)
    same: list[tuple[str, str]] = []
    similar: list[tuple[str, str]] = []
    for (name, (pixels, _)), far, index in zip(validation.items(), distance, place, strict=True):
        if pixels in by_content:
            same.append((name, by_content[pixels]))
        elif far <= NEAR_BITS:
            other = names[index]
            renamed = name.partition(":")[2] == other.partition(":")[2]
            (same if renamed else similar).append((name, other))
    return tuple(same), tuple(similar)


def _silent(done: int, total: int) -> None:
    """Shows nothing."""


def _of_run(path: str, cached: dict[str, Images]) -> Images | None:
    try:
        return _of_sources(load_recipe(path).data, cached)
    except DataError:
        return None


def _of_sources(
    sources: "tuple[Source, ...] | list[Source]", cached: dict[str, Images], show: Show = _silent
) -> Images:
    images: dict[str, tuple[str, str]] = {}
    for source in sources:
        known = json.dumps(to_json(_bare(source.dataset)), sort_keys=True)
        if known not in cached:
            cached[known] = fingerprints(_bare(source.dataset), show)
        images |= {f"{source.name}:{key}": one for key, one in cached[known].items()}
    return images


def _bare(dataset: Dataset) -> Dataset:
    """The images without the pseudo-labels around them."""
    return _bare(dataset.dataset) if isinstance(dataset, Pseudo) else dataset


def trained_on(
    teacher_model: TeacherModel, note: Callable[[str], None], show: Show = _silent
) -> dict[str, tuple[str, str]] | None:
    """Fingerprints of the images that a teacher model was trained on; None, with a note, where that is not known."""
    if isinstance(teacher_model, Network):
        try:
            images = _of_sources(teacher_model.recipe.data, {}, show)
            note(f"leakage check: fingerprints of the teacher's {len(images)} training images go into the cache")
            return dict(images)
        except (DataError, SpecError) as error:
            note(f"leakage check: the teacher's training images cannot be read ({error}); the cache says so")
    else:
        note("leakage check: an exported file does not know its training images; the cache says so")
    return None
