"""Labeling images with a teacher: its predictions become a cache of pseudo-labels on disk, one file per image."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from hydranet.annotations import Annotation
from hydranet.checkpoint.checkpoint import digest
from hydranet.core.batch import collate
from hydranet.core.dataset import Dataset
from hydranet.core.sample import Camera, DataError, Sample, intrinsics
from hydranet.core.spec import SpecError, unknown
from hydranet.core.task import to_numpy
from hydranet.distillation.certainty import certainty
from hydranet.distillation.function_teacher import FunctionTeacher
from hydranet.distillation.shared_labeling import ALL, Share, known_images
from hydranet.distillation.teacher_model import TeacherModel, check_probabilities
from hydranet.distillation.teachers import labels_of
from hydranet.io.atomic import CheckpointError, write
from hydranet.io.fingerprint import content, perceptual_hash
from hydranet.io.paths import inside
from hydranet.io.pseudo_label_cache import file_of, packed
from hydranet.io.pseudo_label_index import INDEX, Entry, Index, Made, read_index
from hydranet.postprocess.padding import unpadded
from hydranet.transforms.augment import fit
from hydranet.transforms.warp import View, unwarp

SAVE_EVERY = 50
"""Images between two writings of the index: this many are labeled again after a kill, into the same files."""


@dataclass(frozen=True)
class Progress:
    """How far labeling is: images labeled now, labeled already before, and broken (one sentence each)."""

    done: int
    total: int
    labeled: int
    skipped: int
    broken: tuple[str, ...]


def started(
    teacher_model: TeacherModel,
    name: str,
    path: Path,
    size: tuple[int, int],
    *,
    tasks: Sequence[str] = (),
    confidence: Mapping[str, float] | None = None,
) -> Index:
    """An empty index for the answers of a teacher model.

    tasks: of the teacher, to write; default all.
    confidence: {task: least}, as in `Teacher.confidence`: 0 = all answers; left out: the teacher's own.
    Raises SpecError for a task that it does not have, or one whose answers have no confidence.
    """
    confidence = confidence or {}
    chosen = list(tasks) or list(teacher_model.tasks)
    for task in (*chosen, *confidence):
        if task not in teacher_model.tasks:
            raise SpecError(unknown(task, teacher_model.tasks, "task of the teacher"))
    for task, least in confidence.items():
        if certainty(teacher_model.kind(task)) == "none" or not 0 <= least <= 1:
            raise SpecError(
                f"got confidence {least} for {task!r} ({teacher_model.kind(task).__name__}), expected 0..1 of a "
                "class map, numbers, normals or instances"
            )
        check_probabilities(teacher_model, task, least)
    kept = {task: confidence.get(task, teacher_model.own_confidence(task)) for task in chosen}
    labels = {task: _made(teacher_model, task, kept[task], size) for task in chosen}
    return Index(name, digest(path), labels, size=size)


def _made(teacher_model: TeacherModel, task: str, least: float, size: tuple[int, int]) -> Made:
    kind = teacher_model.kind(task)
    metadata = _metadata(teacher_model, task, size) if kind.metadata() else {}
    return Made(kind.__name__, teacher_model.classes(task), metadata, least)


@torch.no_grad()
def _metadata(teacher_model: TeacherModel, task: str, size: tuple[int, int]) -> dict[str, Any]:
    """Static fields of a teacher's labels (unit, mirror), as its answer for an empty image has them."""
    image = torch.zeros(1, 3, *size, dtype=torch.uint8, device=teacher_model.device)
    camera = torch.full((1, 4), torch.nan, device=teacher_model.device)
    label = labels_of(teacher_model, image, camera, {task: 0.0})[task]
    return {name: vars(label)[name] for name in label.metadata()}


def label(
    teacher_model: TeacherModel | FunctionTeacher,
    dataset: Dataset,
    index: Index,
    folder: Path,
    batch: int = 4,
    focal_px: float | None = None,
    share: Share = ALL,
) -> Iterator[Progress]:
    """Labels every image of a data set into a folder; yields after every few images.

    A network sees each image letterboxed into `index.size`, a function the whole image; answers go back to the image's
    own pixels. Files are written whole or not at all; files that exist already, of the same image and camera, are left
    alone, so that a stopped command can be run again. A broken image is noted and left out.
    focal_px: of the data set's images, as in `Source.focal_px`.
    share: which of the images this process labels (`distillation.shared_labeling`).
    Raises CheckpointError for a folder with another teacher's labels, or where the disk is full.
    """
    prepare(folder, index)
    known, own = known_images(folder, index), share.folder(folder) / INDEX
    needing = _needing_camera(teacher_model, index)
    images = dict(known) if share == ALL else {}
    done = labeled = skipped = 0
    broken: list[str] = []
    waiting: list[tuple[Sample, Entry]] = []
    places, last_saved = share.places(len(dataset)), 0
    total = len(places)
    for place in places:
        done += 1
        try:
            sample = _with_camera(dataset[place], needing, focal_px)
        except DataError as error:
            broken.append(str(error))
        else:
            entry = _entry(sample, index, bool(needing))
            if _is_labeled(folder, known.get(sample.key), entry):
                skipped += 1
            else:
                waiting.append((sample, entry))
        if len(waiting) == batch or (waiting and done == total):
            for sample, entry in _written(teacher_model, waiting, index, folder, broken.append):
                images[sample.key] = entry
                labeled += 1
            waiting = []
            if labeled - last_saved >= SAVE_EVERY:
                write(own, replace(index, images=images).to_json().encode())
                last_saved = labeled
        if done % batch == 0 and done < total:
            yield Progress(done, total, labeled, skipped, tuple(broken))
    write(own, replace(index, images=images).to_json().encode())
    yield Progress(done, total, labeled, skipped, tuple(broken))


def _needing_camera(teacher_model: TeacherModel | FunctionTeacher, index: Index) -> list[str]:
    """The labels that depend on the camera of an image."""
    if isinstance(teacher_model, FunctionTeacher):
        return []
    return [name for name in index.labels if teacher_model.needs_camera(name)]


def _with_camera(sample: Sample, needing: Sequence[str], focal_px: float | None) -> Sample:
    """The sample with the camera it has. Raises DataError where the teacher needs one and there is none."""
    if focal_px is not None:
        return sample.but(camera=Camera.centered(focal_px, sample.size))
    if needing and sample.camera is None:
        raise DataError(
            f"{sample.key}: the teacher's {needing[0]!r} needs the camera, got an image without one; say its focal "
            "length in pixels: --focal-px, or focal_px of the source"
        )
    return sample


def prepare(folder: Path, index: Index) -> None:
    """Writes an empty index where there is none. Raises CheckpointError for a folder of labels made otherwise."""
    if not (folder / INDEX).is_file():
        write(folder / INDEX, index.to_json().encode())
        return
    before = read_index(folder)
    differs = [key for key, value in index.protocol.items() if before.protocol[key] != value]
    if differs:
        raise CheckpointError(
            f"{folder} holds pseudo-labels made otherwise ({', '.join(differs)} differ); label into another folder"
        )


def _entry(sample: Sample, index: Index, needs_camera: bool) -> Entry:
    files = {name: file_of(name, sample.key, made) for name, made in index.labels.items()}
    camera = tuple(intrinsics([sample.camera])[0].tolist()) if needs_camera else ()
    return Entry(content(sample.image), perceptual_hash(sample.image), sample.size, files, camera)


def _is_labeled(folder: Path, before: Entry | None, entry: Entry) -> bool:
    if before is None or (before.content, before.files, before.camera) != (entry.content, entry.files, entry.camera):
        return False
    return all(inside(folder, name).is_file() for name in entry.files.values())


def _written(
    teacher_model: TeacherModel | FunctionTeacher,
    waiting: Sequence[tuple[Sample, Entry]],
    index: Index,
    folder: Path,
    note: Callable[[str], None],
) -> Iterator[tuple[Sample, Entry]]:
    """Writes the labels of images; yields those that have theirs, and notes why others do not."""
    samples = [sample for sample, _ in waiting]
    answers = (
        teacher_model.labels(samples, index.labels, note)
        if isinstance(teacher_model, FunctionTeacher)
        else _seen_by(teacher_model, samples, index)
    )
    for (sample, entry), labels in zip(waiting, answers, strict=True):
        if labels is not None:
            for name, made in index.labels.items():
                write(inside(folder, entry.files[name]), packed(labels[name], made))
            yield sample, entry


@torch.no_grad()
def _seen_by(teacher_model: TeacherModel, samples: Sequence[Sample], index: Index) -> Iterator[dict[str, Annotation]]:
    """For each image a network's labels, in the image's own pixels."""
    fitted: list[tuple[Sample, View]] = [fit(sample.but(labels={}), index.size) for sample in samples]
    together = collate([sample for sample, _ in fitted]).to(teacher_model.device)
    least = {name: made.confidence for name, made in index.labels.items()}
    labels = labels_of(teacher_model, together.image, together.camera, least)
    for place, (sample, (_, view)) in enumerate(zip(samples, fitted, strict=True)):
        yield {name: unwarp(unpadded(to_numpy(one, place)), view, sample.size) for name, one in labels.items()}
