"""What does a turn do when the clock is wrong, and what when it is right and long nothing happened?"""

from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest

from flows import asking, clock, turn
from flows.clock import ClockError, moment_of
from flows.operations import pause, resume
from flows.replay import plain_turn
from tasks import ledger, windows
from tests.flows.test_turns import DAY, PROBLEM, state

SECOND = timedelta(seconds=1)


def set_to(monkeypatch: pytest.MonkeyPatch, now: datetime) -> None:
    """This machine's clock says so."""

    class Set(datetime):
        @classmethod
        def now(cls, tz=None):
            return now.astimezone(tz)

    for module in (clock, asking, turn):
        monkeypatch.setattr(module, "datetime", Set)


def table_until(end: datetime) -> None:
    """The problem's table, moved so that its newest row is of `end`."""
    frame = pd.read_parquet(windows.locate(PROBLEM))
    shift = end - frame["paid_at"].max()
    windows.materialise(
        PROBLEM, frame.assign(paid_at=frame["paid_at"] + shift, fraud_known_at=frame["fraud_known_at"] + shift)
    )


def live() -> datetime:
    """The moment at which a live turn would stand."""
    return moment_of(PROBLEM, state(), None)


def test_a_clock_set_back_writes_nothing_and_the_turn_after_it_is_right_again_goes_on(at, monkeypatch):
    now, before = at("HEALTHY"), state()
    set_to(monkeypatch, now - 3 * DAY)
    with pytest.raises(ClockError, match="Turns only go forward: correct the clock"):
        turn.begin("fraud")
    assert state() == before
    set_to(monkeypatch, now)
    assert turn.begin("fraud").now == now


@pytest.mark.parametrize("back", [SECOND, 59 * SECOND])
def test_a_clock_that_stepped_back_a_little_costs_no_turn(at, monkeypatch, back):
    at("HEALTHY")
    last = state().at
    set_to(monkeypatch, last - back)
    assert live() == last, "rows never go back"
    with pytest.raises(ClockError):
        moment_of(PROBLEM, state(), last - back)  # a replay says its moments, and means them


def test_a_clock_that_jumps_years_ahead_writes_nothing(at, monkeypatch):
    at("HEALTHY")
    before = state()
    set_to(monkeypatch, datetime.now(UTC) + 700 * DAY)  # its row was written now, and that is a witness for a while
    with pytest.raises(ClockError, match=r"\d+ days after the newest ledger row.*make retrain PROBLEM=fraud"):
        turn.begin("fraud")
    assert state() == before, "a row of that time would hold up every turn until then"


def test_a_loop_that_stood_still_goes_on_by_itself_where_its_table_went_on(at, monkeypatch):
    now = at("HEALTHY")
    set_to(monkeypatch, now + 700 * DAY)
    table_until(now + 699 * DAY)
    assert live() == now + 700 * DAY


def test_a_word_of_a_person_says_that_the_clock_is_right(at, monkeypatch):
    now = at("HEALTHY")
    set_to(monkeypatch, now + 700 * DAY)
    pause("fraud", note="the clock is right", actor="ana")
    resume("fraud", note="go on", actor="ana")
    assert live() == now + 700 * DAY


@pytest.mark.parametrize(("days", "refused"), [(14, False), (28, False), (29, True)])
def test_two_weeks_and_four_windows_are_believed_unasked(at, monkeypatch, days, refused):
    at("HEALTHY")
    assert PROBLEM.monitoring.window == 7 * DAY
    table_until(state().at - 100 * DAY)
    set_to(monkeypatch, state().at + days * DAY)
    if refused:
        with pytest.raises(ClockError):
            live()
    else:
        assert live() == state().at + days * DAY


def test_a_row_that_a_replay_wrote_a_while_ago_is_of_a_moment_long_past_and_the_clock_goes_on_from_when_it_was_written(
    at, monkeypatch
):
    at("HEALTHY")
    written = datetime.now(UTC)
    assert written - state().at > 365 * DAY
    set_to(monkeypatch, written + 27 * DAY)
    assert live() == written + 27 * DAY
    set_to(monkeypatch, written + 29 * DAY)
    with pytest.raises(ClockError):
        live()


def test_rows_that_a_gateway_logged_say_that_the_time_has_come(at, monkeypatch):
    now = at("SHADOW")
    plain_turn("fraud", now)
    set_to(monkeypatch, now + 5 * DAY)
    assert live() == now + 5 * DAY


@pytest.mark.parametrize("apart", [-timedelta(hours=2), timedelta(hours=2)])
def test_a_machine_whose_clock_the_database_denies_takes_no_turn_and_its_words_stand_at_the_databases_time(
    at, monkeypatch, apart
):
    now, before = at("HEALTHY"), state()
    set_to(monkeypatch, now + apart)
    monkeypatch.setattr(ledger, "clock", lambda: now)
    with pytest.raises(ClockError, match="Set the one that is wrong"):
        turn.begin("fraud")
    assert state() == before
    pause("fraud", note="x", actor="ana")
    assert state().at == now


def test_a_jump_of_the_clock_closes_one_window_and_not_all_that_it_jumped_over(at):
    now = at("HEALTHY")
    from flows.window import closed_window

    since = state().since
    began = turn.Turn("fraud", state(), now + 300 * DAY)
    start, end = closed_window(began)
    assert end - start == 7 * DAY
    assert end <= now + 300 * DAY < end + 7 * DAY
    assert (end - since) % (7 * DAY) == timedelta()


def test_an_sqlite_file_has_no_clock_of_its_own(home):
    assert ledger.clock() is None
