"""What does one turn of the loop begin and end with? Everything before and after the stage itself."""

import logging
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from schemas.errors import PerennialError
from schemas.problem import Problem, load_problem
from schemas.rows import Entry, State
from schemas.settings import Settings
from schemas.stage import Stage
from schemas.verdict import Outcome, Verdict
from tasks import contracts, ledger, predictions, registry, scoring, windows
from tasks.transitions import Decision, advance, rules_changed

__all__ = ["ClockError", "Turn", "begin", "conclude"]

_CHUNK = timedelta(days=7)  # requests are read and scored a week at a time, so memory stays bounded
log = logging.getLogger("perennial")


class ClockError(PerennialError):
    def __init__(self, problem: str, now: datetime, last: datetime) -> None:
        super().__init__(
            f"a turn of {problem!r} at {now.isoformat()} would come before the newest ledger row at {last.isoformat()}. "
            "Turns only go forward: correct the clock, or replay into another PERENNIAL_HOME."
        )


@dataclass(frozen=True)
class Turn:
    """What a stage is given: where the problem stands, what time it is, and what came in since the last turn."""

    name: str
    state: State
    now: datetime
    answered: int = 0
    labelled: int = 0
    faults: dict[str, int] = field(default_factory=dict)
    bad_share: float = 0.0
    foreign: list[str] = field(default_factory=list)

    @property
    def problem(self) -> Problem:
        return load_problem(self.name)


def begin(name: str, now: datetime | None = None) -> Turn:
    """Read the ledger, re-assert its projection, answer the requests that came since, take in the labels."""
    problem = load_problem(name)
    now = windows.aware(now or datetime.now(UTC), "now")
    state = ledger.state_of(name)
    if state.at and now < state.at:
        raise ClockError(name, now, state.at)
    if state.rules != problem.rules():
        state = ledger.append(state, rules_changed(state, problem.rules(), now=now))
        log.info("%s: contract and framing are new to the ledger", name)
    turn = Turn(name, state, now)
    if state.champion is None:
        return turn
    foreign = registry.project(problem, state)
    return replace(_take_in(turn, problem), foreign=foreign)


def _take_in(turn: Turn, problem: Problem) -> Turn:
    """Answer and log the requests since the last turn under the route it left, then take in the labels since."""
    start, state = turn.state.scored or turn.now, turn.state
    rows = bad = 0
    faults: dict[str, int] = {}
    while start < turn.now:
        end = min(start + _CHUNK, turn.now)
        checked = contracts.check(problem, windows.read_requests(problem, start, end))
        contracts.quarantine(problem, checked, start=start, end=end)
        for what, count in checked.counts.items():
            faults[what] = faults.get(what, 0) + count
        rows, bad = rows + checked.rows, bad + len(checked.bad)
        _answer(problem, state, checked)
        start = end
    labels = windows.read_labels(problem, turn.state.scored or turn.now, turn.now)
    labelled = predictions.log_labels(problem, labels)
    return replace(turn, answered=rows - bad, labelled=labelled, faults=faults, bad_share=bad / rows if rows else 0.0)


def _answer(problem: Problem, state: State, checked: contracts.Checked) -> None:
    assert state.champion is not None, "requests are only answered once something serves"
    rival = state.challenger or (state.previous if state.stage is Stage.PROBATION else None)
    answers = scoring.answer(
        checked.valid,
        problem.framing,
        champion=registry.load(problem, state.champion),
        rival=registry.load(problem, rival) if rival else None,
        stage=state.stage,
        share=state.share,
        key=f"{problem.name}/{state.rollout}",
    )
    predictions.log(problem, state, checked.valid, answers)


def judged_by_old_rules(turn: Turn) -> Decision | None:
    """A rollout that began under another contract or framing FAILs: its evidence answers another question."""
    state = turn.state
    if state.stage in (Stage.COLD, Stage.HEALTHY) or state.judged_by == state.rules:
        return None
    reason = f"rules changed: the rollout began under {state.judged_by[:12]}, contract and framing are now {state.rules[:12]}"
    return Decision(Verdict("rules", Outcome.FAIL, reason))


def conclude(turn: Turn, decision: Decision, *, notes: dict[str, Any] | None = None) -> Entry:
    """Write the turn's one row; the insert is the commit, the registry's aliases follow it."""
    problem = turn.problem
    entry = advance(turn.state, decision, now=turn.now, first_share=problem.rollout.shares[0])
    beside = {"wall": datetime.now(UTC).isoformat(), "answered": turn.answered, "labelled": turn.labelled}
    beside |= {"foreign": turn.foreign} if turn.foreign else {}
    entry = replace(entry, notes={**beside, **entry.notes, **(notes or {})})
    entry = replace(entry, state=_written(turn, entry))
    registry.project(problem, entry.state)
    log.info("%s: %s → %s, %s", turn.name, entry.before, entry.state.stage, entry.verdict.reason)
    return entry


def _written(turn: Turn, entry: Entry) -> State:
    try:
        return ledger.append(turn.state, entry)
    except ledger.LostRaceError:
        newest = ledger.state_of(turn.name)
        # A person's request may have slipped in while the turn worked. It changes nothing the turn rested on, and a
        # retrain of minutes is too dear to throw away for it: write after it, and keep it waiting.
        same = replace(
            newest, sequence=turn.state.sequence, at=turn.state.at, hash=turn.state.hash, request=turn.state.request
        )
        if same != turn.state:
            raise
        state = replace(entry.state, sequence=newest.sequence + 1, request=newest.request)
        return ledger.append(newest, replace(entry, state=state))


def seed_of(turn: Turn) -> int:
    """The seed of this rollout's random choices."""
    return Settings().seed + turn.state.rollout
