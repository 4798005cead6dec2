"""Is a turn's picture of a life as much as one turn may read, however many came before?"""

from datetime import UTC, datetime, timedelta

from flows import life
from schemas.problem import load_problem
from schemas.rows import Model, State
from schemas.verdict import Outcome, Verdict
from tasks import ledger
from tasks.transitions import Decision, advance

FRAUD = load_problem("fraud")
START = datetime(2026, 1, 1, tzinfo=UTC)
QUARTER = timedelta(minutes=15)


def turned(times: int) -> datetime:
    """So many turns, a quarter of an hour apart, the first of which puts a rule into service; the moment of the last."""
    serves = Decision(Verdict("first", Outcome.PASS, "it serves"), model=Model("a" * 64, "1", "heuristic"))
    calm = Decision(Verdict("healthy", Outcome.PASS, "nothing is the matter"))
    state, now = State("fraud"), START
    for turn in range(times):
        now = START + turn * QUARTER
        state = ledger.append(state, advance(state, calm if turn else serves, now=now, first_share=0.05))
    return now


def test_a_turn_draws_the_newest_rows_and_a_page_that_is_asked_for_all_of_them(home, monkeypatch):
    monkeypatch.setattr(life, "_MOST", 5)
    now = turned(8)
    drawn, whole = life.of_a_year(FRAUD, now), life.life_so_far(FRAUD)
    assert drawn is not None
    assert whole is not None
    assert (drawn.turns, whole.turns) == (5, 8)
    assert (drawn.start, drawn.end) == (whole.end - 4 * QUARTER, whole.end)


def test_what_is_older_than_a_year_is_not_drawn_by_a_turn(home):
    now = turned(3)
    drawn = life.of_a_year(FRAUD, now + timedelta(days=400) - QUARTER)
    assert drawn is not None
    assert drawn.turns == 2
    assert life.of_a_year(FRAUD, now + timedelta(days=401)) is None
