"""Does the engine count a window as pandas does, value by value at the edges?"""

import math
from datetime import UTC, datetime, timedelta

import ibis
import numpy as np
import pandas as pd
import pyarrow
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tasks import engine_profiles, profiles
from tasks.engine_profiles import distances_of_table, profile_table, profile_windows
from tasks.stats import binned

NUMBERS = st.one_of(
    st.sampled_from([0.0, -0.0, 0.1, 0.30000000000000004, 1.0, 1e300, math.inf, -math.inf, math.nan, None]),
    st.floats(-2, 2, width=16),
    st.none(),
)
TEXTS = st.sampled_from(["a", "b", "missing", "unseen", "=a", "é", ""]) | st.none()
WHOLE = st.integers(-3, 3)
START = datetime(2024, 1, 1, tzinfo=UTC)


@st.composite
def windows(draw):
    n = draw(st.integers(0, 25))
    rows = lambda one: draw(st.lists(one, min_size=n, max_size=n))  # noqa: E731
    return pyarrow.table(
        {
            "x": pyarrow.array(rows(NUMBERS), pyarrow.float64(), from_pandas=False),
            "f": pyarrow.array(rows(st.floats(-2, 2, width=16) | st.none()), pyarrow.float32(), from_pandas=False),
            "n": pyarrow.array(rows(WHOLE | st.none()), pyarrow.int64()),
            "b": pyarrow.array(rows(st.booleans()), pyarrow.bool_()),
            "s": pyarrow.array(rows(TEXTS), pyarrow.string()),
        }
    )


@pytest.fixture(scope="module")
def engine():
    large = engine_profiles._LARGE
    yield ibis.duckdb.connect(threads=1)
    engine_profiles._LARGE = large


def _table(engine, folder, arrow):
    pq.write_table(arrow, folder / "rows.parquet")
    return engine.read_parquet(folder / "rows.parquet")


def _frozen(arrow):
    """Bins of the reference; a value on an edge has to fall on the same side everywhere."""
    frame = arrow.to_pandas()
    frozen = profiles.freeze_profile(frame.astype({"b": bool}), ["x", "f", "b", "s"])
    edges = [-1.0, 0.0, 0.1, 0.30000000000000004, 1.0]
    return frozen | {"n": profiles.Column(True, edges, binned(np.array([0.0]), edges, ordered=True))}


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(reference=windows(), window=windows(), by_value=st.booleans())
def test_the_engine_counts_as_pandas_does(engine, tmp_path, reference, window, by_value):
    engine_profiles._LARGE = 0 if by_value else 5_000_000
    profile = _frozen(reference)
    counted = profile_table(_table(engine, tmp_path, window), profile)
    frame = window.to_pandas()
    for name, column in profile.items():
        values = np.asarray(frame[name].astype(float if column.ordered else object))
        np.testing.assert_array_equal(counted[name], binned(values, column.bins, ordered=column.ordered), err_msg=name)


SPAN = timedelta(hours=6)


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(reference=windows(), window=windows(), seed=st.integers(0, 1000))
def test_windows_counted_in_one_pass_are_counted_as_each_alone_and_add_up(engine, tmp_path, reference, window, seed):
    profile = _frozen(reference)
    seconds = np.random.default_rng(seed).integers(0, 4 * 6 * 3600, size=len(window))
    at = [START + timedelta(seconds=int(one), microseconds=999_999) for one in seconds]
    timed = window.append_column("at", pyarrow.array(at, pyarrow.timestamp("us", tz="UTC")))
    found = profile_windows(_table(engine, tmp_path, timed), "at", profile, origin=START, span=SPAN)
    frame = timed.to_pandas()
    assert list(found) == sorted({START + (one - START) // SPAN * SPAN for one in at})
    for start, counted in found.items():
        rows = frame[(frame["at"] >= start) & (frame["at"] < start + SPAN)]
        for name, column in profile.items():
            values = np.asarray(rows[name].astype(float if column.ordered else object))
            np.testing.assert_array_equal(
                counted[name], binned(values, column.bins, ordered=column.ordered), err_msg=name
            )
    whole = profile_table(_table(engine, tmp_path, timed), profile)
    for name, counts in profiles.merged(found.values()).items():
        np.testing.assert_array_equal(counts, whole[name])


def test_values_beyond_the_reference_missing_and_unseen_ones_have_bins_of_their_own(engine, tmp_path):
    then = pd.DataFrame({"x": np.arange(100.0), "s": ["a", "b"] * 50})
    now = pd.DataFrame({"x": [-5.0, 0.0, 99.0, 99.5, math.inf, math.nan], "s": ["a", "z", "y", None, "b", "b"]})
    profile = profiles.freeze_profile(then, ["x", "s"])
    counted = profile_table(_table(engine, tmp_path, pyarrow.Table.from_pandas(now, preserve_index=False)), profile)
    assert (counted["x"][0], counted["x"][-2], counted["x"][-1]) == (1, 2, 1)
    assert counted["s"].tolist() == [1, 2, 2, 1]


def test_distances_are_those_of_the_frame_and_undefined_where_a_column_is_gone(engine, tmp_path):
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({"x": rng.normal(size=500), "s": rng.choice(["a", "b"], 500), "gone": rng.normal(size=500)})
    profile = profiles.freeze_profile(frame, ["x", "s", "gone"])
    later = frame.assign(x=frame["x"] + 1, s="c").drop(columns="gone")
    found = distances_of_table(profile, _table(engine, tmp_path, pyarrow.Table.from_pandas(later)))
    assert found == pytest.approx(profiles.distances(profile, later), nan_ok=True)
    assert found["s"] == 1
    retyped = _table(engine, tmp_path, pyarrow.Table.from_pandas(later.assign(x=later["x"].astype(str))))
    assert math.isnan(distances_of_table(profile, retyped)["x"])
    assert math.isnan(found["gone"])
