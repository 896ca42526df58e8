"""How alike tasks are at each stage of a trained network that they share: what a tree of branches is chosen by."""

import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import torch
from torch import Tensor, nn

from hydranet.core.batch import Batch
from hydranet.core.errors import SpecError
from hydranet.core.features import Decoder, Encoder, Pyramid, StagedEncoder
from hydranet.models.hydranet import HydraNet
from hydranet.training.losses import losses_of

FEWEST = 4
"""Images that both tasks need labels in, before contributions and errors are compared."""

Pair = tuple[str, str]
"""Two tasks, in the order of the network's tasks."""


@dataclass(frozen=True)
class StageAffinity:
    """The affinities at one stage, each of at most 1; pairs that one of them cannot be measured for are absent.

    gradient:     cosine between the gradients of the two tasks' losses at the stage's parameters.
    contribution: linear CKA (`cka`) between what the tasks take from the stage's output.
    error:        2 P - 1, with P the share of images that are hard for both tasks or easy for both.
    """

    name: str
    gradient: Mapping[Pair, float]
    contribution: Mapping[Pair, float]
    error: Mapping[Pair, float]

    @property
    def mean(self) -> dict[Pair, float]:
        """The affinity: mean over those of the three that could be measured."""
        tables = (self.gradient, self.contribution, self.error)
        pairs = dict.fromkeys(pair for table in tables for pair in table)
        return {pair: statistics.fmean(table[pair] for table in tables if pair in table) for pair in pairs}


def stage_affinities(model: HydraNet, images: Sequence[Batch], together: int) -> list[StageAffinity]:
    """The affinity of each pair of tasks at each stage of the encoder, and at the decoder, which is the last.

    In a shared trunk all tasks have the same features, so this compares what differs, with the network as it is:

    - the gradients g_i of task i's mean loss over `together` images at a time, at the parameters of the stage;
    - the contributions a_i = sum over places of F * dL_i / dF, a number per image and channel of the stage's output F;
    - the losses per image: hard for a task are the images above the median of its losses (Lu et al., CVPR 2017, arXiv
      1611.05377, whose affinity this is, with the mean in place of the median).

    images: batches of one image each.
    Raises SpecError where the trunk is not one encoder that can be cut into stages, and where a pair has no gradients.
    """
    encoder, decoder = shared_parts(model)
    names = [f"stage {level}" for level in range(len(encoder.features))] + (["decoder"] if decoder else [])
    parameters = [[p for p in part.parameters() if p.requires_grad] for part in _modules(encoder, decoder)]
    looks = _Looks({task: [] for task in model.tasks}, {task: [] for task in model.tasks})
    cosines: list[dict[Pair, list[float]]] = [{} for _ in names]
    training = model.training
    model.eval()
    try:
        with _outputs(encoder, decoder) as outputs:
            for first in range(0, len(images), together):
                gradients: dict[str, list[list[Tensor]]] = {task: [] for task in model.tasks}
                for batch in images[first : first + together]:
                    _look(model, batch, outputs, parameters, (looks, gradients))
                _add_cosines(cosines, gradients)
    finally:
        model.train(training)
    errors = {pair: value for pair in _pairs(model) if (value := _agreement(looks, pair)) is not None}
    made = []
    for stage, name in enumerate(names):
        measured = {pair: statistics.fmean(values) for pair, values in cosines[stage].items()}
        taken = {pair: value for pair in measured if (value := _alike(looks, pair, stage)) is not None}
        made.append(StageAffinity(name, measured, taken, {pair: errors[pair] for pair in measured if pair in errors}))
    _check(model, made)
    return made


def shared_parts(model: HydraNet) -> tuple[StagedEncoder, Decoder | None]:
    """Encoder and decoder of a hard-shared network. Raises SpecError for other structures and encoders."""
    parts = dict(model.trunk.named_children())
    encoder, decoder = parts.get("encoder"), parts.get("decoder")
    if not isinstance(encoder, Encoder) or not (decoder is None or isinstance(decoder, Decoder)):
        raise SpecError(
            f"got a trunk {type(model.trunk).__name__}, expected one encoder and one decoder that all tasks share; "
            "take a run with sharing=hard_sharing"
        )
    if not isinstance(encoder, StagedEncoder):
        raise SpecError(
            f"got encoder {type(encoder).__name__}, which is no chain of stages; take a run with MobileNetV2, or "
            "derive it from StagedEncoder"
        )
    return encoder, decoder


def cka(one: Tensor, other: Tensor) -> float:
    """Linear CKA (Kornblith et al., ICML 2019, arXiv 1905.00414) of tables n x p and n x q; 0 where one is constant.

    With the unbiased estimate of HSIC (Song et al., JMLR 2012), so that few rows and many columns do not
    make everything alike; at most 1, about 0 for what has nothing in common, and it may come out below. n >= 4.
    """
    first, second = (_hollow(table.double() @ table.double().T) for table in (one, other))
    own = _hsic(first, first) * _hsic(second, second)
    return _hsic(first, second) / math.sqrt(own) if own > 0 else 0.0


def _hollow(gram: Tensor) -> Tensor:
    return gram - torch.diag(torch.diagonal(gram))


def _hsic(k: Tensor, m: Tensor) -> float:
    n = len(k)
    value = (k * m).sum() + k.sum() * m.sum() / ((n - 1) * (n - 2)) - 2 * (k.sum(0) @ m.sum(0)) / (n - 2)
    return float(value) / (n * (n - 3))


@dataclass
class _Looks:
    """By task and image: the mean loss, NaN without labels, and by stage the contributions, None without any."""

    losses: dict[str, list[float]]
    contributions: dict[str, list[list[Tensor | None]]]

    def both(self, pair: Pair) -> list[int]:
        """The images in which both tasks have labels."""
        first, second = (self.losses[task] for task in pair)
        return [i for i, (a, b) in enumerate(zip(first, second, strict=True)) if math.isfinite(a) and math.isfinite(b)]


@contextmanager
def _outputs(encoder: StagedEncoder, decoder: Decoder | None) -> Iterator[dict[str, Pyramid]]:
    """What encoder and decoder gave in the last forward pass."""
    kept: dict[str, Pyramid] = {}

    def keep(name: str) -> Any:
        return lambda _module, _given, made: kept.__setitem__(name, made)

    hooks = [encoder.register_forward_hook(keep("encoder"))]
    hooks += [decoder.register_forward_hook(keep("decoder"))] if decoder else []
    try:
        yield kept
    finally:
        for hook in hooks:
            hook.remove()


def _modules(encoder: StagedEncoder, decoder: Decoder | None) -> list[nn.Module]:
    return [*encoder.segments(), *([decoder] if decoder else [])]


def _look(
    model: HydraNet,
    batch: Batch,
    outputs: dict[str, Pyramid],
    parameters: Sequence[Sequence[nn.Parameter]],
    into: tuple[_Looks, dict[str, list[list[Tensor]]]],
) -> None:
    """Adds one image's losses and contributions, and its gradients to those of the images it is together with."""
    looks, gradients = into
    asked = [task for task in model.tasks if task in batch.asked]
    losses = losses_of(model, dict(model(batch.pixels, asked)), batch) if asked else {}
    levels: list[list[Tensor]] = [[level] for level in outputs.get("encoder", ())] if asked else []
    levels += [list(outputs.get("decoder", ()))] if len(parameters) > len(levels) else []
    flat = [level for several in levels for level in several]
    every = [p for several in parameters for p in several]
    for task in model.tasks:
        loss = losses.get(task)
        if loss is None or not float(loss.count.detach()) > 0 or not loss.total.requires_grad:
            looks.losses[task].append(math.nan)
            looks.contributions[task].append([])
            continue
        mean = loss.total / loss.count
        given = torch.autograd.grad(mean, [*flat, *every], retain_graph=True, allow_unused=True)
        at = iter(given[: len(flat)])
        looks.losses[task].append(float(mean.detach()))
        looks.contributions[task].append([_contribution(several, [next(at) for _ in several]) for several in levels])
        _add(gradients[task], parameters, given[len(flat) :])
    outputs.clear()


def _contribution(levels: Sequence[Tensor], gradients: Sequence[Tensor | None]) -> Tensor | None:
    if all(gradient is None for gradient in gradients):
        return None
    parts = [
        torch.zeros(level.shape[1], device=level.device) if g is None else (level.detach() * g).float().sum((0, 2, 3))
        for level, g in zip(levels, gradients, strict=True)
    ]
    return torch.cat(parts).cpu()


def _add(
    sums: list[list[Tensor]], parameters: Sequence[Sequence[nn.Parameter]], given: Sequence[Tensor | None]
) -> None:
    at = iter(given)
    for stage, several in enumerate(parameters):
        mine = [torch.zeros_like(p) if g is None else g for p, g in zip(several, at, strict=False)]
        if stage == len(sums):
            sums.append(mine)
        else:
            sums[stage] = [a + b for a, b in zip(sums[stage], mine, strict=True)]


def _add_cosines(cosines: list[dict[Pair, list[float]]], gradients: Mapping[str, Sequence[Sequence[Tensor]]]) -> None:
    """Of each stage that both tasks have a gradient at."""
    for stage, table in enumerate(cosines):
        flat = {
            task: torch.cat([g.flatten().double() for g in mine[stage]]) for task, mine in gradients.items() if mine
        }
        for first, second in combinations(flat, 2):
            norms = float(flat[first].norm() * flat[second].norm())
            if norms > 0:
                table.setdefault((first, second), []).append(float(flat[first] @ flat[second]) / norms)


def _pairs(model: HydraNet) -> list[Pair]:
    return list(combinations(model.tasks, 2))


def _agreement(looks: _Looks, pair: Pair) -> float | None:
    """2 P - 1; None for too few images with labels of both."""
    images = looks.both(pair)
    if len(images) < FEWEST:
        return None
    first, second = ([looks.losses[task][i] for i in images] for task in pair)
    middle = statistics.median(first), statistics.median(second)
    same = [(a > middle[0]) == (b > middle[1]) for a, b in zip(first, second, strict=True)]
    return 2 * sum(same) / len(same) - 1


def _alike(looks: _Looks, pair: Pair, stage: int) -> float | None:
    images = looks.both(pair)
    tables = [[looks.contributions[task][i][stage] for i in images] for task in pair]
    known = [[one for one in table if one is not None] for table in tables]
    if len(images) < FEWEST or any(len(table) < len(images) for table in known):
        return None
    return cka(*(torch.stack(table) for table in known))


def _check(model: HydraNet, made: Sequence[StageAffinity]) -> None:
    for pair in _pairs(model):
        if not any(pair in stage.gradient for stage in made):
            raise SpecError(
                f"no images that were looked at have labels of both {pair[0]!r} and {pair[1]!r} in one step; look at "
                "more (--images)"
            )
