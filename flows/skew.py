"""Are the features that clients send those that the table gives for the same rows?"""

from datetime import datetime, timedelta

from schemas.problem import Problem
from schemas.verdict import Verdict
from tasks import gates, served, windows
from tasks.feature_equality import compared

__all__ = ["skew"]

_ROWS = 5_000  # the newest: a change of unit shows in a hundred
_AT_LEAST = 100
# Rows whose neighbours reach the table late have other windows for a while; a wrong unit or join concerns all of them.
_LIMIT = 0.05


def skew(problem: Problem, since: datetime, until: datetime) -> Verdict | None:
    """The verdict on requests with `since <= event time < until`; None where none were logged with their features."""
    rows = served.served_features(problem, since, until, n=_ROWS)
    if rows.empty:
        return None
    first, last = rows["served_at"].min().to_pydatetime(), rows["served_at"].max().to_pydatetime()
    table = windows.read_requests(problem, first, last + timedelta(microseconds=1))
    columns = [name for name in problem.asked if name not in (problem.framing.key, problem.framing.event_time)]
    equality = compared(rows, table, columns, key=problem.framing.key)
    return gates.same_features(equality, at_least=_AT_LEAST, limit=_LIMIT)
