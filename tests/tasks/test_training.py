"""Is every row used once, are equal arguments equal models, and is the threshold the cheapest there is?"""

import os
import subprocess
import sys
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from schemas.errors import PerennialError
from schemas.framing import AbsoluteLoss, CostLoss
from schemas.recipe import Recipe
from tasks import training
from tasks.scoring import score
from tasks.splits import Split

DAY = timedelta(days=1)
FAMILIES = ["boosting", "linear", "constant"]


@pytest.fixture(scope="session")
def rows(toy_rows):
    return toy_rows(24 * 40)


def _cost(threshold: float, scores: np.ndarray, labels: np.ndarray, loss: CostLoss) -> float:
    acted = scores >= threshold
    return float(np.sum(np.where(labels == 1, loss.miss * ~acted, loss.false_alarm * acted)))


@settings(max_examples=400)
@given(
    st.lists(st.tuples(st.floats(0, 1) | st.sampled_from([0.25, 0.5]), st.integers(0, 1)), min_size=1, max_size=30),
    st.sampled_from([0.01, 0.1, 0.5, 1.0]),
)
@example([(0.0, 0), (5e-324, 1)], 0.1)  # neighbouring floats: halfway between them is the lower one
def test_the_best_threshold_is_that_of_a_search_through_all(pairs, false_alarm):
    scores, labels = (np.array(part, dtype=float) for part in zip(*pairs, strict=True))
    loss = CostLoss(false_alarm=false_alarm)
    found = training.best_threshold(scores, labels, loss)
    all_there_are = [*scores, np.nextafter(scores.max(), np.inf)]
    least = min(_cost(t, scores, labels, loss) for t in all_there_are)
    assert _cost(found, scores, labels, loss) == pytest.approx(least, abs=1e-9)


@pytest.mark.parametrize(
    "labels, acts_on",
    [([0, 0, 0], 0), ([1, 1, 1], 3), ([0, 0, 1], 1)],
)
def test_a_tie_goes_to_the_threshold_that_acts_on_fewer(labels, acts_on):
    scores = np.array([0.2, 0.4, 0.6])
    found = training.best_threshold(scores, np.array(labels), CostLoss(false_alarm=1.0))
    assert (scores >= found).sum() == acts_on


def _sha(model, tmp_path) -> str:
    import skops.io

    from tasks.registry import digest

    skops.io.dump(model, tmp_path / "m.skops")
    return digest(tmp_path / "m.skops")


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("task", ["binary", "regression"])
def test_every_family_learns_every_task_and_equal_arguments_give_equal_models(toy, rows, tmp_path, family, task):
    framing = toy.framing
    if task == "regression":
        framing = framing.model_copy(update={"task": task, "loss": AbsoluteLoss(bound=1.0)})
    recipe = Recipe(family=family, features=("x", "kind"), parameters={"max_iter": 5} if family == "boosting" else {})
    one, other = (training.fit(recipe, framing, rows, seed=3) for _ in range(2))
    assert np.isfinite(score(one, rows, framing).score).all()
    assert _sha(one, tmp_path) == _sha(other, tmp_path)
    fewer = training.fit(recipe, framing, rows[rows["x"] > -1], seed=3)
    assert _sha(fewer, tmp_path) != _sha(one, tmp_path)


ELSEWHERE = """
import sys
from pathlib import Path
import pandas as pd, skops.io
from schemas.framing import Framing
from schemas.recipe import Recipe
from tasks import training
from tasks.registry import digest
folder = Path(sys.argv[1])
framing = Framing.model_validate_json((folder / "framing.json").read_text())
recipe = Recipe.model_validate_json((folder / "recipe.json").read_text())
model = training.fit(recipe, framing, pd.read_parquet(folder / "rows.parquet"), seed=3, threshold=0.25)
skops.io.dump(model, folder / "elsewhere.skops")
print(digest(folder / "elsewhere.skops"))
"""


@pytest.mark.parametrize("encodings", [{}, {"note": "text"}])
def test_equal_arguments_give_equal_models_in_another_process(toy, rows, tmp_path, encodings):
    rows = rows.assign(note=np.where(rows["x"] > 0, "late again", "never late"))
    recipe = Recipe(features=("x", "kind", *encodings), encodings=encodings, parameters={"max_iter": 10})
    rows.to_parquet(tmp_path / "rows.parquet")
    (tmp_path / "framing.json").write_text(toy.framing.model_dump_json())
    (tmp_path / "recipe.json").write_text(recipe.model_dump_json())
    done = subprocess.run(
        [sys.executable, "-c", ELSEWHERE, str(tmp_path)],
        env=os.environ | {"PYTHONHASHSEED": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    here = training.fit(recipe, toy.framing, rows, seed=3, threshold=0.25)
    assert done.stdout.strip() == _sha(here, tmp_path)


def test_the_threshold_is_frozen_into_the_model(toy, rows):
    model = training.fit(toy.recipe, toy.framing, rows, seed=1, threshold=0.8)
    plain = training.fit(toy.recipe, toy.framing, rows, seed=1)
    said, unfrozen = score(model, rows, toy.framing), score(plain, rows, toy.framing)
    np.testing.assert_array_equal(said.score, unfrozen.score)
    np.testing.assert_array_equal(said.decision, said.score >= 0.8)
    np.testing.assert_array_equal(model.predict(rows[["x", "kind"]]), said.decision)


@pytest.mark.parametrize(
    "labels, says",
    [
        ([np.nan, 0.0, 1.0], "1 of 3 training rows have no label"),
        ([1.0, 1.0, 1.0], "all 3 training rows have one label"),
    ],
)
def test_rows_that_cannot_teach_are_refused_in_a_sentence(toy, rows, labels, says):
    with pytest.raises(PerennialError, match=says):
        training.fit(toy.recipe, toy.framing, rows.head(3).assign(label=labels), seed=1)


@pytest.mark.parametrize("family", ["boosting", "linear"])
def test_an_unseen_category_is_accepted_or_raises_as_the_recipe_says(toy, rows, family):
    strange = rows.head(4).assign(kind=pd.Series(["z"] * 4, dtype=str))
    for way in ("accept", "raise"):
        recipe = Recipe(family=family, features=("x", "kind"), unseen_categories=way)
        model = training.fit(recipe, toy.framing, rows, seed=1)
        if way == "accept":
            assert np.isfinite(score(model, strange, toy.framing).score).all()
        else:
            with pytest.raises(ValueError, match="unknown categories"):
                score(model, strange, toy.framing)


def test_the_naive_baseline_is_the_base_rate_or_the_median(toy, rows):
    model = training.naive_baseline(toy.framing, rows, ["x"])
    assert score(model, rows, toy.framing).score == pytest.approx(rows["label"].mean())
    regression = toy.framing.model_copy(update={"task": "regression", "target": "review"})
    assert training.naive_baseline(regression, rows, ["x"]).predict(rows[["x"]]) == pytest.approx(
        rows["review"].median()
    )


def test_metrics_that_one_class_cannot_give_are_undefined(toy, rows):
    model = training.fit(toy.recipe, toy.framing, rows, seed=1)
    one = rows[rows["label"] == 0]
    measured = training.measure(score(model, one, toy.framing), one["label"].to_numpy(), toy.framing)
    assert np.isnan([measured["roc_auc"], measured["average_precision"]]).all()
    assert np.isfinite([measured["loss"], measured["positives"]]).all()
    assert measured["rows"] == len(one)


def test_a_row_that_weighs_three_is_fitted_as_three_rows(toy, rows):
    recipe = Recipe(family="linear", features=("x",))
    weights = pd.Series(np.where(rows["id"] % 5 == 0, 3.0, 1.0), index=rows.index)
    weighed = training.fit(recipe, toy.framing, rows, seed=1, weights=weights)
    repeated = rows.loc[rows.index.repeat(weights.astype(int))]
    repeated = training.fit(recipe, toy.framing, repeated, seed=1)
    # The scaler sees each row once: the line is the same one up to how it is penalised.
    np.testing.assert_allclose(weighed.predict_proba(rows), repeated.predict_proba(rows), atol=2e-3)
    alone = training.fit(recipe, toy.framing, rows, seed=1)
    assert np.abs(weighed.predict_proba(rows) - alone.predict_proba(rows)).max() > 5e-3
    assert training.fit(recipe, toy.framing, rows, seed=1, weights=weights * 0 + 1) is not None


@pytest.mark.parametrize("family", FAMILIES)
def test_weights_that_are_all_one_change_nothing(toy, rows, family):
    recipe, ones = Recipe(family=family, features=("x", "kind")), pd.Series(1.0, index=rows.index)
    parts = Split(rows.iloc[:600], rows.iloc[600:], rows.iloc[600:])
    one, other = (
        training.fit_and_freeze(recipe, toy.framing, parts, seed=1, weights=weights) for weights in (None, ones)
    )
    np.testing.assert_allclose(one.predict_proba(rows), other.predict_proba(rows))
    assert training.frozen_threshold(one) == training.frozen_threshold(other)


def test_the_naive_baseline_knows_how_much_a_row_weighs(toy, rows):
    weights = 1 + 3 * rows["label"]
    found = training.naive_baseline(toy.framing, rows, ("x",), weights=weights).predict_proba(rows)[0, 1]
    assert found == pytest.approx((weights * rows["label"]).sum() / weights.sum())


@given(
    st.lists(st.tuples(st.floats(0, 1), st.integers(0, 1), st.integers(1, 4)), min_size=1, max_size=20),
    st.sampled_from([0.1, 0.5]),
)
def test_the_best_threshold_takes_a_weight_for_so_many_rows(triples, false_alarm):
    scores, labels, weights = (np.array(part, dtype=float) for part in zip(*triples, strict=True))
    loss, n = CostLoss(false_alarm=false_alarm), weights.astype(int)
    found = training.best_threshold(scores, labels, loss, weights)
    s, y = np.repeat(scores, n), np.repeat(labels, n)
    assert _cost(found, s, y, loss) == pytest.approx(_cost(training.best_threshold(s, y, loss), s, y, loss), abs=1e-9)
