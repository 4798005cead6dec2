"""In which order does one look for what is wrong, and what fails first? Data, labels, splits, and only then the model."""

from collections.abc import Callable, Mapping, Sequence

from schemas.diagnosis import ORDER, Baseline, Check, Constraint, Room
from tasks.constraints import Evidence

__all__ = ["checks", "opportunity"]

Said = tuple[bool | None, str]
_TINY = 0.3  # of the naive loss of a tiny batch, that a recipe which can learn goes below
_SMALL = 2.0  # floors: an opportunity under it is not worth a night


def checks(
    found: Evidence, rooms: Sequence[Room], baselines: Sequence[Baseline], *, tiny: tuple[float, float] | None
) -> tuple[Check, ...]:
    """Each step of the debugging order: passed, failed, or not looked at. `tiny`: loss of a tiny batch that was fitted, and
    its naive loss."""
    by = {room.constraint: room for room in rooms}
    asked: Mapping[str, Callable[[], Said]] = {
        "data": lambda: _of(by, Constraint.SLICE, Constraint.DATA),
        "labels": lambda: _of(by, Constraint.NOISE),
        "splits": lambda: _of(by, Constraint.LEAK, Constraint.MISMATCH, Constraint.TEST),
        "baseline": lambda: _beats(found, baselines),
        "capacity": lambda: _of(by, Constraint.BIAS),
        "optimisation": lambda: _learns(tiny),
        "regularisation": lambda: _of(by, Constraint.VARIANCE, Constraint.SEEDS),
        "tuning": lambda: _of(by, Constraint.SEARCH) if found.edge else (None, "no search was run on this recipe"),
    }
    return tuple(Check(step, *asked[step]()) for step in ORDER)


def _of(rooms: Mapping[Constraint, Room], *which: Constraint) -> Said:
    """Failed where one of them binds; the sentence is that of the widest."""
    known = [rooms[one] for one in which if one in rooms]
    if not known:
        return None, f"{' and '.join(which)}: not looked at, the budget of the diagnosis was spent"
    worst = max(known, key=lambda room: (room.binds, room.gain[1]))
    return not worst.binds, worst.says


def _beats(found: Evidence, baselines: Sequence[Baseline]) -> Said:
    untrained = [one for one in baselines if one.loss is not None and not one.trained]
    best = min(untrained, key=lambda one: one.loss[1] if one.loss else 1.0, default=None)
    name, bar = (best.name, best.loss[1]) if best and best.loss else ("the naive answer", found.naive)
    if bar is None:
        return None, "no baseline was measured on these rows"
    says = f"the model loses {found.loss[1]:.4f} [{found.loss[0]:.4f}, {found.loss[2]:.4f}] a row, {name} {bar:.4f}"
    return found.loss[2] < bar, says


def _learns(tiny: tuple[float, float] | None) -> Said:
    if tiny is None:
        return None, "no tiny batch was fitted: the budget of the diagnosis was spent"
    loss, naive = tiny
    says = f"fitted on a tiny batch the recipe loses {loss:.4f} on it, where one answer for all loses {naive:.4f}"
    return loss <= _TINY * naive, says


def opportunity(found: Evidence, baselines: Sequence[Baseline]) -> str:
    """How far the simplest models are from the best that is known, in a sentence; with the advice to stop where that is small."""
    simple = [one for one in baselines if one.loss is not None and one.name != "incumbent" and one.name != "chance"]
    if not simple:
        return ""
    best_simple = min(simple, key=lambda one: one.loss[1] if one.loss else 1.0)
    known = [*((one.name, one.loss[1]) for one in baselines if one.loss is not None), ("this model", found.loss[1])]
    name, best = min(known, key=lambda one: one[1])
    gap = (best_simple.loss[1] if best_simple.loss else best) - best
    if name == best_simple.name:
        return (
            f"the best that is known is a simple model, {name} with {best:.4f} a row; this model, with {found.loss[1]:.4f}, "
            "earns its complexity only by reading more than that one does"
        )
    says = f"the best simple model, {best_simple.name}, is {gap:.4f} a row behind the best that is known, {name} with {best:.4f}"
    if gap < _SMALL * found.floor:
        return (
            f"{says}: little is left between them, stop here and keep the simple one, unless labels or columns change"
        )
    return f"{says}: that much thought has paid so far"
