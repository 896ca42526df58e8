"""hydranet init: from folders to a recipe that trains, or to the option that must be given."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from commands import hydranet, refused
from foreign_layouts import COLORS, STREET, coco_boxes, depth_in_mm, palette_masks, scene, write
from hydranet.annotations import ClassMap, given
from hydranet.checkpoint import resolve
from hydranet.config.recipe import Recipe
from hydranet.core.ledger import Omission
from hydranet.core.spec import Part
from hydranet.data.draft import LADDER, USUAL, input_size, macs, untrained
from hydranet.data.pairing import pairing
from hydranet.data.recognize import Answers, Recognized, recognize
from hydranet.datasets.coco import Coco
from hydranet.datasets.depth_maps import DepthMaps
from hydranet.datasets.masks import Masks
from hydranet.datasets.split import Split
from hydranet.datasets.table import Table
from hydranet.datasets.together import Together
from hydranet.datasets.voc import Voc
from hydranet.datasets.yolo import Yolo
from hydranet.io.class_names import read_class_names
from hydranet.models import profile
from hydranet.models.decoders.lw_refinenet import LightWeightRefineNet
from hydranet.models.hydranet import HydraNet
from hydranet.models.profile import Cost
from hydranet.models.summary import count


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HYDRANET_CACHE", str(tmp_path / "cache"))


def test_three_layouts_of_other_people_become_one_recipe(tmp_path: Path) -> None:
    folders = palette_masks(tmp_path / "street"), coco_boxes(tmp_path / "cars"), depth_in_mm(tmp_path / "depth")
    out = tmp_path / "first_try.py"
    ended = hydranet("init", *folders, "--unit", "mm", "--out", out, "--steps", "300")
    assert ended.code == 0, ended.err
    recipe = resolve.recipe(str(out))
    assert recipe.name == "first_try"
    assert [(task.name, task.classes) for task in recipe.tasks] == [
        ("semantic", ("road", "car", "sky")),
        ("detection", ("car",)),
        ("depth", ()),
    ]
    assert [source.size for source in recipe.data] == [(96, 160)] * 3
    whole = [source.dataset.dataset for source in recipe.data if isinstance(source.dataset, Split)]
    masks, boxes, depth = whole
    assert isinstance(masks, Masks)
    assert (masks.images, masks.labels, dict(masks.rename)) == ("photos", "gt", {"_photo": "_gt"})
    assert isinstance(boxes, Coco)
    assert isinstance(depth, DepthMaps)
    assert (depth.images, dict(depth.rename), depth.unit) == (".", {"rgb/": "depth/"}, "mm")
    assert len(masks) == len(boxes) == len(depth) == 12
    for trained, held_out in zip(recipe.data, recipe.validation, strict=True):
        assert not set(trained.dataset.keys()) & set(held_out.dataset.keys())
        assert len(trained.dataset) + len(held_out.dataset) == 12
    text = out.read_text()
    assert 20 < len(text.splitlines()) < 90
    assert "# images for training + validation: street" in text
    for suffix in ("yaml", "toml"):
        other = tmp_path / f"again.{suffix}"
        assert hydranet("recipe", "convert", out, other).code == 0
        assert resolve.recipe(str(other)).to_json() == recipe.to_json(), suffix


def test_what_cannot_be_known_names_its_option(tmp_path: Path) -> None:
    depth = depth_in_mm(tmp_path / "depth", 3)
    refused(hydranet("init", depth, "--out", tmp_path / "a.py"), r".*no file says in which unit; give --unit mm, or")
    street = palette_masks(tmp_path / "street", 3)
    (street / "classes.txt").unlink()
    ended = hydranet("init", street, "--out", tmp_path / "a.py")
    refused(ended, r".*holds ids 0, 1, 2, and no file names the classes; give --classes street=name0,name1,name2 in")
    (tmp_path / "b.py").write_text("")
    refused(hydranet("init", street, "--out", tmp_path / "b.py"), r".*is there already; choose another --out")
    refused(hydranet("init", tmp_path / "cars", "--out", tmp_path / "a.py"), "no folder .*cars")


def test_masks_of_0_and_255_and_of_colors(tmp_path: Path) -> None:
    for i in range(3):
        image, ids, _, _ = scene(i)
        write(tmp_path / f"binary/{i}.jpg", image)
        write(tmp_path / f"binary/{i}_mask.png", np.where(ids == 0, 255, 0).astype(np.uint8))
        write(tmp_path / f"colors/images/{i}.jpg", image)
        write(tmp_path / f"colors/labels/{i}.png", np.array([[9, 9, 9], [200, 0, 0], [0, 200, 0]], np.uint8)[ids])
    with pytest.raises(ValueError, match=r"masks of 0 and 255; give --values 0=background,255=lane"):
        recognize(tmp_path / "binary", Answers())
    (one,) = recognize(tmp_path / "binary", Answers(values={"0": "other", "255": "road"}))
    assert isinstance(one.dataset, Masks)
    assert (one.dataset.ending, one.dataset.names) == ("_mask", ("other", "road"))
    assert len(one.dataset) == 3
    with pytest.raises(ValueError, match=r"3 colors.*give --colors #00c800=NAME,#090909=NAME,#c80000=NAME"):
        recognize(tmp_path / "colors", Answers())
    colors = {"#090909": "road", "#c80000": "car", "#00c800": "unknown"}
    (two,) = recognize(tmp_path / "colors", Answers(colors=colors))
    assert two.dataset.classes == {"semantic": ("road", "car")}


def test_yolo_voc_and_tables(tmp_path: Path) -> None:
    for i in range(4):
        image, _, (left, top, right, bottom), _ = scene(i)
        for name in ("yolo/images", "voc/JPEGImages", "table/faces"):
            write(tmp_path / name / f"p{i}.jpg", image)
        (tmp_path / "yolo/labels").mkdir(exist_ok=True)
        (tmp_path / f"yolo/labels/p{i}.txt").write_text(f"{i % 2} 0.5 0.5 0.2 0.25\n")
        (tmp_path / "voc/Annotations").mkdir(exist_ok=True)
        corners = f"<xmin>{left}</xmin><ymin>{top}</ymin><xmax>{right}</xmax><ymax>{bottom}</ymax>"
        (tmp_path / f"voc/Annotations/p{i}.xml").write_text(
            f"<annotation><object><name>van</name><bndbox>{corners}</bndbox></object></annotation>"
        )
    (tmp_path / "yolo/data.yaml").write_text("nc: 2\nnames:\n  0: car\n  1: 'bus'\n")
    (tmp_path / "table/faces.csv").write_text(
        "file,age,mood,sex\n" + "".join(f"p{i}.jpg,{20.5 + i},{'sad' if i % 2 else 'glad'},{i % 2}\n" for i in range(4))
    )
    (yolo,) = recognize(tmp_path / "yolo", Answers())
    assert isinstance(yolo.dataset, Yolo)
    assert yolo.dataset.names == ("car", "bus")
    (voc,) = recognize(tmp_path / "voc", Answers())
    assert isinstance(voc.dataset, Voc)
    assert voc.dataset.names == ("van",)
    with pytest.raises(ValueError, match=r"column 'sex' holds whole numbers 0, 1, .* give --column sex=tag"):
        recognize(tmp_path / "table", Answers())
    (table,) = recognize(tmp_path / "table", Answers(columns={"sex": "tag"}))
    assert isinstance(table.dataset, Table)
    assert sorted(table.dataset.labels) == ["age", "mood", "sex"]
    assert table.dataset.classes == {"mood": ("glad", "sad"), "sex": ("0", "1")}
    assert float(table.dataset[2].labels["age"].value) == 22.5  # type: ignore[attr-defined]


def test_a_column_of_train_and_val_is_the_split_and_no_label(tmp_path: Path) -> None:
    """Depth in millimeters beside a CSV of all frames, of which some have no depth yet."""
    depth_in_mm(tmp_path / "rig", 6)
    images = sorted(path.relative_to(tmp_path / "rig") for path in (tmp_path / "rig").glob("clips/*/rgb/*"))
    assert len(images) == 6
    lines = [f"{path.as_posix()},{'Val' if i in (1, 4) else 'Train' if i else 'test'}" for i, path in enumerate(images)]
    (tmp_path / "rig/frames.csv").write_text("\n".join(["image,subset", *lines, "gone.jpg,train"]) + "\n")
    (one,) = recognize(tmp_path / "rig", Answers(unit="mm"))
    assert set(one.dataset[0].labels) == {"depth"}
    assert "frames.csv splits them by column 'subset': train 3, val 2; 1 other (test) not used" in one.why
    assert one.validation is not None
    assert list(one.validation.keys()) == [images[i].as_posix() for i in (1, 4)]
    assert list(one.dataset.keys()) == [images[i].as_posix() for i in (2, 3, 5)]
    assert one.dataset.ledger().count(Omission.IMAGE_LEFT_OUT) == 1  # gone.jpg
    (whole,) = recognize(tmp_path / "rig", Answers(unit="mm", columns={"subset": "skip"}))
    assert whole.validation is None
    assert len(whole.dataset) == 6


def ids_of(part: Recognized) -> np.ndarray:
    label = part.dataset[0].labels["semantic"]
    assert isinstance(label, ClassMap)
    return label.ids


def test_a_labelmap_of_cvat_names_colors_and_unknown_is_no_class(tmp_path: Path) -> None:
    street = palette_masks(tmp_path / "street", 4)
    (street / "classes.txt").unlink()
    order = (2, 0, 1)  # not the order of ids: colors say it
    lines = [f"{STREET[i]}:{','.join(map(str, COLORS[i]))}::" for i in order]
    (street / "labelmap.txt").write_text("\n".join(["# label:color_rgb:parts:actions", *lines]) + "\n")
    (one,) = recognize(street, Answers())
    assert one.dataset.classes == {"semantic": ("sky", "road", "car")}
    _, ids, _, _ = scene(0)
    np.testing.assert_array_equal(ids_of(one), np.array([1, 2, 0])[ids])
    assert read_class_names(street / "labelmap.txt") == ("sky", "road", "car")
    (named,) = recognize(street, Answers(classes={"": ("road", "unknown", "void")}))
    assert named.dataset.classes == {"semantic": ("road", "void")}
    assert "class 'void' is learned like any other: call it unknown where it means not labeled" in named.why
    np.testing.assert_array_equal(ids_of(named), np.array([0, 255, 1])[ids])


def test_labels_of_the_same_images_become_one_source(tmp_path: Path) -> None:
    for i in range(3):
        image, ids, _, depth = scene(i)
        write(tmp_path / f"rgb/{i}.png", image)
        write(tmp_path / f"seg/{i}.png", ids)
        cv2.imwrite(str(write(tmp_path / f"depth/{i}.png", ids)), (depth * 256).clip(0, 65535).astype(np.uint16))
    answers = Answers(classes={"": ("road", "car", "sky")}, unit="m", scale=1 / 256)
    (whole,) = recognize(tmp_path, answers)
    assert isinstance(whole.dataset, Together)
    assert sorted(whole.dataset[0].labels) == ["depth", "semantic"]


@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_folders_of_clips_become_one_source(tmp_path: Path, suffix: str) -> None:
    for i in range(6):
        image, ids, _, depth = scene(i)
        clip = tmp_path / f"drive_{i // 2}"
        write(clip / f"rgb/{i}.{suffix}", image)
        write(clip / f"seg/{i}.png", np.minimum(ids, i % 2))  # clips differ in the classes that they hold
        cv2.imwrite(str(write(clip / f"range/{i}.png", ids)), (depth * 256).clip(0, 65535).astype(np.uint16))
    (whole,) = recognize(tmp_path, Answers(classes={"": ("road", "car", "sky")}, unit="m", scale=1 / 256))
    assert isinstance(whole.dataset, Together)
    assert len(whole.dataset) == 6
    assert [sorted(whole.dataset[i].labels) for i in range(6)] == [["depth", "semantic"]] * 6


def test_label_folders_of_one_kind_beside_each_other_stay_apart(tmp_path: Path) -> None:
    for i in range(4):
        image, ids, _, _ = scene(i)
        write(tmp_path / f"images/train/{i}.jpg", image)
        write(tmp_path / f"things/train/{i}.png", ids)
        write(tmp_path / f"lines/train/{i}.png", np.minimum(ids, 1))
    both = recognize(tmp_path, Answers(classes={"": ("road", "car", "sky")}))
    seen = {int(given(one.dataset[3].labels["semantic"])["ids"].max()) for one in both}
    assert [len(one.dataset) for one in both] == [4, 4]
    assert seen == {1, 2}


def test_a_pattern_of_groups_for_one_folder(tmp_path: Path) -> None:
    for i in range(8):
        image, ids, _, _ = scene(i)
        write(tmp_path / f"street/clip{i // 2}/rgb/{i}.jpg", image)
        write(tmp_path / f"street/clip{i // 2}/seg/{i}.png", ids)
    coco_boxes(tmp_path / "cars", 8)
    folders = (tmp_path / "street", tmp_path / "cars", "--classes", "street=road,car,sky", "--out", tmp_path / "r.py")
    reason = "cars: 8 images are in 1 groups .*; --group cars=PATTERN is for this data set alone"
    refused(hydranet("init", *folders, "--group", "{clip}/*"), reason)
    done = hydranet("init", *folders, "--group", "street={clip}/*")
    assert done.code == 0, done.err
    sources = resolve.recipe(str(tmp_path / "r.py")).data
    groups = {source.name: source.dataset.group for source in sources if isinstance(source.dataset, Split)}
    assert groups == {"street": "{clip}/*", "cars": ""}


@pytest.mark.parametrize(
    ("columns", "flip"),
    [
        ("x0,y0,x1,y1,x2,y2", 0.0),  # points that nobody named: a flip would call the left eye the right one
        ("arrow", 0.0),
        ("age", 0.5),
    ],
)
def test_images_are_not_flipped_where_left_and_right_may_differ(tmp_path: Path, columns: str, flip: float) -> None:
    rows = {"x0,y0,x1,y1,x2,y2": "{i}.5,3,20.5,3,9,{i}", "arrow": "turn {side}", "age": "{i}.5"}[columns]
    for i in range(8):
        write(tmp_path / f"faces/{i}.jpg", scene(i)[0])
    lines = [f"{i}.jpg," + rows.format(i=i, side=("left", "right")[i % 2]) for i in range(8)]
    (tmp_path / "faces/table.csv").write_text("\n".join([f"image,{columns}", *lines]) + "\n")
    ended = hydranet("init", tmp_path / "faces", "--out", tmp_path / "r.yaml")
    assert ended.code == 0, ended.err
    assert resolve.recipe(str(tmp_path / "r.yaml")).augment.flip == flip
    assert ("images are never flipped: left and right may differ in" in ended.out) == (not flip)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--classes", "car,bus"], "got --classes ..., which says nothing about these folders"),
        (["--classes", "cras=bus"], "got --classes cras=..., which says nothing about these folders"),
        (["--classes", "cars=bus"], "got --classes cars=..., which says nothing about these folders"),
        (["--classes", "a,b", "--classes", "b,a"], "got --classes b,a beside others for the same folder"),
        (["--column", "Age=skip"], "got --column Age=..., which says nothing about these folders"),
        (["--values", "0=a,255=b"], "got --values..., which says nothing about these folders"),
        (["--colors", "#000000=a"], "got --colors..., which says nothing about these folders"),
        (["--unit", "mm"], "got --unit..., which says nothing about these folders"),
        (
            ["--group", "{clip}/*", "--group", "{day}/*"],
            "got --group {clip}/. and {day}/. for one folder, expected one",
        ),
    ],
)
def test_answers_that_nothing_asks_for_are_refused(tmp_path: Path, options: list[str], reason: str) -> None:
    coco_boxes(tmp_path / "cars", 4)
    (tmp_path / "cars/times.csv").write_text("name,age\na,1\n")
    refused(hydranet("init", tmp_path / "cars", "--out", tmp_path / "r.py", *options), reason)
    assert not (tmp_path / "r.py").exists()


@pytest.mark.parametrize(
    ("images", "labels", "expected"),
    [
        (["a/1", "a/2"], ["b/1", "b/2"], ("a", "b", {}, "")),
        (["x/1", "y/2"], ["x/1_m", "y/2_m"], (".", ".", {}, "_m")),
        (["img/u/1_leftImg8bit"], ["gt/u/1_gtFine_labelIds"], ("img", "gt", {"_leftImg8bit": "_gtFine_labelIds"}, "")),
    ],
)
def test_the_rule_of_paths(images: list[str], labels: list[str], expected: tuple[object, ...]) -> None:
    rule = pairing(images, labels)
    assert rule is not None
    assert (rule.images, rule.labels, dict(rule.rename), rule.ending) == expected


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [([(375, 1242)], (192, 640)), ([(96, 160)] * 3, (96, 160)), ([(32, 32), (33, 33), (900, 900)], (32, 32))],
)
def test_the_input_has_the_shape_that_is_usual(sizes: list[tuple[int, int]], expected: tuple[int, int]) -> None:
    assert input_size(sizes, 640) == expected


def test_yaml_reads_numbers_and_words_as_people_write_them(tmp_path: Path) -> None:
    coco_boxes(tmp_path / "cars", 4)
    text = f"""
name: by_hand
tasks: [{{class: Detection, name: detection, classes: [car, no, on]}}]
encoder: {{class: MobileNetV2, weights: null}}
decoder: {{class: LightWeightRefineNet, width: 32}}
data:
  - name: cars
    size: [96, 160]
    dataset: {{class: Coco, root: {tmp_path / "cars"}, annotations: annotations.json, images: images}}
optim: {{lr: 1e-3, factors: {{encoder: 1}}}}
steps: 010
"""
    path = tmp_path / "by_hand.yaml"
    path.write_text(text)
    recipe = resolve.recipe(str(path))
    assert recipe.optim.lr == 0.001
    assert recipe.tasks[0].classes == ("car", "no", "on")
    assert recipe.steps == 10
    path.write_text(text.replace("1e-3", "fast"))
    with pytest.raises(ValueError, match="lr='fast'"):
        resolve.recipe(str(path))
    path.write_text("a: &x [1]\nb: *x\n")
    with pytest.raises(ValueError, match="has an anchor"):
        resolve.recipe(str(path))
    path.write_text("!!python/object/apply:os.system [ls]\n")
    with pytest.raises(ValueError, match="this is no YAML"):
        resolve.recipe(str(path))


def ladder(recipe: Recipe) -> list[float]:
    """Multiplications of the networks that `init` chooses from, the costliest first."""
    steps = [
        replace(recipe, encoder=encoder, decoder=Part(LightWeightRefineNet, width=width)) for encoder, width in LADDER
    ]
    return [macs(one) for one in steps]


def test_a_budget_of_multiplications_takes_the_costliest_network_within_it(tmp_path: Path) -> None:
    street = palette_masks(tmp_path / "street")
    assert hydranet("init", street, "--out", tmp_path / "usual.py").code == 0
    usual = resolve.recipe(str(tmp_path / "usual.py"))
    costs = ladder(usual)
    assert costs == sorted(costs, reverse=True)
    assert macs(usual) == costs[USUAL]
    for step in (0, 2, len(LADDER) - 1):
        out = tmp_path / f"step{step}.py"
        limit = costs[step] * 1.0001 / 1e9
        ended = hydranet("init", street, "--out", out, "--gmacs", f"{limit:.9f}")
        assert ended.code == 0, ended.err
        chosen = resolve.recipe(str(out))
        assert (chosen.encoder, chosen.decoder.options["width"]) == LADDER[step]
        assert f"{costs[step] / 1e9:.2f} GMACs at 96x160, all tasks" in out.read_text()
    least = costs[-1] * 0.99 / 1e9
    refused(
        hydranet("init", street, "--out", tmp_path / "none.py", "--gmacs", f"{least:.9f}"),
        rf"no network fits the budget: the smallest takes {costs[-1] / 1e9:.3g} GMACs at 96x160; raise the budget",
    )
    assert not (tmp_path / "none.py").exists()


def test_a_budget_of_milliseconds_is_measured_on_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    street = palette_masks(tmp_path / "street")
    measured: list[tuple[int, int]] = []

    def timed(networks: dict[str, list[HydraNet]], size: tuple[int, int], *, rounds: int) -> dict[str, Cost]:
        """A machine that needs a millisecond for a million parameters."""
        measured.append(size)
        parameters = count(networks["this"][0])
        return {"this": Cost(parameters, 0, parameters / 1e6, 0)}

    monkeypatch.setattr(profile, "costs", timed)
    out = tmp_path / "quick.py"
    ended = hydranet("init", street, "--out", out, "--latency-ms", "2.2")
    assert ended.code == 0, ended.err
    chosen = resolve.recipe(str(out))
    steps = [replace(chosen, encoder=e, decoder=Part(LightWeightRefineNet, width=w)) for e, w in LADDER]
    times = [count(untrained(one).build()) / 1e6 for one in steps]
    fits = next(i for i, needed_ms in enumerate(times) if needed_ms <= 2.2)
    assert 0 < fits < len(LADDER) - 1
    assert (chosen.encoder, chosen.decoder.options["width"]) == LADDER[fits]
    assert measured == [(96, 160)] * (fits + 1)
    refused(
        hydranet("init", street, "--out", tmp_path / "none.py", "--latency-ms", "1"),
        rf"the smallest takes {times[-1]:.3g} ms in PyTorch on this machine at 96x160",
    )


def test_both_budgets_hold_and_a_clock_is_read(tmp_path: Path) -> None:
    street = palette_masks(tmp_path / "street")
    out = tmp_path / "both.py"
    ended = hydranet("init", street, "--out", out, "--gmacs", "1000", "--latency-ms", "1000000")
    assert ended.code == 0, ended.err
    chosen = resolve.recipe(str(out))
    assert (chosen.encoder, chosen.decoder.options["width"]) == LADDER[0]
    refused(
        hydranet("init", street, "--out", tmp_path / "none.py", "--latency-ms", "0.001"),
        r"no network fits the budget: the smallest takes [\d.e+]+ ms in PyTorch.*hydranet search RECIPE --latency-ms N",
    )
