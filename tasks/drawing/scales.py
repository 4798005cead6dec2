"""Where on an axis does a value lie, and which round numbers stand beside it?"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

__all__ = ["Scale", "around", "ticks"]


@dataclass(frozen=True)
class Scale:
    """From values to percent of an axis' length; by ratios where `log` is said. What lies beyond ends at the end."""

    low: float
    high: float
    log: bool = False

    def at(self, value: float) -> float:
        """
        >>> Scale(0, 4).at(1), Scale(1, 100, log=True).at(10), Scale(0, 1).at(7)
        (25.0, 50.0, 100.0)
        """
        low, high, here = (math.log(max(v, 1e-12)) if self.log else v for v in (self.low, self.high, value))
        return min(100.0, max(0.0, 100 * (here - low) / (high - low)))


def around(values: Iterable[float], *, zero: bool = False, room: float = 0.06) -> Scale:
    """An axis that holds all of the values that are numbers, with some room at either end; with `zero` it starts or goes
    through there. Of no value it is [0, 1].

    >>> around([2.0, 4.0, float("nan")], room=0.1)
    Scale(low=1.8, high=4.2, log=False)
    """
    known = [float(value) for value in values if math.isfinite(value)]
    known += [0.0] if zero else []
    low, high = (min(known), max(known)) if known else (0.0, 1.0)
    if low == high:
        low, high = (low - 0.5 * abs(low), high + 0.5 * abs(high)) if low else (0.0, 1.0)
    spare = room * (high - low)
    return Scale(low if zero and low == 0 else low - spare, high if zero and high == 0 else high + spare)


def ticks(low: float, high: float, about: int) -> tuple[list[float], int]:
    """Round numbers within [`low`, `high`], some `about` of them, and the decimals that they need.

    >>> ticks(-0.031, 0.012, 4)
    ([-0.02, 0.0], 2)
    >>> ticks(0, 1_164, 6)
    ([0.0, 200.0, 400.0, 600.0, 800.0, 1000.0], 0)
    """
    raw = (high - low) / about
    ten = 10.0 ** math.floor(math.log10(raw))
    step = next(ten * k for k in (1, 2, 5, 10) if ten * k >= raw)
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    return [round(k * step, digits) + 0.0 for k in range(math.ceil(low / step), math.floor(high / step) + 1)], digits
