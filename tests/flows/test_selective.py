"""Where only accepted rows show a label: do explored rows judge, do labelled ones weigh what they stand for, and does it wait?"""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from flows.quality import quality
from flows.replay import plain_turn
from flows.reproduction import reproduce
from flows.selective import chances, judged, labels_chosen
from flows.training import rows_for
from flows.turn import Turn
from schemas.framing import CostLoss
from schemas.plans import Gate, RetrainingPlan, ServingPlan
from schemas.rows import Model, State
from schemas.stage import Stage
from schemas.verdict import Outcome, Verdict
from tasks import database, labels, ledger, predictions, quality_log, windows
from tasks.exploration import with_exploration
from tasks.scoring import Answers, Outputs
from tasks.splits import Split
from tasks.transitions import Decision
from tests.flows import made
from tests.flows.made import DAY, HIGH, START, added, readings

SERVED, NOW = START + 30 * DAY, START + 60 * DAY
CHAMPION = Model("a" * 64, "1", "boosting", trained_from=START, trained_until=SERVED, held_out={"loss": 0.2})
LENDER = replace(
    HIGH,
    name="lender",
    source=replace(HIGH.source, location="lender/rows.parquet"),
    framing=HIGH.framing.model_copy(update={"labelled_when": 0, "loss": CostLoss(false_alarm=0.5)}),
    serving=ServingPlan(explore=0.1),
    retraining=HIGH.retraining.model_copy(update={"test": 14 * DAY, "test_rows": 30}),
    recipe=HIGH.recipe.model_copy(update={"window": 50 * DAY}),
)


def lender(**plan):
    return replace(LENDER, serving=ServingPlan(**plan))


def answered(problem, rows: pd.DataFrame) -> pd.DataFrame:
    """The champion refuses where x is above zero. The log of that, and the table as it then stands: labels of accepted rows."""
    n = len(rows)
    score = (1 / (1 + np.exp(-rows["x"]))).to_numpy()
    said = Outputs(score, (score >= 0.5).astype(float), np.full(n, None, dtype=object))
    answers = Answers(said, None, np.zeros(n, dtype=bool), 0.0, said.score, said.decision)
    answers = with_exploration(problem, rows, answers)
    state = State(problem.name, 7, stage=Stage.HEALTHY, rollout=1, champion=CHAMPION)
    predictions.log(problem, state, rows, answers)
    seen = rows[answers.decision == 0]
    predictions.log_labels(problem, seen[["id", "high", "band_at"]].set_axis(["key", "label", "known_at"], axis=1))
    accepted = pd.Series(answers.decision == 0, index=rows.index)
    return rows.assign(high=rows["high"].where(accepted), band_at=rows["band_at"].where(accepted))


def lived(problem, *, days=60) -> pd.DataFrame:
    """Thirty days in which everybody was accepted, and since then a model that decides."""
    rows = readings(days=days, straight=True)
    late = rows["at"] >= pd.Timestamp(SERVED)
    table = pd.concat([rows[~late], answered(problem, rows[late])])
    windows.materialise(problem, table)
    return rows


def at_retrain(problem, *, since=NOW - DAY) -> Turn:
    return Turn(problem.name, State(problem.name, 7, stage=Stage.RETRAIN, champion=CHAMPION, since=since), NOW)


@pytest.fixture
def team(tmp_path):
    """Problems by their file, as anybody adds one."""

    class Team:
        def add(self, problem):
            one = added(problem, tmp_path)
            one.__enter__()
            self.open = [*getattr(self, "open", []), one]
            return problem

    team = Team()
    yield team
    for one in getattr(team, "open", []):
        one.__exit__(None, None, None)


def cohort(problem):
    return predictions.cohort(problem, since=SERVED, now=NOW)


def test_explored_rows_judge_and_their_labels_are_those_of_all(home):
    rows = lived(LENDER)
    matured = cohort(LENDER)
    found, verdict = judged(LENDER, matured)
    assert verdict.outcome is Outcome.PASS
    assert found["explored"].all()
    assert found["label"].notna().all()
    truth = rows.loc[rows["at"] >= pd.Timestamp(SERVED), "high"].mean()
    assert found["label"].mean() == pytest.approx(truth, abs=4 * np.sqrt(0.25 / len(found)))
    assert matured["label"].mean() < truth - 0.1, "labelled rows are those that the model liked"
    refused = matured[matured["champion_decision"] == 1]
    assert set(chances(LENDER, refused).round(9)) == {0.1}


def test_without_exploration_every_gate_that_needs_labels_waits_and_says_why(home, team):
    blind = team.add(lender())
    lived(blind)
    _, verdict = judged(blind, cohort(blind))
    assert verdict.outcome is Outcome.WAIT
    assert "nothing is explored (ServingPlan.explore)" in verdict.reason
    state = State(blind.name, 7, stage=Stage.HEALTHY, champion=CHAMPION, since=SERVED, turned=NOW - 8 * DAY)
    found = quality(Turn(blind.name, state, NOW))
    assert found is not None
    assert found.verdict.outcome is Outcome.WAIT
    assert "no label comes" in found.verdict.reason


def test_decay_is_judged_on_the_explored_rows(home, team):
    problem = team.add(LENDER)
    lived(problem)
    state = State(problem.name, 7, stage=Stage.HEALTHY, champion=CHAMPION, since=SERVED, turned=NOW - 8 * DAY)
    found = quality(Turn(problem.name, state, NOW))
    rows = cohort(problem)
    rows = rows[(rows["event_time"] >= pd.Timestamp(NOW - DAY - problem.monitoring.decay_window)) & rows["explored"]]
    wrong = np.where(rows["label"] == 1, rows["champion_decision"] == 0, 0.5 * (rows["champion_decision"] == 1))
    daily = pd.Series(wrong).groupby(rows["event_time"].dt.floor("D").to_numpy()).mean()
    assert found is not None
    assert found.verdict.evidence["live"] == pytest.approx(daily.mean())


def test_realised_quality_is_that_of_the_drawn_rows(home, team):
    """A model that refuses what is bad hides that it was right: of the rows that got a label nearly all were accepted."""
    problem = team.add(LENDER)
    rows = lived(problem)
    state = State(problem.name, 7, stage=Stage.HEALTHY, champion=CHAMPION, since=SERVED, turned=NOW - 8 * DAY)
    quality(Turn(problem.name, state, NOW))
    figures = quality_log.figures(problem, kinds=["realised"], metrics=["base rate"])
    drawn = cohort(problem).query("explored")
    assert figures
    for one in figures:
        at = drawn[(drawn["event_time"] >= pd.Timestamp(one.start)) & (drawn["event_time"] < pd.Timestamp(one.end))]
        assert (one.rows, one.value) == (len(at), pytest.approx(at["label"].mean()))
    late = rows[rows["at"] >= pd.Timestamp(SERVED)]
    said = cohort(problem)["label"].dropna().mean()
    mean = np.average([one.value for one in figures], weights=[one.rows for one in figures])
    assert abs(mean - late["high"].mean()) < 0.08 < late["high"].mean() - said


def test_where_every_row_is_labelled_all_of_them_judge_as_before(home):
    problem = replace(LENDER, framing=LENDER.framing.model_copy(update={"labelled_when": None}))
    rows = pd.DataFrame({"label": [1.0, np.nan, 0.0], "explored": [True, False, False]})
    found, verdict = judged(problem, rows)
    assert found is rows
    assert verdict.evidence["unlabelled"] == 1


def test_an_explored_row_whose_label_never_came_is_missed(home):
    rows = pd.DataFrame(
        {"label": [np.nan, 0.0], "explored": [True, True], "answer_decision": [0.0, 0.0], "propensity": [0.1, 1.0]}
    )
    found, verdict = judged(LENDER, rows)
    assert len(found) == 2
    assert verdict.outcome is Outcome.WAIT
    assert "1 of 2 matured rows have no label" in verdict.reason


def test_a_labelled_row_weighs_as_many_as_it_stands_for_and_explored_ones_judge(home, team):
    problem = team.add(LENDER)
    lived(problem)
    given = rows_for(at_retrain(problem))
    assert not isinstance(given, Decision)
    chosen = given.chosen
    assert chosen is not None
    decided = predictions.decided(problem, since=START, until=NOW)
    keys = given.labelled["id"].astype(str)
    heavy = chosen.weights > 1.01 * chosen.weights.min()
    explored = decided.reindex(keys)["explored"].fillna(False).astype(bool).to_numpy()
    assert heavy.sum() > 20
    assert explored[heavy.to_numpy()].all(), "only a refused row that was drawn stands for ten"
    assert chosen.weights.max() / chosen.weights.min() == pytest.approx(10)
    test = given.folds[0].test
    assert decided.loc[test["id"].astype(str), "explored"].all()
    late = given.labelled[given.labelled["at"] >= pd.Timestamp(SERVED)]
    shown = chosen.judged(Split(late, late, late))
    assert len(shown.train) == len(late)
    assert decided.loc[shown.validation["id"].astype(str), "explored"].all()
    assert 0 < len(shown.validation) < len(late)
    assert chosen.notes["weight cut"] == 0
    assert chosen.notes["effective"] < len(given.labelled)


def test_the_weights_bring_back_the_mean_of_all_rows(home, team):
    problem = team.add(LENDER)
    rows = lived(problem)
    given = rows_for(at_retrain(problem))
    assert not isinstance(given, Decision)
    assert given.chosen is not None
    late = given.labelled["at"] >= pd.Timestamp(SERVED)
    weighed = np.average(given.labelled.loc[late, "high"], weights=given.chosen.weights[late])
    truth = rows.loc[rows["at"] >= pd.Timestamp(SERVED), "high"].mean()
    assert weighed == pytest.approx(truth, abs=0.06)
    assert given.labelled.loc[late, "high"].mean() < truth - 0.1


def test_a_weight_over_the_plans_is_cut_and_that_is_told(home, team):
    cut = RetrainingPlan.model_validate(LENDER.retraining.model_dump() | {"weight_at_most": 2})
    problem = team.add(replace(LENDER, retraining=cut))
    lived(problem)
    given = rows_for(at_retrain(problem))
    assert not isinstance(given, Decision)
    assert given.chosen is not None
    assert given.chosen.weights.max() / given.chosen.weights.min() == pytest.approx(2)
    assert 0 < given.chosen.notes["weight cut"] < 1


def test_a_retrain_without_exploration_waits_and_is_refused_when_its_patience_ends(home, team):
    blind = team.add(lender())
    lived(blind)
    found = rows_for(at_retrain(blind))
    assert isinstance(found, Decision)
    assert found.verdict.outcome is Outcome.WAIT
    assert "nothing is explored" in found.verdict.reason
    late = rows_for(at_retrain(blind, since=NOW - blind.retraining.patience))
    assert isinstance(late, Decision)
    assert late.verdict.outcome is Outcome.FAIL


def test_a_plan_that_ignores_it_takes_labelled_rows_as_they_are(home, team):
    plan = LENDER.retraining.model_copy(update={"selective": "ignore"})
    problem = team.add(replace(lender(), retraining=plan))
    lived(problem)
    given = rows_for(at_retrain(problem))
    assert not isinstance(given, Decision)
    assert given.chosen is None


def test_gaps_from_before_the_log_are_no_sample_of_anything(home):
    rows = readings(days=20)
    rows["high"] = rows["high"].where(rows["x"] < 0)
    found = labels_chosen(LENDER, rows, rows.dropna(subset=["high"]), since=START, until=NOW)
    assert isinstance(found, Verdict)
    assert found.outcome is Outcome.WAIT
    assert "from before the log" in found.reason


def test_a_label_that_the_decision_could_not_show_is_left_out(home):
    rows = readings(days=60, straight=True)
    late = rows[rows["at"] >= pd.Timestamp(SERVED)]
    answered(LENDER, late)
    found = labels_chosen(LENDER, late, late, since=START, until=NOW)  # the table holds all labels, as an old one does
    assert not isinstance(found, Verdict | None)
    decided = predictions.decided(LENDER, since=START, until=NOW)
    assert (decided.loc[found.labelled["id"].astype(str), "answer_decision"] == 0).all()
    assert len(found.labelled) < len(late)


def test_the_loop_goes_from_nothing_into_a_shadow_that_explored_rows_judge(tmp_path, monkeypatch):
    """Real turns: a baseline that accepts all, a first model, and its shadow."""
    plan = HIGH.retraining.model_copy(update={"gates": (Gate.NO_OVERLAP,), "test_rows": 30})
    problem = replace(LENDER, name="loans", recipe=HIGH.recipe, serving=ServingPlan(explore=0.3), retraining=plan)
    problem = replace(problem, source=replace(HIGH.source, location="loans/rows.parquet"))
    made.settle(tmp_path / "home", problem, readings(days=50, straight=True))
    begin = START + 38 * DAY
    with added(problem, tmp_path):
        monkeypatch.setenv("PERENNIAL_HOME", str(tmp_path / "home"))
        monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
        for day in (0, 1, 4, 8):
            plain_turn(problem.name, begin + day * DAY)
        rows = list(ledger.rows(problem.name))
        trained = next(row for row in rows if row.facts["before"] == "RETRAIN")
        assert trained.facts["stage"] == "SHADOW", trained.notes
        assert trained.notes["selective"]["may judge"] > 500  # nearly all are from before the log
        assert reproduce(trained.notes["run"]).same_content, "weighed as it was"
        shadow = [row for row in rows if row.facts["before"] == "SHADOW"]
        seen = shadow[-1].facts["statistics"]["labels complete.rows"]
        answered_ = predictions.cohort(problem, since=begin, now=begin + 9 * DAY, stages=("SHADOW",), matured=False)
        assert 0 < seen < 0.5 * len(answered_)
        assert answered_["explored"].mean() == pytest.approx(0.3, abs=0.1)
        database.close_databases()


def test_a_label_that_a_client_sends_of_a_refused_row_judges_nobody(home):
    lived(LENDER)
    refused = cohort(LENDER).query("answer_decision == 1").iloc[0]
    labels.take_in(LENDER, [(refused["key"], 1, NOW - DAY)], now=NOW)
    assert cohort(LENDER).set_index("key")["label"][refused["key"]] == 1
    assert refused["key"] not in set(judged(LENDER, cohort(LENDER))[0]["key"])
