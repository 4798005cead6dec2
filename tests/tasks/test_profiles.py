"""Do frozen profiles see what moved, merge by addition, and survive being stored?"""

import json

import numpy as np
import pandas as pd
import pytest

from tasks import profiles

COLUMNS = ["number", "flag", "kind", "empty"]


def _frame(n: int = 2_000, *, seed: int = 1) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "number": rng.normal(size=n),
            "flag": rng.integers(0, 2, size=n),
            "kind": pd.Series(rng.choice(["a", "b", "c"], size=n), dtype=str),
            "empty": np.full(n, np.nan),
        }
    )


def _moved(frame, **changes) -> dict[str, float]:
    return profiles.distances(profiles.freeze_profile(_frame(), COLUMNS), frame.assign(**changes))


def test_a_window_is_at_no_distance_from_itself():
    names = [*COLUMNS, *(f"missing {name}" for name in COLUMNS)]
    assert _moved(_frame()) == pytest.approx(dict.fromkeys(names, 0.0), abs=1e-12)


def test_another_sample_of_the_same_is_near():
    assert max(_moved(_frame(seed=2)).values()) < 0.06


@pytest.mark.parametrize(
    "column, values, least",
    [
        ("number", np.full(2_000, 9.0), 0.98),
        ("missing number", np.full(2_000, np.nan), 0.99),
        ("flag", np.ones(2_000, dtype=int), 0.4),
        ("kind", pd.Series(["new"] * 2_000, dtype=str), 0.99),
        ("missing kind", pd.Series([None] * 2_000, dtype=str), 0.99),
        ("missing empty", np.zeros(2_000), 0.99),
    ],
)
def test_a_column_that_moved_is_seen_and_the_others_stay(column, values, least):
    found = _moved(_frame(), **{column.removeprefix("missing "): values})
    assert found.pop(column) >= least
    assert max(found.values()) == pytest.approx(0, abs=1e-12)


def test_a_column_that_is_gone_or_of_another_kind_has_no_distance():
    found = _moved(_frame().drop(columns="flag"), number=["text"] * 2_000)
    assert np.isnan([found["flag"], found["number"]]).all()
    assert found["kind"] == pytest.approx(0)


def test_an_empty_window_has_no_distance():
    assert np.isnan(list(_moved(_frame().head(0)).values())).all()


def test_a_profile_survives_being_stored_as_json():
    profile = profiles.freeze_profile(_frame(), COLUMNS)
    stored = profiles.profile_from_json(json.loads(json.dumps(profiles.profile_to_json(profile))))
    window = _frame(seed=3)
    assert profiles.distances(stored, window) == profiles.distances(profile, window)


def test_counts_of_parts_are_those_of_the_whole_in_any_order():
    profile = profiles.freeze_profile(_frame(), COLUMNS)
    parts = [_frame(n, seed=n) for n in (10, 300, 77)]
    whole = profiles.count_frame(profile, pd.concat(parts))
    for order in (parts, parts[::-1]):
        found = profiles.merged(profiles.count_frame(profile, part) for part in order)
        assert set(found) == set(COLUMNS)
        for name in COLUMNS:
            np.testing.assert_array_equal(found[name], whole[name])
    assert profiles.merged([]) == {}


def test_moments_are_not_watched_since_no_later_window_has_them():
    frame = _frame().assign(at=pd.date_range("2024-01-01", periods=2_000, freq="h", tz="UTC"))
    assert profiles.watched(frame, [*COLUMNS, "at"]) == COLUMNS


def test_a_profile_written_before_there_were_kinds_is_one_of_features():
    written = profiles.profile_to_json(profiles.freeze_profile(_frame(), COLUMNS))
    old = {name: {key: value for key, value in one.items() if key != "kind"} for name, one in written.items()}
    read = profiles.profile_from_json(old)
    assert {column.kind for column in read.values()} == {"feature"}
    assert profiles.distances(read, _frame()) == pytest.approx(_moved(_frame()))


def test_measures_give_four_distances_and_what_is_missing_or_outside():
    profile = profiles.freeze_profile(_frame(), COLUMNS)
    moved = _frame(seed=2).assign(number=np.append(np.full(1_000, 99.0), np.full(1_000, np.nan)))
    found = profiles.measures(profile, profiles.count_frame(profile, moved))
    assert found["number"]["kolmogorov_smirnov"] == pytest.approx(1)
    assert found["number"]["wasserstein"] == pytest.approx(0.5, abs=0.02)
    assert (found["number"]["missing"], found["number"]["missing_before"]) == (0.5, 0)
    assert (found["number"]["outside"], found["number"]["outside_before"]) == (0.5, 0)
    assert found["number"]["psi"] > 1
    assert found["kind"]["kolmogorov_smirnov"] == found["kind"]["wasserstein"] < 0.06
    assert 0 < found["kind"]["jensen_shannon"] < 0.1
