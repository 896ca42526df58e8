"""One training at a time in a folder; what an ended process left is taken over."""

import json
import os
import socket
import time
from pathlib import Path

import pytest

from hydranet.io.atomic import CheckpointError
from hydranet.io.lock import NAME, SILENT_S, TOUCH_S, locked
from hydranet.training.train import train
from toys import toy_recipe

MINE = {"pid": os.getpid(), "host": socket.gethostname()}


def left_by(folder: Path, holder: object, age_s: float = 0.0) -> None:
    (folder / NAME).write_text(holder if isinstance(holder, str) else json.dumps(holder))
    os.utime(folder / NAME, (time.time() - age_s,) * 2)


def test_a_second_training_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    first = train(toy_recipe(), folder)
    next(first)
    sentence = rf"run is in use: process {os.getpid()} on {socket.gethostname()} works in it; wait until it ends"
    for resume in (False, True):
        with pytest.raises(CheckpointError, match=sentence):
            next(train(toy_recipe(), folder, resume=resume))
    *_, last = first
    assert last.step == 6
    assert not (folder / NAME).exists()
    assert list(train(toy_recipe(), folder, resume=True)) == []


def test_a_training_that_is_left_frees_its_folder(tmp_path: Path) -> None:
    for progress in train(toy_recipe(), tmp_path / "run"):
        if progress.step == 2:
            break
    assert not (tmp_path / "run" / NAME).exists()


def test_the_lock_of_an_ended_process_is_taken_over(tmp_path: Path) -> None:
    ended = os.fork()
    if ended == 0:
        os._exit(0)
    os.waitpid(ended, 0)
    (tmp_path / "model.123.partial").write_text("half")
    for holder, age_s in (
        ({**MINE, "pid": ended}, 0.0),
        ({**MINE, "started": 1}, 0.0),  # another process has its number now
        ({**MINE, "host": "elsewhere"}, SILENT_S + 1),
        ("", TOUCH_S + 1),
        ("{", TOUCH_S + 1),
        ("[1]", TOUCH_S + 1),
        ({**MINE, "pid": 10**30}, 0.0),
    ):
        left_by(tmp_path, holder, age_s)
        with locked(tmp_path):
            assert json.loads((tmp_path / NAME).read_text())["pid"] == os.getpid()
        assert not list(tmp_path.iterdir())


def test_the_lock_of_a_process_that_works_holds(tmp_path: Path) -> None:
    for holder, who in (
        (MINE, f"process {os.getpid()} on"),
        ({**MINE, "pid": 1}, "process 1 on"),
        ({**MINE, "host": "elsewhere"}, "on elsewhere"),
        ("", "process None"),
    ):
        left_by(tmp_path, holder)
        with pytest.raises(CheckpointError, match=rf"is in use: .*{who}"), locked(tmp_path):
            pass
        assert (tmp_path / NAME).is_file()


def test_a_folder_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for folder, reason in ((tmp_path / "file", "is a file"), (tmp_path / "file" / "run", "Not a directory")):
        with pytest.raises(CheckpointError, match=rf"cannot write .*{reason}; choose another folder"), locked(folder):
            pass


def test_touching_says_that_it_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with locked(tmp_path) as lock:
        os.utime(lock.path, (0, 0))
        lock.touch()
        assert lock.path.stat().st_mtime == 0
        now_s = time.monotonic()
        monkeypatch.setattr(time, "monotonic", lambda: now_s + 2 * TOUCH_S)
        lock.touch()
        assert lock.path.stat().st_mtime > 0
