"""Fingerprints of training images are made once, and made again when anything that they depend on changes."""

import os
from dataclasses import dataclass, replace
from pathlib import Path
from unittest.mock import patch

import cv2
import numpy as np
import pytest

from blocks import Blocks, blocks, trained
from commands import hydranet
from hydranet.core.dataset import Dataset
from hydranet.core.sample import Sample
from hydranet.datasets.folder import Folder
from hydranet.datasets.masks import Masks
from hydranet.datasets.subset import Subset
from hydranet.io.fingerprint import content
from hydranet.io.fingerprint_cache import Fingerprints, fingerprints, state_of
from hydranet.io.pseudo_label_index import read_index


def images(folder: Path, count: int = 3) -> Folder:
    folder.mkdir(exist_ok=True, parents=True)
    for i in range(count):
        cv2.imwrite(str(folder / f"{i}.png"), np.random.default_rng(i).integers(0, 255, (32, 64, 3), dtype=np.uint8))
    return Folder(str(folder))


def read_now(dataset: Dataset) -> tuple[Fingerprints, int]:
    """The fingerprints, and how many images were read for them."""
    shown: list[int] = []
    prints = fingerprints(dataset, lambda done, total: shown.append(done))
    return prints, shown[-1] if shown else 0


def test_a_second_label_command_reads_no_training_image(tmp_path: Path) -> None:
    run = trained(replace(blocks("semantic"), steps=2), tmp_path / "run")
    images(tmp_path / "images")
    original, calls = Blocks.__getitem__, []

    def counted(self: Blocks, index: int) -> Sample:
        calls.append(index)
        return original(self, index)

    with patch.object(Blocks, "__getitem__", counted):
        assert hydranet("label", run, tmp_path / "images", "--out", tmp_path / "a", "--fingerprints").code == 0
        assert len(calls) == 24
        assert hydranet("label", run, tmp_path / "images", "--out", tmp_path / "b").code == 0
    assert len(calls) == 24
    first, second = (read_index(tmp_path / name) for name in "ab")
    assert first.trained_on == second.trained_on
    assert first.trained_on is not None
    assert first.trained_on["blocks:0/5"][0] == content(Blocks()[5].image)


def test_a_file_that_changes_is_read_again(tmp_path: Path) -> None:
    before, count = read_now(images(tmp_path / "images"))
    assert count == 3
    assert read_now(Folder(str(tmp_path / "images"))) == (before, 0)
    cv2.imwrite(str(tmp_path / "images" / "1.png"), np.zeros((32, 64, 3), np.uint8))
    after, count = read_now(Folder(str(tmp_path / "images")))
    assert count == 3
    assert {key for key in before if before[key] != after[key]} == {"1.png"}
    os.unlink(tmp_path / "images" / "1.png")
    assert set(read_now(Folder(str(tmp_path / "images")))[0]) == {"0.png", "2.png"}


def test_names_within_a_data_set_are_not_looked_for_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder of the same name where the command runs, such as ".", is none of the data set's."""
    for name in ("data/images", "data/masks", "beside", "elsewhere/masks"):
        images(tmp_path / name)
    monkeypatch.chdir(tmp_path / "elsewhere")
    inside = Masks(str(tmp_path / "data"), names=("a",), rename={"images/": "masks/"}, images=".", labels=".")
    before = state_of(inside)
    images(tmp_path / "elsewhere" / "masks", 4)
    assert state_of(inside) == before
    images(tmp_path / "data" / "masks", 4)
    assert state_of(inside) != before
    outside = Masks(str(tmp_path / "data"), names=("a",), images="images", labels="../beside")
    before = state_of(outside)
    images(tmp_path / "beside", 4)
    assert state_of(outside) != before


def test_a_part_and_other_options_have_fingerprints_of_their_own(tmp_path: Path) -> None:
    whole = images(tmp_path / "images")
    read_now(whole)
    assert set(read_now(Subset(whole, "1-2"))[0]) == {"1.png", "2.png"}
    assert read_now(Blocks(count=2, seed=1))[0] != read_now(Blocks(count=2, seed=2))[0]
    assert read_now(Blocks(count=2, seed=1))[1] == 0


@dataclass(frozen=True)
class Unwritable(Blocks):
    """Holds what no recipe can, so that it equals itself alone."""

    made_by: object = object()


def test_what_no_other_process_recognizes_is_not_kept() -> None:
    assert [read_now(Unwritable(count=2))[1] for _ in range(2)] == [2, 2]


@pytest.mark.parametrize("text", ["", "[]", '{"a": 1}', '{"a": ["b", 3]}'])
def test_a_damaged_cache_is_made_again(own_cache: Path, text: str) -> None:
    before, _ = read_now(Blocks(count=2))
    (path,) = (own_cache / "fingerprints").iterdir()
    path.write_text(text)
    assert read_now(Blocks(count=2)) == (before, 2)
    assert read_now(Blocks(count=2)) == (before, 0)


def test_a_cache_that_cannot_be_written_costs_only_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("HYDRANET_CACHE", str(tmp_path / "file"))
    assert [read_now(Blocks(count=2))[1] for _ in range(2)] == [2, 2]
