"""The smallest problem that has everything: an entity, a late label, and a column that is filled in after the event."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import numpy as np
import pandas as pd
import pandera.pandas as pa
import pytest
import sqlalchemy as sa

from schemas.columns import about
from schemas.framing import CostLoss, Framing
from schemas.problem import Problem
from schemas.recipe import Recipe
from schemas.source import Source
from tasks.database import close_databases
from tasks.engines import close_engines
from tests.tasks import postgres

START = datetime(2024, 1, 1, tzinfo=UTC)
TIME = pd.DatetimeTZDtype(unit="us", tz="UTC")


@pytest.fixture(scope="session")
def toy() -> Problem:
    contract = pa.DataFrameSchema(
        {
            "id": pa.Column("int64", pa.Check.ge(0)),
            "at": pa.Column(TIME),
            "customer": pa.Column("int64"),
            "x": pa.Column("float64", pa.Check.in_range(-100, 100)),
            "kind": pa.Column(str, pa.Check.isin(["a", "b"])),
            "review": pa.Column("float64", nullable=True, metadata=about(known="with delay", known_at="reviewed_at")),
            "reviewed_at": pa.Column(TIME, nullable=True),
            "label": pa.Column("float64", pa.Check.isin([0.0, 1.0]), nullable=True),
            "label_at": pa.Column(TIME, nullable=True),
        }
    )
    framing = Framing(
        task="binary",
        objective="tests pass",
        key="id",
        entity="customer",
        event_time="at",
        target="label",
        label_time="label_at",
        maturity=timedelta(days=2),
        loss=CostLoss(miss=1.0, false_alarm=0.1),
        margin=0.01,
        tolerated_harm=0.01,
        metric="roc_auc",
    )
    return Problem(
        name="toy",
        statement="Is x above zero?",
        contract=contract,
        source=Source(location="toy/rows.parquet"),
        framing=framing,
        recipe=Recipe(family="linear", features=("x", "kind")),
    )


@pytest.fixture(scope="session")
def toy_rows():
    """Makes n rows, one an hour: labelled after `label_hours`, reviewed after `review_hours`."""

    def make(n: int = 48, *, label_hours=30, review_hours=10, seed: int = 1) -> pd.DataFrame:
        rng = np.random.default_rng(seed)
        at = pd.Series(pd.date_range(START, periods=n, freq="h", unit="us"))
        x = rng.normal(size=n)
        return pd.DataFrame(
            {
                "id": np.arange(n),
                "at": at,
                "customer": rng.integers(0, max(n // 3, 1), size=n),
                "x": x,
                "kind": rng.choice(["a", "b"], size=n),
                "review": rng.random(n),
                "reviewed_at": at + pd.to_timedelta(np.broadcast_to(review_hours, n), unit="h"),
                "label": (x + rng.normal(size=n) > 0).astype(float),
                "label_at": at + pd.to_timedelta(np.broadcast_to(label_hours, n), unit="h"),
            }
        ).astype({"at": TIME, "reviewed_at": TIME, "label_at": TIME, "kind": str})

    return make


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    if not postgres.available:
        pytest.skip("PostgreSQL is not installed here")
    with postgres.running() as url:
        yield url
        close_databases()
        close_engines()


@pytest.fixture
def put_in_postgres(postgres_url: str) -> Callable[..., Problem]:
    """Puts rows into a table of their own in a real PostgreSQL; the problem that reads them there comes back."""
    pytest.importorskip("psycopg", reason="Ibis reads PostgreSQL through psycopg")

    def put(problem: Problem, rows: pd.DataFrame) -> Problem:
        name, engine = f"rows_{uuid4().hex}", sa.create_engine(postgres_url)
        rows.to_sql(name, engine, index=False)
        engine.dispose()
        source = replace(problem.source, url=postgres_url.replace("+psycopg2", ""), location=name)
        return replace(problem, source=source)

    return put


@pytest.fixture(params=["sqlite", "postgresql"])
def log_home(request: pytest.FixtureRequest, home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fresh PERENNIAL_HOME whose prediction log is on each of the two engines."""
    if request.param == "postgresql":
        monkeypatch.setenv("PERENNIAL_LOG_URL", request.getfixturevalue("postgres_url"))
    return home
