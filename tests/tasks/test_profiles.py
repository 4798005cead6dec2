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
    assert _moved(_frame()) == pytest.approx(dict.fromkeys(COLUMNS, 0.0), abs=1e-12)


def test_another_sample_of_the_same_is_near():
    assert max(_moved(_frame(seed=2)).values()) < 0.06


@pytest.mark.parametrize(
    "column, values, least",
    [
        ("number", np.full(2_000, 9.0), 0.98),
        ("number", np.full(2_000, np.nan), 0.99),
        ("flag", np.ones(2_000, dtype=int), 0.4),
        ("kind", pd.Series(["new"] * 2_000, dtype=str), 0.99),
        ("kind", pd.Series([None] * 2_000, dtype=str), 0.99),
        ("empty", np.zeros(2_000), 0.99),
    ],
)
def test_a_column_that_moved_is_seen_and_the_others_stay(column, values, least):
    found = _moved(_frame(), **{column: values})
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
