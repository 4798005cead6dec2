"""Is a closed window judged on all of its rows, once, and the same again, whatever was lost meanwhile?"""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from flows import drift as flow
from flows import reference
from flows.drift import Drift, drifted
from flows.reference import past_of, regime_of
from flows.turn import Turn
from schemas.plans import Reason
from schemas.rows import Entry
from schemas.stage import Stage
from schemas.verdict import Outcome, Verdict
from tasks import ledger, monitoring, runs, windows
from tasks.profiles import count_frame
from tests.flows.test_faults import change
from tests.flows.test_turns import DAY, PROBLEM, newest, state

WEEK = 7 * DAY


@pytest.fixture(autouse=True)
def no_pages(monkeypatch):
    """Evidently takes seconds to draw what other tests look at."""
    monkeypatch.setattr(flow, "reported", lambda *_, **said: {"report": sorted(said["limits"])})


def closing(now):
    """The turn at which the first window of HEALTHY closes."""
    return Turn("fraud", state(), state().since + WEEK)


def found_in(turn) -> Drift:
    found = drifted(turn)
    assert found is not None
    return found


def test_no_closed_window_costs_nothing_and_says_nothing(at, monkeypatch):
    now = at("HEALTHY")
    monkeypatch.setattr(flow, "past_of", None)
    assert drifted(Turn("fraud", state(), now)) is None


def test_a_closed_window_is_judged_on_its_own_windows_and_the_rate_is_said(at):
    turn = closing(at("HEALTHY"))
    found = found_in(turn)
    assert (found.start, found.end) == (state().since, state().since + WEEK)
    assert found.verdict.outcome is not Outcome.FAIL
    assert "a year" in found.verdict.reason or "blind" in found.verdict.reason
    features = set(PROBLEM.recipe.features)
    assert set(found.missing) == set(found.outside) == features
    assert features | {f"missing {name}" for name in features} <= set(found.distances) == set(found.limits)
    assert any(name.startswith("slice channel=") for name in found.limits)
    assert 0 <= found.score <= found.score_limit <= 1
    assert found.notes["report"] == sorted(found.limits)


def test_the_counts_are_those_of_the_windows_valid_rows(at):
    turn = closing(at("HEALTHY"))
    change(lambda frame: frame.assign(amount=np.where(frame.index % 40 == 0, -1.0, frame["amount"])))
    past = past_of(turn, state().champion)
    own, now = past.windows_before(state().since)
    features = {name: c for name, c in past.reference.columns.items() if c.kind == "feature"}
    for window in (own[-1], now):
        rows = flow_rows(window.start)
        for name, counts in count_frame(features, rows).items():
            np.testing.assert_array_equal(window.counts[name], counts, err_msg=name)
    blocks = past.reference.blocks
    assert len(blocks) == PROBLEM.monitoring.reference // WEEK
    assert sum(block.counts["hour"] for block in blocks).tolist() == past.reference.columns["hour"].counts.tolist()


def flow_rows(start):
    from flows.window import valid_rows

    return valid_rows(PROBLEM, start, start + WEEK)


def test_the_same_turn_says_the_same_again_counts_nothing_twice_and_loses_nothing_with_its_memory(at, monkeypatch):
    turn = closing(at("HEALTHY"))
    first = found_in(turn)
    with monkeypatch.context() as counting:
        counting.setattr(reference, "counted", None)
        counting.setattr(reference, "freeze", None)
        assert found_in(turn) == first
    (monitoring_file(state().champion)).unlink()
    with monkeypatch.context() as frozen:
        frozen.setattr(reference, "freeze", None)  # it is read back from MLflow
        assert found_in(turn) == first


def monitoring_file(model):
    from schemas.settings import Settings

    return Settings().root / "profiles" / "fraud" / f"{model.sha256}.json"


def test_what_moved_is_told_in_the_four_ways_that_people_know(at):
    from flows.story import markdown

    turn = closing(at("HEALTHY"))
    since = turn.state.since
    change(lambda frame: frame.assign(amount=frame["amount"].where(frame["paid_at"] < since, frame["amount"] * 4)))
    found = found_in(turn)
    assert "unusual: amount" in found.verdict.reason, "four windows of its own are too few for one alone"
    name, distance, limit, psi, ks, wasserstein, js = next(row for row in found.notes["moved"] if row[0] == "amount")
    assert distance == found.distances[name] > limit
    assert ks == pytest.approx(distance, abs=0.02)
    assert psi > 0.25
    assert 0 < js < 1
    assert wasserstein > 0
    page = markdown(
        Entry(
            turn.state, "turn", turn.state.stage, "FAIL", found.verdict, {"moved": found.notes["moved"], "versions": {}}
        )
    )
    assert f"| amount | {distance:.3f} | {limit:.3f} | {psi:.3f} |" in page


def test_what_an_earlier_version_remembered_is_made_anew(at):
    turn = closing(at("HEALTHY"))
    old = {
        "profile": {"hour": {"ordered": True, "bins": [1.0], "counts": [1, 1, 0]}},
        "past": {"2025-01-01": {"hour": 0.1}},
    }
    monitoring.remember("fraud", state().champion.sha256, old)
    assert found_in(turn).verdict.outcome is not Outcome.FAIL
    assert monitoring.recall("fraud", state().champion.sha256)["reference"]["format"] == 2


def test_a_challengers_reference_is_frozen_when_it_is_registered_with_scores_labels_slices_and_effects(at):
    at("SHADOW")
    challenger = state().challenger
    kept = runs.read_profile(PROBLEM, challenger)
    assert kept == monitoring.recall("fraud", challenger.sha256)["reference"] == json.loads(json.dumps(kept))
    kinds = {name: column["kind"] for name, column in kept["columns"].items()}
    assert {
        "score": "score",
        "label": "label",
        "amount": "feature",
        "slice channel=pos": "slice",
    }.items() <= kinds.items()
    assert kept["until"] == challenger.trained_until.isoformat()
    assert len(kept["columns"]["amount"]["bins"]) == 64
    assert sum(kept["columns"]["label"]["counts"][:-1]) > 0
    assert max(kept["effects"], key=kept["effects"].get) in PROBLEM.recipe.features
    assert 0 <= min(kept["effects"].values()) <= max(kept["effects"].values()) < 2


def test_no_label_is_in_a_reference_before_it_was_known(at):
    """A rule's reference ends when it began to serve: its newest labels come later."""
    turn = closing(at("HEALTHY"))
    labels = past_of(turn, state().champion).stored["reference"]["columns"]["label"]["counts"]
    start, until = past_of(turn, state().champion).start, past_of(turn, state().champion).until
    table = pd.read_parquet(windows.locate(PROBLEM))
    there = table[(table["paid_at"] >= start) & (table["paid_at"] < until)]
    known = there["fraud"].notna() & (there["fraud_known_at"] < turn.now)
    assert sum(labels[:-1]) == known.sum() < there["fraud"].notna().sum()


def test_a_reference_that_cannot_be_frozen_refuses_no_challenger(at, monkeypatch):
    now = at("RETRAIN")
    monkeypatch.setattr(reference, "freeze", None)
    from flows.replay import plain_turn

    plain_turn("fraud", now)
    assert state().stage is Stage.SHADOW
    assert monitoring.recall("fraud", state().challenger.sha256) is None


def test_what_moves_the_rule_is_drift_and_what_it_never_looks_at_is_listed(at):
    turn = closing(at("HEALTHY"))
    since = state().since

    def edit(frame):
        new = frame["paid_at"] >= since
        return frame.assign(
            amount_ratio=np.where(new, frame["amount_ratio"] * 30 + 10, frame["amount_ratio"]).clip(0, 9_999),
            weekday=np.where(new, 3, frame["weekday"]),
        )

    change(edit)
    effects = past_of(turn, state().champion).reference.effects
    assert effects["weekday"] == 0
    found = found_in(turn)
    assert found.verdict.outcome is Outcome.WAIT, "twelve windows alarm by none alone"
    unusual, _, aside = found.verdict.reason.partition("without an effect on predictions moved")
    assert "amount_ratio by" in unusual
    assert "weekday" in aside
    assert "weekday" not in unusual
    assert (found.limits["weekday"], found.notes["moved_since"]) == (1, since.isoformat())
    repeated = found_in(replace(turn, state=replace(state(), turned=since + WEEK), now=since + 2 * WEEK))
    assert repeated.verdict.outcome is Outcome.FAIL
    assert "amount_ratio by" in repeated.verdict.reason
    assert repeated.notes["moved_since"] == since.isoformat()


def test_a_window_of_a_few_rows_says_nothing(at):
    turn = closing(at("HEALTHY"))
    since = state().since
    change(lambda frame: frame[(frame["paid_at"] < since) | (frame.index % 1_000 == 0)])
    found = found_in(turn)
    assert found.verdict.outcome is Outcome.WAIT
    assert "say nothing about drift, 30 are needed" in found.verdict.reason


def test_what_raises_waits_and_passes_nothing(at, monkeypatch):
    turn = closing(at("HEALTHY"))
    monkeypatch.setattr(flow, "moved", None)
    found = found_in(turn)
    assert (found.verdict.outcome, found.limits) == (Outcome.WAIT, {})
    assert "could not be judged" in found.verdict.reason


def test_an_alarm_starts_another_regime_for_models_that_are_trained_after_it(at):
    now = at("HEALTHY")
    assert regime_of(PROBLEM, before=now + WEEK) is None
    before = ledger.state_of("fraud")
    after = replace(
        before, stage=Stage.RETRAIN, why=Reason.DRIFT, sequence=before.sequence + 1, at=now, turned=now, since=now
    )
    verdict = Verdict("drift", Outcome.FAIL, "moved")
    ledger.append(
        before, Entry(after, "turn", Stage.HEALTHY, "FAIL", verdict, {"moved_since": (now - 2 * WEEK).isoformat()})
    )
    assert newest().facts["why"] == "drift"
    assert regime_of(PROBLEM, before=now) == now - 2 * WEEK
    assert regime_of(PROBLEM, before=now - DAY) is None
