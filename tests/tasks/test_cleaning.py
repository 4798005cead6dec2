"""Are copies, near-copies and contradictions counted as they are, in a frame and in its engine alike?"""

import ibis
import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score

from tasks import cleaning, counts


def table(n: int, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "amount": rng.gamma(2.0, 50.0, size=n),
            "hour": rng.integers(0, 24, size=n),
            "channel": rng.choice(["online", "shop", "phone"], size=n),
            "noise": rng.normal(size=n),
        }
    )


# Near-copies.

COLUMNS = ["amount", "hour", "channel", "noise"]


def test_new_rows_are_no_copies_and_the_same_rows_all_are():
    older, newer = table(2_000, 1), table(500, 2)
    assert cleaning.near_copies(newer, older, COLUMNS) == 0.0
    assert cleaning.near_copies(older.tail(500), older, COLUMNS) == 1.0


@pytest.mark.parametrize("share", [0.1, 0.5])
def test_the_share_of_rows_copied_and_shaken_a_little_is_found(share):
    older, newer = table(2_000, 1), table(500, 2)
    n = int(500 * share)
    copies = older.sample(n, random_state=1)
    shaken = copies.assign(amount=copies["amount"] + 1e-7, noise=copies["noise"] * (1 + 1e-9))
    found = cleaning.near_copies(pd.concat([shaken, newer.tail(500 - n)]), older, COLUMNS)
    assert found == pytest.approx(share, abs=0.01)  # a rounding edge may lie between a row and its copy


@pytest.mark.parametrize("changed", [{"channel": "phone!"}, {"hour": 99}, {"amount": -1.0}])
def test_a_row_that_differs_in_one_column_is_no_copy(changed):
    older = table(500, 1)
    assert cleaning.near_copies(older.assign(**changed), older, COLUMNS) == 0.0
    assert cleaning.near_copies(older.assign(**changed), older, [c for c in COLUMNS if c not in changed]) == 1.0


def test_gaps_at_the_same_place_are_alike():
    older = table(500, 1).assign(noise=np.nan)
    older.loc[::2, "channel"] = None
    assert cleaning.near_copies(older, older, COLUMNS) == 1.0


def test_a_column_that_never_changes_tells_nothing_apart():
    older, newer = table(500, 1).assign(noise=3.0), table(500, 2).assign(noise=3.0)
    assert cleaning.near_copies(newer, older, ["noise"]) == 1.0
    assert cleaning.near_copies(newer, older, COLUMNS) < 0.01  # one or two meet by chance


def test_no_row_is_a_copy_of_none():
    rows = table(5, 1)
    assert cleaning.near_copies(rows, rows.head(0), COLUMNS) == cleaning.near_copies(rows.head(0), rows, COLUMNS) == 0.0


def test_a_copy_just_under_zero_is_a_copy():
    older = table(500, 1).assign(noise=np.resize([0.0, 1.0], 500))
    assert cleaning.near_copies(older.assign(noise=older["noise"] - 1e-12), older, COLUMNS) == 1.0


# Copies.

VALUES = {
    "number": st.sampled_from([0.0, -0.0, 1.5, None]),
    "count": st.integers(0, 2),
    "word": st.sampled_from(["a", "b", None]),
    "label": st.sampled_from([0.0, 1.0, None]),
}
FRAMES = st.lists(st.tuples(*VALUES.values()), max_size=40)


def framed(rows) -> pd.DataFrame:
    types = {"number": float, "count": "int64", "label": float}
    return pd.DataFrame(rows, columns=list(VALUES)).astype(types)


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    """Puts a frame on disk, and opens it in DuckDB."""
    path, connection = tmp_path_factory.mktemp("tables") / "rows.parquet", ibis.duckdb.connect()

    def opened(frame: pd.DataFrame) -> ibis.Table:
        frame.astype({"word": "str"} if "word" in frame else {}).to_parquet(path, index=False)
        return connection.read_parquet(path)

    return opened


def _seen(value):
    return None if value is None or value != value else value + 0.0 if isinstance(value, float) else value


@given(rows=FRAMES)
def test_copies_are_what_counting_by_hand_finds(rows):
    groups = pd.Series([tuple(map(_seen, row)) for row in rows], dtype=object).value_counts()
    found = cleaning.copies_within(cleaning.row_keys(framed(rows), list(VALUES)))
    assert (found.rows, found.groups) == (len(rows), int((groups > 1).sum()))
    assert found.copies == len(rows) - len(groups)
    assert found.largest == (groups.max() if len(groups) else 0)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=FRAMES.filter(len))
def test_the_engine_counts_alike(engine, rows):
    frame = framed(rows)
    table = engine(frame)
    columns = ["number", "count", "word"]
    assert counts.copies_in(table, columns) == cleaning.copies_within(cleaning.row_keys(frame, columns))
    of_classes = vars(counts.conflicts_in(table, columns, "label", classes=True))
    assert of_classes == pytest.approx(vars(cleaning.conflicts(frame, columns, "label", classes=True)), nan_ok=True)


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 1_000))
def test_the_engine_measures_the_spread_of_numbers_alike(engine, seed):
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"a": rng.integers(0, 4, 60), "y": rng.normal(size=60)})
    theirs = vars(counts.conflicts_in(engine(frame), ["a"], "y", classes=False))
    assert theirs == pytest.approx(vars(cleaning.conflicts(frame, ["a"], "y", classes=False)))


def test_an_engine_without_rows_has_no_copies(engine):
    table = engine(pd.DataFrame({"a": [1], "y": [1.0]})).filter(ibis._.a > 5)
    assert counts.copies_in(table, ["a"]) == cleaning.Copies(0, 0, 0, 0)
    assert counts.conflicts_in(table, ["a"], "y", classes=True).rows == 0


@given(rows=FRAMES)
def test_without_copies_each_row_stands_once_in_its_order(rows):
    frame = framed(rows)
    kept, went = cleaning.without_copies(frame, list(VALUES))
    assert len(kept) + went == len(frame)
    assert kept.index.is_monotonic_increasing
    assert cleaning.copies_within(cleaning.row_keys(kept, list(VALUES))).copies == 0
    assert set(cleaning.row_keys(frame, list(VALUES))) == set(cleaning.row_keys(kept, list(VALUES)))


def test_what_stands_in_two_columns_the_other_way_round_is_another_row():
    frame = pd.DataFrame({"a": [1.0, 2.0], "b": [2.0, 1.0]})
    assert cleaning.copies_within(cleaning.row_keys(frame, ["a", "b"])).copies == 0


def test_an_infinite_number_blurs_no_others():
    older = table(500, 1)
    older.loc[0, "amount"] = np.inf
    assert cleaning.near_copies(table(500, 2), older, COLUMNS) == 0.0


def test_each_pair_of_parts_is_held_against_each_other():
    train, validation, test = table(300, 1), table(100, 2), table(100, 3)
    test = pd.concat([test.head(60), train.head(30), validation.head(10)])
    found = cleaning.copies_across({"train": train, "validation": validation, "test": test}, COLUMNS)
    assert {(f.older, f.newer): f.rows for f in found} == {
        ("train", "validation"): 0,
        ("train", "test"): 30,
        ("validation", "test"): 10,
    }
    assert found[1].share == pytest.approx(0.3)


def test_parts_without_rows_share_nothing():
    assert cleaning.copies_across({"train": table(5, 1), "test": table(5, 1).head(0)}, COLUMNS) == []


def test_the_column_that_alone_keeps_copies_apart_is_named_first():
    rows = table(200, 1)
    twice = pd.concat([rows, rows], ignore_index=True).assign(number=np.arange(400))
    found = cleaning.tells_apart(twice, [*COLUMNS, "number"])
    assert next(iter(found.items())) == ("number", 200)
    assert found["channel"] == 0


# Conflicts.


def test_the_floor_is_the_error_of_the_best_model_there_can_be():
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({"a": rng.integers(0, 5, 2_000), "b": rng.choice(["x", "y"], 2_000)})
    frame["y"] = (rng.random(2_000) < 0.1 + 0.15 * frame["a"]).astype(float)
    best = frame.groupby(["a", "b"])["y"].transform(lambda y: float(y.mean() >= 0.5))
    found = cleaning.conflicts(frame, ["a", "b"], "y", classes=True)
    assert found.floor == pytest.approx(1 - accuracy_score(frame["y"], best))
    assert (found.groups, found.conflicting) == (10, 2_000)


def test_the_spread_of_numbers_is_that_of_their_noise():
    rng = np.random.default_rng(2)
    frame = pd.DataFrame({"a": np.repeat(np.arange(2_000), 2)})
    frame["y"] = frame["a"] + rng.normal(0, 3.0, len(frame))
    found = cleaning.conflicts(frame, ["a"], "y", classes=False)
    assert found.spread == pytest.approx(3.0, rel=0.05)
    assert found.floor == pytest.approx(3.0 / np.sqrt(np.pi), rel=0.05)  # half the distance of two, on average


@pytest.mark.parametrize("classes", [True, False])
def test_rows_without_a_twin_contradict_nobody(classes):
    frame = pd.DataFrame({"a": np.arange(50), "y": np.arange(50) % 2})
    found = cleaning.conflicts(frame, ["a"], "y", classes=classes)
    assert (found.repeated, found.groups, found.conflicting, found.floor) == (0, 0, 0, 0.0)


def test_rows_without_a_label_have_no_part():
    frame = pd.DataFrame({"a": [1, 1, 1], "y": [1.0, 1.0, np.nan]})
    assert cleaning.conflicts(frame, ["a"], "y", classes=True).conflicting == 0
    assert cleaning.conflicts(frame, ["a"], "y", classes=True).rows == 2
    assert cleaning.conflicts(frame.tail(1), ["a"], "y", classes=True).rows == 0
