"""Weights from the inner products of the task gradients: eight published ways to deal with conflict.

All are scaled to the plain sum: where gradients agree, or where there is one task, its weight is 1 (Nash-MTL: where
they are orthogonal and of one length). TorchJD provides PCGrad, IMTL-G and Aligned-MTL; the others are small convex
problems, solved here to machine precision, since TorchJD's versions are approximate or ask for a solver package.
"""

from collections.abc import Callable
from typing import Literal, get_args

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from hydranet.core.balancer import GradientBalancer, Losses
from hydranet.core.spec import SpecError, unknown

Method = Literal["sum", "pcgrad", "mgda", "cagrad", "upgrad", "imtlg", "alignedmtl", "nashmtl"]
Square = Float[np.ndarray, "t t"]
Weights = Float[np.ndarray, " t"]


class Aggregated(GradientBalancer):
    """The trunk's gradient is sum_t w_t g_t, with w from the Gramian G = (g_s . g_t) by `method`.

    sum:        w = 1; the plain sum, for the cosines in the log.
    pcgrad:     each gradient loses its component against every other one it conflicts with, in random order.
    mgda:       the shortest convex combination; no task gets worse, small gradients rule.
    cagrad:     the best worst-case descent within a ball of radius c |mean| around the mean gradient.
    upgrad:     each gradient is projected onto the cone where no task gets worse, then they are added.
    imtlg:      equal projections onto all task gradients; weights may be negative.
    alignedmtl: the gradients are rotated and scaled to be orthogonal and of equal length.
    nashmtl:    (G w)_t = 1 / w_t: every task gains the same share; the sizes of gradients do not matter.

    A task whose gradient vanishes has no say and weighs 1. `docs/balancing.md` has the formulas and papers.
    Raises SpecError for an unknown method, ImportError where a method needs TorchJD and it is missing.
    """

    def __init__(
        self,
        tasks: tuple[str, ...],
        method: Method = "upgrad",
        at: Literal["cut", "parameters"] = "cut",
        c: float = 0.5,
        seed: int = 0,
    ) -> None:
        super().__init__(tasks, at)
        if method not in get_args(Method):
            raise SpecError(unknown(str(method), get_args(Method), "method of Aggregated"))
        self.method, self.c, self.seed = method, c, seed
        self.torchjd = _torchjd(method)
        self.register_buffer("step", torch.zeros((), dtype=torch.int64))
        self.step: Tensor

    @torch.no_grad()
    def forward(self, gramian: Float[Tensor, "t t"], losses: Losses) -> Float[Tensor, " t"]:
        step = int(self.step)
        self.step += 1
        on_cpu = gramian.detach().cpu().double()
        lengths = on_cpu.diagonal()
        alive = lengths > 1e-12 * lengths.max()
        weights = torch.ones(len(lengths))
        if alive.any():
            # No method depends on the common scale, and several have thresholds made for gradients of length 1.
            chosen = on_cpu[alive][:, alive] / lengths[alive].mean()
            weights[alive] = self._solve(chosen, step).float()
        return weights.to(gramian)

    def _solve(self, gramian: Tensor, step: int) -> Tensor:
        count, array = len(gramian), gramian.numpy()
        if self.torchjd is not None:
            with torch.random.fork_rng(devices=[]):
                torch.default_generator.manual_seed(self.seed * 1_000_003 + step)
                weights = self.torchjd(gramian.float())
            return weights if self.method == "pcgrad" else count * weights
        match self.method:
            case "mgda":
                return torch.from_numpy(count * mgda(array))
            case "cagrad":
                return torch.from_numpy(cagrad(array, self.c) * count / (1 + self.c))
            case "upgrad":
                return torch.from_numpy(upgrad(array))
            case "nashmtl":
                return torch.from_numpy(nash(array))
        return torch.ones(count)


def mgda(gramian: Square) -> Weights:
    """argmin_w w' G w over w >= 0, sum w = 1 (Sener, Koltun, NeurIPS 2018, eq. 3)."""
    count = len(gramian)
    return minimize(lambda w: (gramian @ w, gramian), np.full(count, 1 / count), np.ones(count))


def cagrad(gramian: Square, c: float) -> Weights:
    """1/T + (c |g0| / |g_w|) w with w = argmin g_w . g0 + c |g0| |g_w| on the simplex (Liu et al., 2021, alg. 1).

    Zeros where the least g_w is 0: no direction is good for all tasks.
    """
    count = len(gramian)
    mean = np.full(count, 1 / count)
    radius = c * np.sqrt(max(mean @ gramian @ mean, 0.0))
    if radius < 1e-6:
        return mean
    regular = gramian + 1e-6 * np.eye(count)

    def objective(x: Weights) -> tuple[Weights, Square]:
        # |g_w| = min_s (|g_w|^2 / s + s) / 2 over s > 0: smooth also where |g_w| is 0.
        w, s = x[:-1], x[-1]
        pull = regular @ w
        square = w @ pull
        gradient = np.append(gramian @ mean + radius * pull / s, radius * (1 - square / s**2) / 2)
        side = -radius * pull[:, None] / s**2
        return gradient, np.block([[radius * regular / s, side], [side.T, np.full((1, 1), radius * square / s**3)]])

    w = minimize(objective, np.append(mean, 1.0), np.append(np.ones(count), 0.0))[:-1]
    length = np.sqrt(max(w @ gramian @ w, 0.0))
    return mean + radius / length * w if length > 2e-3 else np.zeros(count)


def upgrad(gramian: Square) -> Weights:
    """sum_t argmin_{v >= e_t} v' G v, the projections onto the dual cone (Quinton, Rey, 2024, eq. 3 and prop. 1)."""
    lengths, cosines = _directions(gramian)

    def project(unit: Weights) -> Weights:
        if (cosines @ unit >= 0).all():
            return unit
        return unit + minimize(lambda above: (cosines @ (unit + above), cosines), np.ones(len(unit)))

    return (
        np.sum([length * project(unit) for length, unit in zip(lengths, np.eye(len(lengths)), strict=True)], axis=0)
        / lengths
    )


def nash(gramian: Square) -> Weights:
    """The w > 0 with G w = 1 / w (Navon et al., ICML 2022, eq. 2): minimum of w' G w / 2 - sum log w, by Newton steps.

    The function is self-concordant, so the damping 1 / (1 + decrement) converges from anywhere.
    """
    lengths, cosines = _directions(gramian)
    w = np.ones(len(lengths))
    for _ in range(100):
        gradient, hessian = cosines @ w - 1 / w, cosines + np.diag(w**-2.0)
        step = np.linalg.solve(hessian, -gradient)
        decrement = np.sqrt(step @ hessian @ step)
        w = w + step / (1 + decrement)
        if decrement < 1e-9:
            break
    return w / lengths


def _directions(gramian: Square) -> tuple[Weights, Square]:
    """Lengths and cosines; a little on the diagonal keeps the problems solvable where gradients oppose exactly."""
    lengths = np.sqrt(gramian.diagonal())
    return lengths, gramian / np.outer(lengths, lengths) + 1e-6 * np.eye(len(lengths))


def minimize(
    objective: Callable[[Weights], tuple[Weights, Square]], start: Weights, simplex: Weights | None = None
) -> Weights:
    """argmin of a convex function over x >= 0; with `simplex` also simplex . x = simplex . start; start > 0.

    objective: x to gradient and Hessian.
    A primal-dual interior point method (Boyd, Vandenberghe, "Convex Optimization", section 11.7), 10 to 30 steps.
    """
    normal = np.zeros((0, len(start))) if simplex is None else simplex[None]
    count, edge = len(start), len(normal)
    x, z, loss_weights, corner = start, 1 / start, np.zeros(edge), np.zeros((edge, edge))
    for _ in range(60):
        gradient, hessian = objective(x)
        residual = gradient - z + loss_weights @ normal
        if x @ z < 1e-10 and np.abs(residual).max() < 1e-8:
            break
        center = 0.1 * (x @ z) / count
        matrix = np.block([[hessian + np.diag(z / x), normal.T], [normal, corner]])
        found = np.linalg.solve(matrix, np.concatenate([center / x - z - residual, np.zeros(edge)]))
        dx, dprice = found[:count], found[count:]
        dz = (center - z * dx) / x - z
        length = min([1.0, *(-0.99 * x[dx < 0] / dx[dx < 0]), *(-0.99 * z[dz < 0] / dz[dz < 0])])
        x, z, loss_weights = x + length * dx, z + length * dz, loss_weights + length * dprice
    return x


def _torchjd(method: Method) -> Callable[[Tensor], Tensor] | None:
    """TorchJD's weighting, for the methods that it offers without a solver."""
    if method not in ("pcgrad", "imtlg", "alignedmtl"):
        return None
    try:
        from torchjd.aggregation import AlignedMTLWeighting, IMTLGWeighting, PCGradWeighting
    except ImportError as error:
        raise ImportError(f'Aggregated(method="{method}") needs TorchJD; pip install "hydranet[train]"') from error
    made = {"pcgrad": PCGradWeighting, "imtlg": IMTLGWeighting, "alignedmtl": AlignedMTLWeighting}
    return made[method]()
