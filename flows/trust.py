"""Can the rows that came be trusted, beyond what the contract sees in each? Joins the table with the verdicts of tasks.gates."""

from datetime import datetime, timedelta

from schemas.problem import Problem
from schemas.verdict import Outcome, Verdict, combine
from tasks import arrivals, gates, windows

__all__ = ["requests_trusted", "training_trusted"]

_WEEK = timedelta(days=7)


def requests_trusted(
    problem: Problem, *, since: datetime, now: datetime, closed: tuple[datetime, datetime] | None
) -> Verdict:
    """Did every partition since the last turn come, once; and where a monitoring window `closed`, is it filled as before?"""
    found = [_arrived(problem, since, now)]
    if closed is not None:
        found += [_dated(problem), _not_copied(problem, *closed), *_as_before(problem, *closed)]
    return _whole(found)


def training_trusted(problem: Problem, *, until: datetime) -> Verdict:
    """Are the newest rows that would be trained on filled as those before them, and no copy of them?"""
    start = until - problem.monitoring.window
    return _whole([_not_copied(problem, start, until), *_as_before(problem, start, until)])


def _whole(found: list[Verdict]) -> Verdict:
    """A FAIL is a fault. What cannot be judged yet, a young table's weekdays, holds nothing up."""
    judged = [verdict for verdict in found if verdict.outcome is not Outcome.WAIT]
    return combine("data", judged or found)


def _arrived(problem: Problem, since: datetime, now: datetime) -> Verdict:
    plan, event_time = problem.data, problem.framing.event_time
    start = since - plan.volume_weeks * _WEEK - plan.volume_weeks * plan.partition - _WEEK
    table = windows.window_table(problem, start, now, as_of=start)
    counts = arrivals.rows_by_partition(table, event_time, partition=plan.partition)
    return gates.arrivals(counts, since=since, now=now, plan=plan)


def _dated(problem: Problem) -> Verdict:
    """Rows without an event time are in no window, and so in no quarantine: they are counted over the whole table."""
    rows, lacking = windows.whole_table(problem).count(), windows.undated(problem).count()
    n, without = int(rows.to_pyarrow().as_py()), int(lacking.to_pyarrow().as_py())
    said = f"{problem.framing.event_time}: not_nullable ({without:,} of {n:,} rows, which no window holds)"
    late = n == 0 or without / n > problem.monitoring.bad_share
    return Verdict("dated", Outcome.FAIL if late else Outcome.PASS, said, {"rows": n, "undated": without})


def _not_copied(problem: Problem, start: datetime, end: datetime) -> Verdict:
    plan, framing = problem.data, problem.framing
    before = start - plan.volume_weeks * _WEEK
    table = windows.window_table(problem, before, end, as_of=before)
    columns = [name for name in problem.asked if name not in (framing.key, framing.event_time)]
    copies = arrivals.copied_partitions(table, framing.event_time, columns, partition=plan.partition, since=start)
    if copies:
        return gates.arrivals({}, since=start, now=end, plan=plan, copies=copies)
    return Verdict("copies", Outcome.PASS, "no partition came twice")


def _as_before(problem: Problem, start: datetime, end: datetime) -> list[Verdict]:
    """The window's missing shares and new values, against the weeks of the reference before it."""
    plan, before = problem.data, start - problem.monitoring.reference
    now = windows.window_table(problem, start, end, as_of=start)
    reference = windows.window_table(problem, before, start, as_of=before)
    rows, shares = arrivals.missing_by_column(now, problem.asked)
    rows_before, shares_before = arrivals.missing_by_column(reference, problem.asked)
    verdicts = [gates.missing_shares(shares, shares_before, rows=rows, rows_before=rows_before, plan=plan)]
    # Values that the contract lists were announced: the contract holds the rows to them, and drift counts them.
    listed = [name for name, column in problem.contract.columns.items() if any(c.name == "isin" for c in column.checks)]
    keys = (problem.framing.key, problem.framing.entity)
    texts = [name for name in problem.asked if now[name].type().is_string() and name not in (*listed, *keys)]
    if texts:
        verdicts.append(gates.unseen_categories(arrivals.new_values(now, reference, texts), listed=listed, plan=plan))
    return verdicts
