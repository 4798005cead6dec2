"""Bike sharing: how many bikes are rented in this hour? Real hours with a growing demand, and a loop that does not churn."""

from datetime import timedelta

import ibis
import numpy as np
import pandas as pd
import pandera.pandas as pa

from schemas.framing import AbsoluteLoss, Framing, Goal, Requirement, Risk
from schemas.heuristic import HeuristicRegressor
from schemas.plans import Gate, MonitoringPlan, PairedTest, Promotion, Reason, RetrainingPlan, RolloutPlan
from schemas.problem import Problem
from schemas.recipe import Recipe
from schemas.source import Source

__all__ = ["PROBLEM", "AsInRecentWeeks"]

UTC_TIME = pd.DatetimeTZDtype(unit="us", tz="UTC")
WHOLE = ("season", "mnth", "hr", "holiday", "weekday", "workingday", "weathersit")
MEASURED = ("temp", "atemp", "hum", "windspeed")
# With the same hour of the weeks before, in the units of what is measured; the table's weather is a number from 1 to 4.
COMPARED = {"nicer": 1, "damper": 1, "clearer": 3}  # and the most that it can differ
RATIOS = ("last_week", "share", "grew", "lately")
WEEKS = (1, 2, 3)  # weeks ago: one alone holds its own storm or holiday
REMEMBERED = ("cnt", "pleasant", "hum", "weathersit", "workingday")

RECIPE_FEATURES = (
    *("workingday", "holiday", "weathersit", "hum", "windspeed", "worked"),
    "usual",
    *COMPARED,
    *RATIOS,
)


class AsInRecentWeeks(HeuristicRegressor):
    """What the same hour did in the last three weeks, at the level of the last one; the overall level where that is missing."""

    def predict(self, X: pd.DataFrame) -> np.ndarray:
        return X["usual"].fillna(190.0).to_numpy(dtype=float)


def derive(table: ibis.Table) -> ibis.Table:
    """Adds the hour as a time in UTC, when its count was known, and how it compares with what was known of the weeks before."""
    day = table.dteday.strftime("%Y-%m-%d") if table.dteday.type().is_temporal() else None
    day = table.dteday.as_timestamp("%m/%d/%Y") if day is None else day.as_timestamp("%Y-%m-%d")
    started = (day + table.hr.cast("int64").as_interval("h")).cast("timestamp('UTC')")
    table = table.mutate(
        started=started,
        cnt=table.cnt.cast("float64"),
        day=day.epoch_seconds().cast("int64") // 86_400,
        pleasant=_pleasant(table.atemp),
    )
    joined = _compared(_with_levels(_with_weeks_ago(table)))
    return joined.mutate(known_at=joined.started + ibis.interval(days=1)).drop("day", "pleasant")


def _pleasant(felt: ibis.Value) -> ibis.Value:
    """How pleasant a felt temperature is to ride in, on its own scale: the warmer the better up to 24 degrees, and beyond it
    less so again. A model of the spring knows by it what a hot summer's day is worth."""
    best = 0.6  # (24 + 16) / 66, as the table scales degrees
    return ibis.ifelse(felt < best, felt, best - 0.7 * (felt - best))


def _with_weeks_ago(table: ibis.Table) -> ibis.Table:
    """The same hour one, two and three weeks ago, each as columns of its own."""
    joined = table
    for k in WEEKS:
        past = table.select(
            **{f"_later{k}": table.started + ibis.interval(days=7 * k)},
            **{f"_{name}{k}": table[name].cast("float64") for name in REMEMBERED},
        )
        joined = joined.left_join(past, joined.started == past[f"_later{k}"]).drop(f"_later{k}")
    return joined


def _with_levels(table: ibis.Table) -> ibis.Table:
    """The mean hour of a month, of a week and of two days up to the one before yesterday, whose labels are all known; and the
    same as it was so many weeks ago."""
    daily = table.group_by("day").agg(rented=table.cnt.sum(), hours=table.cnt.count())

    def mean_of(days: int) -> ibis.Value:
        window = ibis.range_window(order_by=daily.day, preceding=days - 1, following=0)
        return daily.rented.sum().over(window) / daily.hours.sum().over(window).nullif(0)

    levels = {"month": mean_of(28), "week": mean_of(7), "two": mean_of(2)}
    joined = table
    for k in (0, *WEEKS):
        named = {f"_{name}_{k}": level for name, level in levels.items()}
        then = daily.select(**{f"_day{k}": daily.day + 2 + 7 * k}, **named)
        joined = joined.left_join(then, joined.day == then[f"_day{k}"]).drop(f"_day{k}")
    return joined


def _compared(table: ibis.Table) -> ibis.Table:
    """What is usual for the hour at today's level, and by how much the hour, and the weeks before it, are out of the usual."""

    def then(name: str) -> list[ibis.Value]:
        return [table[f"_{name}{k}"] for k in WEEKS]

    scaled = [table[f"_cnt{k}"] * table["_week_0"] / _at_least_one(table[f"_week_{k}"]) for k in WEEKS]
    usual = _mean(scaled)
    added = table.mutate(
        usual=usual,
        last_week=table["_cnt1"] / _at_least_one(usual),
        share=usual / _at_least_one(table["_week_0"]),
        grew=table["_week_0"] / _at_least_one(table["_month_0"]),
        lately=table["_two_0"] / _at_least_one(table["_two_1"]),
        nicer=table.pleasant - _mean(then("pleasant")),
        damper=table.hum - _mean(then("hum")),
        clearer=_mean(then("weathersit")) - table.weathersit,
        worked=_mean(then("workingday")),
    )
    return added.drop(*(name for name in added.columns if name.startswith("_")))


def _mean(values: list[ibis.Value]) -> ibis.Value:
    """Of those that are known; NULL where none is."""
    known = [value.notnull().cast("float64") for value in values]
    return sum(value.fill_null(0.0) for value in values) / sum(known).nullif(0.0)


def _at_least_one(count: ibis.Value) -> ibis.Value:
    return ibis.ifelse(count < 1, 1.0, count)


CONTRACT = pa.DataFrameSchema(
    {
        "instant": pa.Column("int64", pa.Check.ge(1)),
        "started": pa.Column(UTC_TIME),
        **{name: pa.Column("int64", pa.Check.in_range(0, 24)) for name in WHOLE},
        **{name: pa.Column("float64", pa.Check.in_range(0, 1)) for name in MEASURED},
        "usual": pa.Column("float64", pa.Check.ge(0), nullable=True),
        "worked": pa.Column("float64", pa.Check.in_range(0, 1), nullable=True),
        **{name: pa.Column("float64", pa.Check.in_range(-m, m), nullable=True) for name, m in COMPARED.items()},
        **{name: pa.Column("float64", pa.Check.ge(0), nullable=True) for name in RATIOS},
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
        # Off by 200 bikes, which is two vans and more, no van mends the stand in time, however much further off it is.
        loss=AbsoluteLoss(bound=200.0),
        margin=0.025,  # five bikes an hour
        tolerated_harm=0.025,
        metric="mae",
        calibration_tolerance=0.2,  # forty bikes a bin: the season moves on while the held-out rows mature
        requirements=(Requirement(metric="mae", at_most=250.0, reason="worse than guessing the overall level"),),
        risks=(
            Risk(name="demand grows", detector="decay"),
            Risk(name="weather out of season", detector="drift"),
        ),
    ),
    # What is learned is by how much an hour exceeds what is usual for it, from what is out of the usual: nicer, wetter, a
    # holiday, a last week that was a storm's. None of it belongs to a season, so that a model of the winter is not lost in
    # spring, and the level grows with the last week's. And all history: twelve weeks know one season only.
    recipe=Recipe(
        family="boosting",
        features=RECIPE_FEATURES,
        relative_to="usual",
        # Few small trees: a new model differs little from the last, and what a change of model gains is soon all there is.
        parameters={
            "max_iter": 60,
            "learning_rate": 0.04,
            "max_leaf_nodes": 5,
            "min_samples_leaf": 30,
            "l2_regularization": 5.0,
        },
    ),
    rollout=RolloutPlan(
        # A champion that has decayed errs by ten bikes and more while a challenger waits: as good a bet costs a week less.
        alpha=0.1,
        # What counts is how many rows the paired test needs, some 140 to exclude five bikes: a week of waiting on top
        # of them would show nothing more.
        shadow_at_least=timedelta(days=2),
        # Differences of a few bikes need many rows: on the first challenger 264 of them, where the running average needs 360.
        paired_test=PairedTest.BETTING,
        shadow_at_most=timedelta(days=28),
        shares=(0.25,),  # of 24 hours a day 5 % are one
        share_at_least=timedelta(days=1),
        share_requests=1,
        share_entities=1,
        ab_at_least=None,
        ab_waiver="24 hours a day cannot resolve five bikes an hour between arms; the paired shadow can",
        probation=timedelta(days=4),
        probation_at_most=timedelta(days=14),
    ),
    monitoring=MonitoringPlan(
        history=timedelta(days=364),
        decay_window=timedelta(days=14),
        decay_tolerance=0.025,  # five bikes an hour, as the margin has it
        # A look a week: a needless retrain in twenty of them is refused by the paired test, or is no worse.
        decay_alpha=0.05,
    ),
    retraining=RetrainingPlan(
        # Each change of model moves the vans' routes, so that none is made because time passed: only where the champion errs
        # by five bikes more than when it was accepted, and at most once in four weeks.
        every=None,
        cooldown=timedelta(days=28),
        test=timedelta(days=14),
        validation=timedelta(days=1),  # a number has no threshold to choose
        test_rows=200,
        # The replay compares three ways to serve one recipe; a simpler one that wins here and there would be a fourth.
        gates=tuple(gate for gate in Gate if gate is not Gate.SIMPLICITY),
        slice_rows=50,  # two weeks hold some 330 hours, of which half are searched
        # A champion that errs more than it did is known to be out of date. For weather out of season a newer model has to
        # be shown better.
        promotion={Reason.DECAY: Promotion.NON_INFERIORITY},
        healthy_turn=timedelta(days=1),
    ),
    heuristic=AsInRecentWeeks(),
    schedule="30 0 * * *",
)
