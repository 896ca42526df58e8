"""A damaged file is noticed: not one flipped bit of a checkpoint goes unseen."""

import json
import random
import shutil
import struct
from pathlib import Path

import pytest
import torch
from safetensors.torch import save

from hydranet.checkpoint import checkpoint
from hydranet.checkpoint.checkpoint import CheckpointError, load_model, load_state, pack, read
from hydranet.training.train import train
from toys import toy_recipe


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("digest") / "run"
    list(train(toy_recipe(steps=2), folder))
    return folder


@pytest.mark.parametrize("name", [checkpoint.MODEL, checkpoint.STATE])
def test_every_flipped_bit_is_noticed(run: Path, tmp_path: Path, name: str) -> None:
    data, rng = (run / name).read_bytes(), random.Random(0)
    header = struct.unpack("<Q", data[:8])[0] + 8
    places = [rng.randrange(len(data)) for _ in range(60)] + [rng.randrange(header) for _ in range(60)]
    folder = tmp_path / "run"
    shutil.copytree(run, folder)
    for place in places:
        flipped = bytearray(data)
        flipped[place] ^= 1 << rng.randrange(8)
        (folder / name).write_bytes(flipped)
        with pytest.raises(CheckpointError, match=r"is damaged|holds no run"):
            load_model(folder) if name == checkpoint.MODEL else load_state(folder)


def test_what_is_written_is_read_in_every_type(tmp_path: Path) -> None:
    tensors = {
        "a": torch.arange(6.0).reshape(2, 3),
        "b": torch.tensor(3),
        "c": torch.zeros(0, 4),
        "d": torch.ones(3, dtype=torch.bfloat16),
        "e": torch.tensor([True, False]),
        "f": torch.arange(6).reshape(2, 3).T,
    }
    (tmp_path / "x").write_bytes(pack(tensors, {"recipe": "{}"}))
    given, header = read(tmp_path / "x")
    assert header == {"recipe": "{}"}
    assert all(torch.equal(given[name], tensor) for name, tensor in tensors.items())


def test_files_without_a_digest_open(run: Path, tmp_path: Path) -> None:
    tensors, header = read(run / checkpoint.MODEL)
    (tmp_path / checkpoint.MODEL).write_bytes(save(tensors, header))
    load_model(tmp_path)
    (tmp_path / "foreign.safetensors").write_bytes(save(tensors, {"format": "pt", "author": "somebody"}))
    assert read(tmp_path / "foreign.safetensors")[1] == {"format": "pt", "author": "somebody"}


def test_a_state_without_its_step(run: Path, tmp_path: Path) -> None:
    tensors, header = read(run / checkpoint.STATE)
    for gone in ("step", "recipe"):
        left = {name: value for name, value in json.loads(header["run"]).items() if name != gone}
        (tmp_path / checkpoint.STATE).write_bytes(pack(tensors, {"run": json.dumps(left)}))
        with pytest.raises(CheckpointError, match="holds no run: it lacks a step or a recipe"):
            load_state(tmp_path)
