"""What does one turn of the loop begin and end with? Everything before and after the stage itself."""

import logging
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd

from flows.clock import moment_of
from schemas.problem import Problem, load_problem
from schemas.rows import Entry, State
from schemas.settings import Settings
from schemas.stage import Stage
from tasks import batches, contract_history, contracts, journal, ledger, logs, predictions, registry, scoring, windows
from tasks.exploration import with_exploration
from tasks.goals import goal_said
from tasks.scoring import Answers
from tasks.transitions import Decision, advance, rules_changed

__all__ = [
    "Turn",
    "answers_of",
    "begin",
    "conclude",
    "gateway_answers",
    "seed_of",
    "serving",
]

_CHUNK = timedelta(days=7)  # requests are read and scored a week at a time, so memory stays bounded
log = logging.getLogger("perennial")


@dataclass(frozen=True)
class Turn:
    """What a stage is given: where the problem stands, what time it is, and what came in since the last turn."""

    name: str
    state: State
    now: datetime
    answered: int = 0
    unanswered: int = 0  # both models raised, or the only one did
    quarantined: int = 0
    labelled: int = 0
    scored: datetime | None = None  # requests are answered up to here
    faults: dict[str, int] = field(default_factory=dict)
    bad_share: float = 0.0
    foreign: list[str] = field(default_factory=list)
    live: bool = False  # now is the present moment, and no replay's

    @property
    def problem(self) -> Problem:
        return load_problem(self.name)

    def logged(self) -> AbstractContextManager[None]:
        """What is logged meanwhile is about its problem and stage."""
        return logs.about(problem=self.name, stage=self.state.stage)


def begin(name: str, now: datetime | None = None) -> Turn:
    """Read the ledger, re-assert its projection, answer the requests that came since, take in the labels."""
    problem, live = load_problem(name), now is None
    state = ledger.state_of(name)
    now = moment_of(problem, state, now)
    if state.rules != problem.rules():
        contract_history.keep(problem)  # before the ledger's row: a hash there always has its contract here
        state = ledger.append(state, rules_changed(state, problem.rules(), now=now))
        log.info("%s: contract and framing are new to the ledger", name)
    turn = Turn(name, state, now, live=live)
    if state.champion is None:
        return turn
    foreign = registry.project(problem, state)
    return replace(_take_in(turn, problem), foreign=foreign)


def _take_in(turn: Turn, problem: Problem) -> Turn:
    """Answer and log the requests since the last turn under the route it left, then take in the labels since.

    A batch that breaks the contract as a whole stops here: requests from it on wait until the table is mended.
    """
    if gateway_answers(turn):
        return _read_log(turn, problem)
    first = start = turn.state.scored or turn.now
    champion, rival = serving(problem, turn.state)
    taken = replace(turn, scored=start)
    while start < turn.now:
        end = windows.affordable(problem, start, min(start + _CHUNK, turn.now))
        try:
            checked = contracts.check(problem, windows.read_requests(problem, start, end))
        except contracts.BrokenContractError as error:
            return replace(taken, faults={str(error): 0}, bad_share=1.0)
        contracts.quarantine(problem, checked, start=start, end=end)
        finite = _answer(problem, turn.state, checked.valid, champion, rival)
        faults = {what: taken.faults.get(what, 0) + count for what, count in checked.counts.items()}
        taken = replace(
            taken,
            scored=end,
            answered=taken.answered + finite,
            unanswered=taken.unanswered + len(checked.valid) - finite,
            quarantined=taken.quarantined + len(checked.bad),
            faults=taken.faults | faults,
        )
        start = end
    rows = taken.answered + taken.unanswered + taken.quarantined
    labelled = predictions.log_labels(problem, windows.read_labels(problem, first, turn.now))
    return replace(taken, labelled=labelled, bad_share=taken.quarantined / rows if rows else 0.0)


def gateway_answers(turn: Turn) -> bool:
    """Do requests come by HTTP? A plan speaks of the present: a replay answers the requests of its past by itself."""
    return (Settings().serving or (turn.problem.serving.answered_by if turn.live else "turns")) == "gateway"


def _read_log(turn: Turn, problem: Problem) -> Turn:
    """A gateway has answered and logged the requests: count them, and what it refused at the door. Labels of the table
    count as well as those it was sent."""
    first = turn.state.scored or turn.now
    finite, unanswered = predictions.answered(problem, since=first, until=turn.now)
    # Refusals have no event time, only the moment they happened: a turn of another time cannot place them.
    refused = journal.refused_since(problem, first, turn.now) if turn.live else {}
    # A row that breaks several rules is counted under each: the largest is the least that it can be.
    bad = max(refused.values(), default=0)
    labelled = (
        predictions.log_labels(problem, windows.read_labels(problem, first, turn.now))
        if windows.available(problem)
        else 0
    )
    rows = finite + unanswered + bad
    return replace(
        turn,
        scored=turn.now,
        answered=finite,
        unanswered=unanswered,
        quarantined=bad,
        faults=refused,
        bad_share=bad / rows if rows else 0.0,
        labelled=labelled,
    )


def serving(problem: Problem, state: State) -> tuple[Any, Any]:
    """The champion, and whoever scores beside it. A rival that cannot be loaded raises on each row: evidence against it,
    and no reason for the champion not to answer."""
    assert state.champion is not None, "requests are only answered once something serves"
    rival = state.challenger or (state.previous if state.stage is Stage.PROBATION else None)
    champion = registry.load(problem, state.champion)
    if rival is None:
        return champion, None
    try:
        return champion, registry.load(problem, rival)
    except Exception as error:
        log.error("%s: %s cannot be loaded: %s", problem.name, rival, error)
        return champion, _Unloadable(error)


class _Unloadable:
    """Stands in for a model whose file is gone or altered."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def predict(self, _frame: Any) -> Any:
        raise self.error

    predict_proba = predict


def _answer(problem: Problem, state: State, rows: pd.DataFrame, champion: Any, rival: Any) -> int:
    """Route, score and log; the number of rows that got an answer. What a request of many rows answered before is not
    answered again: it counts here, once, by what went out then."""
    before = batches.decisions(problem, rows[problem.framing.key].astype(str))
    if len(before):
        rows = rows[~rows[problem.framing.key].astype(str).isin(before.index)].reset_index(drop=True)
    answers = answers_of(problem, state, rows, champion, rival)
    predictions.log(problem, state, rows, answers)
    return int(np.isfinite(answers.decision).sum()) + int(before.notna().sum())


def answers_of(problem: Problem, state: State, rows: pd.DataFrame, champion: Any, rival: Any) -> Answers:
    """Who answers each row under the state's route, with what, and what the model beside says."""
    answers = scoring.answer(
        rows,
        problem.framing,
        champion=champion,
        rival=rival,
        stage=state.stage,
        share=state.share,
        key=f"{problem.name}/{state.rollout}",
    )
    return with_exploration(problem, rows, answers)


def conclude(turn: Turn, decision: Decision, *, notes: dict[str, Any] | None = None) -> Entry:
    """Write the turn's one row; the insert is the commit, the registry's aliases follow it."""
    problem = turn.problem
    first_share = problem.rollout.shares[0]
    entry = advance(turn.state, decision, now=turn.now, first_share=first_share, scored=turn.scored)
    beside = {"wall": datetime.now(UTC).isoformat(), "answered": turn.answered, "labelled": turn.labelled}
    beside |= {"unanswered": turn.unanswered} if turn.unanswered else {}
    beside |= {"quarantined": turn.quarantined} if turn.quarantined else {}
    beside |= {"foreign": turn.foreign} if turn.foreign else {}
    beside |= {"goal": said} if (said := _toward_the_goal(problem, entry)) else {}
    entry = replace(entry, notes={**beside, **entry.notes, **(notes or {})})
    entry = _written(turn, entry)
    registry.project(problem, entry.state)
    log.info("%s: %s → %s, %s", turn.name, entry.before, entry.state.stage, entry.verdict.reason)
    return entry


def _toward_the_goal(problem: Problem, entry: Entry) -> str:
    """Of a new challenger, and of one that becomes champion: what it measured, beside the goal."""
    match entry.before, entry.state.stage:
        case Stage.RETRAIN, Stage.SHADOW:
            model = entry.state.challenger
        case Stage.AB, Stage.PROBATION:
            model = entry.state.champion
        case _:
            return ""
    return goal_said(problem.framing, model.held_out if model else {})


def _written(turn: Turn, entry: Entry) -> Entry:
    """The row as it stands in the ledger."""
    try:
        return replace(entry, state=ledger.append(turn.state, entry))
    except ledger.LostRaceError:
        newest = ledger.state_of(turn.name)
        # A person's request or pause may have slipped in while the turn worked. It changes nothing the turn rested on, and
        # a retrain of minutes is too dear to throw away for it: write after it, and keep it waiting.
        same = replace(
            newest,
            sequence=turn.state.sequence,
            at=turn.state.at,
            hash=turn.state.hash,
            request=turn.state.request,
            paused=turn.state.paused,
        )
        # But no pause is answered by a promotion.
        moves, spoken = (
            entry.before is not Stage.RETRAIN and entry.state.stage is not entry.before,
            newest.paused != turn.state.paused,
        )
        if same != turn.state or (moves and spoken):
            raise
        state = replace(entry.state, sequence=newest.sequence + 1, request=newest.request)
        if spoken:  # of a pause it is the newest word that stands, and not that the one before it came to its end
            state = replace(state, paused=newest.paused)
            entry = replace(entry, notes={name: said for name, said in entry.notes.items() if name != "resumed"})
        entry = replace(entry, state=state)
        return replace(entry, state=ledger.append(newest, entry))


def seed_of(turn: Turn) -> int:
    """The seed of this rollout's random choices."""
    return Settings().seed + turn.state.rollout
