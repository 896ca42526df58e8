"""Sources in proportion, labels in the tasks' classes, "not labeled" never turned into background."""

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import pytest

from blocks import Blocks
from hydranet.annotations import OTHER_CLASS, Boxes, ClassMap, Keypoints, Polylines, Tag
from hydranet.config.source import Source
from hydranet.core.dataset import Dataset
from hydranet.core.sample import DataError, Sample
from hydranet.core.spec import SpecError
from hydranet.core.task import Task
from hydranet.data import mixture
from hydranet.data.class_table import class_table
from hydranet.data.mixture import Mixture, load, plan
from hydranet.data.reader import Reader
from hydranet.tasks.depth.task import Depth
from toys import Brightness, Noise, toy_recipe


@pytest.mark.parametrize("weights", [(1.0,), (1.0, 1.0), (3.0, 1.0, 0.1)])
def test_plan_keeps_proportions_and_counts_draws(weights: tuple[float, ...]) -> None:
    source, draw = plan(weights, 3000, seed=1)
    shares = np.asarray(weights) / sum(weights)
    for i, share in enumerate(shares):
        assert abs(np.count_nonzero(source == i) - 3000 * share) <= 3
        assert (draw[source == i] == np.arange(np.count_nonzero(source == i))).all()
    for begin in range(0, 3000, 100):
        assert abs(np.count_nonzero(source[begin : begin + 100] == 0) - 100 * shares[0]) <= 4


def test_every_epoch_sees_every_sample_once() -> None:
    mixture = Mixture(toy_recipe((Source("noise", Noise(count=6), (32, 64)),), steps=3, batch=6))
    orders = [sorted(key for batch in mixture[step] for key in batch.key) for step in range(3)]
    assert orders == [sorted(map(str, range(6)))] * 3
    assert [b.key for b in mixture[0]] != [b.key for b in mixture[1]]


def test_steps_are_pure_functions_of_their_number() -> None:
    recipe = toy_recipe()
    a, b = Mixture(recipe), Mixture(recipe)
    for step in (3, 0, 3):
        for one, other in zip(a[step], b[step], strict=True):
            assert one.key == other.key
            assert (one.image == other.image).all()


def test_sizes_make_batches_of_their_own() -> None:
    sources = (Source("wide", Noise(), (32, 64)), Source("square", Noise(), (32, 32)))
    shapes = {tuple(batch.image.shape[2:]) for batch in Mixture(toy_recipe(sources))[0]}
    assert shapes == {(32, 64), (32, 32)}


def test_too_many_processes() -> None:
    with pytest.raises(SpecError, match="cannot be split over 3 processes"):
        Mixture(toy_recipe(), 0, 3)


@dataclass(frozen=True)
class Classy(Brightness):
    """A task with classes that takes any kind of label."""

    kind: ClassVar[type] = object

    def check(self, label: object) -> None:
        pass


TASK: Task = Classy("seg", ("road", "car", "person"))


def table(names: dict[str, str | None] | None = None):
    return class_table(
        ("car", "van", "street", "sky"), TASK, {"street": "road", **(names or {})}, "'seg' in source 'x'"
    )


def test_class_maps_of_pixels() -> None:
    mapped = table().apply(ClassMap(np.array([[0, 1, 2, 3, 255]], np.uint8)))
    assert mapped.ids.tolist() == [[1, 255, 0, 255, 255]]
    assert mapped.annotated_classes.tolist() == [True, True, False]


def test_class_maps_of_boxes_never_make_background_of_the_unknown() -> None:
    boxes = Boxes(
        np.tile(np.array([[0.0, 0, 9, 9]]), (5, 1)), np.array([0, 1, 2, 3, 0]), ignore=np.array([0, 0, 0, 0, 1], bool)
    )
    mapped = table({"sky": None}).apply(boxes)
    assert mapped.label.tolist() == [1, OTHER_CLASS, 0, 1]
    assert mapped.ignore.tolist() == [False, True, False, True]
    assert mapped.annotated_classes.tolist() == [True, True, False]


def test_class_maps_of_tags_and_lines() -> None:
    tag = table().apply(Tag(np.int64(0), mirror=(2, 1, 0, 3)))
    assert (int(tag.label), tag.mirror) == (1, (1, 0, -1))
    assert int(table().apply(Tag(np.int64(3))).label) == 255
    lines = Polylines(np.zeros((2, 3, 2)), np.ones((2, 3), bool), np.array([3, 0]))
    mapped = table().apply(lines)
    assert mapped.label.tolist() == [OTHER_CLASS, 1]
    assert mapped.ignore.tolist() == [True, False], "what the task has no class for might still be one of its lines"
    assert table({"sky": None}).apply(lines).label.tolist() == [1], "known to be none of its classes"
    assert mapped.annotated_classes.tolist() == [True, True, False]
    people = Keypoints(np.zeros((2, 3, 2)), np.full((2, 3), 2), label=np.array([0, 3]), area=np.array([9.0, 8]))
    mapped = table({"sky": None}).apply(people)
    assert (mapped.label.tolist(), mapped.area.tolist()) == ([1], [9.0])


@pytest.mark.parametrize(
    ("own", "names", "said"),
    [
        (("car",), {"cra": "car"}, "no class of .* is called 'cra'; did you mean 'car'"),
        (("car",), {"car": "cart"}, "no class of task 'seg' is called 'cart'"),
        (("tree", "sky"), {}, r"has classes tree, sky, of which task 'seg' \(road, car, person\) has none"),
    ],
)
def test_wrong_class_maps(own: tuple[str, ...], names: dict[str, str], said: str) -> None:
    with pytest.raises(SpecError, match=said):
        class_table(own, TASK, names, "'seg' in source 'x'")


@dataclass(frozen=True)
class Maps(Dataset):
    """One map with the given ids."""

    ids: tuple[int, ...] = (0, 1)

    @property
    def classes(self) -> dict[str, tuple[str, ...]]:
        return {"parts": ("road", "car")}

    def __len__(self) -> int:
        return 1

    def __getitem__(self, index: int) -> Sample:
        ids = np.resize(np.array(self.ids, np.uint8), (4, 6))
        return Sample(np.zeros((4, 6, 3), np.uint8), {"parts": ClassMap(ids)}, key="a.png")


def test_labels_are_renamed_or_switched_off() -> None:
    assert set(Reader(Source("x", Maps(), (32, 32), labels={"seg": "parts"}), [TASK])[0].labels) == {"seg"}
    assert not Reader(Source("x", Maps(), (32, 32), labels={"seg": None}), [TASK])[0].labels
    with pytest.raises(SpecError, match=r"no task \(in source 'x'\) is called 'sge'; did you mean 'seg'"):
        Reader(Source("x", Maps(), (32, 32), labels={"sge": "parts"}), [TASK])


def test_id_out_of_range_is_named() -> None:
    with pytest.raises(DataError, match=r"x:a.png: 'parts' holds class ids \[7\], expected 0..1 or 255"):
        Reader(Source("x", Maps((0, 7)), (32, 32), labels={"seg": "parts"}), [TASK])[0]


def test_empty_source() -> None:
    with pytest.raises(DataError, match="source 'noise' has no samples"):
        Mixture(toy_recipe((Source("noise", Noise(count=0), (32, 64)),)))


def test_label_of_a_wrong_kind() -> None:
    wrong = Brightness("glow")
    recipe = replace(toy_recipe(), tasks=(wrong,))
    with pytest.raises(DataError, match="task 'glow' got a ScalarMap, expected a Quantity"):
        raise DataError(Mixture(recipe)[0].message)


def test_no_more_workers_than_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    """DataLoader would warn, and warnings are errors here."""
    recipe = replace(toy_recipe(steps=2), workers=2)
    wanted = [batch.pixels for batches in load(Mixture(replace(recipe, workers=0))) for batch in batches]
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0})
    assert mixture.cores() == 1
    found = [batch.pixels for batches in load(Mixture(recipe)) for batch in batches]
    assert all(bool((one == other).all()) for one, other in zip(found, wanted, strict=True))


def test_an_image_without_a_camera_is_refused_where_a_task_needs_one() -> None:
    tasks = [Depth("depth", canonical_focal_px=40.0)]
    blocks = Blocks(labels=("depth",))
    with pytest.raises(DataError, match=r"^toys:0/0: 'depth' needs the camera, .* focal_px of source 'toys'"):
        Reader(Source("toys", blocks, (64, 96)), tasks)[0]
    sample = Reader(Source("toys", blocks, (64, 96), focal_px=80.0), tasks)[0]
    assert sample.camera is not None
    assert sample.camera.matrix.tolist() == [[80, 0, sample.size[1] / 2], [0, 80, sample.size[0] / 2], [0, 0, 1]]
    assert Reader(Source("toys", Blocks(labels=()), (64, 96)), tasks)[0].camera is None


@pytest.mark.parametrize("focal", [0.0, float("nan")])
def test_a_focal_length_is_a_positive_number(focal: float) -> None:
    with pytest.raises(SpecError, match=f"source 'toys' has focal_px={focal}, expected a focal length above 0"):
        Source("toys", Noise(), (32, 64), focal_px=focal)
