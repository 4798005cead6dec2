"""Is the training window chosen on validation rows alone, and does the evidence say what was measured?"""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from flows.reach import OWN, chosen, offered
from flows.training import Given, folds_for, rows_for
from flows.turn import Turn
from schemas.plans import Reach, Reason
from schemas.recipe import Recipe
from schemas.rows import Model, Request, State
from schemas.stage import Stage
from tasks import windows
from tests.flows import made
from tests.flows.made import DAY, HIGH, START

NOW = START + 60 * DAY
CHANGE = START + 36 * DAY
REACHES = (
    Reach(rows="all"),
    Reach(rows="trailing", window=12 * DAY),
    Reach(rows="since the change"),
    Reach(rows="all", half_life=4 * DAY),
)
PLAN = HIGH.retraining.model_copy(update={"reaches": REACHES, "validation": 5 * DAY})
OFFERING = replace(
    HIGH,
    retraining=PLAN,
    recipe=Recipe(features=("x", "z", "kind"), family="linear", window=50 * DAY),
    data=HIGH.data.model_copy(update={"fold_below": 0}),
)


def table(*, changed: bool) -> pd.DataFrame:
    """Sixty days; where the world `changed`, what was high is low from then on."""
    rows = made.readings(days=60, straight=True)
    late = rows["at"] >= CHANGE
    return rows.assign(high=rows["high"].where(~(late & changed), 1 - rows["high"]))


def turn(**known) -> Turn:
    champion = Model("0" * 64, "1", "naive baseline")
    return Turn("high", State("high", stage=Stage.RETRAIN, champion=champion, since=NOW, tried=NOW, **known), NOW)


def given(tmp_path, *, changed: bool, **known) -> Given:
    windows.materialise(OFFERING, table(changed=changed))
    with made.added(OFFERING, tmp_path):
        found = rows_for(turn(**known))
    assert isinstance(found, Given)
    return found


def test_after_a_change_the_window_that_forgets_is_taken(home, tmp_path):
    found = given(tmp_path, changed=True)
    assert found.window["chosen"] in ("trailing 12 days", "all, half-life 4 days")
    low, gain, _ = found.window["gains"][found.window["chosen"]]
    losses = found.window["losses"]
    assert gain == pytest.approx(losses[OWN] - losses[found.window["chosen"]])
    assert low > 0
    assert found.recipe.window == {"trailing 12 days": 12 * DAY}.get(found.window["chosen"])


def test_the_choice_looks_at_validation_rows_and_never_at_those_held_out(home, tmp_path):
    """Labels of the held-out rows turned round change nothing of the choice."""
    before = given(tmp_path, changed=True)
    held_out = before.folds[0].test["id"]
    rows = table(changed=True)
    turned = rows["high"].where(~rows["id"].isin(held_out), 1 - rows["high"])
    windows.materialise(OFFERING, rows.assign(high=turned))
    with made.added(OFFERING, tmp_path):
        after = rows_for(turn())
    assert after.window == before.window
    assert before.window["rows"] == len(before.folds[0].validation) > 500


def test_in_a_world_that_stays_all_are_judged_on_the_same_rows(home, tmp_path):
    found = given(tmp_path, changed=False)
    assert set(found.window["losses"]) == {OWN, "all", "trailing 12 days", "all, half-life 4 days"}
    assert np.ptp(list(found.window["losses"].values())) < 0.02


def test_since_the_change_is_offered_where_an_alarm_says_when(home, tmp_path):
    windows.materialise(OFFERING, table(changed=True))
    with made.added(OFFERING, tmp_path):
        assert "since the change" not in offered(turn(why=Reason.SCHEDULE), OFFERING.recipe)
        drifted = offered(turn(why=Reason.DRIFT), OFFERING.recipe)
        decayed = offered(turn(why=Reason.DECAY), OFFERING.recipe)
    maturity = OFFERING.framing.maturity
    assert drifted["since the change"].window == OFFERING.monitoring.window - maturity
    assert decayed["since the change"].window == OFFERING.monitoring.decay_window


def test_what_is_ordered_or_made_from_the_champion_is_not_chosen_among(home, tmp_path):
    order = Request("retrain", Reason.PERSON, "", "me", window_days=9.0)
    with made.added(OFFERING, tmp_path):
        assert list(offered(turn(order=order), OFFERING.recipe)) == [OWN]
        remapped = OFFERING.recipe.model_copy(update={"start": "recalibrated"})
        assert list(offered(turn(), remapped)) == [OWN]


@pytest.mark.parametrize("actor, from_the_change_on", [("triage", True), ("ana", False)])
def test_no_row_from_before_a_change_is_fitted_where_triage_says_when_it_was(home, tmp_path, actor, from_the_change_on):
    """A person's window reaches back from the rows that are judged on, as the recipe's own does."""
    windows.materialise(OFFERING, table(changed=True))
    order = Request("retrain", Reason.DRIFT, "", actor, window_days=(NOW - CHANGE) / DAY)
    with made.added(OFFERING, tmp_path):
        found = rows_for(turn(order=order))
    assert isinstance(found, Given)
    oldest = found.folds[0].train["at"].min()
    assert (oldest >= CHANGE - OFFERING.framing.maturity) is from_the_change_on


def test_a_window_with_too_few_rows_is_left_out_and_named(home, tmp_path):
    windows.materialise(OFFERING, table(changed=False))
    with made.added(OFFERING, tmp_path):
        asked, until = turn(), NOW - OFFERING.framing.maturity
        labelled = windows.read_window(OFFERING, START, until, as_of=NOW).dropna(subset=["high"])
        short = OFFERING.recipe.model_copy(update={"window": 2 * DAY})
        recipes = {OWN: OFFERING.recipe, "two days": short}
        parts = {name: (one, folds_for(asked, one, labelled, until)) for name, one in recipes.items()}
        found = chosen(asked, parts)
    assert found.name == OWN
    assert "240 training rows, 500 are needed" in found.noted()["left_out"]["two days"]


def test_validation_rows_of_one_day_choose_nothing(home, tmp_path):
    windows.materialise(OFFERING, table(changed=True))
    with made.added(OFFERING, tmp_path):
        asked, until = turn(), NOW - OFFERING.framing.maturity
        labelled = windows.read_window(OFFERING, START, until, as_of=NOW).dropna(subset=["high"])
        parts = {
            name: (one, folds_for(asked, one, labelled, until))
            for name, one in offered(turn(), OFFERING.recipe).items()
        }
        day = next(iter(parts[OWN][1])).validation["at"].dt.floor("D").min()

        def of_one_day(folds):
            return tuple(
                replace(part, validation=part.validation[part.validation["at"].dt.floor("D") == day]) for part in folds
            )

        found = chosen(asked, {name: (one, of_one_day(folds)) for name, (one, folds) in parts.items()})
    assert (found.name, found.noted()) == (OWN, {})
    assert "two are needed" in found.left_out[OWN]


def test_without_an_offer_nothing_is_measured(home, tmp_path):
    windows.materialise(HIGH, table(changed=False))
    with made.added(HIGH, tmp_path):
        found = rows_for(turn())
    assert found.window == {}


@pytest.mark.parametrize(
    "said", [{"rows": "trailing"}, {"rows": "all", "window": DAY}, {"rows": "all", "half_life": timedelta(0)}]
)
def test_a_reach_says_how_far(said):
    with pytest.raises(ValidationError):
        Reach(**said)
