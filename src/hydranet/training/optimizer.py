"""The optimizer of a run, with a group for each part of the network."""

import torch
from torch import nn

from hydranet.config.optim import Optim
from hydranet.core.balancer import Balancer
from hydranet.core.spec import SpecError, unknown
from hydranet.models.hydranet import HydraNet


def optimizer(settings: Optim, model: HydraNet, balancer: Balancer) -> torch.optim.Optimizer:
    """An optimizer with a group for each part of the network; biases, norms and the balancer are not decayed.

    Raises SpecError for options that the algorithm refuses, and for a part that the network does not have.
    """
    groups: dict[tuple[str, bool], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        parts = name.split(".")
        part = "heads" if parts[0] == "heads" else parts[1]
        groups.setdefault((part, parameter.ndim > 1), []).append(parameter)
    groups.setdefault(("balancer", False), []).extend(balancer.parameters())
    known = {part for part, _ in groups}
    for part in settings.factors:
        if part not in known | {"encoder", "decoder", "heads", "balancer"}:
            raise SpecError(unknown(part, known, "part of the network (in optim.factors)"))
    described = [
        {"params": parameters, "part": part, **({} if decayed else {"weight_decay": 0.0})}
        for (part, decayed), parameters in groups.items()
        if parameters
    ]
    try:
        return settings.algorithm([{**group, "lr": settings.rate(str(group["part"]))} for group in described])
    except (TypeError, ValueError, RuntimeError) as error:  # asked here: building one imports half of torch
        raise SpecError(
            f"got optim.algorithm {settings.algorithm}, which {settings.algorithm.cls.__name__} refuses ({error}); see "
            "its documentation for the ranges"
        ) from error
