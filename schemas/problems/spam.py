"""Mail: which messages are spam? A simulator, so that everyone has it; the start is deliberately plain, for experiments to mend."""

from datetime import timedelta

import pandas as pd
import pandera.pandas as pa

from schemas.framing import BrierLoss, Framing, Goal, Level, Requirement, Risk
from schemas.plans import MonitoringPlan, RetrainingPlan, RolloutPlan
from schemas.problem import Problem
from schemas.problems._spam_simulator import START, messages
from schemas.recipe import Recipe
from schemas.source import Source

__all__ = ["PROBLEM"]

UTC_TIME = pd.DatetimeTZDtype(unit="us", tz="UTC")
# What the mail server's log holds without a look into the message.
ENVELOPE = ("sender", "hour", "weekday", "links", "recipients", "attachments", "words")

CONTRACT = pa.DataFrameSchema(
    {
        "message_id": pa.Column("int64", pa.Check.ge(0)),
        "received_at": pa.Column(UTC_TIME),
        "sender": pa.Column(str, pa.Check.isin(["company", "webmail", "list", "unknown"])),
        "hour": pa.Column("int64", pa.Check.in_range(0, 23)),
        "weekday": pa.Column("int64", pa.Check.in_range(0, 6)),
        "links": pa.Column("int64", pa.Check.in_range(0, 1_000)),
        "recipients": pa.Column("int64", pa.Check.in_range(1, 1_000)),
        "attachments": pa.Column("int64", pa.Check.in_range(0, 100)),
        "words": pa.Column("int64", pa.Check.in_range(1, 100_000)),
        "subject": pa.Column(str),
        "body": pa.Column(str),
        # Does a word nearly spell a brand, and does a link lead elsewhere than it says? Known, and not in the recipe.
        "brand_misspelt": pa.Column("int64", pa.Check.isin([0, 1])),
        "link_mismatch": pa.Column("int64", pa.Check.isin([0, 1])),
        "spam": pa.Column("float64", pa.Check.isin([0.0, 1.0]), nullable=True),
        "spam_known_at": pa.Column(UTC_TIME, nullable=True),
    }
)

PROBLEM = Problem(
    name="spam",
    statement="Which messages are spam, so that they go into a folder of their own?",
    contract=CONTRACT,
    source=Source(
        location="spam/messages.parquet",
        starts=START,
        history=timedelta(days=50),
        simulate=lambda seed: messages(seed=seed),
        hint="make data PROBLEM=spam simulates it.",
    ),
    framing=Framing(
        task="binary",
        objective="Let people read their mail: nine of ten spam messages sorted out, and hardly an honest one with them.",
        goal=Goal(metric="average_precision", at_least=0.93, reason="a folder that nobody has to look through"),
        level=Level(
            who="rule",
            metric="average_precision",
            value=0.535,
            source="senders that nobody knows and links that lead elsewhere first, on the simulated table",
        ),
        key="message_id",
        entity=None,  # no mailbox is named: routing goes by message
        event_time="received_at",
        target="spam",
        label_time="spam_known_at",
        maturity=timedelta(days=2),  # people report what they read within two days; what nobody reported is none
        # A message is sorted by how sure the filter is, into the inbox, beneath a warning, or away: scores have to be right.
        loss=BrierLoss(),
        margin=0.01,
        tolerated_harm=0.01,
        metric="average_precision",
        requirements=(
            Requirement(metric="average_precision", at_least=0.35, reason="hardly above the share of spam, 3 in 10"),
        ),
        slices=("sender",),
        calibration_tolerance=0.1,
        risks=(
            Risk(name="spammers change their words", detector="decay"),
            Risk(name="phishing that looks like ordinary business mail", detector="weak slices"),
        ),
    ),
    # Where everybody starts: what is in the log already, and the simplest model. What words, pairs of words and the derived
    # columns are worth is for experiments to find.
    recipe=Recipe(family="linear", features=ENVELOPE),
    rollout=RolloutPlan(
        shadow_at_least=timedelta(days=4),
        shadow_at_most=timedelta(days=28),
        shares=(0.25,),
        share_at_least=timedelta(days=2),
        share_requests=20,
        share_entities=20,
        ab_at_least=None,
        ab_waiver="60 messages a day resolve nothing between arms; the paired shadow does in days",
        prediction_shift=None,  # a first model flags spam and the baseline none: no share compares
        probation=timedelta(days=4),
        probation_at_most=timedelta(days=14),
    ),
    monitoring=MonitoringPlan(
        reference=timedelta(days=28), history=timedelta(days=84), decay_window=timedelta(days=14), decay_tolerance=0.01
    ),
    retraining=RetrainingPlan(
        every=timedelta(days=28),
        test=timedelta(days=14),  # some 800 messages, of which 250 are spam
        validation=timedelta(days=4),
        test_rows=300,
        slice_rows=60,
    ),
    schedule="0 4 * * *",
)
