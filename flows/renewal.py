"""Is it time to renew, though nothing is wrong? The schedule, labels that came, and what is known of models' ageing."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from flows.turn import Turn
from flows.window import champion_of
from flows.worth import worths
from schemas.plans import Reason
from schemas.stage import Stage
from schemas.verdict import Interval, Outcome, Verdict
from tasks import ledger, windows
from tasks.stats import growth

__all__ = ["Ageing", "ageing", "labels_came", "scheduled", "stale"]

_DAY = timedelta(days=1)


def scheduled(turn: Turn) -> Verdict | None:
    """FAIL where the last try is as long ago as the plan says; None before that."""
    every, tried = turn.problem.retraining.every, turn.state.tried or turn.state.since
    if every is None or tried is None or turn.now < tried + every:
        return None
    return Verdict(
        "schedule",
        Outcome.FAIL,
        f"{(turn.now - tried) / _DAY:.0f} days since the last retrain, the plan says {every / _DAY:.0f}",
    )


def labels_came(turn: Turn) -> Verdict | None:
    """FAIL where as many labels matured since the last training as the plan says, or such a share of those before."""
    problem, plan = turn.problem, turn.problem.retraining
    if plan.new_labels is None and plan.new_labels_share is None:
        return None
    matured = turn.now - problem.framing.maturity
    since = min(_learned_until(turn), matured)
    new = windows.labelled(problem, since, matured, as_of=turn.now)
    needed = [plan.new_labels] if plan.new_labels is not None else []
    if plan.new_labels_share is not None:
        before = windows.labelled(problem, windows.bounds(problem)[0], since, as_of=turn.now)
        needed.append(max(1, round(plan.new_labels_share * before)))
    if new < min(needed):
        return None
    said = f"{new:,} labels matured since the last training, from {min(needed):,} on a retrain is worth it"
    return Verdict("new labels", Outcome.FAIL, said, {"labels": new, "needed": min(needed)})


def _learned_until(turn: Turn) -> datetime:
    """Until when labels have been taken notice of: in the champion, or in a challenger that was made because of them and
    refused, or new labels would ask again the day after."""
    found = champion_of(turn).trained_until or turn.state.since or turn.now
    for row in ledger.rows(turn.name):
        facts = row.facts
        if facts["before"] == Stage.HEALTHY and facts["stage"] == Stage.RETRAIN and facts["why"] == Reason.LABELS:
            found = max(found, datetime.fromisoformat(facts["at"]) - turn.problem.framing.maturity)
    return found


@dataclass(frozen=True)
class Ageing:
    """How much a model loses a row in a day of age, from past rollouts, and after how long that is the framing's margin."""

    a_day: Interval
    rollouts: int
    pays_after: timedelta | None  # None: no growth is shown


def ageing(turn: Turn) -> Ageing | None:
    """From every past rollout whose two models scored the same matured rows; None of fewer than two."""
    known = [(one.newer_days, one.realised.estimate) for one in worths(turn.name) if one.newer_days]
    if len(known) < 2:
        return None
    found = growth([days for days, _ in known], [gain for _, gain in known], alpha=turn.problem.retraining.alpha)
    a_day = Interval(*found)
    pays = timedelta(days=turn.problem.framing.margin / a_day.estimate) if a_day.low > 0 else None
    return Ageing(a_day, len(known), pays)


def stale(turn: Turn) -> Verdict | None:
    """FAIL where past rollouts show that a model of the champion's age loses as much as the framing's margin against a new
    one; None before that, and while they are fewer than the plan asks for."""
    asked, trained_until = turn.problem.retraining.stale_after, champion_of(turn).trained_until
    if asked is None or trained_until is None:
        return None
    found = ageing(turn)
    age = turn.now - trained_until
    if found is None or found.rollouts < asked or found.pays_after is None or age < found.pays_after:
        return None
    lost = found.a_day.estimate * (age / _DAY)
    said = (
        f"the champion's rows end {age / _DAY:.0f} days ago, and {found.rollouts} rollouts show a loss that grows by "
        f"{found.a_day} a day: renewing pays after {found.pays_after / _DAY:.0f} days"
    )
    evidence = {"growth": found.a_day.estimate, "low": found.a_day.low, "rollouts": found.rollouts, "lost": lost}
    return Verdict("staleness", Outcome.FAIL, said, evidence | {"days": age / _DAY})
