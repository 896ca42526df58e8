"""Teachers in a run: who is asked about what, and that a run with them is as exact as one without."""

import shutil
from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest
import torch

from blocks import SIZE, TASKS, Blocks, blocks, scores, trained
from hydranet.annotations import ScalarMap
from hydranet.balancers.pcgrad import PCGrad
from hydranet.balancers.uncertainty import Uncertainty
from hydranet.balancers.upgrad import UPGrad
from hydranet.checkpoint import checkpoint
from hydranet.config.recipe import Recipe
from hydranet.config.source import Source
from hydranet.config.teacher import Teacher
from hydranet.core.batch import Batch, collate
from hydranet.core.sample import Camera, DataError
from hydranet.core.spec import Part, SpecError
from hydranet.distillation.teachers import Teachers
from hydranet.io.atomic import CheckpointError
from hydranet.tasks.depth.task import Depth
from hydranet.tasks.semantic.task import Semantic
from hydranet.training.losses import forward
from hydranet.training.run import Run
from hydranet.training.train import train


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that knows all three tasks."""
    return trained(blocks("semantic", "depth", "normals"), tmp_path_factory.mktemp("teacher"))


def student(teacher: Path, *labels: str, **changes: object) -> Recipe:
    """Three tasks, of which the images are labeled for some only."""
    settings = {name: changes.pop(name) for name in list(changes) if name in Teacher.__dataclass_fields__}
    data = (Source("blocks", Blocks(seed=5, labels=labels), SIZE),)
    taught = Teacher(str(teacher), **settings)
    return blocks(*labels, tasks=tuple(TASKS), **{"data": data, "teachers": (taught,), **changes})


def batch_of(*labels: str, seed: int = 5, count: int = 4) -> Batch:
    dataset = Blocks(seed=seed, labels=labels)
    return collate([replace(dataset[i], source="blocks") for i in range(count)])


def test_a_student_without_labels_learns_from_its_teacher(teacher: Path, tmp_path: Path) -> None:
    taught, known = scores(trained(student(teacher), tmp_path)), scores(teacher)
    assert known["semantic"]["miou"] > 0.8
    assert taught["semantic"]["miou"] > known["semantic"]["miou"] - 0.1
    assert taught["depth"]["abs_rel"] < known["depth"]["abs_rel"] + 0.1
    assert taught["normals"]["mean_deg"] < known["normals"]["mean_deg"] + 5


def test_it_is_asked_about_what_is_not_labeled(teacher: Path) -> None:
    mixed = collate([Blocks(labels=("depth",))[0], Blocks(labels=("semantic", "normals"))[1], Blocks(labels=())[2]])
    teachers = Teachers(student(teacher, "semantic"))
    distillation = {one.task: one.rows.tolist() for one in teachers(mixed, TASKS, run(teacher).autocast).distillation}
    assert distillation == {"semantic": [0, 2], "depth": [1, 2], "normals": [0, 2]}


def run(teacher: Path, **changes: object) -> Run:
    return Run(student(teacher, "semantic", **changes))


def test_always_means_beside_the_labels_too(teacher: Path) -> None:
    one = run(teacher, when="always")
    taught = one.teachers(batch_of("semantic"), TASKS, one.autocast)
    assert all(distilled_target.rows.tolist() == [0, 1, 2, 3] for distilled_target in taught.distillation)
    parts = forward(one.model, taught, one.autocast, 0)["semantic"].parts
    assert set(parts) == {"labeled", "distilled"}


def test_only_its_sources_and_tasks_are_taught(teacher: Path) -> None:
    one = run(teacher, tasks={"depth": "depth"}, sources=("blocks",))
    assert [
        distilled_target.task
        for distilled_target in one.teachers(batch_of("semantic"), TASKS, one.autocast).distillation
    ] == ["depth"]
    assert one.teachers(batch_of("semantic"), ["normals"], one.autocast).distillation == ()
    foreign = replace(batch_of("semantic"), source=("elsewhere",) * 4)
    assert one.teachers(foreign, TASKS, one.autocast) is foreign


def test_it_stays_as_it_is_and_out_of_the_checkpoint(teacher: Path, tmp_path: Path) -> None:
    one = run(teacher)
    network = one.teachers.teaching[0].teacher_model.model
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    one.teachers(batch_of("semantic"), TASKS, one.autocast)
    assert not network.training
    assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())
    one.save(tmp_path)
    assert len(checkpoint.read(tmp_path / checkpoint.MODEL)[0]) == len(before)


def test_told_depth_is_doubted_where_the_mirror_disagrees(teacher: Path) -> None:
    sure, doubting = run(teacher), run(teacher, confidence={"depth": 0.97, "normals": 0.999, "semantic": 0.99})
    target = [
        {
            distilled_target.task: distilled_target.target
            for distilled_target in one.teachers(batch_of(), TASKS, one.autocast).distillation
        }
        for one in (sure, doubting)
    ]
    assert torch.isfinite(target[0]["depth"].values).all()
    share = torch.isfinite(target[1]["depth"].values).float().mean()
    assert 0 < share < 1
    assert 0 < (target[1]["semantic"].ids == 255).float().mean() < 1
    assert 0 < torch.isnan(target[1]["normals"].xyz).float().mean() < 1


def test_classes_are_mapped_by_name(teacher: Path) -> None:
    task = Semantic("light", ("lamp", "night", "fog"))
    recipe = replace(
        blocks("depth", tasks=("depth",)),
        tasks=(task,),
        teachers=(
            Teacher(
                str(teacher), {"light": "semantic"}, {"light": {"bright": "lamp", "dark": "night"}}, temperature=3.0
            ),
        ),
    )
    (distilled_target,) = Teachers(recipe)(batch_of(), ["light"], Run(recipe).autocast).distillation
    assert distilled_target.target.annotated_classes.tolist() == [[True, True, False]] * 4
    teachers_own = Teachers(student(teacher))(batch_of(), ["semantic"], Run(recipe).autocast).distillation[0].target
    assert torch.equal(distilled_target.target.ids, 1 - teachers_own.ids)
    torch.testing.assert_close(distilled_target.target.probs[:, :2], teachers_own.probs.flip(1))


FULL = [
    {},
    {"accumulate": 2},
    {"precision": "bf16"},
    {"balancer": Part(Uncertainty), "ema": 0.9},
    {"balancer": Part(PCGrad), "features": 0.5},
    {"features": 0.5, "ema": 0.9, "accumulate": 2},
]


def two_sources(teacher: Path, **changes: object) -> Recipe:
    """Two sources of different size and labels; every step has images of both."""
    data = (
        Source("a", Blocks(seed=5, labels=("semantic",)), SIZE),
        Source("b", Blocks(seed=6, labels=("depth",), size=(64, 64)), (64, 64)),
    )
    return student(teacher, "semantic", data=data, steps=4, save_every=1, **changes)


@pytest.mark.parametrize("changes", FULL, ids=str)
def test_resume_is_bit_exact(teacher: Path, tmp_path: Path, changes: dict[str, object]) -> None:
    recipe = two_sources(teacher, **changes)
    whole = list(train(recipe, tmp_path / "whole"))
    assert set(whole[0].result.losses) >= set(TASKS), "the third task has no label anywhere"
    list(islice(train(recipe, tmp_path / "broken"), 2))
    list(train(recipe, tmp_path / "broken", resume=True))
    one, other = (checkpoint.read(tmp_path / name / checkpoint.STATE)[0] for name in ("whole", "broken"))
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)
    for name in ("whole", "broken"):
        checkpoint.load_model(tmp_path / name)


def test_another_teacher_in_the_old_ones_place_is_refused(teacher: Path, tmp_path: Path) -> None:
    mine = shutil.copytree(teacher, tmp_path / "teacher")
    recipe = two_sources(mine)
    list(islice(train(recipe, tmp_path / "run"), 2))
    model, of = checkpoint.load_model(mine)
    next(model.parameters()).data += 1
    checkpoint.save_model(mine, model, of)
    with pytest.raises(CheckpointError, match="not the network this run began with"):
        next(train(recipe, tmp_path / "run", resume=True))


@pytest.mark.parametrize("balancer", [Part(Uncertainty), Part(UPGrad)], ids=str)
def test_accumulation_changes_nothing(teacher: Path, balancer: Part, tmp_path: Path) -> None:
    """Without BatchNorm, whose statistics are those of a micro-batch."""
    losses = []
    for accumulate in (1, 2):
        base = two_sources(teacher, balancer=balancer, accumulate=accumulate, features=0.3, when="always")
        encoder = Part(base.encoder.cls, norm=False)
        steps = train(replace(base, encoder=encoder), tmp_path / str(accumulate))
        losses.append([progress.result.losses for progress in steps])
    for one, other in zip(*losses, strict=True):
        assert one == pytest.approx(other, rel=2e-4)


def test_projections_are_trained_and_not_shipped(teacher: Path, tmp_path: Path) -> None:
    recipe = student(teacher, features=1.0, steps=40)
    found = [progress.result.losses["features_0"] for progress in train(recipe, tmp_path)]
    assert found[-1] < 0.7 * found[0]
    state, _ = checkpoint.load_state(tmp_path)
    assert any(name.startswith("heads.features_0") for name in state["model"])
    assert not any("features_0" in name for name in checkpoint.read(tmp_path / checkpoint.MODEL)[0])
    model, _ = checkpoint.load_model(tmp_path)
    assert set(model.tasks) == set(TASKS)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"tasks": {"semantic": "dept"}}, "no task of teacher .* is called 'dept'; did you mean 'depth'"),
        ({"tasks": {"semantics": "depth"}}, "no task of the student .* did you mean 'semantic'"),
        ({"tasks": {"semantic": "depth"}}, "answers 'depth' with a ScalarMap.*learns a ClassMap"),
        ({"sources": ("blokcs",)}, "no source .* did you mean 'blocks'"),
        ({"when": "never"}, "expected 'unlabeled' or 'always'"),
        ({"weight": 0.0}, "got weight=0.0, expected a number > 0"),
        ({"temperature": -1.0}, "got temperature=-1.0, expected 0 or more"),
        ({"confidence": {"depth": 2.0}}, r"got confidence 2.0 for 'depth', expected 0..1"),
    ],
)
def test_teachers_that_do_not_fit_are_refused(teacher: Path, settings: dict[str, object], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        Teachers(student(teacher, **settings))


def test_a_teacher_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"no run or model at .*nobody"):
        Teachers(student(tmp_path / "nobody"))


def test_teachers_survive_json() -> None:
    recipe = student(Path("runs/teacher"), confidence={"depth": 0.9}, features=0.1)
    assert Recipe.from_json(recipe.to_json()) == recipe
    assert recipe.changed(["teachers.0.weight=0.5"]).teachers[0].weight == 0.5
    assert recipe.changed(["teachers=[]"]).teachers == ()


def canonical(teacher: Path, **source: object) -> Recipe:
    """A student that learns depth in a canonical focal length, from a teacher alone."""
    recipe = student(teacher, **source)
    tasks = tuple(
        replace(task, canonical_focal_px=50.0) if isinstance(task, Depth) else task
        for task in recipe.tasks
        if task.name == "depth"
    )
    return replace(recipe, tasks=tasks)


def test_a_canonical_student_learns_a_teachers_meters_for_the_cameras_of_its_images(teacher: Path) -> None:
    recipe = canonical(teacher)
    samples = [replace(Blocks(labels=())[i], camera=Camera.centered(f, SIZE)) for i, f in enumerate((25.0, 100.0))]
    batch = Run(recipe).teachers(collate(samples), ["depth"], run(teacher).autocast)
    (target,) = batch.distillation
    z = torch.zeros(2, 1, SIZE[0] // 4, SIZE[1] // 4)
    task = recipe.tasks[0]
    assert isinstance(task, Depth)
    heard = task.with_camera(batch.camera).distill(z, target)
    known = replace(task, canonical_focal_px=None).distill(
        z, replace(target, target=ScalarMap(target.target.values * torch.tensor([2.0, 0.5])[:, None, None], "m"))
    )
    torch.testing.assert_close(heard.total, known.total)


def test_an_image_without_a_camera_cannot_be_taught_where_one_side_needs_it(teacher: Path) -> None:
    teachers = Run(canonical(teacher)).teachers
    with pytest.raises(DataError, match=r"^:5/0: 'depth' needs the camera, got an image without one; set focal_px"):
        teachers(collate([Blocks(seed=5, labels=())[0]]), ["depth"], run(teacher).autocast)
