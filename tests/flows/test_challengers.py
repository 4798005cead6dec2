"""Do challengers that are made from the champion go through the same gates, and is every row they know of accounted for?"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from deployments.ways import WAYS, compare, judged_rows, shown
from flows.operations import ask
from flows.recipes import incumbent, origin
from flows.replay import plain_turn
from flows.training import make_challenger, recipe_for
from flows.trial import keys_of
from flows.turn import Turn
from flows.worth import worth_lines, worths
from schemas.plans import Gate, Promotion, Reason, RetrainingPlan
from schemas.problem import Problem
from schemas.recipe import Recipe
from schemas.rows import Request
from schemas.stage import Stage
from schemas.verdict import Outcome
from tasks import database, ledger, predictions, registry, scoring, snapshots, tracking, windows
from tasks.development import before_held_out
from tests.flows import made
from tests.flows.made import DAY

NAME = "shifting"
SHIFT = made.START + 46 * DAY
BEGIN = made.START + 38 * DAY
LATER = made.START + 62 * DAY

SHIFTING = made.bare(
    NAME,
    recipe=Recipe(features=("x", "z", "kind"), family="sgd", window=28 * DAY),
    retraining=RetrainingPlan(
        every=None,
        cooldown=DAY,
        test=5 * DAY,
        validation=2 * DAY,
        test_rows=300,
        test_uses=2,  # a test below looks twice
        slice_rows=50,
        gates=tuple(gate for gate in Gate if gate not in (Gate.SIMPLICITY, Gate.CALIBRATION)),
        promotion={Reason.PERSON: "non-inferiority"},
    ),
    monitoring=made.HIGH.monitoring.model_copy(update={"decay_window": timedelta(days=1), "decay_blocks": 50}),
)


def table() -> pd.DataFrame:
    """Readings of which far fewer are high from a moment on, whatever their features say: a label shift."""
    rows = made.readings(days=85, straight=True)
    late = (rows["at"] >= SHIFT) & (np.random.default_rng(3).random(len(rows)) < 0.7)
    return rows.assign(high=rows["high"].where(~late, 0.0))


@pytest.fixture(scope="module")
def healthy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A home in which a first trained model has become champion before the shift."""
    folder = tmp_path_factory.mktemp("challengers")
    made.settle(folder / "home", SHIFTING, table())
    with made.added(SHIFTING, folder), pytest.MonkeyPatch.context() as patch:
        patch.setenv("PERENNIAL_HOME", str(folder / "home"))
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        _until_healthy(BEGIN)
        said = [f"{row.facts['arrow']} {row.facts['gate']}: {row.notes['reason']}" for row in ledger.rows(NAME)]
        assert ledger.state_of(NAME).champion.name == "sgd", said
        yield
        database.close_databases()


def _until_healthy(start) -> None:
    for day in range(20):
        plain_turn(NAME, start + day * DAY)
        state = ledger.state_of(NAME)
        if state.stage is Stage.HEALTHY and state.ended and state.ended >= start:
            return
    raise AssertionError(f"still {state.stage}")


def ordered(start: str, family: str = "sgd") -> Turn:
    """RETRAIN as a request for this kind of challenger leaves it, sixteen days after the labels shifted."""
    recipe = SHIFTING.recipe.model_copy(update={"start": start, "family": family}).model_dump(mode="json")
    ask(NAME, kind="retrain", note="labels shifted", actor="test", recipe=recipe, now=LATER)
    plain_turn(NAME, LATER)
    state = ledger.state_of(NAME)
    assert state.stage is Stage.RETRAIN
    return Turn(NAME, state, LATER + DAY)


def losses(model, since) -> float:
    rows = windows.read_window(SHIFTING, since, since + 5 * DAY, as_of=since + 30 * DAY)
    said = scoring.score(registry.load(SHIFTING, model), rows, SHIFTING.framing)
    return float(scoring.row_loss(said, rows["high"].to_numpy(), SHIFTING.framing).mean())


@pytest.fixture(scope="module")
def rolled_out(healthy) -> list[ledger.Row]:
    """A recalibrated challenger that was asked for and went the whole way."""
    turn = ordered("recalibrated")
    _until_healthy(turn.now)
    return list(ledger.rows(NAME))


def accepted(rows: list[ledger.Row]) -> ledger.Row:
    return [row for row in rows if row.facts["before"] == "RETRAIN" and row.facts["arrow"] == "PASS"][-1]


def test_a_recalibrated_champion_goes_through_every_gate_and_serves(rolled_out):
    champion, before = rolled_out[-1].state.champion, rolled_out[-1].state.previous
    assert champion.name == "recalibrated sgd"
    assert champion.trained
    assert champion.base == before.sha256
    said = {gate: outcome for gate, outcome, _ in accepted(rolled_out).notes["gates"]}
    assert {"fresh test set", "no overlap", "offline non-inferiority to champion"} <= set(said)
    assert losses(champion, LATER) < losses(before, LATER) - 0.02


def test_its_rows_are_those_of_the_champion_and_its_own(rolled_out):
    champion, before = rolled_out[-1].state.champion, rolled_out[-1].state.previous
    own, older = (set(snapshots.keys(NAME, model.snapshot, "id")) for model in (champion, before))
    assert older < own
    assert champion.trained_from == before.trained_from
    assert champion.trained_until > before.trained_until
    later = windows.read_window(SHIFTING, LATER, LATER + DAY, as_of=LATER + 2 * DAY)
    assert set(keys_of(SHIFTING, champion, later)) == own


def test_the_run_names_the_champion_it_was_made_from(rolled_out):
    run = accepted(rolled_out).notes["run"]
    data = tracking.api().get_run(run).data
    assert data.tags["base"] == rolled_out[-1].state.previous.sha256
    assert data.params["start"] == "recalibrated"


def test_a_retry_makes_the_same_model(rolled_out):
    judged = accepted(rolled_out)
    before = rolled_out[rolled_out.index(judged) - 1].state
    again = make_challenger(Turn(NAME, before, judged.state.at))
    assert again.model.sha256 == judged.state.challenger.sha256
    assert again.snapshot == judged.state.snapshot


def test_what_it_was_worth_stands_in_the_ledger_beside_what_was_promised(rolled_out):
    found = worths(NAME)
    assert [one.promoted for one in found] == [True, True]
    last = found[-1]
    promised = accepted(rolled_out).facts["statistics"]["offline non-inferiority to champion.gain"]
    assert last.predicted == promised > 0
    assert last.realised.low > 0
    assert last.rows > 300
    assert last.newer_days is None, "a re-mapping learns nothing by which models age"
    assert "was promised" in rolled_out[-1].notes["worth"]
    *_, said = worth_lines(NAME)
    assert "in 2 of 2 rollouts, too few for a rank correlation" in said


def test_without_a_rollout_each_accepted_challenger_answers_from_the_moment_it_was_trained(rolled_out):
    """By hand, from the ledger and the models that are registered there."""
    start, end = BEGIN, rolled_out[-1].state.at
    found = compare(SHIFTING, start, end)
    rows = judged_rows(SHIFTING, start, end)
    log = predictions.served(SHIFTING, since=start, until=end).set_index("key")
    rows = rows[rows["id"].astype(str).isin(log.index)]
    said = rows["id"].astype(str).map(log["answer_score"]).to_numpy(dtype=float, copy=True)
    for row in rolled_out:
        if row.facts["before"] == "RETRAIN" and row.facts["arrow"] == "PASS":
            later = (rows["at"] >= pd.Timestamp(row.state.at)).to_numpy()
            model = registry.load(SHIFTING, row.state.challenger)
            said[later] = scoring.score(model, rows[later], SHIFTING.framing).score
    assert found["rows"] == len(rows)
    assert found["loop_without_rollout"] == pytest.approx(roc_auc_score(rows["high"], said))
    best = max(found["weekly_all"], found["weekly_trailing"])
    assert found["ratio_to_best_weekly"] == pytest.approx(found["loop"] / best)
    assert found["price_of_rollout"] == pytest.approx(found["loop_without_rollout"] - found["loop"])
    assert found["weekly_retrains"] == -(-(end - start) // timedelta(days=7))
    table = list(shown(SHIFTING, found))
    assert all(any(line.strip().startswith(way) for line in table) for way in WAYS)


@pytest.mark.parametrize("family, says", [("boosting", "cannot be updated"), ("sgd", None)])
def test_an_update_is_a_challenger_like_any_other(healthy, rolled_out, family, says):
    """From the recalibrated sgd champion: its estimator learns on. A recipe that a champion cannot follow is refused."""
    state = ledger.state_of(NAME)
    features = ("x", "z") if says else ("x", "z", "kind")
    recipe = SHIFTING.recipe.model_copy(update={"start": "updated", "features": features}).model_dump(mode="json")
    now = state.at + 5 * DAY
    ask(NAME, kind="retrain", note="learn on", actor="test", recipe=recipe, now=now)
    wanted = replace(ledger.state_of(NAME), stage=Stage.RETRAIN, rollout=99, tried=now, since=now)
    wanted = replace(wanted, order=wanted.request, promotion="non-inferiority", why=Reason.PERSON)
    decision = make_challenger(Turn(NAME, wanted, now))
    if says:
        assert decision.verdict.outcome is Outcome.FAIL
        assert says in decision.verdict.reason
    else:
        assert decision.verdict.outcome is Outcome.PASS, decision.verdict.reason
        assert decision.model.name == "sgd"
        assert decision.model.base == state.champion.sha256


def test_nothing_is_made_from_a_rule(tmp_path, monkeypatch):
    problem: Problem = replace(SHIFTING, name="ruled", source=replace(SHIFTING.source, location="ruled/rows.parquet"))
    made.settle(tmp_path / "home", problem, table())
    monkeypatch.setenv("PERENNIAL_HOME", str(tmp_path / "home"))
    with made.added(problem, tmp_path):
        plain_turn("ruled", BEGIN)
        state = ledger.state_of("ruled")
        recipe = problem.recipe.model_copy(update={"start": "recalibrated"}).model_dump(mode="json")
        ask("ruled", kind="retrain", note="", actor="test", recipe=recipe, now=BEGIN)
        plain_turn("ruled", BEGIN + DAY)
        decision = make_challenger(Turn("ruled", ledger.state_of("ruled"), BEGIN + 2 * DAY))
        database.close_databases()
    assert not state.champion.trained
    assert decision.verdict.outcome is Outcome.FAIL
    assert "has learned nothing to go on from" in decision.verdict.reason


def test_what_experiments_found_is_judged_by_rows_they_did_not_see_and_trained_by_once_it_serves(healthy):
    recipe = SHIFTING.recipe.model_copy(update={"parameters": {"alpha": 2e-4}, "window": 20 * DAY})
    order = Request("retrain", Reason.EXPERIMENTS, "a night", "experiments", None, recipe.model_dump(mode="json"))
    state = replace(ledger.state_of(NAME), stage=Stage.RETRAIN, order=order, promotion=Promotion.NON_INFERIORITY)
    turn = Turn(NAME, state, made.START + 84 * DAY)

    decision = make_challenger(turn)
    held_out = decision.notes["held_out"]
    assert held_out["folds"] == 1
    seen = before_held_out(SHIFTING, table(), until=turn.now - SHIFTING.framing.maturity)
    assert seen["at"].max() < pd.Timestamp(held_out["from"])

    assert decision.verdict.outcome is Outcome.PASS
    assert incumbent(SHIFTING, decision.model) == recipe
    assert recipe_for(replace(turn, state=replace(state, order=None, champion=decision.model))) == recipe
    edited = replace(SHIFTING, recipe=SHIFTING.recipe.model_copy(update={"window": 25 * DAY}))
    assert incumbent(edited, decision.model) == edited.recipe


def test_what_triage_orders_for_once_is_no_recipe_for_later(healthy):
    shorter = Request("retrain", Reason.DECAY, "an incident", "triage", window_days=9.0)
    state = replace(ledger.state_of(NAME), stage=Stage.RETRAIN, order=shorter)
    turn = Turn(NAME, state, made.START + 84 * DAY)
    assert recipe_for(turn).window == 9 * DAY
    assert Recipe.model_validate_json(origin(turn)["trains_by"]) == SHIFTING.recipe
