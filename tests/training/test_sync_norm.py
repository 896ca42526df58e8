"""BatchNorm over all processes; as a program of two processes, it computes what the test compares."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from timm.layers import BatchNormAct2d
from torch import nn

from hydranet.balancers.meta_weights import MetaWeights
from hydranet.checkpoint import checkpoint
from hydranet.config.optim import Optim
from hydranet.config.recipe import Recipe
from hydranet.config.source import Source
from hydranet.core.spec import Part, SpecError
from hydranet.data.mixture import Mixture
from hydranet.models.layers.sync_norm import SyncNorm, synchronize
from hydranet.training.train import train
from toys import Noise, toy_recipe
from warm_processes import in_two_processes


def recipe() -> Recipe:
    """Everything labeled, one size: every step is the same in both processes.

    Plain gradient descent: a bias before a norm has gradient 0, of whose rounding Adam would make steps.
    """
    optim = Optim(lr=1e-2, algorithm=Part(torch.optim.SGD, momentum=0.9))
    return replace(toy_recipe(steps=4, batch=4), sync_norm=True, optim=optim)


def mixed() -> Recipe:
    """Two sources of two sizes that label different things."""
    sources = (Source("a", Noise(labels=("glow",)), (32, 64)), Source("b", Noise(seed=5, labels=("bright",)), (32, 32)))
    return replace(recipe(), data=sources)


def test_two_processes_with_common_statistics_equal_one(tmp_path: Path) -> None:
    list(train(recipe(), tmp_path / "one"))
    in_two_processes(Path(__file__), tmp_path / "two")
    mine, theirs = (checkpoint.read(tmp_path / n / checkpoint.STATE)[0] for n in ("one", "two"))
    assert mine.keys() == theirs.keys()
    assert "model/trunk.encoder.norm.running_var" in mine
    for name in mine:
        torch.testing.assert_close(mine[name], theirs[name], rtol=1e-4, atol=1e-5, msg=name)


def test_one_process_keeps_plain_batchnorm() -> None:
    plain = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), BatchNormAct2d(4, act_layer=nn.ReLU6))
    image = torch.rand(2, 3, 5, 5)
    expected, names = plain(image), list(plain.state_dict())
    synchronize(plain)
    assert [type(child) for child in plain] == [nn.Conv2d, SyncNorm, SyncNorm]
    assert list(plain.state_dict()) == names
    torch.testing.assert_close(plain(image), expected)
    assert torch.equal(plain.eval()(image), plain(image))


def test_a_process_that_sees_other_images_is_not_waited_for(tmp_path: Path) -> None:
    """Two sources of two sizes: in some steps the processes look at different batches, and nobody hangs."""
    in_two_processes(Path(__file__), tmp_path, "mixed")
    assert checkpoint.load_state(tmp_path)[1]["step"] == 4


def one_sided() -> Recipe:
    """Two sources of one size; the rarer one has the only labels of its task, so that a process may have none."""
    sources = (
        Source("many", Noise(labels=("glow",)), (32, 64), weight=3.0),
        Source("few", Noise(count=3, seed=9, labels=("bright",)), (32, 64)),
    )
    return replace(recipe(), data=sources)


def test_where_the_processes_have_other_tasks_the_weights_differ_a_little(tmp_path: Path) -> None:
    """The limit of the promise in docs/cluster.md: in such steps each process uses its own statistics."""
    lonely = [Mixture(one_sided(), rank, 2)[step] for step in range(4) for rank in (0, 1)]
    assert {tuple(sorted(batch.asked)) for batches in lonely for batch in batches} > {("bright", "glow")}
    list(train(one_sided(), tmp_path / "one"))
    in_two_processes(Path(__file__), tmp_path / "two", "one-sided")
    mine, theirs = (checkpoint.read(tmp_path / n / checkpoint.MODEL)[0] for n in ("one", "two"))
    apart = max(float((mine[name] - theirs[name]).abs().max()) for name in mine)
    assert 1e-5 < apart < 0.1


def test_what_is_refused() -> None:
    with pytest.raises(SpecError, match="sync_norm does not go with MetaWeights"):
        replace(recipe(), balancer=Part(MetaWeights))


if __name__ == "__main__":
    torch.set_num_threads(1)
    made = {"mixed": mixed, "one-sided": one_sided}.get(sys.argv[-1], recipe)
    list(train(made(), Path(sys.argv[1])))
