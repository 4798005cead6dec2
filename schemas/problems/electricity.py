"""Electricity: does the New South Wales price rise against the last day's mean? Real half-hours that really drift (Elec2)."""

from datetime import timedelta

import ibis
import numpy as np
import pandas as pd
import pandera.pandas as pa

from schemas.framing import BrierLoss, Framing, Goal, Level, Risk
from schemas.heuristic import HeuristicClassifier
from schemas.plans import (
    DataPlan,
    Gate,
    MonitoringPlan,
    PairedTest,
    Promotion,
    Reach,
    Reason,
    RetrainingPlan,
    RolloutPlan,
)
from schemas.problem import Problem
from schemas.recipe import Recipe
from schemas.source import Source

__all__ = ["PROBLEM", "SameAsYesterday"]

UTC_TIME = pd.DatetimeTZDtype(unit="us", tz="UTC")
MEASURED = ("period", "nswprice", "nswdemand", "vicprice", "vicdemand", "transfer")


class SameAsYesterday(HeuristicClassifier):
    """What the same half-hour did yesterday; right 65.6 % of the time."""

    def probability(self, frame: pd.DataFrame) -> np.ndarray:
        # Right two times in three, so that is how sure it is; unknown at the start of the table.
        return np.where(
            frame["price_up_yesterday"].isna(), 0.5, np.where(frame["price_up_yesterday"] >= 0.5, 0.66, 0.34)
        )


def derive(table: ibis.Table) -> ibis.Table:
    """Adds the row's key, when its label became known, and the label of the same half-hour yesterday (known by now)."""
    table = table.mutate(time=table.time.cast("timestamp('UTC')"), price_up=table.price_up.cast("float64"))
    yesterday = table.select(yesterday_at=table.time + ibis.interval(days=1), price_up_yesterday=table.price_up)
    joined = table.left_join(yesterday, table.time == yesterday.yesterday_at).drop("yesterday_at")
    return joined.mutate(
        half_hour=joined.time.epoch_seconds().cast("int64") // 1800,
        known_at=joined.time + ibis.interval(days=1),
    )


def fetch() -> pd.DataFrame:
    """Elec2 as OpenML 151 has it, with times made from the order of its rows (the public file has none)."""
    from sklearn.datasets import fetch_openml

    table = fetch_openml("electricity", version=1, as_frame=True).frame
    times = pd.date_range("1996-05-07", periods=len(table), freq="30min", tz="UTC")
    frame = table[list(MEASURED)].astype(float)
    return frame.assign(time=times, price_up=(table["class"] == "UP").astype(int))


CONTRACT = pa.DataFrameSchema(
    {
        "half_hour": pa.Column("int64", pa.Check.ge(0)),
        "time": pa.Column(UTC_TIME),
        **{name: pa.Column("float64", pa.Check.in_range(0, 1)) for name in MEASURED},
        "price_up_yesterday": pa.Column("float64", pa.Check.isin([0.0, 1.0]), nullable=True),
        "price_up": pa.Column("float64", pa.Check.isin([0.0, 1.0]), nullable=True),
        "known_at": pa.Column(UTC_TIME, nullable=True),
    }
)

PROBLEM = Problem(
    name="electricity",
    statement="Will the price of this half-hour lie above the mean of the last day?",
    contract=CONTRACT,
    source=Source(
        location="electricity/electricity.csv",
        derive=derive,
        history=timedelta(days=56),
        fetch=fetch,
        hint="Get it with: make data PROBLEM=electricity, or name your copy: make loop PROBLEM=electricity DATA=path",
    ),
    framing=Framing(
        task="binary",
        objective="Buy half-hours ahead of a rise: AUC .10 above a model that is never renewed.",
        goal=Goal(metric="roc_auc", by=0.1, reason="what renewing is worth: a rise is bought ahead of, or it is not"),
        level=Level(
            who="incumbent", metric="roc_auc", value=0.73, source="trained on the first eight weeks and never renewed"
        ),
        key="half_hour",
        entity=None,  # half-hours do not repeat: routing goes by row
        event_time="time",
        target="price_up",
        label_time="known_at",
        maturity=timedelta(days=1),
        loss=BrierLoss(),
        margin=0.02,  # the champion's own loss moves by five times that from one week to the next
        tolerated_harm=0.02,
        metric="roc_auc",
        # A model that is days old is off by a tenth when the market has moved, and still far better than an older one.
        calibration_tolerance=0.2,
        risks=(
            Risk(name="the market changes", detector="decay"),
            Risk(name="demand changes", detector="drift"),
        ),
    ),
    # A trailing 12 weeks scores .837 where all history scores .828: the market of last year is another one.
    recipe=Recipe(family="boosting", features=MEASURED, window=timedelta(weeks=12), parameters={"max_iter": 100}),
    rollout=RolloutPlan(
        # The market drifts within weeks and labels come in a day, so caution has to be counted in days as well: with
        # shadow 7, A/B 14 and probation 28 days, half of what renewing is worth is lost in waiting.
        shadow_at_least=timedelta(days=1),
        shadow_at_most=timedelta(days=28),
        paired_test=PairedTest.BETTING,  # a margin of .02 is excluded with half the rows: the waiting is what costs here
        share_at_least=timedelta(days=1),
        share_requests=1,  # 48 half-hours a day, of which 5 % are two or three
        share_entities=1,
        ab_at_least=None,
        ab_waiver="48 half-hours a day cannot resolve a difference of .02 in months; the paired shadow can in days",
        prediction_shift=None,  # whole days rise or fall together
        probation=timedelta(days=2),
        probation_at_most=timedelta(days=7),
    ),
    monitoring=MonitoringPlan(
        history=timedelta(days=364), decay_window=timedelta(days=14), decay_blocks=5, decay_tolerance=0.0
    ),
    retraining=RetrainingPlan(
        # Counted from the last try, of which the rollout takes the half: every eleven days was one retrain in two weeks on
        # average all the same, and more than half as many as renewing every week.
        every=timedelta(days=14),
        cooldown=timedelta(days=1),
        # The challenger is judged as it was before these days: two weeks of them would judge away what is new in it.
        test=timedelta(days=7),
        validation=timedelta(days=4),  # Brier needs no threshold; which training window is best takes some days to see
        test_rows=200,
        # One look at a week's 336 half-hours: a champion that stays by mistake costs as much as a challenger that goes on
        # by mistake, and the challenger is looked at again in shadow, at the usual rate.
        alpha=0.2,
        # In a calm market old rows help, after a change they harm; which it is, the newest days say.
        reaches=(
            Reach(rows="trailing", window=timedelta(weeks=4)),
            Reach(rows="all", half_life=timedelta(weeks=6)),
            Reach(rows="since the change"),
        ),
        # The replay compares three ways to serve one recipe; a simpler one that wins here and there would be a fourth.
        gates=tuple(gate for gate in Gate if gate is not Gate.SIMPLICITY),
        slice_rows=80,  # a week holds 336 half-hours, of which half are searched
        # Here newer is worth having in itself, whatever called for it: a market drifts, and last month's model with it.
        promotion=dict.fromkeys(
            (Reason.SCHEDULE, Reason.DRIFT, Reason.DECAY, Reason.FORCED), Promotion.NON_INFERIORITY
        ),
        healthy_turn=timedelta(days=1),
    ),
    # Twelve weeks are 4,032 half-hours, and their older folds are another market: the newest fortnight judges alone.
    data=DataPlan(fold_below=0),
    heuristic=SameAsYesterday(),
    schedule="30 0 * * *",
)
