"""Does every family learn every task, come back from a file as it was, and go on working wherever the old ones did?"""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.base import BaseEstimator, ClassifierMixin

import schemas.problems
from schemas.errors import PerennialError
from schemas.framing import AbsoluteLoss, BrierLoss
from schemas.recipe import FAMILIES, Recipe
from schemas.trusted import trusted_for
from tasks import training
from tasks.fastpath import fast_path
from tasks.modelfile import AlteredModelError, content_of, load_file
from tasks.onnx import onnx_path
from tasks.recalibration import recalibrated
from tasks.scoring import score
from tasks.updating import NotUpdatableError, updated

FEATURES = ("x0", "x1", "kind", "note")
NUMBERS = ("x0", "x1", "x2")
TASKS = ("binary", "multiclass", "regression")
# Small: a hundred trees and iterations learn nothing more from these rows.
PARAMETERS = {"forest": {"n_estimators": 10}, "boosting": {"max_iter": 10}}
OWN = {"regression": "sklearn.linear_model:HuberRegressor"}


@pytest.fixture(scope="module")
def rows():
    rng, n = np.random.default_rng(5), 400
    made = pd.DataFrame(rng.normal(size=(n, 3)), columns=NUMBERS)
    kind = rng.choice(["a", "b"], n)
    latent = made["x0"] + 0.7 * (kind == "a") + 0.5 * rng.normal(size=n)
    note = np.where(latent + rng.normal(size=n) > 0.3, "pay not late", "late not paid")
    at = pd.date_range("2024-01-01", periods=n, freq="h", tz="UTC")
    words = {"kind": pd.Series(kind, dtype=str), "note": pd.Series(note, dtype=str)}
    labels = {
        "yes": (latent > 0.3).astype(float),
        "band": pd.Series(np.array(["low", "mid", "high"])[np.digitize(latent, [-0.3, 0.7])], dtype=str),
        "amount": 100 + 10 * latent,
    }
    made.loc[::17, "x1"] = np.nan
    return made.assign(**words, **labels, id=np.arange(n), at=at, label_at=at, customer=np.arange(n) % 60)


def framing_of(toy, task):
    changes = {
        "binary": {"target": "yes", "loss": BrierLoss()},
        "multiclass": {"target": "band", "classes": ("low", "mid", "high"), "loss": BrierLoss()},
        "regression": {"target": "amount", "loss": AbsoluteLoss(bound=50.0), "metric": "mae"},
    }[task]
    return type(toy.framing).model_validate(toy.framing.model_dump() | {"task": task} | changes)


def recipe_of(family, task="binary", **changes):
    own = OWN.get(task, "sklearn.naive_bayes:GaussianNB") if family == "own" else None
    given = {"features": FEATURES, "encodings": {"note": "text"}, "parameters": PARAMETERS.get(family, {})}
    return Recipe(**({"family": family, "estimator": own} | given | changes))


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("family", FAMILIES)
def test_a_model_of_every_family_and_task_is_saved_and_loaded(toy, rows, tmp_path, family, task):
    framing, recipe = framing_of(toy, task), recipe_of(family, task)
    fitted = training.fit(recipe, framing, rows, seed=3, threshold=0.3 if task == "binary" else None)
    skops.io.dump(fitted, tmp_path / "m.skops")
    loaded = load_file(tmp_path / "m.skops", toy)
    said, again = score(fitted, rows, framing), score(loaded, rows, framing)
    np.testing.assert_array_equal(again.score, said.score)
    np.testing.assert_array_equal(again.decision, said.decision)
    again = training.fit(recipe, framing, rows, seed=3, threshold=training.frozen_threshold(fitted))
    assert content_of(again, toy) == content_of(fitted, toy)  # one has answered and the other has not
    found = training.measure(said, rows[framing.target].to_numpy(), framing)
    naive = training.naive_baseline(framing, rows, FEATURES)
    nothing = training.measure(score(naive, rows, framing), rows[framing.target].to_numpy(), framing)
    assert np.isfinite(said.score).all()
    assert family == "constant" or found["loss"] < 0.97 * nothing["loss"]


@pytest.mark.parametrize("family", ["tree", "neighbours", "forest", "own"])
def test_one_row_at_a_time_is_what_it_is_among_all(toy, rows, family):
    framing = framing_of(toy, "binary")
    model = training.fit(recipe_of(family), framing, rows, seed=1)
    alone = [score(model, rows.iloc[[i]], framing).score[0] for i in range(30)]
    np.testing.assert_allclose(alone, score(model, rows.head(30), framing).score, rtol=1e-12)


@pytest.mark.parametrize("calibration", [None, "isotonic"])
@pytest.mark.parametrize("family", ["linear", "tree", "neighbours", "forest", "boosting", "own"])
def test_numbers_are_scored_the_same_with_and_without_their_names(toy, rows, family, calibration):
    framing = framing_of(toy, "binary")
    recipe = recipe_of(family, features=NUMBERS, encodings={}, calibration=calibration)
    model = training.fit(recipe, framing, rows, seed=3, threshold=0.4)
    golden = rows[list(NUMBERS)]
    fast = fast_path(model, framing, golden.head(20))
    assert fast is not None
    np.testing.assert_array_equal(fast(golden.to_numpy()).score, score(model, golden, framing).score)
    graph = onnx_path(
        model, framing, golden.fillna(0.0)
    )  # of single precision: used where it is proved to say the same
    if graph is not None:
        wanted = score(model, golden.fillna(0.0), framing).score
        np.testing.assert_allclose(graph(golden.fillna(0.0).to_numpy()).score, wanted, rtol=0, atol=1e-6)


def test_a_forest_is_recalibrated_and_not_updated(toy, rows):
    framing = framing_of(toy, "binary")
    model = training.fit(recipe_of("forest", calibration="sigmoid"), framing, rows, seed=3, threshold=0.4)
    mapped = recalibrated(model, framing, rows)
    before, after = score(model, rows, framing).score, score(mapped, rows, framing).score
    assert (np.argsort(before, kind="stable") == np.argsort(after, kind="stable")).all()
    with pytest.raises(NotUpdatableError, match="has no partial_fit"):
        updated(model, rows[list(FEATURES)], rows["yes"].astype(int))


@pytest.mark.parametrize(
    "family, changes, says",
    [
        ("own", {"estimator": "sklearn.nowhere:X"}, "cannot be imported"),
        ("own", {"estimator": "schemas.problems.nowhere:X"}, "cannot be imported"),
        ("own", {"estimator": "sklearn.naive_bayes:Ghost"}, "is no estimator class"),
        ("own", {"estimator": "sklearn.metrics:roc_auc_score"}, "is no estimator class"),
        ("own", {"estimator": "sklearn.linear_model:Ridge"}, "is a regressor, and the task binary takes a classifier"),
        ("own", {"parameters": {"ghost": 1}}, "does not take these parameters"),
        ("own", {"estimator": "sklearn.svm:LinearSVC"}, "gives no probability"),
        ("own", {"class_weight": "balanced"}, "takes no weights by class"),
        ("neighbours", {"balance": 0.5}, "counts all rows alike"),
        ("neighbours", {"half_life": "P1D"}, "counts all rows alike"),
        ("neighbours", {"class_weight": "balanced"}, "takes no weights by class"),
    ],
)
def test_what_an_estimator_cannot_do_is_one_clear_error(toy, rows, family, changes, says):
    with pytest.raises(PerennialError, match=says):
        training.fit(recipe_of(family, **changes), framing_of(toy, "binary"), rows, seed=1)


def test_what_only_decides_gives_probabilities_once_it_is_calibrated(toy, rows):
    recipe = recipe_of("own", estimator="sklearn.svm:LinearSVC", calibration="sigmoid")
    said = score(training.fit(recipe, framing_of(toy, "binary"), rows, seed=1), rows, framing_of(toy, "binary"))
    assert ((said.score > 0) & (said.score < 1)).all()


def test_words_in_a_row_tell_what_words_alone_do_not(toy, rows):
    """The same two words in both classes: only their order parts them."""
    framing = framing_of(toy, "binary")
    note = pd.Series(np.where(rows["yes"] > 0, "paid not late", "late not paid"), dtype=str)
    rows = rows.assign(note=note)
    for family in ("linear", "sgd", "forest"):
        loss = {}
        for ngrams in (1, 2):
            recipe = recipe_of(family, features=("note",), ngrams=ngrams)
            model = training.fit(recipe, framing, rows, seed=1)
            loss[ngrams] = training.measure(score(model, rows, framing), rows["yes"].to_numpy(), framing)["loss"]
        assert loss[2] < 0.5 * loss[1], family


def test_a_vocabulary_is_as_large_as_the_recipe_says(toy, rows):
    rng = np.random.default_rng(1)
    rows = rows.assign(note=[" ".join(f"w{i}" for i in rng.integers(10, 90, 5)) for _ in range(len(rows))])
    for vocabulary in (10, 60):
        model = training.fit(
            recipe_of("linear", features=("note",), vocabulary=vocabulary), framing_of(toy, "binary"), rows, seed=1
        )
        assert model.steps[-1][1].coef_.shape[1] == vocabulary


SHARE = '''
import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin


class Share(ClassifierMixin, BaseEstimator):
    """Knows the share of each class."""

    def __init__(self, sure=0.0):
        self.sure = sure

    def fit(self, X, y, sample_weight=None):
        self.classes_, counts = np.unique(y, return_counts=True)
        self.share_ = counts / counts.sum()
        return self

    def predict_proba(self, X):
        return np.tile(self.share_, (len(X), 1))

    def predict(self, X):
        return self.classes_[np.argmax(self.predict_proba(X), axis=1)]
'''


@pytest.fixture
def beside(tmp_path: Path, monkeypatch):
    """A file of a team's own beside its problems."""
    (tmp_path / "_shares.py").write_text(SHARE)
    monkeypatch.setattr(schemas.problems, "__path__", [*schemas.problems.__path__, str(tmp_path)])
    yield
    sys.modules.pop("schemas.problems._shares", None)
    vars(schemas.problems).pop("_shares", None)


class Stranger(ClassifierMixin, BaseEstimator):
    """An estimator, and no file under schemas/problems."""


def test_an_estimator_of_this_repository_is_trusted_and_another_is_not(toy, rows, beside, tmp_path):
    recipe = recipe_of("own", estimator="schemas.problems._shares:Share", parameters={"sure": 0.5})
    framing = framing_of(toy, "binary")
    model = training.fit(recipe, framing, rows, seed=1, threshold=0.5)
    assert model.estimator.estimator.steps[-1][1].sure == 0.5
    skops.io.dump(model, tmp_path / "own.skops")
    again = load_file(tmp_path / "own.skops", replace(toy, heuristic=None))
    assert score(again, rows, framing).score == pytest.approx(rows["yes"].mean())
    skops.io.dump(Stranger(), tmp_path / "strange.skops")
    with pytest.raises(AlteredModelError, match="Stranger"):
        load_file(tmp_path / "strange.skops", toy)


@pytest.mark.parametrize(
    "name, trusted",
    [
        ("schemas.problems.fraud.CardRule", True),
        ("schemas.problems.fraud.Problem", False),  # brought into that file from elsewhere, and no estimator
        ("schemas.problems.fraud.HeuristicClassifier", False),
        ("schemas.problems._fraud_simulator.payments", False),
        ("schemas.problems.nowhere.Model", False),
        ("schemas.problemsx.fraud.CardRule", False),
        ("os.system", False),
        ("sklearn.metrics.roc_auc_score", False),
    ],
)
def test_only_estimators_that_a_problems_file_defines_are_added_to_the_list(name, trusted):
    assert (name in trusted_for(None, [name])) is trusted
