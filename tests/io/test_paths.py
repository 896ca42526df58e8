"""Names from files of others stay inside the folder they are joined to."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hydranet.io.paths import OutsideFolder, inside


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("", "that is empty or no text"),
        ("  ", "that is empty or no text"),
        (None, "that is empty or no text"),
        (["a"], "that is empty or no text"),
        ("..", "with '..' in it"),
        ("a/../../b.png", "with '..' in it"),
        ("a/..", "with '..' in it"),
        ("/etc/passwd", "that is absolute"),
        ("~/x", "that is absolute"),
        ("a\\..\\b.png", "with a backslash or a drive"),
        ("C:x.png", "with a backslash or a drive"),
        ("c:/x.png", "with a backslash or a drive"),
        ("a\0b", "with characters that cannot be printed"),
        ("a\nb", "with characters that cannot be printed"),
        (".", "that names a folder"),
        ("a/", "that names a folder"),
        ("a" * 300, "that is too long"),
        ("a/" * 600 + "b", "that is too long"),
    ],
)
def test_what_is_no_name_inside(tmp_path: Path, name: str, reason: str) -> None:
    for follow_links in (True, False):
        with pytest.raises(OutsideFolder, match=rf"got file name .* {reason}, expected a relative path inside"):
            inside(tmp_path, name, follow_links=follow_links)


@pytest.mark.parametrize("name", ["a.png", "train/0001.png", "./a.png", "a..b/c.png", "Straße 7/ä.png", "...", "a/./b"])
def test_names_inside(tmp_path: Path, name: str) -> None:
    assert inside(tmp_path, name) == tmp_path / name


def test_links(tmp_path: Path) -> None:
    folder, elsewhere = tmp_path / "folder", tmp_path / "elsewhere"
    folder.mkdir()
    elsewhere.mkdir()
    (folder / "link").symlink_to(elsewhere)
    (folder / "own").symlink_to(folder)
    assert inside(folder, "own/a.png") == folder / "own/a.png"
    assert inside(folder, "link/a.png", follow_links=True) == folder / "link/a.png"
    with pytest.raises(OutsideFolder, match="is a link that leads out of it"):
        inside(folder, "link/a.png")
    (tmp_path / "alias").symlink_to(folder)
    assert inside(tmp_path / "alias", "a.png") == tmp_path / "alias" / "a.png"


@settings(max_examples=200, derandomize=True, deadline=None)
@given(st.text(st.sampled_from("ab./\\:~\0\n "), max_size=12))
def test_nothing_leads_out(name: str) -> None:
    folder = Path("/nowhere/folder")
    try:
        path = inside(folder, name)
    except OutsideFolder:
        return
    assert path.is_relative_to(folder)
    assert path != folder
    assert ".." not in path.parts
