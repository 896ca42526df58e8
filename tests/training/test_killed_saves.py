"""A run that is killed anywhere, also inside a save, ends after --resume with the files of an unbroken one."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from commands import hydranet, refused
from full_disk import no_file_beyond
from hydranet.checkpoint import checkpoint
from hydranet.config.recipe import Recipe
from hydranet.config.stages import Stage
from hydranet.io.growing_file import GrowingFile
from hydranet.io.run_log import LOG, read
from hydranet.training.log import RunLog
from killed_training import KILLED, exit_code, train_until_file, train_until_log
from toys import toy_recipe


def staged() -> Recipe:
    stages = (Stage("first", 4), Stage("second", 2))
    return replace(toy_recipe(dropout=0.3), stages=stages, evaluate_every=3, ema=0.9)


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("recipe") / "recipe.json"
    path.write_text(staged().to_json())
    return path


@pytest.fixture(scope="module")
def whole(recipe: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole") / "run"
    assert hydranet("train", recipe, "--out", folder).code == 0
    return folder


def killed_at(count: int, recipe: Path, folder: Path) -> int | None:
    """Trains in a process that ends before the `count`-th file is put in place; 0 where there are fewer."""
    return exit_code(train_until_file, count, recipe, folder)


def lines(folder: Path) -> list[dict]:
    timing = ("images_per_s", "wait_share")
    return [{k: v for k, v in line.items() if k not in timing} for line in read(folder)]


def ends_like(whole: Path, folder: Path, recipe: Path) -> None:
    again = ["--resume"] if (folder / checkpoint.STATE).is_file() else []
    ended = hydranet("train", recipe, "--out", folder, *again)
    assert ended.code == 0, ended.err
    for name in ("", "stages/first"):
        for file in (checkpoint.MODEL, checkpoint.RECIPE, "report.csv", *([] if name else [checkpoint.STATE])):
            assert (folder / name / file).read_bytes() == (whole / name / file).read_bytes(), (name, file)
        assert json.loads((folder / name / "report.json").read_text())["scores"]
    assert lines(folder) == lines(whole)
    left = {path.name for path in folder.iterdir() if path.is_file()} - {path.name for path in whole.iterdir()}
    assert not left


@pytest.mark.slow  # some forty trainings
def test_killed_before_any_file_is_put_in_place(recipe: Path, whole: Path, tmp_path: Path) -> None:
    for count in range(1, 100):
        folder = tmp_path / str(count)
        code = killed_at(count, recipe, folder)
        if code == 0:
            break
        assert code == KILLED
        ends_like(whole, folder, recipe)
    assert count > 15  # state, recipe and model of three saves and a stage, reports, the log


@pytest.mark.parametrize(("method", "call"), [("step", 4), ("step", 6), ("report", 1), ("report", 2), ("report", 3)])
def test_killed_before_the_log(method: str, call: int, recipe: Path, whole: Path, tmp_path: Path) -> None:
    assert exit_code(train_until_log, method, call, recipe, tmp_path / "run") == KILLED
    ends_like(whole, tmp_path / "run", recipe)


def test_nothing_is_lost_where_only_files_are(recipe: Path, whole: Path, tmp_path: Path) -> None:
    """A model, a stage or a log that is gone is made again from the state; what is not known is not invented."""
    folder = tmp_path / "run"
    assert killed_at(99, recipe, folder) == 0
    (folder / checkpoint.MODEL).unlink()
    (folder / "report.json").unlink()
    ends_like(whole, folder, recipe)
    (folder / LOG).write_text((folder / LOG).read_text()[:-40])
    ends_like(whole, folder, recipe)


def test_a_run_whose_folder_is_gone(recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, step = tmp_path / "run", RunLog.step

    def moves(run_log: RunLog, progress: object) -> None:
        step(run_log, progress)  # type: ignore[arg-type]
        if folder.exists():
            folder.rename(tmp_path / "elsewhere")

    monkeypatch.setattr(RunLog, "step", moves)
    refused(hydranet("train", recipe, "--out", folder), "run is gone: it was deleted or moved while the run was in it")
    assert not folder.exists()


@pytest.mark.parametrize("what", ["log.jsonl", "events.out.tfevents"])
def test_full_disk_in_the_log(what: str, recipe: Path, whole: Path, tmp_path: Path) -> None:
    """The disk is full for one file alone, after some steps: nothing of a step is left in it."""
    folder, append, size = tmp_path / "run", GrowingFile.append, 900

    def full(file: GrowingFile, data: bytes) -> None:
        limit = size if what in file.path.name else 10**9
        with no_file_beyond(limit):
            append(file, data)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(GrowingFile, "append", full)
        refused(hydranet("train", recipe, "--out", folder), rf"cannot write .*{what}.*: File too large.*--resume")
    (file,) = folder.rglob(f"*{what}*")
    assert 0 < file.stat().st_size <= size
    if what == LOG:
        assert file.read_text().endswith("}\n")
    ends_like(whole, folder, recipe)
