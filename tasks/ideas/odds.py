"""How likely is an idea to gain before anything of its kind was tried, and how much would it? By kind, constraint and sign."""

from collections.abc import Sequence

from schemas.diagnosis import Constraint, Diagnosis
from schemas.idea import Kind
from tasks.stats.association import Association

__all__ = ["PRIORS", "chance_of", "evidenced", "impact_of"]

# Where nothing else is known the field's order is kept: data and features, then the family, its capacity, its
# regularisation, its rows, and what becomes of scores.
PRIORS: dict[Kind, float] = {
    Kind.FEATURES: 0.40,
    Kind.ENCODING: 0.36,
    Kind.INTERACTIONS: 0.33,
    Kind.FAMILY: 0.26,
    Kind.CAPACITY: 0.24,
    Kind.REGULARISATION: 0.22,
    Kind.WINDOW: 0.20,
    Kind.SUSPECTS: 0.18,
    Kind.CLASS_WEIGHT: 0.16,
    Kind.RESAMPLING: 0.12,
    Kind.RECALIBRATION: 0.14,
    Kind.THRESHOLD: 0.15,
    Kind.TUNE: 0.35,
    Kind.REQUEST: 0.3,
}
# What the diagnosis multiplies the odds by: of the constraint that binds, of another that is shown, and of what mends none
# of those that are. Some constraints tell what to do, others only where to look.
_BINDING = {
    Constraint.BIAS: 4.0,
    Constraint.VARIANCE: 4.0,
    Constraint.DATA: 3.0,
    Constraint.MISMATCH: 4.0,
    Constraint.SEARCH: 4.0,
    Constraint.NOISE: 2.0,
    Constraint.SEEDS: 2.0,
    Constraint.LEAK: 2.0,
    Constraint.SLICE: 1.2,
}
_ELSEWHERE = 0.5
_TELLING = 3.0  # deviations above chance from which on a column speaks for itself
# A constraint's room is what mending it wholly would gain; one idea mends a part. Wrong labels judge as well as they teach:
# what they cost goes with new labels, and hardly with another fit.
_PART, _PARTS = 0.5, {Constraint.NOISE: 0.1, Constraint.SLICE: 0.25}
_UNKNOWN = 0.05  # of the judged loss: what an idea is held to gain where no room says more


def chance_of(
    prior: float,
    mends: Sequence[Constraint],
    diagnosis: Diagnosis | None,
    *,
    seen: Association | None = None,
    odds: float = 1.0,
) -> float:
    """A kind's prior, as evidence moves it: what the idea's own columns show where they show something, and otherwise what
    the diagnosis says of the constraints it mends. Both are signs of one thing, and count once."""
    shown = seen is not None and seen.z > _TELLING
    weight = 1.0 if shown or diagnosis is None else _weight(mends, diagnosis)
    return _at(evidenced(prior, seen), odds * weight)


def impact_of(mends: Sequence[Constraint], diagnosis: Diagnosis | None, *, share: float) -> float:
    """Loss a row: the part of a shown room that one idea mends, or the `share` of the judged loss that its columns explain;
    where neither says anything, a twentieth of the loss, which is 1 at most and held to be that where nobody measured it."""
    loss = 1.0 if diagnosis is None else diagnosis.loss["judged"]
    if diagnosis is None:
        return max(share * loss, _UNKNOWN * loss)
    shown = [room for room in diagnosis.rooms if room.constraint in mends and room.binds]
    rooms = [_PARTS.get(room.constraint, _PART) * room.gain[1] for room in shown]
    return max([share * loss, *rooms]) or _UNKNOWN * loss


def _weight(mends: Sequence[Constraint], diagnosis: Diagnosis) -> float:
    telling = [room for room in diagnosis.rooms if room.binds and room.constraint in _BINDING]
    if not telling:
        return 1.0
    first = telling[0].constraint
    if first in mends:
        return _BINDING[first]
    # The square root: what is shown beside it matters too, and comes after it.
    beside = [_BINDING[room.constraint] ** 0.5 for room in telling if room.constraint in mends]
    return max(beside) if beside else _ELSEWHERE if _BINDING[first] > 1.5 else 1.0


def evidenced(prior: float, found: Association | None) -> float:
    """A chance after a look at what is left unexplained: little where nothing is there, much where it can be seen.

    >>> evidenced(0.3, Association(0.1, 9.0)) > 0.8 > 0.3 > evidenced(0.3, Association(0.0, 0.2))
    True
    """
    if found is None:
        return prior
    return _at(prior, 12.0 if found.z > 4.5 else 5.0 if found.z > _TELLING else 1.0 if found.z > 1.5 else 0.25)


def _at(chance: float, odds: float) -> float:
    """The chance whose odds are `odds` times those of `chance`; never certain."""
    now = chance / (1 - chance) * odds
    return min(max(now / (1 + now), 0.01), 0.95)
