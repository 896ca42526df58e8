"""A TorchScript file is code: only the user's own exports, and files the user says to trust, are opened."""

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from commands import hydranet
from hydranet import Predictor, Runtime
from hydranet.deploy import trust
from hydranet.deploy.session import open_session
from hydranet.deploy.trust import UntrustedFile
from hydranet.io.cache_folder import VARIABLE

EXPORT = Path(__file__).parents[1] / "fixtures/v0_1/export"


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user who has exported nothing yet."""
    monkeypatch.setenv(VARIABLE, str(tmp_path / "cache"))
    monkeypatch.delenv(trust.VARIABLE, raising=False)
    return tmp_path / "cache"


class Writes(torch.nn.Module):
    """What a stranger may put into a file: it writes when it is called."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        torch.save(x, "written")
        return x


@pytest.fixture
def foreign(tmp_path: Path) -> Path:
    """Somebody's export, with the manifest.json beside it that its maker made."""
    shutil.copytree(EXPORT, tmp_path / "theirs")
    return tmp_path / "theirs/model.torchscript"


def test_a_foreign_file_is_not_even_loaded(foreign: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def loaded(*_: object, **__: object) -> None:
        raise AssertionError("it was loaded")

    monkeypatch.setattr(torch.jit, "load", loaded)
    digests = json.loads(foreign.with_name("manifest.json").read_text())["files"]
    assert foreign.name in digests  # what lies beside it vouches for it, and proves nothing
    for opened in (lambda: open_session(foreign), lambda: Predictor(foreign)):
        with pytest.raises(UntrustedFile, match=r"model.torchscript is code, .*--trust"):
            opened()


def test_trust_of_the_user_opens_it(foreign: Path) -> None:
    image = cv2.imread(str(EXPORT.parent / "image.png"))
    assert image is not None
    trusted = Predictor(foreign, ["depth"], runtime=Runtime(trust=True))(image)["depth"].values
    data = Predictor(foreign.with_suffix(".onnx"), ["depth"])(image)["depth"].values
    np.testing.assert_allclose(trusted, data, rtol=1e-3)
    with pytest.raises(UntrustedFile):  # trust is for one opening
        Predictor(foreign)


def test_own_exports_are_known_by_their_bytes_wherever_they_lie(foreign: Path, tmp_path: Path) -> None:
    trust.remember(foreign)  # as `hydranet export` does
    moved = foreign.rename(tmp_path / "elsewhere.torchscript")
    assert open_session(moved, threads=1).manifest.heads
    with moved.open("r+b") as file:  # the same name, other bytes
        file.seek(200)
        file.write(b"x")
    with pytest.raises(UntrustedFile):
        open_session(moved)


def test_a_cache_that_cannot_be_written_asks_instead_of_failing(foreign: Path, own_cache: Path) -> None:
    own_cache.write_text("in the way")
    trust.remember(foreign)
    with pytest.raises(UntrustedFile):
        trust.check(foreign)
    trust.check(foreign, trust=True)


def test_the_command_line_asks_for_a_word(foreign: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image = EXPORT.parent / "image.png"
    refused = hydranet("predict", foreign, image, "--out", tmp_path / "out")
    assert refused.code == 1
    assert "is code" in refused.err
    monkeypatch.setenv(trust.VARIABLE, "0")  # put back afterwards: the option sets it
    assert hydranet("predict", foreign, image, "--out", tmp_path / "out", "--trust").code == 0
