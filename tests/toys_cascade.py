"""A recipe with a cascade of a small network: boxes, and a class and a number for each."""

from dataclasses import replace

from export_toys import CLASSES, SmallEncoder
from hydranet.config.recipe import Recipe
from hydranet.config.source import Source
from hydranet.core.cascade import Cascade
from hydranet.core.spec import Part
from hydranet.tasks.classification.task import Classification
from hydranet.tasks.detection.task import Detection
from hydranet.tasks.regression.task import Regression
from toys import Noise, toy_recipe

SIGNS = ("stop", "yield", "no entry")
CROP = (32, 32)


def cascade_recipe(**options: object) -> Recipe:
    """Boxes of four classes; those of two of them are cut out."""
    tasks = (
        Detection("detection", CLASSES, reads="encoder", pre_nms_topk=40, max_detections=6),
        Classification("sign", SIGNS, hidden=(8,), dropout=0.0),
        Regression("age", unit="years", offset=30.0, scale=10.0, hidden=()),
    )
    cascade = Cascade("detection", ("sign", "age"), CROP, classes=CLASSES[:2], **options)
    held_out = (Source("held-out", Noise(count=2, seed=1, labels=(), size=(64, 96)), (64, 96)),)
    recipe = replace(toy_recipe(), tasks=tasks, encoder=Part(SmallEncoder), validation=held_out)
    data = (Source("noise", Noise(labels=(), size=(64, 96)), (64, 96)), Source("crops", Noise(labels=()), CROP))
    return replace(recipe, data=data, cascades=(cascade,))
