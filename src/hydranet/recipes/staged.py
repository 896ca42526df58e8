"""Training in stages: dense tasks first, then a detector on what they learned, then all together."""

from hydranet.config.optim import Optim
from hydranet.config.recipe import Recipe
from hydranet.config.source import Source
from hydranet.config.stages import Stage
from hydranet.core.spec import Part
from hydranet.datasets.scenes.dataset import Scenes
from hydranet.models.decoders.lw_refinenet import LightWeightRefineNet
from hydranet.models.encoders.mobilenetv2 import MobileNetV2
from hydranet.tasks.depth.task import Depth
from hydranet.tasks.detection.task import Detection
from hydranet.tasks.semantic.task import Semantic
from hydranet.transforms.augment import Augment

SIZE = (96, 320)
DENSE = ("semantic", "depth")
STAGES = (
    Stage("dense", 150, tasks=DENSE),
    Stage("detection", 150, freeze=("trunk.encoder", "trunk.decoder", "heads.semantic", "heads.depth")),
    Stage("all", 150, lr=0.3, weights={"detection": 2.0}),
)


def staged() -> Recipe:
    """Dense tasks; then encoder, decoder and dense heads frozen under a new detector; then everything, more gently.

    Command: hydranet train staged. The proof that the second stage moved no bit of the dense tasks:
    hydranet compare-outputs runs/staged/stages/dense runs/staged/stages/detection --tasks semantic,depth
    and their scores: hydranet compare runs/staged/stages/dense runs/staged/stages/detection
    """
    scenes, held_out = Scenes(count=2000, seed=1, size=SIZE), Scenes(count=64, seed=99, size=SIZE)
    return Recipe(
        name="staged",
        tasks=(
            Semantic("semantic", held_out.classes["semantic"]),
            Depth("depth", min_m=1.0, max_m=80.0, objective="log_l1"),
            Detection("detection", held_out.classes["detection"]),
        ),
        encoder=Part(MobileNetV2, weights="imagenet"),
        decoder=Part(LightWeightRefineNet, width=64),
        data=(Source("scenes", scenes, SIZE),),
        validation=(Source("held-out", held_out, SIZE),),
        augment=Augment(scale=(1.0, 1.3), noise=0.0, blur=0.0),
        optim=Optim(lr=2e-3, factors={"encoder": 0.5}),
        steps=sum(stage.steps for stage in STAGES),
        stages=STAGES,
        batch=8,
        workers=1,
        ema=0.98,
        save_every=50,
    )
