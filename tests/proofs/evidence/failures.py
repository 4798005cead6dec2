"""Three ways in which the obvious test is wrong for no fault of the challenger's: what does it do, and what does ours?"""

from collections.abc import Sequence
from dataclasses import dataclass

from tests.proofs.evidence.rates import Rate

__all__ = ["Failure", "constructed_failures"]

RAMP = "errors 5.0% rising eightfold, share 5-10-25-50 %"
STICKY = "sticky customers, share 25%"
LATE = "label 1 known 2,000 rows later"
PAIRS = [
    ("arms pooled while the share ramps and errors rise", RAMP, "pooled z, one look", "CoinFlip"),
    (
        "every request of customers who stay in their arm",
        STICKY,
        "CoinFlip, every request",
        "CoinFlip, first error of an entity",
    ),
    ("labels taken in the order they arrive", LATE, "Betting, as labels arrive", "Betting, behind a watermark"),
    (
        "labels taken in the order they arrive",
        LATE,
        "RunningAverage, as labels arrive",
        "RunningAverage, behind a watermark",
    ),
]


@dataclass(frozen=True)
class Failure:
    """One world in which `naive` rejects and `ours` does not."""

    what: str
    naive: Rate
    ours: Rate

    def row(self) -> dict[str, object]:
        naive, ours = ({"test": r.test, "rate": r.rate, "upper": r.upper} for r in (self.naive, self.ours))
        return {"what": self.what, "case": self.naive.case, "alpha": self.ours.alpha, "naive": naive, "ours": ours}


def constructed_failures(rates: Sequence[Rate]) -> list[Failure]:
    """The pairs, from rates that were measured already."""
    by_name = {(rate.test, rate.case): rate for rate in rates}
    return [Failure(what, by_name[naive, case], by_name[ours, case]) for what, case, naive, ours in PAIRS]
