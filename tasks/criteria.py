"""Go on, turn, or stop? Criteria fixed beforehand over what remains; what has been spent is in none of them."""

import math
from collections.abc import Sequence

from schemas.course import Course, Judgement, Left
from schemas.diagnosis import Constraint, Diagnosis
from schemas.idea import Quadrant, Tried
from schemas.plans.improvement import ImprovementPlan
from tasks.strategy import Rated
from tasks.track_record import track_record

__all__ = ["judge", "promise"]

_FEWEST = 5  # experiments of a night before what they gained says what others will
_ROOM = 2.0  # an idea is held to mend half of a constraint's room
_SURE = 2.0  # deviations above what is expected that a gap has to lie to be called too large


def judge(
    history: Sequence[Tried],
    backlog: Sequence[Rated],
    *,
    loss: float,
    target: float | None,
    worthwhile: float,
    diagnosis: Diagnosis | None,
    plan: ImprovementPlan,
    left: Left,
) -> Judgement:
    """The first criterion that decides: goal, resources, findings, backlog, gap, improvement.

    `history` is what this night has run, in its order; `backlog` is `strategy.rated` of the best recipe so far, whose loss
    a judged row is `loss`; `target` is the loss aimed at, None where there is none; `worthwhile` the smallest gain that
    matters; `left` is what may still be spent.
    """
    open_ = [one for one in backlog if one.quadrant is not Quadrant.AVOID]
    gap = None if target is None else loss - target
    steps = (
        lambda: _goal(loss, target),
        lambda: _resources(left),
        lambda: _findings(diagnosis, open_, worthwhile),
        lambda: _backlog(open_, history, left, worthwhile),
        lambda: _gap(open_, history, left, gap),
        lambda: _improvement(history, plan),
    )
    return next(found for step in steps if (found := step()) is not None)


def promise(open_: Sequence[Rated], history: Sequence[Tried], runs: int) -> tuple[float, float]:
    """(expected, deviation) of the loss a row that `runs` more experiments gain.

    Ideas that mend one constraint share its room, and together gain no more than it has. Gains are foretold as they came so
    far, where some did.
    """
    by_room: dict[str, list[Rated]] = {}
    for one in open_[:runs]:
        room = str(one.idea.mends[0]) if one.idea.mends else one.idea.name
        by_room.setdefault(room, []).append(one)
    mean = variance = 0.0
    for ideas in by_room.values():
        gains = [(one.chance.mean, one.idea.impact) for one in ideas]
        expected = sum(chance * gain for chance, gain in gains)
        kept = min(1.0, _ROOM * max(gain for _, gain in gains) / expected) if expected > 0 else 0.0
        mean += kept * expected
        variance += kept**2 * sum(chance * (1 - chance) * gain**2 for chance, gain in gains)
    realised = _realised(history)
    return realised * mean, realised * math.sqrt(variance)


def _realised(history: Sequence[Tried]) -> float:
    """Realised over predicted gain of what worked, as if one more had come as predicted."""
    record = track_record(history)
    return 1.0 if math.isnan(record.ratio) else (1 + record.worked * record.ratio) / (1 + record.worked)


def _goal(loss: float, target: float | None) -> Judgement | None:
    if target is None or loss > target:
        return None
    return Judgement(
        Course.STOP,
        "goal",
        f"the goal is reached: the recipe loses {loss:.4f} a row, and {target:.4f} is enough. To go on, set a higher goal in the framing",
        {"loss": loss, "target": target},
    )


def _resources(left: Left) -> Judgement | None:
    spent = [
        name
        for name, amount in (("runs", left.runs), ("time", left.time.total_seconds()), ("money", left.money))
        if amount is not None and amount <= 0
    ]
    if not spent:
        return None
    return Judgement(Course.STOP, "resources", f"no {' and no '.join(spent)} left", {"runs": float(left.runs)})


def _findings(diagnosis: Diagnosis | None, open_: Sequence[Rated], worthwhile: float) -> Judgement | None:
    """A blocker, or a ceiling: neither goes away by more experiments. What the model does not read yet is under no ceiling:
    an idea that is likelier than not to gain is tried first."""
    if diagnosis is None or not diagnosis.rooms:
        return None
    room = diagnosis.binding
    if room.constraint is Constraint.LEAK and room.binds:
        says = f"a leak makes every gain a mirage: {room.says}. {room.advice}"
        return Judgement(Course.STOP, "findings", says, {"room": room.gain[1]})
    likely = [one for one in open_ if one.chance.mean > 0.5 and one.idea.impact >= worthwhile]
    if room.constraint is Constraint.CEILING and room.binds and not likely:
        return Judgement(Course.STOP, "findings", f"at the ceiling: {room.says}", {"room": room.gain[1]})
    return None


def _backlog(open_: Sequence[Rated], history: Sequence[Tried], left: Left, worthwhile: float) -> Judgement | None:
    """All that can still be run may promise less than what matters."""
    expected, spread = promise(open_, history, left.runs)
    if open_ and expected + _SURE * spread >= worthwhile:
        return None
    says = f"what the backlog holds for {left.runs} more experiments promises {expected:+.4f} a row"
    if not open_:
        says = "nothing is left in the backlog that a machine could run"
    return Judgement(
        Course.STOP,
        "backlog",
        f"{says}, and {worthwhile:.4f} is the least that matters",
        {"expected": expected, "worthwhile": worthwhile},
    )


def _gap(open_: Sequence[Rated], history: Sequence[Tried], left: Left, gap: float | None) -> Judgement | None:
    if gap is None or len(history) < _FEWEST:
        return None
    expected, spread = promise(open_, history, left.runs)
    if gap <= expected + _SURE * spread:
        return None
    says = (
        f"the target is {gap:.4f} a row away, and {left.runs} more experiments gain {expected:.4f} ± {_SURE * spread:.4f}, "
        "going by the backlog and by what gains came of it so far"
    )
    return Judgement(Course.STOP, "gap", says, {"gap": gap, "expected": expected, "spread": spread})


def _improvement(history: Sequence[Tried], plan: ImprovementPlan) -> Judgement:
    since = next((i for i, one in enumerate(reversed(history)) if one.worked), len(history))
    rate = sum(one.worked for one in history) / len(history) if history else 0.0
    numbers = {"since": float(since), "rate": rate}
    if since >= plan.patience:
        return Judgement(Course.STOP, "improvement", f"no gain in {since} experiments", numbers)
    if since >= max(plan.patience // 2, 1):
        return Judgement(Course.PIVOT, "improvement", f"a plateau: no gain in {since} experiments", numbers)
    says = f"the last gain is {since} experiments ago" if rate else f"no gain in {len(history)} experiments so far"
    return Judgement(
        Course.PERSIST, "improvement", f"{says}, and {plan.patience} in a row without one would end it", numbers
    )
