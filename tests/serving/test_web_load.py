"""Many clients at once, a tenth of their requests hostile: nothing breaks, every good request is answered right."""

import os
import sys
from pathlib import Path

import pytest

pytest.importorskip("fastapi", reason="the extra serve is not installed")
sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import serve_load

from hydranet.deploy.messages import message
from hydranet.deploy.predictor import SessionPredictor
from hydranet.serving.web.limits import Limits
from web_client import Toy, metric, serving

LONG = pytest.mark.skipif("HYDRANET_LONG" not in os.environ, reason="takes minutes; HYDRANET_LONG=1 runs it")


@pytest.mark.parametrize(("requests", "clients"), [(200, 8), pytest.param(6000, 32, marks=[pytest.mark.slow, LONG])])
def test_load(requests: int, clients: int) -> None:
    predictor = SessionPredictor(Toy())
    jobs = [
        (data, {name: message(one, predictor.classes[name]) for name, one in predictor(rgb).items()})
        for data, rgb in serve_load.images(8, 48, 96)
    ]
    assert len({str(expected) for _, expected in jobs}) == 8
    with serving({"load": SessionPredictor(Toy())}, Limits(header_s=2, receive_s=2)) as port:
        outcome = serve_load.load(port, jobs, requests, clients)
        held = metric(port, "hydranet_held_bytes")
    assert outcome.wrong == []
    assert outcome.good == len(outcome.seconds)
    assert outcome.good > 0.8 * requests
    assert outcome.hostile.total() == requests - outcome.good
    assert len({name.partition(":")[0] for name in outcome.hostile}) >= 6
    assert held < 100_000  # a slow sender or two may still be waited for


def test_a_wrong_answer_would_be_noticed() -> None:
    assert serve_load.agree({"a": [1.0, None]}, {"a": [1.0005, None]})
    for other in ({"a": [1.01, None]}, {"a": [1.0]}, {"a": [1.0, 2]}, {"b": [1.0, None]}, {"a": "x"}):
        assert not serve_load.agree({"a": [1.0, None]}, other)
