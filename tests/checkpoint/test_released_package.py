"""What comes with the package: small, described, and open to everybody."""

import numpy as np
import pytest
import torch

from hydranet.checkpoint.checkpoint import load_recipe, read
from hydranet.checkpoint.released.names import CARD, WEIGHTS, released
from hydranet.core.sample import Camera
from hydranet.evaluation.report import read_report
from hydranet.inference.predictor import Predictor

MOST_BYTES = 10_000_000


@pytest.mark.parametrize("name", list(released()))
def test_weights_are_small_and_in_half_precision(name: str) -> None:
    file = released()[name] / WEIGHTS
    assert file.stat().st_size <= MOST_BYTES
    tensors, _ = read(file)
    assert {t.dtype for t in tensors.values() if t.ndim > 1} == {torch.float16}


@pytest.mark.parametrize("name", list(released()))
def test_a_card_says_what_it_is_for_and_what_it_was_trained_on(name: str) -> None:
    card = (released()[name] / CARD).read_text()
    assert card.startswith("---\nlicense: ")
    for heading in ("## Intended use, and limits", "## Trained on", "## Scores"):
        assert f"\n{heading}\n" in card
    report, recipe = read_report(released()[name]), load_recipe(name)
    for source in recipe.data:
        assert f"\n| {source.name} | " in card
    for source, tasks in report.protocol_ids.items():
        for task, protocol in tasks.items():
            assert f"| {source} | {task} | " in card
            assert protocol in card


@pytest.mark.parametrize("name", list(released()))
def test_it_answers_with_every_head(name: str) -> None:
    image = np.random.default_rng(0).integers(0, 256, (120, 200, 3), dtype=np.uint8)
    predictor = Predictor(name, camera=Camera.centered(180.0, (120, 200)))
    answers = predictor(image)
    assert list(answers) == [task.name for task in load_recipe(name).tasks]
