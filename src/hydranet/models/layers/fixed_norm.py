"""BatchNorm that keeps the statistics it began with, while its scale and shift learn."""

from functools import partial

from torch import nn

from hydranet.core.spec import SpecError


def fix_statistics(module: nn.Module, measured: bool = True) -> None:
    """Every BatchNorm inside normalizes by its running statistics from now on, in training, too; `train()` keeps it so.

    Images of several data sets and sizes (frames, and crops beside them) each have their own mean and variance. Where
    each batch is normalized by its own, the averages that are used after training fit none of them.
    measured: raises SpecError where no BatchNorm inside has statistics of images yet.
    """
    norms = [part for part in module.modules() if isinstance(part, nn.modules.batchnorm._BatchNorm)]
    if measured and not any(norm.running_mean is not None and norm.running_mean.any() for norm in norms):
        raise SpecError(
            f"got fixed_norm=true and {len(norms)} BatchNorms without statistics of images, expected weights that "
            "were trained; choose weights of the encoder (encoder.weights=imagenet), or start=RUN"
        )
    for norm in norms:
        norm.eval()
        norm.train = partial(_with_the_rest_alone, norm)  # type: ignore[method-assign, assignment]


def _with_the_rest_alone(norm: nn.Module, mode: bool = True) -> nn.Module:
    for child in norm.children():
        child.train(mode)
    return norm
