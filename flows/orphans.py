"""What is left of a problem whose file is gone or renamed, and how is it ended?

The file goes at once, and what it began does not: its ledger may stand in a rollout whose challenger answers requests at a
gateway, and no turn judges it any longer. Nothing here is done by itself: a file may be gone for a checkout's mistake.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from flows.asking import person, stopped_by
from schemas.errors import PerennialError
from schemas.plans import Reason
from schemas.problem import UnknownProblemError, known_problems, load_problem
from schemas.rows import Entry, Request, State
from schemas.settings import Settings
from schemas.stage import ROLLOUT
from tasks import ledger, registry
from tasks.transitions import advance

__all__ = ["Orphan", "about", "orphans", "retire"]


@dataclass(frozen=True)
class Orphan:
    """A ledger without a file, and the problems that may be the same under another name."""

    state: State
    like: tuple[str, ...] = ()

    def __str__(self) -> str:
        state, name = self.state, self.state.problem
        open_still = state.stage in ROLLOUT
        said = f"{name!r} has a ledger of {state.sequence} rows, and no file: it is {state.stage}"
        said += f", with {state.challenger} as its challenger" if state.challenger else ""
        said += ", and no turn judges it any longer" if open_still else ", and nothing of it is under way"
        renamed = [
            f"{new} is judged by the same contract and framing, as if it were {name} renamed" for new in self.like
        ]
        steps = [f"put schemas/problems/{name}.py back to go on"]
        steps += [
            f"make adopt PROBLEM={new} MODEL=models:/{name}@champion begins {new} with its champion"
            for new in self.like
        ]
        steps += [f"make retire PROBLEM={name} ends the rollout"] if open_still else []
        return f"{'. '.join([said, *renamed])}. {'; '.join(steps)}. Its rows, models and answers stay."


def orphans() -> list[Orphan]:
    """Every ledger that no file goes with. To look makes none."""
    file = Settings().ledger.removeprefix("sqlite:///")
    if file != Settings().ledger and not Path(file).exists():
        return []
    newest, there = ledger.newest(), known_problems()
    begun = {name for name, row in newest.items() if row.state.champion is not None}
    fresh = {name: rules for name in there if name not in begun and (rules := _rules(name))}
    return [
        Orphan(row.state, tuple(new for new, rules in fresh.items() if rules == row.state.rules))
        for name, row in sorted(newest.items())
        if name not in there
    ]


def about(name: str) -> Iterator[str]:
    """What is to be said of a problem of this name: that it is an orphan, or may be one renamed."""
    yield from (str(one) for one in orphans() if name in (one.state.problem, *one.like))


def retire(name: str, *, note: str, actor: str = "", now: datetime | None = None) -> State:
    """End the rollout of a problem whose file is gone: the champion that answered before it stays, or is restored."""
    if name in known_problems():
        raise PerennialError(f"schemas/problems/{name}.py is there: end its rollout with make rollback PROBLEM={name}.")
    if ledger.state_of(name).sequence == 0:
        raise UnknownProblemError(name, known_problems())
    who, _ = person(actor)
    state = ledger.update(name, lambda state: _ended(state, who, note, now or datetime.now(UTC)))
    registry.reassert(name, state)
    return state


def _ended(state: State, who: str, note: str, now: datetime) -> Entry:
    if state.stage not in ROLLOUT:
        raise PerennialError(
            f"nothing of {state.problem!r} is under way: it is {state.stage}, and {state.champion} is its champion."
        )
    decision = stopped_by(Request("revert", Reason.PERSON, note, who))
    moment = max(now, state.at or now)
    entry = advance(state, decision, now=moment, first_share=0.0, scored=state.scored)
    return replace(entry, notes={"wall": datetime.now(UTC).isoformat()} | entry.notes)


def _rules(name: str) -> str:
    """Of a file that makes a problem; one that is being written is like nothing."""
    try:
        return load_problem(name).rules()
    except PerennialError:
        return ""
