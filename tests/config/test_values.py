"""Values that mean nothing are refused with their range, where they enter: on the command line, as JSON, in Python."""

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from hydranet.balancers.dwa import DWA
from hydranet.balancers.uncertainty import Uncertainty
from hydranet.config.optim import Optim
from hydranet.config.recipe import Recipe
from hydranet.config.schedule import Cosine, OneCycle
from hydranet.core.checks.json_text import BrokenJson, parse_json
from hydranet.core.spec import Part, SpecError
from hydranet.models.decoders.lw_refinenet import LightWeightRefineNet
from hydranet.models.heads.faster_rcnn import TwoStage
from hydranet.models.heads.ssd import Ssd
from hydranet.models.heads.yolov8 import YoloV8
from hydranet.recipes.demo import demo
from hydranet.tasks.detection.task import Detection
from hydranet.training.train import train
from toys import toy_recipe


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        ("tasks.detection.nms_iou=nan", "got nms_iou=nan|got detection.nms_iou=nan"),
        ("tasks.detection.nms_iou=5", "got detection.nms_iou=5, expected a number from 0 to 1"),
        ("tasks.detection.nms_iou=-1", "got detection.nms_iou=-1, expected a number from 0 to 1"),
        ("tasks.detection.max_detections=0", "got detection.max_detections=0, expected a number from 1 to 100000"),
        ('tasks.detection.classes=["car", "car"]', "got two classes named 'car', expected every name once"),
        ("optim.clip=0", "got optim.clip=0, expected a number > 0, such as 10; null = no clipping"),
        ("optim.lr=1e308", r"got optim.lr=1e\+308, expected a number > 0, such as 1e-3, and at most 1e6"),
        ("optim.algorithm.weight_decay=inf", "got AdamW.weight_decay=inf, expected a finite number"),
        ("batch=1000000000", "got batch=1000000000, expected a number from 0 to 65536"),
        ("workers=100000", "got workers=100000, expected a number from 0 to 1024"),
        ("seed=99999999999999999999", "got seed=a whole number of 67 bits, expected a finite number of a usual size"),
        ("data.dense.size=[32, 320000]", "multiples of 4 up to 16384"),
        ("data.dense.weight=nan", "got data.0.weight=nan|has weight nan, expected a number > 0"),
        ("schedule.div=0", "got div=0, expected a number from 1"),
        (f"steps={'1' * 5000}", "got a value of 5000 characters: it holds a number that is too long"),
        (f"steps={'[' * 5000}", "got a value of 5000 characters: (it is nested|line 1 is not JSON)"),
    ],
)
def test_on_the_command_line(setting: str, sentence: str) -> None:
    with pytest.raises(SpecError, match=sentence):
        demo().changed([setting])


@pytest.mark.parametrize(
    ("part", "sentence"),
    [
        (Part(torch.optim.AdamW, betas=(2, 2)), "got optim.algorithm AdamW.*which AdamW refuses .*Invalid beta"),
        (Part(torch.optim.AdamW, weight_decay=-1.0), "AdamW refuses .*Invalid weight_decay"),
        (Part(torch.optim.Adam, eps=-1.0), "which Adam refuses"),
    ],
)
def test_what_an_algorithm_refuses_is_said_before_the_first_step(part: Part, sentence: str, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=sentence):
        next(train(replace(toy_recipe(), optim=Optim(algorithm=part)), tmp_path / "run"))


def test_in_python() -> None:
    with pytest.raises(SpecError, match=r"got AdamW.weight_decay=nan, expected a finite number"):
        Part(torch.optim.AdamW, weight_decay=math.nan)
    with pytest.raises(SpecError, match=r"got ema=nan, expected a finite number"):
        replace(toy_recipe(), ema=math.nan)
    with pytest.raises(SpecError, match=r"got balancer.bound=-1.0, expected a number above 0 to 50"):
        replace(toy_recipe(), balancer=Part(Uncertainty, bound=-1.0))
    with pytest.raises(SpecError, match=r"got balancer.window=0, expected a number from 1"):
        DWA(("a",), window=0)
    with pytest.raises(SpecError, match=r"got end=2, expected a number from 0 to 1"):
        Cosine(end=2)
    with pytest.raises(SpecError, match=r"got final_div=0.1, expected a number from 1"):
        OneCycle(final_div=0.1)
    with pytest.raises(SpecError, match=r"got decoder.width=0, expected a number from 1 to 8192"):
        LightWeightRefineNet((), width=0)
    with pytest.raises(SpecError, match=r"got width=0, expected a number from 1"):
        Ssd(width=0)
    with pytest.raises(SpecError, match=r"expected 7 shares of the image above 0"):
        Ssd(scales=(0.1,))
    with pytest.raises(SpecError, match=r"got proposals=0, expected a number from 1"):
        TwoStage(proposals=0)
    with pytest.raises(SpecError, match=r"got reg_max=1, expected a number from 2 to 256"):
        YoloV8(reg_max=1)
    with pytest.raises(SpecError, match=r"got a.score_threshold=nan, expected a number from 0 to 1"):
        Detection("a", ("car",), score_threshold=math.nan)


@pytest.mark.parametrize(
    ("key", "value", "sentence"),
    [
        ("tasks", {"a": 1}, "got tasks={'a': 1} for Recipe, expected a list of Task"),
        ("encoder", "resnet", "got encoder='resnet' for Recipe, expected a part that is a kind of Encoder"),
        ("optim", 5, "got optim=5 for Recipe, expected Optim"),
        ("data", [None], r"got data=\(None,\) for Recipe, expected a list of Source"),
        ("steps", True, "got steps=True for Recipe, expected int"),
        ("start", [1], r"got start=\(1,\) for Recipe, expected str or NoneType"),
        ("balancer", None, "got balancer=None for Recipe, expected a part that is a kind of LossBalancer or Grad"),
    ],
)
def test_in_json(key: str, value: object, sentence: str) -> None:
    tree = {**json.loads(toy_recipe().to_json()), key: value}
    with pytest.raises(SpecError, match=sentence):
        Recipe.from_json(json.dumps(tree))


def test_json_with_limits() -> None:
    assert parse_json('{"a": [1, null]}') == {"a": [1, None]}
    for text, sentence in (
        ("{\n oops", "line 2 is not JSON"),
        ("1" * 5000, "it holds a number that is too long"),
        ("[" * 100_000, "nested more than 60 levels deep"),
        ("[" * 70 + "]" * 70, "nested more than 60 levels deep"),
    ):
        with pytest.raises(BrokenJson, match=sentence):
            parse_json(text)


# --- parts by word ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("setting", "cls"),
    [
        ("balancer=uncertainty", "Uncertainty"),
        ("balancer=Static", "Static"),
        ("balancer=hydranet.balancers.dwa.DWA", "DWA"),
        ("decoder=lw_refinenet", "LightWeightRefineNet"),
        ("encoder=mobilenetv2", "MobileNetV2"),
        ("sharing=hard", "HardSharing"),
    ],
)
def test_parts_by_word(setting: str, cls: str) -> None:
    recipe = demo().changed([setting])
    part = {
        "balancer": recipe.balancer,
        "decoder": recipe.decoder,
        "encoder": recipe.encoder,
        "sharing": recipe.sharing,
    }
    assert part[setting.partition("=")[0]].cls.__name__ == cls


def test_other_words() -> None:
    recipe = demo().changed(
        ["encoder.weights=null", "encoder=resnet50", "optim=adam", "schedule=cosine", "optim.lr=0.5"]
    )
    assert recipe.encoder.options == {"model": "resnet50", "weights": None}
    assert recipe.optim.algorithm.cls is torch.optim.Adam
    assert recipe.optim.lr == 0.5
    assert recipe.schedule == Cosine()
    assert demo().changed(["optim.algorithm=SGD", "optim.algorithm.momentum=0.9"]).optim.algorithm.options["momentum"]


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        ("balancer=uncertianty", "no balancer is called 'uncertianty'; did you mean 'uncertainty'"),
        ("balancer=5", "got balancer=5, expected one of .*uncertainty"),
        ("schedule=cosin", "no schedule is called 'cosin'; did you mean 'cosine'"),
        ("optim=addam", "no algorithm is called 'addam'; did you mean 'adam'"),
        ("encoder=resnet5000", "no encoder is called 'resnet5000'.*; or a model of timm"),
        ("tasks.depth=5", r"got tasks.depth=5, expected one of its options, such as tasks.depth.*min_m"),
        ("augment=yes", "got augment='yes', expected one of its options, such as augment.blur=..."),
    ],
)
def test_words_that_mean_nothing(setting: str, sentence: str) -> None:
    with pytest.raises(SpecError, match=sentence):
        demo().changed([setting])
