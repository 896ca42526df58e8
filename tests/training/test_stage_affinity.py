"""How alike tasks are at each stage: identities of CKA, and tasks whose likeness is known beforehand."""

import re
from dataclasses import replace

import pytest
import torch

from hydranet.annotations import Annotation, Quantity
from hydranet.core.batch import Batch
from hydranet.core.spec import Part, SpecError
from hydranet.core.task import Task
from hydranet.models.hydranet import HydraNet
from hydranet.models.sharing.grouped import Grouped
from hydranet.training.stage_affinity import cka, stage_affinities
from toys import Brightness, Glow, ToyStages, toy_recipe

PAIR = ("one", "other")


def network(*tasks: Task) -> HydraNet:
    """With heads that are alike."""
    model = replace(toy_recipe(), tasks=tasks, encoder=Part(ToyStages)).build()
    first = model.heads[tasks[0].name].state_dict()
    for task in tasks[1:]:
        if task.reads == tasks[0].reads:
            model.heads[task.name].load_state_dict(first)
    return model


def images(count: int) -> torch.Tensor:
    torch.manual_seed(0)
    shade = torch.rand(count, 1, 1, 1)
    return (255 * (0.5 * shade + 0.5 * torch.rand(count, 3, 32, 64))).to(torch.uint8)


def batch(image: torch.Tensor, labels: dict[str, float]) -> Batch:
    given: dict[str, Annotation] = {task: Quantity(torch.tensor([value])) for task, value in labels.items()}
    rows = {task: torch.tensor([0]) for task in labels}
    return Batch(image[None], given, rows, ("made",), ("0",), torch.full((1, 4), float("nan")))


@torch.no_grad()
def answers(model: HydraNet, image: torch.Tensor) -> torch.Tensor:
    return model.eval()(image.float() / 255)["one"][:, 0]


def test_cka_sees_what_turns_and_scales_leave() -> None:
    torch.manual_seed(0)
    table = torch.randn(40, 5)
    turned = torch.linalg.qr(torch.randn(5, 5))[0]
    assert cka(table, 3 * table @ turned + 7) == pytest.approx(1.0)
    many = [cka(torch.randn(12, 200), torch.randn(12, 200)) for _ in range(200)]
    assert abs(sum(many) / len(many)) < 0.05, "few rows and many columns do not make everything alike"
    assert cka(table, torch.ones(40, 3)) == 0.0


def test_tasks_that_want_the_same_are_alike_everywhere() -> None:
    model, image = network(Brightness("one"), Brightness("other")), images(12)
    wanted = torch.linspace(-1, 1, 12).tolist()
    given = [batch(x, {"one": value, "other": value}) for x, value in zip(image, wanted, strict=True)]
    stages = stage_affinities(model, given, 4)
    assert [stage.name for stage in stages] == ["stage 0", "stage 1", "decoder"]
    for stage in stages:
        for table in (stage.gradient, stage.contribution, stage.error, stage.mean):
            assert table[PAIR] == pytest.approx(1.0)


def test_tasks_that_pull_apart() -> None:
    """Labels one above and one below the answer: gradients are opposite, what is taken from features is alike."""
    model, image = network(Brightness("one"), Brightness("other")), images(12)
    given = [
        batch(x, {"one": float(y) + 1, "other": float(y) - 1})
        for x, y in zip(image, answers(model, image), strict=True)
    ]
    for stage in stage_affinities(model, given, 12):
        assert stage.gradient[PAIR] == pytest.approx(-1.0, abs=1e-4)
        assert stage.contribution[PAIR] == pytest.approx(1.0, abs=1e-4)


def test_errors_agree_by_image() -> None:
    """Of eight images four are hard for either task, two of them for both: they agree on half, which is 0."""
    model, image = network(Brightness("one"), Brightness("other")), images(8)
    hard = {"one": (1, 1, 1, 1, 0, 0, 0, 0), "other": (1, 1, 0, 0, 1, 1, 0, 0)}
    base = answers(model, image).tolist()
    given = [batch(x, {task: base[i] + 0.1 + hard[task][i] for task in hard}) for i, x in enumerate(image)]
    assert stage_affinities(model, given, 8)[0].error[PAIR] == 0.0


def test_tasks_never_labeled_together_are_compared_by_gradients_alone() -> None:
    model, image = network(Brightness("one"), Brightness("other")), images(8)
    given = [batch(x, {PAIR[i % 2]: 1.0}) for i, x in enumerate(image)]
    for stage in stage_affinities(model, given, 4):
        assert stage.error == stage.contribution == {}
        assert stage.mean[PAIR] == stage.gradient[PAIR] > 0.5
    with pytest.raises(SpecError, match="no images that were looked at have labels of both 'one' and 'other'"):
        stage_affinities(model, given, 1)


def test_a_task_beside_the_decoder_has_no_likeness_there() -> None:
    model, image = network(Brightness("one"), Brightness("other", reads="encoder")), images(6)
    given = [batch(x, {"one": 1.0, "other": 0.0}) for x in image]
    first, _, decoder = stage_affinities(model, given, 6)
    assert decoder.mean == {}
    assert PAIR in first.mean


def test_the_network_is_as_before() -> None:
    model, image = network(Brightness("one"), Glow("other")).train(), images(6)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    with pytest.raises(SpecError, match="labels of both"):
        stage_affinities(model, [batch(x, {"one": 1.0}) for x in image], 6)
    assert model.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert all(p.grad is None for p in model.parameters())


def test_networks_without_one_trunk_are_refused() -> None:
    grouped = replace(toy_recipe(), encoder=Part(ToyStages), sharing=Part(Grouped)).build()
    with pytest.raises(SpecError, match=re.escape("got a trunk Grouped, expected one encoder and one decoder")):
        stage_affinities(grouped, [], 1)
    with pytest.raises(SpecError, match="got encoder ToyEncoder, which is no chain of stages"):
        stage_affinities(toy_recipe().build(), [], 1)
