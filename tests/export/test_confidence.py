"""Exports with confidence: the probability of the chosen class, through graph, manifest, proof, predictor and JSON."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from export_toys import CLASSES, SIZE, SmallEncoder, pictures, shaken
from hydranet.annotations import ClassMap, Tag
from hydranet.config.recipe import Recipe
from hydranet.core.sample import Sample
from hydranet.core.spec import Part, SpecError
from hydranet.deploy.messages import message
from hydranet.deploy.predictor import SessionPredictor
from hydranet.deploy.session import open_session
from hydranet.export.export import ExportPlan, export, sure
from hydranet.export.graph import Shape
from hydranet.export.parity import Bounds, compare
from hydranet.tasks.classification.task import Classification
from hydranet.tasks.depth.task import Depth
from hydranet.tasks.semantic.task import Semantic
from hydranet.transforms.view import View, letterbox, stretch
from hydranet.transforms.warp import unwarp
from toys import toy_recipe


def three_heads() -> Recipe:
    """A map of classes, depth, and one class for the whole image."""
    tasks = (
        Semantic("semantic", CLASSES, reads="encoder"),
        Depth("depth", reads="encoder"),
        Classification("classification", CLASSES, reads="encoder"),
    )
    return replace(toy_recipe(), tasks=tasks, encoder=Part(SmallEncoder))


@pytest.mark.parametrize("block_px", [1, 2, 4])
def test_it_is_the_softmax_of_the_chosen_class(block_px: int) -> None:
    task = Semantic("ground", ("a", "b", "c"), block_px=block_px)
    raw = 5 * torch.randn(2, 3, 4, 6, generator=torch.Generator().manual_seed(0))
    plain, told = task.decode(raw), task.with_confidence().decode(raw)
    assert isinstance(plain, ClassMap)
    assert isinstance(told, ClassMap)
    assert plain.confidence is None
    assert torch.equal(plain.ids, told.ids)
    times = 4 // block_px
    logits = raw if times == 1 else torch.nn.functional.interpolate(raw, scale_factor=float(times), mode="bilinear")
    wanted = logits.softmax(1).amax(1).repeat_interleave(block_px, 1).repeat_interleave(block_px, 2)
    torch.testing.assert_close(told.confidence, wanted)
    raw[1, 0, 0, 0] = torch.nan
    broken = task.with_confidence().decode(raw)
    assert isinstance(broken, ClassMap)
    assert (broken.ids[1] == 255).all()
    assert broken.confidence is not None
    assert (broken.confidence[1] == 0).all()


def test_it_comes_back_to_the_image_with_the_ids() -> None:
    ids = np.repeat(np.arange(4, dtype=np.uint8).reshape(2, 2), 4, 0).repeat(4, 1)
    label = ClassMap(ids, confidence=(ids / 10 + 0.5).astype(np.float32))
    whole = unwarp(label, stretch((16, 24), (8, 8)), (16, 24))
    assert isinstance(whole, ClassMap)
    np.testing.assert_allclose(whole.confidence, whole.ids / 10 + 0.5, atol=1e-6)
    assert message(label)["mean_confidence"] == 0.65
    padded = unwarp(label, letterbox((8, 4), (8, 8)), (8, 4))
    assert isinstance(padded, ClassMap)
    np.testing.assert_allclose(padded.confidence, padded.ids / 10 + 0.5, atol=1e-6)
    assert View.identity((8, 8)).size == (8, 8)


def test_heads_without_confidence_are_refused() -> None:
    model = three_heads().build()
    with pytest.raises(SpecError, match=r"no head with a confidence of its own .* is called 'depth'"):
        sure(model, ["depth"])
    with pytest.raises(SpecError, match="is called 'semantic'"):
        sure(model, ["semantic"], ["depth"])
    told = sure(model, ["all"])
    assert told.tasks["semantic"] == model.tasks["semantic"].with_confidence() != model.tasks["semantic"]
    assert told.tasks["depth"] == model.tasks["depth"]
    assert told.trunk is model.trunk


def test_a_file_with_confidence_is_proven_and_answers_in_pixels_of_the_image(tmp_path: Path) -> None:
    pytest.importorskip("onnxscript")
    pytest.importorskip("onnxruntime")
    recipe = three_heads()
    heads = ["semantic", "classification"]
    plan = ExportPlan(["onnx"], Shape(SIZE), heads, confidence=["semantic"])
    graph, (path,) = export(shaken(recipe.build()), recipe, tmp_path, plan)
    session = open_session(path)
    assert session.manifest.heads["semantic"].fields == ("ids", "confidence")
    output = session.manifest.outputs["semantic.confidence"]
    assert (output.dtype, output.shape) == ("float32", (1, *SIZE))
    images = pictures()
    (parity,) = compare(graph, {("model.onnx", "onnx"): session}, [Sample(image) for image in images], Bounds())
    assert not parity.failures
    assert "semantic.confidence" in parity.arrays
    answers = SessionPredictor(session)(images[0])
    semantic, tag = answers["semantic"], answers["classification"]
    assert isinstance(semantic, ClassMap)
    assert isinstance(tag, Tag)
    assert semantic.confidence is not None
    assert semantic.confidence.shape == semantic.ids.shape == images[0].shape[:2]
    assert 1 / len(session.manifest.heads["semantic"].classes) <= semantic.confidence.min()
    assert semantic.confidence.max() <= 1 + 1e-5
    assert np.ptp(semantic.confidence) > 0.05
    assert tag.probs is not None
    assert tag.probs.sum() == pytest.approx(1, abs=1e-4)
