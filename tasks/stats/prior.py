"""How many positives are there among rows without labels, if rows of each class still look as they did?"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from tasks.stats.sequences import finite

__all__ = ["Prior", "label_prior"]

_SURE = 3.0  # standard errors by which the classes' mean scores differ before a mixture of them can be read
_SLACK = 2.0  # standard errors outside [0, 1] that chance makes


@dataclass(frozen=True)
class Prior:
    """The share of positives that explains the scores, its standard error, and whether any share explains them."""

    estimate: float
    error: float
    valid: bool

    def __str__(self) -> str:
        if not np.isfinite(self.estimate):
            return "no share of positives can be read off the scores"
        broken = "" if self.valid else ": assumption violated, rows of a class do not look as they did"
        return f"{self.estimate:.3f} ± {self.error:.3f}{broken}"


def label_prior(now: ArrayLike, *, positive: ArrayLike, negative: ArrayLike) -> Prior:
    r"""Share of positives among rows with the scores `now`, shape (n,), from scores that `positive` and `negative` rows had.

    Under label shift, P(x | y) as it was, the scores are a mixture of both: with mean scores m, m₁ and m₀ the share is
    :math:`(m - m_0) / (m_1 - m_0)`; any function of the inputs would do, and the score is the one at hand. Black box shift
    estimation, Lipton, Wang and Smola (2018), with the score in place of the decision. Outside [0, 1] by more than chance
    no share explains the scores, and the assumption is violated: then `valid` is False. nan where the classes' scores
    cannot be told apart, or either has fewer than two rows.

    >>> print(label_prior(np.tile([0.2, 0.8], 500), positive=np.tile([0.6, 0.8], 50), negative=np.tile([0.2, 0.4], 50)))
    0.500 ± 0.030
    """
    m, one, zero = finite(now), _rows(positive), _rows(negative)
    if min(one.size, zero.size) < 2:
        return Prior(float("nan"), float("nan"), valid=False)
    spread = one.mean() - zero.mean()
    of_one, of_zero = one.var(ddof=1) / one.size, zero.var(ddof=1) / zero.size
    if abs(spread) <= _SURE * np.sqrt(of_one + of_zero):
        return Prior(float("nan"), float("nan"), valid=False)
    share = float((m.mean() - zero.mean()) / spread)
    of_now = m.var(ddof=1) / m.size if m.size > 1 else 0.0
    error = float(np.sqrt(of_now + share**2 * of_one + (1 - share) ** 2 * of_zero) / abs(spread))
    return Prior(share, error, valid=-_SLACK * error <= share <= 1 + _SLACK * error)


def _rows(values: ArrayLike) -> np.ndarray:
    """Scores of one class; a class without a row has none."""
    return finite(values) if np.asarray(values).size else np.array([])
