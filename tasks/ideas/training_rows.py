"""On which rows should be trained: newer ones, more of them, fewer of one class, none with a doubtful label?"""

from collections.abc import Iterator
from datetime import timedelta

from pydantic import TypeAdapter

from schemas.diagnosis import Constraint
from schemas.idea import Idea, Kind
from tasks.ideas.case import Case

__all__ = ["cleaned", "resampled", "windows"]

_RARE = 0.1  # share of the rarest class, under which the others are thinned
_FEWEST = 200  # rows that a shorter window has to leave
_AS_JSON = TypeAdapter(timedelta)


def windows(case: Case) -> Iterator[Idea]:
    """Newer rows alone, or older ones too, or older ones at less weight."""
    span, reach, recipe = case.facts.span, case.facts.reach, case.recipe
    if span is None or reach is None or span <= timedelta(0):
        return
    mends: tuple[Constraint, ...] = (Constraint.MISMATCH,)
    for part, odds in ((4, 1.0), (2, 0.8)):
        if case.facts.rows >= part * _FEWEST:
            says = "Older rows may say what is no longer so."
            name, window = f"train on the last {_days(span / part)}", _json(span / part)
            yield case.idea(Kind.WINDOW, name, says, mends=mends, odds=odds, work=1 / part, window=window)
    if recipe.half_life is None:
        says, name = "Old rows count less than new ones, and none is lost.", f"a half-life of {_days(span / 5)}"
        yield case.idea(Kind.WINDOW, name, says, mends=mends, half_life=_json(span / 5))
    if recipe.half_life is not None:
        yield case.idea(
            Kind.WINDOW, "all rows count alike", "More rows count.", mends=(Constraint.DATA,), half_life=None
        )
    if recipe.window is not None and recipe.window < reach:
        mends = (Constraint.DATA, Constraint.VARIANCE)
        says = "More rows leave less to chance, if what they say still holds."
        work = reach / recipe.window
        yield case.idea(Kind.WINDOW, "train on all rows", says, mends=mends, odds=1.5, work=work, window=None)
        if 2 * recipe.window < reach:
            window, name = _json(2 * recipe.window), f"train on the last {_days(2 * recipe.window)}"
            yield case.idea(Kind.WINDOW, name, says, mends=mends, odds=1.0, work=2.0, window=window)


def cleaned(case: Case) -> Iterator[Idea]:
    """Without the training rows whose labels are least likely."""
    if case.problem.framing.task == "regression":
        return
    worse = _old_are_worse(case)
    odds = 6.0 if worse else 2.0 if _binds(case, Constraint.NOISE) else 1.0
    for share in (0.05, 0.15):
        if (case.recipe.drop_suspects or 0.0) < share:
            says = "Labels that models fitted on other rows find least likely are left out of the fit."
            name, mends = f"leave out the {share:.0%} least likely labels", (Constraint.NOISE,)
            yield case.idea(
                Kind.SUSPECTS, name, says, mends=mends, odds=odds, gain=worse / 2, work=6.0, drop_suspects=share
            )


def resampled(case: Case) -> Iterator[Idea]:
    """Fewer rows of what there is plenty of."""
    rarest = case.facts.rarest
    if rarest is None or rarest >= _RARE or case.recipe.balance:
        return
    share = round(max(0.1, min(0.5, 3 * rarest)), 2)
    says = (
        f"The rarest class has {rarest:.1%} of the rows: {share:.0%} of the others, each for as many as it stands for."
    )
    yield case.idea(
        Kind.RESAMPLING, f"keep {share:.0%} of the common classes", says, mends=(), work=share, balance=share
    )


def _old_are_worse(case: Case) -> float:
    """By how much a judged row loses less than one beside the fitted ones, where that is shown: what judges is newer, and
    what is wrong with the labels lies in what is older."""
    rooms = case.diagnosis.rooms if case.diagnosis else ()
    return next((-r.gain[1] for r in rooms if r.constraint is Constraint.MISMATCH and r.gain[2] < 0), 0.0)


def _binds(case: Case, constraint: Constraint) -> bool:
    rooms = case.diagnosis.rooms if case.diagnosis else ()
    return any(room.binds and room.constraint is constraint for room in rooms)


def _days(span: timedelta) -> str:
    return f"{span / timedelta(days=1):.3g} days"


def _json(span: timedelta) -> str:
    whole = timedelta(seconds=round(span.total_seconds()))
    said: str = _AS_JSON.dump_python(whole, mode="json")
    return said
