"""Does a re-mapped champion say again what is true, keep its order, and survive being saved, loaded and served?"""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.special import logit

from schemas.framing import AbsoluteLoss, BrierLoss, Framing, LogLoss
from schemas.recipe import Recipe
from tasks import modelfile, scoring, training
from tasks.fastpath import fast_path
from tasks.recalibration import RecalibratedClassifier, UselessScoresError, bare, recalibrated
from tasks.splits import Split
from tests.flows import made

FEATURES = ("x", "z")
BASE = made.HIGH.framing.model_dump() | {"requirements": (), "costs": None, "behaviours": (), "fairness": ()}
BINARY = Framing.model_validate(BASE | {"loss": BrierLoss()})
NUMBER = Framing.model_validate(
    BASE | {"task": "regression", "target": "y", "loss": AbsoluteLoss(bound=50.0), "metric": "mae"}
)
CLASSES = made.PROBLEM.framing.model_copy(update={"loss": LogLoss(), "requirements": (), "behaviours": ()})


def rows(n: int, *, seed: int, odds: float = 0.0, scale: float = 1.0) -> pd.DataFrame:
    """Labels drawn from a logistic model of x; `odds` more log-odds of a one, and a slope `scale` times as steep."""
    rng = np.random.default_rng(seed)
    x, z = rng.normal(size=(2, n))
    p = 1 / (1 + np.exp(-(scale * 2 * x + odds)))
    at = pd.date_range(made.START, periods=n, freq="10min")
    band = np.array(made.BANDS, dtype=object)[np.digitize(x + rng.normal(size=n), [-0.6, 0.6])]
    high = (rng.random(n) < p).astype(float)
    return pd.DataFrame(
        {"id": np.arange(n), "at": at, "x": x, "z": z, "high": high, "band": band, "y": 10 * x + rng.normal(size=n)}
    )


def fitted(framing: Framing, family: str = "linear", n: int = 3_000):
    table = rows(n, seed=1)
    parts = Split(table.iloc[: n // 2], table.iloc[n // 2 :], table.iloc[:0])
    return training.fit_and_freeze(Recipe(features=FEATURES, family=family), framing, parts, seed=1)


def log_loss(model, table: pd.DataFrame, framing: Framing) -> float:
    said = scoring.score(model, table, framing).score
    y = scoring.class_indices(table[framing.target], framing).astype(int)
    of_truth = np.where(y == 1, said, 1 - said) if said.ndim == 1 else said[np.arange(len(y)), y]
    return float(-np.log(np.clip(of_truth, 1e-9, 1)).mean())


def test_after_a_label_shift_the_log_loss_falls_to_what_the_truth_itself_has():
    champion = fitted(BINARY)
    recent, later = rows(2_000, seed=2, odds=1.5), rows(20_000, seed=3, odds=1.5)
    model = recalibrated(champion, BINARY, recent)
    truth = 1 / (1 + np.exp(-(2 * later["x"] + 1.5)))
    least = float(-np.log(np.where(later["high"] == 1, truth, 1 - truth)).mean())
    assert log_loss(champion, later, BINARY) > least + 0.05
    assert log_loss(model, later, BINARY) < least + 0.005
    assert model.intercept == pytest.approx(1.5, abs=0.25)
    assert model.slope == pytest.approx(1.0, abs=0.15)


def test_several_classes_are_cooled_and_a_number_follows_a_line():
    sure, recent = fitted(CLASSES, "boosting", n=400), rows(3_000, seed=4)
    cooled = recalibrated(sure, CLASSES, recent)
    assert cooled.slope < 1
    assert log_loss(cooled, rows(5_000, seed=5), CLASSES) < log_loss(sure, rows(5_000, seed=5), CLASSES)
    model = recalibrated(fitted(NUMBER), NUMBER, recent.assign(y=recent["y"] * 3 + 7))
    assert model.predict(recent[list(FEATURES)]) == pytest.approx(30 * recent["x"] + 7, abs=1.5)


def test_the_order_of_rows_stays():
    champion, later = fitted(BINARY), rows(500, seed=6)
    before = scoring.score(champion, later, BINARY).score
    after = scoring.score(recalibrated(champion, BINARY, rows(800, seed=7, odds=-1, scale=0.5)), later, BINARY).score
    assert (np.argsort(before, kind="stable") == np.argsort(after, kind="stable")).all()
    assert not np.allclose(before, after)


def test_a_second_correction_replaces_the_first():
    champion, recent = fitted(BINARY), rows(800, seed=8, odds=2)
    once = recalibrated(champion, BINARY, rows(800, seed=9, odds=-2))
    frozen = training.with_threshold(once, 0.3, recent[list(FEATURES)], recent["high"].astype(int))
    twice = recalibrated(frozen, BINARY, recent)
    again = recalibrated(champion, BINARY, recent)
    assert (twice.slope, twice.intercept) == (again.slope, again.intercept)
    assert bare(twice) is bare(champion)


@pytest.mark.parametrize(
    "spoiled, says",
    [
        (lambda table: table.assign(high=1.0), "both kinds"),
        (lambda table: table.assign(high=1 - table["high"]), "no longer means"),
        (lambda table: table.assign(high=np.nan), "missing"),
    ],
)
def test_scores_that_say_nothing_of_the_outcome_are_refused(spoiled, says):
    with pytest.raises(UselessScoresError, match=says):
        recalibrated(fitted(BINARY), BINARY, spoiled(rows(500, seed=10)))


@pytest.mark.parametrize("framing, family", [(BINARY, "boosting"), (CLASSES, "boosting"), (NUMBER, "linear")])
def test_it_is_saved_loaded_and_asked_with_arrays_like_any_other(framing, family, tmp_path, monkeypatch):
    import skops.io

    monkeypatch.setenv("PERENNIAL_HOME", str(tmp_path))
    problem, table = replace(made.HIGH, heuristic=None), rows(600, seed=11, odds=1)
    recipe = Recipe(features=FEATURES, family=family, start="recalibrated")
    champion = fitted(framing, family)
    threshold = 0.4 if framing.task == "binary" else None
    model = training.fit(recipe, framing, table, seed=1, threshold=threshold, champion=champion)
    content = modelfile.content_of(model, problem)
    skops.io.dump(model, tmp_path / "model.skops")
    loaded = modelfile.load_file(tmp_path / "model.skops", problem)
    wanted = scoring.score(model, table, framing)
    assert np.array_equal(scoring.score(loaded, table, framing).score, wanted.score)
    assert training.frozen_threshold(loaded) == threshold
    again = training.fit(recipe, framing, table, seed=1, threshold=threshold, champion=champion)
    assert modelfile.content_of(again, problem) == content
    fast = fast_path(model, framing, table[list(FEATURES)].head(20))
    assert fast is not None
    assert np.array_equal(fast(table[list(FEATURES)].to_numpy()).score, wanted.score)


def test_a_certain_score_has_a_finite_correction():
    model = RecalibratedClassifier(None, slope=1.0, intercept=0.0)
    said = model.remapped(np.array([[0.0, 1.0], [1.0, 0.0], [0.5, 0.5]]))
    assert np.isfinite(said).all()
    assert said.sum(axis=1) == pytest.approx(1)
    assert logit(said[2, 1]) == pytest.approx(0)


def test_what_starts_from_a_champion_needs_one():
    from schemas.errors import PerennialError

    with pytest.raises(PerennialError, match="needs a trained champion"):
        training.fit(Recipe(features=FEATURES, start="recalibrated"), BINARY, rows(300, seed=12), seed=1)
