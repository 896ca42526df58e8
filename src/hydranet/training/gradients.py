"""The gradients of one step: the only place where balancers meet autograd.

Whatever the number of processes, sources and micro-batches, a step has one mean loss per task,
L_t = (sum of totals) / (sum of counts), and the balancer sees exactly these. Its weights are w_t = d objective / d L_t.
"""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor, nn

from hydranet.balancers.uniform import Uniform
from hydranet.core.balancer import Balancer, GradientBalancer, LossBalancer, MetaBalancer
from hydranet.core.batch import Batch
from hydranet.core.features import Pyramid
from hydranet.core.task import Loss
from hydranet.models.hydranet import HydraNet
from hydranet.training import feature_gradients
from hydranet.training.feature_gradients import DetachedFeatures, ParameterUsers, Place, parameter_users
from hydranet.training.losses import Autocast, Means, Reduce, detached, forward, frozen_buffers, losses_of, means
from hydranet.training.meta_gradients import update

TASKS_PER_STEP = 4
"""So many tasks may be compared at the decoder in every step for about a fifth of a step's time (docs/balancing.md)."""


def comparison_interval(place: Place, tasks: int) -> int:
    """Steps from one comparison of task gradients to the next, where a balancer leaves it open.

    The cost of a comparison grows with the number of tasks; these intervals keep it below a third of a step.
    """
    return -(-tasks // TASKS_PER_STEP) if place == "decoder" else max(tasks, 1)


def _alone(tensor: Tensor) -> Tensor:
    return tensor


@dataclass(frozen=True, eq=False)
class StepContext:
    """What one step works on, and how.

    seed:   of dropout; a second look at batch i uses seed + i again.
    keep:   hold all graphs until the backward pass. False = accumulate: look twice, first without graphs for sums,
            counts and weights, then batch by batch with gradients; memory of one batch, and still exact.
    reduce: sum over all processes, in place.    factor: gradients are multiplied by it (the loss scale of fp16).
    users:  which tasks use which of the trunk's parameters; found out when a balancer of gradients asks for it.
    """

    model: HydraNet
    batches: Sequence[Batch]
    balancer: Balancer
    autocast: Autocast = nullcontext
    seed: int = 0
    keep: bool = True
    reduce: Reduce = _alone
    factor: float = 1.0
    users: ParameterUsers | None = None

    @property
    def tasks(self) -> list[str]:
        """Names of all tasks of the network, in their order."""
        return list(self.model.tasks)

    def means(self, losses: Sequence[dict[str, Loss]]) -> Means:
        """Losses added up over batches and processes."""
        return means(self.tasks, losses, self.batches, self.reduce)


@dataclass(frozen=True, eq=False)
class StepResult:
    """What one step saw: mean losses, named parts of them, weights, and the Gramian where it was taken in this step.

    gramian: float64 t t; NaN between tasks that share no parameter where gradients are compared.
    """

    losses: dict[str, float]
    parts: dict[str, dict[str, float]] = field(default_factory=dict)
    weights: dict[str, float] = field(default_factory=dict)
    gramian: Tensor | None = None

    def cosines(self) -> dict[str, float]:
        """Cosine between the gradients of every two tasks that share a parameter, as {"a/b": cosine}.

        Empty in a step that did not compare gradients, or where half precision overflowed.
        """
        if self.gramian is None:
            return {}
        norms = self.gramian.diagonal().sqrt().clamp(min=1e-30)
        matrix = self.gramian / torch.outer(norms, norms)
        names = list(self.losses)
        pairs = [(i, j) for i in range(len(names)) for j in range(i + 1, len(names)) if torch.isfinite(matrix[i, j])]
        return {f"{names[i]}/{names[j]}": float(matrix[i, j]) for i, j in pairs}


def loss_weights(balancer: LossBalancer, means: Means) -> dict[str, Tensor]:
    """w_t = d objective / d L_t; the balancer's own parameters get their gradient here, once per step."""
    leaves = {name: means.value(name).detach().requires_grad_() for name in means.total}
    if leaves:
        balancer(leaves).backward()
    return {name: torch.zeros_like(leaf) if leaf.grad is None else leaf.grad for name, leaf in leaves.items()}


def backward(losses: dict[str, Loss], scale: dict[str, Tensor], factor: float = 1.0) -> None:
    """Backward of sum_t scale_t * total_t, in one pass."""
    terms = [factor * scale[n] * loss.total for n, loss in losses.items() if n in scale and loss.total.requires_grad]
    if terms:
        torch.stack(terms).sum().backward()


def step_gradients(step: StepContext) -> StepResult:
    """Fills `.grad` of model and balancer with the gradients of one step over all its batches.

    A task without a label on any process keeps grad None. Raises NonFiniteLoss for a loss that is not finite.
    """
    balancer = step.balancer
    if isinstance(balancer, GradientBalancer):
        if any(p.requires_grad for p in step.model.trunk.parameters()):
            with _graphs_kept(step.model.trunk):
                result = _by_gradients(step, balancer)
        else:  # a frozen trunk: heads get their own gradient, nothing is to be balanced
            result = _by_losses(step, Uniform(balancer.tasks))
    else:
        if isinstance(balancer, MetaBalancer):
            step = replace(step, batches=update(step.model, step.batches, balancer, step.seed, step.reduce))
        result = _by_losses(step, balancer)
    for parameter in balancer.parameters():
        if parameter.grad is not None:
            parameter.grad *= step.factor
    return result


def _graphs_kept(trunk: nn.Module) -> AbstractContextManager[object]:
    """Within it torch.compile makes graphs that may be gone back through several times: once for each task."""
    if trunk._compiled_call_impl is None:
        return nullcontext()
    from torch._functorch import config

    patched: AbstractContextManager[object] = config.patch(donated_buffer=False)
    return patched


def _by_losses(step: StepContext, balancer: LossBalancer) -> StepResult:
    def look(i: int) -> dict[str, Loss]:
        return forward(step.model, step.batches[i], step.autocast, step.seed + i)

    if step.keep:
        losses = [look(i) for i in range(len(step.batches))]
    else:
        with torch.no_grad(), frozen_buffers(step.model):
            losses = [look(i) for i in range(len(step.batches))]
    total = step.means(losses)
    weights = loss_weights(balancer, total)
    scale = {name: weight / total.count[name] for name, weight in weights.items()}
    for i in range(len(step.batches)):
        backward(losses[i] if step.keep else look(i), scale, step.factor)
    return _result(total, weights)


def _result(total: Means, weights: dict[str, Tensor], gramian: Tensor | None = None) -> StepResult:
    return StepResult(
        {name: float(total.value(name)) for name in total.total},
        {name: {part: float(value) for part, value in parts.items()} for name, parts in total.parts.items()},
        {name: float(weight) for name, weight in weights.items()},
        gramian,
    )


def _by_gradients(step: StepContext, balancer: GradientBalancer) -> StepResult:
    """Heads get their own gradient; the trunk gets the weighted sum; what one task owns gets that task's own."""
    model, losses, heads = step.model, list[dict[str, Loss]](), list[DetachedFeatures]()
    units: dict[str, Tensor] = {}
    for i in range(len(step.batches)):
        with nullcontext() if step.keep else frozen_buffers(model.trunk):
            batch_losses, features = _heads(step, i, units)
        losses.append(detached(batch_losses))
        heads.append(features)
    total = step.means(losses)
    for name in model.tasks:
        if name not in total.count:  # nothing known in its labels: neither momentum nor weight decay may move its head
            model.heads[name].zero_grad(set_to_none=True)
    if not total.count:
        return _result(total, {})
    shares = _finish_heads(model, total, units)
    shared = _Shared(step, balancer, heads, shares)
    gramian, fresh = shared.gramian()
    weights = _ask(balancer, gramian, total)
    shared.backward(weights)
    return _result(total, weights, shared.told_apart(gramian) if fresh else None)


def _ask(balancer: GradientBalancer, products: Tensor, total: Means) -> dict[str, Tensor]:
    """The balancer's weights; 1 where fp16 overflowed, since that step is left out and must not move its state."""
    values = {name: total.value(name) for name in total.count}
    if not torch.isfinite(products).all():
        return {name: torch.ones_like(value) for name, value in values.items()}
    return dict(zip(values, balancer(products.float(), values), strict=True))


def _pyramids(step: StepContext, i: int) -> dict[str, Pyramid]:
    """What the heads of the tasks that learn from batch i read."""
    batch = step.batches[i]
    asked = [name for name in step.model.tasks if name in batch.asked]
    return step.model.trunk(batch.pixels, asked) if asked else {}


def _heads(step: StepContext, i: int, units: dict[str, Tensor]) -> tuple[dict[str, Loss], DetachedFeatures]:
    torch.manual_seed(step.seed + i)
    with step.autocast():
        with torch.set_grad_enabled(step.keep):
            pyramids = _pyramids(step, i)
        copies, features = feature_gradients.detach_features(pyramids)
        raw = step.model.answer(copies)
    losses = losses_of(step.model, raw, step.batches[i])
    # Gradients of about a mean loss, which fit into half precision: by the task's count where it was first seen.
    inverse = {name: 1 / units.setdefault(name, loss.count.detach().clamp(min=1)) for name, loss in losses.items()}
    # Every task has leaves of its own, so one backward pass gives all task gradients apart.
    backward(losses, inverse, step.factor)
    return losses, features


def _finish_heads(model: HydraNet, total: Means, units: dict[str, Tensor]) -> dict[str, Tensor]:
    """Turns the heads' gradients, taken per unit, into those of the means; returns the factor for the trunk's."""
    shares = {name: units.get(name, count) / count for name, count in total.count.items()}
    for name, share in shares.items():
        for parameter in model.heads[name].parameters():
            if parameter.grad is not None:
                parameter.grad *= share
    return shares


class _Shared:
    """The trunk's part of a step: inner products of the task gradients at shared parameters, and the way back.

    shares: by task present, the factor that makes its gradients at the heads' features those of its mean loss.
    """

    def __init__(
        self,
        step: StepContext,
        balancer: GradientBalancer,
        heads: Sequence[DetachedFeatures],
        shares: dict[str, Tensor],
    ) -> None:
        self.step, self.balancer, self.heads, self.shares = step, balancer, heads, shares
        self.users = step.users or parameter_users(step.model.trunk)
        self.parameters = {n: p for n, p in step.model.trunk.named_parameters() if p.requires_grad}
        self.place: Place = self.users.place(balancer.at)
        if not self._compared():
            self.place = "parameters"

    def _compared(self) -> list[nn.Parameter]:
        return [self.parameters[name] for name in self.users.compared(self.place) if name in self.parameters]

    @contextmanager
    def _levels(self, i: int, frozen: bool) -> Iterator[list[Tensor]]:
        """The trunk's tensors of batch i with their graph: those at hand, or computed again.

        frozen: buffers are put back at the end; backward passes come before it, since they need them as they were.
        """
        if self.step.keep:
            yield self.heads[i].trunk
            return
        torch.manual_seed(self.step.seed + i)
        with frozen_buffers(self.step.model.trunk) if frozen else nullcontext():
            with self.step.autocast():
                levels = feature_gradients.detach_features(_pyramids(self.step, i))[1].trunk
            yield levels

    def gramian(self) -> tuple[Tensor, bool]:
        """float64 t t of the tasks present, and whether it was taken in this step or is one of an earlier step."""
        names = tuple(self.shares)
        every = self.balancer.every or comparison_interval(self.place, len(self.users.tasks))
        if (known := self.balancer.recall(names, every)) is not None:
            return known, False
        compared = self._compared()
        sizes = [parameter.numel() for parameter in compared]
        device = self.shares[names[0]].device
        vectors = torch.zeros(len(names), sum(sizes), device=device)
        for i, features in enumerate(self.heads):
            with self._levels(i, frozen=True) as levels:
                for row, name in enumerate(names):
                    gradients = feature_gradients.parameter_gradient(features, levels, name, compared)
                    flat = [gradient.flatten().float() for gradient in gradients]
                    vectors[row] += self.shares[name] * torch.cat([vectors.new_zeros(0), *flat])
        joint = self.step.reduce(vectors)
        products = (joint @ joint.T).double() / self.step.factor**2
        if torch.isfinite(products).all():
            self.balancer.remember(names, products)
        return products, True

    def told_apart(self, gramian: Tensor) -> Tensor:
        """The Gramian with NaN between tasks that share nothing where gradients are compared."""
        names = list(self.shares)
        known = [[a == b or self.users.together(a, b, self.place) for b in names] for a in names]
        return torch.where(torch.tensor(known, device=gramian.device), gramian, torch.nan)

    def backward(self, weights: dict[str, Tensor]) -> None:
        """Fills the trunk's gradients: the weighted sum, and for what one task owns, that task's own gradient."""
        owned = {name: self._owned(name) for name in self.shares}
        silent = [name for name in self.shares if owned[name] and float(weights[name]) == 0]
        own: dict[nn.Parameter, Tensor] = {}
        for i, features in enumerate(self.heads):
            with self._levels(i, frozen=False) as levels:
                for name in silent:  # the weighted sum does not hold it
                    gradients = feature_gradients.parameter_gradient(features, levels, name, owned[name])
                    for parameter, gradient in zip(owned[name], gradients, strict=True):
                        own[parameter] = own.get(parameter, torch.zeros_like(gradient)) + self.shares[name] * gradient
                scaled = {name: weight * self.shares[name] for name, weight in weights.items()}
                feature_gradients.backward_features(features, levels, scaled)
        for name in self.shares:
            for parameter in owned[name]:
                if name in silent:
                    parameter.grad = own[parameter]
                elif parameter.grad is not None:
                    parameter.grad /= weights[name]

    def _owned(self, task: str) -> list[nn.Parameter]:
        return [self.parameters[name] for name in self.users.owned(task) if name in self.parameters]
