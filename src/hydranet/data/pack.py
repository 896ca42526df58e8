"""Packs of a recipe's sources: every sample read, fitted and compressed once, so that training does not wait for files.

FOLDER/data/SOURCE        training images, at most as large as augmentation can use, or all as they are (whole)
FOLDER/validation/SOURCE  validation images, always as they are: scores are taken in their own pixels

A pack holds samples before anything random and before labels become those of tasks (`io.sample_record`, `io.shards`):
augmentation, classes and options of tasks may still change. No label changes but where an image is shrunk: its labels
are then shrunk by the rules of `transforms.warp`, as they would be in training, only in two steps.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
import torch
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as TorchDataset

from hydranet.config.recipe import Recipe
from hydranet.config.source import Source
from hydranet.core.sample import DataError, Sample
from hydranet.core.spec import SpecError, to_json
from hydranet.data.first_look import spread
from hydranet.data.mixture import cores
from hydranet.data.packed_recipe import reach_of, stored_labels
from hydranet.data.reader import read
from hydranet.datasets.packed import Packed
from hydranet.io.atomic import write
from hydranet.io.fingerprint import content, perceptual_hash
from hydranet.io.fingerprint_cache import state_of
from hydranet.io.image_codec import CODECS
from hydranet.io.lock import locked
from hydranet.io.pack_index import INDEX, PackIndex, read_pack_index
from hydranet.io.sample_record import to_files
from hydranet.io.shards import SAMPLES, ShardWriter, archived_bytes
from hydranet.transforms.view import Size, stretch
from hydranet.transforms.warp import warp

Role = Literal["data", "validation"]
ESTIMATED_FROM = 12
"""Samples of a source whose sizes stand for all, before packing."""


@dataclass(frozen=True)
class Job:
    """One source to pack, its folder, and what its index will say."""

    source: Source
    folder: Path
    index: PackIndex

    @property
    def name(self) -> str:
        """Role and source."""
        return f"{self.folder.parent.name}/{self.folder.name}"


@dataclass(frozen=True)
class Packing:
    """How far a source is. index: of the whole pack, at the end."""

    name: str
    done: int
    total: int
    bytes: int
    index: PackIndex | None = None


def jobs(recipe: Recipe, out: Path, images: str = "zstd", whole: bool = False) -> list[Job]:
    """What is to be packed of a recipe. Raises SpecError for a recipe that reads packs or that no file can hold."""
    if images not in CODECS:
        raise SpecError(f"got images stored as {images!r}, expected {', '.join(CODECS)}")
    made = []
    for role, sources in (("data", recipe.data), ("validation", recipe.validation)):
        for source in sources:
            if isinstance(source.dataset, Packed):
                raise SpecError(f"{source.name!r} is a pack already; give the recipe that it was made from")
            state = state_of(source.dataset)
            if state is None:
                raise SpecError(f"{source.name!r} has options that no recipe file can hold; give it numbers and text")
            reach = None if whole or role == "validation" else reach_of(source, recipe)
            index = PackIndex(
                to_json(source.dataset), state, reach, images, stored_labels(recipe, source), focal_px=source.focal_px
            )
            made.append(Job(source, out / role / source.name, index))
    return made


def fitted(sample: Sample, reach: tuple[int, int] | None) -> Sample:
    """The sample, shrunk where no view would show all of its pixels."""
    if reach is None:
        return sample
    height, width = sample.size
    share = max(reach[0] / height, reach[1] / width)
    if share >= 1:
        return sample
    size: Size = math.ceil(height * share), math.ceil(width * share)
    return warp(sample, stretch(sample.size, size))


@dataclass(frozen=True)
class _Record:
    """A sample as a worker process hands it over: its files, and its line; or why there is none."""

    files: dict[str, bytes]
    line: dict[str, Any]
    error: str = ""


class _Records(TorchDataset[_Record]):
    """The samples of a job as records."""

    def __init__(self, job: Job) -> None:
        self.job = job

    def __getitem__(self, index: int) -> _Record:
        cv2.setNumThreads(0)  # processes are the parallelism here
        try:
            return self.made(index)
        except DataError as error:
            skipped = self.job.source.on_error == "skip"
            key = self.job.source.dataset.keys()[index] if skipped else ""
            reason = str(error).removeprefix(f"{self.job.source.name}, item {index}: ")  # reading the pack says it, too
            return _Record({}, {"key": key, "broken": reason}, "" if skipped else str(error))

    def made(self, index: int) -> _Record:
        """Raises DataError for a sample that cannot be read."""
        plan, source = self.job.index, self.job.source
        sample = source.with_camera(read(source.dataset, index, source.name))
        line: dict[str, Any] = {
            "key": sample.key or str(index),
            "content": content(sample.image),
            "look": perceptual_hash(sample.image),
            "left_out": sorted(sample.labels.keys() - set(plan.labels)),
        }
        kept = {name: label for name, label in sample.labels.items() if name in plan.labels}
        stored = fitted(sample.but(labels=kept), plan.reach)
        if stored.size != sample.size:
            line["shrunk_from"] = list(sample.size)
        codec = CODECS[plan.images]
        files = to_files(stored, codec)
        if not codec.lossless:
            again = codec.decode(files[codec.suffix], stored.size)
            off = np.abs(again.astype(np.int16) - stored.image)
            line |= {"off": round(float(off.mean()), 3), "most_off": int(off.max())}
        return _Record(files, line)


def estimate(job: Job, images: str = "") -> int:
    """About how many bytes the pack of a source will have, from some of its samples, evenly spread.

    images: how they are stored; default: as the job says.
    Raises DataError for a sample that cannot be read, unless its source skips such.
    """
    records = _Records(replace(job, index=replace(job.index, images=images)) if images else job)
    count = len(job.source.dataset)
    sizes = []
    for index in spread(count, min(count, ESTIMATED_FROM)):
        record = records[index]
        if record.error:
            raise DataError(record.error)
        sizes.append(archived_bytes(record.files))
    return round(count * sum(sizes) / max(len(sizes), 1))


def check_budget(todo: Sequence[Job], limit: int) -> None:
    """Raises SpecError, with the sizes of other ways to store images, where packs would need more than `limit`
    bytes."""
    total = sum(map(estimate, todo))
    if total <= limit:
        return
    others = {name: sum(estimate(job, name) for job in todo) for name in CODECS if name != todo[0].index.images}
    sizes = ", ".join(f"{name} about {size / 1e6:.1f} MB" for name, size in others.items())
    raise SpecError(
        f"the pack would have about {total / 1e6:.1f} MB, expected at most {limit / 1e6:.1f} MB; raise --most, choose "
        f"--images ({sizes}), or pack less"
    )


def is_done(job: Job) -> bool:
    """Whether the folder holds the whole pack of this job, as its files are now."""
    try:
        index = read_pack_index(job.folder)
    except DataError:
        return False
    return index.complete and index.is_of(job.index)


def pack(job: Job, shard_bytes: int, workers: int = 0, room: int | None = None) -> Iterator[Packing]:
    """Packs a source; goes on where an earlier packing of the same stopped, and replaces a pack of anything else.

    room: the most bytes that the pack may have.
    Raises DataError for a sample that cannot be read, SpecError where there is not room enough, CheckpointError where
    the folder cannot be written.
    """
    with locked(job.folder) as lock:
        _prepare(job)
        total = len(job.source.dataset)
        writer = ShardWriter(job.folder, shard_bytes)
        try:
            for record in _records(job, range(len(writer.lines), total), workers):
                if record.error:
                    raise DataError(record.error)
                if record.files:
                    writer.add(record.files, record.line)
                else:
                    writer.skip(record.line)
                if room is not None and writer.bytes > room:
                    raise SpecError(
                        f"{job.name} has {writer.bytes / 1e6:.1f} MB after {len(writer.lines)} of {total} samples, "
                        f"expected at most {room / 1e6:.1f} MB; raise --most or store images in another way"
                    )
                lock.touch()
                yield Packing(job.name, len(writer.lines), total, writer.bytes)
        finally:
            writer.close()
        if state_of(job.source.dataset) != job.index.state:
            raise DataError(
                f"files of {job.source.name!r} changed while they were packed; wait until nobody writes there, choose "
                "a folder for the pack outside of the data, and pack again"
            )
        index = _described(job, writer)
        index.save(job.folder)
        yield Packing(job.name, total, total, index.bytes, index)


def _prepare(job: Job) -> None:
    """Removes what a pack of other files or options left, and says what is being made."""
    try:
        kept = read_pack_index(job.folder).is_of(job.index)
    except DataError:
        kept = False
    if not kept:
        write(job.folder / INDEX, b"{}")  # until the old shards are gone, the folder is nothing
        for path in (*job.folder.glob("*.tar"), job.folder / SAMPLES):
            path.unlink(missing_ok=True)
    job.index.save(job.folder)


def _records(job: Job, indexes: Sequence[int], workers: int) -> Iterator[_Record]:
    workers = min(workers, cores())
    loader: DataLoader[_Record] = DataLoader(
        _Records(job),
        batch_size=None,
        sampler=indexes,
        num_workers=workers,
        collate_fn=_as_is,
        multiprocessing_context="fork" if workers and not torch.cuda.is_available() else None,
    )
    yield from loader


def _as_is(record: Any) -> Any:
    return record


def _described(job: Job, writer: ShardWriter) -> PackIndex:
    """The index of a whole pack."""
    dataset, lines = job.source.dataset, writer.lines
    stored = [line for line in lines if "broken" not in line]
    return replace(
        job.index,
        complete=True,
        left_out=tuple(sorted({name for line in stored for name in line["left_out"]})),
        classes=dict(dataset.classes),
        provenance=dict(dataset.provenance),
        ledger=dataset.ledger(),
        samples=len(lines),
        bytes=writer.bytes,
        shrunk=sum("shrunk_from" in line for line in stored),
        broken=len(lines) - len(stored),
        off=float(np.mean([line.get("off", 0.0) for line in stored] or [0.0])),
        most_off=max((line.get("most_off", 0) for line in stored), default=0),
    )
