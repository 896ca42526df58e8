"""A convex function of a few unknowns, minimized to machine precision."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float

Vector = Float[np.ndarray, " t"]
Square = Float[np.ndarray, "t t"]


def minimize(
    objective: Callable[[Vector], tuple[Vector, Square]], start: Vector, simplex: Vector | None = None
) -> Vector:
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
        change = np.linalg.solve(matrix, np.concatenate([center / x - z - residual, np.zeros(edge)]))
        dx, dprice = change[:count], change[count:]
        dz = (center - z * dx) / x - z
        length = min([1.0, *(-0.99 * x[dx < 0] / dx[dx < 0]), *(-0.99 * z[dz < 0] / dz[dz < 0])])
        x, z, loss_weights = x + length * dx, z + length * dz, loss_weights + length * dprice
    return x


def directions(gramian: Square) -> tuple[Vector, Square]:
    """Lengths and cosines of a Gramian; a little on the diagonal keeps problems solvable where gradients oppose."""
    lengths = np.sqrt(gramian.diagonal())
    return lengths, gramian / np.outer(lengths, lengths) + 1e-6 * np.eye(len(lengths))
