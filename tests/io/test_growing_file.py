"""Files that grow can be opened after a full disk: no half of what was added is left."""

from pathlib import Path

import pytest

from full_disk import no_file_beyond
from hydranet.io.atomic import CheckpointError, placed
from hydranet.io.growing_file import GrowingFile


def test_what_is_added_is_there_whole_or_not_at_all(tmp_path: Path) -> None:
    file = GrowingFile(tmp_path / "a.jsonl")
    file.append(b"first\n")
    with no_file_beyond(9), pytest.raises(OSError, match="File too large") as failed:
        file.append(b"second\n")
    assert failed.value.filename == str(tmp_path / "a.jsonl")
    assert (tmp_path / "a.jsonl").read_bytes() == b"first\n"
    file.close()
    file.close()
    again = GrowingFile(tmp_path / "a.jsonl", kept=True)
    again.append(b"third\n")
    again.close()
    assert (tmp_path / "a.jsonl").read_bytes() == b"first\nthird\n"
    with pytest.raises(FileNotFoundError, match="nowhere"):
        GrowingFile(tmp_path / "nowhere" / "a")


def test_after_a_write_that_failed_the_rest_is_dropped(tmp_path: Path) -> None:
    file = GrowingFile(tmp_path / "a")
    assert file.write(b"abcd") == 4
    with no_file_beyond(6):
        assert file.write(b"efgh") == 4
    assert file.write(b"ijkl") == 4
    assert file.tell() == 12
    assert file.seek(-2, 1) == 10
    assert file.error is not None
    assert file.error.strerror == "File too large"
    assert (tmp_path / "a").read_bytes() == b"abcdef"
    file.cut(4, b"!")
    assert (tmp_path / "a").read_bytes() == b"abcd!"
    file.close()


def test_files_of_libraries_get_their_place_whole(tmp_path: Path) -> None:
    with placed(tmp_path / "new" / "model.xml") as draft:
        draft.write_text("graph")
        draft.with_suffix(".bin").write_text("weights")
    assert {one.name for one in (tmp_path / "new").iterdir()} == {"model.xml", "model.bin"}
    with (
        no_file_beyond(2),
        pytest.raises(CheckpointError, match=r"cannot write .*model.xml: File too large. Make room"),
        placed(tmp_path / "new" / "model.xml") as draft,
    ):
        draft.write_text("other")
    with (
        pytest.raises(CheckpointError, match=r"cannot write .*model.xml: iostream error"),
        placed(tmp_path / "new" / "model.xml"),
    ):
        raise RuntimeError("basic_ios::clear\niostream error")
    assert (tmp_path / "new" / "model.xml").read_text() == "graph"
    assert {one.name for one in (tmp_path / "new").iterdir()} == {"model.xml", "model.bin"}
