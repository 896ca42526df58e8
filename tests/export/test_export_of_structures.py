"""Every sharing structure gives in every runtime what it gives in PyTorch, whole and for a head alone."""

import importlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from torch import nn

from export_toys import CLASSES, SIZE, SmallEncoder, samples, shaken
from hydranet.config import catalog
from hydranet.core.features import StagedEncoder
from hydranet.core.spec import Part
from hydranet.deploy.session import known, open_session, runtimes_for
from hydranet.export.export import ExportPlan, export
from hydranet.export.graph import Shape
from hydranet.export.parity import Bounds, compare
from hydranet.models.decoders.lw_refinenet import LightWeightRefineNet
from hydranet.tasks.classification.task import Classification
from hydranet.tasks.depth.task import Depth
from hydranet.tasks.semantic.task import Semantic
from toys import toy_recipe

pytest.importorskip("onnxscript")

TARGETS = [name for name, _ in known()]
TREE = (
    (("semantic", "depth", "place"),),
    (("semantic", "depth", "place"),),
    (("semantic", "depth"), ("place",)),
    (("semantic",), ("depth",), ("place",)),
)


class SmallStages(StagedEncoder):
    """The small encoder, cut between its levels."""

    features = SmallEncoder.features

    def __init__(self, weights: str | None = None) -> None:
        super().__init__()
        self.steps = SmallEncoder().steps

    def segments(self) -> list[nn.Module]:
        return list(self.steps)


@pytest.mark.slow  # two exports to every format, and every runtime
@pytest.mark.parametrize("path", [one.path for one in catalog.members("sharing")])
def test_every_structure_is_exported_with_parity(path: str, tmp_path: Path) -> None:
    module, _, name = path.rpartition(".")
    cls = getattr(importlib.import_module(module), name)
    options: dict[str, Any] = {"tree": TREE} if "tree" in Part(cls).takes else {}
    tasks = (
        Semantic("semantic", CLASSES),
        Depth("depth"),
        Classification("place", CLASSES, hidden=()),  # it reads the encoder, as no other of them does
    )
    recipe = replace(
        toy_recipe(),
        tasks=tasks,
        encoder=Part(SmallStages),
        decoder=Part(LightWeightRefineNet, width=16),
        sharing=Part(cls, **options),
    )
    model = shaken(recipe.build())
    for heads in (None, ["depth"]):
        folder = tmp_path / ("all" if heads is None else "depth")
        graph, paths = export(model, recipe, folder, ExportPlan(TARGETS, Shape(SIZE), heads))
        sessions = {
            (one.name, runtime): open_session(one, runtime, 1) for one in paths for runtime in runtimes_for(one)
        }
        assert {runtime for _, runtime in sessions} == set(TARGETS)
        proofs = compare(graph, sessions, samples(), Bounds(arrays=1e-3))
        assert len(proofs) == len(sessions)
        assert [failure for proof in proofs for failure in proof.failures] == []
