"""Card payments: which ones does an analyst review? A simulator, so that everyone has it; a year of 2,000 payments a day."""

from datetime import timedelta

import numpy as np
import pandas as pd
import pandera.pandas as pa

from schemas.columns import about
from schemas.framing import CostLoss, Framing, Goal, Level, MinimumFunction, Requirement, Risk
from schemas.heuristic import HeuristicClassifier
from schemas.plans import MonitoringPlan, RetrainingPlan, RolloutPlan, ServingPlan
from schemas.problem import Problem
from schemas.problems._fraud_simulator import START, payments, rule
from schemas.recipe import Recipe
from schemas.source import Source

__all__ = ["PROBLEM", "CardRule"]

UTC_TIME = pd.DatetimeTZDtype(unit="us", tz="UTC")
FEATURES = (
    "amount",
    "hour",
    "weekday",
    "channel",
    "card_type",
    "amount_ratio",
    "customer_payments_24h",
    "customer_frauds_known_28d",
    "terminal_frauds_known_28d",
)


class CardRule(HeuristicClassifier):
    """What the analysts did before there was a model."""

    def probability(self, frame: pd.DataFrame) -> np.ndarray:
        return rule(frame)


CONTRACT = pa.DataFrameSchema(
    {
        "payment_id": pa.Column("int64", pa.Check.ge(0)),
        "paid_at": pa.Column(UTC_TIME),
        "customer_id": pa.Column("int64", pa.Check.ge(0)),
        "terminal_id": pa.Column("int64", pa.Check.ge(0)),
        "amount": pa.Column("float64", pa.Check.in_range(0.01, 50_000)),
        "hour": pa.Column("int64", pa.Check.in_range(0, 23)),
        "weekday": pa.Column("int64", pa.Check.in_range(0, 6)),
        "channel": pa.Column(str, pa.Check.isin(["pos", "online"])),
        # The bank announced virtual cards before the first was issued; no model has seen one.
        "card_type": pa.Column(str, pa.Check.isin(["debit", "credit", "prepaid", "virtual"])),
        "amount_ratio": pa.Column("float64", pa.Check.in_range(0, 10_000)),
        "customer_payments_24h": pa.Column("int64", pa.Check.in_range(0, 10_000)),
        "customer_frauds_known_28d": pa.Column("int64", pa.Check.in_range(0, 10_000)),
        "terminal_frauds_known_28d": pa.Column("int64", pa.Check.in_range(0, 10_000)),
        # Filled in after review, with the label. It is in the table, and so somebody will train on it one day.
        "review_score": pa.Column("float64", nullable=True, metadata=about(known="with the label", owner="analysts")),
        "fraud": pa.Column("float64", pa.Check.isin([0.0, 1.0]), nullable=True),
        "fraud_known_at": pa.Column(UTC_TIME, nullable=True),
    }
)

PROBLEM = Problem(
    name="fraud",
    statement="Which card payments are fraud, so that an analyst reviews them before they are settled?",
    contract=CONTRACT,
    source=Source(
        location="fraud/payments.parquet",
        starts=START,
        history=timedelta(days=182),
        simulate=lambda seed: payments(seed=seed),
        hint="make demo simulates it.",
    ),
    framing=Framing(
        task="binary",
        objective="Lose a third less to card fraud than the analysts' rule, at no more than twice its reviews.",
        goal=Goal(metric="average_precision", by=0.05, reason="half as many frauds again among the payments reviewed"),
        level=Level(
            who="rule",
            metric="average_precision",
            value=0.099,
            source="CardRule on the first 200 days of the simulated year; .048 on all of it, since fraud changes its habits",
        ),
        key="payment_id",
        entity="customer_id",
        event_time="paid_at",
        target="fraud",
        label_time="fraud_known_at",
        # Legitimate payments are settled within 3 days, a fraud is reported after 5 (median) to 14 days.
        maturity=timedelta(days=14),
        # A missed fraud costs 150 EUR on average, an analyst's review 3 EUR: 1 to 0.02. Brier would let a constant win
        # at 1 % fraud.
        loss=CostLoss(miss=1.0, false_alarm=0.02),
        margin=0.001,  # 150 EUR per 1,000 payments
        tolerated_harm=0.0005,
        metric="average_precision",
        money_per_loss=150.0,
        requirements=(
            Requirement(
                metric="average_precision",
                at_least=0.05,
                reason="five times the base rate, or analysts chase noise",
            ),
        ),
        slices=("channel", "card_type"),
        behaviours=(
            MinimumFunction(
                name="an everyday payment is not reviewed",
                values={
                    "amount": 20.0,
                    "amount_ratio": 1.0,
                    "hour": 12,
                    "channel": "pos",
                    "card_type": "debit",
                    "customer_frauds_known_28d": 0,
                    "terminal_frauds_known_28d": 0,
                },
                decision=0.0,
                # Customers with odd habits, one or two in a hundred, may be reviewed all the same.
                tolerated_share=0.03,
            ),
        ),
        risks=(
            Risk(name="fraud changes its habits", detector="decay"),
            Risk(name="the mix of payments changes", detector="drift"),
            Risk(name="a column is filled in only after review", detector="prediction shift"),
            Risk(name="a card type no model has seen", detector="error guardrail"),
        ),
    ),
    recipe=Recipe(
        family="boosting",
        features=FEATURES,
        # Eight weeks hold some 1,100 frauds; older ones tell of habits that are gone.
        window=timedelta(days=56),
        parameters={"max_iter": 100, "learning_rate": 0.1},
    ),
    rollout=RolloutPlan(
        # Four weeks of half and half show differences from about .001 a row on, twice the harm tolerated: the stage skips
        # itself by its own rule, and three rollouts fit into a year.
        ab_at_least=timedelta(days=14),
        ab_at_most=timedelta(days=28),
    ),
    monitoring=MonitoringPlan(),
    retraining=RetrainingPlan(
        every=None,  # drift, decay or a person: a schedule would only repeat them
        validation=timedelta(
            days=3
        ),  # 60 frauds are enough for a threshold, and the newest habits are left to train on
    ),
    # A payment waits for its decision: requests come one by one.
    serving=ServingPlan(answered_by="gateway"),
    heuristic=CardRule(),
    schedule="0 6 * * *",
)
