"""On what are gates asked? Losses with a known gain, and the numbers right beside a limit."""

import math

import numpy as np
import pytest

from schemas.plans import Promotion
from schemas.verdict import Outcome

PASS, FAIL, WAIT = Outcome.PASS, Outcome.FAIL, Outcome.WAIT
BETTER, NO_WORSE = Promotion.SUPERIORITY, Promotion.NON_INFERIORITY


def losses(gain: float, n: int = 2_000, *, spread: float = 0.001) -> tuple[np.ndarray, np.ndarray]:
    """Champion's and challenger's losses whose paired difference has this mean, whichever n is looked at."""
    champion = np.full(n, 0.5)
    return champion, champion - gain + spread * np.resize([1.0, -1.0], n)


def up(x: float) -> float:
    """The next float above."""
    return math.nextafter(x, math.inf)


def down(x: float) -> float:
    """The next float below."""
    return math.nextafter(x, -math.inf)


def alpha_at(log_e: float, *, shared_by: int = 1) -> float:
    """The level whose limit, `log(shared_by / alpha)`, is this log e-value to the last bit."""
    alpha = shared_by * math.exp(-log_e) * (1 - 1e-12)
    while math.log(shared_by / alpha) > log_e:
        alpha = up(alpha)
    for _ in range(20_000):
        if math.log(shared_by / alpha) == log_e:
            return alpha
        alpha = down(alpha)
    raise AssertionError(f"no float alpha has a limit of exactly {log_e}")


def state(monkeypatch: pytest.MonkeyPatch, module: str, *intervals: tuple[float, float, float]) -> None:
    """The next fixed intervals in a module of gates are these, for limits which no rows meet to the last bit."""
    stated = iter(intervals)
    monkeypatch.setattr(f"tasks.gates.{module}.bounded_interval", lambda *_, **__: next(stated))
