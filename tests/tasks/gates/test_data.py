"""Are missing values, new categories and odd arrivals called a fault when they are one, and almost never when they are not?"""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from schemas.plans import DataPlan
from schemas.verdict import Outcome
from tasks import gates
from tasks.gates.data import Seen

PLAN = DataPlan()
MONDAY = datetime(2024, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
PASS, FAIL, WAIT = Outcome.PASS, Outcome.FAIL, Outcome.WAIT


@pytest.mark.parametrize(
    "now, before, rows, expected, says",
    [
        (0.00, 0.00, 1_000, PASS, "no column lacks 5%"),
        (0.04, 0.00, 1_000, PASS, "no column lacks 5%"),
        (0.05, 0.05, 1_000, PASS, "imputed: x in 5%"),
        (0.49, 0.00, 1_000, PASS, "imputed: x in 49%"),
        (0.50, 0.00, 1_000, FAIL, "x in 50% of the rows, before in 0%"),
        (1.00, 0.49, 1_000, FAIL, "x in 100% of the rows, before in 49%"),
        (1.00, 0.50, 1_000, PASS, "imputed: x in 100%"),  # it always was half empty
        (0.80, 0.80, 1_000, PASS, "imputed: x in 80%"),
        (0.60, 0.40, 5, PASS, "imputed: x in 60%"),  # three of five is chance where two of five lack one
        (1.00, 0.10, 4, FAIL, "x in 100%"),  # once in ten thousand
        (1.00, 0.20, 4, PASS, "imputed"),  # once in six hundred
        (1.00, 0.00, 0, WAIT, "0 rows now"),
    ],
)
def test_half_of_a_column_is_a_fault_when_it_was_not_so_before(now, before, rows, expected, says):
    verdict = gates.missing_shares({"x": now, "y": 0.0}, {"x": before, "y": 0.0}, rows=rows, rows_before=500, plan=PLAN)
    assert verdict.outcome is expected
    assert says in verdict.reason


def test_a_column_without_a_history_is_noted():
    verdict = gates.missing_shares({"x": 1.0}, {}, rows=100, rows_before=100, plan=PLAN)
    assert (verdict.outcome, verdict.evidence["missing x"]) == (PASS, 1.0)
    assert gates.missing_shares({"x": 1.0}, {"x": 0.0}, rows=100, rows_before=0, plan=PLAN).outcome is WAIT


def test_the_worst_columns_are_named_and_the_others_counted():
    now = {f"c{i}": 0.6 + i / 100 for i in range(6)}
    verdict = gates.missing_shares(now, dict.fromkeys(now, 0.0), rows=100, rows_before=100, plan=PLAN)
    assert "c5 in 65%" in verdict.reason
    assert verdict.reason.endswith("and 3 more")
    three = gates.missing_shares(
        dict(list(now.items())[:3]), dict.fromkeys(now, 0.0), rows=100, rows_before=100, plan=PLAN
    )
    assert "more" not in three.reason


def test_two_columns_that_lack_as_much_are_named_in_order():
    now = {"b": 0.6, "a": 0.6}
    verdict = gates.missing_shares(now, dict.fromkeys(now, 0.0), rows=100, rows_before=100, plan=PLAN)
    assert verdict.reason.index("a in") < verdict.reason.index("b in")


@pytest.mark.parametrize(
    "seen, listed, expected",
    [
        (Seen(rows=1_000, unseen=0, names=0, expected=0.0), (), PASS),
        (Seen(rows=1_000, unseen=499, names=3, expected=0.0), (), PASS),
        (Seen(rows=1_000, unseen=500, names=3, expected=0.0), (), FAIL),
        (Seen(rows=1_000, unseen=1_000, names=1, expected=0.0), ("x",), PASS),  # the contract announced it
        (Seen(rows=1_000, unseen=990, names=990, expected=0.99), (), PASS),  # names of people
        (Seen(rows=1_000, unseen=990, names=990, expected=1.5), (), PASS),
        (Seen(rows=3, unseen=3, names=3, expected=0.2), (), PASS),
        (Seen(rows=0, unseen=0, names=0, expected=0.0), (), WAIT),
    ],
)
def test_most_rows_with_new_values_are_a_fault_where_values_used_to_repeat(seen, listed, expected):
    verdict = gates.unseen_categories({"x": seen}, listed=listed, plan=PLAN)
    assert verdict.outcome is expected
    assert verdict.evidence.get("unseen x") == (seen.unseen / seen.rows if seen.unseen else None)


def test_new_values_are_counted_and_never_shown():
    few, most = Seen(1_000, 20, 2, 0.0), Seen(1_000, 600, 1, 0.0)
    verdict = gates.unseen_categories({"few": few, "most": most, "none": Seen(5, 0, 0, 0.0)}, listed=(), plan=PLAN)
    assert verdict.outcome is FAIL
    assert "most: 1 in 60.0% of the rows, few: 2 in 2.0% of the rows" in verdict.reason
    assert (
        gates.unseen_categories({"few": few}, listed=(), plan=PLAN).reason == "new values, few: 2 in 2.0% of the rows"
    )
    assert gates.unseen_categories({"few": Seen(5, 0, 0, 0.0)}, listed=(), plan=PLAN).reason == "no value is new"


def _counts(weeks=5, weekday=100, weekend=20):
    return {MONDAY + n * DAY: weekend if n % 7 > 4 else weekday for n in range(weeks * 7)}


def _judge(counts, *, days=1, now=MONDAY + 35 * DAY, **more):
    return gates.arrivals(counts, since=now - days * DAY, now=now, plan=PLAN, **more)


LAST = MONDAY + 34 * DAY  # a Sunday
FRIDAY = MONDAY + 32 * DAY


@pytest.mark.parametrize(
    "day, rows, expected, says",
    [
        (LAST, 20, PASS, "1 partitions came"),
        (LAST, 7, PASS, "1 partitions came"),  # 3 * 7 > 20
        (LAST, 5, PASS, "1 partitions came"),  # a quarter, and still by chance once in 3,000 Sundays
        (LAST, 4, FAIL, "4 rows"),
        (LAST, 3, FAIL, "3 rows on 2024-02-04, 20 are usual"),
        (LAST, 0, FAIL, "0 rows on 2024-02-04"),
        (LAST, 60, PASS, "1 partitions came"),
        (LAST, 61, FAIL, "61 rows on 2024-02-04"),
        (LAST, 100, FAIL, "100 rows on 2024-02-04"),  # a working day's rows on a Sunday
    ],
)
def test_a_day_is_held_against_its_own_weekday(day, rows, expected, says):
    verdict = _judge(_counts() | {day: rows})
    assert verdict.outcome is expected
    assert says in verdict.reason


def test_of_several_days_each_is_judged_and_the_worst_are_named():
    counts = _counts() | {FRIDAY - n * DAY: 0 for n in range(5)}
    verdict = _judge(counts, days=7)
    assert (verdict.outcome, verdict.evidence["odd"], verdict.evidence["partitions"]) == (FAIL, 5, 7)
    assert verdict.reason.endswith("and 2 more")


def test_a_day_that_is_not_over_is_not_judged():
    counts = _counts() | {MONDAY + 35 * DAY: 1}
    assert _judge(counts, now=MONDAY + 35 * DAY + timedelta(hours=20)).outcome is PASS
    assert _judge(counts, now=MONDAY + 36 * DAY).outcome is FAIL


def test_without_a_month_of_history_nothing_is_judged():
    assert _judge(_counts(), now=MONDAY + 28 * DAY).outcome is WAIT
    assert _judge(_counts(), now=MONDAY + 29 * DAY).outcome is PASS
    assert _judge({}).outcome is WAIT
    assert _judge(_counts(), days=0).outcome is WAIT
    assert (
        _judge({MONDAY: 0} | {d: n for d, n in _counts().items() if d > MONDAY}, now=MONDAY + 29 * DAY).outcome is WAIT
    )


def test_a_table_that_stopped_is_late_after_two_days_and_says_since_when():
    counts = {day: rows for day, rows in _counts().items() if day < MONDAY + 33 * DAY}
    verdict = _judge(counts, now=MONDAY + 35 * DAY)
    assert verdict.outcome is FAIL
    assert "late: no row since 2024-02-02, 2 partitions" in verdict.reason
    assert verdict.evidence["silent"] == 2
    one = _judge(counts, now=MONDAY + 34 * DAY)
    assert "0 rows on 2024-02-03" in one.reason


def test_a_weekend_on_which_nothing_ever_comes_is_not_late():
    counts = _counts(weekend=0)
    assert _judge(counts, days=2).outcome is PASS
    assert _judge(counts | {LAST: 40}).outcome is PASS, "the first open Sunday has nothing to be held against"
    assert _judge(counts, days=2, now=MONDAY + 37 * DAY).outcome is FAIL, "the Monday after has"


def test_one_missing_weekday_in_the_past_is_no_weekday_on_which_rows_always_came():
    counts = _counts() | {LAST - 7 * DAY: 0}
    assert _judge({day: rows for day, rows in counts.items() if day != LAST}).outcome is PASS


def test_the_same_content_twice_is_a_fault_whatever_its_volume():
    verdict = _judge(_counts(), copies=[(LAST - 7 * DAY, LAST)])
    assert verdict.outcome is FAIL
    assert "2024-02-04 holds what 2024-01-28 held" in verdict.reason
    assert verdict.evidence["copies"] == 1


def test_partitions_of_other_lengths_are_held_against_those_before_them():
    hours = DataPlan(partition=timedelta(hours=1), volume_weeks=2)
    counts = {MONDAY + n * timedelta(hours=1): 50 for n in range(15 * 24)}
    quiet = counts | {MONDAY + timedelta(days=14, hours=20): 2}
    now = MONDAY + 15 * DAY
    assert gates.arrivals(counts, since=now - DAY, now=now, plan=hours).outcome is PASS
    verdict = gates.arrivals(quiet, since=now - DAY, now=now, plan=hours)
    assert "2 rows on 2024-01-15 20:00" in verdict.reason
    fortnights = DataPlan(partition=timedelta(days=14), volume_weeks=2)
    start = datetime(1970, 1, 1, tzinfo=UTC) + 1_400 * timedelta(days=14)
    long = {start + n * timedelta(days=14): 50 for n in range(3)} | {start + 3 * timedelta(days=14): 1}
    end = start + 4 * timedelta(days=14)
    assert gates.arrivals(long, since=end - timedelta(days=14), now=end, plan=fortnights).outcome is FAIL


@pytest.mark.parametrize("mean", [0.3, 1, 3, 10, 40, 2_000])
@pytest.mark.parametrize("burst", [1, 5], ids=["poisson", "five times as wide"])
def test_days_as_they_always_were_alarm_less_than_twice_in_a_thousand(mean, burst):
    """Per day, over a week that has its own rhythm; `burst` rows come together, which makes counts scatter wider."""
    rng = np.random.default_rng(7)
    rhythm = np.array([1.2, 1.1, 1.0, 1.0, 1.4, 0.6, 0.3])
    alarms, judged = 0, 0
    for _ in range(100):
        rates = np.resize(rhythm * mean, 70)
        rows = rng.poisson(rates / burst) * burst
        counts = {MONDAY + n * DAY: int(c) for n, c in enumerate(rows)}
        for day in range(28, 70):
            now = MONDAY + (day + 1) * DAY
            come = {d: c for d, c in counts.items() if d < now}
            verdict = gates.arrivals(come, since=now - DAY, now=now, plan=PLAN)
            judged += verdict.outcome is not WAIT
            alarms += verdict.outcome is FAIL
    assert judged > 1_000
    assert alarms / judged <= 0.002


@pytest.mark.parametrize("mean", [20, 200])
def test_a_day_that_did_not_come_is_seen(mean):
    rng = np.random.default_rng(8)
    seen = 0
    for _ in range(40):
        counts = {MONDAY + n * DAY: int(c) for n, c in enumerate(rng.poisson(mean, 34))}
        seen += _judge(counts | {LAST: 0}).outcome is FAIL
    assert seen >= 39
