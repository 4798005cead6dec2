"""Bike sharing: how many bikes are rented in this hour? Real hours with a growing demand, and a loop that does not churn."""

from datetime import timedelta

import ibis
import numpy as np
import pandas as pd
import pandera.pandas as pa

from schemas.framing import AbsoluteLoss, Framing, Goal, Requirement, Risk
from schemas.heuristic import HeuristicRegressor
from schemas.plans import Gate, MonitoringPlan, RetrainingPlan, RolloutPlan
from schemas.problem import Problem
from schemas.recipe import Recipe
from schemas.source import Source

__all__ = ["PROBLEM", "SameAsLastWeek"]

UTC_TIME = pd.DatetimeTZDtype(unit="us", tz="UTC")
WHOLE = ("season", "mnth", "hr", "holiday", "weekday", "workingday", "weathersit")
MEASURED = ("temp", "atemp", "hum", "windspeed")


class SameAsLastWeek(HeuristicRegressor):
    """What the same hour did a week ago; the overall level where that hour is missing."""

    def predict(self, X: pd.DataFrame) -> np.ndarray:
        return X["rented_last_week"].fillna(190.0).to_numpy(dtype=float)


def derive(table: ibis.Table) -> ibis.Table:
    """Adds the hour as a time in UTC, when its count was known, and the count of the same hour a week ago."""
    day = table.dteday.strftime("%Y-%m-%d") if table.dteday.type().is_temporal() else None
    day = table.dteday.as_timestamp("%m/%d/%Y") if day is None else day.as_timestamp("%Y-%m-%d")
    started = (day + table.hr.cast("int64").as_interval("h")).cast("timestamp('UTC')")
    table = table.mutate(started=started, cnt=table.cnt.cast("float64"))
    week_ago = table.select(a_week_later=table.started + ibis.interval(days=7), rented_last_week=table.cnt)
    joined = table.left_join(week_ago, table.started == week_ago.a_week_later).drop("a_week_later")
    return joined.mutate(known_at=joined.started + ibis.interval(days=1))


CONTRACT = pa.DataFrameSchema(
    {
        "instant": pa.Column("int64", pa.Check.ge(1)),
        "started": pa.Column(UTC_TIME),
        **{name: pa.Column("int64", pa.Check.in_range(0, 24)) for name in WHOLE},
        **{name: pa.Column("float64", pa.Check.in_range(0, 1)) for name in MEASURED},
        "rented_last_week": pa.Column("float64", pa.Check.ge(0), nullable=True),
        # casual + registered = cnt: both are leaks, and neither is in the contract.
        "cnt": pa.Column("float64", pa.Check.in_range(0, 5_000), nullable=True),
        "known_at": pa.Column(UTC_TIME, nullable=True),
    }
)

PROBLEM = Problem(
    name="bikes",
    statement="How many bikes will be rented in this hour, so that the stands can be filled in time?",
    contract=CONTRACT,
    source=Source(
        location="bikes/hour.csv",
        derive=derive,
        history=timedelta(days=56),
        hint="Name your copy of the UCI table: make loop PROBLEM=bikes DATA=path/to/hour.csv",
    ),
    framing=Framing(
        task="regression",
        objective="A mean error under 90 bikes an hour, with as few changes of model as that takes.",
        goal=Goal(metric="mae", at_most=90.0, reason="the vans carry ninety bikes an hour"),
        key="instant",
        entity=None,
        event_time="started",
        target="cnt",
        label_time="known_at",
        maturity=timedelta(days=1),
        # Off by 400 bikes no van mends the stand in time, however much further off it is.
        loss=AbsoluteLoss(bound=400.0),
        margin=0.0125,  # five bikes an hour
        tolerated_harm=0.0125,
        metric="mae",
        calibration_tolerance=0.1,  # forty bikes a bin: the season moves on while the held-out rows mature
        requirements=(Requirement(metric="mae", at_most=250.0, reason="worse than guessing the overall level"),),
        risks=(
            Risk(name="demand grows", detector="decay"),
            Risk(name="weather out of season", detector="drift"),
        ),
    ),
    # Last week's count carries the level, so that a model of the winter is not lost in spring; and all history, since
    # twelve weeks know one season only and next season's model would look better each time.
    recipe=Recipe(family="boosting", features=(*WHOLE, *MEASURED, "rented_last_week"), parameters={"max_iter": 100}),
    rollout=RolloutPlan(
        shadow_at_least=timedelta(days=7),
        shadow_at_most=timedelta(days=28),
        share_at_least=timedelta(days=1),
        share_requests=1,
        share_entities=1,
        ab_at_least=None,
        ab_waiver="24 hours a day cannot resolve five bikes an hour between arms; the paired shadow can",
        probation=timedelta(days=7),
        probation_at_most=timedelta(days=14),
    ),
    monitoring=MonitoringPlan(history=timedelta(days=364), decay_window=timedelta(days=28), decay_tolerance=0.05),
    retraining=RetrainingPlan(
        # Each change of model moves the vans' routes: twice a year is what the stations' crews bear, and a newer model has
        # to be shown better.
        every=timedelta(days=182),
        cooldown=timedelta(days=182),
        test=timedelta(days=14),
        validation=timedelta(days=7),
        test_rows=200,
        # The replay compares three ways to serve one recipe; a simpler one that wins here and there would be a fourth.
        gates=tuple(gate for gate in Gate if gate is not Gate.SIMPLICITY),
        slice_rows=50,  # two weeks hold some 330 hours, of which half are searched
        promotion={},
        healthy_turn=timedelta(days=1),
    ),
    heuristic=SameAsLastWeek(),
    schedule="30 0 * * *",
)
