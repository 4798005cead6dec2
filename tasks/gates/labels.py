"""Do labels come as the framing says: all of them within the maturity, and those of every class alike?"""

import math
from collections.abc import Mapping
from datetime import timedelta

from schemas.verdict import Outcome, Verdict
from tasks.stats import DelayCurve

__all__ = ["early_labels", "maturity_holds"]

_DAY = timedelta(days=1)
_ALMOST_ALL = 0.999
_LOOKS = (0.25, 0.5, 0.75)  # shares of all labels at whose ages classes are compared


def maturity_holds(
    curves: Mapping[str, DelayCurve],
    *,
    maturity: timedelta,
    tolerated: float,
    needless: float = 0.5,
    unit: timedelta = _DAY,
) -> Verdict:
    """Have the labels come once a row is as old as the framing's `maturity`: all together, and of each class by itself?

    A class that is rare may be late altogether, and not be missed among all. The group with most late labels decides.
    """
    if not curves:
        return Verdict("maturity", Outcome.WAIT, "not one label has come")
    said = {group: _holds(curve, maturity / unit, tolerated, needless, unit) for group, curve in curves.items()}
    order = (Outcome.FAIL, Outcome.WAIT, Outcome.PASS)
    group = min(
        said, key=lambda g: (order.index(said[g].outcome), -_of(said[g], "late"), -_of(said[g], "almost_all_days"))
    )
    worst = said[group]
    if len(curves) == 1 or worst.outcome is Outcome.PASS:
        return worst
    return Verdict(worst.gate, worst.outcome, f"{worst.reason} (of {group})", worst.evidence)


def _of(verdict: Verdict, name: str) -> float:
    value = verdict.evidence.get(name, 0.0)
    return value if isinstance(value, float) else 0.0


def _holds(curve: DelayCurve, age: float, tolerated: float, needless: float, unit: timedelta) -> Verdict:
    """One group's verdict; the `curve` counts time in `unit`, and so does `age`.

    More than `tolerated` of the labels later than that, beyond doubt, is FAIL: verdicts
    would rest on the quick ones. Where nearly all come within the part `needless` of it, the sentence says so: every
    verdict waits for nothing.
    """
    name, maturity = "maturity", age * unit
    low, late, high = curve.later_than(age)
    evidence: dict[str, float | int | str | None] = {"labelled": curve.labelled, "maturity_days": maturity / _DAY}
    if not math.isfinite(late):
        said = f"no label of a row older than {_days(maturity)} tells whether more come later"
        return Verdict(name, Outcome.WAIT, said, evidence)
    almost = curve.quantile(_ALMOST_ALL * float(curve.known[-1])) * unit
    evidence |= {"late": late, "late_low": low, "late_high": high, "almost_all_days": almost / _DAY}
    share = f"{late:.2%} [{low:.2%}, {high:.2%}] of labels come later than {_days(maturity)}"
    within = f"{_ALMOST_ALL:.1%} come within {_days(almost)}"
    if low > tolerated:
        said = f"too short: {share}, {tolerated:.1%} may; {within}"
        return Verdict(name, Outcome.FAIL, said, evidence)
    if high > tolerated:
        return Verdict(name, Outcome.WAIT, f"cannot be told yet: {share}, {tolerated:.1%} may", evidence)
    if almost <= needless * maturity:
        return Verdict(name, Outcome.PASS, f"longer than needed: {within}, and {share}", evidence)
    return Verdict(name, Outcome.PASS, f"{share}; {within}", evidence)


def early_labels(
    curves: Mapping[str, DelayCurve], overall: DelayCurve, *, at_least: float = 0.05, unit: timedelta = _DAY
) -> Verdict:
    """Would rows labelled so far be a fair sample of the classes? Not where one class's labels come later than another's.

    Shares that have come are compared at three ages; a gap counts from `at_least` on, where the bands lie apart.
    """
    name, widest, said = "early labels", 0.0, ""
    if len(curves) < 2:
        return Verdict(
            name, Outcome.WAIT, f"labels of {len(curves)} class are too few to compare", {"classes": len(curves)}
        )
    for age in (overall.quantile(share * float(overall.known[-1])) for share in _LOOKS):
        found = {group: _at(curve, age) for group, curve in curves.items()}
        quick, slow = max(found, key=lambda g: found[g][1]), min(found, key=lambda g: found[g][1])
        gap = found[quick][1] - found[slow][1]
        if gap > max(widest, at_least) and found[quick][0] > found[slow][2]:
            widest = gap
            said = (
                f"after {_days(age * unit)} {found[quick][1]:.0%} of the labels {quick} have come and {found[slow][1]:.0%} of "
                f"those {slow}: rows labelled so far are a biased sample, and only matured ones may be judged"
            )
    if said:
        return Verdict(name, Outcome.FAIL, said, {"gap": widest})
    return Verdict(name, Outcome.PASS, "labels of all classes come equally fast", {"gap": widest})


def _at(curve: DelayCurve, age: float) -> tuple[float, float, float]:
    """All have come by an age to which a class's rows were never followed, since its labels had come before."""
    return curve.at(min(age, curve.followed))


def _days(span: timedelta) -> str:
    return "1 day" if span == _DAY else f"{span / _DAY:.3g} days"
