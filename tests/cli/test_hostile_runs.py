"""Somebody's run is data: whatever its names say, no command runs its code or writes outside the chosen folders."""

import json
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest

from commands import hydranet, refused
from hydranet.checkpoint import checkpoint
from hydranet.data import run_images
from hydranet.deploy.manifest import KEY

OLD = Path(__file__).parents[1] / "fixtures" / "v0_1" / "export" / "model.onnx"

COMMANDS = {
    "predict": ("predict", "{run}", "{image}", "--out", "{out}"),
    "evaluate": ("evaluate", "{run}", "--out", "{out}"),
    "export": ("export", "{run}", "--to", "onnx", "--out", "{out}"),
    "quantize": ("quantize", "{run}", "--out", "{out}"),
    "bench": ("bench", "{run}", "--out", "{out}"),
    "label": ("label", "{run}", "{images}", "--out", "{out}"),
    "label a source": ("label", "{good}", "noise", "--recipe", "{run}", "--out", "{out}"),
    "same": ("same", "{run}", "{good}"),
    "same, as the second": ("same", "{good}", "{run}"),
    "info": ("info", "{run}"),
    "train": ("train", "{run}/recipe.json", "--out", "{out}"),
    "train from it": ("train", "{good}/recipe.json", "--start", "{run}", "--out", "{out}"),
    "resume": ("train", "{run}/recipe.json", "--out", "{run}", "--resume"),
    "data check": ("data", "check", "{run}", "--out", "{out}"),
    "retention": ("retention", "{run}", "--out", "{out}"),
}


@pytest.fixture(scope="module")
def good(recipes: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "toy"
    assert hydranet("train", f"{recipes}:toy", "validation=[]", "--out", folder).code == 0
    return folder


@pytest.fixture
def place(good: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Where everything lies; the test works in a folder of its own, so that relative paths show, too."""
    (tmp_path / "images").mkdir()
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    cv2.imwrite(str(tmp_path / "images" / "a.png"), np.zeros((32, 64, 3), dtype=np.uint8))
    run = tmp_path / "hostile"
    shutil.copytree(good, run)
    names = {"good": good, "run": run, "images": tmp_path / "images", "out": tmp_path / "out"}
    return {**{name: str(path) for name, path in names.items()}, "image": str(tmp_path / "images" / "a.png")}


def rewrite(run: Path, change: dict[str, object]) -> None:
    """Makes a run by hand: its recipe with values replaced by key path, in the header and beside it."""
    for name in (checkpoint.MODEL, checkpoint.STATE):
        tensors, header = checkpoint.read(run / name)
        tree = json.loads(header["recipe"] if "recipe" in header else json.loads(header["run"])["recipe"])
        for path, value in change.items():
            *parents, last = (int(part) if part.isdigit() else part for part in path.split("."))
            node = tree
            for key in parents:
                node = node[key]
            node[last] = value
        text = json.dumps(tree)
        if "recipe" in header:
            header = {**header, "recipe": text}
            (run / checkpoint.RECIPE).write_text(text)
        else:
            header = {**header, "run": json.dumps({**json.loads(header["run"]), "recipe": text})}
        (run / name).write_bytes(checkpoint.pack(tensors, header))


def everything_below(folder: Path) -> set[Path]:
    return set(folder.rglob("*"))


HOSTILE = {
    "code in a task's name": ({"tasks.0.name": 'a")\rimport os; os.mkdir("../escaped")\r#'}, "got task named"),
    "a path in a task's name": ({"tasks.0.name": "../../escaped"}, "got task named"),
    "a path in a source's name": ({"data.0.name": "../../../escaped"}, "got source named"),
    "an absolute source": ({"data.0.name": "/tmp/escaped"}, "got source named"),
    "a path in the recipe's name": ({"name": "../../escaped"}, "got recipe named"),
    "a path in a stage's name": (
        {"stages": [{"class": "hydranet.config.stages.Stage", "name": "../../escaped", "steps": 6}]},
        "got stage named",
    ),
    "a label's key": ({"data.0.labels": {"../escaped": "glow"}}, "got task named"),
    "no text": ({"tasks.0.name": ["a"]}, r"got name=\('a',\) for Brightness, expected str"),
    "two lines in a class": ({"tasks.0.classes": ["a\n[group-0]"]}, "got a class named"),
    "a module in reach": (
        {"encoder.class": "booby_trap.Encoder"},
        "'booby_trap.Encoder', which is not hydranet's",
    ),
    "a module of the library": ({"encoder.class": "antigravity.Encoder"}, "which is not hydranet's code"),
    "a main module": ({"encoder.class": "venv.__main__.Encoder"}, "which is not hydranet's code"),
    "our own main module": ({"encoder.class": "hydranet.__main__.main"}, "which hydranet does not have here"),
    "a file that is not ours": ({"encoder.class": "hydranet.booby_trap.X"}, "which hydranet does not have here"),
    "no class": ({"encoder.class": {"a": 1}}, "expected the dotted path of a class"),
    "a layer for an encoder": (
        {"encoder": {"class": "torch.nn.modules.container.ModuleDict", "part": True}},
        "expected a part that is a kind of Encoder",
    ),
    "a layer that is no part": (
        {"encoder": {"class": "torch.nn.modules.container.Sequential"}},
        "as a value, expected a part of it",
    ),
    "torch beyond its layers": (
        {"encoder.class": "torch.fx.graph_module.GraphModule"},
        "which is not hydranet's code",
    ),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_no_command_runs_or_writes_what_a_hostile_run_says(
    case: str, place: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    change, sentence = HOSTILE[case]
    rewrite(Path(place["run"]), change)
    trap = tmp_path / "modules" / "booby_trap.py"
    trap.parent.mkdir()
    trap.write_text(f"open({str(tmp_path / 'sprung')!r}, 'w')\n")
    monkeypatch.syspath_prepend(str(trap.parent))
    before = everything_below(tmp_path)
    for name, command in COMMANDS.items():
        ended = hydranet(*(word.format(**place) for word in command))
        assert ended.code == 1, (name, ended)
        refused(ended, sentence)
    out = tmp_path / "out"
    assert {path for path in everything_below(tmp_path) - before if path != out and out not in path.parents} == set()
    of_the_good_run = {checkpoint.RECIPE, run_images.FILE}  # by "train from it"
    assert {path.name for path in out.rglob("*")} <= of_the_good_run
    assert "booby_trap" not in sys.modules
    assert "antigravity" not in sys.modules


HEADS = {
    "a path": "a/../../../escaped",
    "an absolute path": "/tmp/escaped",
    "markup": "<script>",
    "code": 'a")\rimport os\r#',
    "empty": "",
}


@pytest.mark.parametrize("case", HEADS)
def test_no_command_writes_what_a_hostile_export_says(case: str, place: dict[str, str], tmp_path: Path) -> None:
    model = onnx.load(str(OLD))
    entry = next(entry for entry in model.metadata_props if entry.key == KEY)
    tree = json.loads(entry.value)
    first = next(iter(tree["heads"]))
    tree["heads"] = {HEADS[case] if name == first else name: head for name, head in tree["heads"].items()}
    entry.value = json.dumps(tree)
    file = tmp_path / "model.onnx"
    onnx.save_model(model, str(file))
    before = everything_below(tmp_path)
    for command in ("predict", "label"):
        target = place["image"] if command == "predict" else place["images"]
        refused(hydranet(command, file, target, "--out", place["out"]), "got head named")
    assert everything_below(tmp_path) == before


def test_weights_in_other_files_are_refused(place: dict[str, str], tmp_path: Path) -> None:
    model = onnx.load(str(OLD))
    weight = max(model.graph.initializer, key=lambda one: len(one.raw_data))
    (tmp_path / "work" / "secret.bin").write_bytes(weight.raw_data)
    weight.ClearField("raw_data")
    weight.data_location = onnx.TensorProto.EXTERNAL
    weight.external_data.add(key="location", value="secret.bin")
    (tmp_path / "model.onnx").write_bytes(model.SerializeToString())
    for runtime in ("onnx", "openvino"):
        ended = hydranet("predict", tmp_path / "model.onnx", place["image"], "--runtime", runtime)
        refused(ended, "keeps weights in other files, which could be any file of this machine; expected one file")


# --- code of others, by permission --------------------------------------------------------------------------------

OWN = '''
from dataclasses import dataclass, replace

from hydranet.config.recipe import Recipe
from hydranet.config.source import Source
from hydranet.core.spec import Part
from toys import Noise, ToyEncoder, toy_recipe


@dataclass(frozen=True)
class Masks(Noise):
    """Data that only its author has."""


class OwnEncoder(ToyEncoder):
    """An encoder of her own."""


def data_only() -> Recipe:
    """Own data, known parts."""
    recipe = toy_recipe((Source("own", Masks(), (32, 64)),), steps=1)
    return replace(recipe, validation=(Source("held-out", Masks(), (32, 64)),))


def all_own() -> Recipe:
    """Own data and an own encoder."""
    return replace(data_only(), encoder=Part(OwnEncoder))
'''


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A recipe file with a name of its own; after `forget` nothing of it is in the process."""
    file = tmp_path / "hers" / f"own_{os.getpid()}_{abs(hash(tmp_path))}.py"
    file.parent.mkdir()
    file.write_text(OWN)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield file
    sys.modules.pop(file.stem, None)


def forget(file: Path) -> None:
    """Leaves the process as another user's would be."""
    sys.modules.pop(file.stem, None)
    sys.path[:] = [folder for folder in sys.path if folder != str(file.parent)]


@pytest.mark.slow  # from data to an exported file
def test_a_run_on_own_data_is_used_anywhere(own: Path, place: dict[str, str], tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert hydranet("train", f"{own}:data_only", "--out", run).code == 0
    assert (run / checkpoint.SOURCE).read_text() == OWN
    forget(own)
    for command in (
        ("predict", run, place["image"], "--out", place["out"]),
        ("info", run),
        ("same", run, run, "--images", place["images"]),
        ("label", run, place["images"], "--out", tmp_path / "labels"),
        ("export", run, "--to", "torchscript", "--out", tmp_path / "file"),
        (
            "bench",
            run,
            "--runtimes",
            "eager",
            "--rounds",
            1,
            "--frames",
            1,
            "--threads",
            1,
            "--out",
            tmp_path / "bench",
        ),
    ):
        ended = hydranet(*command)
        assert ended.code == 0, ended.err
        if command[0] == "export":
            assert "own data set class is not here: proven on generated scenes, without scores" in ended.out
    assert own.stem not in sys.modules
    sentence = f"this data set is needed here, but the recipe names '{own.stem}.Masks', which is not hydranet's code"
    refused(hydranet("evaluate", run), sentence)
    before = checkpoint.load_recipe(run).to_json()
    assert before == (run / checkpoint.RECIPE).read_text()  # what is missing is kept word for word
    ended = hydranet("evaluate", run, "--allow", own)
    assert ended.code == 0, ended.err


@pytest.mark.parametrize("how", ["file", "named file", "module"])
def test_own_parts_are_allowed_by_name(
    how: str, own: Path, place: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    assert hydranet("train", f"{own}:all_own", "--out", run).code == 0
    forget(own)
    predict = ("predict", run, place["image"], "--out", place["out"])
    refused(hydranet(*predict), rf"allow it: --allow {own.stem}.py .* --allow NAME={run}/recipe.py")
    assert own.stem not in sys.modules
    if how == "module":
        monkeypatch.syspath_prepend(str(own.parent))
    word = {"file": str(own), "named file": f"{own.stem}={run / checkpoint.SOURCE}", "module": own.stem}[how]
    ended = hydranet(*predict, "--allow", word)
    assert ended.code == 0, ended.err


def test_a_module_that_is_allowed_but_absent(own: Path, place: dict[str, str], tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert hydranet("train", f"{own}:all_own", "--out", run).code == 0
    forget(own)
    ended = hydranet("predict", run, place["image"], "--allow", own.stem)
    refused(
        ended, f"'{own.stem}' is allowed but cannot be imported .* put it on PYTHONPATH, or allow it as {own.stem}="
    )
