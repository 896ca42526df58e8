"""Validation images among the training images are said: by content, by look, by clip, at the start and in reports."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from blocks import SIZE, blocks
from commands import hydranet
from hydranet.cli import progress_bar
from hydranet.cli.train import _compare
from hydranet.config.recipe import Recipe
from hydranet.config.source import Source
from hydranet.core.dataset import Dataset
from hydranet.core.ledger import Ledger, Omission
from hydranet.core.sample import Sample
from hydranet.core.spec import SpecError, to_json
from hydranet.data.check import RECIPE, check_recipe
from hydranet.data.first_look import first_look
from hydranet.data.overlap import group_of, leaks, leaks_if_readable
from hydranet.datasets.camvid import CLASSES, CamVid
from hydranet.datasets.folder import Folder
from hydranet.datasets.subset import Subset
from hydranet.tasks.semantic.task import Semantic
from toys import toy_recipe


def scene(seed: int) -> np.ndarray:
    """A smooth image, which keeps its look when it is scaled or saved as JPEG."""
    coarse = np.random.default_rng(seed).integers(0, 255, (6, 9, 3), dtype=np.uint8)
    return cv2.resize(coarse, (90, 60), interpolation=cv2.INTER_CUBIC)


def folder(root: Path, images: dict[str, np.ndarray]) -> Folder:
    for name, image in images.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        assert cv2.imwrite(str(root / name), image)
    return Folder(str(root))


def recipe(train: Dataset, validation: Dataset, groups: Sequence[str] = ("", "")) -> Recipe:
    """A recipe of two folders; nobody trains it, since images alone have no labels."""
    data = (Source("road", train, SIZE, group=groups[0]),)
    return replace(toy_recipe(data), validation=(Source("held-out", validation, SIZE, group=groups[1]),))


def said(ledger: Ledger) -> list[str]:
    return [one.sentence() for one in ledger.ranked() if one.what is Omission.IMAGE_LEAKED]


def test_copies_under_other_names_are_found_by_content_and_by_look(tmp_path: Path) -> None:
    train = folder(tmp_path / "a", {f"{i}.png": scene(i) for i in range(6)})
    validation = folder(
        tmp_path / "b",
        {
            "copy.png": scene(2),  # the same pixels
            "small.png": cv2.resize(scene(3), (45, 30), interpolation=cv2.INTER_AREA),  # another size
            "4.jpg": scene(4),  # compressed, another suffix
            "new.png": scene(99),
        },
    )
    assert said(leaks(recipe(train, validation))) == [
        "validation held-out: 2 validation images, which look like training images (other frames, other sizes), so "
        "that scores may be too good (4.jpg, small.png)",
        "validation held-out: 1 validation image, which are training images, too, so that scores are too good "
        "(copy.png)",
    ]


def test_a_clip_on_both_sides_is_said(tmp_path: Path) -> None:
    train = folder(tmp_path / "a", {f"clip{c}/{i}.png": scene(10 * c + i) for c in (1, 2) for i in range(3)})
    validation = folder(tmp_path / "b", {"clip2/7.png": scene(27), "clip3/1.png": scene(31), "odd.png": scene(50)})
    grouped = leaks(recipe(train, validation, ("{}/*", "{}/*")))
    assert said(grouped) == [
        "validation held-out: 1 validation image, whose group (clip, person, track) is trained on, so that scores are "
        "too good (clip2/7.png)"
    ]
    assert grouped.count(Omission.LEAK_NOT_CHECKED) == 1
    assert not leaks(recipe(train, validation))  # without a pattern nobody knows of clips


@pytest.mark.parametrize(
    ("pattern", "key", "group"),
    [
        ("{}/*", "clip1/a/b.png", "clip1"),
        ("train/{}_*.png", "train/0001TP_006690.png", "0001TP"),
        ("*/{}_*.ppm", "Images/00003/00012_00029.ppm", "00012"),
        ("p{}_*", "p07_face.jpg", "07"),
        ("{}/*", "a.png", None),
        ("a.b/{}.png", "axb/1.png", None),
    ],
)
def test_patterns(pattern: str, key: str, group: str | None) -> None:
    assert group_of(pattern, key) == group


@pytest.mark.parametrize("pattern", ["*", "{}{}", "{}/" + "x" * 100, "{}*****"])
def test_odd_patterns_are_refused(pattern: str, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="expected"):
        Source("road", Folder(str(tmp_path)), SIZE, group=pattern)


def camvid_like(root: Path, split: str, seeds: Sequence[int]) -> CamVid:
    """Images with masks in CamVid's layout: every pixel is road."""
    folder(root / split, {f"{i}.png": scene(i) for i in seeds})
    folder(root / f"{split}annot", {f"{i}.png": np.full((60, 90), i % 2 * 3, np.uint8) for i in seeds})
    return CamVid(str(root), split=split)


def labeled(root: Path) -> Recipe:
    """One of four validation images is a training image."""
    sources = {
        split: Source(name, camvid_like(root, split, seeds), SIZE)
        for split, name, seeds in (("train", "road", range(6)), ("val", "held-out", (5, 20, 21, 22)))
    }
    base = blocks("semantic", data=(sources["train"],), validation=(sources["val"],), steps=2, batch=2)
    return replace(base, tasks=(Semantic("semantic", CLASSES),))


LINE = (
    "validation held-out: 1 validation image, which are training images, too, so that scores are too good (val/5.png)"
)


def test_every_run_says_it_at_the_start_in_check_and_in_the_report(tmp_path: Path) -> None:
    leaking = labeled(tmp_path / "data")
    assert LINE in first_look(leaking).lines()
    *_, last = check_recipe(leaking, tmp_path / "check")
    assert LINE in last.notes.sentences()
    written = json.loads((tmp_path / "check/report.json").read_text())[RECIPE]["ledger"]
    assert [one["count"] for one in written if one["what"] == "image leaked"] == [1]
    path = tmp_path / "recipe.json"
    path.write_text(leaking.to_json())
    out = hydranet("train", path, "--out", tmp_path / "run")
    assert out.code == 0
    assert out.out.count(LINE) == 2  # at the start and with the scores
    report = json.loads((tmp_path / "run/report.json").read_text())
    assert [one["count"] for one in report["ledger"] if one["what"] == "image leaked"] == [1]


def test_a_recipe_whose_images_are_gone_is_said_to_be_uncompared(tmp_path: Path) -> None:
    leaking = recipe(Folder(str(tmp_path / "gone")), folder(tmp_path / "b", {"a.png": scene(1)}))
    assert [one.what for one in leaks_if_readable(leaking).ranked()] == [Omission.LEAK_NOT_CHECKED]


def test_the_comparison_is_shown_and_a_second_start_reads_no_image(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made = recipe(
        folder(tmp_path / "a", {f"{i}.png": scene(i) for i in range(6)}),
        folder(tmp_path / "b", {f"{i}.png": scene(40 + i) for i in range(3)}),
    )
    reads, get = [], Folder.__getitem__

    def counting(self: Folder, index: int) -> Sample:
        reads.append(index)
        return get(self, index)

    monkeypatch.setattr(Folder, "__getitem__", counting)
    monkeypatch.setattr(progress_bar, "LINE_S", 0.0)
    monkeypatch.setattr(progress_bar, "LINE_SHARE", 0.0)
    _compare(made)
    assert len(reads) == 6 + 3
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "comparing training and validation images (kept for the next time): 0 of 6 images"
    assert lines[-1] == "comparing training and validation images (kept for the next time): 3 of 3 images"
    _compare(made)
    assert len(reads) == 6 + 3
    assert capsys.readouterr().err == ""


def test_generated_images_are_compared_without_making_any(monkeypatch: pytest.MonkeyPatch) -> None:
    from blocks import Blocks

    def made(self: Blocks, index: int) -> None:
        raise AssertionError("an image was made")

    monkeypatch.setattr(Blocks, "__getitem__", made)
    shared = recipe(Subset(Blocks(count=6), "0-3"), Subset(Blocks(count=6), "3-5"))
    assert leaks(shared).count(Omission.IMAGE_LEAKED) == 1


def test_recipes_of_before_with_a_switch_per_teacher_open() -> None:
    from hydranet.config.teacher import Teacher

    base = replace(blocks("semantic"), teachers=(Teacher("runs/x"), Teacher("runs/y")))
    tree = json.loads(json.dumps(to_json(base)))
    del tree["allow_leaks"]
    for teacher, allowed in zip(tree["teachers"], (True, False), strict=True):
        teacher["allow_leaks"] = allowed
    assert Recipe.from_json(json.dumps(tree)) == replace(base, allow_leaks=True)
    for teacher in tree["teachers"]:
        teacher["allow_leaks"] = False
    assert Recipe.from_json(json.dumps(tree)) == base
