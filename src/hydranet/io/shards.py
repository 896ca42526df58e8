"""Samples in a few large files, each found by its number: tar archives in the WebDataset convention, and an index.

FOLDER/000000.tar      NUMBER.SUFFIX per file of a sample, NUMBER of nine digits; any program that reads tar reads them
FOLDER/samples.jsonl   a line per sample, in the order of numbers: where its files lie, their checksum, what else is
                       known about it; a line with "broken" instead says why a sample could not be read

A sample's line is written after its files, so that writing goes on where it was stopped. Random access reads one
stretch of one file; files are opened per read, so that processes that fork, or get a copy, share nothing.
"""

import io
import json
import tarfile
import zlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from hydranet.core.checks.json_text import BrokenJson, parse_json
from hydranet.core.errors import MALFORMED
from hydranet.core.sample import DataError
from hydranet.io.atomic import CheckpointError, write
from hydranet.io.growing_file import GrowingFile

SAMPLES = "samples.jsonl"
BLOCK = tarfile.BLOCKSIZE
END = bytes(2 * BLOCK)
"""What a tar archive ends with."""

Line = dict[str, Any]


class ShardWriter:
    """Appends samples to a folder; begins behind what is there whole.

    shard_bytes: a new file begins where one would become larger than this.    bytes: size of all samples so far.
    Raises CheckpointError where a file cannot be written; what was written before stays good.
    """

    def __init__(self, folder: Path, shard_bytes: int) -> None:
        self.folder, self.shard_bytes = folder, shard_bytes
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self.lines = _whole(folder)
            write(folder / SAMPLES, b"".join(map(_text, self.lines)))
            self._index = GrowingFile(folder / SAMPLES, kept=True)
        except OSError as error:
            raise CheckpointError(f"cannot write into {folder}: {error.strerror}; choose another folder") from error
        self.bytes = sum(line.get("bytes", 0) for line in self.lines)
        last = next((line for line in reversed(self.lines) if "shard" in line), None)
        self._number: int = last["shard"] if last else 0
        self._at: int = last["at"] + last["bytes"] if last else 0
        self._shard: GrowingFile | None = None

    def add(self, files: Mapping[str, bytes], about: Mapping[str, Any]) -> None:
        """Appends a sample: its files by suffix, and what its line says beside their places."""
        number = len(self.lines)
        data, members = _archived(f"{number:09d}", files)
        if self._at and self._at + len(data) > self.shard_bytes:
            self._end_shard()
            self._number, self._at = self._number + 1, 0
        try:
            if self._shard is None:
                self._shard = GrowingFile(self.folder / shard_name(self._number), kept=True)
                self._shard.cut(self._at)
                self._shard.seek(self._at)
            self._shard.append(data)
            place = {"shard": self._number, "at": self._at, "bytes": len(data), "crc": zlib.crc32(data)}
            self._note({**about, **place, "files": members})
        except OSError as error:
            raise _full(self.folder, error) from error
        self._at += len(data)
        self.bytes += len(data)

    def skip(self, about: Mapping[str, Any]) -> None:
        """Leaves a sample out; its line says why under "broken"."""
        try:
            self._note(dict(about))
        except OSError as error:
            raise _full(self.folder, error) from error

    def close(self) -> None:
        """Ends the files; what `add` put there can be read, and more can be added later."""
        self._end_shard()
        self._index.close()

    def _note(self, line: Line) -> None:
        self._index.append(_text(line))
        self.lines.append(line)

    def _end_shard(self) -> None:
        if self._shard is not None:
            with suppress(OSError):  # an archive without an ending is read all the same
                self._shard.append(END)
            self._shard.close()
            self._shard = None


def archived_bytes(files: Mapping[str, bytes]) -> int:
    """How many bytes of a shard a sample's files take."""
    return sum(BLOCK + len(data) + -len(data) % BLOCK for data in files.values())


def shard_name(number: int) -> str:
    """The file of a shard."""
    return f"{number:06d}.tar"


def read_lines(folder: Path) -> list[Line]:
    """The lines of all samples. Raises DataError where they cannot be read."""
    path = folder / SAMPLES
    try:
        return [_parsed(text) for text in path.read_text().splitlines()]
    except FileNotFoundError as error:
        raise DataError(f"missing file {path}; pack again into {folder.name}") from error
    except (OSError, *MALFORMED) as error:
        raise DataError(f"{path} is damaged ({error}); pack again") from error


def read_files(folder: Path, line: Line) -> dict[str, bytes]:
    """The files of a sample by suffix. Raises DataError where they are missing or damaged."""
    path = folder / shard_name(line["shard"])
    try:
        with open(path, "rb", buffering=0) as file:
            file.seek(line["at"])
            data = file.read(line["bytes"])
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}; pack again") from error
    if data is None or len(data) != line["bytes"] or zlib.crc32(data) != line["crc"]:
        raise DataError(f"{path} is damaged or cut off at byte {line['at']}; pack again")
    return {suffix: data[begin : begin + size] for suffix, (begin, size) in line["files"].items()}


def _archived(name: str, files: Mapping[str, bytes]) -> tuple[bytes, dict[str, Sequence[int]]]:
    """A stretch of a tar archive, and where in it each file begins and how long it is."""
    parts, members, at = io.BytesIO(), dict[str, Sequence[int]](), 0
    for suffix, data in files.items():
        head = tarfile.TarInfo(f"{name}.{suffix}")
        head.size = len(data)
        padded = -len(data) % BLOCK
        at += parts.write(head.tobuf(tarfile.USTAR_FORMAT))
        members[suffix] = (at, len(data))
        at += parts.write(data + bytes(padded))
    return parts.getvalue(), members


def _whole(folder: Path) -> list[Line]:
    """Lines of the samples that are there whole; those of the last shard are compared with their checksums."""
    lines: list[Line] = []
    with suppress(OSError, BrokenJson, KeyError, TypeError, ValueError, AttributeError):
        for text in (folder / SAMPLES).read_text().splitlines():
            lines.append(_parsed(text))
    last = max((line["shard"] for line in lines if "shard" in line), default=0)
    for place, line in enumerate(lines):
        if line.get("shard") == last:
            try:
                read_files(folder, line)
            except DataError:
                return lines[:place]
    return lines


def _parsed(text: str) -> Line:
    """A line of the index. Raises as its callers expect for what is none."""
    line = parse_json(text)
    numbers = [line[name] for name in ("shard", "at", "bytes", "crc")] if "broken" not in line else []
    texts = [line["key"], line.get("broken", "")]
    if not all(isinstance(one, str) for one in texts) or any(type(one) is not int or one < 0 for one in numbers):
        raise ValueError("a line is no place of a sample")
    for begin, size in line["files"].values() if numbers else ():
        if not 0 <= begin <= begin + size <= line["bytes"]:
            raise ValueError("a file lies outside of its sample")
    return dict(line)


def _text(line: Line) -> bytes:
    return f"{json.dumps(line)}\n".encode()


def _full(folder: Path, error: OSError) -> CheckpointError:
    return CheckpointError(
        f"cannot write into {folder}: {error.strerror}; make room, and the same command goes on there"
    )
