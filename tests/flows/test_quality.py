"""Is quality measured when a window closes, kept with its revisions, and shown beside what it rests on?"""

import shutil
import sqlite3
from dataclasses import replace

import numpy as np
import pytest

from flows.__main__ import main
from flows.monitoring import watch
from flows.quality import quality
from flows.quality_screen import quality_history, table
from flows.turn import Turn
from schemas.plans import Reason
from schemas.rows import Entry, State
from schemas.verdict import Outcome, Verdict
from tasks import predictions, quality_log
from tasks.database import close_databases
from tests.flows.made import DAY, START, added
from tests.proofs import delays
from tests.proofs.delays import CHAMPION, PROBLEM, logged, look, world

NOW, LATER = START + 42 * DAY, START + 91 * DAY


@pytest.fixture(scope="module")
def made():
    return world(1)


@pytest.fixture
def problem(home, tmp_path):
    with added(PROBLEM, tmp_path):
        yield PROBLEM


@pytest.fixture(scope="module")
def database(made, tmp_path_factory):
    """The log of that world, made once."""
    folder = tmp_path_factory.mktemp("log")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PERENNIAL_HOME", str(folder))
        patch.delenv("PERENNIAL_LOG_URL", raising=False)
        logged(made)
        close_databases()
    return folder / "predictions.db"


@pytest.fixture
def log(problem, made, home, database):
    shutil.copy(database, home / "predictions.db")
    return made


def turn(now=NOW, **more) -> Turn:
    return Turn(PROBLEM.name, replace(delays._state(now), **more), now, answered=90, unanswered=10)


def answered_all(**more) -> Turn:
    return replace(turn(**more), unanswered=0)


def realised(metric: str):
    return quality_log.figures(PROBLEM, kinds=["realised"], metrics=[metric])


def test_where_no_window_closed_nothing_is_read(problem):
    assert quality(turn(turned=NOW)) is None


def test_figures_of_matured_cohorts_are_what_is_true(log):
    look(NOW)
    assert len(realised("recall")) == 3  # those that decay is judged on
    for metric in ("recall", "precision", "base rate", "loss"):
        oldest, _, newest = realised(metric)
        assert newest.end == NOW - PROBLEM.framing.maturity
        assert newest.value == pytest.approx(delays._first_labels(log, newest)), "errors are not corrected yet"
        assert oldest.value == pytest.approx(delays.in_the_end(log, oldest, oldest.rows))
        assert newest.low < newest.value < newest.high
        assert (newest.known_at, newest.model) == (NOW, CHAMPION.sha256)
    for name, (early, true) in delays.so_far(log, NOW).items():
        assert abs(early - true) > 0.05, name


def test_a_late_correction_revises_and_what_was_said_before_stays(log):
    look(NOW)
    before = realised("base rate")
    look(LATER)
    after = realised("base rate")
    assert set(before) <= set(after)
    revised = [one for one in after if one.start in {o.start for o in before} and one.known_at == LATER]
    assert revised
    newest = {one.start: one for one in after}
    for one in newest.values():
        assert one.value == pytest.approx(delays.in_the_end(log, one, one.rows), abs=1e-9)


def test_a_turn_that_is_run_twice_keeps_nothing_twice(log):
    first = look(NOW)
    kept = quality_log.figures(PROBLEM)
    again = look(NOW)
    assert quality_log.figures(PROBLEM) == kept
    assert again == first


def test_what_a_turn_is_told(log):
    found = look(NOW)
    assert found.rows == pytest.approx(21 * 300, rel=0.05)
    assert found.loss.low < found.loss.estimate < found.loss.high
    assert (found.accepted, found.errors) == (0.11, 0.0)
    assert found.prior == (pytest.approx(0.1, abs=0.03), 0.102)
    assert found.calibration_p < 1e-6, "the scores overstate"
    assert found.calibration_gap == pytest.approx(0.0, abs=0.05)
    assert found.expected_valid
    assert found.expected_loss == pytest.approx(found.loss.estimate, abs=0.02)
    assert found.labels_late == pytest.approx(1.0, abs=0.1)
    assert found.verdict.gate == "decay"
    assert found.predictions.outcome is Outcome.PASS
    assert quality(turn()).errors == 0.1


def test_labels_that_stopped_coming_are_seen(log, home):
    cut = NOW - 6 * DAY
    with sqlite3.connect(home / "predictions.db") as connection:
        connection.execute("DELETE FROM labels WHERE known_at >= ?", (round(cut.timestamp() * 1e6),))
    assert look(NOW).labels_late < 0.7


def test_without_the_log_the_verdict_waits_and_says_so(problem, monkeypatch):
    def away(*_args, **_more):
        raise OSError("the disk is gone")

    monkeypatch.setattr(predictions, "cohort", away)
    found = quality(turn())
    assert found.verdict.outcome is Outcome.WAIT
    assert "could not be judged" in found.verdict.reason


def test_one_figure_that_raises_takes_no_other_with_it(log, monkeypatch):
    def broken(*_args, **_more):
        raise ValueError("no curve")

    monkeypatch.setattr("tasks.partly.delays_by_class", broken)
    found = quality(turn())
    assert found.verdict.outcome is Outcome.PASS
    assert realised("recall")
    assert any("delays could not be measured" in said for said in found.notes["quality"]["said"])


def test_a_rule_is_measured_too_and_its_verdict_waits(log):
    rule = replace(CHAMPION, name="heuristic", held_out={})
    found = quality(turn(champion=rule))
    assert found.verdict.outcome is Outcome.WAIT
    assert (found.accepted, found.prior, found.predictions) == (None, None, None)
    assert realised("recall")


def test_positives_from_half_a_percent_to_a_seventh_are_an_alarm_and_no_retrain(log):
    shown = CHAMPION.held_out | {"positives": 0.005, "loss": 0.5}
    decision = watch(answered_all(champion=replace(CHAMPION, held_out=shown), ended=None))
    assert decision.verdict.outcome is Outcome.WAIT
    assert "on held-out rows it was 0.50%" in decision.verdict.reason
    assert decision.why is None
    calm = watch(answered_all(champion=replace(CHAMPION, held_out=CHAMPION.held_out | {"loss": 0.5})))
    assert "look at it" not in calm.verdict.reason


def test_decay_still_calls_for_a_retrain(log):
    decision = watch(answered_all(champion=replace(CHAMPION, held_out=CHAMPION.held_out | {"loss": 0.01})))
    assert (decision.verdict.outcome, decision.why) == (Outcome.FAIL, Reason.DECAY)
    assert decision.notes["quality"]["rows"]


def test_the_artifact_has_realised_beside_estimated_beside_expected(log):
    from flows.story import markdown

    found = look(NOW)
    state = State(PROBLEM.name, 8, at=NOW, champion=CHAMPION)
    entry = Entry(state, "turn", state.stage, "PASS", Verdict("healthy", Outcome.PASS, "all is well"), found.notes)
    shown = markdown(entry)
    (row,) = (line for line in shown.splitlines() if line.startswith("| recall |"))
    assert row.count("[") == 2  # realised and partly matured have intervals
    assert "| quality, as of 2024-02-12T00:00 | realised | partly matured | expected without labels |" in shown
    assert "if the relation between inputs and label has not changed" in shown
    assert "of the labels that are due by now have come" in shown


def test_an_expectation_after_the_relation_changed_is_not_valid(problem):
    logged(world(2, turned=START + 35 * DAY))
    assert look(START + 42 * DAY).expected_valid, "no label tells yet"
    found = look(START + 56 * DAY)
    assert not found.expected_valid
    lines = table(found.notes["quality"])
    assert any(line.startswith("| recall |") and line.endswith("(not valid) |") for line in lines)
    assert any("not valid: the relation has changed" in line for line in lines)


def test_the_history_shows_each_value_and_what_became_of_it(log, capsys):
    assert main(["quality", PROBLEM.name]) == 0
    assert "no figures of delays yet" in capsys.readouterr().out
    look(NOW)
    look(LATER)
    assert main(["quality", PROBLEM.name]) == 0
    said = capsys.readouterr().out
    assert said.count("realised, recall") == 8  # weeks, of which five passed without a look
    assert "  revised" in said
    assert "known 2024-02-12 00:00" in said
    assert said == "\n".join(quality_history(PROBLEM.name)) + "\n"


def test_a_creeping_latency_is_said_and_no_verdict_rests_on_it(log):
    from schemas.figure import Figure

    rising = [
        Figure("served", "latency p95", START + n * DAY, START + (n + 1) * DAY, CHAMPION.sha256, 9, 5.0 * 1.08**n)
        for n in range(20)
    ]
    quality_log.keep_figures(PROBLEM, rising, now=NOW - DAY)
    found = look(NOW)
    assert any("latency p95 grew by" in said and "a slow leak" in said for said in found.notes["quality"]["said"])
    assert found.verdict.outcome is Outcome.PASS
    assert not any("leak" in name for name in found.verdict.evidence)


def test_verdict_and_notes_follow_from_the_log_alone(log):
    one, other = look(NOW), look(NOW)
    assert one.verdict.statistics() == other.verdict.statistics()
    assert all(np.isfinite(v) for v in one.verdict.evidence.values() if isinstance(v, float))
