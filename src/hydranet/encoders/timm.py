"""Any image network of timm as an encoder."""

import timm
from torch import Tensor

from hydranet.core.features import Encoder, FeatureSpec, Pyramid
from hydranet.core.spec import SpecError, unknown
from hydranet.nn.normalise import Normalise
from hydranet.weights import load_pretrained


class Timm(Encoder):
    """One level a stride, from 4 up; channels and strides are what timm says of the model.

    model:   a timm name such as "tf_efficientnet_lite0", "resnet50", "convnext_tiny" (`timm.list_models()`).
    weights: "imagenet", a path to safetensors in timm's names, or None for random ones.
    Raises SpecError for an unknown model and for one without feature maps.
    """

    def __init__(self, model: str = "tf_efficientnet_lite0", weights: str | None = "imagenet") -> None:
        super().__init__()
        if not timm.is_model(model):
            raise SpecError(unknown(model, timm.list_models(), "model of timm"))
        try:
            self.body = timm.create_model(model, pretrained=False, features_only=True)
        except (RuntimeError, AttributeError) as error:
            raise SpecError(f"timm's {model} has no feature maps ({error}); choose a convolutional model") from error
        levels = [(i, FeatureSpec(f["num_chs"], f["reduction"])) for i, f in enumerate(self.body.feature_info.get_dicts())]
        self.kept = [i for i, level in levels if level.stride >= 4]
        self.features = tuple(level for _, level in levels if level.stride >= 4)
        settings = timm.get_pretrained_cfg(model)
        self.normalise = Normalise(settings.mean, settings.std) if settings else Normalise((0.5,) * 3, (0.5,) * 3)
        if weights is not None:
            load_pretrained(self.body, model, weights)

    def forward(self, image: Tensor) -> Pyramid:
        levels = self.body(self.normalise(image))
        return [levels[i] for i in self.kept]
