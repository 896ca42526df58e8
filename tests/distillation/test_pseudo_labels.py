"""Pseudo-labels on disk: every kind comes back, a stopped command goes on, and nobody is fooled."""

import io
import json
import os
from dataclasses import dataclass, replace
from pathlib import Path
from unittest.mock import patch

import cv2
import numpy as np
import pytest
import torch

from blocks import CLASSES, SIZE, TASKS, Blocks, blocks, trained
from commands import hydranet, refused
from fakes import FAKES
from hydranet.annotations import Annotation, Boxes, ClassMap, NormalMap, ScalarMap
from hydranet.config.source import Source
from hydranet.config.teacher import Teacher
from hydranet.core.batch import collate
from hydranet.core.dataset import Dataset
from hydranet.core.ledger import Omission, add_up
from hydranet.core.sample import DataError
from hydranet.core.spec import SpecError
from hydranet.datasets.folder import Folder
from hydranet.datasets.pseudo import Pseudo
from hydranet.distillation.leakage import LeakError, check, overlap, read
from hydranet.distillation.pseudo_labels import Progress, label, started
from hydranet.distillation.teacher_model import teacher_model
from hydranet.distillation.teachers import Teachers
from hydranet.evaluation.evaluate import evaluate
from hydranet.evaluation.report import Report
from hydranet.io.atomic import CheckpointError
from hydranet.io.fingerprint import content, perceptual_hash
from hydranet.io.pseudo_label_cache import file_of, packed, unpack
from hydranet.io.pseudo_label_index import INDEX, Made, read_index
from hydranet.training.losses import forward
from hydranet.training.run import Run
from hydranet.training.train import train


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that knows all three tasks."""
    return trained(blocks("semantic", "depth", "normals"), tmp_path_factory.mktemp("teacher"))


def cached(
    teacher: Path, dataset: Dataset, folder: Path, confidence: dict[str, float] | None = None, **more: object
) -> Progress:
    """A cache made in this process; what its last progress says."""
    speaker = teacher_model(str(teacher), "cpu")
    index = started(speaker, "blocks", teacher, SIZE, confidence=confidence)
    return list(label(speaker, dataset, replace(index, **more), folder))[-1]


@pytest.mark.parametrize("kind", FAKES, ids=lambda kind: kind.__name__)
def test_every_kind_comes_back_from_disk(kind: type[Annotation], tmp_path: Path) -> None:
    one = FAKES[kind](np.random.default_rng(0), 16, 24)
    if isinstance(one, Boxes):
        one = Boxes(one.xyxy, one.label, one.score)
    if isinstance(one, ClassMap):
        one = ClassMap(one.ids)
    metadata = {name: getattr(one, name) for name in kind.metadata()}
    made = Made(kind.__name__, ("a", "b", "c", "d"), metadata)
    path = tmp_path / file_of("x", "../train/a.jpg", made)
    assert path.resolve().is_relative_to(tmp_path)
    path.parent.mkdir(parents=True)
    path.write_bytes(packed(one, made))
    back = unpack(path, made, (16, 24))
    assert type(back) is kind
    if isinstance(back, NormalMap):
        cosine = (back.xyz * one.xyz).sum(0)
        assert np.degrees(np.arccos(cosine[np.isfinite(cosine)].clip(-1, 1))).max() < 0.4
        assert (np.isnan(back.xyz) == np.isnan(one.xyz)).all()
    elif isinstance(back, ScalarMap):
        np.testing.assert_allclose(back.values, one.values, atol=1 / 512)
    else:
        for name in back.arrays():
            if name != "ignore" and getattr(back, name) is not None:
                np.testing.assert_allclose(getattr(back, name), getattr(one, name), rtol=1e-6)


def test_online_and_cached_labels_give_the_same_loss(teacher: Path, tmp_path: Path) -> None:
    dataset = Blocks(count=3, seed=7, labels=())
    cached(teacher, dataset, tmp_path, {"semantic": 0.9})
    wrapped = Pseudo(dataset, str(tmp_path), {"semantic": "semantic"})
    spoken = Teacher(str(teacher), {"semantic": "semantic"}, temperature=0.0, confidence={"semantic": 0.9})
    run = Run(blocks("semantic", teachers=(spoken,)))
    run.model.eval()
    online = run.teachers(collate([dataset[i] for i in range(3)]), TASKS, run.autocast)
    from_disk = collate([wrapped[i] for i in range(3)])
    target = online.distillation[0].target
    assert isinstance(target, ClassMap)
    assert (target.ids == 255).any()
    assert torch.equal(target.ids, from_disk.labels["semantic"].ids)
    one, other = (forward(run.model, batch, run.autocast, 0)["semantic"] for batch in (online, from_disk))
    torch.testing.assert_close(one.mean(), other.mean())


def test_cached_numbers_are_the_teachers(teacher: Path, tmp_path: Path) -> None:
    dataset = Blocks(count=2, seed=7, labels=())
    cached(teacher, dataset, tmp_path, {"depth": 0.9, "normals": 0.9})
    wrapped = Pseudo(dataset, str(tmp_path))
    recipe = blocks(
        "depth", tasks=tuple(TASKS), teachers=(Teacher(str(teacher), confidence={"depth": 0.9, "normals": 0.9}),)
    )
    run = Run(recipe)
    distillation = Teachers(recipe)(collate([dataset[0]]), TASKS, run.autocast).distillation
    target = {distilled_target.task: distilled_target.target for distilled_target in distillation}
    depth, normals = wrapped[0].labels["depth"], wrapped[0].labels["normals"]
    np.testing.assert_allclose(depth.values, target["depth"].values[0], atol=1 / 256)
    np.testing.assert_allclose(normals.xyz, target["normals"].xyz[0], atol=0.01)


def test_real_labels_stay_unless_told(teacher: Path, tmp_path: Path) -> None:
    dataset = Blocks(count=2, seed=7, labels=("semantic",))
    cached(teacher, dataset, tmp_path)
    kept, replaced = Pseudo(dataset, str(tmp_path)), Pseudo(dataset, str(tmp_path), replace=True)
    assert set(kept[0].labels) == set(TASKS)
    assert (kept[0].labels["semantic"].ids == dataset[0].labels["semantic"].ids).all()
    assert (replaced[0].labels["semantic"].ids != dataset[0].labels["semantic"].ids).any()
    assert kept.classes == {"semantic": CLASSES}
    assert kept.provenance["depth"] == "pseudo-labels of blocks, where the data set has none"


def test_classes_of_a_cache_are_mapped_to_the_data_sets_own(teacher: Path, tmp_path: Path) -> None:
    cached(teacher, Blocks(count=1, seed=7, labels=()), tmp_path)

    @dataclass(frozen=True)
    class Lamps(Blocks):
        """Other names for the same."""

        @property
        def classes(self) -> dict[str, tuple[str, ...]]:
            return {"semantic": ("sky", "lamp")}

    mapped = Pseudo(Lamps(count=1, seed=7, labels=()), str(tmp_path), classes_of={"semantic": {"bright": "lamp"}})
    ids, known = mapped[0].labels["semantic"].ids, mapped[0].labels["semantic"].annotated_classes
    raw = Pseudo(Blocks(count=1, seed=7, labels=()), str(tmp_path))[0].labels["semantic"].ids
    assert (ids == np.where(raw == 1, 1, 255)).all()
    assert known.tolist() == [False, True]
    wrong = Pseudo(Lamps(count=1, seed=7, labels=()), str(tmp_path), classes_of={"semantic": {"brigth": "lamp"}})
    with pytest.raises(SpecError, match="did you mean 'bright'"):
        wrong[0]


def test_boxes_below_the_confidence_are_ignored(tmp_path: Path) -> None:
    made = Made("Boxes", ("car",))
    boxes = Boxes(
        np.array([[0, 0, 4, 4], [4, 4, 8, 8], [1, 1, 2, 2]], np.float32), np.zeros(3, int), np.array([0.9, 0.4, 0.1])
    )
    path = tmp_path / "a.json"
    path.write_bytes(packed(boxes, made))
    back = unpack(path, made, (16, 16), 0.5)
    assert isinstance(back, Boxes)
    assert back.ignore.tolist() == [False, True]


class Falls(Exception):
    """A kill."""


def test_a_stopped_command_goes_on(teacher: Path, tmp_path: Path) -> None:
    dataset, speaker = Blocks(count=12, seed=7, labels=()), teacher_model(str(teacher), "cpu")
    index = started(speaker, "blocks", teacher, SIZE)
    with patch("hydranet.distillation.pseudo_labels.SAVE_EVERY", 4):
        for progress in label(speaker, dataset, index, tmp_path):
            if progress.done >= 8:
                break
    files = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.png")}
    assert len(files) == 8 * 3
    last = cached(teacher, dataset, tmp_path)
    assert (last.labeled, last.skipped) == (4, 8)
    assert all(path.stat().st_mtime_ns == time for path, time in files.items())
    assert len(read_index(tmp_path).images) == 12
    assert not list(tmp_path.rglob("*.partial"))
    with pytest.raises(CheckpointError, match=r"made otherwise \(labels differ\)"):
        cached(teacher, dataset, tmp_path, {"semantic": 0.5})


def test_a_changed_picture_is_labeled_again(teacher: Path, tmp_path: Path) -> None:
    pictures = tmp_path / "images"
    pictures.mkdir()
    for seed, name in enumerate(("a.png", "b.png")):
        cv2.imwrite(str(pictures / name), Blocks(seed=seed)[0].image)
    from hydranet.datasets.folder import Folder

    folder = Folder(str(pictures))
    assert cached(teacher, folder, tmp_path / "cache").labeled == 2
    cv2.imwrite(str(pictures / "b.png"), Blocks(seed=9)[0].image)
    again = cached(teacher, Folder(str(pictures)), tmp_path / "cache")
    assert (again.labeled, again.skipped) == (1, 1)
    (pictures / "a.png").write_bytes(b"no image")
    last = cached(teacher, Folder(str(pictures)), tmp_path / "cache")
    assert "broken image" in last.broken[0]


def test_a_full_disk_ends_in_a_sentence(teacher: Path, tmp_path: Path) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with patch.object(os, "fsync", full), pytest.raises(CheckpointError, match="No space left on device"):
        cached(teacher, Blocks(count=1, labels=()), tmp_path)


def test_agreement_is_never_called_truth(teacher: Path, tmp_path: Path) -> None:
    cached(teacher, Blocks(count=2, seed=99, labels=()), tmp_path)
    source = Source("held-out", Pseudo(Blocks(count=2, seed=99, labels=()), str(tmp_path)), SIZE)
    run = Run(blocks("semantic"))
    report = list(evaluate(run.model, [source]))[-1]
    assert isinstance(report, Report)
    assert report.protocol["held-out"]["semantic"]["labels"] == "pseudo-labels of blocks, where the data set has none"
    from rich.console import Console

    from hydranet.reporting.tables import scores

    console = Console(width=200, record=True, file=io.StringIO())
    console.print(scores(report))
    assert "agreement with a teacher, no ground truth" in console.export_text()


LEAKY = Source("held-out", Blocks(count=3, seed=0), SIZE)
"""Its images are among those the teacher was trained on."""


def student(teacher: Path, **settings: object) -> object:
    data = (Source("blocks", Blocks(seed=5, labels=()), SIZE),)
    taught = Teacher(str(teacher), **settings)
    return blocks("semantic", data=data, validation=(LEAKY,), teachers=(taught,), steps=1)


def test_a_teacher_that_knows_the_validation_is_refused(teacher: Path, tmp_path: Path) -> None:
    with pytest.raises(LeakError, match=r"teacher .*: 3 of 3 validation images are among these 24 .*held-out:0/0"):
        next(train(student(teacher), tmp_path / "a"))
    for _ in train(replace(student(teacher), allow_leaks=True), tmp_path / "b"):
        pass
    first = read(tmp_path / "b")[0]
    assert (first.images, first.validation, len(first.same), first.allowed) == (24, 3, 3, True)


def test_a_cache_carries_what_its_teacher_knows(teacher: Path, tmp_path: Path) -> None:
    from hydranet.distillation.leakage import trained_on

    notes: list[str] = []
    known = trained_on(teacher_model(str(teacher), "cpu"), notes.append)
    assert "24 training images" in notes[0]
    cached(teacher, Blocks(count=2, seed=5, labels=()), tmp_path / "cache", trained_on=known)
    wrapped = Pseudo(Blocks(count=2, seed=5, labels=()), str(tmp_path / "cache"))
    recipe = blocks("semantic", data=(Source("blocks", wrapped, SIZE),), validation=(LEAKY,), steps=1)
    with pytest.raises(LeakError, match=r"teacher blocks of .*cache: 3 of 3 validation images"):
        next(train(recipe, tmp_path / "a"))
    cached(teacher, Blocks(count=2, seed=5, labels=()), tmp_path / "nameless")
    nameless = Pseudo(Blocks(count=2, seed=5, labels=()), str(tmp_path / "nameless"))
    found = check(replace(recipe, data=(Source("blocks", nameless, SIZE),)))
    assert found[0].images == -1
    assert "not compared" in found[0].sentence()


def test_pictures_with_pseudo_labels_must_not_be_validated_on(teacher: Path, tmp_path: Path) -> None:
    dataset = Blocks(count=3, seed=5, labels=())
    cached(teacher, dataset, tmp_path / "cache")
    recipe = blocks(
        "semantic",
        data=(Source("blocks", Pseudo(dataset, str(tmp_path / "cache")), SIZE),),
        validation=(Source("held-out", Blocks(count=2, seed=5), SIZE),),
    )
    with pytest.raises(LeakError, match="images that teachers label: 2 of 2 validation images"):
        next(train(recipe, tmp_path / "a"))


def test_recipes_without_teachers_cost_nothing() -> None:
    assert check(blocks("semantic")) == []


def test_copies_are_found_by_name_and_look() -> None:
    rng = np.random.default_rng(0)
    smooth = cv2.resize(rng.integers(0, 255, (6, 8, 3), dtype=np.uint8), (128, 96), interpolation=cv2.INTER_CUBIC)
    half = cv2.resize(smooth, (64, 48), interpolation=cv2.INTER_AREA)
    other = cv2.resize(rng.integers(0, 255, (6, 8, 3), dtype=np.uint8), (128, 96))
    assert content(smooth) == content(smooth.copy()) != content(half)
    print_of = {
        name: (content(image), perceptual_hash(image)) for name, image in {"s": smooth, "h": half, "o": other}.items()
    }
    assert overlap({"v:1.png": print_of["s"]}, {"t:9.png": print_of["h"]}) == ((), (("v:1.png", "t:9.png"),))
    assert overlap({"v:1.png": print_of["s"]}, {"t:1.png": print_of["h"]}) == ((("v:1.png", "t:1.png"),), ())
    assert overlap({"v:1.png": print_of["s"]}, {"t:1.png": print_of["o"]}) == ((), ())
    assert overlap({"v:1.png": print_of["s"]}, {}) == ((), ())


def test_the_command_labels_a_folder_and_says_what_it_compared(teacher: Path, tmp_path: Path) -> None:
    pictures, cache = tmp_path / "images", tmp_path / "cache"
    pictures.mkdir()
    cv2.imwrite(str(pictures / "a.png"), Blocks(seed=3)[0].image)
    command = ("label", teacher, pictures, "--out", cache, "--heads", "semantic", "--confidence", "semantic=0.6")
    ended = hydranet(*command, "--fingerprints")
    assert ended.code == 0, ended.err
    assert "24 training images" in ended.out
    assert "1 images labeled, 0 were there" in ended.out
    index = json.loads((cache / INDEX).read_text())
    assert index["labels"]["semantic"]["confidence"] == 0.6
    assert len(index["digest"]) == 64
    assert index["images"]["a.png"]["files"] == {"semantic": "semantic/a.png.png"}
    assert (
        "0 images labeled, 1 were there"
        in hydranet(
            "label", teacher, pictures, "--out", cache, "--heads", "semantic", "--confidence", "semantic=0.6"
        ).out
    )
    (pictures / "b.png").write_bytes(b"no image")
    refused(
        hydranet("label", teacher, pictures, "--out", cache, "--heads", "semantic", "--confidence", "semantic=0.6"),
        "broken image",
    )
    (entry,) = json.loads((cache / "ledger.json").read_text())
    assert (entry["what"], entry["where"], entry["reason"], entry["count"]) == ("image left out", "images", "broken", 1)
    assert "b.png" in entry["examples"][0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--heads", "dept"], "no task of the teacher is called 'dept'; did you mean 'depth'"),
        (["--confidence", "depth=x"], "got confidence 'depth=x', expected TASK=NUMBER"),
        (["--confidence", "depth=7"], "got confidence 7.0 for 'depth'"),
        (["--recipe", "demo"], "no source of recipe 'demo' is called"),
    ],
)
def test_the_command_refuses(teacher: Path, tmp_path: Path, arguments: list[str], message: str) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), Blocks()[0].image)
    refused(hydranet("label", teacher, tmp_path, "--out", tmp_path / "c", *arguments), message)


def test_caches_that_are_none_are_refused(tmp_path: Path, teacher: Path) -> None:
    with pytest.raises(DataError, match="no data folder"):
        Pseudo(Blocks(), str(tmp_path / "nowhere")).index  # noqa: B018
    with pytest.raises(DataError, match="this is no cache of pseudo-labels"):
        Pseudo(Blocks(), str(tmp_path)).index  # noqa: B018
    cached(teacher, Blocks(count=1, labels=()), tmp_path)
    with pytest.raises(SpecError, match=r"label again with --confidence semantic=0.9"):
        Pseudo(Blocks(), str(tmp_path), confidence={"semantic": 0.9}).classes  # noqa: B018
    cached(teacher, Blocks(count=1, labels=()), tmp_path / "sure", {"semantic": 0.6})
    with pytest.raises(SpecError, match=r"holds no 'semantic' below the confidence of 0.6 .*, got 0.5; say at least 0"):
        Pseudo(Blocks(), str(tmp_path / "sure"), confidence={"semantic": 0.5}).classes  # noqa: B018
    with pytest.raises(SpecError, match="did you mean 'depth'"):
        Pseudo(Blocks(), str(tmp_path), {"depth": "dept"}).classes  # noqa: B018
    (tmp_path / INDEX).write_text('{"format": 1}')
    with pytest.raises(DataError, match="no index of pseudo-labels"):
        read_index(tmp_path)


def test_a_cache_of_other_images_of_the_same_names_is_refused(teacher: Path, tmp_path: Path) -> None:
    cached(teacher, Blocks(count=2, seed=7), tmp_path)
    renamed = json.loads((tmp_path / INDEX).read_text().replace('"7/', '"8/'))
    (tmp_path / INDEX).write_text(json.dumps(renamed))
    with pytest.raises(DataError, match=r"8/0 is not the image that .* was labeled from: .* the pixels differ; label"):
        Pseudo(Blocks(count=2, seed=8, labels=()), str(tmp_path))[0]


def test_a_cache_that_matches_no_image_is_refused_and_misses_are_counted(teacher: Path, tmp_path: Path) -> None:
    cached(teacher, Blocks(count=2, seed=7), tmp_path)
    with pytest.raises(DataError, match=r"knows none of the images \(8/0, ...\): it holds the labels of others \(7/"):
        Pseudo(Blocks(count=2, seed=8, labels=()), str(tmp_path))[0]
    more = Pseudo(Blocks(count=5, seed=7, labels=()), str(tmp_path))
    counted = add_up(more[i].ledger for i in range(5))
    assert counted.count(Omission.CACHE_MISS) == 3
    assert counted.sentences()[0].endswith("3 cache misses, no entry for an image (7/2, 7/3, 7/4)")


def test_labeling_reads_no_training_image_and_a_leak_is_found_all_the_same(
    teacher: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images, cache = tmp_path / "images", tmp_path / "cache"
    images.mkdir()
    cv2.imwrite(str(images / "a.png"), Blocks(seed=5)[0].image)
    with monkeypatch.context() as patch:
        patch.setattr(Blocks, "__getitem__", lambda self, index: pytest.fail("a training image was read"))
        ended = hydranet("label", teacher, images, "--out", cache, "--heads", "semantic")
    assert ended.code == 0, ended.err
    assert "or with --fingerprints" in ended.out
    wrapped = Pseudo(Folder(str(images)), str(cache))
    assert wrapped.index.trained_on is None
    found = check(blocks("semantic", data=(Source("blocks", wrapped, SIZE),), validation=(LEAKY,), steps=1))
    assert (found[0].images, len(found[0].same)) == (24, 3)  # read now, from the recipe in the cache's index
