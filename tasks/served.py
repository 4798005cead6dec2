"""Which feature values were models asked with? What clients sent, as the gateway logged it beside its answers."""

from datetime import datetime

import pandas as pd
import sqlalchemy as sa

from schemas.problem import Problem
from schemas.settings import Settings
from tasks.database import open_database

__all__ = ["served_features"]


def served_features(problem: Problem, since: datetime, until: datetime, *, n: int) -> pd.DataFrame:
    """The newest `n` answered rows with `since <= event time < until`: `served_key` (text), `served_at`, and the columns
    of the contract that the log has. Empty where no gateway logged any."""
    engine = open_database(Settings().log, "log")
    name = f"features_{problem.name}"
    there = (
        {column["name"] for column in sa.inspect(engine).get_columns(name)}
        if sa.inspect(engine).has_table(name)
        else ()
    )
    columns = [column for column in problem.asked if column in there]
    if not columns:
        return pd.DataFrame(columns=["served_key", "served_at"])
    features = sa.table(name, *(sa.column(column) for column in ("request", "position", *columns)))
    answers = sa.table("predictions", *(sa.column(c) for c in ("problem", "key", "event_time", "request", "position")))
    same = (answers.c.request == features.c.request) & (answers.c.position == features.c.position)
    query = (
        sa.select(answers.c.key, answers.c.event_time, *(features.c[column] for column in columns))
        .select_from(answers.join(features, same))
        .where(answers.c.problem == problem.name)
        .where(answers.c.event_time >= _micros(since), answers.c.event_time < _micros(until))
        .order_by(answers.c.event_time.desc(), features.c.request.desc())
        .limit(n)
    )
    with engine.connect() as connection:
        rows = pd.DataFrame(connection.execute(query).all(), columns=["served_key", "served_at", *columns])
    return rows.assign(served_at=pd.to_datetime(rows["served_at"], unit="us", utc=True))


def _micros(moment: datetime) -> int:
    return round(moment.timestamp() * 1e6)
