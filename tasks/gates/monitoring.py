"""Is the champion still the right one: did its world move, did it decay, does it keep what was required of it?"""

import math
from collections.abc import Mapping, Sequence
from datetime import timedelta

from schemas.expectations import Requirement
from schemas.verdict import Interval, Outcome, Verdict
from tasks.stats import fixed_interval

__all__ = ["decay", "drift", "requirement_live"]

_YEAR = timedelta(days=365.25)


def drift(
    distances: Mapping[str, float],
    limits: Mapping[str, float],
    *,
    floor: float,
    rate: float,
    allowed: float,
    window: timedelta,
    basis: str,
    unsure: Mapping[str, float] | None = None,
    aside: Sequence[str] = (),
) -> Verdict:
    """Did anything move further than this problem's own windows ever do, and far enough to matter?

    `rate` is the probability of an alarm a window of length `window` without drift that the limits keep; where it is above
    the `allowed` one they are told, and nothing rests on them. `unsure` are lower limits that the
    window exceeds, where the windows are too few for one of them to alarm alone: the next one decides. `aside` are names that
    moved without an effect on predictions.
    """
    if not limits:
        return Verdict("drift", Outcome.WAIT, "no column is watched")
    undefined = sorted(n for n in limits if not math.isfinite(distances.get(n, math.nan) + limits[n]))
    if undefined:
        return Verdict("drift", Outcome.WAIT, f"no distance or no limit for {', '.join(undefined)}")
    far = sorted((n for n in limits if distances[n] > max(limits[n], floor)), key=lambda n: -distances[n])
    evidence: dict[str, float | int | str | None] = {f"distance {name}": distances[name] for name in sorted(limits)}
    yearly = rate * _YEAR / window
    evidence |= {"rate": rate, "alarms a year": yearly}
    shown = ", ".join(f"{n} by {distances[n]:.2f} (limit {max(limits[n], floor):.2f})" for n in far)
    besides = f"; without an effect on predictions moved {', '.join(aside)}" if aside else ""
    if not rate <= allowed:
        at = (
            "" if rate >= 1 else f"; at that rate it would say: {f'moved {shown}' if far else 'nothing moved'}{besides}"
        )
        said = (
            f"blind: {basis} support no rate under {rate:.1%} false alarms a window, the plan allows {allowed:.1%}{at}"
        )
        return Verdict("drift", Outcome.WAIT, said, evidence)
    stated = f"calibrated on {basis} to at most {rate:.1%} false alarms a window, {yearly:.1f} a year"
    if far:
        return Verdict("drift", Outcome.FAIL, f"moved: {shown}; {stated}{besides}", evidence)
    if unsure:
        shown = ", ".join(f"{n} by {distances[n]:.2f} (limit {unsure[n]:.2f})" for n in sorted(unsure))
        said = f"unusual: {shown}; an alarm when it is repeated, since so few windows alarm by none alone; {stated}{besides}"
        return Verdict("drift", Outcome.WAIT, said, evidence)
    return Verdict("drift", Outcome.PASS, f"no column moved; {stated}{besides}", evidence)


def decay(daily_loss: Sequence[float], *, held_out: float, tolerance: float, alpha: float, at_least: int) -> Verdict:
    """Is the champion's live loss above what it showed on held-out rows? One value a day, since rows of a day move together."""
    n = len(daily_loss)
    if n < at_least:
        return Verdict("decay", Outcome.WAIT, f"{n} days of matured rows, {at_least} are needed", {"days": n})
    if not math.isfinite(held_out):
        return Verdict("decay", Outcome.WAIT, "not known which loss it showed when it was accepted", {"days": n})
    interval = Interval(*fixed_interval(daily_loss, alpha=alpha))
    evidence = {"low": interval.low, "live": interval.estimate, "held_out": held_out, "days": n}
    says = f"live loss {interval.estimate:.4f} [{interval.low:.4f}, {interval.high:.4f}] over {n} days, {held_out:.4f} when it was accepted"
    if interval.low > held_out + tolerance:
        return Verdict("decay", Outcome.FAIL, f"decayed: {says}", evidence)
    return Verdict("decay", Outcome.PASS, says, evidence)


def requirement_live(
    wanted: Requirement, measured: Mapping[str, tuple[float, float, float]], *, days: int, at_least: int
) -> Verdict:
    """Is a metric of the rows that a model answered shown to break its floor or ceiling? `measured` as for `requirement`.

    FAIL only where the whole interval breaks it: before deployment doubt refuses, and afterwards it takes nothing back.
    Too few days, or a metric that these rows do not define, is WAIT.
    """
    name, found = f"live requirement {wanted.asks}", measured.get(wanted.name, (math.nan,) * 3)
    if days < at_least or not all(math.isfinite(value) for value in found):
        said = (
            f"{days} days of matured rows that it answered say nothing yet of its {wanted.name}, {at_least} are needed"
        )
        return Verdict(name, Outcome.WAIT, said, {"days": days})
    low, value, high = found
    evidence: dict[str, float | int | str | None] = {"low": low, "value": value, "high": high, "days": days}
    limits = {"at_least": wanted.at_least, "at_most": wanted.at_most}
    evidence |= {side: limit for side, limit in limits.items() if limit is not None}
    says = f"live {wanted.name} {value:.4f} [{low:.4f}, {high:.4f}] over {days} days"
    if wanted.at_least is not None and high < wanted.at_least:
        return Verdict(name, Outcome.FAIL, f"{says} is under {wanted.at_least:g}: {wanted.reason}", evidence)
    if wanted.at_most is not None and low > wanted.at_most:
        return Verdict(name, Outcome.FAIL, f"{says} is over {wanted.at_most:g}: {wanted.reason}", evidence)
    return Verdict(name, Outcome.PASS, f"{says} is not shown to break what is required ({wanted.asks})", evidence)
