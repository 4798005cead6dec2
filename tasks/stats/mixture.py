"""What does the mean of several running products come to, row by row, however the rows are cut into chunks?"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

__all__ = ["advance", "check_state", "log_mean"]

_ROWS = 4_096  # of the path held at once: it then stays in a core's cache


def log_mean(logs: np.ndarray) -> np.ndarray:
    r"""Log of the mean of exponentials over the first axis: shape (k, n) to (n,), :math:`\ln \frac1k \sum_j e^{l_j}`.

    The terms are added in their order whatever n is: numpy's own sum pairs them differently for one column than for many.

    >>> log_mean(np.log([[1.0, 2.0], [3.0, 2.0]])).round(6)
    array([0.693147, 0.693147])
    """
    top = logs.max(axis=0)
    total = np.exp(logs[0] - top)
    for row in logs[1:]:
        total += np.exp(row - top)
    return top + np.log(total / len(logs))


def advance(
    logs: Sequence[float], terms: Callable[[slice], np.ndarray], n: int, *, peak: float
) -> tuple[tuple[float, ...], float]:
    """(log products after `n` more rows, largest log mean at any row so far), from `logs` (shape (k,)) and `peak`.

    `terms` gives the log factors of some of the new rows, shape (k, rows). Each product grows by one sequential sum that
    starts at the carried value, so rows in one chunk or in n chunks are added alike and give the same bits.

    >>> advance([0.0], lambda rows: np.array([[1.0, -2.0]])[:, rows], 2, peak=0.0)
    ((-1.0,), 1.0)
    """
    carried = np.array(logs, dtype=float)[:, None]
    for start in range(0, n, _ROWS):
        new = terms(slice(start, min(n, start + _ROWS)))
        path = np.cumsum(np.concatenate([carried, new], axis=1), axis=1)
        carried, path = path[:, -1:], path[:, 1:]
        high = path[:, path.max(axis=0) > peak]  # a mean is never above its largest term: the others set no peak
        if high.size:
            peak = max(peak, float(log_mean(high).max()))
    return tuple(carried[:, 0].tolist()), peak


def check_state(state: Mapping[str, Any], *, test: str, grid: Sequence[float] = ()) -> None:
    """Raise ValueError unless `state` was saved by this test with this grid of alternatives.

    >>> check_state({"test": "betting", "grid": [0.5]}, test="betting", grid=[0.5])
    """
    if state.get("test") != test:
        raise ValueError(f"the state is of test {state.get('test')!r}, not of {test!r}")
    if list(state.get("grid", ())) != list(grid):
        raise ValueError(f"the state of {test!r} was saved with another grid of alternatives; start from the first row")
