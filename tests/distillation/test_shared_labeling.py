"""Several processes label one folder: the same cache as from one, also after a stop, and with broken images."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from commands import hydranet
from hydranet.core.spec import SpecError
from hydranet.distillation.shared_labeling import ALL, PARTS, Share, count_labeled, merge
from hydranet.io.pseudo_label_index import INDEX, Entry, Index, Made

TEACHER = """
import numpy as np
from hydranet.annotations import ClassMap

def looks(rgb):
    if rgb[0, 0, 2] == 78:
        raise RuntimeError("no blue, please")
    red = ClassMap((rgb[..., 0] > 127).astype(np.uint8))
    return {"colors": red, "parts": red}

looks.classes = {"colors": ("dark", "red"), "parts": ("dark", "red")}
"""


def entry(name: str) -> Entry:
    return Entry(name, name, (4, 4), {"colors": f"colors/{name}.png"})


def index(*names: str, teacher: str = "t") -> Index:
    return Index(teacher, "0" * 64, {"colors": Made("ClassMap", ("dark", "red"))}, images={n: entry(n) for n in names})


def test_shares_are_every_image_once() -> None:
    places = [list(Share(number, 3).places(8)) for number in range(3)]
    assert sorted(place for share in places for place in share) == list(range(8))
    assert Share.parsed("") == ALL == Share(0, 1)
    assert Share.parsed("2/4") == Share(2, 4)
    for text in ("4/4", "-1/2", "1", "a/b", "0/0", "0/9999"):
        with pytest.raises(SpecError, match=f"got part '{text}', expected NUMBER/OF, such as 0/4 to 3/4"):
            Share.parsed(text)


def test_indices_become_one_and_damaged_or_foreign_ones_do_not_count(tmp_path: Path) -> None:
    (tmp_path / INDEX).write_text(index("a").to_json())
    for share, text in (
        (Share(0, 3), index("b").to_json()),
        (Share(1, 3), index("c").to_json()[:-20]),
        (Share(2, 3), index("d", teacher="other").to_json()),
    ):
        share.folder(tmp_path).mkdir(parents=True)
        (share.folder(tmp_path) / INDEX).write_text(text)
    assert count_labeled(tmp_path) == 2
    whole = merge(tmp_path, index())
    assert list(whole.images) == ["a", "b"]
    assert list(json.loads((tmp_path / INDEX).read_text())["images"]) == ["a", "b"]
    assert count_labeled(tmp_path) == 0


@pytest.mark.slow  # processes that import everything
def test_two_processes_make_the_cache_of_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "teacher_of_two.py").write_text(TEACHER)
    monkeypatch.chdir(tmp_path)
    images = tmp_path / "images"
    images.mkdir()
    for i, blue in enumerate((5, 6, 78, 7, 8)):
        image = np.full((24, 32, 3), i, np.uint8)
        image[:, 16:, 2] = 255
        image[0, 0, 0] = blue
        cv2.imwrite(str(images / f"{i}.png"), image)
    word = f"{tmp_path}/teacher_of_two.py:looks"
    one, two = tmp_path / "one", tmp_path / "two"
    assert hydranet("label", word, images, "--out", one).code == 1
    ended = hydranet("label", "teacher_of_two.py:looks", "images", "--out", two, "--jobs", 2)
    assert ended.code == 1
    assert "4 images labeled, 0 were there" in ended.out
    assert "2.png: teacher_of_two.py:looks ended with RuntimeError: no blue, please" in ended.err
    caches = [
        {str(path.relative_to(cache)): path.read_bytes() for path in cache.rglob("*.png")} for cache in (one, two)
    ]
    assert caches[0] == caches[1]
    assert len(caches[0]) == 8
    first, second = (json.loads((cache / INDEX).read_text()) for cache in (one, two))
    assert first == second
    assert not list((two / PARTS).rglob(INDEX))
    (images / "2.png").unlink()
    assert "0 images labeled, 4 were there" in hydranet("label", word, images, "--out", two, "--jobs", 2).out
    assert not (two / PARTS).exists()
    assert len(list((two / "parts").glob("*.png"))) == 4, "a label of any name stays"
