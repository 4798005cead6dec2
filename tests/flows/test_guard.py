"""What is worth trying again in a turn?"""

import asyncio

import pytest
from prefect.states import State, exception_to_failed_state
from sqlalchemy.exc import OperationalError

from flows.guard import may_pass
from schemas.errors import PerennialError
from tasks import ledger
from tasks.database import UnreadableDatabaseError


async def _failed(error: Exception) -> State:
    return await exception_to_failed_state(error)


@pytest.mark.parametrize(
    ("error", "again"),
    [
        (OperationalError("select 1", {}, ConnectionError("refused")), True),
        (UnreadableDatabaseError("the ledger database at postgresql://... cannot be opened"), True),
        (PerennialError("no problem is called so"), False),
        (ledger.LostRaceError("fraud", 3), False),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_may_be_away_for_a_moment_is_tried_again_and_what_we_refuse_is_not(error, again):
    assert may_pass(None, None, asyncio.run(_failed(error))) is again


def test_a_database_that_is_away_when_a_run_begins_is_one_that_cannot_be_opened(home, monkeypatch):
    monkeypatch.setenv("PERENNIAL_LEDGER_URL", "postgresql+psycopg2://me@127.0.0.1:1/nowhere")
    with pytest.raises(UnreadableDatabaseError, match="Start it, or unset PERENNIAL_LEDGER_URL"):
        ledger.state_of("fraud")
