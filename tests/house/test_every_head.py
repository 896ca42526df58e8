"""One walk of all heads of the package, none of them named: partial labels, scores, teachers, files, runtimes, INT8."""

import csv
import json
import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from balancer_runs import part
from commands import hydranet
from export_toys import shaken
from hydranet.annotations import Annotation, given
from hydranet.checkpoint import checkpoint
from hydranet.config import catalog
from hydranet.config.recipe import Recipe
from hydranet.config.source import Source
from hydranet.config.teacher import Teacher
from hydranet.datasets.pseudo import Pseudo
from hydranet.datasets.scenes.dataset import Scenes
from hydranet.deploy.predictor import SessionPredictor
from hydranet.deploy.session import known, open_session, runtimes_for
from hydranet.deploy.video.video_file import VideoFile
from hydranet.evaluation.report import read_report
from hydranet.export.build_manifest import described
from hydranet.export.export import ExportPlan, export
from hydranet.export.graph import Shape, shipped
from hydranet.inference.predictor import Predictor
from hydranet.quantization.ptq import floating, write
from hydranet.training.train import train
from scene_tasks import SIZE, scene_recipe, scene_tasks

FITTING = scene_tasks()
TASKS = {task.name: task for task, _ in FITTING.values()}
IMAGES = Scenes(count=2, size=SIZE, seed=5, labels=())


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HYDRANET_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network whose answers differ from place to place, so that there are instances to write and to draw."""
    folder, recipe = tmp_path_factory.mktemp("run"), scene_recipe(FITTING)
    torch.manual_seed(0)
    checkpoint.save_model(folder, shaken(recipe.build()), recipe)
    return folder


def learned(recipe: Recipe, folder: Path) -> dict[str, float]:
    """Losses of the last step."""
    *_, progress = train(recipe, folder)
    return dict(progress.result.losses)


def test_every_task_of_the_package_learns_from_the_scenes() -> None:
    assert set(FITTING) == {found.name for found in catalog.members("tasks")}
    assert len({label for _, label in FITTING.values()}) == len(FITTING)


def test_all_heads_learn_from_sources_that_label_a_third_each(tmp_path: Path) -> None:
    recipe = scene_recipe(FITTING)
    assert all(len(one.dataset[0].labels) < len(TASKS) for one in recipe.data)
    torch.manual_seed(recipe.seed)
    before = recipe.build().state_dict()
    losses = learned(recipe, tmp_path)
    assert losses.keys() == TASKS.keys()
    assert all(math.isfinite(loss) and loss > 0 for loss in losses.values()), losses
    after = checkpoint.load_model(tmp_path)[0].state_dict()
    for name in TASKS:
        weights = [key for key in after if key.startswith(f"heads.{name}.") and key.endswith("weight")]
        assert any(not torch.equal(after[key], before[key]) for key in weights), name


def test_one_evaluation_measures_them_all_to_json_and_csv(run: Path, tmp_path: Path) -> None:
    ended = hydranet("evaluate", run, "--out", tmp_path)
    assert ended.code == 0, ended.err
    report = read_report(tmp_path / "report.json")
    rows = list(csv.DictReader((tmp_path / "report.csv").read_text().splitlines()))
    for name, task in TASKS.items():
        scores = report.scores["held-out"][name]
        assert task.headline[0] in scores
        mine = {row["metric"]: row["value"] for row in rows if row["task"] == name}
        assert mine.keys() >= scores.keys() - {"images"}
        value = scores[task.headline[0]]
        assert math.isfinite(value)
        assert float(mine[task.headline[0]]) == pytest.approx(value, rel=1e-3)


def test_a_student_learns_from_pseudo_labels_alone(run: Path, tmp_path: Path) -> None:
    ended = hydranet("label", run, "held-out", "--recipe", run / "recipe.json", "--out", tmp_path / "pseudo")
    assert ended.code == 0, ended.err
    recipe, images = scene_recipe(FITTING), Scenes(count=2, size=SIZE, seed=9, labels=())
    student = Source("pseudo", Pseudo(images, str(tmp_path / "pseudo")), SIZE)
    losses = learned(replace(recipe, data=(student,), validation=(), allow_leaks=True), tmp_path / "student")
    assert losses.keys() == TASKS.keys()
    assert all(map(math.isfinite, losses.values()))


def test_a_student_learns_from_a_teacher_beside_it(run: Path, tmp_path: Path) -> None:
    recipe = scene_recipe(FITTING)
    data = (replace(recipe.data[0], labels={}, dataset=Scenes(count=2, size=SIZE, seed=4, labels=())),)
    losses = learned(replace(recipe, data=data, validation=(), teachers=(Teacher(str(run)),)), tmp_path / "student")
    assert losses.keys() == TASKS.keys()
    assert all(map(math.isfinite, losses.values()))


def test_images_are_drawn_and_written_in_every_format(run: Path, tmp_path: Path) -> None:
    for i in range(2):
        cv2.imwrite(str(tmp_path / f"{i}.png"), IMAGES[i].image[..., ::-1])
    out = tmp_path / "out"
    ended = hydranet("predict", run, tmp_path / "*.png", "--out", out, "--files", "--arrays", "--threshold", 0)
    assert ended.code == 0, ended.err
    said = json.loads((out / "0.json").read_text())["tasks"]
    arrays = np.load(out / "0.npz")
    answers = Predictor(run, threshold=0.0)(IMAGES[0].image)
    plain = cv2.imread(str(tmp_path / "0.png"))
    for name, task in TASKS.items():
        assert said[name]["kind"] == task.kind.__name__
        drawn = cv2.imread(str(out / f"0.{name}.png"))
        shown = cv2.resize(plain, drawn.shape[1::-1], interpolation=cv2.INTER_LINEAR)
        assert np.abs(drawn.astype(int) - shown).mean() > 0.3, f"nothing of {name} is drawn"
        assert (out / name).is_dir() or (out / f"{name}.csv").is_file() or (out / f"{name}.coco.json").is_file()
        for field, value in given(answers[name]).items():
            np.testing.assert_allclose(arrays[f"{name}.{field}"], value, rtol=1e-5, atol=1e-5)


def test_a_video_becomes_a_video_lines_of_json_and_a_recording(run: Path, tmp_path: Path) -> None:
    from mcap.reader import make_reader

    video = VideoFile(tmp_path / "clip.mp4", 10)
    for i in range(2):
        video.add(IMAGES[i].image)
    video.close()
    record = tmp_path / "clip.mcap"
    ended = hydranet("predict", run, tmp_path / "clip.mp4", "--out", tmp_path / "out", "--record", record)
    assert ended.code == 0, ended.err
    frames = [json.loads(line) for line in (tmp_path / "out" / "predictions.jsonl").read_text().splitlines()]
    assert [frame["tasks"].keys() for frame in frames] == [TASKS.keys()] * 2
    assert (tmp_path / "out" / "all.mp4").stat().st_size > 1000
    with record.open("rb") as stream:
        summary = make_reader(stream).get_summary()
    topics = " ".join(channel.topic for channel in summary.channels.values())
    assert all(name in topics for name in TASKS), topics


@pytest.mark.slow
@pytest.mark.parametrize("path", [found.path for found in catalog.members("balancers")])
def test_every_balancer_weighs_all_heads(path: str, tmp_path: Path) -> None:
    recipe = replace(scene_recipe(FITTING, steps=2), balancer=part(path, toy=False))
    assert all(map(math.isfinite, learned(recipe, tmp_path).values()))


@pytest.mark.slow
def test_every_runtime_gives_the_predictors_answers_and_threads_their_own(run: Path, tmp_path: Path) -> None:
    model, recipe = checkpoint.load_model(run)
    _, paths = export(model.eval(), recipe, tmp_path, ExportPlan([name for name, _ in known()], Shape(SIZE)))
    images = [IMAGES[i].image for i in range(2)] * 4
    python = Predictor(run)
    expected = [python(image) for image in images[:2]] * 4
    for path in paths:
        for runtime in runtimes_for(path):
            see = SessionPredictor(open_session(path, runtime, 1))
            with ThreadPoolExecutor(4) as pool:
                for answers, wanted in zip(pool.map(see, images), expected, strict=True):
                    assert_same(answers, wanted)


def assert_same(answers: dict[str, Annotation], wanted: dict[str, Annotation]) -> None:
    assert answers.keys() == wanted.keys() == TASKS.keys()
    for name in TASKS:
        for field, value in given(wanted[name]).items():
            found = given(answers[name])[field]
            assert np.shape(found) == np.shape(value), f"{name}.{field}"
            np.testing.assert_allclose(found, value, rtol=1e-3, atol=2e-3, err_msg=f"{name}.{field}")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")  # NNCF's own
def test_int8_of_all_heads_answers(run: Path, tmp_path: Path) -> None:
    pytest.importorskip("nncf")
    model, recipe = checkpoint.load_model(run)
    graph = shipped(model.eval(), None, Shape(SIZE))
    manifest = described(graph, recipe, "scenes")
    network = floating(graph, manifest)
    images = [IMAGES[i].image[None] for i in range(2)]
    write(network, "openvino", (), images, tmp_path / "model.xml", manifest)
    answers, wanted = (Predictor(path)(IMAGES[0].image) for path in (tmp_path / "model.xml", run))
    assert answers.keys() == TASKS.keys()
    assert all(type(answers[name]) is task.kind for name, task in TASKS.items())
    assert any(not same(answers[name], wanted[name]) for name in TASKS), "eight bits round"


def same(a: Annotation, b: Annotation) -> bool:
    return all(np.array_equal(value, given(b)[field], equal_nan=True) for field, value in given(a).items())


@pytest.mark.slow
def test_gallery_and_report_show_all_heads(run: Path, tmp_path: Path) -> None:
    (tmp_path / "scenes.json").write_text(scene_recipe(FITTING, steps=2).to_json())
    ended = hydranet("train", tmp_path / "scenes.json", "--out", tmp_path / "run")
    assert ended.code == 0, ended.err
    page = tmp_path / "gallery.html"
    assert hydranet("evaluate", tmp_path / "run", "--gallery", page, "--images", 1).code == 0
    assert page.read_text().count("data:image/") == 1 + 2 * len(TASKS)
    ended = hydranet("report", tmp_path / "run")
    assert ended.code == 0, ended.err
    (written,) = (tmp_path / "run").glob("*.html")
    assert all(name in written.read_text() for name in TASKS)
