"""Are label delays measured by class and by slice, in a frame and in its engine alike?"""

from datetime import UTC, datetime, timedelta

import ibis
import numpy as np
import pandas as pd
import pytest

from tasks import counts, maturity

START = datetime(2024, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
NOW = START + 60 * DAY


@pytest.fixture(scope="module")
def window(toy, toy_rows):
    """Sixty days, as they stand at their end: label 0 takes a day on average, label 1 four, kind b twice as long as a."""
    rows = toy_rows(60 * 24, seed=4)
    rng = np.random.default_rng(4)
    mean = np.where(rows["label"] == 1, 4.0, 1.0) * np.where(rows["kind"] == "b", 2.0, 1.0)
    label_at = rows["at"] + pd.to_timedelta(rng.exponential(mean) * 86_400, unit="s")
    known = label_at < pd.Timestamp(NOW)
    rows = rows.assign(label=rows["label"].where(known), label_at=label_at.where(known))
    return rows.astype({"label_at": rows["reviewed_at"].dtype})


def test_each_group_has_its_own_delays(toy, window):
    delays = maturity.delays_of(window, toy.framing, now=NOW, by=["kind"])
    found = {m.group: m for m in maturity.measured(delays, toy.framing, by=["kind"])}
    assert list(found) == ["all", "label = 0", "label = 1", "kind = a", "kind = b"]
    assert found["label = 1"].median > 2 * found["label = 0"].median
    assert found["kind = b"].median > 1.5 * found["kind = a"].median
    everything = found["all"]
    assert (everything.rows, everything.labelled) == (len(window), window["label"].notna().sum())
    assert everything.median < everything.p95 < everything.p99 <= everything.longest
    assert everything.longest == pytest.approx((window["label_at"] - window["at"]).max() / pd.Timedelta(DAY))


def test_the_engine_measures_alike(toy, window, tmp_path):
    window.to_parquet(tmp_path / "rows.parquet")
    connection = ibis.duckdb.connect()
    connection.raw_sql("SET TimeZone = 'UTC'")
    table = connection.read_parquet(tmp_path / "rows.parquet")
    here = maturity.delays_of(window, toy.framing, now=NOW, by=["kind"])
    there = counts.delays_in(table, toy.framing, now=NOW, by=["kind"])
    assert there["rows"].sum() == len(window)
    step = toy.framing.maturity / DAY / 200
    for one, other in zip(
        maturity.measured(here, toy.framing, by=["kind"]),
        maturity.measured(there, toy.framing, by=["kind"]),
        strict=True,
    ):
        assert (one.group, one.rows, one.labelled) == (other.group, other.rows, other.labelled)
        for figure in ("median", "p95", "p99", "longest"):
            assert getattr(other, figure) == pytest.approx(getattr(one, figure), abs=2.5 * step, nan_ok=True)
    known, mature = window["label"].notna(), window["at"] < pd.Timestamp(NOW - toy.framing.maturity)
    counted = counts.labelled_in(table, toy.framing, now=NOW)
    assert counted == (len(window), known.sum(), mature.sum(), (known & mature).sum())


def test_a_label_before_its_event_is_no_delay(toy, window):
    early = window.assign(label_at=window["label_at"].where(window.index > 9, window["at"] - pd.Timedelta(hours=1)))
    delays = maturity.delays_of(early, toy.framing, now=NOW)
    assert (delays["stop"] < 0).sum() == window["label"].head(10).notna().sum()
    assert (maturity.measured(delays, toy.framing)[0].curve.delay >= 0).all()


def test_a_window_without_labels_measures_nothing(toy, window):
    empty = window.assign(label=np.nan)
    assert maturity.measured(maturity.delays_of(empty, toy.framing, now=NOW), toy.framing) == []
    none = maturity.delays_of(window.head(0), toy.framing, now=NOW)
    assert maturity.measured(none, toy.framing) == []


def test_a_group_with_few_labels_has_no_curve(toy, window):
    rare = window.assign(kind=np.where(window.index < 20, "b", "a"))
    delays = maturity.delays_of(rare, toy.framing, now=NOW, by=["kind"])
    assert "kind = b" not in [m.group for m in maturity.measured(delays, toy.framing, by=["kind"])]
