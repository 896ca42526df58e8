"""What `hydranet serve` opens before it listens: models by name, with the thresholds and options of the command."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="the extra serve is not installed")

from commands import hydranet, refused
from hydranet.serving.web import server


class Recorded:
    """In the place of a web server: takes what it would serve."""

    def __init__(self) -> None:
        self.models: Mapping[str, Any] = {}

    def __call__(self, models: Mapping[str, Any], *_: object) -> "Recorded":
        self.models = models
        return self

    def run(self, sockets: object) -> None:
        assert sockets


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> Recorded:
    taken = Recorded()
    monkeypatch.setattr(server, "web_server", taken)
    return taken


def test_options_and_thresholds_reach_every_model(recorded: Recorded) -> None:
    options = ("--option", "detection.max_detections=3", "--threshold", "0.4", "--heads", "detection", "--port", "0")
    ended = hydranet("serve", "street", "again=street", *options)
    assert ended.code == 0, ended.err
    assert list(recorded.models) == ["street", "again"]
    for predictor in recorded.models.values():
        assert predictor.options["detection"]["max_detections"] == 3
        assert list(predictor.heads) == ["detection"]
        assert predictor.threshold == 0.4


def test_what_is_not_there_is_refused_before_it_listens(recorded: Recorded, tmp_path: Path) -> None:
    refused(hydranet("serve", "street", "--option", "detection.max=3", "--port", "0"), ".*max")
    refused(hydranet("serve", "street", "--best", "--port", "0"), ".*kept no best network")
    assert not recorded.models
