"""The assignment problem: rows to columns at the least sum of costs, with pairs that are not allowed."""

import numpy as np


def assign(costs: np.ndarray) -> list[tuple[int, int]]:
    """(row, column) of as many pairs as possible at the least sum of costs; every row and column at most once.

    costs: float n m, infinite where a pair is not allowed.
    The Hungarian method by shortest augmenting paths (Jonker and Volgenant 1987), O(n^2 m).
    """
    finite = np.isfinite(costs)
    if not finite.any():
        return []
    if costs.shape[0] > costs.shape[1]:
        return sorted((row, column) for column, row in assign(costs.T))
    low, high = costs[finite].min(), costs[finite].max()
    closed = (high - low + 1.0) * (len(costs) + 1)  # one pair that is not allowed costs more than all that are
    columns = _columns(np.where(finite, costs - low, closed))
    return [(row, int(column)) for row, column in enumerate(columns) if finite[row, column]]


def _columns(costs: np.ndarray) -> np.ndarray:
    """int64 n: the column of each row, for n <= m and finite costs."""
    count, width = costs.shape
    of_row, of_column = np.zeros(count), np.zeros(width)  # the dual variables
    row_of = np.full(width, -1)
    for start in range(count):
        least, before = np.full(width, np.inf), np.full(width, -1)
        done = np.zeros(width, bool)
        row, column = start, -1
        while row >= 0:
            if column >= 0:
                done[column] = True
            reduced = costs[row] - of_row[row] - of_column
            better = ~done & (reduced < least)
            least[better], before[better] = reduced[better], column
            nearest = int(np.argmin(np.where(done, np.inf, least)))
            step = least[nearest]
            of_row[start] += step
            of_row[row_of[done]] += step
            of_column[done] -= step
            least[~done] -= step
            column, row = nearest, int(row_of[nearest])
        while column >= 0:
            previous = int(before[column])
            row_of[column] = start if previous < 0 else row_of[previous]
            column = previous
    made = np.empty(count, np.int64)
    made[row_of[row_of >= 0]] = np.flatnonzero(row_of >= 0)
    return made
