"""Does the evidence allow the next step? Each gate returns PASS, FAIL or WAIT, with the numbers in its sentence."""

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import ArrayLike

from schemas.framing import Requirement
from schemas.plans import Promotion
from schemas.verdict import Interval, Outcome, Verdict
from tasks.stats import coin_flip, confidence_sequence, fixed_interval, rate_above, rate_below, sample_ratio

__all__ = [
    "at_deadline",
    "business_effect",
    "closed",
    "decay",
    "drift",
    "enough_traffic",
    "error_guardrail",
    "finite",
    "no_worse_live",
    "not_shown_worse",
    "paired_offline",
    "paired_sequential",
    "prediction_shift",
    "requirement",
    "shares_held",
]


def closed(name: str, gate: Callable[[], Verdict]) -> Verdict:
    """The gate's verdict; a gate that raises is a FAIL that carries the error, never a PASS."""
    try:
        return gate()
    except Exception as error:
        return Verdict(name, Outcome.FAIL, f"{name} could not be judged: {type(error).__name__}: {str(error)[:200]}")


def requirement(wanted: Requirement, measured: Mapping[str, float]) -> Verdict:
    """Does a metric on held-out rows keep its floor or ceiling? A missing or undefined metric is WAIT."""
    name = f"requirement {wanted.metric}"
    value = measured.get(wanted.metric, math.nan)
    if not math.isfinite(value):
        return Verdict(name, Outcome.WAIT, f"{wanted.metric} was not measured")
    evidence = {"value": value, "at_least": wanted.at_least, "at_most": wanted.at_most}
    if wanted.at_least is not None and value < wanted.at_least:
        return Verdict(
            name,
            Outcome.FAIL,
            f"{wanted.metric} {value:.4f} is under {wanted.at_least}: {wanted.reason}",
            evidence,
        )
    if wanted.at_most is not None and value > wanted.at_most:
        return Verdict(
            name,
            Outcome.FAIL,
            f"{wanted.metric} {value:.4f} is over {wanted.at_most}: {wanted.reason}",
            evidence,
        )
    return Verdict(name, Outcome.PASS, f"{wanted.metric} {value:.4f} keeps what is required", evidence)


def finite(scores: ArrayLike) -> Verdict:
    """Is every score a number, and are they not all the same?"""
    x = np.asarray(scores, dtype=float)
    evidence = {"rows": int(x.size), "not_finite": int((~np.isfinite(x)).sum())}
    if x.size == 0:
        return Verdict("numerical health", Outcome.WAIT, "there are no scores to look at", evidence)
    if evidence["not_finite"]:
        return Verdict(
            "numerical health",
            Outcome.FAIL,
            f"{evidence['not_finite']} of {x.size} scores are not finite",
            evidence,
        )
    if x.size > 1 and np.ptp(x) == 0:
        return Verdict("numerical health", Outcome.FAIL, f"all {x.size} scores are {x[0]:.4g}", evidence)
    return Verdict("numerical health", Outcome.PASS, f"{x.size} finite scores that differ", evidence)


def paired_offline(
    champion_loss: ArrayLike,
    challenger_loss: ArrayLike,
    *,
    promotion: Promotion,
    margin: float,
    alpha: float,
    at_least: int,
    against: str = "champion",
) -> Verdict:
    """One look at held-out rows that neither model was trained on. Losses pair by row, shape (n,), lower is better."""
    name = f"offline {promotion} to {against}"
    gain = _gain(champion_loss, challenger_loss)
    if gain.size < at_least:
        return Verdict(
            name, Outcome.WAIT, f"{gain.size} held-out rows, {at_least} are needed", {"rows": int(gain.size)}
        )
    interval = Interval(*fixed_interval(gain, alpha=alpha))
    floor = _floor(promotion, margin)
    outcome = Outcome.PASS if interval.low > floor else Outcome.FAIL
    says = "is" if outcome is Outcome.PASS else "is not shown to be"
    return Verdict(
        name,
        outcome,
        _claim(says, promotion, against, interval, margin, gain.size),
        _numbers(interval, gain.size, floor),
    )


def not_shown_worse(
    rival_loss: ArrayLike, challenger_loss: ArrayLike, *, alpha: float, at_least: int, against: str
) -> Verdict:
    """One look at held-out rows: FAIL only where the challenger is shown to lose more than `against`."""
    name = f"offline sanity against {against}"
    gain = _gain(rival_loss, challenger_loss)
    if gain.size < at_least:
        return Verdict(
            name, Outcome.WAIT, f"{gain.size} held-out rows, {at_least} are needed", {"rows": int(gain.size)}
        )
    interval = Interval(*fixed_interval(gain, alpha=alpha))
    evidence = _numbers(interval, gain.size, 0.0)
    if interval.high < 0:
        return Verdict(
            name,
            Outcome.FAIL,
            f"the challenger is worse than the {against}: gain a row {interval} over these {gain.size:,} rows",
            evidence,
        )
    return Verdict(
        name,
        Outcome.PASS,
        f"the challenger is not shown to be worse than the {against}: gain a row {interval}",
        evidence,
    )


def paired_sequential(
    champion_loss: ArrayLike,
    challenger_loss: ArrayLike,
    *,
    promotion: Promotion,
    margin: float,
    alpha: float,
    enough: bool,
) -> Verdict:
    """The slow clock: matured rows that both scored, in prediction order, looked at as often as one likes.

    PASS only when `enough` time has passed. FAIL as soon as the claim is refuted, enough or not.
    """
    name = f"live {promotion}"
    gain = _gain(champion_loss, challenger_loss)
    if gain.size == 0:
        return Verdict(name, Outcome.WAIT, "no row that both models scored has matured yet", {"rows": 0})
    interval = Interval(*confidence_sequence(gain, alpha=alpha))
    floor = _floor(promotion, margin)
    evidence = _numbers(interval, gain.size, floor)
    if interval.high < floor:
        return Verdict(
            name, Outcome.FAIL, _claim("is not", promotion, "champion", interval, margin, gain.size), evidence
        )
    if interval.low > floor:
        says = _claim("is", promotion, "champion", interval, margin, gain.size)
        return Verdict(
            name,
            Outcome.PASS if enough else Outcome.WAIT,
            says if enough else f"{says}; the minimum time is not over",
            evidence,
        )
    return Verdict(
        name,
        Outcome.WAIT,
        _claim("is not yet shown to be", promotion, "champion", interval, margin, gain.size),
        evidence,
    )


def no_worse_live(
    previous_loss: ArrayLike, new_loss: ArrayLike, *, margin: float, alpha: float, enough: bool
) -> Verdict:
    """Probation: is the new champion shown to be worse than the previous one, on rows that it answered itself?"""
    gain = _gain(previous_loss, new_loss)
    if gain.size == 0:
        return Verdict("probation", Outcome.WAIT, "none of the rows it answered has matured yet", {"rows": 0})
    interval = Interval(*confidence_sequence(gain, alpha=alpha))
    evidence = _numbers(interval, gain.size, -margin)
    if interval.high < -margin:
        return Verdict(
            "probation",
            Outcome.FAIL,
            f"the new champion loses {interval} against the previous one over {gain.size} rows",
            evidence,
        )
    # Below its burn-in the interval is infinite: that is no evidence yet.
    outcome = Outcome.PASS if enough and math.isfinite(interval.low) else Outcome.WAIT
    return Verdict(
        "probation",
        outcome,
        f"gain over the previous champion {interval}, {gain.size} rows it answered",
        evidence,
    )


def error_guardrail(hits: ArrayLike, probability: ArrayLike, *, ratio: float, alpha: float, arms: str) -> Verdict:
    """The fast clock: does the challenger fail more often? `hits` and `probability` as in `coin_flip`; only holds or stops."""
    log_e = coin_flip(hits, probability, ratio=ratio)
    in_challenger, n = int(np.sum(hits)), int(np.size(hits))
    evidence = {"errors": n, "errors_of_challenger": in_challenger, "log_e": log_e}
    says = f"{in_challenger} of {n} entities with an error met it from the challenger, {arms} (e-value {_e(log_e)})"
    if log_e >= math.log(1 / alpha):
        return Verdict("error guardrail", Outcome.FAIL, f"the challenger raises: {says}", evidence)
    return Verdict("error guardrail", Outcome.PASS, says if n else "no errors", evidence)


def prediction_shift(positives: int, rows: int, *, held_out: float, factor: float, alpha: float) -> Verdict:
    """Does the challenger act on as many live requests as it did on held-out rows? A leak shows here within a day."""
    name = "prediction shift"
    if rows == 0:
        return Verdict(name, Outcome.WAIT, "it has scored no request yet", {"rows": 0})
    low, high = held_out / factor, min(held_out * factor, 1 - 1e-9)
    if not 0 < low < high < 1:
        return Verdict(
            name,
            Outcome.WAIT,
            f"a held-out share of positives of {held_out:.4f} gives no limits",
            {"rows": rows},
        )
    log_e = max(rate_below(positives, rows, rate=low), rate_above(positives, rows, rate=high))
    evidence = {"rows": rows, "share": positives / rows, "held_out": held_out, "log_e": log_e}
    says = f"it acts on {positives / rows:.2%} of {rows:,} live requests, on held-out rows it was {held_out:.2%}"
    # Two one-sided tests share alpha.
    if log_e >= math.log(2 / alpha):
        return Verdict(name, Outcome.FAIL, f"{says}: not the model that was judged offline", evidence)
    return Verdict(name, Outcome.PASS, says, evidence)


def shares_held(in_challenger: ArrayLike, probability: ArrayLike, *, alpha: float) -> Verdict:
    """Do entities fall to the arms as they were assigned? A mismatch makes every comparison of arms void."""
    if np.size(in_challenger) == 0:
        return Verdict("sample ratio", Outcome.WAIT, "no entity was assigned to an arm yet", {"entities": 0})
    log_e = sample_ratio(in_challenger, probability)
    n = int(np.size(in_challenger))
    evidence = {"entities": n, "in_challenger": int(np.sum(in_challenger)), "log_e": log_e}
    if log_e >= math.log(1 / alpha):
        return Verdict(
            "sample ratio",
            Outcome.FAIL,
            f"{evidence['in_challenger']} of {n} entities in the challenger's arm is not what was assigned",
            evidence,
        )
    return Verdict(
        "sample ratio",
        Outcome.PASS,
        f"{evidence['in_challenger']} of {n} entities in the challenger's arm, as assigned",
        evidence,
    )


def enough_traffic(
    *,
    requests: int,
    entities: int,
    elapsed: timedelta,
    at_least: timedelta,
    requests_needed: int,
    entities_needed: int,
) -> Verdict:
    """Has the share had its time, its requests and its entities?"""
    evidence = {"requests": requests, "entities": entities, "days": elapsed / timedelta(days=1)}
    says = f"{requests:,} requests of {entities:,} entities in {elapsed / timedelta(days=1):.1f} days"
    done = elapsed >= at_least and requests >= requests_needed and entities >= entities_needed
    if done:
        return Verdict("traffic", Outcome.PASS, says, evidence)
    needed = f"{requests_needed:,} of {entities_needed:,} in {at_least / timedelta(days=1):.1f}"
    return Verdict("traffic", Outcome.WAIT, f"{says}; {needed} are needed", evidence)


def business_effect(
    champion_loss: ArrayLike,
    challenger_loss: ArrayLike,
    *,
    tolerated_harm: float,
    alpha: float,
    enough: bool,
    last_look: bool,
    no_harm_suffices: bool,
) -> Verdict:
    """A/B: the difference of mean losses between the arms (unpaired), against the harm that the framing tolerates."""
    a, b = np.asarray(champion_loss, dtype=float), np.asarray(challenger_loss, dtype=float)
    if min(a.size, b.size) == 0:
        return Verdict("business effect", Outcome.WAIT, "an arm has no matured row yet", {"rows": int(a.size + b.size)})
    a_low, a_mean, a_high = confidence_sequence(a, alpha=alpha / 2)
    b_low, b_mean, b_high = confidence_sequence(b, alpha=alpha / 2)
    interval = Interval(a_low - b_high, a_mean - b_mean, a_high - b_low)
    evidence = _numbers(interval, int(a.size + b.size), -tolerated_harm)
    if interval.high < -tolerated_harm:
        return Verdict("business effect", Outcome.FAIL, f"the challenger's arm loses {interval} a row", evidence)
    if enough and interval.low > -tolerated_harm:
        return Verdict(
            "business effect",
            Outcome.PASS,
            f"harm over {tolerated_harm} a row is excluded: {interval}",
            evidence,
        )
    if last_look and no_harm_suffices and math.isfinite(interval.low):
        return Verdict(
            "business effect",
            Outcome.PASS,
            f"no harm shown by the deadline, which the plan accepts: {interval}",
            evidence,
        )
    return Verdict(
        "business effect",
        Outcome.WAIT,
        f"harm over {tolerated_harm} a row is not yet excluded: {interval}",
        evidence,
    )


def drift(distances: Mapping[str, float], limits: Mapping[str, float], *, floor: float, rate: float) -> Verdict:
    """Which columns moved further than this problem's own windows ever do, and far enough to matter?"""
    if not limits:
        return Verdict("drift", Outcome.WAIT, "no column is watched")
    undefined = sorted(name for name in limits if not math.isfinite(distances.get(name, math.nan)))
    if undefined:
        return Verdict("drift", Outcome.WAIT, f"no distance for {', '.join(undefined)}")
    moved = sorted((n for n in limits if distances[n] > max(limits[n], floor)), key=lambda n: -distances[n])
    evidence: dict[str, float | int | str | None] = {f"distance {name}": distances[name] for name in sorted(limits)}
    evidence |= {"rate": rate}
    stated = f"calibrated on its own windows to at most {rate:.1%} false alarms a window"
    if moved:
        shown = ", ".join(f"{n} by {distances[n]:.2f} (limit {max(limits[n], floor):.2f})" for n in moved)
        return Verdict("drift", Outcome.FAIL, f"moved: {shown}; {stated}", evidence)
    return Verdict("drift", Outcome.PASS, f"no column moved; {stated}", evidence)


def decay(daily_loss: Sequence[float], *, held_out: float, tolerance: float, alpha: float, at_least: int) -> Verdict:
    """Is the champion's live loss above what it showed on held-out rows? One value a day, since rows of a day move together."""
    n = len(daily_loss)
    if n < at_least:
        return Verdict("decay", Outcome.WAIT, f"{n} days of matured rows, {at_least} are needed", {"days": n})
    interval = Interval(*fixed_interval(daily_loss, alpha=alpha))
    evidence = {"low": interval.low, "live": interval.estimate, "held_out": held_out, "days": n}
    says = f"live loss {interval.estimate:.4f} [{interval.low:.4f}, {interval.high:.4f}] over {n} days, {held_out:.4f} when it was accepted"
    if interval.low > held_out + tolerance:
        return Verdict("decay", Outcome.FAIL, f"decayed: {says}", evidence)
    return Verdict("decay", Outcome.PASS, says, evidence)


def at_deadline(verdict: Verdict, *, now: datetime, deadline: datetime) -> Verdict:
    """Every WAIT has a deadline; at the deadline it becomes a FAIL that says so."""
    if verdict.outcome is not Outcome.WAIT or now < deadline:
        return verdict
    return Verdict(
        verdict.gate,
        Outcome.FAIL,
        f"deadline {deadline:%Y-%m-%d %H:%M} reached: {verdict.reason}",
        verdict.evidence,
    )


def _gain(champion_loss: ArrayLike, challenger_loss: ArrayLike) -> np.ndarray:
    a, b = np.asarray(champion_loss, dtype=float), np.asarray(challenger_loss, dtype=float)
    if a.shape != b.shape or a.ndim != 1:
        raise ValueError(f"paired losses need one shape (n,), got {a.shape} and {b.shape}")
    return a - b


def _floor(promotion: Promotion, margin: float) -> float:
    """What the gain must exceed: nothing for superiority, minus the margin for non-inferiority."""
    return 0.0 if promotion is Promotion.SUPERIORITY else -margin


def _claim(says: str, promotion: Promotion, against: str, gain: Interval, margin: float, rows: int) -> str:
    what = "better than" if promotion is Promotion.SUPERIORITY else f"no more than {margin} worse than"
    return f"the challenger {says} {what} the {against}: gain a row {gain} over these {rows:,} rows"


def _numbers(interval: Interval, rows: int, floor: float) -> dict[str, float | int | str | None]:
    return {
        "low": interval.low,
        "gain": interval.estimate,
        "high": interval.high,
        "rows": int(rows),
        "floor": floor,
    }


def _e(log_e: float) -> str:
    return f"{math.exp(log_e):.3g}" if log_e < 20 else "over 10^8"
