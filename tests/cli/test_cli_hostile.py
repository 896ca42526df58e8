"""Bad input ends in one clear sentence, a non-zero exit code and no lost run."""

import errno
import json
import os
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from commands import hydranet, refused
from hydranet.checkpoint import checkpoint


@pytest.fixture(scope="module")
def run(recipes: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "toy"
    assert hydranet("train", f"{recipes}:toy", "validation=[]", "--out", folder).code == 0
    return folder


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "images" / "good.png"
    path.parent.mkdir()
    cv2.imwrite(str(path), np.zeros((32, 64, 3), dtype=np.uint8))
    return path


@pytest.fixture
def full_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", fail)


# --- images -----------------------------------------------------------------------------------------------------


def test_broken_pictures_do_not_cost_the_others(run: Path, picture: Path, tmp_path: Path) -> None:
    (picture.parent / "a_text.png").write_text("I am a letter.")
    (picture.parent / "b_empty.jpg").touch()
    (picture.parent / "c_half.png").write_bytes(picture.read_bytes()[:40])
    ended = hydranet("predict", run, picture.parent, "--out", tmp_path / "seen")
    assert ended.code == 1
    said = ended.err.splitlines()
    assert [line.startswith("error: ") for line in said] == [True] * 3
    assert "a_text.png (14 bytes cannot be decoded); restore it or leave it out" in said[0]
    assert "1 images" in ended.out
    assert json.loads((tmp_path / "seen" / "good.json").read_text())["width"] == 64


@pytest.mark.parametrize("what", ["empty", "missing", "missing/*.png", "missing.mp4"])
def test_no_picture_at_all(run: Path, tmp_path: Path, what: str) -> None:
    (tmp_path / "empty").mkdir()
    refused(hydranet("predict", run, tmp_path / what), r"no image or video at .*; give a file, a folder or a pattern")


def test_broken_video(run: Path, tmp_path: Path) -> None:
    (tmp_path / "drive.mp4").write_bytes(b"\0\0\0\x18ftypmp42" + bytes(1000))
    refused(hydranet("predict", run, tmp_path / "drive.mp4"), r"cannot open the video .*drive.mp4; convert it")


@pytest.mark.parametrize("size", [(1, 1), (3, 900), (700, 2), (16, 16)])
def test_pictures_of_odd_shapes(run: Path, tmp_path: Path, size: tuple[int, int]) -> None:
    cv2.imwrite(str(tmp_path / "odd.png"), np.full((*size, 3), 90, dtype=np.uint8))
    ended = hydranet("predict", run, tmp_path / "odd.png", "--out", tmp_path / "seen")
    assert ended.code == 0, ended.err
    assert max(cv2.imread(str(tmp_path / "seen" / "odd.glow.png")).shape) <= 4096


@pytest.mark.parametrize("size", ["102x64", "0x0", "64", "axb", "-32x64"])
def test_impossible_input_size(run: Path, picture: Path, size: str) -> None:
    ended = hydranet("predict", run, picture, f"--size={size}")
    refused(ended, f"got size '{size}', expected HEIGHTxWIDTH in multiples of 4")


def test_unknown_head(run: Path, picture: Path) -> None:
    ended = hydranet("predict", run, picture, "--heads", "glow,brigth")
    refused(ended, "no head of this network is called 'brigth'; did you mean 'bright'")


def test_folder_that_cannot_be_written(recipes: Path, run: Path, picture: Path) -> None:
    """A file stands where the folder should be; who may write anywhere is refused, too."""
    refused(hydranet("predict", run, picture, "--out", picture / "seen"), "Not a directory: .*good.png")
    ended = hydranet("train", f"{recipes}:toy", "--out", picture / "run")
    refused(ended, r"cannot write .*train.lock: Not a directory; choose another folder")
    for option in (("--out", picture), ("--out", run, "--gallery", picture / "look.html")):
        ended = hydranet("evaluate", run, "validation=[]", *option)
        refused(ended, r"cannot write into .*good.png: .*; choose another folder")
    refused(hydranet("evaluate", run, "validation=[]", "--out", run), "nothing to evaluate")


# --- runs ---------------------------------------------------------------------------------------------------------


def test_damaged_and_foreign_checkpoints(run: Path, picture: Path, tmp_path: Path) -> None:
    refused(hydranet("predict", tmp_path / "nowhere", picture), "no run or model at .*nowhere")
    half = tmp_path / "half"
    shutil.copytree(run, half)
    data = (half / checkpoint.MODEL).read_bytes()
    (half / checkpoint.MODEL).write_bytes(data[: len(data) // 2])
    refused(hydranet("predict", half, picture), "model.safetensors is damaged or no safetensors file")
    refused(hydranet("evaluate", half), "model.safetensors is damaged or no safetensors file")
    (half / checkpoint.MODEL).unlink()
    refused(hydranet("predict", half, picture), "no file .*model.safetensors; give a run folder that holds")
    refused(hydranet("predict", run / checkpoint.STATE, picture), "holds no recipe in its header; give model")
    tensors, header = checkpoint.read(run / checkpoint.MODEL)
    other = checkpoint.load_recipe(run).changed(["decoder.width=10"])
    (half / checkpoint.MODEL).write_bytes(checkpoint.pack(tensors, {**header, "recipe": other.to_json()}))
    refused(hydranet("predict", half, picture), "does not fit this recipe .*use the recipe it was trained with")


def test_resume_without_a_run_or_of_another_recipe(recipes: Path, run: Path, tmp_path: Path) -> None:
    ended = hydranet("train", f"{recipes}:toy", "--out", tmp_path / "new", "--resume")
    refused(ended, r"no run to resume in .*new: it has no state.safetensors; check --out")
    ended = hydranet("train", f"{recipes}:toy", "optim.lr=1", "--out", run, "--resume")
    again = f"train {run}/recipe.json --resume --out {run}"
    refused(ended, rf".* is a run of another recipe \(optim.lr: 0.01 -> 1\).* go on with: hydranet {again}")


def test_the_command_of_the_refusal_goes_on(recipes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert hydranet("train", f"{recipes}:toy", "optim.lr=2e-3", "validation=[]").code == 0
    refused(hydranet("train", f"{recipes}:toy", "--resume"), "optim.lr: 0.002 -> 0.01")
    for command in (["runs/toy", "--resume"], ["runs/toy/recipe.json", "--resume", "--out", "runs/toy"]):
        ended = hydranet("train", *command)
        assert ended.code == 0, ended.err


@pytest.mark.parametrize("gone", [None, checkpoint.STATE, checkpoint.MODEL])
def test_a_run_is_never_overwritten(recipes: Path, run: Path, tmp_path: Path, gone: str | None) -> None:
    copy = tmp_path / "run"
    shutil.copytree(run, copy)
    if gone:
        (copy / gone).unlink()
    before = {path: path.read_bytes() for path in copy.iterdir() if path.is_file()}
    ended = hydranet("train", f"{recipes}:toy", "--out", copy)
    refused(ended, "already holds a run; go on with resume .*or choose another folder")
    assert {path: path.read_bytes() for path in copy.iterdir() if path.is_file()} == before


def test_full_disk_while_training(recipes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command = ["train", f"{recipes}:toy", "validation=[]", "--out", tmp_path / "run"]
    count, fsync = [0], os.fsync

    def fills_up(file: int) -> None:
        count[0] += 1
        if count[0] > 6:  # recipe and log at the start, then state, recipe and model of step 2
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        fsync(file)

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", fills_up)
        refused(hydranet(*command), "cannot write .* No space left on device; the last good file was kept")
    assert not list((tmp_path / "run").glob("*.partial"))
    assert (tmp_path / "run" / checkpoint.STATE).is_file()
    assert hydranet(*command, "--resume").code == 0
    assert hydranet("train", f"{recipes}:toy", "validation=[]", "--out", tmp_path / "whole").code == 0
    assert (tmp_path / "run" / checkpoint.MODEL).read_bytes() == (tmp_path / "whole" / checkpoint.MODEL).read_bytes()


@pytest.mark.usefixtures("full_disk")
def test_full_disk_before_any_checkpoint(recipes: Path, tmp_path: Path) -> None:
    ended = hydranet("train", f"{recipes}:toy", "--out", tmp_path / "run")
    refused(ended, r"cannot write .*recipe.json .*No space left on device. Make room or choose another folder\n$")


@pytest.mark.usefixtures("full_disk")
def test_full_disk_while_writing_a_report(run: Path, recipes: Path) -> None:
    assert not (run / "report.json").exists()
    ended = hydranet("evaluate", run, f"validation={_sources(recipes)}", "--out", run)
    refused(ended, "cannot write .*report.csv .*No space left")
    assert not (run / "report.json").exists()


def _sources(recipes: Path) -> str:
    from hydranet.checkpoint import resolve

    return json.dumps(json.loads(resolve.recipe(f"{recipes}:toy").to_json())["validation"])


# --- recipes ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        ("optim.lrr=1", "no key in 'optim' is called 'lrr'; did you mean 'lr'"),
        ("stepz=1", "no key of the recipe is called 'stepz'; did you mean 'steps'"),
        ("tasks.glwo.name=x", "no key in 'tasks' is called 'glwo'; did you mean 'glow'"),
        ("optim.lr", "got 'optim.lr', expected key=value"),
        ("steps=0", "got steps=0, expected a whole number >= 1"),
        ("steps=ten", "got steps='ten'.*expected int"),
        ("steps=2.5", "got steps=2.5.*expected int"),
        ("optim.lr=fast", "got lr='fast'.*expected float"),
        ("decoder.width=wide", "got width='wide'.*expected int"),
        ("encoder.norm=7", "got norm=7.*expected bool"),
        ("precision=fp8", "got precision='fp8' for Recipe, expected auto, fp32, bf16 or fp16"),
        ("augment.flip=3", "got flip=3, expected 0 .never. to 1"),
        ("data.noise.size=[30,64]", "source 'noise' has size .*multiples of 4"),
        ("data.noise.size=5", "got size=5.*expected"),
        ("data=[]", "recipe 'toy' has 2 tasks and 0 sources"),
        ("encoder.class=os.system", "the recipe names 'os.system', which is no part of a recipe"),
    ],
)
def test_settings_that_make_no_sense(recipes: Path, tmp_path: Path, setting: str, sentence: str) -> None:
    refused(hydranet("train", f"{recipes}:toy", setting, "--out", tmp_path / "run"), sentence)
    assert not (tmp_path / "run").exists()


def test_unknown_recipes(recipes: Path, tmp_path: Path) -> None:
    refused(hydranet("train", "demmo"), "no recipe is called 'demmo'; did you mean 'demo'")
    refused(
        hydranet("train", tmp_path), "is no run: it holds neither model.safetensors nor recipe.json; give a recipe's"
    )
    refused(hydranet("info", "runs/nope"), "no file or folder runs/nope; give a recipe's name .*or a run folder")
    (tmp_path / "notes.txt").write_text("hello")
    refused(
        hydranet("info", tmp_path / "notes.txt"), "notes.txt is no recipe: its name ends neither in .py nor in .json"
    )
    refused(hydranet("train", tmp_path / "no.py"), "no file .*no.py; give a python file")
    refused(hydranet("train", tmp_path / "no.json"), "no recipe .*no.json")
    refused(hydranet("train", recipes), r"has 2 recipes \(toy, slow\); say which")
    refused(hydranet("train", f"{recipes}:toi"), "no recipe in .* is called 'toi'; did you mean 'toy'")
    (tmp_path / "unmarked.py").write_text("def mine():\n    return None\n")
    refused(
        hydranet("train", f"{tmp_path}/unmarked.py:mine"), "no function that returns a recipe; write one as `def name"
    )
    (tmp_path / "binary.json").write_bytes(b"\xff\xfe\0")
    refused(hydranet("info", tmp_path / "binary.json"), "binary.json is damaged or no JSON file")
    (tmp_path / "text.json").write_text("hello")
    refused(hydranet("info", tmp_path / "text.json"), "this is no recipe: line 1 is not JSON")
    (tmp_path / "list.json").write_text("[1]")
    refused(hydranet("info", tmp_path / "list.json"), "got JSON of a tuple, expected a recipe")


@pytest.mark.parametrize(
    ("name", "code", "sentence"),
    [
        ("rec_syntax", "def f(:", r"cannot be read: invalid syntax \(rec_syntax.py, line 1\)"),
        ("rec_name", "\nspam", r"cannot be read: NameError: name 'spam' is not defined \(rec_name.py, line 2\)"),
        ("rec_none", "x = 1", "has no function that returns a recipe; write one as"),
        ("json", "x = 1", "has the name of a module that is in use"),
        ("antigravity", "x = 1", "has the name of another module"),
    ],
)
def test_recipe_files_that_cannot_be_read(tmp_path: Path, name: str, code: str, sentence: str) -> None:
    (tmp_path / f"{name}.py").write_text(code)
    refused(hydranet("info", tmp_path / f"{name}.py"), sentence)


def test_other_nonsense(recipes: Path, run: Path) -> None:
    refused(hydranet("list", "task"), "no set of parts is called 'task'; did you mean 'tasks'")
    refused(hydranet("train", f"{recipes}:toy", "--device", "gpu"), "got device 'gpu', which this machine does not")
    refused(hydranet("evaluate", run, "--gallery", "g.pdf"), "got gallery 'g.pdf', expected a name that ends in .html")
    assert hydranet("train").code == 2
    assert hydranet("fly").code == 2
