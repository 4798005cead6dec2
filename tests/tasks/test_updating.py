"""Is an updated champion what `partial_fit` by hand makes of it, and is everything else refused?"""

import numpy as np
import pytest
from pydantic import ValidationError

from schemas.recipe import Recipe
from tasks import modelfile, scoring, training
from tasks.recalibration import bare
from tasks.splits import Split
from tasks.updating import NotUpdatableError, updated
from tests.flows import made
from tests.tasks.test_recalibration import BINARY, FEATURES, NUMBER, fitted, rows

SGD = Recipe(features=(*FEATURES, "kind"), family="sgd", start="updated")


def table(n: int, *, seed: int, odds: float = 0.0):
    kinds = np.random.default_rng(seed).choice(["a", "b"], size=n)
    return rows(n, seed=seed, odds=odds).assign(kind=kinds)


def champion(framing=BINARY):
    known = table(2_000, seed=1)
    parts = Split(known.iloc[:1_500], known.iloc[1_500:], known.iloc[:0])
    return training.fit_and_freeze(SGD.model_copy(update={"start": "anew"}), framing, parts, seed=1)


@pytest.mark.parametrize("framing", [BINARY, NUMBER])
def test_an_update_equals_partial_fit_by_hand(framing):
    start, new = champion(framing), table(700, seed=2, odds=1)
    pipeline = bare(champion(framing))
    y = new[framing.target].astype(float if framing is NUMBER else int)
    pipeline.steps[-1][1].partial_fit(pipeline[:-1].transform(new[list(SGD.features)]), y)
    found = training.fit(SGD, framing, new, seed=1, champion=start)
    assert np.array_equal(
        scoring.score(found, new, framing).score, scoring.score(pipeline, new[list(SGD.features)], framing).score
    )


def test_the_champion_stays_as_it_was_and_two_updates_are_one_model(tmp_path, monkeypatch):
    monkeypatch.setenv("PERENNIAL_HOME", str(tmp_path))
    start, new = champion(), table(700, seed=2, odds=1)
    before = modelfile.content_of(start, made.HIGH)
    once, twice = (training.fit(SGD, BINARY, new, seed=1, champion=start) for _ in range(2))
    assert modelfile.content_of(start, made.HIGH) == before
    assert modelfile.content_of(once, made.HIGH) == modelfile.content_of(twice, made.HIGH)


def test_it_follows_a_shift_that_the_champion_has_not_seen():
    start, later = champion(), table(4_000, seed=4, odds=2)
    found = training.fit(SGD, BINARY, table(2_000, seed=3, odds=2), seed=1, champion=start)
    y = later["high"].to_numpy()
    loss = [scoring.row_loss(scoring.score(m, later, BINARY), y, BINARY).mean() for m in (start, found)]
    assert loss[1] < loss[0] - 0.01


def test_a_champion_that_cannot_be_fitted_on_is_refused():
    new = rows(300, seed=5)
    with pytest.raises(NotUpdatableError, match="HistGradientBoostingClassifier has no partial_fit"):
        updated(fitted(BINARY, "boosting"), new[list(FEATURES)], new["high"])
    with pytest.raises(NotUpdatableError, match="keeps the columns"):
        updated(champion(), new[list(FEATURES)], new["high"])


def test_only_the_family_that_can_is_updated():
    with pytest.raises(ValidationError, match="only the family sgd"):
        Recipe(features=FEATURES, start="updated")


def test_half_as_much_for_each_half_life():
    """Weights by age are what scikit-learn is given: old rows of another slope hardly count."""
    from datetime import timedelta

    old, new = rows(3_000, seed=6), rows(1_000, seed=7)
    old = old.assign(y=-old["y"])
    new = new.assign(at=new["at"] + timedelta(days=60), id=new["id"] + 10_000)
    both = old.merge(new, how="outer")
    plain, weighed = (
        training.fit(Recipe(features=FEATURES, family="linear", half_life=half), NUMBER, both, seed=1)
        for half in (None, timedelta(days=5))
    )
    ahead = rows(500, seed=8)
    error = [np.abs(m.predict(ahead[list(FEATURES)]) - ahead["y"]).mean() for m in (plain, weighed)]
    assert error[0] > 8
    assert error[1] < 2
