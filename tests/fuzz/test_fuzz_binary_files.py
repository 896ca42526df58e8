"""Damaged checkpoints, states, exported files and caches end as a result or as one sentence.

Seeded; HYDRANET_FUZZ=20 tries twenty times as many inputs, HYDRANET_FUZZ_SEED=7 others.
"""

import json
import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from export_toys import SIZE, shaken
from hydranet.checkpoint import checkpoint
from hydranet.config.recipe import Recipe
from hydranet.distillation import leakage
from hydranet.export.export import ExportPlan, export
from hydranet.export.graph import Shape
from hydranet.inference.predictor import Predictor
from hydranet.io.fingerprint import content, perceptual_hash
from hydranet.io.map_record import MapRecord
from hydranet.io.pseudo_label_index import INDEX, Entry, Index, Made, read_index
from hydranet.training.mend import mend
from hydranet.training.train import train
from mutations import SEED, TIMES, broken, damaged, mutated, places, reach, result_or_sentence
from toys import toy_recipe

IMAGE = np.random.default_rng(0).integers(0, 255, (40, 70, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    list(train(toy_recipe(steps=2), folder))
    return folder


def new_header(data: bytes, change: Callable[[dict], object]) -> bytes:
    """A safetensors file with another header of the right length, in front of the same tensors."""
    end = 8 + int.from_bytes(data[:8], "little")
    text = json.dumps(change(json.loads(data[8:end]))).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + data[end:]


def without_digest(header: dict, change: Callable[[dict], object]) -> object:
    """A changed header without a digest, as files of before have none: what it says is looked at."""
    header["__metadata__"].pop(checkpoint.DIGEST, None)
    return change(header)


def odd_checkpoint(data: bytes, rng: random.Random, key: str) -> bytes:
    """A model or state file whose bytes, header, or JSON inside the header (`key`) are damaged."""
    kind = rng.random()
    if kind < 0.3:
        return damaged(data, rng)
    if kind < 0.6:
        return new_header(data, lambda header: without_digest(header, lambda tree: mutated(tree, rng)))

    def inside(header: dict) -> dict:
        text = header["__metadata__"][key]
        header["__metadata__"][key] = (
            broken(text, rng) if rng.random() < 0.2 else json.dumps(mutated(json.loads(text), rng))
        )
        return header

    return new_header(data, lambda header: without_digest(header, inside))


def test_models(run: Path, tmp_path: Path) -> None:
    rng, whole = random.Random(11 + SEED), (run / checkpoint.MODEL).read_bytes()
    path = tmp_path / checkpoint.MODEL
    for number in range(250 * TIMES):
        path.write_bytes(odd_checkpoint(whole, rng, "recipe"))
        result_or_sentence(lambda: checkpoint.load_model(path), f"model {number}: {path.read_bytes()[:1500]!r}")


def test_states(run: Path, tmp_path: Path) -> None:
    rng, whole = random.Random(12 + SEED), (run / checkpoint.STATE).read_bytes()
    path = tmp_path / checkpoint.STATE

    def resumed() -> None:
        mend(tmp_path)
        recipe = Recipe.from_json((run / checkpoint.RECIPE).read_text())
        for _ in train(recipe, tmp_path, resume=True):
            break

    for number in range(120 * TIMES):
        path.write_bytes(odd_checkpoint(whole, rng, "run"))
        result_or_sentence(resumed, f"state {number}: {path.read_bytes()[:1500]!r}")


@pytest.mark.parametrize("value", [float("inf"), float("-inf"), float("nan"), -1, 10**30])
def test_every_number_of_a_state_may_be_any_number(run: Path, tmp_path: Path, value: float) -> None:
    whole, recipe = (run / checkpoint.STATE).read_bytes(), Recipe.from_json((run / checkpoint.RECIPE).read_text())
    state = json.loads(whole[8 : 8 + int.from_bytes(whole[:8], "little")])["__metadata__"]["run"]
    numbers = [at for at in places(json.loads(state)) if type(reach(json.loads(state), at)) in (int, float)]
    assert ("step",) in numbers
    assert any("learned" in at for at in numbers)

    def resumed() -> None:
        for _ in train(recipe, tmp_path, resume=True):
            break

    for at in numbers:
        tree = json.loads(state)
        reach(tree, at[:-1])[at[-1]] = value

        def inside(header: dict, tree: object = tree) -> dict:
            header["__metadata__"]["run"] = json.dumps(tree)
            return header

        (tmp_path / checkpoint.STATE).write_bytes(new_header(whole, lambda h: without_digest(h, inside)))
        result_or_sentence(resumed, f"{at} = {value}")


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("onnxscript")
    pytest.importorskip("onnxruntime")
    recipe, folder = toy_recipe(), tmp_path_factory.mktemp("export")
    _, (path, *_) = export(shaken(recipe.build()), recipe, folder, ExportPlan(["onnx"], Shape(SIZE)))
    return path


def test_exported_files(exported: Path, tmp_path: Path) -> None:
    rng, whole = random.Random(13 + SEED), exported.read_bytes()
    beside = exported.with_name("manifest.json").read_text()
    path = tmp_path / exported.name
    for number in range(120 * TIMES):
        path.write_bytes(whole if number % 4 == 0 else damaged(whole, rng))
        text = json.dumps(mutated(json.loads(beside), rng)) if rng.random() < 0.5 else broken(beside, rng)
        if rng.random() < 0.5:
            path.with_name("manifest.json").write_text(text)
        else:
            path.with_name("manifest.json").unlink(missing_ok=True)
        result_or_sentence(lambda: Predictor(path)(IMAGE), f"export {number}")


def test_manifests_inside_a_file(exported: Path, tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    rng, model = random.Random(14 + SEED), onnx.load(str(exported))
    tree = json.loads(next(one.value for one in model.metadata_props if one.key == "hydranet"))
    path = tmp_path / exported.name
    for number in range(80 * TIMES):
        text = json.dumps(mutated(tree, rng))
        onnx.helper.set_model_props(model, {"hydranet": text})
        path.write_bytes(model.SerializeToString())
        result_or_sentence(lambda: Predictor(path)(IMAGE), f"manifest {number}: {text}")


def test_indices_of_pseudo_labels(tmp_path: Path) -> None:
    made = {"area": Made("ClassMap", ("a", "b")), "cars": Made("Boxes", ("car",), confidence=0.3)}
    entry = Entry(content(IMAGE), perceptual_hash(IMAGE), (40, 70), {"area": "area/a.png", "cars": "cars/a.json"})
    known = {"s:1": (content(IMAGE), perceptual_hash(IMAGE))}
    whole = Index("teacher", "0" * 64, made, known, {"a.png": entry}, (32, 64), recipe="{}").to_json()
    rng = random.Random(15 + SEED)
    for _ in range(200 * TIMES):
        text = broken(whole, rng) if rng.random() < 0.3 else json.dumps(mutated(json.loads(whole), rng))
        (tmp_path / INDEX).write_bytes(text.encode("utf-8", "replace"))
        result_or_sentence(lambda: read_index(tmp_path).protocol, text)


def test_leakage_files_and_records_of_maps(tmp_path: Path) -> None:
    rng = random.Random(16 + SEED)
    findings = [{"what": "a", "images": 3, "validation": 2, "same": [["a", "b"]], "similar": [], "allowed": False}]
    line = {"key": "a.png", "label": "area", "map": "0" * 32, "content": content(IMAGE)}
    (tmp_path / "a.png").write_bytes(b"a map")
    for _ in range(150 * TIMES):
        text = broken(json.dumps(findings), rng) if rng.random() < 0.3 else json.dumps(mutated(findings, rng))
        (tmp_path / leakage.FILE).write_bytes(text.encode("utf-8", "replace"))
        result_or_sentence(lambda: [one.sentence() for one in leakage.read(tmp_path)], text)
        said = "\n".join([json.dumps(mutated(line, rng)), broken(json.dumps(line), rng)])
        (tmp_path / "images.jsonl").write_bytes(damaged(said.encode("utf-8", "replace"), rng))
        record = MapRecord(tmp_path)
        result_or_sentence(lambda record=record: record.check("a.png", "0", {"area": tmp_path / "a.png"}), said)
