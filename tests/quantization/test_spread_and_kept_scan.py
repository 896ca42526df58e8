"""A loss within the noise of its images is called so, and a new budget does not measure everything again."""

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from commands import hydranet
from hydranet.checkpoint import checkpoint
from hydranet.core.task import Stats
from hydranet.evaluation.resampling import WIDTH, paired, spread
from hydranet.io.cache_folder import VARIABLE
from hydranet.quantization.budget import Limit, MetricDrop
from hydranet.quantization.sensitivity import Scan, Tried
from hydranet.quantization.speed import median_ms, sentence
from hydranet.quantization.table import markdown
from toys import Glow, toy_recipe


class Mean(Glow):
    """A metric that is the mean over images, whose spread is known."""

    def score(self, stats: Stats) -> dict[str, float]:
        return {"miou": float(stats["sum"] / stats["n"])}


def stats(values: Sequence[float]) -> list[Stats]:
    return [{"sum": np.float64(value), "n": 1} for value in values]


def test_the_spread_is_that_of_the_paired_differences() -> None:
    rng = np.random.default_rng(3)
    hard = rng.normal(0, 0.3, 100)  # images differ much from one another, and alike for both
    lost = rng.normal(0.005, 0.02, 100)
    pairs = paired(Mean("m"), stats(hard + 1), stats(hard + 1 - lost))["miou"]
    found = spread([before - after for before, after in pairs])
    assert found == pytest.approx(WIDTH * float(lost.std()) / math.sqrt(100), rel=0.25)
    assert spread([before for before, _ in pairs]) > 8 * found  # unpaired it would drown
    same = paired(Mean("m"), stats(hard), stats(hard - 0.01))["miou"]
    assert spread([before - after for before, after in same]) == pytest.approx(0, abs=1e-12)


def drop(loss: float, noise: float, images: int = 16) -> MetricDrop:
    draws = tuple((0.5, 0.5 - loss - sign * noise) for sign in (-1, 1) for _ in range(20))
    return MetricDrop("s", Limit("a", "miou", "higher", 0.005), 0.5, 0.5 - loss, draws, images)


def test_what_cannot_be_told_is_said() -> None:
    assert drop(0.0054, 0.003).spread == pytest.approx(WIDTH * 0.003, rel=0.02)
    found = {
        "near, broken": (drop(0.0054, 0.003), False, "cannot tell with 16 images"),
        "near, kept": (drop(0.0046, 0.003), True, "cannot tell with 16 images"),
        "far, broken": (drop(0.03, 0.003), False, ""),
        "far, kept": (drop(-0.01, 0.003), True, ""),
    }
    for name, (one, kept, doubt) in found.items():
        tried = Tried(frozenset(), [one])
        assert (tried.accepted, tried.uncertainty) == (kept, doubt), name
    clear = Tried(frozenset(), [drop(0.0054, 0.003), drop(0.03, 0.003)])
    assert not clear.uncertainty  # broken by the other one in any case
    table = markdown(Scan(("a",), tried=[Tried(frozenset(), [drop(0.0054, 0.003)])]))
    assert "| all INT8 | 0.4946 (+0.0054 ± 0.0050) | broken; cannot tell with 16 images |" in table


def test_whether_it_pays_is_a_sentence() -> None:
    assert sentence({"int8": 28.8, "fp32": 35.6, "bf16": 20.5}) == (
        "INT8 takes 28.8 ms per image on this processor, bf16 20.5, fp32 35.6: it does not pay here, bf16 is "
        "1.40 times as quick"
    )
    assert sentence({"int8": 10.0, "fp32": 35.0}).endswith("it pays, 3.50 times as quick as fp32")
    mixed = sentence({"int8": 10.0, "fp32": 35.0, "int8-bf16": 9.04})
    assert "fp32 35, INT8 with precision='bf16' for what stays float (no score was checked) 9.04: it pays" in mixed
    calls: list[str] = []
    median_ms({"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}, rounds=2)
    assert calls == ["a", "b"] * 3


@pytest.mark.slow  # it quantizes several times
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_a_new_budget_makes_and_measures_only_what_ships(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("nncf")
    pytest.importorskip("openvino")
    from hydranet.quantization import ptq

    monkeypatch.setenv(VARIABLE, str(tmp_path / "cache"))  # other tests may have quantized the same network
    recipe = replace(toy_recipe(), save_every=0)
    checkpoint.save_model(tmp_path / "run", recipe.build().eval(), recipe)
    made: list[Path] = []
    write = ptq.write

    def counted(*given: object) -> Path:
        made.append(write(*given))  # type: ignore[arg-type]
        return made[-1]

    monkeypatch.setattr(ptq, "write", counted)
    words = ("quantize", tmp_path / "run", "--calibration", "4", "--budget")
    assert hydranet(*words, "glow.mae=-1").code == 1
    assert len(made) == 4  # all, without each of two heads, the trunk alone
    made.clear()
    ended = hydranet(*words, "glow.mae=5", "--budget", "bright.mae=5")
    assert ended.code == 0, ended.err
    assert [path.parent.name for path in made] == ["openvino-all"]
    assert "ms per image on this processor" in ended.out
    assert (tmp_path / "run/int8/parity.json").stat().st_size > 100
    made.clear()
    changed = recipe.build()
    checkpoint.save_model(tmp_path / "run", changed.eval(), replace(recipe, seed=5))
    assert hydranet(*words, "glow.mae=5", "--budget", "bright.mae=5").code == 0
    assert len(made) == 4  # another recipe: nothing is known
