"""Are delays counted in the engine whatever a table calls its columns?"""

from datetime import UTC, datetime, timedelta

import ibis
import pandas as pd

from schemas.framing import BrierLoss, Framing
from tasks import counts

NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)


def test_a_table_with_an_age_of_its_own_has_its_delays_counted():
    asked = pd.to_datetime([NOON, NOON + timedelta(days=1)])
    frame = pd.DataFrame(
        {"id": [1, 2], "Age": [40, 50], "asked": asked, "y": [1.0, 0.0], "known": asked + timedelta(days=2)}
    )
    framing = Framing(
        task="binary",
        objective="",
        key="id",
        entity=None,
        event_time="asked",
        target="y",
        label_time="known",
        maturity=timedelta(days=4),
        loss=BrierLoss(),
        margin=0.01,
        tolerated_harm=0.01,
        metric="roc_auc",
    )
    found = counts.delays_in(ibis.memtable(frame), framing, now=NOON + timedelta(days=9), by=["Age"])
    assert found["rows"].sum() == 2
