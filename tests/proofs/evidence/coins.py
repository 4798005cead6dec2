"""Which arm did an error strike, and which arm did an entity get? The fast clock and the sample ratio, looked at each time."""

from itertools import product

import numpy as np
from scipy.stats import chi2, norm

from tasks.stats import CoinFlip, SampleRatio, rate_above, rate_below
from tasks.stats.evalues import RATIOS, log_factors
from tasks.stats.mixture import log_mean
from tasks.stats.srm import ODDS
from tests.proofs.evidence.rates import ALPHA, LIMIT, Expected, Job, Rate, chunks

__all__ = ["coin_jobs"]

RAMPS = {"5 %": (0.05,), "5-10-25-50 %": (0.05, 0.10, 0.25, 0.50), "50 %": (0.50,)}
DRIFTS = {"steady": (1.0, 1.0), "rising eightfold": (0.25, 2.0), "falling eightfold": (2.0, 0.25)}
LOOKS = 20  # of the pooled z-test; of every request it would be wrong more often still


def ramp(shares: tuple[float, ...], n: int) -> np.ndarray:
    """The share at each of `n` requests, equally many at every stage.

    >>> ramp((0.05, 0.5), 4)
    array([0.05, 0.05, 0.5 , 0.5 ])
    """
    return np.asarray(shares)[np.arange(n) * len(shares) // n]


def pooled_z(arm: np.ndarray, erred: np.ndarray, looks: int = LOOKS) -> np.ndarray:
    """z of the pooled two-sample test at each look, shape (runs, looks), from runs of shape (runs, requests)."""
    at = np.arange(arm.shape[1]) // -(-arm.shape[1] // looks)
    starts = np.flatnonzero(np.diff(at, prepend=-1))

    def counts(what: np.ndarray) -> np.ndarray:
        return np.cumsum(np.add.reduceat(what, starts, axis=1, dtype=float), axis=1)

    n1, e1, n, e = counts(arm), counts(arm & erred), counts(np.ones_like(arm)), counts(erred)
    with np.errstate(divide="ignore", invalid="ignore"):
        spread = np.sqrt(e / n * (1 - e / n) * (1 / n1 + 1 / (n - n1)))
        return np.nan_to_num((e1 / n1 - (e - e1) / (n - n1)) / spread)


def errors_under_a_ramp(
    rng: np.random.Generator, runs: int, *, base: float, shares: str, drift: str, tolerated: float = 1.0
) -> list[Rate]:
    """Both arms err alike (or at just the tolerated ratio), request by request, while shares and the base rate move."""
    n = 40_000 if base < 0.005 else 12_000
    share, rate = ramp(RAMPS[shares], n), base * np.geomspace(*DRIFTS[drift], n)
    ours = looked = once = 0
    for size in chunks(runs):
        arm = rng.random((size, n), dtype=np.float32) < share
        erred = rng.random((size, n), dtype=np.float32) < rate * np.where(arm, tolerated, 1.0)
        for one, errors in zip(arm, erred, strict=True):
            ours += CoinFlip(tolerated).update(one[errors], share[errors]).log_peak >= LIMIT
        z = pooled_z(arm, erred)
        looked += int((z > norm.ppf(1 - ALPHA)).any(axis=1).sum())
        once += int((z[:, -1] > norm.ppf(1 - ALPHA)).sum())
    case = f"errors {base:.1%} {drift}, share {shares}" + (f", ratio {tolerated:g} tolerated" if tolerated > 1 else "")
    claim = "the challenger errs no more often"
    rates = [Rate("CoinFlip", case, claim, runs, ours)]
    if tolerated == 1:
        confounded = Expected.FAILS if drift == "rising eightfold" and len(RAMPS[shares]) > 1 else Expected.REPORTED
        rates.append(Rate(f"pooled z, {LOOKS} looks", case, claim, runs, looked, expected=confounded, naive=True))
        rates.append(Rate("pooled z, one look", case, claim, runs, once, expected=confounded, naive=True))
    return rates


def errors_of_sticky_entities(rng: np.random.Generator, runs: int, *, shares: str | float) -> list[Rate]:
    """A customer stays in the arm that the share gives, and some err at almost every request."""
    customers, n = 400, 6_000
    share = ramp(RAMPS[shares] if isinstance(shares, str) else (shares,), n)
    ours = naive = pooled = 0
    for _ in range(runs):
        place, frailty = rng.random(customers), rng.beta(0.05, 0.95, customers)
        who = rng.integers(0, customers, n)
        arm, erred = place[who] < share, rng.random(n) < frailty[who]
        rows = np.flatnonzero(erred)
        first = rows[np.sort(np.unique(who[rows], return_index=True)[1])]
        ours += CoinFlip().update(arm[first], share[first]).log_peak >= LIMIT
        naive += CoinFlip().update(arm[rows], share[rows]).log_peak >= LIMIT
        pooled += bool((pooled_z(arm[None], erred[None]) > norm.ppf(1 - ALPHA)).any())
    case = f"sticky customers, share {shares if isinstance(shares, str) else f'{shares:.0%}'}"
    claim, wrong = "the challenger errs no more often", Expected.FAILS
    return [
        Rate("CoinFlip, first error of an entity", case, claim, runs, ours),
        Rate("CoinFlip, every request", case, claim, runs, naive, expected=wrong, naive=True),
        Rate(f"pooled z, {LOOKS} looks", case, claim, runs, pooled, expected=wrong, naive=True),
    ]


def split_as_stated(rng: np.random.Generator, runs: int, *, shares: str) -> list[Rate]:
    """Entities fall to the arms as stated. The value depends on their count alone: where it rejects is known beforehand."""
    alpha, n = 0.001, 10_000
    share = ramp(RAMPS[shares], n)
    hit, miss = (log_factors(np.full(n, x), share, 1.0, ODDS) for x in (1.0, 0.0))
    expected, variance = np.cumsum(share), np.cumsum(share * (1 - share))
    # The gain of a hit is ln t, whatever the share.
    low, high = _edges(np.cumsum(miss, axis=1), (hit - miss)[:, :1], expected, alpha=alpha)
    looks = np.arange(99, n, 100)
    ours = naive = 0
    for size in chunks(runs):
        arm = rng.random((size, n), dtype=np.float32) < share
        count = np.cumsum(arm, axis=1, dtype=np.int32)
        crossed = ((count <= low) | (count >= high)).any(axis=1)
        assert crossed[0] == (SampleRatio().update(arm[0], share).log_peak >= -np.log(alpha))
        ours += int(crossed.sum())
        z2 = (count[:, looks] - expected[looks]) ** 2 / variance[looks]
        naive += int((z2 > chi2.isf(alpha, 1)).any(axis=1).sum())
    claim = "entities fall as stated"
    return [
        Rate("SampleRatio", f"share {shares}", claim, runs, ours, alpha),
        Rate("chi-squared, 100 looks", f"share {shares}", claim, runs, naive, alpha, Expected.FAILS, naive=True),
    ]


def events_at_the_limit(rng: np.random.Generator, runs: int, *, rate: float) -> list[Rate]:
    """Each row is an event at just the tolerated rate; the value of a binomial mixture is looked at after every row."""
    n = np.arange(1, 4_001)
    cases = [(rate_above, 1 - (1 - rate) / RATIOS, "not above"), (rate_below, rate / RATIOS, "not below")]
    wrong = [0, 0]
    edges = []
    for _, alternatives, _ in cases:
        hit, miss = np.log(alternatives / rate)[:, None], (np.log1p(-alternatives) - np.log1p(-rate))[:, None]
        edges.append(_edges(n * miss, hit - miss, n * rate, alpha=ALPHA))
    for size in chunks(runs):
        count = np.cumsum(rng.random((size, n.size), dtype=np.float32) < rate, axis=1, dtype=np.int32)
        for i, ((test, _, _), (low, high)) in enumerate(zip(cases, edges, strict=True)):
            rejects = (count <= low) | (count >= high)
            for k in (20, 300, n.size):
                assert rejects[0, k - 1] == (test(int(count[0, k - 1]), k, rate=rate) >= LIMIT)
            wrong[i] += int(rejects.any(axis=1).sum())
    case = f"events at the limit of {rate:.0%}"
    return [
        Rate(test.__name__, case, f"{claim} the limit", runs, k)
        for (test, _, claim), k in zip(cases, wrong, strict=True)
    ]


def _edges(fixed: np.ndarray, gain: np.ndarray, expected: np.ndarray, *, alpha: float) -> tuple[np.ndarray, np.ndarray]:
    """(low, high): after row i counts up to low[i] and from high[i] on make the mixture worth 1 / alpha.

    The value is the mean of exp(`fixed` + `gain` * count), convex in the count and 1 or less at the `expected` one.
    """

    def edge(inside: np.ndarray, outside: np.ndarray) -> np.ndarray:
        for _ in range(40):
            middle = (inside + outside) / 2
            rejects = log_mean(fixed + gain * middle) >= -np.log(alpha)
            inside, outside = np.where(rejects, inside, middle), np.where(rejects, middle, outside)
        return outside

    return edge(expected, expected - 2 * expected.size), edge(expected, expected + 2 * expected.size)


def coin_jobs(scale: float) -> list[Job]:
    """Every case of this module; `scale` shortens them."""
    # The nearer a test uses its alpha up, the more runs it takes to show that it keeps to it.
    runs = {0.002: 4_000, 0.01: 5_000, 0.05: 10_000}
    jobs = [
        Job(
            "Errors while shares ramp",
            f"coin flip {b} {s} {d}",
            errors_under_a_ramp,
            int(runs[b] * scale),
            {"base": b, "shares": s, "drift": d},
        )
        for b, s, d in product(runs, RAMPS, DRIFTS)
    ]
    tolerated = {"base": 0.02, "shares": "5-10-25-50 %", "drift": "rising eightfold", "tolerated": 1.5}
    jobs.append(
        Job("Errors while shares ramp", "coin flip tolerated", errors_under_a_ramp, int(10_000 * scale), tolerated)
    )
    for shares in (0.05, 0.25, "5-10-25-50 %"):
        part, runs_of_it = "Errors of returning customers", int(4_000 * scale)
        jobs.append(Job(part, f"sticky {shares}", errors_of_sticky_entities, runs_of_it, {"shares": shares}))
    for shares in RAMPS:
        part, runs_of_it = "The split of the entities", int(80_000 * scale)
        jobs.append(Job(part, f"sample ratio {shares}", split_as_stated, runs_of_it, {"shares": shares}))
    for rate in (0.02, 0.2):
        jobs.append(
            Job("Events at a limit", f"events {rate}", events_at_the_limit, int(40_000 * scale), {"rate": rate})
        )
    return jobs
