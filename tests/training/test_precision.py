"""The precision of a run: what "auto" settles on, and that it is a context of the forward pass."""

from contextlib import nullcontext
from dataclasses import replace
from unittest.mock import patch

import pytest
import torch

from hydranet.config import precision
from hydranet.training.run import Run
from toys import toy_recipe


@pytest.mark.parametrize(("native", "chosen"), [(True, "bf16"), (False, "fp32")])
def test_auto_is_bf16_only_where_the_processor_computes_in_it(native: bool, chosen: str) -> None:
    supported = torch.ops.mkldnn._is_mkldnn_bf16_supported()
    with patch.object(precision, "_native", lambda: native):
        assert precision.settled("auto", torch.device("cpu")) == (chosen if supported else "fp32")


@pytest.mark.parametrize("word", ["fp32", "bf16", "fp16"])
def test_what_is_asked_for_is_done(word: str) -> None:
    assert precision.settled(word, torch.device("cpu")) == word


def test_a_run_computes_in_its_precision() -> None:
    image = torch.rand(1, 3, 32, 64)
    for word, kind in (("fp32", torch.float32), ("bf16", torch.bfloat16)):
        run = Run(replace(toy_recipe(), precision=word))
        with run.autocast():
            assert run.model(image)["glow"].dtype == kind
    assert precision.autocast("fp32", torch.device("cpu")) is nullcontext
