"""How do ledger rows become a life that can be drawn? Bands, reigns and marks, from the rows alone."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime

from schemas.figure import Figure
from schemas.incident import FAULTS
from schemas.life import Band, Life, Mark, MarkKind, Reign
from schemas.plans import Reason
from schemas.rows import Entry, Model
from schemas.stage import REVERT, ROLLOUT, Stage
from schemas.verdict import Outcome

__all__ = ["life_of"]

_DRIFTS = (Reason.DRIFT, Reason.DECAY)


def life_of(entries: Sequence[Entry], figures: Sequence[Figure] = ()) -> Life | None:
    """The life over these rows, oldest first, which may begin anywhere; None of no row. Of each cohort the newest figure of
    whoever served it is kept."""
    if not entries:
        return None
    start, end = _at(entries[0]), _at(entries[-1])
    reigns = tuple(_reigns(entries, end))
    served = {reign.model for reign in reigns}
    newest = {(one.start, one.end): one for one in figures if one.model in served and start < one.end <= end}
    models = [entry.state.champion for entry in entries if entry.state.champion]
    limits = {one.sha256: one.held_out["loss"] for one in models if "loss" in one.held_out}
    return Life(
        problem=entries[0].state.problem,
        start=start,
        end=end,
        turns=sum(entry.kind == "turn" for entry in entries),
        bands=tuple(_bands(entries, start, end)),
        reigns=reigns,
        marks=tuple(_marks(entries)),
        quality=tuple(sorted(newest.values(), key=lambda one: one.end)),
        limits=tuple(limits.items()),
    )


def _bands(entries: Sequence[Entry], start: datetime, end: datetime) -> Iterator[Band]:
    """A stage lasts from the row that entered it to the row that left it."""
    now = Band(entries[0].before, start, start)
    for entry in entries:
        at, state = _at(entry), entry.state
        if state.stage is not now.stage:
            if now.start < at:  # COLD is left in the moment that it is seen
                yield replace(now, end=at)
            now = Band(state.stage, at, at)
        now = replace(now, share=max(now.share, state.share))
    yield replace(now, end=end)


def _reigns(entries: Sequence[Entry], end: datetime) -> Iterator[Reign]:
    held: tuple[Model, datetime] | None = None
    for entry in entries:
        champion = entry.state.champion
        if champion is None or (held and held[0].sha256 == champion.sha256):
            continue
        if held:
            yield _reign(*held, _at(entry))
        held = champion, _at(entry)
    if held:
        yield _reign(*held, end)


def _reign(model: Model, start: datetime, end: datetime) -> Reign:
    return Reign(model.sha256, model.version, model.name, start, end)


def _marks(entries: Iterable[Entry]) -> Iterator[Mark]:
    """What a person who was away would ask about; a fault or a drift that goes on is told once."""
    going_on = ""
    for entry in entries:
        told = _mark(entry)
        incident = entry.notes.get("incident", {}).get("kind", "")
        if told:
            yield told
        elif incident not in ("", going_on):
            yield Mark("fault" if incident in FAULTS else "drift", _at(entry), incident, entry.verdict.reason)
        going_on = incident if entry.kind == "turn" else going_on


def _mark(entry: Entry) -> Mark | None:
    state, at, why = entry.state, _at(entry), entry.verdict.reason
    if entry.kind == "request" and state.request:
        return Mark("request", at, f"{state.request.actor} asks for a {state.request.kind}", why)
    if entry.kind == "approval" and state.approval:
        return Mark("approval", at, f"{state.approval.actor} {state.approval.answer}s {state.approval.stage}", why)
    if entry.kind != "turn":
        return None
    if entry.arrow == REVERT:
        return Mark("rolled back", at, f"{state.champion} is restored", why)
    match entry.before, state.stage:
        case Stage.HEALTHY, Stage.RETRAIN:
            kind: MarkKind = "drift" if state.why in _DRIFTS else "retrain"
            return Mark(kind, at, f"retrain: {state.why}", why)
        case Stage.AB, Stage.PROBATION:
            return Mark("promoted", at, f"{state.champion} becomes champion", why)
        case Stage.PROBATION, Stage.HEALTHY if entry.verdict.outcome is Outcome.FAIL:
            return Mark("rolled back", at, f"{state.champion} is restored", why)
        case before, Stage.HEALTHY if before in ROLLOUT and entry.verdict.outcome is Outcome.FAIL:
            answered = before in (Stage.CANARY, Stage.AB)
            return Mark("rolled back" if answered else "rejected", at, f"the challenger is out, in {before}", why)
        case _:
            return None


def _at(entry: Entry) -> datetime:
    assert entry.state.at is not None, "a row has a moment"
    return entry.state.at
