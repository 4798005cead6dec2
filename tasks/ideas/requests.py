"""What could people do that no recipe can: collect rows, mend labels, find another column?"""

from collections.abc import Iterator

from schemas.diagnosis import Constraint
from schemas.idea import Idea, Kind
from tasks.ideas.case import Case

__all__ = ["requests"]

_SUSPECT = 0.9
_SLICES = 2


def requests(case: Case) -> Iterator[Idea]:
    """One for each constraint that binds and that people can mend; nothing that a machine runs."""
    if case.diagnosis is None:
        return
    makers = {
        Constraint.SLICE: _weak_slices,
        Constraint.NOISE: _labels,
        Constraint.DATA: _more_rows,
        Constraint.CEILING: _another_column,
        Constraint.LEAK: _leak,
        Constraint.TEST: _judged_rows,
    }
    for room in case.diagnosis.rooms:
        if room.binds and room.constraint in makers:
            yield from makers[room.constraint](case)


def _ask(case: Case, name: str, about: str, mends: Constraint) -> Idea:
    return case.idea(Kind.REQUEST, name, about, mends=(mends,))


def _weak_slices(case: Case) -> Iterator[Idea]:
    assert case.diagnosis is not None
    for one in [each for each in case.diagnosis.slices if each.excess[0] > 0][:_SLICES]:
        says = f"{one.name} loses {one.excess[1]:.4f} a row more than the rest, and makes {one.share:.0%} of the loss"
        yield _ask(case, f"collect rows of {one.name}", f"{says} with {one.rows} judged rows.", Constraint.SLICE)


def _labels(case: Case) -> Iterator[Idea]:
    assert case.diagnosis is not None
    suspects = [one for one in case.diagnosis.wrong if one.suspect >= _SUSPECT]
    count = f"{len(suspects)} suspects" if suspects else "suspects"
    says = "Labels that every model contradicts are mended, or are what the next column has to explain."
    yield _ask(case, f"have {count} labelled again", says, Constraint.NOISE)


def _more_rows(case: Case) -> Iterator[Idea]:
    curve = case.diagnosis.curve if case.diagnosis else None
    more = max(curve.more.items(), key=lambda one: one[1][1], default=None) if curve else None
    says = f" {more[0]} training rows gain {more[1][0]:+.4f} to {more[1][2]:+.4f} a row." if more else ""
    yield _ask(case, "collect more rows", f"The loss still falls with rows.{says}", Constraint.DATA)


def _another_column(case: Case) -> Iterator[Idea]:
    says = "These columns are read out: ask who decides by hand what they look at that the table does not hold."
    yield _ask(case, "ask for another column", says, Constraint.CEILING)


def _leak(case: Case) -> Iterator[Idea]:
    says = "One column knows more than it can at the event: correct `known` in the contract, or take it out."
    yield _ask(case, "find out what leaks", says, Constraint.LEAK)


def _judged_rows(case: Case) -> Iterator[Idea]:
    says = "Gains smaller than what these rows can tell apart are luck: judge on more of them."
    yield _ask(case, "label more rows to judge by", says, Constraint.TEST)
