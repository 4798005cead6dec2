"""One incident, one response: what becomes of an action, given what was done already?"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

from schemas.incident import Action, Incident
from schemas.plans import RetrainingPlan

__all__ = ["MONTH", "Past", "returns", "settled"]

MONTH = timedelta(days=30)
_CHALLENGES = (Action.RETRAIN, Action.RECALIBRATE)
_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Past:
    """What the ledger says was done.

    `answered`: when the incident that goes on was answered by a challenger or a roll back, and `response` by which;
    `ended`: when the last rollout ended. `retrains`: those of the last 30 days that nobody asked for. `hurried`: the
    emergency path was taken in this incident. `champions`: sha256 of those of the plan's `flips`, oldest first, each
    differing from the one before.
    """

    answered: datetime | None = None
    response: Action | None = None
    ended: datetime | None = None
    retrains: int = 0
    hurried: bool = False
    champions: Sequence[str] = ()


def settled(incident: Incident, past: Past, *, plan: RetrainingPlan, now: datetime) -> Incident:
    """The incident with the action that is taken: a response may rest, be the second to one incident, exceed the month's
    budget, or be one flip too many. Then it is noted, or a person is asked, and the reason says so."""
    if incident.action is Action.ROLL_BACK:
        if returns(past.champions):
            return _asked(
                incident, "oscillation", "the champion came back to a former model already: a person says which serves"
            )
        return incident
    if incident.action not in _CHALLENGES:
        return incident
    if returns(past.champions) > 1:
        back = returns(past.champions)
        return _asked(
            incident,
            "oscillation",
            f"the champion came back to a former model {back} times in {plan.flips / _DAY:.0f} days",
        )
    found = _rested(incident, past, plan=plan, now=now)
    if found.action is not incident.action and incident.emergency and not past.hurried:
        return replace(incident, reason=f"emergency, past cooldown and budget: {incident.reason}")
    return found


def _rested(incident: Incident, past: Past, *, plan: RetrainingPlan, now: datetime) -> Incident:
    """The challenger that is wanted, where nothing is rolled out or was just now, and the incident has had no other."""
    if past.ended is not None and now < past.ended + plan.cooldown:
        said = f"{incident.reason}; resting until {past.ended + plan.cooldown:%Y-%m-%d} after the last rollout"
        return replace(incident, action=Action.NOTE, reason=said)
    # What is due by the calendar, or by labels that came, answers no incident, and is none's second answer.
    if "due" not in incident.evidence and _answered(past, plan, now):
        assert past.answered is not None
        said = f"it was answered on {past.answered:%Y-%m-%d} ({past.response}) and goes on"
        return _asked(incident, "answer", said)
    if past.retrains >= plan.retrains_a_month:
        said = f"{past.retrains} retrains in 30 days, the plan's budget is {plan.retrains_a_month}"
        return _asked(incident, "budget", said)
    return incident


def returns(champions: Sequence[str]) -> int:
    """How often a champion came back that had been replaced by one other: in A, B, A once, in A, B, A, B twice."""
    return sum(one == other for one, other in zip(champions, champions[2:], strict=False))


def _answered(past: Past, plan: RetrainingPlan, now: datetime) -> bool:
    """Whether this incident has had its answer, and not so long ago that it counts as another."""
    return past.answered is not None and now < max(past.answered, past.ended or past.answered) + plan.incident


def _asked(incident: Incident, spent: Literal["budget", "oscillation", "answer"], why: str) -> Incident:
    said = f"{incident.reason}. Not done by itself: {why}. Ask for a retrain or a revert, or leave it"
    return replace(incident, action=Action.ASK, reason=said, spent=spent)
