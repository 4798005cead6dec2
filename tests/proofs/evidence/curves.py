"""How soon do the tests see what is there, is it as soon as the plan says, and do they promote what is worse?"""

import numpy as np

from tasks.stats import (
    CoinFlip,
    bounded_interval,
    errors_for_coin_flip,
    rows_for_betting,
    rows_for_running_average,
)
from tasks.stats.evalues import RATIOS, log_factors
from tasks.stats.mixture import log_mean
from tests.proofs.evidence.formulas import (
    agrees_with_betting,
    agrees_with_running_average,
    average_edge,
    betting_rejects,
)
from tests.proofs.evidence.rates import ALPHA, LIMIT, Job, Power, chunks
from tests.proofs.evidence.worlds import three_valued

__all__ = ["curve_jobs"]

POINTS = 60
DIFFER = 0.10  # share of the rows on which the models disagree


def promoted(rng: np.random.Generator, runs: int, *, name: str, mean: float, margin: float) -> list[Power]:
    """Paired 0/1 losses, a look after every row: when is the challenger shown to be better, or not worse?"""
    variance = DIFFER - mean**2
    plans = {
        "Betting": rows_for_betting(mean, variance=variance, margin=margin),
        "RunningAverage": rows_for_running_average(mean, variance=variance, margin=margin),
    }
    n = int(1.4 * max(plans.values()))
    rejects: dict[str, list[np.ndarray]] = {test: [] for test in plans}
    rows = np.arange(1, n + 1)
    for size in chunks(runs):
        x, _ = three_valued(DIFFER, mean)(rng, size, n)
        edge = average_edge(x)
        agrees_with_running_average(x[0], edge[0])
        found = [betting_rejects(one, margin) for one in x]
        agrees_with_betting(x[0], margin, found[0])
        above = np.cumsum(x, axis=1) + margin * rows > edge
        rejects["Betting"] += [_seen(one, plans["Betting"]) for one in found]
        rejects["RunningAverage"] += [_seen(one, plans["RunningAverage"]) for one in above]
    return [_curve(test, name, "promoted", np.array(rejects[test]), plans[test], n) for test in plans]


def worse_by_two_points(rng: np.random.Generator, runs: int) -> list[Power]:
    """2 pp worse where 1 pp is allowed, 1,000 rows: the tests at every row, one look, and the two means compared."""
    n, margin, mean = 1_000, 0.01, -0.02
    wrong = dict.fromkeys(("Betting", "RunningAverage", "bounded_interval, one look", "higher mean, one look"), 0)
    draw, rows = three_valued(DIFFER, mean), np.arange(1, n + 1)
    for size in chunks(runs):
        x, _ = draw(rng, size, n)
        wrong["Betting"] += sum(bool(betting_rejects(one, margin).any()) for one in x)
        wrong["RunningAverage"] += int((np.cumsum(x, axis=1) + margin * rows > average_edge(x)).any(axis=1).sum())
        wrong["bounded_interval, one look"] += sum(bounded_interval(one, alpha=ALPHA)[0] > -margin for one in x)
        wrong["higher mean, one look"] += int((x.mean(axis=1) >= 0).sum())
    case = "2 pp worse, margin 0.01, 1,000 rows"
    limits = {test: None if test.startswith("higher") else 0.01 for test in wrong}
    return [
        Power(test, case, "promoted by mistake", (n,), (k / runs,), runs, at_most=limits[test])
        for test, k in wrong.items()
    ]


def errors_seen(rng: np.random.Generator, runs: int, *, ratio: float, share: float = 0.05) -> list[Power]:
    """The challenger errs `ratio` times as often on a small share: after how many errors is it stopped?"""
    plan = errors_for_coin_flip(ratio, share=share)
    n = max(12, int(1.6 * plan))
    miss, hit = log_factors(np.array([0.0, 1.0]), np.full(2, share), 1.0, RATIOS).T
    rows, seen = np.arange(1, n + 1), []
    for size in chunks(runs):
        struck = rng.random((size, n)) < share * ratio / (share * ratio + 1 - share)
        k = np.cumsum(struck, axis=1)
        value = log_mean(np.stack([k * h + (rows - k) * m for h, m in zip(hit, miss, strict=True)]))
        peak = CoinFlip().update(struck[0], np.full(n, share)).log_peak
        assert np.isclose(max(0.0, value[0].max()), peak)
        seen += [_seen(one, plan) for one in value >= LIMIT]
    return [_curve("CoinFlip", f"errors {ratio:g} times as often, share 5 %", "stopped", np.array(seen), plan, n)]


def _seen(rejects: np.ndarray, plan: float) -> tuple[int, bool]:
    """(the first unit after which it rejects, or a later one than any; does it reject at just the planned one?)"""
    return int(rejects.argmax()) + 1 if rejects.any() else rejects.size + 1, bool(rejects[int(plan) - 1])


def _curve(test: str, case: str, what: str, seen: np.ndarray, plan: float, n: int) -> Power:
    units = np.unique(np.linspace(1, n, min(n, POINTS)).astype(int))
    rates = (seen[:, 0][:, None] <= units).mean(axis=0)
    return Power(
        test,
        case,
        what,
        tuple(int(u) for u in units),
        tuple(float(r) for r in rates),
        len(seen),
        planned=plan,
        at_plan=int((seen[:, 0] <= plan).sum()),
        standing=int(seen[:, 1].sum()),
    )


def curve_jobs(scale: float) -> list[Job]:
    """Every case of this module; `scale` shortens them."""
    promotions = [
        (2_000, {"name": "2 pp better, superiority", "mean": 0.02, "margin": 0.0}),
        (1_000, {"name": "equal, margin 0.01", "mean": 0.0, "margin": 0.01}),
        (2_000, {"name": "equal, margin 0.02", "mean": 0.0, "margin": 0.02}),
    ]
    jobs = [
        Job("Power", f"promoted {arguments['name']}", promoted, int(runs * scale), arguments)
        for runs, arguments in promotions
    ]
    jobs.append(Job("Power", "worse", worse_by_two_points, int(8_000 * scale)))
    for ratio in (1.5, 2.0, 3.0, 5.0, 10.0):
        jobs.append(Job("Power", f"stopped {ratio:g}", errors_seen, int(4_000 * scale), {"ratio": ratio}))
    return jobs
