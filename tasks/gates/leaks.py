"""Does something creep up over many runs that should stay as it is: training time, size, latency, memory?"""

import math
from collections.abc import Sequence

from schemas.verdict import Outcome, Verdict
from tasks.stats import trend

__all__ = ["no_leak"]


def no_leak(what: str, values: Sequence[float], *, unit: str, rate: float, growth: float, at_least: int) -> Verdict:
    """Do `values`, one a run or window (`unit`), oldest first, rise further than chance makes them, and far enough to matter?

    FAIL where a rank test finds a rise at `rate` false alarms a look, and the line through them grew by more than the share
    `growth` of where it began.
    """
    name, n = f"leak of {what}", len(values)
    if n < at_least or not all(math.isfinite(value) for value in values):
        said = f"{n} {unit} tell nothing of the {what} yet, {at_least} are needed"
        return Verdict(name, Outcome.WAIT, said, {"values": n})
    found = trend(values)
    evidence = {"values": n, "p_value": found.p_value, "growth": found.growth, "rate": rate}
    if not math.isfinite(found.growth):
        return Verdict(name, Outcome.WAIT, f"{what} began at nothing: no share of it can have grown", {"values": n})
    says = f"{what} {'grew' if found.growth >= 0 else 'fell'} by {abs(found.growth):.0%} over {n} {unit}"
    if found.p_value < rate and found.growth > growth:
        said = f"{says}, a slow leak: by chance it rises so steadily {found.p_value:.1g} of the time, {rate:g} is a false alarm's rate a look"
        return Verdict(name, Outcome.FAIL, said, evidence)
    return Verdict(name, Outcome.PASS, f"{says}, which is no leak", evidence)
