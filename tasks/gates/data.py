"""Can the rows that came be trusted, beyond what a contract sees in each of them?"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np

from schemas.plans import DataPlan
from schemas.verdict import Outcome, Verdict
from tasks.stats import binomial_excess, count_tails, dispersion

__all__ = ["Seen", "arrivals", "missing_shares", "unseen_categories"]

Evidence = dict[str, float | int | str | None]

ALPHA = 0.001  # false alarms a column of rows that are as they always were
# The same of a partition and direction, with a margin: how widely its counts scatter is itself known from 28 counts only.
# Simulated, days as they always were alarm in under 2 of 1,000 (tests/tasks/gates/test_data.py).
ALPHA_OF_A_PARTITION = 0.0002
_EPOCH, _WEEK = datetime(1970, 1, 1, tzinfo=UTC), timedelta(days=7)
_NAMED = 3  # of what is wrong, how much a sentence names


@dataclass(frozen=True)
class Seen:
    """Values of one text column in two windows: how many rows held a value that the reference never had."""

    rows: int  # with a value
    unseen: int
    names: int  # distinct values that are new
    expected: float  # share of new values among rows that are as before: Good and Turing's, values seen once over rows


def missing_shares(
    now: Mapping[str, float], before: Mapping[str, float], *, rows: int, rows_before: int, plan: DataPlan
) -> Verdict:
    """Has a column lost half of its values, that it had before? A few per cent are imputed, and noted.

    A column that was as empty in its own history is no new fault, however empty: a fault is at least `missing_fault` now,
    under it before, and more than chance makes of the former share (once in 1,000 columns, binomial).
    """
    name = "missing values"
    unknown = sorted(c for c in now if not np.isfinite(now[c]) or not np.isfinite(before.get(c, 0.0)))
    if unknown:
        return Verdict(name, Outcome.WAIT, f"no missing share of {', '.join(unknown[:_NAMED])}", {"rows": rows})
    if not rows or not rows_before:
        return Verdict(
            name, Outcome.WAIT, f"{rows} rows now and {rows_before} before cannot be compared", {"rows": rows}
        )
    noted = sorted((c for c in now if now[c] >= plan.missing_noted), key=lambda c: (-now[c], c))
    lost = [c for c in noted if now[c] >= plan.missing_fault and c in before and _is_new(now[c], before[c], rows, plan)]
    evidence: Evidence = {"rows": rows} | {f"missing {c}": now[c] for c in noted}
    if lost:
        shown = ", ".join(f"{c} in {now[c]:.0%} of the rows, before in {before[c]:.0%}" for c in lost[:_NAMED])
        return Verdict(name, Outcome.FAIL, f"values are missing: {shown}{_more(lost)}", evidence)
    if noted:
        shown = ", ".join(f"{c} in {now[c]:.0%}" for c in noted[:_NAMED])
        return Verdict(name, Outcome.PASS, f"missing as before, imputed: {shown}{_more(noted)}", evidence)
    return Verdict(name, Outcome.PASS, f"no column lacks {plan.missing_noted:.0%} of its values", evidence)


def _is_new(share: float, before: float, rows: int, plan: DataPlan) -> bool:
    return before < plan.missing_fault and binomial_excess(round(share * rows), rows, before) < ALPHA


def unseen_categories(seen: Mapping[str, Seen], *, listed: Collection[str], plan: DataPlan) -> Verdict:
    """Are there texts that the reference window never had, and are they most of them?

    Values that a contract lists are announced: they are noted, and no fault. Elsewhere it is one when half of the rows
    (`missing_fault`) hold new values, and chance does not make as many: names of people are always new.
    """
    name = "unseen categories"
    judged = {column: s for column, s in seen.items() if s.rows}
    if not judged or not all(np.isfinite(s.expected) for s in judged.values()):
        return Verdict(name, Outcome.WAIT, "no text to compare")
    new = sorted((c for c in judged if judged[c].unseen), key=lambda c: (-judged[c].unseen / judged[c].rows, c))
    evidence: Evidence = {f"unseen {c}": judged[c].unseen / judged[c].rows for c in new}
    shown = ", ".join(
        f"{c}: {judged[c].names} in {judged[c].unseen / judged[c].rows:.1%} of the rows" for c in new[:_NAMED]
    )
    strange = [c for c in new if c not in listed and _is_strange(judged[c], plan)]
    if strange:
        return Verdict(name, Outcome.FAIL, f"values that were never there before, {shown}{_more(new)}", evidence)
    return Verdict(name, Outcome.PASS, f"new values, {shown}{_more(new)}" if new else "no value is new", evidence)


def _is_strange(seen: Seen, plan: DataPlan) -> bool:
    enough = seen.unseen / seen.rows >= plan.missing_fault
    return enough and binomial_excess(seen.unseen, seen.rows, min(seen.expected, 1.0)) < ALPHA


def arrivals(
    counts: Mapping[datetime, int],
    *,
    since: datetime,
    now: datetime,
    plan: DataPlan,
    copies: Sequence[tuple[datetime, datetime]] = (),
) -> Verdict:
    """Did every partition between `since` and `now` come, once, and with as many rows as on the same weekday before?

    `counts` are rows by the partition's beginning (empty ones may be left out), `copies` pairs of partitions that hold the
    same content. A partition is held against the same weekday of the `volume_weeks` before it, by two rules at once: its
    rows differ from their median by more than `volume_ratio`, and chance makes that in under 1 of 1,000 partitions when counts
    scatter as widely around their weekday as they did (quasi-Poisson). So a table of three rows a day, or one that comes in
    bursts, is never called late for a day without a row. A partition that is not yet over is not judged.
    """
    name = "arrivals"
    if copies:
        shown = ", ".join(f"{_day(b, plan)} holds what {_day(a, plan)} held" for a, b in copies[:_NAMED])
        return Verdict(name, Outcome.FAIL, f"the same rows came twice: {shown}{_more(copies)}", {"copies": len(copies)})
    by_index = {_index(start, plan): rows for start, rows in counts.items() if rows}
    judged = [
        i for i in range(_index(since, plan), _index(now, plan)) if by_index and i - _reach(plan) >= min(by_index)
    ]
    if not judged:
        return Verdict(name, Outcome.WAIT, f"under {plan.volume_weeks} weeks of history to hold arrivals against")
    wider = _scatter(by_index, before=judged[0], plan=plan)
    odd = [(i, by_index.get(i, 0), _past(by_index, i, plan)) for i in judged]
    odd = [(i, rows, past) for i, rows, past in odd if _is_odd(rows, past, wider, plan)]
    evidence: Evidence = {"partitions": len(judged), "odd": len(odd), "scatter": wider}
    silent = _silence(by_index, judged, wider, plan)
    if silent:
        last = _day(_EPOCH + max(by_index) * plan.partition, plan)
        said = f"late: no row since {last}, {silent} partitions of which each had rows on the same weekdays before"
        return Verdict(name, Outcome.FAIL, said, evidence | {"silent": silent})
    if odd:
        shown = ", ".join(
            f"{rows:,} rows on {_day(_EPOCH + i * plan.partition, plan)}, {np.median(past):,.0f} are usual"
            for i, rows, past in odd[:_NAMED]
        )
        return Verdict(name, Outcome.FAIL, f"unusual volume: {shown}{_more(odd)}", evidence)
    return Verdict(name, Outcome.PASS, f"{len(judged)} partitions came with their usual volume", evidence)


def _is_odd(rows: int, past: Sequence[int], wider: float, plan: DataPlan) -> bool:
    usual = float(np.median(past))
    low, high = count_tails(rows, past, wider=wider)
    if rows == 0:
        return min(past) > 0 and low < ALPHA_OF_A_PARTITION
    if usual == 0:
        return False
    return (rows * plan.volume_ratio < usual and low < ALPHA_OF_A_PARTITION) or (
        rows > plan.volume_ratio * usual and high < ALPHA_OF_A_PARTITION
    )


def _silence(counts: Mapping[int, int], judged: Sequence[int], wider: float, plan: DataPlan) -> int:
    """Partitions up to now without a row, when they are `stale_partitions` and chance does not make them; else 0."""
    empty = range(max(counts) + 1, judged[-1] + 1)
    expected = [past for past in (_past(counts, i, plan) for i in empty) if min(past) > 0]
    chance = float(np.prod([count_tails(0, past, wider=wider)[0] for past in expected]))
    return len(empty) if len(expected) >= plan.stale_partitions and chance < ALPHA_OF_A_PARTITION else 0


def _scatter(counts: Mapping[int, int], *, before: int, plan: DataPlan) -> float:
    """How much wider than Poisson the partitions before `before` scatter around their weekday."""
    week = _slots(plan)
    groups = [_past(counts, before + slot, plan) for slot in range(week)]
    found = dispersion(groups)
    return found if np.isfinite(found) else 1.0


def _past(counts: Mapping[int, int], index: int, plan: DataPlan) -> list[int]:
    return [counts.get(index - back * _slots(plan), 0) for back in range(1, plan.volume_weeks + 1)]


def _slots(plan: DataPlan) -> int:
    """Partitions of a week; of partitions that do not tile one, each is held against the ones just before it."""
    return _WEEK // plan.partition if _WEEK % plan.partition == timedelta(0) else 1


def _reach(plan: DataPlan) -> int:
    return plan.volume_weeks * _slots(plan)


def _index(moment: datetime, plan: DataPlan) -> int:
    return (moment - _EPOCH) // plan.partition


def _day(moment: datetime, plan: DataPlan) -> str:
    return f"{moment:%Y-%m-%d}" if plan.partition % timedelta(days=1) == timedelta(0) else f"{moment:%Y-%m-%d %H:%M}"


def _more(found: Sequence[object]) -> str:
    return f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
