"""Is the challenger good enough in itself, everywhere, for everyone, and for what it is worth? One look at held-out rows."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike

from schemas.framing import Fairness, Requirement
from schemas.verdict import Evidence, Interval, Outcome, Verdict
from tasks.gates.verdicts import gain_of, numbers, too_few
from tasks.stats import Calibration, bounded_interval

__all__ = [
    "Violations",
    "behaves",
    "business_value",
    "calibrated",
    "fair",
    "finite",
    "precision_kept",
    "requirement",
    "simplest",
    "slices",
]


def requirement(wanted: Requirement, measured: Mapping[str, tuple[float, float, float]]) -> Verdict:
    """Does a metric on held-out rows keep its floor or ceiling? `measured` has (low, estimate, high) by the requirement's
    name; the whole interval has to keep it. A missing or undefined metric is WAIT."""
    name = f"requirement {wanted.asks}"
    found = measured.get(wanted.name, (math.nan,) * 3)
    if not all(math.isfinite(value) for value in found):
        return Verdict(name, Outcome.WAIT, f"{wanted.name} was not measured, or these rows do not define it")
    interval = Interval(*found)
    evidence = {"low": interval.low, "value": interval.estimate, "high": interval.high}
    limits = {"at_least": wanted.at_least, "at_most": wanted.at_most}
    evidence |= {name: limit for name, limit in limits.items() if limit is not None}
    says = f"{wanted.name} {interval.estimate:.4f} [{interval.low:.4f}, {interval.high:.4f}]"
    if wanted.at_least is not None and interval.low < wanted.at_least:
        said = "is under" if interval.high < wanted.at_least else "is not shown to reach"
        return Verdict(name, Outcome.FAIL, f"{says} {said} {wanted.at_least}: {wanted.reason}", evidence)
    if wanted.at_most is not None and interval.high > wanted.at_most:
        said = "is over" if interval.low > wanted.at_most else "is not shown to stay under"
        return Verdict(name, Outcome.FAIL, f"{says} {said} {wanted.at_most}: {wanted.reason}", evidence)
    return Verdict(name, Outcome.PASS, f"{says} keeps what is required", evidence)


def precision_kept(wanted: Requirement, measured: Mapping[str, tuple[float, float, float]]) -> Verdict:
    """Does an operating point keep on held-out rows the precision that its threshold was chosen for? FAIL where less is
    shown; undefined (nothing was acted on) is WAIT."""
    name, found = f"precision of {wanted.name}", measured.get(f"precision of {wanted.name}", (math.nan,) * 3)
    if wanted.at_precision is None or not all(math.isfinite(value) for value in found):
        return Verdict(name, Outcome.WAIT, f"{name} was not measured, or these rows do not define it")
    low, estimate, high = found
    evidence = {"low": low, "value": estimate, "high": high, "at_least": wanted.at_precision}
    says = f"precision {estimate:.4f} [{low:.4f}, {high:.4f}] at the threshold chosen for {wanted.at_precision:g}"
    return Verdict(name, Outcome.FAIL if high < wanted.at_precision else Outcome.PASS, says, evidence)


def finite(scores: ArrayLike, *, probability: bool = False) -> Verdict:
    """Is every score a number (shape (n,), or (n, k) for k classes), a probability one, and are they not all the same?"""
    name, x = "numerical health", np.asarray(scores, dtype=float)
    rows = len(x)
    whole = np.isfinite(x).reshape(rows, -1).all(axis=1) if rows else np.array([], dtype=bool)
    evidence = {"rows": rows, "not_finite": int((~whole).sum())}
    if rows == 0:
        return Verdict(name, Outcome.WAIT, "there are no scores to look at", evidence)
    if evidence["not_finite"] > 0:
        return Verdict(name, Outcome.FAIL, f"{evidence['not_finite']} of {rows} scores are not finite", evidence)
    if probability and not ((x >= 0) & (x <= 1)).all():
        outside = int(((x < 0) | (x > 1)).reshape(rows, -1).any(axis=1).sum())
        said = f"{outside} of {rows} scores are no probability"
        return Verdict(name, Outcome.FAIL, said, evidence | {"outside": outside})
    if rows > 1 and (np.ptp(x, axis=0) == 0).all():
        return Verdict(name, Outcome.FAIL, f"all {rows} scores are the same", evidence)
    return Verdict(name, Outcome.PASS, f"{rows} finite scores that differ", evidence)


def slices(
    gains: Mapping[str, ArrayLike],
    *,
    name: str,
    margin: float,
    alpha: float,
    at_least: int,
    clusters: Mapping[str, ArrayLike] | None = None,
) -> Verdict:
    """Is any slice worse off under the challenger than under the champion, by more than `margin` a row?

    `gains` has a slice's paired gains, shape (n_rows,), `clusters` whose rows they are where entities repeat. `alpha` is
    shared among the slices that are large enough to be judged. Small ones are named; where every slice is small, there is
    no evidence.
    """
    large = {key: np.asarray(gain, dtype=float) for key, gain in gains.items() if np.size(gain) >= at_least}
    small = sorted(set(gains) - set(large))
    left_out = f"; too few rows to judge (under {at_least}): {_some(small)}" if small else ""
    if not large:
        return Verdict(name, Outcome.WAIT, f"no slice can be judged{left_out}", {"slices": 0, "small": len(small)})
    whose = clusters or {}
    intervals = {
        key: Interval(*bounded_interval(gain, alpha=alpha / len(large), clusters=whose.get(key)))
        for key, gain in large.items()
    }
    worst = min(intervals, key=lambda key: intervals[key].high)
    evidence: dict[str, float | int | str | None] = {"slices": len(large), "small": len(small), "worst": worst}
    evidence |= {"low": intervals[worst].low, "gain": intervals[worst].estimate, "high": intervals[worst].high}
    collapsed = [f"{key}: gain {interval}" for key, interval in intervals.items() if interval.high < -margin]
    if collapsed:
        said = f"worse than the champion by more than {margin} a row on {_some(collapsed)}{left_out}"
        return Verdict(name, Outcome.FAIL, said, evidence)
    said = f"none of {len(large)} slices is shown to lose more than {margin} a row; weakest {worst}: {intervals[worst]}"
    return Verdict(name, Outcome.PASS, said + left_out, evidence)


def _some(names: Sequence[str]) -> str:
    """The first five, and how many more there are: a column may hold thousands of values."""
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return ", ".join(names[:5]) + more


def calibrated(
    measured: Calibration, *, tolerance: float, alpha: float, at_least: int, champion: Calibration | None = None
) -> Verdict:
    """Do scores mean what they say? FAIL where the gaps between score and outcome are shown and exceed `tolerance`.

    Where the world has moved since both were trained, a champion that is further off on the same rows is no reason to
    refuse the challenger: `champion` is its calibration, where it was trained and not a rule.
    """
    name = "calibration"
    evidence = {"rows": measured.rows, "error": measured.error, "p_value": measured.p_value, "tolerance": tolerance}
    if measured.rows < at_least:
        return too_few(name, measured.rows, at_least)
    if not (math.isfinite(measured.error) and math.isfinite(measured.p_value)):
        return Verdict(name, Outcome.WAIT, "these rows do not define how far scores lie from outcomes", evidence)
    says = f"scores miss the outcome by {measured.error:.4f} a bin (p {measured.p_value:.2g}), {tolerance} is tolerated"
    if measured.error <= tolerance or measured.p_value >= alpha:
        return Verdict(name, Outcome.PASS, says, evidence)
    if champion is not None:
        evidence |= {"champion": champion.error}
        says += f"; the champion misses it by {champion.error:.4f}"
        if champion.error > measured.error:
            return Verdict(name, Outcome.PASS, says, evidence)
    return Verdict(name, Outcome.FAIL, f"not calibrated: {says}", evidence)


def fair(
    wanted: Fairness,
    groups: Mapping[str, ArrayLike],
    *,
    alpha: float,
    at_least: int,
    clusters: Mapping[str, ArrayLike] | None = None,
) -> Verdict:
    """Is the gap between any two groups within the tolerance? `groups` has the measure a row, in [0, 1], shape (n_rows,),
    by group; `clusters` whose rows they are, where entities repeat.

    PASS only where a larger gap is excluded, FAIL where one is shown; in between, or with a group too small, WAIT.
    """
    name, measure = f"fairness {wanted.column} {wanted.measure}", wanted.measure
    values = {key: np.asarray(value, dtype=float) for key, value in groups.items() if np.size(value) >= at_least}
    small = sorted(set(groups) - set(values))
    if len(values) < 2 or small:
        said = f"{measure} needs {at_least} rows in each of two groups or more; too few in: {_some(small) or 'all'}"
        return Verdict(name, Outcome.WAIT, said, {"groups": len(values)})
    pairs, whose = list(combinations(sorted(values), 2)), clusters or {}
    shares = {key: _share(x, alpha=alpha / len(pairs), clusters=whose.get(key)) for key, x in values.items()}
    gaps = {(a, b): _gap(shares[a], shares[b]) for a, b in pairs}
    (a, b), widest = max(gaps.items(), key=lambda item: max(item[1].high, -item[1].low))
    evidence = {"low": widest.low, "gap": widest.estimate, "high": widest.high, "tolerance": wanted.tolerance}
    says = f"{measure} of {a} less that of {b}: {widest}, {wanted.tolerance} is tolerated"
    if any(max(gap.low, -gap.high) > wanted.tolerance for gap in gaps.values()):
        return Verdict(name, Outcome.FAIL, says, evidence)
    if max(widest.high, -widest.low) > wanted.tolerance:
        return Verdict(name, Outcome.WAIT, f"{says}: these rows do not exclude such a gap", evidence)
    return Verdict(name, Outcome.PASS, says, evidence)


def business_value(
    champion_cost: ArrayLike,
    challenger_cost: ArrayLike,
    constant_cost: ArrayLike,
    *,
    tolerated: float,
    smallest: float,
    largest: float,
    currency: str,
    alpha: float,
    at_least: int,
    clusters: ArrayLike | None = None,
) -> Verdict:
    """Is the challenger worth what it replaces, and worth having at all? Costs a row, shape (n,), in `currency`, each
    between `smallest` and `largest`.

    FAIL where it costs more than the tolerated amount over the champion cannot be excluded, or where it is shown to
    cost more than the cheapest constant decision.
    """
    name, gain = "business value", gain_of(champion_cost, challenger_cost)
    if gain.size < at_least:
        return too_few(name, gain.size, at_least)
    over = gain_of(constant_cost, challenger_cost)
    bound = largest - smallest
    interval = Interval(*bounded_interval(gain, alpha=alpha, bound=bound, clusters=clusters))
    over_constant = Interval(*bounded_interval(over, alpha=alpha, bound=bound, clusters=clusters))
    evidence = numbers(interval, gain.size, -tolerated) | {"over_constant": over_constant.estimate}
    says = f"{_money(interval, currency)} against the champion"
    if over_constant.high < 0:
        said = f"it costs more than deciding all alike: {_money(over_constant, currency)}"
        return Verdict(name, Outcome.FAIL, said, evidence)
    if interval.low > -tolerated:
        return Verdict(name, Outcome.PASS, says, evidence)
    said = f"{says}: more than {tolerated:g} {currency} a row in added cost is not excluded"
    return Verdict(name, Outcome.FAIL, said, evidence)


def simplest(
    loss: ArrayLike,
    simpler: Mapping[str, ArrayLike],
    *,
    margin: float,
    alpha: float,
    at_least: int,
    clusters: ArrayLike | None = None,
) -> Verdict:
    """Is there a simpler model that is no worse? `simpler` has the paired losses, shape (n,), simplest first.

    FAIL names the simplest one shown to lose less than `margin` a row against the challenger: that one wins.
    """
    name = "simplicity"
    if np.size(loss) < at_least:
        return too_few(name, np.size(loss), at_least)
    evidence: dict[str, float | int | str | None] = {"rows": int(np.size(loss)), "margin": margin}
    for family, other in simpler.items():
        interval = Interval(*bounded_interval(gain_of(other, loss), alpha=alpha, clusters=clusters))
        evidence |= {f"gain over {family}": interval.estimate}
        if interval.high < margin:
            said = f"{family} is simpler and no more than {margin:g} worse: it costs {interval} a row"
            return Verdict(name, Outcome.FAIL, said, evidence | {"take": family})
    tried = ", ".join(simpler) or "none is simpler"
    return Verdict(name, Outcome.PASS, f"no simpler model is within {margin:g} a row (tried: {tried})", evidence)


@dataclass(frozen=True)
class Violations:
    """How many of the rows a behavioural check was asked of broke it, and how many may."""

    broken: int
    rows: int
    tolerated_share: float


def behaves(measured: Mapping[str, Violations]) -> Verdict:
    """Does the challenger keep the behaviour that the problem declares? Each check over rows it could be asked of."""
    name = "behaviour"
    evidence: Evidence = {what: f"{v.broken} of {v.rows}" for what, v in measured.items()}
    unasked = [what for what, v in measured.items() if v.rows == 0]
    broken = [what for what, v in measured.items() if v.rows and v.broken / v.rows > v.tolerated_share]
    if broken:
        shown = ", ".join(
            f"{what} ({measured[what].broken} of {measured[what].rows} rows, {measured[what].tolerated_share:.0%} may)"
            for what in broken
        )
        return Verdict(name, Outcome.FAIL, f"broken: {shown}", evidence)
    if unasked or not measured:
        return Verdict(name, Outcome.WAIT, f"no row to ask: {', '.join(unasked) or 'no check at all'}", evidence)
    return Verdict(name, Outcome.PASS, f"{len(measured)} checks kept", evidence)


def _gap(a: tuple[float, float, float], b: tuple[float, float, float]) -> Interval:
    """Difference of two independent means: variances add, and so the half widths add in squares."""
    (a_low, a_mean, a_high), (b_low, b_mean, b_high) = a, b
    low, high = math.hypot(a_mean - a_low, b_high - b_mean), math.hypot(a_high - a_mean, b_mean - b_low)
    return Interval(a_mean - b_mean - low, a_mean - b_mean, a_mean - b_mean + high)


def _share(x: np.ndarray, *, alpha: float, clusters: ArrayLike | None) -> tuple[float, float, float]:
    """Interval for the mean of values in [0, 1], two unseen units at each end."""
    low, mean, high = bounded_interval(2 * x - 1, alpha=alpha, clusters=clusters)
    return (low + 1) / 2, (mean + 1) / 2, (high + 1) / 2


def _money(gain: Interval, currency: str) -> str:
    return f"{gain.estimate:+.3f} [{gain.low:+.3f}, {gain.high:+.3f}] {currency} a row"
