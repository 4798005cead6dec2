"""The loop. One run takes one step: read the stage, gather evidence, decide, write it down."""

from collections.abc import Callable
from datetime import datetime

from prefect import flow, task
from prefect.cache_policies import NO_CACHE

from flows.guard import may_pass, one_turn_at_a_time
from flows.monitoring import watch
from flows.rollout import ab_test, canary, probation, shadow
from flows.stops import approved, held, judged_by_old_rules, resting, reverting, tripped, unpaused
from flows.story import run_name, tell
from flows.taint import sound
from flows.training import first_champion, make_challenger
from flows.turn import Turn, begin, conclude
from schemas.stage import Stage
from tasks.transitions import Decision

__all__ = ["STEP", "lifecycle"]

STEP: dict[Stage, Callable[[Turn], Decision]] = {
    Stage.COLD: first_champion,  # PASS: the heuristic serves
    Stage.HEALTHY: watch,  # FAIL: a challenger is wanted
    Stage.RETRAIN: make_challenger,  # PASS: it scores in the champion's shadow
    Stage.SHADOW: shadow,  # PASS: it answers a share
    Stage.CANARY: canary,  # PASS: half and half
    Stage.AB: ab_test,  # PASS: it is the champion
    Stage.PROBATION: probation,  # FAIL: the previous champion is restored
}


@flow(name="lifecycle", flow_run_name=run_name)
def lifecycle(problem: str, now: datetime | None = None) -> str:
    """Turn the crank once for `problem`, and return the stage it leads to.

    Args:
        problem: Whose ledger is read and gone on with.
        now: The moment that the turn stands for: only a replay says it.
    """
    with one_turn_at_a_time(problem, live=now is None):
        turn = open_turn(problem, now)
        with turn.logged():
            entry = close_turn(turn, task(name=turn.state.stage.lower(), cache_policy=NO_CACHE)(take_step)(turn))
    tell(entry, live=now is None)
    return str(entry.state.stage)


# A database that is away for a minute comes back; a verdict, or a refusal of ours, would only be the same again.
open_turn = task(
    name="open turn", retries=3, retry_delay_seconds=[5, 20, 60], retry_condition_fn=may_pass, cache_policy=NO_CACHE
)(begin)
close_turn = task(name="close turn", cache_policy=NO_CACHE)(conclude)


def take_step(turn: Turn) -> Decision:
    """The stage's own decision, unless old rules, a person, a gateway's breaker or faulty data stop it."""
    stopped = judged_by_old_rules(turn) or reverting(turn) or tripped(turn) or resting(turn)
    return stopped or unpaused(turn, approved(turn, sound(turn, held(turn, STEP[turn.state.stage](turn)))))
