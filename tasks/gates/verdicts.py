"""What do all gates share? How a fault, a deadline and a paired difference are put into a verdict."""

import math
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

import numpy as np
from numpy.typing import ArrayLike

from schemas.errors import told
from schemas.plans import Promotion
from schemas.verdict import Interval, Outcome, Verdict

__all__ = ["at_deadline", "claim", "closed", "floor_of", "gain_of", "numbers", "shown_e", "too_few"]


def closed(name: str, gate: Callable[[], Verdict]) -> Verdict:
    """The gate's verdict; a gate that raises is a FAIL that carries the error, never a PASS."""
    try:
        return gate()
    except Exception as error:
        return Verdict(name, Outcome.FAIL, f"{name} could not be judged: {told(error)}")


def at_deadline(verdict: Verdict, *, now: datetime, deadline: datetime) -> Verdict:
    """Every WAIT has a deadline; at the deadline it becomes a FAIL that says so."""
    if verdict.outcome is not Outcome.WAIT or now < deadline:
        return verdict
    said = f"deadline {deadline:%Y-%m-%d %H:%M} reached: {verdict.reason}"
    return replace(verdict, outcome=Outcome.FAIL, reason=said)


def too_few(name: str, rows: int, needed: int) -> Verdict:
    """Missing evidence is WAIT, with what is missing."""
    return Verdict(name, Outcome.WAIT, f"{rows} held-out rows, {needed} are needed", {"rows": int(rows)})


def gain_of(champion_loss: ArrayLike, challenger_loss: ArrayLike) -> np.ndarray:
    """What the challenger gains a row, shape (n,): the champion's loss minus its own."""
    a, b = np.asarray(champion_loss, dtype=float), np.asarray(challenger_loss, dtype=float)
    if a.shape != b.shape or a.ndim != 1:
        raise ValueError(f"paired losses need one shape (n,), got {a.shape} and {b.shape}")
    return a - b


def floor_of(promotion: Promotion, margin: float) -> float:
    """What the gain must exceed: nothing for superiority, minus the margin for non-inferiority."""
    return 0.0 if Promotion(promotion) is Promotion.SUPERIORITY else -margin


def claim(says: str, promotion: Promotion, against: str, gain: Interval, margin: float, rows: int) -> str:
    """The sentence a paired test says; "over these rows" is all that it claims."""
    what = "better than" if promotion is Promotion.SUPERIORITY else f"no more than {margin} worse than"
    return f"the challenger {says} {what} the {against}: gain a row {gain} over these {rows:,} rows"


def numbers(interval: Interval, rows: int, floor: float) -> dict[str, float | int | str | None]:
    """A paired test's evidence."""
    return {
        "low": interval.low,
        "gain": interval.estimate,
        "high": interval.high,
        "rows": int(rows),
        "floor": floor,
    }


def shown_e(log_e: float) -> str:
    """An e-value for people, from its log."""
    return f"{math.exp(log_e):.3g}" if log_e < 20 else "over 10^8"
