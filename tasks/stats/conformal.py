"""Is this window unusual for this problem? Judged against the problem's own windows, because their rows are not exchangeable."""

import numpy as np
from numpy.typing import ArrayLike

__all__ = ["smallest_rate", "window_limits"]

_LEAST_SPREAD = 1e-4  # a constant column moves by nothing, and a hair more is no drift


def smallest_rate(n_windows: int) -> float:
    """The lowest false-alarm rate that `n_windows` calibration windows can support: 1 / (n + 1).

    >>> smallest_rate(99)
    0.01
    """
    return 1 / (n_windows + 1)


def window_limits(calibration: ArrayLike, *, alpha: float) -> np.ndarray:
    r"""Limit a feature, shape (n_features,), that a window without drift exceeds anywhere with probability <= `alpha`.

    `calibration` has shape (n_windows, n_features): each past window's distances from the reference. With the windows
    exchangeable: a window's statistic is the largest of its distances, each standardised by its feature's mean and
    spread over the *other* calibration windows (as a new window's is), and the limit is the
    :math:`\lceil (1 - \alpha)(n + 1) \rceil`-th smallest such statistic. Multiplicity over features is handled once, by
    the maximum. Raises ValueError where n windows cannot support `alpha`. Vovk (2015), cross-conformal predictors.

    >>> window_limits([[0.01], [0.02], [0.03], [0.02]], alpha=0.25).round(3)
    array([0.04])
    """
    distances = np.asarray(calibration, dtype=float)
    if distances.ndim != 2 or not np.isfinite(distances).all():
        raise ValueError(f"calibration needs finite distances of shape (n_windows, n_features), got {distances.shape}")
    n = len(distances)
    if n < 2:
        raise ValueError(f"a spread needs at least 2 calibration windows, got {n}")
    rank = int(np.ceil((1 - alpha) * (n + 1)))
    if rank > n:
        raise ValueError(f"{n} calibration windows support no rate under {smallest_rate(n):.3f}, asked for {alpha}")
    centre, spread = distances.mean(axis=0), np.maximum(distances.std(axis=0), _LEAST_SPREAD)
    others = np.array([np.delete(distances, i, axis=0) for i in range(n)])
    spread_of_others = np.maximum(others.std(axis=1), _LEAST_SPREAD)
    worst = np.sort(((distances - others.mean(axis=1)) / spread_of_others).max(axis=1))
    return centre + spread * worst[rank - 1]
