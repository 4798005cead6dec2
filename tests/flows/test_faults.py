"""Faults planted into a turn: what is broken stops or waits, the champion goes on answering, and the next turn mends it."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from flows.operations import ask
from flows.replay import plain_turn
from schemas.plans import Reason
from schemas.problems import fraud
from schemas.stage import Stage
from schemas.verdict import Outcome
from tasks import modelfile, predictions, registry, windows
from tests.flows.conftest import CUT_OFF
from tests.flows.test_turns import DAY, PROBLEM, newest, promoted, state, verdicts

BRITTLE = PROBLEM.recipe.model_copy(update={"unseen_categories": "raise"}).model_dump(mode="json")


def change(edit):
    """Rewrite the problem's table."""
    windows.materialise(PROBLEM, edit(pd.read_parquet(windows.locate(PROBLEM))))


def virtual(*, since, until):
    """Every payment of the time is made with a card type that nobody trained on."""

    def edit(frame):
        frame.loc[(frame["paid_at"] >= since) & (frame["paid_at"] < until), "card_type"] = "virtual"
        return frame

    change(edit)


def logged(since, now):
    return predictions.cohort(PROBLEM, since=since, now=now, matured=False, with_labels=False)


def test_a_training_that_raises_is_a_refusal_that_says_why(at):
    now = at("HEALTHY")
    ask("fraud", kind="retrain", note="x", actor="ana", reason=Reason.FORCED, recipe=BRITTLE, now=now)
    plain_turn("fraud", now)
    virtual(since=now - 18 * DAY, until=now - 14 * DAY)
    plain_turn("fraud", now + DAY)
    assert (state().stage, newest().facts["arrow"]) == (Stage.HEALTHY, "FAIL")
    assert newest().notes["reason"].startswith("training raised ValueError")


def test_a_recipe_that_is_none_is_refused_when_it_is_asked_for(at):
    now = at("HEALTHY")
    with pytest.raises(ValueError, match="family"):
        ask("fraud", kind="retrain", note="x", actor="ana", recipe={"family": "magic", "features": ["amount"]}, now=now)


def test_a_training_killed_before_its_row_is_tried_again_later_on(at):
    now = at(CUT_OFF)
    plain_turn("fraud", now + timedelta(hours=5))
    assert (newest().facts["before"], newest().facts["outcome"]) == ("RETRAIN", "PASS")


def test_a_challenger_that_raises_while_the_ab_stage_skips_itself_is_not_promoted(at, monkeypatch):
    now = at("HEALTHY")
    ask("fraud", kind="retrain", note="x", actor="ana", reason=Reason.FORCED, recipe=BRITTLE, now=now)
    plain_turn("fraud", now)
    plain_turn("fraud", now + DAY)
    verdicts(monkeypatch, SHADOW=Outcome.PASS, CANARY=Outcome.PASS)
    plain_turn("fraud", now + 2 * DAY)
    plain_turn("fraud", now + 3 * DAY)
    assert state().stage is Stage.AB
    virtual(since=now + 3 * DAY, until=now + 4 * DAY)
    plain_turn("fraud", now + 4 * DAY)
    assert (state().stage, newest().facts["arrow"]) == (Stage.HEALTHY, "FAIL")
    assert "the challenger raises" in newest().notes["reason"]
    rows = logged(now + 3 * DAY, now + 4 * DAY)
    assert rows["rival_error"].notna().any()
    assert rows["champion_score"].notna().all(), "the champion stood in for it"


def test_a_challenger_whose_file_is_gone_stops_itself_and_not_the_champion(at, monkeypatch):
    now = at("SHADOW")
    real = registry.load

    def load(problem, model):
        if model.name == "boosting":
            raise modelfile.AlteredModelError("its file is gone")
        return real(problem, model)

    monkeypatch.setattr(registry, "load", load)
    plain_turn("fraud", now)
    assert (state().stage, state().champion.name) == (Stage.HEALTHY, "heuristic")
    rows = logged(now - DAY, now)
    assert len(rows) > 200
    assert rows["champion_score"].notna().all()
    assert (rows["rival_error"] == "AlteredModelError").all()


def test_a_week_without_rows_is_no_calibration_window_and_no_crash(at, monkeypatch):
    monkeypatch.setenv("PERENNIAL_REPORTS", "all")
    now = at("HEALTHY")
    gap = now - 72 * DAY
    change(lambda frame: frame[(frame["paid_at"] < gap) | (frame["paid_at"] >= gap + 7 * DAY)])
    plain_turn("fraud", now + 6 * DAY)
    assert state().stage is Stage.RETRAIN, "the first model is wanted"
    assert newest().notes["report"].endswith(".html")


def test_a_table_broken_as_a_whole_holds_and_loses_no_request(at):
    now = at("SHADOW")
    whole = pd.read_parquet(windows.locate(PROBLEM))
    change(lambda frame: frame.assign(amount=frame["amount"].astype(str)))
    plain_turn("fraud", now)
    assert (state().stage, newest().facts["arrow"]) == (Stage.SHADOW, "WAIT")
    assert state().scored < now
    assert len(logged(now - DAY, now)) == 0
    windows.materialise(PROBLEM, whole)
    plain_turn("fraud", now + DAY)
    assert state().scored == now + DAY
    there = (whole["paid_at"] >= now - DAY) & (whole["paid_at"] < now + DAY)
    assert len(logged(now - DAY, now + DAY)) == there.sum()


def test_a_rollout_takes_no_step_while_too_many_requests_are_in_quarantine(at, monkeypatch):
    now = at("SHADOW")
    verdicts(monkeypatch, SHADOW=Outcome.PASS)
    change(lambda frame: frame.assign(amount=np.where(frame["paid_at"] >= now - DAY, -1.0, frame["amount"])))
    plain_turn("fraud", now)
    assert (state().stage, newest().facts["arrow"]) == (Stage.SHADOW, "WAIT")
    assert "data fault, holding" in newest().notes["reason"]


def test_a_naive_baseline_is_fitted_on_matured_rows_and_nobody_is_judged_on_them(at, monkeypatch):
    now = at("COLD")
    monkeypatch.setattr(fraud, "PROBLEM", replace(PROBLEM, heuristic=None))
    plain_turn("fraud", now)
    champion = state().champion
    assert (champion.name, champion.trained) == ("naive baseline", False)
    assert champion.trained_until == now - PROBLEM.framing.maturity
    plain_turn("fraud", now + DAY)
    assert state().why is Reason.FIRST_MODEL
    plain_turn("fraud", now + 2 * DAY)
    two_days = len(logged(now, now + 2 * DAY))
    assert 500 <= newest().notes["metrics"]["test"]["rows"] <= 1.1 * two_days, (
        "only rows that matured since it was fitted"
    )


def test_no_retrain_takes_the_place_of_a_revert_that_waits(at, monkeypatch):
    now = promoted(at, monkeypatch)
    ask("fraud", kind="revert", note="customers complain", actor="ana", now=now)
    ask("fraud", kind="retrain", note="drift", actor="drift", reason=Reason.DRIFT, now=now)
    assert state().request.kind == "revert"
    plain_turn("fraud", now)
    assert state().champion.name == "heuristic"


def test_a_revert_to_a_model_that_cannot_serve_is_refused_and_forgotten(at, monkeypatch):
    now = promoted(at, monkeypatch)
    ask("fraud", kind="revert", note="customers complain", actor="ana", now=now)
    real = registry.load

    def load(problem, model):
        if model.name == "heuristic":
            raise modelfile.AlteredModelError("its file is gone")
        return real(problem, model)

    monkeypatch.setattr(registry, "load", load)
    plain_turn("fraud", now)
    assert (state().champion.name, state().request) == ("boosting", None)
    assert "its file is gone" in newest().notes["reason"]


def test_a_revert_in_probation_restores_the_previous_champion_at_once(at, monkeypatch):
    now = at("SHADOW")
    verdicts(monkeypatch, SHADOW=Outcome.PASS, CANARY=Outcome.PASS, AB=Outcome.PASS)
    for turn in range(3):
        plain_turn("fraud", now + turn * DAY)
    assert state().stage is Stage.PROBATION
    ask("fraud", kind="revert", note="customers complain", actor="ana", now=now + 3 * DAY)
    plain_turn("fraud", now + 3 * DAY)
    assert (state().stage, state().champion.name, state().request) == (Stage.HEALTHY, "heuristic", None)


def test_turns_half_an_hour_apart_close_no_window_twice(at, monkeypatch):
    monkeypatch.setenv("PERENNIAL_REPORTS", "all")
    now = at("HEALTHY")
    plain_turn("fraud", now + timedelta(hours=1))
    assert "report" not in newest().notes
