"""Is the champion still the right one: did its world move, did it decay?"""

import math
from collections.abc import Mapping, Sequence

from schemas.verdict import Interval, Outcome, Verdict
from tasks.stats import fixed_interval

__all__ = ["decay", "drift"]


def drift(distances: Mapping[str, float], limits: Mapping[str, float], *, floor: float, rate: float) -> Verdict:
    """Which columns moved further than this problem's own windows ever do, and far enough to matter?"""
    if not limits:
        return Verdict("drift", Outcome.WAIT, "no column is watched")
    undefined = sorted(n for n in limits if not math.isfinite(distances.get(n, math.nan) + limits[n]))
    if undefined:
        return Verdict("drift", Outcome.WAIT, f"no distance or no limit for {', '.join(undefined)}")
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
    if not math.isfinite(held_out):
        return Verdict("decay", Outcome.WAIT, "not known which loss it showed when it was accepted", {"days": n})
    interval = Interval(*fixed_interval(daily_loss, alpha=alpha))
    evidence = {"low": interval.low, "live": interval.estimate, "held_out": held_out, "days": n}
    says = f"live loss {interval.estimate:.4f} [{interval.low:.4f}, {interval.high:.4f}] over {n} days, {held_out:.4f} when it was accepted"
    if interval.low > held_out + tolerance:
        return Verdict("decay", Outcome.FAIL, f"decayed: {says}", evidence)
    return Verdict("decay", Outcome.PASS, says, evidence)
