"""A new run begins with what fits of an old one, and says what that was."""

import json
from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest
import torch

from commands import hydranet, refused
from hydranet.checkpoint import checkpoint
from hydranet.checkpoint.checkpoint import load_model
from hydranet.checkpoint.warm_start import class_rows, load_pretrained
from hydranet.config.recipe import Recipe
from hydranet.config.stages import Stage
from hydranet.core.features import FeatureSpec
from hydranet.core.spec import Part
from hydranet.core.task import Task
from hydranet.evaluation.bit_equality import OutputsDiffer, compare_outputs
from hydranet.io.atomic import CheckpointError
from hydranet.models.decoders.lw_refinenet import LightWeightRefineNet
from hydranet.models.encoders.mobilenetv2 import MobileNetV2
from hydranet.models.heads.faster_rcnn import TwoStage
from hydranet.models.heads.ssd import Ssd
from hydranet.models.pretrained import WeightsError
from hydranet.tasks.detection.task import Detection
from hydranet.tasks.semantic.task import Semantic
from hydranet.training.train import train
from staged_runs import bits
from toys import Brightness, Noise, ToyEncoder, toy_recipe

LEVELS = (FeatureSpec(8, 4), FeatureSpec(8, 8), FeatureSpec(8, 16), FeatureSpec(8, 32))


def old_recipe() -> Recipe:
    """The dense task alone."""
    recipe = toy_recipe(steps=4)
    return replace(recipe, tasks=recipe.tasks[1:], ema=0.9)


def new_recipe(old: Path, freeze: tuple[str, ...] = ("trunk", "heads.glow")) -> Recipe:
    """The same and another head, which alone learns."""
    return replace(toy_recipe(), ema=0.9, start=str(old), stages=(Stage("head", 6, freeze=freeze),))


def segmenting(*classes: str) -> Recipe:
    """A network whose head has a row for each class."""
    return replace(toy_recipe(), tasks=(Semantic("glow", classes),))


def saved(recipe: Recipe, folder: Path) -> Path:
    """An untrained network, all of whose weights differ from a fresh one."""
    model = recipe.build()
    with torch.no_grad():
        for tensor in model.state_dict().values():
            tensor += 1
    checkpoint.save_model(folder, model, recipe)
    return folder


def test_a_new_head_leaves_the_old_ones_bit_identical(tmp_path: Path) -> None:
    list(train(old_recipe(), tmp_path / "old"))
    run = list(train(new_recipe(tmp_path / "old"), tmp_path / "new"))[-1].run
    assert run.started
    assert not run.started.left_out
    assert {name.split(".")[1] for name in run.started.new} == {"bright"}
    assert json.loads((tmp_path / "new" / "start.json").read_text())["loaded"] == list(run.started.loaded)
    before, after = (load_model(tmp_path / name)[0] for name in ("old", "new"))
    kept = bits(before.state_dict())
    assert {name: bits(after.state_dict())[name] for name in kept} == kept
    pictures = [(Noise(seed=7)[i], (32, 64)) for i in range(3)]
    proof = compare_outputs(before, after, pictures)["glow"]
    assert (proof.same, proof.images, proof.largest_difference) == (True, 3, 0.0)
    head = checkpoint.read(tmp_path / "new" / "model.safetensors")[0]["heads.bright.layer.weight"]
    assert not torch.equal(head, new_recipe(tmp_path / "old").build().heads["bright"].layer.weight)


def test_the_command_proves_it_and_sees_when_it_is_not_so(tmp_path: Path) -> None:
    list(train(old_recipe(), tmp_path / "old"))
    list(train(new_recipe(tmp_path / "old"), tmp_path / "frozen"))
    list(train(new_recipe(tmp_path / "old", freeze=("trunk.encoder",)), tmp_path / "loose"))
    good = hydranet("same", tmp_path / "old", tmp_path / "frozen")
    assert good.code == 0, good.err
    assert "glow: identical on 5 images, bit by bit" in good.out
    assert "bright: only in" in good.out
    bad = hydranet("same", tmp_path / "old", tmp_path / "loose", "--limit", 2)
    refused(bad, "glow of .*loose do not answer as in .*old; freeze")
    assert "glow: DIFFERENT on 2 images, largest difference" in bad.out


def test_pictures_can_be_named(tmp_path: Path) -> None:
    import cv2

    saved(old_recipe(), tmp_path / "old")
    cv2.imwrite(str(tmp_path / "a.png"), Noise()[0].image)
    ended = hydranet("same", tmp_path / "old", tmp_path / "old", "--images", tmp_path / "*.png")
    assert "identical on 1 images" in ended.out


def test_nothing_to_compare_is_no_proof() -> None:
    both, dense = toy_recipe().build(), old_recipe().build()
    with pytest.raises(OutputsDiffer, match="nothing to compare: bright and glow share no task"):
        compare_outputs(both.subset("bright"), dense, [])
    with pytest.raises(OutputsDiffer, match="got no image to compare on"):
        compare_outputs(both, dense, [])


def test_train_from_the_command_line_reports_and_resume_never_reads_the_start_again(
    tmp_path: Path, recipes: Path
) -> None:
    old = saved(old_recipe(), tmp_path / "old")
    out = tmp_path / "new"
    ended = hydranet("train", f"{recipes}:toy", "--start", old, "--out", out)
    assert ended.code == 0, ended.err
    assert "loaded:   trunk.encoder" in ended.out
    assert "new:      heads.bright 2" in ended.out
    whole = bits(checkpoint.read(out / checkpoint.STATE)[0])
    recipe = checkpoint.load_recipe(out)
    list(islice(train(recipe, tmp_path / "broken"), 3))
    (old / checkpoint.MODEL).unlink()
    list(train(recipe, tmp_path / "broken", resume=True))
    assert bits(checkpoint.read(tmp_path / "broken" / checkpoint.STATE)[0]) == whole


def test_stages_are_announced_evaluated_and_kept(tmp_path: Path, recipes: Path) -> None:
    settings = ['stages=[{"class": "hydranet.training.stages.Stage", "name": "a", "steps": 2, "freeze": ["trunk"]},'
                ' {"class": "hydranet.training.stages.Stage", "name": "b", "steps": 4}]']  # fmt: skip
    ended = hydranet("train", f"{recipes}:toy", *settings, "--out", tmp_path / "run")
    assert ended.code == 0, ended.err
    assert "stage a: 2 steps of bright, glow; frozen: trunk; 14 parameters learn" in ended.out
    assert "stage b: 4 steps of bright, glow;" in ended.out
    assert (tmp_path / "run" / "stages" / "a" / "report.json").is_file()
    assert hydranet("compare", tmp_path / "run" / "stages" / "a", tmp_path / "run").code == 0


def test_rows_of_classes_move_by_name(tmp_path: Path) -> None:
    old = segmenting("road", "car", "sky")
    saved(old, tmp_path / "old")
    new = replace(segmenting("sky", "tree", "road"), start=str(tmp_path / "old"))
    model, fresh = new.build(), new.build()
    started = load_pretrained(model, new)
    assert started
    there = load_model(tmp_path / "old")[0].heads["glow"].after
    here, first = model.heads["glow"].after, fresh.heads["glow"].after
    for mine, theirs in (("weight", there.weight), ("bias", there.bias)):
        rows = getattr(here, mine)
        assert torch.equal(rows[0], theirs[2])
        assert torch.equal(rows[2], theirs[0])
        assert torch.equal(rows[1], getattr(first, mine)[1])
    assert set(started.resized) == {"heads.glow.after.weight", "heads.glow.after.bias"}
    assert set(started.resized.values()) == {"2 of 3 classes by name (new: tree)"}
    assert "heads.glow.before.weight" in started.loaded


def test_classes_of_other_names_are_not_taken_for_equal(tmp_path: Path) -> None:
    saved(segmenting("road", "car"), tmp_path / "old")
    new = replace(segmenting("sky", "tree"), start=str(tmp_path / "old"))
    started = load_pretrained(new.build(), new)
    assert started
    assert started.left_out["heads.glow.after.bias"] == "no class in common"
    assert "heads.glow.after.bias" in started.new


@pytest.mark.parametrize(
    ("task", "moved", "kept"),
    [
        (Semantic("s", ("a", "b")), {"after.weight", "after.bias"}, set()),
        (Semantic("s", ("a", "b"), class_weights=(1.0, 2.0)), {"after.weight", "after.bias"}, set()),
        (Detection("d", ("a", "b"), detector=TwoStage()), set(), {"score.weight", "box.bias", "objectness.weight"}),
        (Detection("d", ("a", "b"), detector=Ssd()), set(), {"score.0.weight", "score.0.bias"}),
    ],
)
def test_rows_a_class_are_found_in_any_head(task: Task, moved: set[str], kept: set[str]) -> None:
    found = class_rows(task, LEVELS)
    assert {name for name, yes in found.items() if yes} == moved
    assert kept <= {name for name, yes in found.items() if not yes}


def test_yolo_scores_have_a_row_a_class_and_hidden_widths_none() -> None:
    task = Detection("d", tuple(f"{i}" for i in range(80)))
    found = class_rows(task, LEVELS)
    assert len(found) == 6
    assert all(found.values())


def test_settings_that_change_the_meaning_are_said(tmp_path: Path) -> None:
    saved(segmenting("a", "b"), tmp_path / "old")
    new = segmenting("a", "b")
    new = replace(new, tasks=(replace(new.tasks[0], smoothing=0.1),), start=str(tmp_path / "old"))
    started = load_pretrained(new.build(), new)
    assert started
    assert started.settings == ("glow.smoothing: 0.0 -> 0.1",)
    assert any("note: other settings than there: glow.smoothing" in line for line in started.lines())


@pytest.mark.parametrize(
    ("wrap", "prefix"),
    [
        (lambda t: t, ""),
        (lambda t: {"epoch": 3, "state_dict": t}, "module."),
        (lambda t: {"model": t}, ""),
    ],
)
def test_state_dicts_of_torch(tmp_path: Path, wrap: object, prefix: str) -> None:
    encoder = ToyEncoder()
    tensors = {prefix + name: tensor + 1 for name, tensor in encoder.state_dict().items()}
    torch.save(wrap(tensors), tmp_path / "encoder.pth")  # type: ignore[operator]
    recipe = replace(toy_recipe(), start=str(tmp_path / "encoder.pth"))
    model = recipe.build()
    started = load_pretrained(model, recipe)
    assert started
    assert not started.left_out
    for name, tensor in encoder.state_dict().items():
        assert torch.equal(model.trunk.encoder.state_dict()[name], tensor + 1)


def test_other_shapes_are_left_out_with_the_reason(tmp_path: Path) -> None:
    saved(toy_recipe().changed(["decoder.width=10"]), tmp_path / "old")
    recipe = replace(toy_recipe(), start=str(tmp_path / "old"))
    started = load_pretrained(recipe.build(), recipe)
    assert started
    assert started.left_out["trunk.decoder.layers.0.bias"] == "is (10,), expected (6,)"
    assert any(line.startswith("  left out: trunk.decoder 2: is (10,), expected (6,)") for line in started.lines())


def test_bad_starts(tmp_path: Path) -> None:
    def begin(path: Path) -> None:
        recipe = replace(toy_recipe(), start=str(path))
        next(train(recipe, tmp_path / "run"))

    torch.save({"weight": torch.zeros(3)}, tmp_path / "other.pth")
    torch.save({"epoch": 3}, tmp_path / "empty.pth")
    torch.save(torch.nn.Linear(2, 2), tmp_path / "code.pth")
    (tmp_path / "torn.pth").write_bytes(b"PK")
    with pytest.raises(CheckpointError, match=r"no start at .*nowhere; give a run folder"):
        begin(tmp_path / "nowhere")
    with pytest.raises(CheckpointError, match=r"nothing in .*other.pth fits this network \(there: weight; here: trunk"):
        begin(tmp_path / "other.pth")
    with pytest.raises(CheckpointError, match=r"empty.pth holds no tensors by name; save a state_dict"):
        begin(tmp_path / "empty.pth")
    for name in ("code.pth", "torn.pth"):
        with pytest.raises(CheckpointError, match=f"{name} is damaged or holds more than tensors"):
            begin(tmp_path / name)
    assert not (tmp_path / "run" / checkpoint.MODEL).exists()


def test_weights_of_imagenet_are_fetched_only_where_the_start_lacks_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Offline, a run goes on from a trained network, and after a stop, without them."""
    monkeypatch.setenv("HYDRANET_CACHE", str(tmp_path / "empty"))
    decoder = Part(LightWeightRefineNet, width=16)
    small = replace(toy_recipe(steps=4), tasks=(Brightness("bright"),), decoder=decoder, ema=0.9)
    old = replace(small, encoder=Part(MobileNetV2, weights=None))
    list(train(old, tmp_path / "old"))
    asks = replace(small, encoder=Part(MobileNetV2, weights="imagenet"), start=str(tmp_path / "old"))
    list(islice(train(asks, tmp_path / "new"), 2))
    list(train(asks, tmp_path / "new", resume=True))
    for lacking in (replace(asks, start=None), replace(asks, decoder=Part(LightWeightRefineNet, width=24))):
        with pytest.raises(WeightsError, match="no ImageNet weights for mobilenetv2"):
            list(train(lacking, tmp_path / "fails"))
