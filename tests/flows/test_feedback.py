"""Is the size of the loop told as it is: of labels that decisions move, of labels they hide, of features they shape?"""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from flows import __main__ as shell
from flows.feedback import feedback, loop_of, report
from flows.turn import Turn
from schemas.plans import ServingPlan
from schemas.rows import Model, State
from schemas.stage import Stage
from tasks import predictions, snapshots, windows
from tasks.exploration import with_exploration
from tasks.scoring import Answers, Outputs
from tests.flows.made import DAY, HIGH, START, added, readings
from tests.flows.test_selective import LENDER, lived

NOW = START + 60 * DAY
WINDOW = (NOW - 7 * DAY, NOW)


def shop(**plan):
    """A problem whose every row gets its label; what is decided 1 gets an offer, which makes it high more often."""
    return replace(
        HIGH,
        name="shop",
        source=replace(HIGH.source, location="shop/rows.parquet"),
        framing=HIGH.framing.model_copy(update={"entity": "z"}) if plan.get("explore_by") == "entity" else HIGH.framing,
        serving=ServingPlan(**plan),
    )


def served(problem, rows, *, effect=0.0, shapes=0.0) -> None:
    """Half of the rows are decided 1. A decision of 1 makes a row high with probability `effect`, and moves the entity's x."""
    n, rng = len(rows), np.random.default_rng(5)
    decision = (rows["z"] > 0).to_numpy(dtype=float)
    score = np.where(decision == 1, 0.8, 0.2) + 0.01 * rng.normal(size=n)
    said = Outputs(score, decision, np.full(n, None, dtype=object))
    answers = with_exploration(problem, rows, Answers(said, None, np.zeros(n, dtype=bool), 0.0, score, decision))
    high = np.where((answers.decision == 1) & (rng.random(n) < effect), 1.0, rows["high"])
    drawn = answers.explored if answers.explored is not None else np.zeros(n, dtype=bool)
    rows = rows.assign(high=high, x=np.where(drawn, rows["x"], (rows["x"] + shapes).clip(-99, 99)))
    windows.materialise(problem, rows)
    state = State(problem.name, 7, stage=Stage.HEALTHY, champion=champion(problem, rows))
    predictions.log(problem, state, rows, answers)
    predictions.log_labels(problem, rows[["id", "high", "band_at"]].set_axis(["key", "label", "known_at"], axis=1))


def champion(problem, rows=None) -> Model:
    """Trained on what was before there was an offer."""
    past = readings(days=30, seed=99)
    return Model("a" * 64, "1", "boosting", snapshot=snapshots.freeze(problem.name, past).sha256)


def loop(problem):
    return loop_of(problem, champion(problem), WINDOW, now=NOW, span=28 * DAY)


def test_what_the_decisions_do_to_labels_is_told_from_what_the_world_does(home):
    problem = shop(explore=0.2, explore_to=0)
    served(problem, readings(days=60), effect=0.6)
    found = loop(problem).numbers["label"]
    low, _, high = found["effect"]
    assert low < 0.6 * 0.5 * (1 - readings(days=60)["high"].mean()) < high, (
        "half are offered, and of those not high yet"
    )
    low, _, high = found["share"]
    assert low < 1 < high, "the world stood still: all of the change is the model's own"
    assert found["change"][1] > 0.15
    assert "is its own work" in " ".join(loop(problem).said)


def test_decisions_that_do_nothing_are_said_to_do_nothing(home):
    problem = shop(explore=0.2, explore_to=0)
    served(problem, readings(days=60))
    low, _, high = loop(problem).numbers["label"]["effect"]
    assert low < 0 < high
    assert loop(problem).numbers["moved"] == {}
    assert "none of" in loop(problem).said[-1]


def test_features_that_decisions_shape_are_named_with_their_part_of_the_drift(home):
    problem = shop(explore=0.2, explore_to=0)
    served(problem, readings(days=60), shapes=1.0)
    found = loop(problem)
    assert set(found.numbers["moved"]) == {"x"}
    assert found.numbers["moved"]["x"]["effect"][1] == pytest.approx(1.0, abs=0.25)  # in standard deviations
    assert found.numbers["moved"]["x"]["share"][1] == pytest.approx(1.0, abs=0.25)
    assert "move x" in " ".join(found.said)


def test_labels_that_only_accepted_rows_show_are_corrected_and_the_gap_is_told(home):
    rows = lived(LENDER)
    found = loop_of(LENDER, None, WINDOW, now=NOW, span=28 * DAY)
    said = found.numbers["label"]
    truth = rows.loc[rows["at"] >= pd.Timestamp(START + 30 * DAY), "high"].mean()
    assert said["labelled"] < truth - 0.1
    assert said["corrected"][0] < truth < said["corrected"][2]
    assert said["gap"][2] < 0
    assert said["unsupported"] == 0
    assert "is what the model let be seen" in " ".join(found.said)
    assert found.numbers["explored"] == pytest.approx(found.numbers["expected"], rel=0.4)


def test_the_price_of_exploring_is_told_in_losses(home):
    lived(LENDER)
    found = loop_of(LENDER, None, WINDOW, now=NOW, span=28 * DAY).numbers["price"]
    rows = predictions.cohort(LENDER, since=NOW - 29 * DAY, now=NOW)
    drawn = rows[rows["explored"] & rows["label"].notna() & (rows["champion_decision"] == 1)]
    assert found == pytest.approx((drawn["label"] * 1.0 - (1 - drawn["label"]) * 0.5).sum())


def test_without_exploration_the_unknown_share_is_said(home):
    blind = replace(LENDER, serving=ServingPlan())
    lived(blind)
    found = loop_of(blind, None, WINDOW, now=NOW, span=28 * DAY)
    assert found.numbers["label"]["unsupported"] == pytest.approx(0.5, abs=0.1)
    assert "of them nothing is known" in " ".join(found.said)
    low, _, high = found.numbers["label"]["corrected"]
    assert high - low > 0.4


def turn(problem, **state):
    state = {"stage": Stage.HEALTHY, "champion": champion(problem), "since": START, "turned": NOW - 8 * DAY} | state
    return Turn(problem.name, State(problem.name, 7, **state), NOW)


def test_a_closed_window_has_notes_and_an_open_one_none(home, tmp_path):
    problem = shop(explore=0.2, explore_to=0)
    served(problem, readings(days=60), effect=0.6)
    with added(problem, tmp_path):
        notes = feedback(turn(problem))["feedback"]
        assert notes["explored"] > 0
        assert "is its own work" in notes["said"]
        assert feedback(turn(problem, turned=NOW - DAY / 24)) == {}


def test_what_cannot_be_measured_is_said_and_stops_nothing(home, tmp_path):
    problem = shop(explore=0.2, explore_to=0)
    with added(problem, tmp_path):  # no table, and no log
        said = feedback(turn(problem))["feedback"]["said"]
    assert "could not be measured" in said or "too few" in said


def test_a_problem_that_explores_nothing_has_no_notes_and_its_command_says_how_to(home, tmp_path, capsys):
    problem = shop()
    with added(problem, tmp_path):
        assert feedback(turn(problem)) == {}
        assert shell.main(["feedback", "shop"]) == 0
    assert "explores nothing" in capsys.readouterr().out


def test_the_command_shows_the_loop_and_leaves_it_as_data(home, tmp_path, capsys):
    problem = shop(explore=0.2, explore_to=0)
    served(problem, readings(days=60), effect=0.6)
    with added(problem, tmp_path):
        assert shell.main(["feedback", "shop", "--now", NOW.isoformat()]) == 0
    said = capsys.readouterr().out
    assert "decisions were drawn (20.0% by the plan)" in said
    assert "is its own work" in said
    assert (home / "figures" / "feedback-shop.json").exists()
    assert report(problem, NOW, 28 * DAY)[1]["label"]["effect"][0] > 0
