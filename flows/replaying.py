"""How would the loop have fared over the table's last months? A replay beside the live loop, started from the Prefect UI."""

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated

from prefect import flow
from pydantic import Field

from flows import replay_story
from flows.operations import ProblemName
from flows.replay import plain_turn, promotions, replay, retrains, span
from schemas.errors import PerennialError
from schemas.problem import Problem, load_problem
from schemas.settings import Settings
from tasks import ledger, windows
from tasks.elsewhere import home_at

__all__ = ["replay_history"]

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")


@flow(name="replay", flow_run_name="replay {problem}: {name}")
def replay_history(
    problem: ProblemName,
    days: Annotated[int | None, Field(ge=1, le=3650)] = 90,
    name: str = "latest",
) -> str:
    """Turn the crank of `problem` through its past, in a home of its own (replays/PROBLEM/NAME): ledger, registry and log of
    the live loop are not touched. Returns what came of it in one sentence.

    Args:
        problem: Whose table is replayed.
        days: The last so many days of the table; empty is all after the history that the loop begins with.
        name: Of this replay: lower case, digits and dashes. One that was cut off is gone on with under its name.
    """
    if not _NAME.fullmatch(name):
        raise PerennialError(f"{name!r} is no name of a replay: up to 40 lower-case letters, digits and dashes.")
    known = load_problem(problem)
    if known.framing.timeless:
        raise PerennialError(
            f"the rows of {problem!r} have no time, so there is no past to replay: make loop judges it once."
        )
    if not windows.available(known):
        raise windows.MissingDataError(known, windows.locate(known))
    with _a_home_of_its_own(Settings().root / "replays" / problem / name):
        start, end = _span(known, days)
        for _ in replay_story.watched(
            known, replay(known, start=start, end=end, crank=plain_turn), start=start, end=end
        ):
            pass
        said = (
            f"{len(retrains(known))} retrains and {len(promotions(known))} promotions of {problem} from {start:%Y-%m-%d} to "
            f"{end:%Y-%m-%d}; {ledger.state_of(problem).champion or 'nothing'} served last"
        )
        replay_story.tell(known, lines=[f"{said}.", f"All of it lies in {Settings().root}."])
    return said


def _span(problem: Problem, days: int | None) -> tuple[datetime, datetime]:
    first, last = windows.bounds(problem)
    start, end = span(problem, first, last)
    if end <= start:
        raise PerennialError(
            f"the table of {problem.name!r} ends on {last:%Y-%m-%d}, and the history that the loop begins with on "
            f"{start:%Y-%m-%d}: nothing is left to replay. Bring more rows, or shorten `history` of its source."
        )
    return (max(start, end - timedelta(days=days)) if days else start), end


@contextmanager
def _a_home_of_its_own(folder: Path) -> Iterator[None]:
    """The live loop's ledger, registry and answers are out of reach; its tables are read where they are."""
    tables = Settings().data
    folder.mkdir(parents=True, exist_ok=True)
    with suppress(FileExistsError):
        (folder / "data").symlink_to(tables, target_is_directory=True)
    with home_at(folder):
        yield
