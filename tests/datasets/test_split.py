"""Parts of a data set by lot: data sets of the same images, in other folders and formats, are split alike."""

from pathlib import Path
from typing import Literal

import numpy as np
import pytest

from foreign_layouts import write
from hydranet.datasets.masks import Masks
from hydranet.datasets.split import Split
from hydranet.io.path_groups import own_names


def test_the_same_images_in_other_folders_are_split_alike(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HYDRANET_CACHE", str(tmp_path / "cache"))
    rng = np.random.default_rng(0)
    for i in range(20):
        image = rng.integers(0, 256, (6, 8, 3), dtype=np.uint8).repeat(4, 0).repeat(4, 1)
        for path in (f"lines/pics/{i:03}.png", f"road/day1/rgb/{i:03}.png"):
            write(tmp_path / path, image)
        for path in (f"lines/masks/{i:03}.png", f"road/day1/seg/{i:03}.png"):
            write(tmp_path / path, image[..., 0] // 128)
    lines = Masks(str(tmp_path / "lines"), images="pics", labels="masks", names=("a", "b"))
    road = Masks(str(tmp_path / "road"), images=".", labels=".", rename={"rgb/": "seg/"}, names=("a", "b"))

    def drawn(by: Literal["path", "name"]) -> list[set[str]]:
        keys = [Split(one, "val", drawn=by).keys() for one in (lines, road)]
        return [{Path(key).stem for key in part} for part in keys]

    by_name, by_path = drawn("name"), drawn("path")
    assert by_name[0] == by_name[1]
    assert len(by_name[0]) == 4
    assert by_path[0] != by_path[1]


@pytest.mark.parametrize(
    ("paths", "expected"),
    [
        (["a/1.png", "a/2.png"], ["1", "2"]),
        (["c1/rgb/1.jpg", "c2/rgb/1.jpg"], ["c1", "c2"]),
        (["c1/rgb/1.jpg", "c2/rgb/2.jpg"], ["c1/1", "c2/2"]),
        (["1.jpg", "b/1.jpg"], ["1", "b/1"]),
        (["x/1.png"], ["1"]),
        ([], []),
    ],
)
def test_what_tells_images_apart(paths: list[str], expected: list[str]) -> None:
    assert own_names(paths) == expected
