"""The main job, short: four heads learn from two sources that label two tasks each.

The bounds leave room below what was measured: mIoU .45, AbsRel .23, median normal 17 degrees, car AP50 .46.
"""

from pathlib import Path

import pytest

from hydranet.checkpoint import resolve
from hydranet.evaluation.evaluate import evaluate
from hydranet.evaluation.report import Report
from hydranet.models.pretrained import WeightsError, fetch
from hydranet.training.train import train


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_four_heads_learn_in_minutes(tmp_path: Path) -> None:
    try:
        fetch("mobilenetv2")
    except WeightsError as error:
        pytest.skip(f"no ImageNet weights: {error}")
    sources = ("data.dense", "data.objects", "validation.held-out")
    small = [f"{source}.{place}=[96,320]" for source in sources for place in ("size", "dataset.size")]
    changes = ["steps=240", "batch=4", "ema=0.97", "validation.held-out.dataset.count=32", *small]
    recipe = resolve.recipe("demo").changed(changes)
    *_, last = train(recipe, tmp_path / "run")
    *_, report = evaluate(last.run.evaluated(), recipe.validation)
    assert isinstance(report, Report)
    scores = report.scores["held-out"]
    print({task: {metric: round(value, 3) for metric, value in metrics.items()} for task, metrics in scores.items()})
    assert scores["semantic"]["miou"] > 0.4
    assert scores["depth"]["abs_rel"] < 0.3
    assert scores["normals"]["median_deg"] < 20
    assert scores["detection"]["ap50/car"] > 0.3
