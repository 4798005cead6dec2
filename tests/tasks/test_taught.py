"""Do the rows that teach a recipe say what all of them would: the same shares, the same probabilities, fewer wrong labels?"""

from datetime import timedelta

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import log_loss

from schemas.errors import PerennialError
from schemas.framing import AbsoluteLoss, BrierLoss
from schemas.recipe import Recipe
from tasks import training
from tasks.scoring import score
from tasks.splits import Split
from tasks.taught import balanced, class_weights, weights_of, without_suspects

N = 6_000
RECIPE = Recipe(family="linear", features=("x", "z"))


def made(n=N, *, seed=0, centre=-2.5) -> pd.DataFrame:
    """One row in ten is positive, by a line in x."""
    rng = np.random.default_rng(seed)
    x, z = rng.normal(size=(2, n))
    y = rng.random(n) < 1 / (1 + np.exp(-(1.5 * x + centre)))
    at = pd.date_range("2024-01-01", periods=n, freq="h", tz="UTC")
    return pd.DataFrame({"id": np.arange(n), "at": at, "label_at": at, "x": x, "z": z, "label": y.astype(float)})


@pytest.fixture(scope="module")
def framing(toy):
    return toy.framing.model_copy(update={"loss": BrierLoss(), "entity": None})


@pytest.fixture(scope="module")
def rows():
    return made()


def loss_of(model, framing, rows) -> float:
    return log_loss(rows["label"], score(model, rows, framing).score)


@pytest.mark.parametrize("share", [0.02, 0.3])
def test_kept_rows_stand_for_all_of_their_class(framing, rows, share):
    kept, stands = balanced(share, framing, rows, seed=1)
    labels = rows["label"].to_numpy()
    rare = int(labels.sum())
    for one in (0.0, 1.0):
        assert stands[labels[kept] == one].sum() == pytest.approx((labels == one).sum())
    assert (labels[kept] == 1).sum() == rare, "of the rarest class none is left out"
    assert (labels[kept] == 0).sum() == max(rare, np.ceil(share * (N - rare)))
    assert (np.diff(kept) > 0).all(), "in their order"


def test_a_row_that_is_kept_stays_kept_whatever_came_beside_it(framing, rows):
    """But for as many as the number to keep moves by."""
    kept = set(rows.iloc[balanced(0.3, framing, rows, seed=1)[0]]["id"])
    later = rows.iloc[500:]
    again = set(later.iloc[balanced(0.3, framing, later, seed=1)[0]]["id"])
    assert len(again - kept) < 0.02 * len(again)
    other = set(rows.iloc[balanced(0.3, framing, rows, seed=2)[0]]["id"])
    assert len(other - kept) > 0.2 * len(other)


def test_fewer_rows_of_the_common_class_say_the_same_probabilities(framing, rows):
    whole = training.fit(RECIPE, framing, rows, seed=1)
    part = training.fit(RECIPE.model_copy(update={"balance": 0.2}), framing, rows, seed=1)
    said = score(part, rows, framing).score
    assert said.mean() == pytest.approx(rows["label"].mean(), abs=0.005)
    assert np.abs(said - score(whole, rows, framing).score).mean() < 0.01


def test_weights_multiply_with_age_and_with_what_a_kept_row_stands_for(framing, rows):
    given = pd.Series(np.linspace(1, 2, N), index=rows.index)
    aged = RECIPE.model_copy(update={"half_life": timedelta(days=30)})
    found = weights_of(aged, framing, rows, given)
    assert found[-1] == pytest.approx(2.0)
    assert found[-1 - 30 * 24] / given.iloc[-1 - 30 * 24] == pytest.approx(0.5)
    assert weights_of(RECIPE, framing, rows, None) is None
    # Twice the weight on positives, over a fifth of the negatives: the mean score is the weighted share.
    doubled = pd.Series(1 + rows["label"], index=rows.index)
    model = training.fit(RECIPE.model_copy(update={"balance": 0.2}), framing, rows, seed=1, weights=doubled)
    wanted = np.average(rows["label"], weights=doubled)
    assert np.average(score(model, rows, framing).score, weights=doubled) == pytest.approx(wanted, abs=0.01)


@pytest.mark.parametrize("family", ["linear", "sgd", "tree", "forest", "boosting"])
def test_balanced_classes_move_probabilities_and_calibration_maps_them_back(framing, rows, family):
    parameters = {"forest": {"n_estimators": 10}, "boosting": {"max_iter": 20, "max_bins": 32}}.get(family, {})
    recipe = RECIPE.model_copy(update={"family": family, "parameters": parameters, "class_weight": "balanced"})
    rate = rows["label"].mean()
    assert score(training.fit(recipe, framing, rows, seed=1), rows, framing).score.mean() > 2 * rate
    mapped = training.fit(recipe.model_copy(update={"calibration": "sigmoid"}), framing, rows, seed=1)
    assert score(mapped, rows, framing).score.mean() == pytest.approx(rate, abs=0.02)


def test_each_class_counts_alike_and_the_rows_together_what_they_did():
    y, weights = pd.Series(["a"] * 6 + ["b"] * 2), np.array([1.0] * 6 + [2.0] * 2)
    by_class = class_weights(y, weights)
    counted = weights * y.map(by_class)
    assert counted[y == "a"].sum() == pytest.approx(counted[y == "b"].sum())
    assert counted.sum() == pytest.approx(weights.sum())


def test_suspects_are_the_wrong_labels_and_of_each_class_alike(framing, rows):
    sure = made(seed=3, centre=0.0).assign(x=lambda frame: np.where(frame["label"] == 1, 2.5, -2.5) + frame["z"])
    wrong = np.random.default_rng(4).random(N) < 0.1
    planted = sure.assign(label=np.where(wrong, 1 - sure["label"], sure["label"]))
    asked = []

    def fit(part):
        asked.append(part)
        return training.fit(RECIPE, framing, part, seed=1)

    left = without_suspects(0.1, framing, planted, fit)
    out = ~planted["id"].isin(left["id"]).to_numpy()
    assert wrong[out].mean() > 0.9
    assert out.mean() == pytest.approx(0.1, abs=0.001)
    assert left["label"].mean() == pytest.approx(planted["label"].mean(), abs=0.001)
    assert len(asked) == 5
    assert all(part["at"].diff().max() > timedelta(hours=N / 5) for part in asked[1:4]), (
        "stretches of time are held out"
    )


def test_what_judges_is_all_there_and_the_fit_is_better_without_wrong_labels(framing):
    """A tree learns every wrong label of its own corner by heart."""
    rows, fresh = made(3_000, seed=5, centre=0.0), made(3_000, seed=6, centre=0.0)
    rows, fresh = (one.assign(label=(one["x"] + one["z"] > 0).astype(float)) for one in (rows, fresh))
    wrong = np.random.default_rng(7).random(len(rows)) < 0.15
    noisy = rows.assign(label=np.where(wrong, 1 - rows["label"], rows["label"]))
    tree = RECIPE.model_copy(update={"family": "tree", "parameters": {"max_depth": 12, "min_samples_leaf": 5}})
    mended = tree.model_copy(update={"drop_suspects": 0.15})
    said = [score(training.fit(one, framing, noisy, seed=1), fresh, framing) for one in (tree, mended)]
    plain, clean = (training.measure(one, fresh["label"].to_numpy(), framing)["loss"] for one in said)
    assert clean < 0.8 * plain


def test_of_numbers_the_furthest_from_what_other_rows_say_are_left_out(framing, toy):
    number = framing.model_copy(update={"task": "regression", "loss": AbsoluteLoss(bound=10.0), "target": "y"})
    rows = made(1_000).assign(y=lambda frame: frame["x"])
    rows.loc[::50, "y"] += 30.0
    left = without_suspects(0.02, number, rows, lambda part: training.fit(RECIPE, number, part, seed=1))
    assert set(rows["id"]) - set(left["id"]) == set(rows["id"][::50])


@pytest.mark.parametrize("calibration", ["sigmoid", "isotonic"])
def test_calibration_mends_scores_that_are_too_sure(framing, rows, calibration):
    fresh = made(seed=9)
    parameters = {"n_estimators": 10, "min_samples_leaf": 1}
    recipe = RECIPE.model_copy(update={"family": "forest", "parameters": parameters})
    plain = training.fit(recipe, framing, rows, seed=1)
    mapped = training.fit(recipe.model_copy(update={"calibration": calibration}), framing, rows, seed=1)
    assert loss_of(mapped, framing, fresh) < 0.7 * loss_of(plain, framing, fresh)
    weights = pd.Series(1 + 4 * rows["label"], index=rows.index)
    weighed = training.fit(
        recipe.model_copy(update={"calibration": calibration}), framing, rows, seed=1, weights=weights
    )
    expected = np.average(rows["label"], weights=weights)
    assert np.average(score(weighed, fresh, framing).score, weights=1 + 4 * fresh["label"]) == pytest.approx(
        expected, abs=0.03
    )


@pytest.mark.parametrize("threshold", [None, 0.7])
def test_the_recipes_own_threshold_is_frozen_and_otherwise_the_cheapest(toy, rows, threshold):
    cost = toy.framing.model_copy(update={"entity": None})
    parts = Split(rows.iloc[:3_000], rows.iloc[3_000:4_500], rows.iloc[4_500:])
    recipe = RECIPE.model_copy(update={"threshold": threshold})
    found = training.frozen_threshold(training.fit_and_freeze(recipe, cost, parts, seed=1))
    assert found == threshold if threshold else 0.02 < found < 0.4


EVERYTHING = {
    "balance": 0.5,
    "class_weight": "balanced",
    "drop_suspects": 0.02,
    "calibration": "sigmoid",
    "half_life": timedelta(days=100),
}


@pytest.mark.parametrize("task", ["binary", "multiclass"])
@pytest.mark.parametrize("family", ["constant", "linear", "sgd", "tree", "forest", "boosting"])
def test_all_fields_at_once_with_weights_give_one_model_each_time(toy, framing, rows, family, task):
    if task == "multiclass":
        told = {"task": task, "classes": ("0.0", "1.0", "2.0")}
        framing = framing.model_copy(update=told)
        rows = rows.assign(label=np.where(rows["z"] > 1, 2.0, rows["label"]).astype(str))
    rows = rows.iloc[:1_500]
    parameters = {"forest": {"n_estimators": 5}, "boosting": {"max_iter": 2, "max_bins": 16}}.get(family, {})
    recipe = Recipe.model_validate(RECIPE.model_dump() | EVERYTHING | {"family": family, "parameters": parameters})
    parts = Split(rows.iloc[:1_000], rows.iloc[1_000:1_200], rows.iloc[1_200:])
    weights = pd.Series(np.linspace(1, 3, len(rows)), index=rows.index)
    one, other = (training.fit_and_freeze(recipe, framing, parts, seed=2, weights=weights) for _ in range(2))
    said = score(one, rows, framing).score
    assert np.isfinite(said).all()
    np.testing.assert_array_equal(said, score(other, rows, framing).score)


@pytest.mark.parametrize(
    "task, changes, says",
    [
        ("regression", {"balance": 0.5, "calibration": "sigmoid"}, "sets balance, calibration, which a regression"),
        ("regression", {"class_weight": "balanced"}, "class_weight"),
        ("multiclass", {"threshold": 0.5}, "threshold"),
        ("binary", {"calibration": "isotonic"}, "too few to calibrate"),
    ],
)
def test_what_a_task_or_so_few_rows_cannot_use_is_refused(framing, rows, task, changes, says):
    few = rows.head(200).assign(label=[1.0] * 3 + [0.0] * 197)
    with pytest.raises(PerennialError, match=says):
        training.fit(
            RECIPE.model_copy(update=changes),
            framing.model_copy(update={"task": task, "classes": ("0.0", "1.0", "2.0")}),
            few,
            seed=1,
        )
