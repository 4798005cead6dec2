"""How much larger is a mean in the challenger's arm than in the champion's, while shares ramp and customers return?"""

import math

import numpy as np
from numpy.typing import ArrayLike

from tasks.stats.sequences import cluster_totals, finite

__all__ = ["unpaired_sequence"]

UNSEEN = 4  # units as far off as can be, that each arm's variance counts


def unpaired_sequence(
    value: ArrayLike,
    in_challenger: ArrayLike,
    probability: ArrayLike,
    *,
    alpha: float = 0.05,
    entity: ArrayLike | None = None,
    burn_in: int = 100,
    tuned_for: int = 2_000,
    bound: float = 1.0,
) -> tuple[float, float, float]:
    r"""(low, estimate, high) for mean(challenger's arm) - mean(champion's arm), each end at level `alpha` at every n.

    Positive: `value` is larger with the challenger; no arm is named better. All arguments have shape (n,), in order:
    `in_challenger` is 0/1, `probability` the chance w of the challenger's arm at that row. Rows are weighted by one over
    the chance of their arm, so neither a ramp of w nor a drift that both arms share is taken for a difference:
    :math:`\phi_i = m_1 - m_0 + \frac{z_i (y_i - m_1)}{w_i} - \frac{(1 - z_i)(y_i - m_0)}{1 - w_i}` (AIPW), whose mean is
    the estimate. The constants m are the weighted means of the arms; two constants cannot overfit, so no sample is split.
    The end is `radius` times the spread of :math:`\phi`, of its totals an `entity` where that is given: assignment is
    then by entity, and one customer's rows are not independent. Infinite below `burn_in` units (entities, else rows) in
    the smaller arm. Values lie in [-bound, bound]; the variance counts four more units in each arm, `bound` off its
    mean. Asymptotic. Waudby-Smith, Arbour, Sinha, Kennedy, Ramdas, arXiv:2103.06476.

    >>> y, z = np.tile([0.2, 0.4, 0.1, 0.3], 500), np.tile([1, 1, 0, 0], 500)
    >>> low, estimate, high = unpaired_sequence(y, z, np.full(2_000, 0.5))
    >>> round(estimate, 3), low > 0
    (0.1, True)
    """
    y, z, w = finite(value), np.asarray(in_challenger, dtype=float), np.asarray(probability, dtype=float)
    _check(y, z, w)
    units = np.arange(y.size) if entity is None else np.unique(np.asarray(entity), return_inverse=True)[1]
    smaller = min(np.unique(units[z == arm]).size for arm in (0, 1))
    if smaller == 0:
        return -math.inf, math.nan, math.inf
    up, down = z / w, (1 - z) / (1 - w)
    m1, m0 = float(up @ y / up.sum()), float(down @ y / down.sum())
    estimate = m1 - m0  # the mean of phi: with these centres its two corrections sum to zero
    if smaller < burn_in:
        return -math.inf, estimate, math.inf
    totals = cluster_totals(up * (y - m1) - down * (y - m0), units)
    # Four more units a `bound` off in each arm: of 100 rows at a rate of .02 an arm holds no event one time in seven, and
    # its own variance then says that there never will be one. With one such unit a 5 % share is wrong .077 of the time
    # where .05 is nominal, with three .047, with four .038 (`make evidence`).
    unit = bound * y.size / totals.size
    unseen = UNSEEN * unit**2 * (float(up @ up / up.sum()) ** 2 + float(down @ down / down.sum()) ** 2)
    spread = math.sqrt(totals.size * (float((totals**2).sum()) + unseen)) / y.size
    half = radius(totals.size, alpha=alpha, tuned_for=tuned_for) * spread
    return estimate - half, estimate, estimate + half


def radius(n: int, *, alpha: float, tuned_for: int) -> float:
    r"""Half width of a one-sided asymptotic confidence sequence for the mean of n values of variance 1; falls with n.

    :math:`\sqrt{\frac{2 (n \rho^2 + 1)}{n^2 \rho^2} \ln\left(1 + \frac{\sqrt{n \rho^2 + 1}}{2 \alpha}\right)}`, with
    :math:`\rho` chosen so that it is about smallest at `tuned_for`. arXiv:2103.06476, appendix B.1 and B.2.

    >>> radius(100, alpha=0.05, tuned_for=2_000) > radius(2_000, alpha=0.05, tuned_for=2_000) > 1.645 / 2_000**0.5
    True
    """
    rho2 = (-2 * math.log(2 * alpha) + math.log(-2 * math.log(2 * alpha)) + 1) / tuned_for
    return math.sqrt(2 * (n * rho2 + 1) / (n * n * rho2) * math.log1p(math.sqrt(n * rho2 + 1) / (2 * alpha)))


def _check(y: np.ndarray, z: np.ndarray, w: np.ndarray) -> None:
    if not y.shape == z.shape == w.shape:
        raise ValueError(
            f"value, in_challenger and probability need one shape (n,), got {y.shape}, {z.shape}, {w.shape}"
        )
    if not ((z == 0) | (z == 1)).all():
        raise ValueError(f"in_challenger is 0 or 1, got {z[(z != 0) & (z != 1)][0]}")
    if not ((w > 0) & (w < 1)).all():
        raise ValueError("every assignment probability lies strictly between 0 and 1")
