"""A cache that is damaged or cannot be written costs a sentence, not a traceback."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from hydranet.io.cache_folder import cache
from hydranet.models.encoders.mobilenetv2 import MobileNetV2
from hydranet.models.pretrained import WeightsError, cached, classifier, write


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An own, still missing cache folder."""
    monkeypatch.setenv("HYDRANET_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.mark.parametrize("content", [b"", b"not safetensors", b"\xff" * 64], ids=["empty", "text", "wild header"])
def test_a_damaged_file_is_named_with_the_cure(folder: Path, content: bytes) -> None:
    write(content, cached("mobilenetv2_100"))
    with pytest.raises(
        WeightsError, match=r"mobilenetv2_100.safetensors holds no weights .*delete it and get it again"
    ):
        MobileNetV2()


def test_a_cut_file_is_named(folder: Path) -> None:
    write(b"", cached("mobilenetv2_100"))
    save_file({"classifier.weight": torch.zeros(10, 10)}, cached("mobilenetv2_100"))
    data = cached("mobilenetv2_100").read_bytes()
    cached("mobilenetv2_100").write_bytes(data[:-40])
    with pytest.raises(WeightsError, match="delete it and get it again"):
        classifier("mobilenetv2_100", "imagenet")


def test_a_cache_that_is_a_file_cannot_be_written(folder: Path) -> None:
    folder.write_text("in the way")
    with pytest.raises(OSError, match=r"exists|directory"):
        write(b"weights", cached("mobilenetv2_100"))


def test_writing_replaces_a_file_whole_and_leaves_no_rest(folder: Path) -> None:
    target = cached("mobilenetv2_100")
    write(b"old", target)
    write(b"new", target)
    assert target.read_bytes() == b"new"
    assert [file.name for file in folder.iterdir()] == [target.name]


def test_an_empty_variable_means_the_usual_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HYDRANET_CACHE", "")
    assert cache() == Path.home() / ".cache" / "hydranet"
