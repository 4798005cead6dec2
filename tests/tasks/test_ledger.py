"""On a real SQLite file: does one writer win, does a re-opened ledger say the same, and is every change found?"""

import sqlite3
import subprocess
import sys
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from schemas.plans import Reason
from schemas.rows import Entry, Model, Request, State
from schemas.stage import Stage
from schemas.verdict import Outcome, Verdict
from tasks import ledger
from tasks.database import close_databases, open_database
from tasks.transitions import Decision, advance, asked

START = datetime(2024, 1, 1, tzinfo=UTC)
MODEL = Model("a" * 64, "1", "heuristic", trained_until=START, held_out={"loss": 0.1})


def _turn(state: State, outcome=Outcome.PASS, *, notes=None, statistic: float = 0.5, version: str = "1") -> Entry:
    model = replace(MODEL, version=version) if state.stage is Stage.COLD else None
    decision = Decision(Verdict("g", outcome, "because", {"x": statistic}), model=model, notes=notes or {})
    return advance(state, decision, now=START + timedelta(days=state.sequence), first_share=0.05)


def _write(n: int, problem: str = "toy") -> State:
    state = ledger.state_of(problem)
    for _ in range(n):
        state = ledger.append(state, _turn(state))
    return state


def _sql(home, statement: str, *values) -> None:
    with sqlite3.connect(home / "ledger.db") as connection:
        assert connection.execute(statement, values).rowcount == 1
    connection.close()


def test_a_ledger_nobody_wrote_to_is_cold_and_whole(home):
    assert ledger.state_of("toy") == State("toy")
    assert ledger.verify("toy") == 0
    assert ledger.problems() == []


def test_rows_follow_each_other_and_verify(home):
    state = _write(5)
    assert (state.sequence, state.stage, state.champion) == (5, Stage.HEALTHY, MODEL)
    assert [row.facts["sequence"] for row in ledger.rows("toy")] == [1, 2, 3, 4, 5]
    assert [row.facts["sequence"] for row in ledger.rows("toy", since=3)] == [4, 5]
    assert ledger.verify("toy") == 5


def test_the_state_survives_re_opening(home):
    written = _write(3)
    close_databases()
    assert ledger.state_of("toy") == written


def test_problems_do_not_mix(home):
    _write(3, "one")
    _write(2, "other")
    assert ledger.problems() == ["one", "other"]
    assert (ledger.verify("one"), ledger.verify("other")) == (3, 2)


def test_the_newest_row_of_every_problem_and_the_newest_turn_where_somebody_asked_since(home):
    assert ledger.newest() == {}
    _write(3, "one")
    state = _write(2, "other")
    request = Request("retrain", Reason.PERSON, "new cards", "ana")
    ledger.append(state, asked(state, request, now=START + timedelta(days=9)))
    assert {name: row.facts["sequence"] for name, row in ledger.newest().items()} == {"one": 3, "other": 3}
    assert {name: row.facts["sequence"] for name, row in ledger.newest(kind="turn").items()} == {"one": 3, "other": 2}
    assert ledger.newest()["other"].state.request == request


def test_of_two_rows_with_one_number_the_first_wins_and_nothing_else_changes(home):
    state = _write(2)
    won = ledger.append(state, _turn(state, statistic=1.0))
    with pytest.raises(ledger.LostRaceError, match="row 3 of 'toy'"):
        ledger.append(state, _turn(state, statistic=2.0))
    assert ledger.state_of("toy") == won
    assert ledger.verify("toy") == 3


def test_of_many_threads_exactly_one_appends(home):
    state = _write(1)
    barrier, outcomes = threading.Barrier(8), []

    def promote(number: int) -> None:
        entry = _turn(state, statistic=float(number))
        barrier.wait()
        try:
            ledger.append(state, entry)
            outcomes.append("won")
        except ledger.LostRaceError:
            outcomes.append("lost")

    threads = [threading.Thread(target=promote, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["lost"] * 7 + ["won"]
    assert ledger.verify("toy") == 2


def test_two_processes_that_meet_at_a_new_ledger_both_find_it_ready(home):
    code = """
import sys
from tasks import ledger
sys.stdin.readline()
print(ledger.verify("toy"))
"""
    started = [
        subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    for process in started:
        process.stdin.write("go\n")
        process.stdin.flush()
    assert [process.communicate()[0].strip() for process in started] == ["0", "0"]


def test_an_update_reads_again_when_somebody_was_faster(home):
    _write(1)
    interrupted = []

    def change(state: State) -> Entry:
        if not interrupted:
            interrupted.append(_write(1))
        return asked(state, Request("retrain", Reason.PERSON, "please", "ada"), now=START)

    state = ledger.update("toy", change)
    assert (state.sequence, state.request.note) == (3, "please")
    assert ledger.verify("toy") == 3


def test_the_hash_knows_neither_notes_nor_version_numbers(home, tmp_path, monkeypatch):
    first = ledger.append(State("toy"), _turn(State("toy"), notes={"run": "1"}, version="1"))
    monkeypatch.setenv("PERENNIAL_LEDGER_URL", f"sqlite:///{tmp_path / 'other.db'}")
    second = ledger.append(State("toy"), _turn(State("toy"), notes={"run": "2", "wall": START}, version="7"))
    assert first.hash == second.hash
    assert second.champion.version == "7"
    open_database(f"sqlite:///{tmp_path / 'other.db'}", "ledger").dispose()


def test_notes_may_hold_what_json_lacks(home):
    """An undefined metric of a refused challenger is a note, and no reason to lose the turn."""
    ledger.append(State("toy"), _turn(State("toy"), notes={"roc_auc": float("nan"), "at": START, "took": timedelta(1)}))
    assert ledger.verify("toy") == 1
    notes = next(ledger.rows("toy")).notes
    assert (notes["roc_auc"], notes["at"], notes["took"]) == ("nan", START.isoformat(), 86400.0)


@pytest.mark.parametrize(
    "column, value",
    [
        ("problem", "another"),
        ("sequence", 30),
        ("at", "2030-01-01T00:00:00+00:00"),
        ("kind", "adopt"),
        ("stage", "COLD"),
        ("arrow", "FAIL"),
        ("hash", "0" * 64),
        ("notes", '{"reason":"another","versions":{}}'),
        ("notes_hash", "0" * 64),
        ("facts", "no json"),
    ],
)
@pytest.mark.parametrize("sequence", [1, 3, 5])
def test_a_change_of_any_column_is_found(home, column, value, sequence):
    _write(5)
    _sql(home, f"UPDATE ledger SET {column} = ? WHERE sequence = ?", value, sequence)
    with pytest.raises(ledger.BrokenLedgerError, match="changed after it was written"):
        for problem in ledger.problems():
            ledger.verify(problem)


@pytest.mark.parametrize(
    "old, new",
    [
        ('"champion":{', '"champion":{"extra":1,'),
        ('"heuristic"', '"boosting"'),
        ('"x":0.5', '"x":0.6'),
        ('"rollout":0', '"rollout":1'),
        ('"arrow":"PASS"', '"arrow":"WAIT"'),
        (f'"sha256":"{"a" * 64}"', f'"sha256":"{"b" * 64}"'),
    ],
)
def test_a_change_of_any_fact_is_found(home, old, new):
    _write(3)
    _sql(home, "UPDATE ledger SET facts = replace(facts, ?, ?) WHERE sequence = 2 AND instr(facts, ?)", old, new, old)
    with pytest.raises(ledger.BrokenLedgerError, match="row 2 of 'toy'"):
        ledger.verify("toy")


@pytest.mark.parametrize("sequence", [1, 2, 4])
def test_a_row_that_was_taken_out_is_found(home, sequence):
    _write(5)
    _sql(home, "DELETE FROM ledger WHERE sequence = ?", sequence)
    with pytest.raises(ledger.BrokenLedgerError, match=f"stands where row {sequence} should"):
        ledger.verify("toy")


def _forge(state: State, entry: Entry, monkeypatch) -> None:
    """Written with a right hash by somebody whose code asks nothing."""
    with monkeypatch.context() as patch:
        patch.setattr(ledger, "_illegal", lambda *_: [])
        ledger.append(state, entry)


@pytest.mark.parametrize(
    "change, says",
    [
        ({"stage": Stage.PROBATION}, "which is no arrow"),
        ({"champion": None}, "has no champion"),
    ],
)
def test_a_row_that_may_not_be_is_refused_and_nothing_is_written(home, change, says):
    state = _write(2)
    entry = _turn(state)
    with pytest.raises(ledger.IllegalStepError, match=says):
        ledger.append(state, replace(entry, state=replace(entry.state, **change)))
    with pytest.raises(ledger.IllegalStepError, match="the row before ended in"):
        ledger.append(state, replace(entry, before=Stage.CANARY))
    assert ledger.state_of("toy") == state
    assert ledger.verify("toy") == 2


def test_a_row_forged_with_a_right_hash_and_no_arrow_is_found(home, monkeypatch):
    state = _write(2)
    entry = _turn(state)
    leap = replace(entry, state=replace(entry.state, stage=Stage.PROBATION))
    _forge(state, leap, monkeypatch)
    with pytest.raises(ledger.BrokenLedgerError, match="which is no arrow"):
        ledger.verify("toy")


def test_a_row_forged_to_serve_nobody_is_found(home, monkeypatch):
    state = _write(2)
    entry = _turn(state)
    _forge(state, replace(entry, state=replace(entry.state, champion=None)), monkeypatch)
    with pytest.raises(ledger.BrokenLedgerError, match="has no champion"):
        ledger.verify("toy")


def test_a_ledger_that_cannot_be_opened_is_one_sentence_without_a_password(home, monkeypatch):
    from schemas.errors import PerennialError

    (home / "folder.db").mkdir()
    monkeypatch.setenv("PERENNIAL_LEDGER_URL", f"sqlite:///{home / 'folder.db'}")
    with pytest.raises(PerennialError, match=r"the ledger database at .* cannot be opened"):
        ledger.state_of("toy")
