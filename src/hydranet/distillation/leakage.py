"""Does a teacher know the images that its student will be scored on? Compared by content, by name and by look."""

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from hydranet.checkpoint.checkpoint import load_recipe
from hydranet.config.recipe import Recipe
from hydranet.config.source import Source
from hydranet.core.checks.json_text import parse_json
from hydranet.core.checks.types import check_fields
from hydranet.core.dataset import Dataset
from hydranet.core.errors import MALFORMED, SpecError, UserError
from hydranet.core.sample import DataError
from hydranet.data.overlap import Images, bare, images_of, overlap, silent, wrapped
from hydranet.datasets.pseudo import Pseudo
from hydranet.deploy.session import runtimes_for
from hydranet.distillation.teacher_model import Network, TeacherModel
from hydranet.io.atomic import write
from hydranet.io.fingerprint_cache import Fingerprints, Show, is_kept
from hydranet.io.pseudo_label_index import Index

FILE = "leakage.json"
NAMED = 3
"""Pairs of images that a message names; the file has all."""


class LeakError(UserError, ValueError):
    """A teacher, or the images it labeled, meet the validation split: scores would be too good."""


@dataclass(frozen=True)
class Finding:
    """One comparison with the validation images.

    what:  whose images were compared.    images: how many; -1 = not known which they are.    validation: how many.
    same:  (validation image, its equal): of equal pixels, or of equal name and alike.
    alike: (validation image, an image that looks like it): another frame of a video, or a copy in another size.
    """

    what: str
    images: int
    validation: int
    same: tuple[tuple[str, str], ...] = ()
    similar: tuple[tuple[str, str], ...] = ()
    allowed: bool = False

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
                f"good; take them out of the training (datasets.unlike.Unlike) or the validation, or allow it with "
                f"allow_leaks=true"
            )


def read(folder: Path) -> list[Finding]:
    """The findings of `refuse` when a run began; empty for runs without teachers."""
    path = folder / FILE
    if not path.is_file():
        return []
    try:
        findings = [
            Finding(**{name: value for name, value in one.items() if name != "cure"})  # files of before have one
            for one in parse_json(path.read_text())
        ]
        for finding in findings:
            check_fields(finding)
    except (OSError, *MALFORMED) as error:
        raise DataError(f"{path} is damaged ({error}); delete it") from error
    return findings


def due(recipe: Recipe) -> bool:
    """Whether a recipe has teachers or pseudo-labels, and images that must not be among theirs."""
    return bool((recipe.teachers or any(source.dataset.provenance for source in recipe.data)) and recipe.validation)


def check(recipe: Recipe, show: Show = silent) -> list[Finding]:
    """Every comparison that a recipe with teachers or pseudo-labels calls for; none for other recipes."""
    if not due(recipe):
        return []
    caches = [pseudo for source in recipe.data for pseudo in _caches(source.dataset)]
    labeled = [source for source in recipe.data if source.dataset.provenance]
    cached: dict[str, Fingerprints] = {}
    validation = images_of(recipe.validation, cached, show)
    findings = []
    for teacher in recipe.teachers:
        theirs = None if runtimes_for(teacher.path) else _of_run(teacher.path, cached, show)
        findings.append(_compared(f"teacher {teacher.path}", theirs, validation, recipe.allow_leaks))
    for pseudo in caches:
        what = f"teacher {pseudo.index.teacher} of {pseudo.cache}"
        findings.append(_compared(what, _of_cache(pseudo.index, cached, show), validation, recipe.allow_leaks))
    taught = [source for source in recipe.data if source in labeled or _taught(recipe, source)]
    own = images_of(taught, cached, show)
    findings.append(_compared("images that teachers label", own, validation, recipe.allow_leaks))
    return findings


def _taught(recipe: Recipe, source: Source) -> bool:
    return any(not teacher.sources or source.name in teacher.sources for teacher in recipe.teachers)


def _caches(dataset: Dataset) -> Iterator[Pseudo]:
    """The caches of pseudo-labels in a data set, however deep they are wrapped."""
    if isinstance(dataset, Pseudo):
        yield dataset
    for inner in wrapped(dataset):
        yield from _caches(inner)


def _compared(what: str, theirs: Images | None, validation: Images, allowed: bool) -> Finding:
    if theirs is None:
        return Finding(what, -1, len(validation), allowed=allowed)
    same, similar = overlap(validation, theirs)
    return Finding(what, len(theirs), len(validation), same, similar, allowed)


def _of_cache(index: Index, cached: dict[str, Fingerprints], show: Show) -> Images | None:
    """The training images of a cache's teacher: noted in it, or read now where its recipe's data are at hand."""
    if index.trained_on is not None or not index.recipe:
        return index.trained_on
    try:
        return images_of(Recipe.from_json(index.recipe).data, cached, show)
    except (DataError, SpecError):
        return None


def _of_run(path: str, cached: dict[str, Fingerprints], show: Show) -> Images | None:
    try:
        return images_of(load_recipe(path).data, cached, show)
    except DataError:
        return None


def trained_on(
    teacher_model: TeacherModel, note: Callable[[str], None], show: Show = silent
) -> dict[str, tuple[str, str]] | None:
    """Fingerprints of the images that a teacher model was trained on; None, with a note, where that is not known."""
    if isinstance(teacher_model, Network):
        try:
            images = images_of(teacher_model.recipe.data, {}, show)
            note(f"leakage check: fingerprints of the teacher's {len(images)} training images go into the cache")
            return dict(images)
        except (DataError, SpecError) as error:
            note(f"leakage check: the teacher's training images cannot be read ({error}); the cache says so")
    else:
        note("leakage check: an exported file does not know its training images; the cache says so")
    return None


def kept_images(teacher_model: TeacherModel) -> bool:
    """Whether `trained_on` needs to read no image: all fingerprints are in the cache, or there are none to take."""
    try:
        sources = teacher_model.recipe.data if isinstance(teacher_model, Network) else ()
        return all(is_kept(bare(source.dataset)) for source in sources)
    except (DataError, SpecError):
        return True  # they cannot be read, as `trained_on` says


def recipe_of(teacher_model: TeacherModel) -> str:
    """The recipe of a teacher as text, by which its training images are found later; "" where nobody knows it."""
    try:
        return teacher_model.recipe.to_json() if isinstance(teacher_model, Network) else ""
    except SpecError:
        return ""
