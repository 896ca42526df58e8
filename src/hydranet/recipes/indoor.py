"""Indoor scenes: the three-task network of Nekrasov et al. (ICRA 2019, arXiv 1809.04766) on NYUv2."""

from dataclasses import replace

from hydranet.balancers.uncertainty import Uncertainty
from hydranet.config.optim import Optim
from hydranet.config.recipe import Recipe
from hydranet.config.source import Source
from hydranet.core.spec import Part
from hydranet.datasets.nyuv2 import NyuV2
from hydranet.datasets.subset import Subset
from hydranet.models.decoders.lw_refinenet import LightWeightRefineNet
from hydranet.models.encoders.mobilenetv2 import MobileNetV2
from hydranet.tasks.depth.task import Depth
from hydranet.tasks.normals.task import Normals
from hydranet.tasks.semantic.task import Semantic
from hydranet.transforms.augment import Augment

SIZE = (480, 640)


def indoor() -> Recipe:
    """Segmentation (40 classes), metric depth and normals (from depth) on the same images; 3.08 M parameters.

    Command: HYDRANET_DATA=DATA hydranet train indoor. Not trained yet: no scores to state.
    """
    nyu = NyuV2("nyuv2")
    train = Source("nyu", Subset(nyu, "0-249"), (256, 352))
    return Recipe(
        name="indoor",
        tasks=(
            Semantic("semantic", nyu.classes["semantic"]),
            Depth("depth", min_m=0.3, max_m=10.0, objective="berhu"),
            Normals("normals"),
        ),
        encoder=Part(MobileNetV2, weights="imagenet"),
        decoder=Part(LightWeightRefineNet),
        data=(train,),
        validation=(replace(train, name="nyu-val", dataset=Subset(nyu, "250-299"), size=SIZE),),
        augment=Augment(scale=(0.9, 1.6)),
        balancer=Part(Uncertainty),
        optim=Optim(lr=1e-3, factors={"encoder": 0.3, "balancer": 3.0}),
        steps=2000,
        batch=8,
        precision="auto",
        ema=0.998,
    )
