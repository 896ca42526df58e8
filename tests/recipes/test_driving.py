"""The ResNet-50 network: its parameters against a count by hand, its weights and its plan from the command line."""

import pytest

from hydranet.balancers.curriculum import Curriculum
from hydranet.models.summary import alone, count, parts
from hydranet.recipes.driving import FRAME, WEIGHTS, driving

pytest.importorskip("timm")
pytest.importorskip("torchvision")


def test_parameters_equal_a_count_by_hand() -> None:
    model = driving().build()
    assert count(model.trunk.encoder) == 25_557_032 - (2048 * 1000 + 1000)  # ResNet-50 without its classifier
    sign = (2048 * 1024 + 2 * 1024) + (1024 * 512 + 2 * 512) + (512 * 43 + 43)
    assert count(model.heads["sign"]) == sign
    cells = 7 * 7
    look, objectness, deltas = 256 * 512 * 9 + 512, 9 * 7 * 513, 9 * 4 * 513
    inspect = (256 * cells * 1024 + 1024) + (1024 * 1024 + 1024)
    score, box = 8 * 1025, 7 * 4 * 1025
    assert count(model.heads["detection"]) == look + objectness + deltas + inspect + score + box
    lines = {line.name: line for line in parts(model, FRAME)}
    costs = {line.name: line for line in alone(model, FRAME)}
    assert costs["sign"].parameters == lines["encoder"].parameters + sign
    assert costs["lanes"].macs == lines["encoder"].macs + lines["head lanes"].macs
    assert costs["detection"].macs == lines["trunk (shared)"].macs + lines["head detection"].macs


def test_weights_and_plans_are_set_from_the_command_line() -> None:
    recipe = driving()
    assert recipe.balancer.options["weights"] == WEIGHTS == {"detection": 1.0, "lanes": 5.0, "sign": 30.0}
    assert recipe.changed(["balancer.weights.sign=10"]).balancer.options["weights"]["sign"] == 10
    planned = recipe.changed(["balancer=curriculum", 'balancer.plan={"sign": [[0, 0], [500, 30]]}'])
    balancer = planned.build_balancer()
    assert isinstance(balancer, Curriculum)
    assert balancer.weight("sign", 250) == 15
    assert balancer.weight("lanes", 250) == 1
