"""Data sets with a class, a depth or a normal for every pixel."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dataset_folders import HEIGHT, WIDTH, camvid, idd_lite, noise, nyuv2, nyuv2_examples, pseudo_maps, write
from hydranet.annotations import UNKNOWN_ID, ClassMap, NormalMap, ScalarMap
from hydranet.core.sample import DataError
from hydranet.core.spec import SpecError
from hydranet.datasets.camvid import CamVid
from hydranet.datasets.folder import Folder
from hydranet.datasets.idd_lite import IddLite
from hydranet.datasets.nyuv2 import NyuV2, NyuV2Examples
from hydranet.datasets.pseudo_maps import PseudoMaps
from hydranet.io.class_map import IdCoding, read_class_map


def ids(label: object) -> np.ndarray:
    assert isinstance(label, ClassMap)
    return label.ids


def test_camvid_void_is_unknown(tmp_path: Path) -> None:
    dataset = camvid(tmp_path)
    stored = np.tile(np.arange(12, dtype=np.uint8), (HEIGHT, WIDTH))[:, :WIDTH]
    write(tmp_path / "trainannot/a.png", stored)
    seen = ids(dataset[0].labels["semantic"])
    assert np.array_equal(seen, np.where(stored == 11, UNKNOWN_ID, stored))


def test_an_id_out_of_range_is_named(tmp_path: Path) -> None:
    dataset = camvid(tmp_path)
    wrong = noise(11)
    wrong[0, :2] = 12, 30
    write(tmp_path / "trainannot/b.png", wrong)
    with pytest.raises(
        DataError, match=r"trainannot/b.png holds class ids \[12, 30\], expected 0\.\.10, \[11\] or 255"
    ):
        dataset[1]


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda t: (t / "trainannot/a.png").unlink(), "missing file .*trainannot/a.png"),
        (lambda t: (t / "trainannot/a.png").write_bytes(b""), r"broken image .*trainannot/a.png \(0 bytes"),
        (lambda t: write(t / "trainannot/a.png", noise(11)[:5]), "trainannot/a.png is 32x5, its image 32x24"),
        (lambda t: write(t / "trainannot/a.png", noise(11, channels=3)), "expected one byte per pixel"),
    ],
)
def test_damaged_maps_are_named(tmp_path: Path, damage, message: str) -> None:
    dataset = camvid(tmp_path)
    damage(tmp_path)
    with pytest.raises(DataError, match=message):
        dataset[0]


def test_ids_that_a_data_set_does_not_know_are_said_beside_those_that_it_knows(tmp_path: Path) -> None:
    coding = IdCoding(("a", "b"), values={0: "a", 1: "a", 2: "b", 3: "b", 7: "a", 9: "b", 10: "b"})
    path = write(tmp_path / "a.png", np.full((6, 8), 5, np.uint8))
    with pytest.raises(DataError, match=r"holds class ids \[5\], expected one of 0\.\.3, 7, 9, 10; correct the file"):
        read_class_map(path, coding)


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
@pytest.mark.parametrize("share", [0.5, 0.98])
def test_a_cut_off_picture_is_broken(tmp_path: Path, suffix: str, share: float) -> None:
    path = write(tmp_path / f"a{suffix}", np.kron(noise(channels=3), np.ones((8, 8, 1), np.uint8)))
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(DataError, match="is cut off"):
        Folder(str(tmp_path))[0]


def test_empty_folders_are_named(tmp_path: Path) -> None:
    for dataset in (
        CamVid(str(tmp_path), split="val"),
        IddLite(str(tmp_path)),
        NyuV2(str(tmp_path)),
        Folder(str(tmp_path)),
    ):
        with pytest.raises(DataError, match=f"no images in {tmp_path}"):
            len(dataset)


def test_idd_lite_keeps_unknown(tmp_path: Path) -> None:
    dataset = idd_lite(tmp_path)
    assert (ids(dataset[0].labels["semantic"]) == UNKNOWN_ID).any()


def test_nyuv2_class_40_is_unknown_and_depth_is_in_meters(tmp_path: Path) -> None:
    dataset = nyuv2(tmp_path)
    write(tmp_path / "train/label40/0001.png", np.tile(np.arange(WIDTH, dtype=np.uint8) + 8, (HEIGHT, 1)))
    write(tmp_path / "train/depth8/0001.png", np.tile(np.arange(WIDTH, dtype=np.uint8) * 8 + 7, (HEIGHT, 1)))
    labels = dataset[0].labels
    assert ids(labels["semantic"])[0].tolist() == [*range(8, 39), UNKNOWN_ID]
    depth = labels["depth"]
    assert isinstance(depth, ScalarMap)
    assert depth.values[0, 0] == np.float32(7.5 / 25.5)
    assert np.isnan(depth.values[0, -1])
    assert len(dataset.classes["semantic"]) == 40


def test_nyuv2_reads_what_is_asked_for(tmp_path: Path) -> None:
    nyuv2(tmp_path)
    for names in (("normals",), ("semantic", "depth"), ()):
        assert set(NyuV2(str(tmp_path), labels=names)[0].labels) == set(names)
    with pytest.raises(SpecError, match="did you mean 'normals'"):
        NyuV2(str(tmp_path), labels=("normal",))


def test_examples_have_normals_where_stored(tmp_path: Path) -> None:
    dataset = nyuv2_examples(tmp_path)
    joint, three = dataset[0].labels, dataset[1].labels
    assert "normals" not in joint
    normals = three["normals"]
    assert isinstance(normals, NormalMap)
    assert np.isnan(normals.xyz[:, :4]).all()
    np.testing.assert_allclose(normals.xyz[:, 10, 10], [0, 0, -1], atol=0.01)


def test_pseudo_maps_join_the_labels_of_another_data_set(tmp_path: Path) -> None:
    dataset = pseudo_maps(tmp_path)
    assert set(ids(dataset[1].labels["drivable"]).flat) <= {0, 1, UNKNOWN_ID}
    assert dataset.classes == {"drivable": ("other", "drivable")}
    (tmp_path / "maps/drivable/deep/a.png").unlink()
    with pytest.raises(DataError, match=r"missing file .*drivable/deep/a.png"):
        dataset[1]
    with pytest.raises(SpecError, match="PseudoMaps got no maps"):
        PseudoMaps(str(tmp_path), dataset=dataset, maps={})


# --- real data ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dataset", "samples"),
    [(CamVid("camvid"), 367), (CamVid("camvid", split="val"), 101), (IddLite("idd_lite"), 1000), (NyuV2("nyuv2"), 300)],
    ids=["camvid", "camvid-val", "idd_lite", "nyuv2"],
)
def test_real_folders(data_root: Path, monkeypatch: pytest.MonkeyPatch, dataset, samples: int) -> None:
    monkeypatch.setenv("HYDRANET_DATA", str(data_root))
    assert len(dataset) == samples
    for index in range(0, samples, samples // 3):
        seen = ids(dataset[index].labels["semantic"])
        assert (seen != UNKNOWN_ID).mean() > 0.3


def test_real_examples_of_nyuv2(data_root: Path) -> None:
    dataset = NyuV2Examples(str(data_root / "nyuv2" / "drsleep_examples"))
    three = dataset[1].labels
    depth, normals = three["depth"], three["normals"]
    assert isinstance(depth, ScalarMap)
    assert isinstance(normals, NormalMap)
    assert 1 < np.nanmedian(depth.values) < 8
    assert (normals.xyz[2][np.isfinite(normals.xyz[2])] < 0).mean() > 0.95, "visible surfaces face the camera"


def test_pictures_may_end_in_capitals_and_nothing_else_is_one(tmp_path: Path) -> None:
    camvid(tmp_path)
    for folder, name in (("train", "b.jpg"), ("trainannot", "b.png")):
        file = tmp_path / folder / name
        file.rename(file.with_suffix(file.suffix.upper()))
    for foreign in ("train.log", "model.cfg", "plan.svg", "._a.jpg", ".DS_Store"):
        (tmp_path / "train" / foreign).write_text("no image")
    dataset = CamVid(str(tmp_path))
    assert [dataset[i].key for i in range(len(dataset))] == ["train/a.jpg", "train/b.JPG"]
    assert [path.name for path in Folder(str(tmp_path / "train")).frames] == ["a.jpg", "b.JPG"]


def test_a_palette_holds_class_ids(tmp_path: Path) -> None:
    dataset = camvid(tmp_path)
    wanted = ids(dataset[0].labels["semantic"])
    with Image.open(tmp_path / "trainannot/a.png") as gray:
        picture = Image.frombytes("P", gray.size, gray.tobytes())
    picture.putpalette([7 * i % 256 for i in range(768)])
    picture.save(tmp_path / "trainannot/a.png")
    assert np.array_equal(ids(dataset[0].labels["semantic"]), wanted)
