"""What is known of cameras before training, and what is said where distances would be learned of several at once."""

from dataclasses import replace
from pathlib import Path

import pytest

from blocks import SIZE, TASKS, Blocks, blocks
from hydranet.checkpoint.checkpoint import MODEL, load_model, pack, read, save_model
from hydranet.config.recipe import Recipe
from hydranet.config.source import Source
from hydranet.core.sample import DataError
from hydranet.core.task import Task
from hydranet.data.cameras import focal_lengths, usual_focal, warnings
from hydranet.io.atomic import CheckpointError
from hydranet.tasks.depth.task import Depth
from hydranet.training.run import Run


def recipe(*sources: Source, **options: object) -> Recipe:
    depth: Task = replace(TASKS["depth"], **options)
    return replace(blocks("semantic", "depth"), tasks=(TASKS["semantic"], depth), data=sources)


def source(name: str, focal_px: float | None, labels: tuple[str, ...] = ("depth",), **options: object) -> Source:
    return Source(name, Blocks(labels=labels, size=(64, 128)), SIZE, focal_px=focal_px, **options)


def test_focal_lengths_are_those_that_the_network_sees() -> None:
    chosen = recipe(
        source("a", 100.0), source("b", 160.0, weight=3.0), source("c", None), source("d", 9.0, ("semantic",))
    )
    focal = focal_lengths(chosen)
    assert focal == {"a": 50.0, "b": 80.0}  # letterboxed from 64 x 128 into 32 x 64
    assert usual_focal(chosen, focal) == pytest.approx((50 / 64 + 3 * 80 / 64) / 4)
    assert usual_focal(chosen, {}) is None
    assert focal_lengths(replace(chosen, tasks=(TASKS["semantic"],), data=(source("a", 1.0, ("semantic",)),))) == {}


def test_an_empty_source_is_named() -> None:
    empty = Source("none", Blocks(count=0, labels=("depth",)), SIZE)
    with pytest.raises(DataError, match="source 'none' has no samples; check its root and split"):
        focal_lengths(recipe(empty))


def test_cameras_that_differ_by_more_than_a_tenth_are_worth_a_sentence() -> None:
    far = recipe(source("a", 100.0), source("b", 111.0))
    (line,) = warnings(far, focal_lengths(far))
    assert line == (
        "'depth' learns distances from cameras of different focal lengths (a: 50 px, b: 56 px) and cannot tell them "
        "apart, so that it will be wrong by up to their ratio; set tasks.depth.canonical_focal_px=53"
    )
    near = recipe(source("a", 100.0), source("b", 109.0))
    assert warnings(near, focal_lengths(near)) == []
    canonical = recipe(source("a", 100.0), source("b", 200.0), canonical_focal_px=53.0)
    assert warnings(canonical, focal_lengths(canonical)) == []
    alone = recipe(source("a", 100.0), source("b", None))
    assert warnings(alone, focal_lengths(alone)) == []


def test_a_run_keeps_the_mean_focal_length_with_its_weights(tmp_path: Path) -> None:
    chosen = recipe(source("a", 100.0), source("b", 160.0), canonical_focal_px=60.0)
    run = Run(replace(chosen, ema=0.9))
    run.save_model(tmp_path)
    model, _ = load_model(tmp_path)
    assert model.usual_focal == pytest.approx(65 / 64)
    assert model.subset("depth").usual_focal == model.usual_focal
    assert isinstance(model.tasks["depth"], Depth)


def test_weights_without_it_open_and_a_damaged_one_is_refused(tmp_path: Path) -> None:
    chosen = recipe(source("a", 100.0))
    save_model(tmp_path, chosen.build(), chosen)
    assert load_model(tmp_path)[0].usual_focal is None
    tensors, header = read(tmp_path / MODEL)
    (tmp_path / MODEL).write_bytes(pack(tensors, {**header, "usual_focal": "wide"}))
    with pytest.raises(CheckpointError, match="damaged: got usual_focal 'wide' in its header, expected a number"):
        load_model(tmp_path)
