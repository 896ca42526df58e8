"""A pack holds what its data set gives: a run on it is the run without it, and whatever does not fit is refused."""

import json
import random
import tarfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from commands import hydranet, refused
from dataset_folders import depth_maps, kitti_object, masks
from fakes import FAKES, picture
from full_disk import no_file_beyond
from hydranet.annotations import UNKNOWN_ID, Boxes, ClassMap, ScalarMap
from hydranet.checkpoint.checkpoint import load_model
from hydranet.config.recipe import Recipe
from hydranet.config.source import Source
from hydranet.core.ledger import Omission
from hydranet.core.sample import Camera, DataError, Sample
from hydranet.core.spec import SpecError
from hydranet.data.mixture import Mixture
from hydranet.data.overlap import leaks
from hydranet.data.pack import check_budget, estimate, fitted, is_done, jobs, pack
from hydranet.data.packed_recipe import packed
from hydranet.datasets.masks import Masks
from hydranet.datasets.packed import Packed
from hydranet.datasets.scenes.dataset import Scenes
from hydranet.evaluation.report import described
from hydranet.io.atomic import CheckpointError
from hydranet.io.byte_size import byte_size
from hydranet.io.image_codec import CODECS, squeezed
from hydranet.io.sample_record import from_files, same, to_files
from hydranet.tasks.depth.task import Depth
from hydranet.tasks.detection.task import Detection
from hydranet.tasks.semantic.task import Semantic
from hydranet.training.train import train
from hydranet.transforms.augment import Augment
from mutations import SEED, TIMES, damaged, mutated, result_or_sentence
from toys import Noise, toy_recipe

SHARD = 30_000


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HYDRANET_CACHE", str(tmp_path / "cache"))


def make(recipe: Recipe, out: Path, images: str = "zstd", whole: bool = False) -> Recipe:
    """The recipe on a pack of all its sources."""
    for job in jobs(recipe, out, images, whole):
        for _ in pack(job, SHARD):
            pass
    return packed(recipe, out)


def equal(one: Sample, other: Sample) -> bool:
    return (
        np.array_equal(one.image, other.image)
        and one.key == other.key
        and one.labels.keys() == other.labels.keys()
        and all(same(label, other.labels[name]) for name, label in one.labels.items())
        and (one.camera is None) == (other.camera is None)
        and (one.camera is None or np.array_equal(one.camera.matrix, other.camera.matrix))  # type: ignore[union-attr]
        and one.ledger == other.ledger
    )


# --- one sample -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("codec", [name for name, one in CODECS.items() if one.lossless])
@pytest.mark.parametrize("kind", FAKES, ids=lambda kind: kind.__name__)
def test_every_kind_comes_back_bit_for_bit(kind: type, codec: str) -> None:
    rng = np.random.default_rng(1)
    camera = Camera(np.array([[700.1, 0, 31.3], [0, 699.9, 23.7], [0, 0, 1]]), height_m=1.65, pitch_rad=None)
    sample = Sample(picture(rng, 48, 64), {"it": FAKES[kind](rng, 48, 64)}, camera, key="clip/ä b.png")
    sample = sample.but(ledger=sample.ledger.noted(Omission.LABEL_IGNORED, "here", "it is too thin", "row 3"))
    again = from_files(to_files(sample, CODECS[codec]), CODECS[codec])
    assert equal(sample, again)
    assert again.camera is not None
    assert again.camera.height_m == 1.65


def test_a_lossy_image_is_close_and_its_labels_are_exact() -> None:
    smooth = cv2.GaussianBlur(picture(np.random.default_rng(0), 48, 64), (0, 0), 3)
    sample = Sample(smooth, {"it": ClassMap(np.eye(48, 64, dtype=np.uint8))})
    again = from_files(to_files(sample, CODECS["jpeg"]), CODECS["jpeg"])
    off = np.abs(again.image.astype(int) - smooth)
    assert 0 < off.mean() < 3
    assert same(sample.labels["it"], again.labels["it"])


@pytest.mark.parametrize("suffix", ["rgb.zst", "labels.safetensors.zst", "json"])
def test_damaged_files_of_a_sample_are_a_sentence(suffix: str) -> None:
    rng = np.random.default_rng(0)
    sample = Sample(picture(rng, 16, 24), {"it": FAKES[ClassMap](rng, 16, 24)})
    files = to_files(sample, CODECS["zstd"])
    for broken in (b"", files[suffix][:-7], b"{}" + files[suffix][2:]):
        with pytest.raises(DataError):
            from_files({**files, suffix: broken}, CODECS["zstd"])


def test_sizes_as_people_write_them() -> None:
    assert [byte_size(text) for text in ("60MB", "1.5 gb", "700", "3kB")] == [60_000_000, 1_500_000_000, 700, 3000]
    for text in ("", "MB", "-3MB", "12XB", "0MB", "1e9"):
        with pytest.raises(SpecError, match="expected a number and a unit"):
            byte_size(text)


# --- a run on a pack ------------------------------------------------------------------------------------------------


def toy() -> Recipe:
    return replace(toy_recipe(augment=Augment(), dropout=0.3), evaluate_every=3)


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_model(folder)[0].state_dict()


def test_training_on_a_whole_pack_gives_the_same_weights_bit_by_bit(tmp_path: Path) -> None:
    for name, recipe in (("plain", toy()), ("packed", make(toy(), tmp_path / "pack", whole=True))):
        for _ in train(recipe, tmp_path / name):
            pass
    plain, other = weights(tmp_path / "plain"), weights(tmp_path / "packed")
    assert plain.keys() == other.keys()
    assert all(torch.equal(value, other[name]) for name, value in plain.items())


def test_a_run_on_a_pack_resumes_exactly(tmp_path: Path) -> None:
    recipe = make(toy(), tmp_path / "pack")
    for _ in train(recipe, tmp_path / "whole"):
        pass
    for progress in train(recipe, tmp_path / "stopped"):
        if progress.step == 3:
            progress.run.save(tmp_path / "stopped")
            break
    for _ in train(recipe, tmp_path / "stopped", resume=True):
        pass
    whole, stopped = weights(tmp_path / "whole"), weights(tmp_path / "stopped")
    assert all(torch.equal(value, stopped[name]) for name, value in whole.items())


def test_processes_that_share_a_step_get_what_one_would(tmp_path: Path) -> None:
    recipe = make(toy(), tmp_path / "pack")
    alone, parts = Mixture(recipe), [Mixture(recipe, rank, 2) for rank in range(2)]
    for step in (4, 0):
        shares = [batch for part in parts for batch in part[step]]  # type: ignore[union-attr]
        assert torch.equal(alone[step][0].image, torch.cat([batch.image for batch in shares]))  # type: ignore[index]


ROAD = ("road", "car", "sky")


def folders(tmp_path: Path, size: tuple[int, int] = (16, 24), augment: Augment | None = None) -> Recipe:
    """Masks of 24 x 32, boxes with cameras, and depth in files."""
    kitti = kitti_object(tmp_path / "kitti")
    tasks = (
        Semantic("semantic", ROAD),
        Detection("detection", ("Car", "Pedestrian")),
        Depth("depth", max_m=80.0),
    )
    sources = (
        Source("masks", masks(tmp_path / "masks"), size),
        Source("kitti", kitti, size),
        Source("far", depth_maps(tmp_path / "far"), size),
    )
    recipe = toy_recipe(sources, augment=augment or Augment())
    return replace(recipe, name="roads", tasks=tasks, validation=(Source("masks", masks(tmp_path / "held"), size),))


def test_a_whole_pack_of_files_gives_equal_samples_in_the_same_order(tmp_path: Path) -> None:
    plain = folders(tmp_path)
    made = make(plain, tmp_path / "pack", whole=True)
    for one, other in zip((*plain.data, *plain.validation), (*made.data, *made.validation), strict=True):
        assert len(other.dataset) == len(one.dataset) > 0
        assert list(other.dataset.keys()) == list(one.dataset.keys())
        assert other.dataset.classes == one.dataset.classes
        assert other.dataset.ledger() == one.dataset.ledger()
        assert described(other.dataset) == described(one.dataset)  # scores stay comparable
        read = {name for task in plain.tasks if (name := one.labels.get(task.name, task.name))}
        for index in range(len(one.dataset)):
            sample = one.dataset[index]
            kept = sample.but(labels={name: label for name, label in sample.labels.items() if name in read})
            assert equal(kept, other.dataset[index])


def test_shards_are_tar_files_in_the_convention_of_webdataset(tmp_path: Path) -> None:
    recipe = make(folders(tmp_path), tmp_path / "pack", images="png")
    place = Path(recipe.data[0].dataset.root)  # type: ignore[attr-defined]
    with tarfile.open(place / "000000.tar") as archive:
        names = archive.getnames()
        about = json.loads(archive.extractfile("000000001.json").read())  # type: ignore[union-attr]
        stored = np.frombuffer(archive.extractfile("000000001.png").read(), np.uint8)  # type: ignore[union-attr]
    assert names[:3] == ["000000000.png", "000000000.labels.safetensors.zst", "000000000.json"]
    sample = recipe.data[0].dataset[1]
    assert about["key"] == sample.key
    assert np.array_equal(cv2.imdecode(stored, cv2.IMREAD_COLOR)[..., ::-1], sample.image)


def test_a_size_for_a_shard_is_kept(tmp_path: Path) -> None:
    recipe = replace(toy_recipe((Source("noise", Noise(count=30), (32, 64)),)), validation=())
    make(recipe, tmp_path / "pack")
    shards = sorted((tmp_path / "pack/data/noise").glob("*.tar"))
    assert len(shards) > 5
    assert all(path.stat().st_size <= SHARD + 1024 for path in shards)


# --- fitting --------------------------------------------------------------------------------------------------------


def test_images_are_shrunk_to_what_the_largest_view_shows_and_no_further() -> None:
    sample = Sample(np.zeros((100, 400, 3), np.uint8), {"it": Boxes(np.array([[40.0, 10, 80, 30]]), np.array([0]))})
    stored = fitted(sample, (30, 60))  # 30 rows need 120 columns of this shape; 60 columns would need 15 rows only
    assert stored.size == (30, 120)
    assert stored.labels["it"].xyxy == pytest.approx(np.array([[12, 3, 24, 9]]))
    assert fitted(sample, (100, 10)) is sample
    assert fitted(sample, None) is sample


def test_views_of_a_fitted_scene_show_the_same_as_those_of_the_whole(tmp_path: Path) -> None:
    """The same random views, within what one resampling more costs at the borders of things."""
    source = Source("scenes", Scenes(count=4, size=(192, 320)), (48, 80))
    tasks = (Semantic("semantic", Scenes(count=1).classes["semantic"]), Depth("depth", max_m=80.0))
    recipe = replace(
        toy_recipe((source,), steps=6, batch=4, augment=Augment(brightness=0, contrast=0, noise=0, blur=0)),
        tasks=tasks,
        validation=(),
    )
    made = make(recipe, tmp_path / "pack")
    assert made.data[0].dataset.index.shrunk == 4  # type: ignore[attr-defined]
    assert made.data[0].dataset[0].size == (72, 120)
    plain, small = Mixture(recipe), Mixture(made)
    agree, off, gray = [], [], []
    for slot in range(24):
        one, other = plain.sample(slot), small.sample(slot)
        ids, others = one.labels["semantic"].ids, other.labels["semantic"].ids
        agree.append((ids == others).mean())
        far, farther = one.labels["depth"].values, other.labels["depth"].values
        off.append(np.nanmedian(np.abs(far - farther) / far))
        gray.append(np.abs(one.image.astype(int) - other.image).mean())
    assert np.mean(agree) > 0.95
    assert np.mean(off) < 0.02
    assert np.mean(gray) < 5


def test_the_camera_that_a_source_names_is_in_the_pack(tmp_path: Path) -> None:
    source = Source("far", depth_maps(tmp_path / "far"), (8, 12), focal_px=100.0)
    recipe = replace(toy_recipe((source,), augment=Augment(scale=(1.0, 1.0))), tasks=(Depth("depth"),), validation=())
    made = make(recipe, tmp_path / "pack").data[0]
    sample = made.dataset[0]
    assert sample.size == (9, 12)
    assert sample.camera is not None
    assert sample.camera.focal_px == pytest.approx(100.0 * 12 / 32)
    assert made.focal_px is None


# --- what does not fit ----------------------------------------------------------------------------------------------


def test_a_recipe_that_needs_more_than_the_pack_holds_is_refused(tmp_path: Path) -> None:
    recipe = folders(tmp_path, (8, 12))
    made = make(recipe, tmp_path / "pack")
    Mixture(replace(made, augment=Augment(scale=(0.5, 1.2))))  # less is fine
    with pytest.raises(SpecError, match=r"holds images for views of 18x12 pixels; this recipe takes 24x16"):
        Mixture(replace(made, augment=Augment(scale=(0.5, 2.0))))
    larger = replace(made, data=tuple(replace(source, size=(16, 24)) for source in made.data))
    with pytest.raises(SpecError, match="pack again"):
        Mixture(larger)
    with pytest.raises(SpecError, match="no pack of source 'more'"):
        packed(replace(recipe, data=(*recipe.data, replace(recipe.data[0], name="more"))), tmp_path / "pack")
    other = replace(recipe.data[0], dataset=replace(recipe.data[0].dataset, names=("road", "car", "water")))
    with pytest.raises(SpecError, match=r"made with other options \(names: \['road', 'car', 'sky'\] -> "):
        packed(replace(recipe, data=(other, *recipe.data[1:])), tmp_path / "pack")
    with pytest.raises(SpecError, match="is a pack already"):
        jobs(made, tmp_path / "again")


def test_a_label_that_was_not_packed_is_missed_at_once(tmp_path: Path) -> None:
    recipe = folders(tmp_path)
    made = make(replace(recipe, tasks=recipe.tasks[:2]), tmp_path / "pack")
    assert made.data[1].dataset.index.left_out == ("depth",)  # type: ignore[attr-defined]
    with pytest.raises(SpecError, match="made without labels depth; pack again"):
        packed(recipe, tmp_path / "pack")


def test_a_stale_pack_is_refused_and_packed_anew(tmp_path: Path) -> None:
    recipe = folders(tmp_path)
    made = make(recipe, tmp_path / "pack")
    changed = next((tmp_path / "masks/masks").rglob("b.png"))
    ids = cv2.imread(str(changed), cv2.IMREAD_UNCHANGED)
    cv2.imwrite(str(changed), np.where(ids == UNKNOWN_ID, UNKNOWN_ID, (ids + 1) % 3).astype(np.uint8))
    with pytest.raises(DataError, match=r"pack .* is stale: files of its data set, or the code that reads them, have"):
        len(replace(made.data[0].dataset))  # type: ignore[type-var]
    assert [is_done(job) for job in jobs(recipe, tmp_path / "pack")] == [False, True, True, True]
    again = make(recipe, tmp_path / "pack").data[0].dataset
    index = [Path(key).stem for key in again.keys()].index("b")  # noqa: SIM118
    assert same(again[index].labels["semantic"], recipe.data[0].dataset[index].labels["semantic"])


def test_without_the_files_a_pack_is_taken_as_it_is_and_says_so(tmp_path: Path) -> None:
    recipe = folders(tmp_path)
    made = make(recipe, tmp_path / "pack", whole=True)
    kept = [made.data[0].dataset[i] for i in range(3)]
    (tmp_path / "masks").rename(tmp_path / "gone")
    alone = Recipe.from_json(made.to_json()).data[0].dataset  # another process has no cached lists of files
    assert all(equal(alone[i], kept[i]) for i in range(3))
    assert alone.classes == {"semantic": ROAD}
    assert alone.ledger().count(Omission.CACHE_MISS) == 1
    assert "the files it was made of are not here" in alone.ledger().sentences()[0]


def test_training_images_are_recognized_in_the_validation_through_packs(tmp_path: Path) -> None:
    """A shrunk copy is no other image: packs keep the fingerprints of what was packed."""
    recipe = folders(tmp_path, (8, 12))
    leaky = replace(recipe, validation=(replace(recipe.data[0], name="held"),))
    made = make(leaky, tmp_path / "pack")
    assert made.data[0].dataset.index.shrunk == 3  # type: ignore[attr-defined]
    assert leaks(made).count(Omission.IMAGE_LEAKED) == leaks(leaky).count(Omission.IMAGE_LEAKED) == 3


@pytest.mark.parametrize("place", [0, 700, -1])
def test_damage_is_noticed(tmp_path: Path, place: int) -> None:
    made = make(folders(tmp_path), tmp_path / "pack")
    path = Path(made.data[0].dataset.root) / "000000.tar"  # type: ignore[attr-defined]
    data = bytearray(path.read_bytes())
    data[place if place >= 0 else len(data) - 1024 - 512 * 3] ^= 1
    path.write_bytes(data)
    with pytest.raises(DataError, match=r"pack .*, item \d: .*000000.tar is damaged or cut off at byte"):
        [made.data[0].dataset[i] for i in range(3)]


def test_a_missing_shard_and_broken_indexes_are_sentences(tmp_path: Path) -> None:
    made = make(folders(tmp_path), tmp_path / "pack")
    place = Path(made.data[0].dataset.root)  # type: ignore[attr-defined]
    (place / "000000.tar").rename(place / "moved")
    with pytest.raises(DataError, match=r"cannot read .*000000.tar: No such file"):
        made.data[0].dataset[0]
    whole = {name: (place / name).read_text() for name in ("index.json", "samples.jsonl")}
    for name, text in (
        ("samples.jsonl", whole["samples.jsonl"][:-20]),
        ("samples.jsonl", whole["samples.jsonl"].replace('"at": 0', '"at": -5')),
        ("samples.jsonl", whole["samples.jsonl"].partition("\n")[2]),
        ("index.json", "[]"),
        ("index.json", whole["index.json"].replace('"format": 1', '"format": 2')),
        ("index.json", whole["index.json"].replace('"zstd"', '"gif"')),
    ):
        (place / name).write_text(text)
        with pytest.raises(DataError, match=r"pack again|update hydranet"):
            len(Packed(str(place), made.data[0].dataset.dataset))  # type: ignore[attr-defined]
        (place / name).write_text(whole[name])
    with pytest.raises(DataError, match="no data folder 'nowhere'"):
        len(Packed("nowhere", made.data[0].dataset))


def test_items_that_a_source_skips_are_skipped_in_the_pack(tmp_path: Path) -> None:
    recipe = folders(tmp_path)
    (tmp_path / "masks/images/deep/er/b.jpg").write_bytes(b"no image")
    with pytest.raises(DataError, match=r"masks, item \d: "):
        make(recipe, tmp_path / "refused")
    skipping = replace(recipe, data=(replace(recipe.data[0], on_error="skip"), *recipe.data[1:]))
    made = make(skipping, tmp_path / "pack", whole=True)
    assert made.data[0].dataset.index.broken == 1  # type: ignore[attr-defined]
    plain, other = Mixture(skipping), Mixture(made)
    for step in range(3):
        for one, two in zip(plain[step], other[step], strict=True):  # type: ignore[arg-type]
            assert one.key == two.key
            assert torch.equal(one.image, two.image)
    assert plain.step(0).observed.ledger.sentences() == other.step(0).observed.ledger.sentences()  # type: ignore[union-attr]


def test_damaged_packs_end_as_a_sample_or_a_sentence(tmp_path: Path) -> None:
    rng, dice = random.Random(SEED), np.random.default_rng(0)
    kinds = (ClassMap, Boxes, ScalarMap)
    sample = Sample(picture(dice, 16, 24), {kind.__name__: FAKES[kind](dice, 16, 24) for kind in kinds})
    files = to_files(sample, CODECS["zstd"])
    for _ in range(150 * TIMES):
        suffix = rng.choice(list(files))
        mutated_files = {**files, suffix: damaged(files[suffix], rng)}
        result_or_sentence(lambda given=mutated_files: from_files(given, CODECS["zstd"]), mutated_files)
    about = json.loads(files["json"])
    for _ in range(150 * TIMES):
        given = {**files, "json": json.dumps(mutated(about, rng)).encode()}
        result_or_sentence(lambda given=given: from_files(given, CODECS["zstd"]), given["json"])
    made = make(folders(tmp_path), tmp_path / "pack").data[0].dataset
    assert isinstance(made, Packed)
    place, inner = Path(made.root), made.dataset
    index, lines = (place / "index.json").read_text(), (place / "samples.jsonl").read_text()
    for _ in range(100 * TIMES):
        (place / "index.json").write_text(json.dumps(mutated(json.loads(index), rng)))
        result_or_sentence(lambda: [Packed(str(place), inner)[i] for i in range(3)], "index")
    (place / "index.json").write_text(index)
    for _ in range(100 * TIMES):
        trees = [mutated(json.loads(line), rng) for line in lines.splitlines()]
        (place / "samples.jsonl").write_text("".join(f"{json.dumps(tree)}\n" for tree in trees))
        result_or_sentence(lambda: [Packed(str(place), inner)[i] for i in range(3)], trees)


def test_a_small_file_that_unpacks_to_much_is_refused() -> None:
    sample = Sample(np.zeros((16, 24, 3), np.uint8), {"it": ClassMap(np.zeros((16, 24), np.uint8))})
    files = to_files(sample, CODECS["zstd"])
    bomb = {**files, "rgb.zst": squeezed(bytes(10**8))}
    with pytest.raises(DataError, match="its bytes would become 100000000, expected at most 1152"):
        from_files(bomb, CODECS["zstd"])
    huge = {**files, "json": files["json"].replace(b'"size": [16, 24]', b'"size": [100000, 100000]')}
    with pytest.raises(DataError, match="an image of 100000x100000 pixels, expected 1 to"):
        from_files(huge, CODECS["zstd"])


# --- stopped, and in a budget ---------------------------------------------------------------------------------------


class Stop(Exception):
    """Ends a packing in its middle."""


def stopped(work: Iterator[object], after: int) -> None:
    """Takes a few steps of a packing, and ends it as Ctrl-C does."""
    for _ in range(after):
        next(work)
    with pytest.raises(Stop):
        work.throw(Stop)  # type: ignore[attr-defined]


@pytest.mark.parametrize("harm", ["none", "cut shard", "cut line", "no index"])
def test_an_interrupted_packing_goes_on_to_the_same_bytes(tmp_path: Path, harm: str) -> None:
    recipe = replace(toy_recipe((Source("noise", Noise(count=12), (32, 64)),)), validation=())
    make(recipe, tmp_path / "whole")
    job = jobs(recipe, tmp_path / "stopped")[0]
    work = pack(job, SHARD)
    stopped(work, 7)
    with pytest.raises(DataError, match="is not whole: packing was stopped; the same command goes on there"):
        len(Packed(str(job.folder), job.source.dataset))
    shards = sorted(job.folder.glob("*.tar"))
    if harm == "cut shard":
        shards[-1].write_bytes(shards[-1].read_bytes()[:-3000])
    if harm == "cut line":
        lines = job.folder / "samples.jsonl"
        lines.write_bytes(lines.read_bytes()[:-9])
    if harm == "no index":
        (job.folder / "index.json").unlink()
    counts = [step.done for step in pack(job, SHARD)]
    assert counts[0] == {"none": 8, "no index": 1}.get(harm, 7)
    assert counts[-1] == 12
    for path in (tmp_path / "whole/data/noise").iterdir():
        assert path.read_bytes() == (job.folder / path.name).read_bytes(), path.name


def test_a_full_disk_is_a_sentence_and_packing_goes_on(tmp_path: Path) -> None:
    recipe = replace(toy_recipe((Source("noise", Noise(count=12), (32, 64)),)), validation=())
    make(recipe, tmp_path / "whole")
    job = jobs(recipe, tmp_path / "full")[0]
    with (
        no_file_beyond(20_000),
        pytest.raises(CheckpointError, match=r"cannot write into .*full/data/noise: .*same command"),
    ):
        list(pack(job, SHARD))
    steps = [step.done for step in pack(job, SHARD)]
    assert 1 < steps[0] < 12
    for path in (tmp_path / "whole/data/noise").iterdir():
        assert path.read_bytes() == (job.folder / path.name).read_bytes(), path.name


def test_a_budget_is_kept_and_names_the_sizes_of_other_ways(tmp_path: Path) -> None:
    recipe = folders(tmp_path)
    todo = jobs(recipe, tmp_path / "pack")
    made = make(recipe, tmp_path / "pack")
    sizes = [source.dataset.index.bytes for source in (*made.data, *made.validation)]  # type: ignore[attr-defined]
    assert [estimate(job) for job in todo] == sizes  # so few that all are looked at
    check_budget(todo, sum(sizes))
    with pytest.raises(SpecError, match=r"would have about 0.1 MB, expected at most 0.1 MB; raise --most, choose"):
        check_budget(todo, sum(sizes) - 1)
    with pytest.raises(SpecError, match=r"data/far has .* after 2 of 3 samples, expected at most"):
        for _ in pack(jobs(recipe, tmp_path / "small")[2], SHARD, room=sizes[2] * 2 // 3 - 1):
            pass


def test_files_that_change_meanwhile_are_noticed(tmp_path: Path) -> None:
    recipe = folders(tmp_path)
    job = jobs(recipe, tmp_path / "masks/pack")[0]  # a pack among the files that it is made of
    with pytest.raises(DataError, match=r"'masks' changed while they were packed.*folder for the pack outside"):
        for _ in pack(job, SHARD):
            pass


def test_the_command_packs_states_the_size_and_trains(
    recipes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    ended = hydranet("data", "pack", f"{recipes}:toy", "--out", "pack", "--workers", 0)
    assert ended.code == 0, ended.err
    assert "data/noise: 12 samples, 0.2 MB" in ended.out
    assert f"total: 0.2 MB in pack; train with: hydranet train {recipes}:toy --packed pack" in ended.out
    again = hydranet("data", "pack", f"{recipes}:toy", "--out", "pack")
    assert again.out.count("is packed already") == 2
    trained = hydranet("train", f"{recipes}:toy", "--packed", "pack", "--out", "run")
    assert trained.code == 0, trained.err
    plain = hydranet("train", f"{recipes}:toy", "--out", "plain")
    assert plain.code == 0, plain.err
    one, other = weights(tmp_path / "run"), weights(tmp_path / "plain")
    assert all(torch.equal(value, other[name]) for name, value in one.items())
    refused(
        hydranet("data", "pack", f"{recipes}:toy", "--out", "new", "--most", "1KB"), "raise --most, choose --images"
    )
    refused(hydranet("data", "pack", f"{recipes}:toy", "--images", "gif"), "got images stored as 'gif', expected zstd")
    refused(
        hydranet("train", f"{recipes}:toy", "--packed", "nowhere"), "no pack of source 'noise' at nowhere/data/noise"
    )


def test_a_pack_is_named_in_a_recipe_like_any_data_set(tmp_path: Path) -> None:
    made = make(folders(tmp_path), tmp_path / "pack")
    again = Recipe.from_json(made.to_json())
    assert isinstance(again.data[0].dataset, Packed)
    assert isinstance(again.data[0].dataset.dataset, Masks)
    one, other = made.data[0].dataset, again.data[0].dataset
    assert all(equal(one[i], other[i]) for i in range(len(one)))


def test_worker_processes_pack_the_same(tmp_path: Path) -> None:
    recipe = replace(toy_recipe((Source("noise", Noise(count=9), (32, 64)),)), validation=())
    make(recipe, tmp_path / "alone")
    for _ in pack(jobs(recipe, tmp_path / "two")[0], SHARD, workers=2):
        pass
    names = sorted(path.name for path in (tmp_path / "alone/data/noise").iterdir())
    assert names == sorted(path.name for path in (tmp_path / "two/data/noise").iterdir())
    for name in names:
        assert (tmp_path / "alone/data/noise" / name).read_bytes() == (tmp_path / "two/data/noise" / name).read_bytes()
