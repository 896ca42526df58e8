"""Networks whose speed is compared (docs/speed.md): our three heads, and a two-head network to compare with."""

from dataclasses import replace

from hydranet.balancers.uncertainty import Uncertainty
from hydranet.config.optim import Optim
from hydranet.config.recipe import Recipe
from hydranet.config.source import Source
from hydranet.core.spec import Part
from hydranet.datasets.scenes.dataset import Scenes
from hydranet.models.decoders.lw_refinenet import LightWeightRefineNet
from hydranet.models.encoders.mobilenetv2 import MobileNetV2
from hydranet.models.heads.yolov8 import YoloV8
from hydranet.tasks.depth.task import Depth
from hydranet.tasks.detection.task import Detection
from hydranet.tasks.semantic.task import Semantic

SIZE = (192, 640)
SIX = ("road", "pavement", "building", "vegetation", "sky", "vehicle")
"""As many classes as arXiv 1809.04766 has on KITTI."""


def reference() -> Recipe:
    """Segmentation, depth and boxes at 192x640: a decoder of 128 channels and a light detection head.

    Command: hydranet bench reference --separate. Not trained here: speed only.
    """
    labels = ("semantic", "depth", "detection")
    scenes = Scenes(count=4000, seed=1, size=SIZE, labels=labels)
    held_out = replace(scenes, count=100, seed=99)
    return Recipe(
        name="reference",
        tasks=(
            Semantic("semantic", scenes.classes["semantic"], block_px=4),
            Depth("depth", min_m=1.0, max_m=80.0, objective="log_l1"),
            Detection("detection", scenes.classes["detection"], detector=YoloV8(width="xs", separable=True)),
        ),
        encoder=Part(MobileNetV2, weights="imagenet"),
        decoder=Part(LightWeightRefineNet, width=128),
        data=(Source("scenes", scenes, SIZE),),
        validation=(Source("held-out", held_out, SIZE),),
        balancer=Part(Uncertainty),
        optim=Optim(lr=1.5e-3, factors={"encoder": 0.3, "balancer": 3.0}),
        ema=0.998,
    )


def reference_slim() -> Recipe:
    """The same with a decoder of 64 channels.

    Command: hydranet bench reference_slim --separate. Not trained here: speed only.
    """
    return replace(reference(), name="reference_slim", decoder=Part(LightWeightRefineNet, width=64))


def nekrasov_layout() -> Recipe:
    """Two heads as in Nekrasov et al. (arXiv 1809.04766): MobileNet-v2, a decoder of 256 channels, six classes, depth.

    Command: hydranet bench nekrasov_layout. Not trained here: speed only.
    """
    three = reference()
    kept = {name: name if name in SIX else None for name in three.tasks[0].classes}
    sources = (*three.data, *three.validation)
    data, held_out = (replace(source, classes={"semantic": kept}) for source in sources)
    return replace(
        three,
        name="nekrasov_layout",
        tasks=(Semantic("semantic", SIX, block_px=4), three.tasks[1]),
        decoder=Part(LightWeightRefineNet, width=256),
        data=(data,),
        validation=(held_out,),
    )
