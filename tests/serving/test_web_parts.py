"""Batches, budgets, counters and COCO's masks, each alone."""

import asyncio
import threading
from collections.abc import Hashable, Sequence
from concurrent.futures import CancelledError

import numpy as np
import pytest
from pycocotools import mask as coco_mask

from hydranet.serving.web.batching import Batcher
from hydranet.serving.web.coco import run_lengths
from hydranet.serving.web.metrics import Metrics
from hydranet.serving.web.pixel_budget import PixelBudget


class Halves:
    """Doubles numbers, once a gate is open; notes its batches; a zero spoils the whole call."""

    def __init__(self) -> None:
        self.gate, self.begun = threading.Event(), threading.Event()
        self.batches: list[tuple[Hashable, list[int]]] = []

    def __call__(self, kind: Hashable, jobs: Sequence[int]) -> Sequence[int]:
        self.begun.set()
        self.gate.wait(10)
        self.batches.append((kind, list(jobs)))
        if 0 in jobs:
            raise ValueError("got 0")
        return [2 * job for job in jobs]


def test_what_waits_is_computed_together_by_kind() -> None:
    run = Halves()
    batcher = Batcher[int, int](run, most=3, name="test")
    first = batcher.submit("a", 1)
    run.begun.wait(10)
    results = [batcher.submit(*job) for job in [("a", 2), ("b", 3), ("a", 4), ("a", 5), ("a", 6)]]
    left = batcher.submit("a", 7)
    left.cancel()
    run.gate.set()
    assert [one.result(10) for one in (first, *results)] == [2, 4, 6, 8, 10, 12]
    assert run.batches == [("a", [1]), ("a", [2, 4, 5]), ("b", [3]), ("a", [6])]
    batcher.close()
    assert not batcher.alive


def test_a_bad_job_spoils_no_other() -> None:
    run = Halves()
    batcher = Batcher[int, int](run, most=8, name="test")
    batcher.submit("a", 1)
    run.begun.wait(10)
    good, bad, other = (batcher.submit("a", job) for job in (2, 0, 3))
    run.gate.set()
    assert (good.result(10), other.result(10)) == (4, 6)
    with pytest.raises(ValueError, match="got 0"):
        bad.result(10)
    assert batcher.alive
    batcher.close()
    with pytest.raises(RuntimeError, match="stopping"):
        batcher.submit("a", 1)


def test_what_waits_at_the_end_is_cancelled() -> None:
    run = Halves()
    batcher = Batcher[int, int](run, most=1, name="test")
    batcher.submit("a", 1)
    run.begun.wait(10)
    waiting = batcher.submit("a", 2)
    threading.Timer(0.1, run.gate.set).start()
    batcher.close()
    with pytest.raises(CancelledError):
        waiting.result(10)


def test_pixels_are_lent_in_turn() -> None:
    async def work() -> list[str]:
        budget, events = PixelBudget(10), list[str]()

        async def job(name: str, pixels: int) -> None:
            async with budget.hold(pixels):
                events.append(f"{name} begins")
                await asyncio.sleep(0.01)
                events.append(f"{name} ends")

        await asyncio.gather(job("a", 6), job("b", 10), job("c", 2))
        return events

    assert asyncio.run(work()) == ["a begins", "a ends", "b begins", "b ends", "c begins", "c ends"]


def test_metrics_as_prometheus_reads_them() -> None:
    metrics = Metrics()
    metrics.counter("asked_total", "Asked.")
    metrics.histogram("took_seconds", "Took.", (0.1, 1.0))
    metrics.add("asked_total", labels={"route": 'a"b\\'})
    metrics.add("asked_total", 2, labels={"route": 'a"b\\'})
    for value in (0.1, 0.5, 7.0):
        metrics.observe("took_seconds", value)
    assert metrics.text().splitlines() == [
        "# HELP asked_total Asked.",
        "# TYPE asked_total counter",
        'asked_total{route="a\\"b\\\\"} 3',
        "# HELP took_seconds Took.",
        "# TYPE took_seconds histogram",
        'took_seconds_bucket{le="0.1"} 1',
        'took_seconds_bucket{le="1"} 2',
        'took_seconds_bucket{le="+Inf"} 3',
        "took_seconds_sum 7.6",
        "took_seconds_count 3",
    ]


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # pycocotools' own
@pytest.mark.parametrize("fill", [0.0, 0.5, 1.0])
def test_masks_are_read_by_cocos_own_tools(fill: float) -> None:
    mask = np.random.default_rng(1).random((7, 5)) < fill
    coded = run_lengths(mask)
    assert sum(coded["counts"]) == 35
    np.testing.assert_array_equal(coco_mask.decode(coco_mask.frPyObjects(coded, 7, 5)), mask)
