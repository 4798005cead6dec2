"""A small table and problem with every kind of feature, and what the features are by brute force."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pandera.pandas as pa

from schemas.columns import about
from schemas.features import Aggregate, Feature, Lag
from schemas.framing import CostLoss, Framing
from schemas.problem import Problem
from schemas.recipe import Recipe
from schemas.source import Source

START = datetime(2024, 1, 1, tzinfo=UTC)
TIME = pd.DatetimeTZDtype(unit="us", tz="UTC")
HOUR, DAY = timedelta(hours=1), timedelta(days=1)

FEATURES: tuple[Feature, ...] = (
    Aggregate(name="orders_1d", over=("shop",), window=DAY, how="count"),
    Aggregate(name="everybodys_orders_6h", window=6 * HOUR, how="count"),
    Aggregate(name="amounts_1d", over=("shop",), window=DAY, how="count", of="amount"),
    Aggregate(name="online_1d", over=("shop",), window=DAY, how="count", of="channel", value="online"),
    Aggregate(name="amount_sum_1d", over=("shop",), window=DAY, how="sum", of="amount"),
    Aggregate(name="amount_mean_3d", over=("shop", "channel"), window=3 * DAY, how="mean", of="amount"),
    Aggregate(name="amount_min_1d", over=("shop",), window=DAY, how="min", of="amount"),
    Aggregate(name="amount_max_1d", over=("shop",), window=DAY, how="max", of="amount"),
    Aggregate(name="amount_std_3d", over=("shop",), window=3 * DAY, how="std", of="amount"),
    Aggregate(name="channels_1d", over=("shop",), window=DAY, how="distinct", of="channel"),
    Aggregate(name="channel_before", over=("shop",), window=DAY, how="last", of="channel"),
    Aggregate(name="share_online_3d", over=("shop",), window=3 * DAY, how="share", of="channel", value="online"),
    Aggregate(name="late_known_3d", over=("shop",), window=3 * DAY, how="count", of="late", value=1.0),
    Aggregate(name="late_share_known_3d", over=("shop",), window=3 * DAY, how="mean", of="late"),
    Aggregate(name="lates_known_3d", over=("shop",), window=3 * DAY, how="distinct", of="late"),
    Aggregate(name="last_late_known", over=("shop",), window=3 * DAY, how="last", of="late"),
    Aggregate(name="reviews_3d", window=3 * DAY, how="sum", of="review"),
    Aggregate(name="checks_3d", over=("shop",), window=3 * DAY, how="max", of="checked"),
    Lag(name="amount_1d_ago", of="amount", by=DAY),
    Lag(name="amount_a_while_ago", over=("shop",), of="amount", by=HOUR, within=DAY),
    Lag(name="late_1d_ago", over=("shop",), of="late", by=DAY, within=2 * DAY),
)
_WHOLE = (
    "orders_1d",
    "everybodys_orders_6h",
    "amounts_1d",
    "online_1d",
    "channels_1d",
    "late_known_3d",
    "lates_known_3d",
)


def _column(one: Feature) -> pa.Column:
    if one.name in _WHOLE:
        return pa.Column("int64", pa.Check.ge(0))
    return pa.Column(str if one.of == "channel" and one.name == "channel_before" else "float64", nullable=True)


def problem(features: tuple[Feature, ...] = FEATURES, **changes) -> Problem:
    contract = pa.DataFrameSchema(
        {
            "id": pa.Column("int64", pa.Check.ge(0)),
            "at": pa.Column(TIME),
            "shop": pa.Column(str, nullable=True),
            "channel": pa.Column(str, nullable=True),
            "amount": pa.Column("float64", nullable=True),
            "review": pa.Column("float64", nullable=True, metadata=about(known="with delay", known_at="reviewed_at")),
            "reviewed_at": pa.Column(TIME, nullable=True),
            "checked": pa.Column("float64", nullable=True, metadata=about(known="with delay", delay=7 * HOUR)),
            **{one.name: _column(one) for one in features},
            "late": pa.Column("float64", pa.Check.isin([0.0, 1.0]), nullable=True),
            "late_at": pa.Column(TIME, nullable=True),
        }
    )
    framing = Framing(
        task="binary",
        objective="tests pass",
        key="id",
        entity="shop",
        event_time="at",
        target="late",
        label_time="late_at",
        maturity=timedelta(days=2),
        loss=CostLoss(miss=1.0, false_alarm=0.3),
        margin=0.01,
        tolerated_harm=0.01,
        metric="roc_auc",
    )
    given = {
        "name": "featured",
        "statement": "Will this order be late?",
        "contract": contract,
        "source": Source(location="featured/orders.parquet"),
        "framing": framing,
        "recipe": Recipe(family="boosting", features=("amount", *(one.name for one in features))),
        "features": features,
    }
    return Problem(**(given | changes))


def rows(n: int, *, seed: int, hours: int = 120, label_hours: int = 50) -> pd.DataFrame:
    """n orders at whole hours, so that many share a moment; amounts, shops and channels are missing now and then."""
    rng = np.random.default_rng(seed)
    at = pd.Series(pd.Timestamp(START) + pd.to_timedelta(np.sort(rng.integers(0, hours, n)), unit="h"))

    def or_missing(values, share=0.1):
        return pd.Series(values).mask(rng.random(n) < share)

    made = pd.DataFrame(
        {
            "id": rng.permutation(n),
            "at": at,
            "shop": or_missing(rng.choice(["a", "b", "c"], n), 0.05),
            "channel": or_missing(rng.choice(["online", "store", "phone"], n)),
            "amount": or_missing(np.round(rng.lognormal(3, 2, n), 2)),
            "review": rng.random(n),
            "reviewed_at": or_missing(at + pd.to_timedelta(rng.integers(0, label_hours, n), unit="h")),
            "checked": rng.normal(size=n),
            "late": rng.integers(0, 2, n).astype(float),
            "late_at": or_missing(at + pd.to_timedelta(rng.integers(0, label_hours, n), unit="h")),
        }
    )
    return made.astype({"at": TIME, "reviewed_at": TIME, "late_at": TIME, "shop": str, "channel": str})


def _clock(frame: pd.DataFrame, of: str | None) -> pd.Series:
    known = {"late": "late_at", "review": "reviewed_at"}
    if of == "checked":
        return frame["at"] + 7 * HOUR
    return (
        frame[known[of]].where(frame[known[of]] >= frame["at"], frame["at"]).where(frame[known[of]].notna())
        if of in known
        else frame["at"]
    )


def by_hand(frame: pd.DataFrame, one: Feature) -> list:
    """The feature's value on each row of `frame`, one row at a time, by its definition."""
    known = _clock(frame, one.of)
    return [_one(frame, known, row, one) for row in frame.to_dict("records")]


def _one(frame: pd.DataFrame, known: pd.Series, row: dict, one: Feature):
    there = pd.Series(True, index=frame.index)
    for name in one.over:
        there &= (frame[name] == row[name]) if isinstance(row[name], str) else False
    if isinstance(one, Lag):
        then = row["at"] - one.by
        there &= (frame["at"] <= then) & (frame["at"] >= then - one.within)
        found = frame[there].sort_values(["at", "id"]).tail(1)
        return found[one.of].iloc[0] if len(found) and known[found.index[0]] < row["at"] else None
    there &= (known < row["at"]) & (known >= row["at"] - one.window)
    found = frame[there]
    if one.of is None:
        return len(found)
    values = found[one.of].dropna()
    if one.how == "last":
        order = found.assign(known=known[there]).dropna(subset=[one.of]).sort_values(["known", "id"])
        return order[one.of].iloc[-1] if len(order) else None
    if one.value is not None:
        hits = int((values == one.value).sum())
        return hits if one.how == "count" else (hits / len(values) if len(values) else None)
    if one.how in ("count", "distinct"):
        return len(values) if one.how == "count" else values.nunique()
    if one.how == "sum":
        return float(values.sum())
    found_one = getattr(values, one.how)() if len(values) else None
    return None if found_one is None or pd.isna(found_one) else found_one
