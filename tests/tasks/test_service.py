"""Is it counted how requests were served, every asking, in the log's own engine?"""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import numpy as np
import pytest

from schemas.rows import ANSWER
from tasks.journal import Group, Journal
from tasks.service import Service, service

START, DAY = datetime(2025, 1, 1, tzinfo=UTC), timedelta(days=1)


@pytest.fixture
def mine(toy):
    """PostgreSQL's log is one for all tests of a session."""
    return replace(toy, name=f"t{uuid4().hex[:20]}")


def answered(mine, moments, **more):
    """What a gateway writes, one request each; half of them about one key."""
    journal = Journal(mine, ())
    for number, moment in enumerate(moments):
        row = dict.fromkeys(ANSWER) | {"problem": mine.name, "key": f"k{number // 2}", "entity": "e"}
        row |= {"event_time": round(moment.timestamp() * 1e6), "rollout": 0, "epoch": 1, "stage": "HEALTHY"}
        row |= {"role": "champion", "probability": 0.0, "champion": "a" * 64, "answer_decision": 0.0}
        row |= {"request": number + 1, "position": 0, "version": "1"}
        row |= {name: value(number) for name, value in more.items()}
        journal.write(Group(answers=[tuple(row[name] for name in ANSWER)]))
    journal.close()


def test_latencies_errors_and_the_busiest_minute(log_home, mine):
    latency = np.random.default_rng(1).lognormal(size=203)
    moments = [START + timedelta(seconds=5 * n) for n in range(203)]
    answered(mine, moments, latency_ms=lambda n: float(latency[n]), answer_decision=lambda n: None if n < 7 else 0.0)
    found = service(mine, since=START, until=START + DAY)
    assert (found.rows, found.unanswered, found.timed, found.busiest) == (203, 7, 203, 12)
    assert found.error_share == pytest.approx(7 / 203)
    assert found.a_second == pytest.approx(203 / 86_400)
    expected = np.quantile(latency, [0.5, 0.95, 0.99], method="inverted_cdf")
    assert [found.p50, found.p95, found.p99] == pytest.approx(expected.tolist())


def test_only_the_time_that_was_asked_about_counts(log_home, mine):
    answered(mine, [START, START + DAY, START + 2 * DAY], latency_ms=lambda n: 2.0)
    assert service(mine, since=START + DAY, until=START + 2 * DAY).rows == 1


def test_where_nobody_measured_there_is_no_latency(log_home, mine):
    answered(mine, [START, START])
    found = service(mine, since=START, until=START + DAY)
    assert (found.rows, found.timed, found.p50, found.p99) == (2, 0, None, None)


def test_a_time_without_requests_is_no_error(home, mine):
    assert service(mine, since=START, until=START + DAY) == Service(0, 0, 86_400.0, 0, 0)
    assert service(mine, since=START, until=START + DAY).error_share == 0.0
