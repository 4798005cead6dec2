"""On DuckDB and on a real PostgreSQL: is every feature what its definition says, from nothing that was not known then?"""

import dataclasses
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from schemas.features import Aggregate, Lag
from tasks import windows
from tasks.features import TakenNameError
from tests.tasks import featured
from tests.tasks.featured import DAY, FEATURES, HOUR, START

END = START + 9 * DAY
LATE = [one for one in FEATURES if one.of in ("late", "review", "checked")]
ANY = st.lists(st.sampled_from(FEATURES), min_size=1, max_size=3, unique=True).map(tuple)
# A read takes a tenth of a second and more: nothing is made smaller, since that would take minutes.
SEEN = (Phase.explicit, Phase.reuse, Phase.generate)
FEW = settings(max_examples=5, phases=SEEN, suppress_health_check=[HealthCheck.function_scoped_fixture])
EVERY = settings(max_examples=6, phases=SEEN, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(params=["duckdb", "postgresql"])
def put(request, home):
    """Puts rows where a problem reads them; the problem comes back."""
    if request.param == "duckdb":

        def on_file(problem, rows):
            windows.materialise(problem, rows)
            return problem

        return on_file
    return request.getfixturevalue("put_in_postgres")


def _read(problem, start=START, end=END, *, as_of=START + 99 * DAY):
    return windows.read_window(problem, start, end, as_of=as_of)


def _same(found: pd.Series, wanted: list) -> None:
    if any(isinstance(value, str) for value in [*found.dropna(), *wanted]):
        assert [None if pd.isna(v) else v for v in found] == [None if pd.isna(v) else v for v in wanted]
    else:
        np.testing.assert_allclose(found.astype(float), np.array(wanted, dtype=float), rtol=1e-8, atol=1e-12)


@FEW
@given(n=st.integers(1, 60), seed=st.integers(0, 10_000), some=ANY)
def test_a_feature_is_what_its_definition_says_row_by_row(put, n, seed, some):
    rows = featured.rows(n, seed=seed)
    found = _read(put(featured.problem(some), rows))
    rows = rows.sort_values(["at", "id"], ignore_index=True)
    assert found["id"].tolist() == rows["id"].tolist()
    for one in some:
        _same(found[one.name], featured.by_hand(rows, one))


def test_all_kinds_at_once_on_a_longer_table(put):
    rows = featured.rows(120, seed=5)
    found = _read(put(featured.problem(), rows))
    rows = rows.sort_values(["at", "id"], ignore_index=True)
    for one in FEATURES:
        _same(found[one.name], featured.by_hand(rows, one))
    assert found[["amount_std_3d", "channel_before", "late_1d_ago", "checks_3d"]].notna().any().all()
    featured.problem().contract.validate(found, lazy=True)


def test_two_engines_say_the_same_to_the_last_digit(home, put_in_postgres):
    problem, rows = featured.problem(), featured.rows(200, seed=6)
    windows.materialise(problem, rows)
    elsewhere = put_in_postgres(problem, rows)
    pd.testing.assert_frame_equal(_read(problem), _read(elsewhere), check_exact=True)


@EVERY
@given(seed=st.integers(0, 10_000), some=ANY, cut=st.integers(1, 119))
def test_later_rows_never_change_what_earlier_ones_saw(home, seed, some, cut):
    problem, rows = featured.problem(some), featured.rows(60, seed=seed)
    then = START + cut * HOUR
    windows.materialise(problem, rows)
    whole = _read(problem, START, then)
    windows.materialise(problem, rows[rows["at"] < then])
    pd.testing.assert_frame_equal(_read(problem, START, then), whole, check_exact=True)


@EVERY
@given(
    seed=st.integers(0, 10_000),
    cut=st.integers(1, 119),
    delays=st.lists(st.integers(0, 100), min_size=60, max_size=60),
    late=st.lists(st.sampled_from(LATE), min_size=1, max_size=3, unique=True).map(tuple),
)
def test_what_was_known_later_never_leaks_into_a_feature(home, seed, cut, delays, late):
    rows = featured.rows(60, seed=seed)
    rows["late_at"] = (rows["at"] + pd.to_timedelta(delays, unit="h")).astype(featured.TIME)
    problem, then = featured.problem(late), START + cut * HOUR
    windows.materialise(problem, rows)
    names = ["id", *(one.name for one in late)]
    before = _read(problem, START, then)[names]
    # Whatever becomes known at `then` or later is another value, and all of it: rows before `then` cannot tell.
    for of, known in (("late", rows["late_at"]), ("review", rows["reviewed_at"]), ("checked", rows["at"] + 7 * HOUR)):
        rows[of] = rows[of].where(known < then, 1.0 - rows[of])
    windows.materialise(problem, rows)
    pd.testing.assert_frame_equal(_read(problem, START, then)[names], before, check_exact=True)


@EVERY
@given(seed=st.integers(0, 10_000), some=ANY, cuts=st.lists(st.integers(1, 215), min_size=1, max_size=3))
def test_a_row_has_the_same_features_in_whatever_window_it_is_read(home, seed, some, cuts):
    problem = featured.problem(some)
    windows.materialise(problem, featured.rows(60, seed=seed))
    edges = [START, *(START + cut * HOUR for cut in sorted(set(cuts))), END]
    parts = [_read(problem, a, b) for a, b in zip(edges, edges[1:], strict=False)]
    parts = [part for part in parts if len(part)]
    pd.testing.assert_frame_equal(pd.concat(parts, ignore_index=True), _read(problem), check_exact=True)


@FEW
@given(seed=st.integers(0, 10_000), order=st.integers(0, 10_000), some=ANY)
def test_the_order_in_which_rows_were_inserted_does_not_matter(put, seed, order, some):
    rows = featured.rows(60, seed=seed)
    before = _read(put(featured.problem(some), rows))
    after = _read(put(featured.problem(some), rows.sample(frac=1, random_state=order)))
    pd.testing.assert_frame_equal(before, after, check_exact=True)


def test_requests_have_the_same_features_as_training_rows(put):
    problem = put(featured.problem(), featured.rows(80, seed=3))
    names = ["id", *(one.name for one in FEATURES)]
    asked = windows.read_requests(problem, START, END)
    assert asked["late"].isna().all()
    pd.testing.assert_frame_equal(asked[names], _read(problem)[names], check_exact=True)


def test_rows_of_one_moment_do_not_see_each_other_and_a_window_holds_its_beginning(home):
    at = pd.Series([0, 0, 24, 24, 25], dtype=float) * pd.Timedelta(hours=1) + pd.Timestamp(START)
    rows = featured.rows(5, seed=1).assign(id=range(5), at=at, shop="a", amount=[1.0, 2.0, 4.0, 8.0, 16.0])
    rows = rows.astype({"at": featured.TIME, "shop": str})
    problem = featured.problem(FEATURES[:5])
    windows.materialise(problem, rows)
    found = _read(problem)
    assert found["orders_1d"].tolist() == [0, 0, 2, 2, 2]
    assert found["amount_sum_1d"].tolist() == [0, 0, 3, 3, 12]


def test_a_row_without_an_entity_sees_nobody(home):
    rows = featured.rows(20, seed=1).assign(shop=pd.Series([None] * 20, dtype=str))
    windows.materialise(featured.problem(), rows)
    found = _read(featured.problem())
    assert (found["orders_1d"] == 0).all()
    assert found["amount_max_1d"].isna().all()
    assert found["everybodys_orders_6h"].max() > 0


@pytest.mark.parametrize("value", [np.inf, -np.inf, 1e300, 1e16])
def test_a_number_that_is_none_is_missing_from_sums(home, value):
    rows = featured.rows(40, seed=2)
    problem = featured.problem(tuple(one for one in FEATURES if one.of == "amount" and one.over == ("shop",)))
    windows.materialise(problem, rows.assign(amount=rows["amount"].where(rows["id"] % 5 > 0, value)))
    odd = _read(problem)
    windows.materialise(problem, rows.assign(amount=rows["amount"].where(rows["id"] % 5 > 0, np.nan)))
    names = ["amount_sum_1d", "amount_max_1d", "amount_std_3d"]
    pd.testing.assert_frame_equal(odd[names], _read(problem)[names], check_exact=True)


def test_a_constant_column_has_no_deviation_and_tiny_and_large_numbers_are_summed(home):
    wide = (
        Aggregate(name="std", window=9 * DAY, how="std", of="amount"),
        Aggregate(name="sum", window=9 * DAY, how="sum", of="amount"),
    )
    for value in (0.1, 1e-9, 123_456_789.01, -3e11):
        windows.materialise(featured.problem(wide), featured.rows(30, seed=4).assign(amount=value))
        found = _read(featured.problem(wide)).tail(1)
        assert found["std"].item() == 0.0
        seen = round(found["sum"].item() / value)
        assert seen > 20
        assert found["sum"].item() == pytest.approx(seen * value, rel=1e-6)


def test_the_columns_of_the_contract_stay_as_they_are(home):
    windows.materialise(featured.problem(), featured.rows(30, seed=4))
    found, plain = _read(featured.problem()), _read(featured.problem(()))
    pd.testing.assert_frame_equal(found[list(plain.columns)], plain)
    assert list(found.columns) == list(featured.problem().contract.columns)
    assert len(_read(featured.problem(), END, END + DAY)) == 0


def test_a_table_that_has_the_column_already_is_refused(home):
    windows.materialise(featured.problem(), featured.rows(5, seed=1).assign(orders_1d=7))
    with pytest.raises(TakenNameError, match="'featured' already has orders_1d"):
        _read(featured.problem())


def test_features_are_part_of_the_rules():
    wider = featured.problem((FEATURES[0].model_copy(update={"window": 2 * DAY}),))
    assert featured.problem(FEATURES[:1]).rules() != wider.rules()


@pytest.mark.parametrize(
    "feature, says",
    [
        (Aggregate(name="nowhere", window=DAY, how="count"), "columns its contract lacks: nowhere"),
        (Aggregate(name="amount", window=DAY, how="sum", of="price"), "reads price; it reads columns of the contract"),
        (Aggregate(name="amount", over=("late",), window=DAY, how="count"), "needs late at the event"),
        (Aggregate(name="review", window=DAY, how="count"), "needs review at the event"),
        (Aggregate(name="id", window=DAY, how="mean", of="amount"), "say nullable=True"),
        (Lag(name="id", by=DAY, of="amount"), "say nullable=True"),
    ],
)
def test_a_feature_that_cannot_be_is_refused_in_a_sentence(feature, says):
    plain = featured.problem(())
    with pytest.raises(ValueError, match=says):
        dataclasses.replace(plain, features=(feature,))


@pytest.mark.parametrize(
    "given_, says",
    [
        ({"how": "sum"}, "is the sum of no column"),
        ({"how": "share", "of": "channel"}, "is the share of no value"),
        ({"how": "mean", "of": "amount", "value": 1}, "a value belongs to"),
        ({"how": "count", "window": timedelta(0)}, "greater than 0"),
    ],
)
def test_an_aggregate_says_all_that_it_needs(given_, says):
    with pytest.raises(ValueError, match=says):
        Aggregate(**({"name": "x", "window": DAY} | given_))
