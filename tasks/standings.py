"""Where does every problem stand? One row each for a table that people read, those that wait for somebody first."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from schemas.figure import Figure
from schemas.rows import Entry, Model, State
from schemas.stage import Stage
from tasks.drawing.words import span

__all__ = ["Standing", "standings"]


@dataclass(frozen=True)
class Standing:
    """What is known of one problem. `last` is its newest turn, and None before the first."""

    problem: str
    state: State
    last: Entry | None = None
    quality: Figure | None = None  # the newest realised loss of the champion
    next_turn: datetime | None = None


def standings(known: Iterable[Standing], *, now: datetime) -> list[dict[str, str]]:
    """The table's rows. Equal standings at one moment give equal rows."""
    return [_row(one, now) for one in sorted(known, key=_urgency)]


def _urgency(one: Standing) -> tuple[int, str]:
    """A person first, then what is under way, then what is well, then what has not begun."""
    waits, stage = bool(_waits_for(one.state)), one.state.stage
    return (0 if waits else 3 if stage is Stage.COLD else 2 if stage is Stage.HEALTHY else 1), one.problem


def _row(one: Standing, now: datetime) -> dict[str, str]:
    """Short cells, and the long sentence last: the UI breaks no line in a table."""
    state, champion = one.state, one.state.champion
    return {
        "problem": one.problem,
        "stage": f"{state.stage} {state.share:.0%}" if state.stage is Stage.CANARY else str(state.stage),
        "for": _age(state.since, now) or "–",
        "waits for": _waits_for(state) or "–",
        "verdict": one.last.arrow if one.last else "–",
        "next turn": f"{one.next_turn:%Y-%m-%d %H:%M}" if one.next_turn else "–",
        "champion": _named(champion),
        "learned until": f"{known} ago" if (known := _age(champion.trained_until if champion else None, now)) else "–",
        "loss (when accepted)": _loss(one),
        "challenger": _named(state.challenger),
        "why": one.last.verdict.reason if one.last else "no turn yet",
    }


def _waits_for(state: State) -> str:
    waits = [f"approval, since {state.awaits:%Y-%m-%d}"] if state.awaits else []
    if state.paused and state.at and state.paused.holds(state.at):
        waits.append(f"somebody to resume: {state.paused.actor} paused it")
    if state.request:
        waits.append(f"its next turn: {state.request.actor} asks for a {state.request.kind}")
    return "; ".join(waits)


def _loss(one: Standing) -> str:
    champion = one.state.champion
    accepted = champion.held_out.get("loss") if champion else None
    now = f"{one.quality.value:.4g}" if one.quality else "–"
    return now if accepted is None else f"{now} ({accepted:.4g})"


def _named(model: Model | None) -> str:
    return f"v{model.version} {model.name}" if model else "–"


def _age(moment: datetime | None, now: datetime) -> str:
    return span(max((now - moment) / timedelta(seconds=1), 0.0)) if moment else ""
