"""Faults in the order of things: two promoters, a stage left out, nobody who serves, a test set worn out."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from flows.drills.world import Drill, World
from schemas.plans import Gate, Promotion, Reason
from schemas.rows import Entry, State
from schemas.stage import Stage
from schemas.verdict import Outcome, Verdict
from tasks import gates, ledger
from tasks.transitions import Decision, advance

__all__ = ["DRILLS"]

_FAIL, _PASS = Outcome.FAIL, Outcome.PASS
_START = datetime(2024, 1, 1, tzinfo=UTC)


def _begun(world: World, drill: str) -> State:
    """A ledger of its own, in RETRAIN."""
    state = State(f"drill {drill}")
    first = Decision(Verdict("first champion", _PASS, "drill"), model=world.model("a"))
    wanted = Decision(Verdict("schedule", _FAIL, "drill"), why=Reason.SCHEDULE, promotion=Promotion.SUPERIORITY)
    for step in (first, wanted):
        state = ledger.append(state, _next(state, step))
    return state


def _next(state: State, decision: Decision) -> Entry:
    """The lawful row that follows, a day later."""
    return advance(state, decision, now=_START + timedelta(days=state.sequence), first_share=0.05)


def _accepted(world: World, state: State) -> Entry:
    return _next(state, Decision(Verdict("offline", _PASS, "drill"), model=world.model("b"), snapshot="c" * 64))


def _written(state: State, entry: Entry, otherwise: str) -> Verdict:
    """What the ledger says to this row."""

    def write() -> Verdict:
        ledger.append(state, entry)
        return Verdict("ledger", _PASS, otherwise)

    return gates.closed("ledger", write)


def _two_promoters(world: World) -> Verdict:
    """Two processes that read the same row both promote."""
    state = _begun(world, "race")
    entry = _accepted(world, state)
    ledger.append(state, entry)
    return _written(state, entry, "both promoters wrote their row")


def _skipped_stage(world: World) -> Verdict:
    """A challenger taken from the offline gate straight to probation."""
    state = _begun(world, "skip")
    entry = _accepted(world, state)
    return _written(state, replace(entry, state=replace(entry.state, stage=Stage.PROBATION)), "a stage was skipped")


def _no_champion(world: World) -> Verdict:
    state = _begun(world, "none")
    entry = _accepted(world, state)
    return _written(state, replace(entry, state=replace(entry.state, champion=None)), "nobody serves")


def _worn_test_set(world: World) -> Verdict:
    """The ledger remembers the rows that a retrain was refused on, and counts."""
    test_set, state = "e" * 64, _begun(world, "worn")
    refused = Verdict("offline", _FAIL, "drill", {"fresh test set.test_set": test_set})
    ledger.append(state, _next(state, Decision(refused)))
    return world.judged(Gate.FRESH_TEST_SET, test_set=test_set, uses=ledger.decisions_on(state.problem, test_set))


DRILLS = [
    Drill("a race of two promoters", _FAIL, _two_promoters, "LostRaceError", refusal=True),
    Drill("a skipped stage", _FAIL, _skipped_stage, "IllegalStepError", refusal=True),
    Drill("a step that leaves no champion", _FAIL, _no_champion, "has no champion", refusal=True),
    Drill("worn-out test set", _FAIL, _worn_test_set, "has decided 1 times"),
]
