"""What does a check conclude, how sure is it, and what does that rest on?"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

__all__ = ["Evidence", "Interval", "Outcome", "Verdict", "combine"]

Evidence = Mapping[str, float | int | str | None]


class Outcome(StrEnum):
    """PASS and FAIL are answers; WAIT says that there is not enough evidence yet."""

    PASS = "PASS"  # noqa: S105  (a verdict, no password)
    FAIL = "FAIL"
    WAIT = "WAIT"


@dataclass(frozen=True)
class Interval:
    """An estimate with the bounds its confidence level gives. `nan` bounds are refused: undefined is not an interval.

    >>> print(Interval(-0.004, 0.001, 0.006))
    +0.0010 [-0.0040, +0.0060]
    """

    low: float
    estimate: float
    high: float

    def __post_init__(self) -> None:
        if not self.low <= self.estimate <= self.high:
            raise ValueError(f"an interval needs low <= estimate <= high, got {self.low}, {self.estimate}, {self.high}")

    def __str__(self) -> str:
        return f"{self.estimate:+.4f} [{self.low:+.4f}, {self.high:+.4f}]"


@dataclass(frozen=True)
class Verdict:
    """One gate's answer: an outcome, one sentence of reason, and the numbers it rests on.

    `beside` has what was measured on this machine (times, memory): people read it, and no hash covers it.
    """

    gate: str
    outcome: Outcome
    reason: str
    evidence: Evidence = field(default_factory=dict)
    beside: Evidence = field(default_factory=dict)

    def statistics(self) -> dict[str, float | int | str | None]:
        """The evidence as it enters the ledger's hash: floats to 12 significant digits, non-finite ones as text."""
        return {key: _rounded(value) for key, value in sorted(self.evidence.items())}


def _rounded(value: float | int | str | None) -> float | int | str | None:
    if not isinstance(value, float):
        return value
    return float(f"{value:.12g}") if math.isfinite(value) else str(value)


def combine(gate: str, verdicts: Iterable[Verdict]) -> Verdict:
    """All must pass: one FAIL fails, else one WAIT waits. No verdict at all is WAIT, never PASS.

    >>> combine("offline", []).outcome
    <Outcome.WAIT: 'WAIT'>
    """
    verdicts = list(verdicts)
    if not verdicts:
        return Verdict(gate, Outcome.WAIT, "no gate gave a verdict")
    decisive = next(
        (outcome for outcome in (Outcome.FAIL, Outcome.WAIT) if any(v.outcome is outcome for v in verdicts)),
        Outcome.PASS,
    )
    speaking = [v for v in verdicts if v.outcome is decisive]
    evidence = {f"{v.gate}.{key}": value for v in verdicts for key, value in v.evidence.items()}
    beside = {f"{v.gate}.{key}": value for v in verdicts for key, value in v.beside.items()}
    return Verdict(gate, decisive, "; ".join(v.reason for v in speaking), evidence, beside)
