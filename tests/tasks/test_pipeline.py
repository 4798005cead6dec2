"""What becomes of a column: nothing of the rows to be judged enters, and one row alone is what it is among many."""

import numpy as np
import pandas as pd
import pytest
import skops.io
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from sklearn.compose import ColumnTransformer

from schemas.errors import PerennialError
from schemas.framing import AbsoluteLoss
from schemas.recipe import Recipe
from schemas.trusted import trusted_for
from tasks import training
from tasks.encoders import DateParts, DaysBetween, Frequencies, JoinedCategories, Product, Words
from tasks.pipeline import pipeline_of
from tasks.scoring import score
from tests.tasks import featured

FEATURES = ("amount", "weight", "shop", "street", "note", "ordered", "due")
ENCODINGS = {"street": "target", "note": "text", "shop": "frequency"}
PAIRS = (("amount", "weight"), ("shop", "street"), ("due", "ordered"))
WORDS = ["late", "fragile", "call", "gift", "door", "again", "express"]
SEEN = (Phase.explicit, Phase.reuse, Phase.generate)
FAMILIES = ["boosting", "linear"]


def _rows(n: int, *, seed: int = 0, streets: int = 12) -> pd.DataFrame:
    rng = np.random.default_rng(seed)

    def or_missing(values):
        return pd.Series(values).mask(rng.random(n) < 0.05)

    ordered = pd.Timestamp("2024-01-01", tz="UTC") + pd.to_timedelta(rng.integers(0, 500 * 24, n), unit="h")
    amount = rng.normal(size=n)
    notes = [" ".join(rng.choice(WORDS, 3)) for _ in range(n)]
    made = pd.DataFrame(
        {
            "amount": or_missing(amount),
            "weight": rng.normal(size=n),
            "shop": or_missing(rng.choice(list("abcd"), n)),
            "street": or_missing([f"s{i:04d}" for i in rng.integers(0, streets, n)]),
            "note": or_missing(notes),
            "ordered": or_missing(ordered),
            "due": ordered + pd.to_timedelta(rng.integers(1, 9, n), unit="D"),
            "late": (amount + 2 * np.array(["fragile" in note for note in notes]) + rng.normal(size=n) > 1).astype(
                float
            ),
        }
    )
    times = {"ordered": featured.TIME, "due": featured.TIME}
    return made.astype({"shop": str, "street": str, "note": str, **times})


@pytest.fixture(scope="module")
def framing():
    return featured.problem(()).framing


@pytest.fixture(scope="module")
def rows():
    return _rows(600)


def _recipe(family="boosting", **changes) -> Recipe:
    given_ = {"features": FEATURES, "encodings": ENCODINGS, "interactions": PAIRS}
    parameters = {"max_iter": 20} if family == "boosting" else {}
    return Recipe(**({"family": family, "parameters": parameters} | given_ | changes))


def _transformed(recipe, framing, train, rows) -> np.ndarray:
    """What the estimator of a recipe fitted on `train` is shown of `rows`."""
    model = training.fit(recipe, framing, train, seed=1)
    found = model[:-1].transform(rows[list(recipe.features)])
    return found.toarray() if hasattr(found, "toarray") else np.asarray(found, dtype=float)


@pytest.mark.parametrize("family", FAMILIES)
def test_texts_dates_and_pairs_say_more_than_numbers_alone(framing, rows, family):
    test = _rows(600, seed=1)

    def auc(recipe):
        model = training.fit(recipe, framing, rows, seed=1)
        return training.measure(score(model, test, framing), test["late"].to_numpy(), framing)["roc_auc"]

    assert (
        auc(_recipe(family)) > auc(_recipe(family, features=("amount", "weight"), encodings={}, interactions=())) + 0.05
    )


@pytest.mark.parametrize("family", FAMILIES)
def test_a_model_with_every_encoding_is_saved_and_loaded(framing, rows, family, tmp_path):
    model = training.fit(
        _recipe(family, encodings=ENCODINGS | {"weight": "frequency", "ordered": "date"}),
        framing,
        rows,
        seed=1,
        threshold=0.5,
    )
    skops.io.dump(model, tmp_path / "m.skops")
    assert set(skops.io.get_untrusted_types(file=tmp_path / "m.skops")) <= set(trusted_for(None))
    again = skops.io.load(tmp_path / "m.skops", trusted=trusted_for(None))
    np.testing.assert_array_equal(score(again, rows, framing).score, score(model, rows, framing).score)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("how", ["ordinal", "one-hot", "target", "frequency", "text"])
@pytest.mark.parametrize("task", ["binary", "regression", "multiclass"])
def test_every_encoding_serves_every_family_and_task(framing, rows, family, how, task):
    changes = {"binary": {}, "regression": {"task": task, "loss": AbsoluteLoss(bound=1.0)}}.get(task) or {}
    if task == "multiclass":
        changes = {"task": task, "classes": ("0", "1", "2"), "loss": {"kind": "log"}}
        rows = rows.assign(late=pd.Series(np.arange(len(rows)) % 3, dtype=str))
    told = type(framing).model_validate(framing.model_dump() | changes)
    recipe = _recipe(family, features=("amount", "street"), encodings={"street": how}, interactions=())
    said = score(training.fit(recipe, told, rows, seed=1), rows, told).score
    assert np.isfinite(said).all()
    assert np.ptp(said) > 0


@pytest.mark.parametrize("family", FAMILIES)
def test_one_row_at_a_time_is_what_it_is_among_all(framing, rows, family):
    model = training.fit(_recipe(family), framing, rows, seed=1)
    among = score(model, rows.head(40), framing).score
    alone = [score(model, rows.iloc[[i]], framing).score[0] for i in range(40)]
    np.testing.assert_allclose(alone, among, rtol=1e-12)


@pytest.mark.parametrize("family", FAMILIES)
@settings(max_examples=8, phases=SEEN, deadline=None)
@given(seed=st.integers(0, 1_000))
def test_nothing_of_the_rows_that_are_scored_enters(framing, rows, family, seed):
    model = training.fit(_recipe(family), framing, rows, seed=1)
    asked = _rows(30, seed=seed)
    before = score(model, asked, framing).score
    others = _rows(200, seed=seed + 1).assign(amount=1e6, note="never seen", street="nowhere", late=1.0)
    after = score(model, pd.concat([asked, others], ignore_index=True), framing).score[:30]
    np.testing.assert_allclose(after, before, rtol=1e-12)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("encodings", [ENCODINGS, {}, {"street": "one-hot", "shop": "ordinal"}])
def test_the_order_of_training_rows_does_not_matter(framing, rows, family, encodings):
    if (
        family == "linear"
    ):  # its scale is that of the rows as they were fitted, and a target encoder draws folds of them
        encodings = {name: how for name, how in encodings.items() if how != "target"}
    recipe, test = _recipe(family, encodings=encodings), _rows(50, seed=9)
    shuffled = rows.sample(frac=1, random_state=3)
    np.testing.assert_allclose(
        _transformed(recipe, framing, rows, test), _transformed(recipe, framing, shuffled, test), rtol=1e-6, atol=1e-8
    )


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("name", FEATURES)
def test_unseen_missing_and_constant_columns_are_no_reason_to_fail(framing, rows, family, name):
    recipe = _recipe(family, unseen_categories="accept")
    nothing = pd.Series([None] * len(rows), dtype=rows[name].dtype)
    for column in (nothing, pd.Series([rows[name].dropna().iloc[0]] * len(rows), dtype=rows[name].dtype)):
        model = training.fit(recipe, framing, rows.assign(**{name: column}), seed=1)
        assert np.isfinite(score(model, _rows(40, seed=7), framing).score).all()
    model = training.fit(recipe, framing, rows, seed=1)
    assert np.isfinite(score(model, rows.assign(**{name: nothing}).head(20), framing).score).all()
    if isinstance(rows[name].dtype, pd.StringDtype):
        strange = rows.head(20).assign(**{name: pd.Series(["zzz"] * 20, dtype=str)})
        assert np.isfinite(score(model, strange, framing).score).all()


def test_a_linear_model_is_told_what_was_missing(framing, rows):
    recipe = _recipe("linear", features=("amount", "weight"), encodings={}, interactions=())
    assert _transformed(recipe, framing, rows, rows).shape[1] == 3
    assert _transformed(recipe, framing, rows.dropna(), rows.dropna()).shape[1] == 2


def _encoders(recipe, framing, rows) -> dict:
    X, y = rows[list(recipe.features)], rows["late"]
    columns: ColumnTransformer = pipeline_of(recipe, framing, X, y, seed=1).steps[0][1]
    return {name: how for name, how, _ in columns.transformers}


@pytest.mark.parametrize("streets, target", [(50, False), (51, True)])
def test_more_than_fifty_categories_are_encoded_by_their_target(framing, streets, target):
    rows = _rows(3_000, streets=streets)
    found = _encoders(_recipe(encodings={}, interactions=()), framing, rows)
    assert type(found["text"]).__name__ == "OrdinalEncoder"
    assert ("many" in found) is True  # the notes are many in any case
    names = pipeline_of(_recipe(encodings={}, interactions=()), framing, rows[list(FEATURES)], rows["late"], seed=1)
    many = next(columns for name, _, columns in names.steps[0][1].transformers if name == "many")
    assert ("street" in many) is target


def test_a_recipe_without_more_is_the_pipeline_it_always_was(framing, rows):
    for family in FAMILIES:
        found = _encoders(Recipe(family=family, features=("weight", "shop")), framing, rows)
        assert list(found) == ["text", "numeric"]


@pytest.mark.parametrize(
    "changes, says",
    [
        ({"interactions": (("amount", "shop"),)}, r"combines 'amount' \(numeric\) with 'shop' \(text\)"),
        ({"encodings": {"shop": "date"}}, "reads 'shop' as a date"),
    ],
)
def test_what_cannot_be_combined_is_refused_in_a_sentence(framing, rows, changes, says):
    with pytest.raises(PerennialError, match=says):
        training.fit(_recipe(**changes), framing, rows, seed=1)


@pytest.mark.parametrize(
    "changes, says",
    [
        ({"encodings": {"colour": "target"}}, "colour, which are none of its features"),
        ({"interactions": (("amount", "colour"),)}, "colour, which are none of its features"),
        ({"unseen_categories": "raise"}, "cannot raise where the encoding has a number for them: note, shop, street"),
        ({"encodings": {"shop": "hash"}}, "encodings.shop"),
    ],
)
def test_a_recipe_that_cannot_be_is_refused(changes, says):
    with pytest.raises(ValueError, match=says):
        _recipe(**changes)


def test_parts_of_a_time_are_those_of_the_calendar_in_utc():
    times = pd.Series(pd.to_datetime(["2024-02-29 23:30", None, "2025-01-01"], utc=True, format="ISO8601")).to_frame(
        "t"
    )
    found = DateParts().fit(times).transform(times)
    np.testing.assert_array_equal(found[[0, 2]], [[2024, 2, 3, 23, 60], [2025, 1, 2, 0, 1]])
    assert np.isnan(found[1]).all()
    there = times.assign(t=times["t"].dt.tz_convert("Australia/Sydney"))
    np.testing.assert_array_equal(DateParts("circles").transform(there), DateParts("circles").transform(times))
    circles = DateParts("circles").transform(times)[[0, 2], 1:]
    np.testing.assert_allclose(circles[:, ::2] ** 2 + circles[:, 1::2] ** 2, 1.0)


def test_pairs_are_products_joined_words_and_days():
    days = pd.DataFrame(
        {"a": pd.to_datetime(["2024-01-03", None], utc=True), "b": pd.to_datetime(["2024-01-01"] * 2, utc=True)}
    )
    np.testing.assert_array_equal(DaysBetween().transform(days), [[2.0], [np.nan]])
    np.testing.assert_array_equal(
        Product().transform(pd.DataFrame({"a": [2, 3], "b": [0.5, np.nan]})), [[1.0], [np.nan]]
    )
    texts = pd.DataFrame({"a": ["x", None, "x", None], "b": ["y", "y", None, None]}, dtype=str)
    joined = JoinedCategories().transform(texts).iloc[:, 0]
    assert joined.isna().tolist() == [False, False, False, True]
    assert joined[:3].nunique() == 3


@given(st.lists(st.sampled_from(["a", "b", None]), min_size=1, max_size=30))
def test_frequencies_are_shares_of_the_training_rows(values):
    train = pd.DataFrame({"c": pd.Series(values, dtype=object)})
    made = Frequencies().fit(train)
    found = made.transform(train)[:, 0]
    np.testing.assert_allclose(found, [values.count(v) / len(values) for v in values])
    assert made.transform(pd.DataFrame({"c": ["unseen"]}))[0, 0] == 0.0


def test_a_text_without_a_known_word_is_nowhere():
    texts = pd.DataFrame({"note": ["red door", "blue door", "red gift", None, "door door gift"]})
    for topics in (None, 2):
        made = Words(topics=topics).fit(texts)
        found = made.transform(pd.DataFrame({"note": ["unheard of", None, "red door"]}))
        found = found.toarray() if topics is None else found
        assert (found[:2] == 0).all()
        assert np.abs(found[2]).max() > 0
