"""Where does every problem stand, on one page of the Prefect UI? A table that each live turn writes anew."""

from datetime import UTC, datetime, timedelta

from prefect.artifacts import create_table_artifact
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    FlowFilter,
    FlowFilterName,
    FlowRunFilter,
    FlowRunFilterExpectedStartTime,
    FlowRunFilterState,
    FlowRunFilterStateType,
    FlowRunFilterTags,
)
from prefect.client.schemas.objects import StateType
from prefect.client.schemas.sorting import FlowRunSort

from flows.artifacts import of_clone
from schemas.figure import Figure
from schemas.problem import known_problems, load_problem
from schemas.rows import State
from schemas.settings import Settings
from tasks import ledger, quality_log
from tasks.standings import Standing, standings

__all__ = ["KEY", "known", "next_turns", "tell"]

KEY = "problems"
_SOON = timedelta(days=8)  # a later turn is not looked for
_QUALITY = timedelta(days=120)  # an older figure says nothing of today


def tell() -> None:
    """Write the table as it stands now."""
    now = datetime.now(UTC)
    rows = standings(known(next_turns(now), now=now), now=now)
    waiting = sum(row["waits for"] != "–" for row in rows)
    said = (
        f"{len(rows)} problems at {now:%Y-%m-%d %H:%M} UTC, {waiting} of them with something that waits. The loss is the newest "
        "that labels realised."
    )
    create_table_artifact(key=of_clone(KEY), table=rows, description=said)


def known(next_turn: dict[str, datetime], *, now: datetime) -> list[Standing]:
    """Every problem there is a file or a ledger for; two queries for all, and a small one for each that has a champion."""
    newest, turns = ledger.newest(), ledger.newest(kind="turn")
    found = []
    for name in sorted({*known_problems(), *newest}):
        state = newest[name].state if name in newest else State(name)
        last = turns[name].entry if name in turns else None
        found.append(Standing(name, state, last, _quality(name, state, now), next_turn.get(name)))
    return found


def _quality(name: str, state: State, now: datetime) -> Figure | None:
    """The champion's own newest, of a problem whose file is still there."""
    if state.champion is None or name not in known_problems():
        return None
    problem = load_problem(name)
    figures = quality_log.figures(problem, kinds=("realised",), metrics=("loss",), since=now - _QUALITY)
    return next((one for one in reversed(figures) if one.model == state.champion.sha256), None)


def next_turns(now: datetime) -> dict[str, datetime]:
    """When the scheduler turns each problem's crank next, as the server has it: people pause and change schedules there."""
    scheduled = FlowRunFilter(
        state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.SCHEDULED])),
        expected_start_time=FlowRunFilterExpectedStartTime.model_validate(
            {"after_": now - timedelta(hours=1), "before_": now + _SOON}
        ),
        tags=FlowRunFilterTags(all_=[Settings().mark]),  # another clone may have a problem of the same name
    )
    with get_client(sync_client=True) as client:
        runs = client.read_flow_runs(
            flow_filter=FlowFilter(name=FlowFilterName(any_=["lifecycle"])),
            flow_run_filter=scheduled,
            sort=FlowRunSort.NEXT_SCHEDULED_START_TIME_ASC,
            limit=200,
        )
    found: dict[str, datetime] = {}
    for run in runs:
        if run.next_scheduled_start_time is not None:
            found.setdefault(str(run.parameters.get("problem")), run.next_scheduled_start_time)
    return found
