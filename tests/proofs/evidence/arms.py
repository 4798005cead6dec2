"""Are two arms that lose alike told apart? `unpaired_sequence` after every row, while shares ramp and customers return."""

import numpy as np
from scipy.stats import norm

from tests.proofs.evidence.coins import RAMPS, pooled_z, ramp
from tests.proofs.evidence.formulas import agrees_with_unpaired, unpaired_path
from tests.proofs.evidence.rates import ALPHA, Expected, Job, Rate

__all__ = ["arm_jobs"]

ROWS, LOOKS = 8_000, 20
CLAIM = "the arms lose alike"


def requests_of_strangers(rng: np.random.Generator, runs: int, *, shares: str, drift: bool, rare: bool) -> list[Rate]:
    """Every row is another customer; the loss is 0/1, and its base rate may rise while the share does."""
    share = ramp(RAMPS[shares], ROWS)
    base = (0.02 if rare else 0.2) * (np.geomspace(0.25, 2.0, ROWS) if drift else np.ones(ROWS))
    unit, wrong = np.arange(ROWS), np.zeros(3, dtype=int)
    for run in range(runs):
        arm, lost = rng.random(ROWS) < share, rng.random(ROWS) < base
        ends = _rejects(lost.astype(float), arm.astype(float), share, unit, checked=run < 3)
        wrong += [*ends, _pooled(arm, lost)]
    case = f"losses {base.mean():.1%}{' rising eightfold' if drift else ''}, share {shares}"
    confounded = Expected.FAILS if drift and len(RAMPS[shares]) > 1 else Expected.REPORTED
    return [
        Rate("unpaired_sequence, low end", case, CLAIM, runs, int(wrong[0])),
        Rate("unpaired_sequence, high end", case, CLAIM, runs, int(wrong[1])),
        Rate(f"pooled z, {LOOKS} looks", case, CLAIM, runs, int(wrong[2]), expected=confounded, naive=True),
    ]


def requests_of_returning_customers(rng: np.random.Generator, runs: int, *, shares: str) -> list[Rate]:
    """A customer stays in the arm that the share gives, and some lose at almost every request."""
    customers, share, wrong = 1_000, ramp(RAMPS[shares], ROWS), np.zeros(5, dtype=int)
    for run in range(runs):
        place, frailty = rng.random(customers), rng.beta(0.2, 0.8, customers)
        who = rng.integers(0, customers, ROWS)
        arm, lost = place[who] < share, rng.random(ROWS) < frailty[who]
        y, z = lost.astype(float), arm.astype(float)
        wrong[:2] += _rejects(y, z, share, who, checked=run < 3)
        wrong[2:4] += _rejects(y, z, share, np.arange(ROWS), checked=False)
        wrong[4] += _pooled(arm, lost)
    case, naive = f"sticky customers, share {shares}", {"expected": Expected.REPORTED, "naive": True}
    return [
        Rate("unpaired_sequence by entity, low end", case, CLAIM, runs, int(wrong[0])),
        Rate("unpaired_sequence by entity, high end", case, CLAIM, runs, int(wrong[1])),
        Rate("unpaired_sequence by row, low end", case, CLAIM, runs, int(wrong[2]), **naive),
        Rate("unpaired_sequence by row, high end", case, CLAIM, runs, int(wrong[3]), **naive),
        Rate(f"pooled z, {LOOKS} looks", case, CLAIM, runs, int(wrong[4]), **naive),
    ]


def _rejects(y: np.ndarray, z: np.ndarray, w: np.ndarray, unit: np.ndarray, *, checked: bool) -> tuple[bool, bool]:
    """Does the low end ever rise over 0, does the high end ever fall under it?"""
    estimate, half = unpaired_path(y, z, w, unit)
    if checked:
        agrees_with_unpaired(y, z, w, unit, (estimate, half))
    return bool((estimate > half).any()), bool((estimate < -half).any())


def _pooled(arm: np.ndarray, lost: np.ndarray) -> bool:
    return bool((pooled_z(arm[None], lost[None], LOOKS) > norm.ppf(1 - ALPHA)).any())


def arm_jobs(scale: float) -> list[Job]:
    """Every case of this module; `scale` shortens them."""
    jobs, runs = [], int(2_000 * scale)
    for shares in RAMPS:
        for drift in (False, True):
            for rare in (False, True):
                arguments = {"shares": shares, "drift": drift, "rare": rare}
                jobs.append(Job("Two arms", f"arms {arguments}", requests_of_strangers, runs, arguments))
        part, arguments = "Two arms of returning customers", {"shares": shares}
        jobs.append(Job(part, f"returning {shares}", requests_of_returning_customers, runs, arguments))
    return jobs
