"""Is what was wanted of a model in numbers said of its promotion, and held against it on the rows that it answers?"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from flows.acceptance import requirements_kept
from flows.history import history_figures, history_lines
from flows.monitoring import watch
from flows.replay import plain_turn
from flows.rollout import probation
from flows.story import markdown
from flows.turn import Turn
from schemas.framing import Goal, Level, Requirement, Risk
from schemas.plans import Reason
from schemas.problem import Problem
from schemas.rows import Entry, State
from schemas.stage import Stage
from schemas.verdict import Outcome, Verdict
from tasks import database, ledger
from tests.flows import made

BEGIN = made.START + 38 * made.DAY
FAIL, PASS, WAIT = Outcome.FAIL, Outcome.PASS, Outcome.WAIT


def requiring(problem: Problem, at_least: float, when: str = "after") -> Problem:
    wanted = Requirement(metric="roc_auc", at_least=at_least, when=when, reason="it was agreed")
    return replace(problem, framing=problem.framing.model_copy(update={"requirements": (wanted,)}))


PLEDGED = requiring(
    replace(
        made.PROBLEM,
        name="pledged",
        source=replace(made.PROBLEM.source, location="pledged/rows.parquet"),
        framing=made.PROBLEM.framing.model_copy(
            update={
                "goal": Goal(metric="roc_auc", by=0.1, reason="it pays"),
                "level": Level(who="human", metric="roc_auc", value=0.6, source="a week of guesses"),
                "risks": (
                    Risk(name="readings change", detector="decay"),
                    Risk(name="a season goes by", detector="schedule"),
                ),
            }
        ),
        rollout=made.PROBLEM.rollout.model_copy(update={"probation": 7 * made.DAY, "probation_at_most": 14 * made.DAY}),
        monitoring=made.PROBLEM.monitoring.model_copy(update={"decay_blocks": 5}),
    ),
    0.6,
    when="both",
)


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[ledger.Row]]:
    """The ledger of a loop turned daily from COLD until its first challenger is on probation, and for a week after."""
    folder = tmp_path_factory.mktemp("pledged")
    made.settle(folder / "home", PLEDGED, made.readings(days=70))
    with made.added(PLEDGED, folder), pytest.MonkeyPatch.context() as patch:
        patch.setenv("PERENNIAL_HOME", str(folder / "home"))
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        for day in range(25):
            plain_turn(PLEDGED.name, BEGIN + day * made.DAY)
            if ledger.state_of(PLEDGED.name).ended:
                break
        yield list(ledger.rows(PLEDGED.name))
        database.close_databases()


def into(rows: list[ledger.Row], stage: Stage) -> ledger.Row:
    return next(row for row in rows if row.facts["stage"] == stage and row.facts["before"] != stage)


def test_a_challenger_and_its_promotion_say_what_was_measured_beside_the_goal(rows):
    for stage in (Stage.SHADOW, Stage.PROBATION):
        said = into(rows, stage).notes["goal"]
        assert said.startswith("goal roc_auc at least 0.7, human level 0.6, held-out 0.")
        assert said.endswith(": reached")
    champion = into(rows, Stage.PROBATION).state.champion
    assert champion.held_out["goal low"] < champion.held_out["goal"] < champion.held_out["goal high"]
    assert champion.held_out["goal"] == pytest.approx(champion.held_out["roc_auc"])


def test_the_history_begins_with_the_goal_and_the_risks_that_nothing_watches(rows):
    lines = list(history_lines(history_figures(PLEDGED.name)))
    assert lines[0] == "goal roc_auc at least 0.7, human level 0.6"
    assert lines[1].startswith("open risk, which nothing watches: a season goes by (retraining.every is None")
    promoted = next(line for line in lines if "→ PROBATION" in line)
    assert promoted.endswith(": reached")


def test_the_artifact_of_a_turn_shows_goal_and_open_risk(rows):
    row = into(rows, Stage.PROBATION)
    verdict = Verdict("business effect", PASS, "fine")
    said = markdown(Entry(row.state, "turn", Stage.AB, "PASS", verdict, {"goal": row.notes["goal"]}))
    assert "Goal roc_auc at least 0.7" in said
    assert "**Open risk:** a season goes by" in said


def test_what_is_required_after_deployment_was_asked_at_the_end_of_the_probation_and_kept(rows):
    last = [row for row in rows if row.facts["before"] == Stage.PROBATION]
    assert (last[-1].facts["stage"], last[-1].facts["arrow"]) == ("HEALTHY", "PASS")
    name = "live requirement roc_auc at least 0.6."
    assert {row.facts["arrow"] for row in last[:-1]} == {"WAIT"}
    assert last[-1].facts["statistics"][f"{name}low"] > 0.6
    assert not any(key.startswith(name) for row in last[:-1] for key in row.facts["statistics"])


def on_probation(rows: list[ledger.Row]) -> Turn:
    """The turn that ended the probation, as it began."""
    last = [row for row in rows if row.facts["before"] == Stage.PROBATION]
    before = rows[rows.index(last[-1]) - 1]
    return Turn(PLEDGED.name, before.state, last[-1].state.at)


@pytest.mark.parametrize("at_least, expected", [(0.6, PASS), (0.999, FAIL)])
def test_a_new_champion_that_breaks_what_is_required_is_rolled_back(rows, monkeypatch, at_least, expected):
    monkeypatch.setattr("flows.turn.load_problem", lambda _: requiring(PLEDGED, at_least))
    verdict = probation(on_probation(rows)).verdict
    assert verdict.outcome is expected
    assert (expected is PASS) or "is under 0.999: it was agreed" in verdict.reason


@pytest.mark.parametrize("at_least, why", [(0.6, None), (0.999, Reason.DECAY)])
def test_a_champion_that_breaks_what_is_required_calls_for_a_retrain(rows, monkeypatch, at_least, why):
    monkeypatch.setattr("flows.turn.load_problem", lambda _: requiring(PLEDGED, at_least))
    state: State = rows[-1].state
    assert state.stage is Stage.HEALTHY
    # A window has closed since, and its rows have matured: those of the probation are the champion's own.
    now = state.since
    state = replace(state, since=now - 8 * made.DAY, turned=now - 3 * made.DAY, ended=None)
    decision = watch(Turn(PLEDGED.name, state, now))
    assert decision.why is why
    assert (why is None) or "is under 0.999: it was agreed" in decision.verdict.reason


def answered(days: int, *, right: float, seed: int = 3) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    label = rng.integers(0, 2, size=days * 40).astype(float)
    score = np.where(rng.random(label.size) < right, label, 1 - label) * 0.8 + 0.1
    at = pd.Series(pd.date_range(made.START, periods=label.size, freq=made.DAY / 40))
    frame = {"event_time": at, "label": label, "own_score": score, "own_decision": np.round(score)}
    return pd.DataFrame(frame)


@pytest.mark.parametrize("days, right, expected", [(20, 0.9, PASS), (20, 0.3, FAIL), (9, 0.3, WAIT), (0, 0.3, WAIT)])
def test_live_requirements_are_judged_on_days_of_rows_that_were_answered(days, right, expected):
    problem = requiring(made.HIGH, 0.6)
    said = requirements_kept(problem, answered(days, right=right), "own", alpha=0.01, days=10, seed=1)
    assert [verdict.outcome for verdict in said] == [expected]


def test_rows_without_a_label_or_an_answer_say_nothing_of_a_live_requirement():
    problem, good = requiring(made.HIGH, 0.6), answered(20, right=0.9)
    bad = answered(20, right=0.0, seed=4)
    unlabelled, silent = bad.assign(label=np.nan), bad.assign(own_score=np.nan, own_decision=np.nan)
    both = pd.concat([good, unlabelled, silent], ignore_index=True)
    alone, among = (
        requirements_kept(problem, rows, "own", alpha=0.01, days=10, seed=1)[0].evidence for rows in (good, both)
    )
    assert alone == among


def test_a_requirement_that_is_met_before_deployment_is_not_asked_of_live_rows():
    problem = requiring(made.HIGH, 0.6, when="before")
    assert requirements_kept(problem, answered(20, right=0.0), "own", alpha=0.01, days=10, seed=1) == []
