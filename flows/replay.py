"""How would the loop have fared over history? The same turns, with `now` taken from the past."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from prefect.logging.handlers import APILogWorker
from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings

from flows.lifecycle import take_step
from flows.operations import ask
from flows.turn import begin, conclude
from schemas.plans import Reason
from schemas.problem import Problem
from schemas.rows import State
from schemas.stage import Stage
from schemas.verdict import Outcome
from tasks import ledger

__all__ = ["Planned", "next_turn", "plain_turn", "promotions", "quick_flows", "replay", "retrains", "span"]

Crank = Callable[[str, datetime], Any]


@dataclass(frozen=True)
class Planned:
    """A request that somebody makes at a known moment of a replay."""

    at: datetime
    note: str
    actor: str
    recipe: dict[str, Any]
    reason: Reason = Reason.PERSON


def next_turn(problem: Problem, state: State, start: datetime) -> datetime:
    """When the crank is turned next: weekly (by plan) while HEALTHY, daily in a rollout."""
    if state.turned is None:
        return start
    calm = state.stage in (Stage.COLD, Stage.HEALTHY)
    return state.turned + (problem.retraining.healthy_turn if calm else problem.retraining.rollout_turn)


@contextmanager
def quick_flows() -> Iterator[None]:
    """No heartbeat: its thread is joined in whole seconds, and nobody watches a replay's runs for a crash. The last logs
    are sent before the server that takes them may be ended."""
    with temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}):
        yield
    APILogWorker.drain_all(timeout=10)


def plain_turn(name: str, now: datetime) -> None:
    """One turn as plain Python: the same steps, with nobody watching."""
    turn = begin(name, now)
    with turn.logged():
        conclude(turn, take_step(turn))


def replay(
    problem: Problem,
    *,
    start: datetime,
    end: datetime,
    crank: Crank,
    planned: Sequence[Planned] = (),
    at_most: int = 10_000,
) -> Iterator[ledger.Row]:
    """Turn the crank from where the ledger stands until `end`, and yield each ledger row as it is written.

    Killed and started again, it goes on: all that it knows, it reads from the ledger.
    """
    seen = ledger.state_of(problem.name).sequence
    for _ in range(at_most):
        state = ledger.state_of(problem.name)
        now = next_turn(problem, state, start)
        if now > end:
            return
        for plan in planned:
            if plan.at <= now and state.champion and not _asked(problem, plan):
                ask(
                    problem.name,
                    kind="retrain",
                    note=plan.note,
                    actor=plan.actor,
                    recipe=plan.recipe,
                    reason=plan.reason,
                    now=now,
                )
        crank(problem.name, now)
        for row in ledger.rows(problem.name, since=seen):
            seen = row.facts["sequence"]
            yield row


def _asked(problem: Problem, plan: Planned) -> bool:
    return any(
        row.facts["kind"] == "request" and row.facts["request"]["note"] == plan.note
        for row in ledger.rows(problem.name)
    )


def promotions(problem: Problem) -> list[ledger.Row]:
    """The rows in which a challenger became champion."""
    return [
        row
        for row in ledger.rows(problem.name)
        if row.facts["before"] == Stage.AB and row.facts["stage"] == Stage.PROBATION
    ]


def retrains(problem: Problem) -> list[ledger.Row]:
    """The rows in which a challenger was trained and judged offline."""
    return [
        row
        for row in ledger.rows(problem.name)
        if row.facts["before"] == Stage.RETRAIN and row.facts["kind"] == "turn" and row.facts["arrow"] != Outcome.WAIT
    ]


def span(problem: Problem, first: datetime, last: datetime) -> tuple[datetime, datetime]:
    """From where the team's history ends to the last whole day of the table."""
    start = (problem.source.starts or first) + problem.source.history
    return start, last.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
