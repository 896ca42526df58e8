"""Before training: a task that can learn nothing is an error, a class that nobody labels is said."""

from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

import numpy as np
import pytest

from hydranet.annotations import Annotation, Boxes, ClassMap, ScalarMap
from hydranet.config.recipe import Recipe
from hydranet.config.source import Source
from hydranet.config.teacher import Teacher
from hydranet.core.dataset import Dataset
from hydranet.core.ledger import Omission
from hydranet.core.sample import DataError, Sample
from hydranet.core.spec import SpecError
from hydranet.core.task import Task
from hydranet.data.check import check_recipe
from hydranet.data.first_look import class_lines, first_look, spread
from hydranet.data.mixture import Mixture, load
from hydranet.data.observed import Observed
from hydranet.data.reader import Reader
from hydranet.datasets.scenes.crops import SceneSigns
from hydranet.datasets.scenes.dataset import Scenes
from hydranet.datasets.subset import Subset
from hydranet.tasks.depth.task import Depth
from hydranet.tasks.detection.task import Detection
from hydranet.tasks.semantic.task import Semantic
from toys import Noise, toy_recipe

SIZE = (32, 64)


@dataclass(frozen=True)
class Given(Dataset):
    """The same label on every image; items of some indices raise."""

    count: int = 6
    name: str = "depth"
    depth_m: float = 20.0
    unknown: bool = False
    ids: tuple[int, ...] = (0, 1)
    boxes: bool = False
    names: tuple[str, ...] = ()
    broken: tuple[int, ...] = ()
    error: type[Exception] = ZeroDivisionError

    @property
    def classes(self) -> dict[str, tuple[str, ...]]:
        return {self.name: self.names} if self.names else {}

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Sample:
        if index in self.broken:
            raise self.error("it broke")
        image = np.full((*SIZE, 3), 20 * index, np.uint8)
        label: Annotation = ScalarMap(np.full(SIZE, np.nan if self.unknown else self.depth_m, np.float32), unit="m")
        if self.boxes:
            label = Boxes(np.tile([[4.0, 4, 20, 20]], (len(self.ids), 1)), np.array(self.ids))
        elif self.names:
            label = ClassMap(np.resize(np.array(self.ids, np.uint8), SIZE))
        return Sample(image, {self.name: label}, key=f"{index}.png")


def recipe(*tasks: Task, **sources: Dataset) -> Recipe:
    given = tuple(Source(name, dataset, SIZE) for name, dataset in sources.items())
    return replace(toy_recipe(given), tasks=tasks)


DEPTH = Depth("depth", min_m=0.1, max_m=80.0)


def test_a_task_that_no_source_labels() -> None:
    wrong = recipe(Detection("objects", ("car",)), camvid=Given(name="detection", boxes=True, ids=(0,), names=("car",)))
    with pytest.raises(SpecError, match="no source labels task 'objects'; camvid offers detection; map one with"):
        first_look(wrong)
    assert not first_look(replace(wrong, teachers=(Teacher("runs/x"),))).ledger.count(Omission.TASK_NOT_LEARNED)


def test_depth_in_millimeters() -> None:
    wrong = recipe(DEPTH, rooms=Given(depth_m=21400.0))
    with pytest.raises(DataError, match=r"no label of 'depth' lies in 0.1..80 m; median is 21,400; convert the labels"):
        first_look(wrong)
    with pytest.raises(DataError, match="all labels of 'depth' are unknown everywhere"):
        first_look(recipe(DEPTH, rooms=Given(unknown=True)))


def test_data_check_finds_what_training_refuses(tmp_path: Path) -> None:
    *_, last = check_recipe(recipe(DEPTH, rooms=Given(depth_m=21400.0)), tmp_path)
    assert "no label of 'depth' lies in 0.1..80 m; median is 21,400" in last.errors[0]
    *_, last = check_recipe(recipe(Semantic("seg", ("a", "b")), rooms=Given(name="map", names=("a", "b"))), tmp_path)
    assert last.errors[0].startswith("no source labels task 'seg'; rooms offers map")
    *_, first, last = check_recipe(replace(recipe(DEPTH, rooms=Given()), validation=()), tmp_path)
    assert (first.report and first.report.broken, last.errors) == ((), ())
    assert last.notes.sentences() == ["recipe 'toy' is not scored: it has no validation sources"]
    negative = list(check_recipe(recipe(DEPTH, rooms=Given(depth_m=-3.0)), tmp_path))
    report = next(progress.report for progress in negative if progress.report)
    assert len(report.broken) == 6
    assert "rooms:0.png: 'depth' got negative distances" in report.broken[0].message


def test_a_class_of_a_map_that_nobody_mapped() -> None:
    edges = Semantic("edges", ("surface", "edge"))
    source = Source("scenes", Given(name="edges", names=("none", "edge")), SIZE)
    with pytest.raises(
        SpecError, match=r"scenes' has classes none, which task 'edges' \(surface, edge\) does not have"
    ):
        Reader(source, [edges])
    for goal in ("surface", None):
        reader = Reader(replace(source, classes={"edges": {"none": goal}}), [edges])
        assert reader.class_of("edges")["none"] == (goal or "unknown")


def test_boxes_that_are_mapped_to_nothing_are_background() -> None:
    source = Source("kitti", Given(name="cars", boxes=True, ids=(0, 1), names=("car", "tram")), SIZE)
    reader = Reader(replace(source, classes={"cars": {"tram": None}}), [Detection("cars", ("car",))])
    assert reader.class_of("cars") == {"car": "car", "tram": "background"}


def test_boxes_of_other_classes_are_counted_and_said() -> None:
    source = Source("kitti", Given(name="cars", boxes=True, ids=(0, 1, 1), names=("car", "tram")), SIZE)
    reader = Reader(source, [Detection("cars", ("car",))])
    assert reader[0].ledger.sentences() == [
        "kitti, cars: 2 labels ignored, objects of classes that the task does not have; their boxes are neither object "
        "nor background (tram, ...)"
    ]
    lines = class_lines("kitti", {"cars": reader.class_of("cars")})
    assert lines == ["classes of kitti, cars: tram -> unknown; 1 of equal name"]


def test_a_class_that_no_source_labels_is_said() -> None:
    two = recipe(Detection("cars", ("car", "bus")), kitti=Given(name="cars", boxes=True, ids=(0,), names=("car",)))
    assert "task cars: 1 class never seen, labeled by no source (bus)" in first_look(two).lines()


@pytest.mark.parametrize("error", [ZeroDivisionError, KeyError, DataError, RuntimeError])
def test_whatever_a_data_set_raises_names_source_and_item(error: type[Exception]) -> None:
    broken = Source("rooms", Given(broken=(3,), error=error), SIZE)
    with pytest.raises(DataError, match=r"rooms, item 3: .*it broke"):
        Reader(broken, [DEPTH])[3]


def test_what_is_no_sample() -> None:
    @dataclass(frozen=True)
    class Wrong(Given):
        def __getitem__(self, index: int) -> Sample:
            return 7  # type: ignore[return-value]

    with pytest.raises(DataError, match="rooms, item 0: Wrong gave a int, expected a Sample"):
        Reader(Source("rooms", Wrong(), SIZE), [DEPTH])[0]


def test_broken_items_are_skipped_and_counted_the_same_in_every_process() -> None:
    with pytest.raises(SpecError, match="got on_error='skipp', expected 'refuse' or 'skip'"):
        Source("rooms", Given(), SIZE, on_error="skipp")  # type: ignore[arg-type]
    whole = replace(recipe(DEPTH, rooms=Given(count=8, broken=(2, 5))), steps=4, batch=4)
    refused = Mixture(whole)
    with pytest.raises(DataError, match=r"item .: Given raised ZeroDivisionError"):
        list(load(refused))
    skipping = replace(whole, data=(replace(whole.data[0], on_error="skip"),))
    one = Mixture(skipping)
    keys = [[key for batch in batches for key in batch.key] for batches in load(one)]
    assert not {"2.png", "5.png"} & set(chain(*keys))
    assert set(chain(*keys[:2])) == {f"{i}.png" for i in (0, 1, 3, 4, 6, 7)}
    assert one.observed.ledger.count(Omission.IMAGE_LEFT_OUT) == 2, "each is counted once, not in every epoch"
    halves = [Mixture(skipping, rank, 2) for rank in range(2)]
    parts = [[[key for batch in batches for key in batch.key] for batches in load(half)] for half in halves]
    assert [a + b for a, b in zip(*parts, strict=True)] == keys
    assert halves[0].observed + halves[1].observed == one.observed
    resumed = [[key for batch in batches for key in batch.key] for batches in load(Mixture(skipping), 2)]
    assert resumed == keys[2:]


def test_a_source_of_broken_items_alone() -> None:
    nothing = recipe(DEPTH, rooms=Given(count=3, broken=(0, 1, 2)))
    skipping = Mixture(replace(nothing, data=(replace(nothing.data[0], on_error="skip"),)))
    with pytest.raises(DataError, match="source 'rooms' has no item that can be used"):
        list(load(skipping))


@pytest.mark.parametrize("workers", [0, 2])
def test_classes_are_counted_over_worker_processes(workers: int) -> None:
    seg = Semantic("seg", ("road", "car", "person"))
    counted = replace(
        recipe(seg, street=Given(name="seg", names=("road", "car", "person"))), workers=workers, steps=3, batch=2
    )
    mixture = Mixture(counted)
    list(load(mixture))
    pixels = SIZE[0] * SIZE[1]
    assert mixture.observed.classes == {"seg": (3 * pixels, 3 * pixels, 0)}
    assert mixture.observed.omissions([seg], 3).sentences() == [
        "task seg learns nothing: no counted element in 3 steps",
        "task seg: 1 class never seen, in no label of 3 steps (person)",
    ]
    assert Observed.from_json(mixture.observed.to_json()) == mixture.observed
    assert Observed() + mixture.observed == mixture.observed


def test_spread() -> None:
    assert spread(0, 4) == spread(4, 0) == []
    assert spread(9, 3) == [0, 4, 8]
    assert spread(2, 500) == [0, 1]


def test_recipes_that_are_sound_pass() -> None:
    sound = toy_recipe((Source("noise", Noise(), SIZE),))
    assert not first_look(sound).lines()


def test_validation_images_that_are_trained_on_are_said(tmp_path: Path) -> None:
    rooms = Given(count=6)
    base = recipe(DEPTH, rooms=Subset(rooms, "0-3"))
    leaking = replace(base, validation=(Source("held-out", Subset(rooms, "2-5"), SIZE),))
    line = "validation held-out: 2 validation images, which are training images, too, so that scores are too good"
    assert line in first_look(leaking).lines()
    *_, last = check_recipe(leaking, tmp_path)
    assert line in last.notes.sentences()
    apart = replace(base, validation=(Source("held-out", Subset(rooms, "4-5"), SIZE),))
    assert not first_look(apart).ledger.count(Omission.IMAGE_LEAKED)


def test_generated_images_are_the_same_whatever_is_labeled_in_them() -> None:
    scenes = Scenes(count=5, seed=1, labels=("depth",))
    assert scenes.identities() == Scenes(count=5, seed=1, labels=("semantic",)).identities()
    assert not set(scenes.identities()) & set(replace(scenes, seed=2).identities())
    assert SceneSigns(count=3).identities() == SceneSigns(count=9).identities()[:3]
    assert set(scenes.identities()).isdisjoint(SceneSigns(count=3).identities())
