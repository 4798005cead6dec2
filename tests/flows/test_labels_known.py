"""Is no row trained or judged on whose label was not known yet? Some of the tables that `make prove NAME=labels` draws."""

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.flows.made import added
from tests.proofs import labels


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(1_000, 10**6))
def test_what_a_retrain_is_given_was_labelled_by_now(home, tmp_path, seed):
    drawn = labels.draw(seed)
    with added(drawn.problem, tmp_path):
        labels.held(drawn, labels.given(drawn))


def test_the_tables_hold_what_could_go_wrong(home, tmp_path):
    found = []
    for seed in range(8):
        drawn = labels.draw(seed)
        with added(drawn.problem, tmp_path):
            found.append(labels.held(drawn, labels.given(drawn)))
    assert sum(one["late"] > 0 for one in found) > 4
    assert sum(one["judged"] > 0 for one in found) > 4


def test_a_row_that_was_labelled_later_is_seen(home, tmp_path):
    """The proof must be able to fail: rows as the finished table has them, labels of the future and all."""
    drawn = next(d for d in map(labels.draw, range(50)) if (d.table["band_at"] > pd.Timestamp(d.now)).sum() > 20)
    with pytest.raises(AssertionError, match="labelled after"):
        labels.held(drawn, {"train": drawn.table.dropna(subset=["band_at", "high"])})
