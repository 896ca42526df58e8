"""A library that opens a file by name writes through a pipe, and never meets a full disk."""

import os
from pathlib import Path

import pytest

from full_disk import no_file_beyond
from hydranet.io.piped_file import PipedFile

BYTES = bytes(range(256)) * 2000


def library_writes(file: PipedFile) -> None:
    with open(file.inlet, "wb") as inlet:
        file.opened()
        inlet.write(BYTES[:300_000])
        inlet.write(BYTES[300_000:])


def test_what_is_written_arrives(tmp_path: Path) -> None:
    file = PipedFile(tmp_path / "a.rrd")
    library_writes(file)
    file.close()
    assert file.error is None
    assert (tmp_path / "a.rrd").read_bytes() == BYTES


@pytest.mark.skipif(os.name == "nt", reason="Windows has no names for open pipes")
def test_the_library_goes_on_where_the_disk_is_full(tmp_path: Path) -> None:
    file = PipedFile(tmp_path / "a.rrd")
    with no_file_beyond(100_000):
        library_writes(file)
        file.close()
    assert isinstance(file.error, OSError)
    assert file.error.filename == str(tmp_path / "a.rrd")
    assert (tmp_path / "a.rrd").read_bytes() == BYTES[:100_000]
