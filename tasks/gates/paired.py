"""Is the challenger better than its rival, or no worse? On the same rows where both scored, on two arms where they did not."""

import math

import numpy as np
from numpy.typing import ArrayLike

from schemas.plans import PairedTest, Promotion
from schemas.verdict import Interval, Outcome, Verdict
from tasks.gates.verdicts import claim, floor_of, gain_of, numbers, shown_e, too_few
from tasks.stats import (
    Betting,
    bounded_interval,
    rows_for_running_average,
    running_average,
    smallest_paired_difference,
    unpaired_sequence,
)

__all__ = ["business_effect", "no_worse_live", "not_shown_worse", "paired_offline", "paired_sequential"]


def paired_offline(
    champion_loss: ArrayLike,
    challenger_loss: ArrayLike,
    *,
    promotion: Promotion,
    margin: float,
    alpha: float,
    at_least: int,
    against: str = "champion",
    clusters: ArrayLike | None = None,
    clipped: float = 0.0,
) -> Verdict:
    """One look at held-out rows that neither model was trained on. Losses pair by row, shape (n,), lower is better.

    `clusters` (shape (n,)) says whose row it is, where entities repeat: rows of one entity are one piece of evidence.
    `clipped` is the share of rows whose loss stands at its bound.
    """
    name = f"offline {promotion} to {against}"
    gain = gain_of(champion_loss, challenger_loss)
    if gain.size < at_least:
        return too_few(name, gain.size, at_least)
    interval = Interval(*bounded_interval(gain, alpha=alpha, clusters=clusters))
    floor = floor_of(promotion, margin)
    outcome = Outcome.PASS if interval.low > floor else Outcome.FAIL
    says = claim(
        "is" if outcome is Outcome.PASS else "is not shown to be", promotion, against, interval, margin, gain.size
    )
    says += f"; {clipped:.1%} of the losses are clipped" if clipped > 0 else ""
    resolves = smallest_paired_difference(float(gain.var()), n=gain.size, alpha=alpha)
    says += f"; they can tell a difference of {resolves:.4f}" if outcome is Outcome.FAIL else ""
    evidence = numbers(interval, gain.size, floor) | {"clipped": clipped, "resolves": resolves}
    return Verdict(name, outcome, says, evidence)


def not_shown_worse(
    rival_loss: ArrayLike,
    challenger_loss: ArrayLike,
    *,
    alpha: float,
    at_least: int,
    against: str,
    clusters: ArrayLike | None = None,
) -> Verdict:
    """One look at held-out rows: FAIL only where the challenger is shown to lose more than `against`."""
    name = f"offline sanity against {against}"
    gain = gain_of(rival_loss, challenger_loss)
    if gain.size < at_least:
        return too_few(name, gain.size, at_least)
    interval = Interval(*bounded_interval(gain, alpha=alpha, clusters=clusters))
    worse = interval.high < 0
    says = "is" if worse else "is not shown to be"
    return Verdict(
        name,
        Outcome.FAIL if worse else Outcome.PASS,
        f"the challenger {says} worse than the {against}: gain a row {interval} over these {gain.size:,} rows",
        numbers(interval, gain.size, 0.0),
    )


def paired_sequential(
    champion_loss: ArrayLike,
    challenger_loss: ArrayLike,
    *,
    promotion: Promotion,
    margin: float,
    alpha: float,
    enough: bool,
    test: PairedTest = PairedTest.RUNNING_AVERAGE,
) -> Verdict:
    """The slow clock: matured rows that both scored, in prediction order, looked at as often as one likes.

    PASS only when `enough` time has passed. FAIL as soon as the claim is refuted, enough or not.
    """
    name = f"live {promotion}"
    gain = gain_of(champion_loss, challenger_loss)
    if gain.size == 0:
        return Verdict(name, Outcome.WAIT, "no row that both models scored has matured yet", {"rows": 0})
    interval = Interval(*running_average(gain, alpha=alpha))
    floor = floor_of(promotion, margin)
    evidence = numbers(interval, gain.size, floor)
    shown, by = interval.low > floor, ""
    if test is PairedTest.BETTING:
        # Its value now, not its peak: where means drift, the product is at most a martingale at every row whose running
        # average lies under the floor, since a product of numbers is at most their mean to the n-th power.
        log_e = Betting(margin=-floor).update(gain).log_e
        shown, by = log_e >= math.log(1 / alpha), f", e-value {shown_e(log_e)}"
        evidence |= {"log_e": log_e}

    def says(what: str) -> str:
        return claim(what, promotion, "champion", interval, margin, gain.size) + by

    if interval.high < floor:
        return Verdict(name, Outcome.FAIL, says("is not"), evidence)
    if not shown:
        # Planned from the rows seen; inf, and unsaid, where they point the other way.
        needed = rows_for_running_average(interval.estimate, variance=float(gain.var()), margin=-floor, alpha=alpha)
        plan = f"; if it stays so, some {needed:,.0f} rows show it" if math.isfinite(needed) else ""
        return Verdict(name, Outcome.WAIT, says("is not yet shown to be") + plan, evidence | {"rows_needed": needed})
    if not enough:
        return Verdict(name, Outcome.WAIT, says("is") + "; the minimum time is not over", evidence)
    return Verdict(name, Outcome.PASS, says("is"), evidence)


def no_worse_live(
    previous_loss: ArrayLike, new_loss: ArrayLike, *, margin: float, alpha: float, enough: bool, at_least: int
) -> Verdict:
    """Probation: is the new champion shown to be worse than the previous one, on rows that it answered itself?"""
    gain = gain_of(previous_loss, new_loss)
    if gain.size == 0:
        return Verdict("probation", Outcome.WAIT, "none of the rows it answered has matured yet", {"rows": 0})
    interval = Interval(*running_average(gain, alpha=alpha))
    evidence = numbers(interval, gain.size, -margin)
    if interval.high < -margin:
        said = f"the new champion loses {interval} against the previous one over these {gain.size:,} rows"
        return Verdict("probation", Outcome.FAIL, said, evidence)
    said = f"gain over the previous champion {interval}, these {gain.size:,} rows it answered"
    # A handful of rows could not have shown a harm: that is no evidence yet.
    outcome = Outcome.PASS if enough and gain.size >= at_least else Outcome.WAIT
    return Verdict("probation", outcome, said, evidence)


def business_effect(
    loss: ArrayLike,
    in_challenger: ArrayLike,
    probability: ArrayLike,
    *,
    entity: ArrayLike | None,
    tolerated_harm: float,
    alpha: float,
    enough: bool,
    last_look: bool,
    no_harm_suffices: bool,
) -> Verdict:
    """A/B: the difference of mean losses between the arms (unpaired), against the harm that the framing tolerates.

    One loss a row, shape (n,), with the arm that answered it and the probability it had of being the challenger's.
    """
    name, y, arm = "business effect", np.asarray(loss, dtype=float), np.asarray(in_challenger, dtype=float)
    if not ((arm == 1).any() and (arm == 0).any()):
        return Verdict(name, Outcome.WAIT, "an arm has no matured row yet", {"rows": int(y.size)})
    interval = Interval(*unpaired_sequence(-y, arm, probability, alpha=alpha, entity=entity))
    evidence = numbers(interval, y.size, -tolerated_harm)
    if interval.high < -tolerated_harm:
        return Verdict(name, Outcome.FAIL, f"the challenger's arm loses {interval} a row", evidence)
    if enough and interval.low > -tolerated_harm:
        said = f"harm over {tolerated_harm} a row is excluded: {interval}"
        return Verdict(name, Outcome.PASS, said, evidence)
    if last_look and no_harm_suffices and math.isfinite(interval.low):
        said = f"no harm shown by the deadline, which the plan accepts: {interval}"
        return Verdict(name, Outcome.PASS, said, evidence)
    return Verdict(name, Outcome.WAIT, f"harm over {tolerated_harm} a row is not yet excluded: {interval}", evidence)
