"""What stage is a problem in, and how did it get there? Append-only, hash-chained, one insert a turn."""

import json
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from schemas.errors import PerennialError
from schemas.rows import Entry, State, canonical, chained, facts_of, plain, state_from
from schemas.settings import Settings
from schemas.stage import NEXT, Stage
from schemas.verdict import Outcome, Verdict
from tasks.database import open_database

__all__ = [
    "BrokenLedgerError",
    "IllegalStepError",
    "LostRaceError",
    "Row",
    "append",
    "clock",
    "decisions_on",
    "identity",
    "newest",
    "problems",
    "rows",
    "state_of",
    "update",
    "verify",
]

_TABLE = sa.table(
    "ledger",
    *(
        sa.column(c)
        for c in (
            "problem",
            "sequence",
            "at",
            "kind",
            "stage",
            "arrow",
            "facts",
            "hash",
            "notes",
            "notes_hash",
        )
    ),
)


_PAGE = 500
# A HEALTHY turn that found nothing the matter: of 96 turns a day all but a few. Read as text, where JSON would be parsed for each.
_QUIET = (
    (_TABLE.c.kind == "turn")
    & (_TABLE.c.stage == "HEALTHY")
    & (_TABLE.c.arrow == "PASS")
    & _TABLE.c.facts.contains('"before":"HEALTHY"')
)


class LostRaceError(PerennialError):
    """Somebody else wrote the next row first. Nothing was changed; reading again mends it."""

    def __init__(self, problem: str, sequence: int) -> None:
        super().__init__(
            f"row {sequence} of {problem!r} was written by another turn meanwhile; this turn changed nothing. "
            "The next turn reads the ledger anew."
        )


class IllegalStepError(PerennialError):
    """A row that would skip a stage, or leave a problem without a champion. Nothing was written."""

    def __init__(self, entry: Entry, says: str) -> None:
        super().__init__(
            f"row {entry.state.sequence} of {entry.state.problem!r} {says}. The ledger takes only arrows of "
            "schemas/stage.py: NEXT; let a turn of the loop decide the step."
        )


class BrokenLedgerError(PerennialError):
    """The ledger does not verify."""


@dataclass(frozen=True)
class Row:
    """One stored row: what it says, and what stands beside it."""

    facts: dict[str, Any]
    hash: str
    notes: dict[str, Any]
    notes_hash: str
    columns: dict[str, Any]  # what rows are found by; the facts say it too

    @property
    def state(self) -> State:
        return state_from(self.facts, self.notes, self.hash)

    @property
    def entry(self) -> Entry:
        """The row as it was before it was stored; of its evidence what the hash covers."""
        facts = self.facts
        verdict = Verdict(facts["gate"], Outcome(facts["outcome"]), self.notes["reason"], facts["statistics"])
        return Entry(self.state, facts["kind"], Stage(facts["before"]), facts["arrow"], verdict, self.notes)


def state_of(problem: str) -> State:
    """The newest row's state; COLD where there is no row."""
    newest = sa.select(_TABLE).where(_TABLE.c.problem == problem).order_by(_TABLE.c.sequence.desc()).limit(1)
    with _engine().connect() as connection:
        found = connection.execute(newest).mappings().first()
    return _row(found).state if found else State(problem)


def newest(*, kind: str | None = None) -> dict[str, Row]:
    """Every problem's newest row, or its newest of this kind, in one query."""
    mine = sa.true() if kind is None else _TABLE.c.kind == kind
    last = sa.select(_TABLE.c.problem, sa.func.max(_TABLE.c.sequence).label("last")).where(mine)
    ends = last.group_by(_TABLE.c.problem).subquery()
    same = (_TABLE.c.problem == ends.c.problem) & (_TABLE.c.sequence == ends.c.last)
    with _engine().connect() as connection:
        found = connection.execute(sa.select(_TABLE).join(ends, same)).mappings().all()
    return {row["problem"]: _row(row) for row in found}


def append(prior: State, entry: Entry) -> State:
    """Insert the row that follows `prior`. The unique (problem, sequence) makes the insert the compare-and-set."""
    facts = facts_of(entry)
    for broken, says in _illegal(facts, str(prior.stage)):
        if broken:
            raise IllegalStepError(entry, says)
    row_hash = chained(prior.hash, facts)
    versions = {
        role: model.version
        for role in ("champion", "challenger", "previous")
        if (model := getattr(entry.state, role)) is not None
    }
    notes = plain(entry.notes | {"reason": entry.verdict.reason, "versions": versions})
    values = {
        "problem": entry.state.problem,
        "sequence": entry.state.sequence,
        "at": facts["at"],
        "kind": entry.kind,
        "stage": str(entry.state.stage),
        "arrow": entry.arrow,
        "facts": canonical(facts),
        "hash": row_hash,
        "notes": canonical(notes),
        "notes_hash": chained(row_hash, notes),
    }
    try:
        with _engine().begin() as connection:
            connection.execute(sa.insert(_TABLE).values(values))
    except sa.exc.IntegrityError:
        raise LostRaceError(entry.state.problem, entry.state.sequence) from None
    return state_from(facts, notes, row_hash)


def clock() -> datetime | None:
    """What the database says is the time; None where it is a file, and has no clock of its own."""
    engine = _engine()
    if engine.dialect.name == "sqlite":
        return None
    with engine.connect() as connection:
        said: datetime = connection.execute(sa.select(sa.func.now())).scalar_one()
    return said.astimezone(UTC)


def rows(
    problem: str, *, since: int = 0, after: datetime | None = None, noting: Collection[str] | None = None
) -> Iterator[Row]:
    """All rows after sequence `since`, and from the moment `after` on, oldest first, a page at a time: no connection is held
    while the reader works. With `noting`, turns in which nothing happened are left out unless they note one of these."""
    while True:
        page = sa.select(_TABLE).where(_TABLE.c.problem == problem, _TABLE.c.sequence > since)
        if after is not None:  # moments are kept as UTC texts, which sort as they follow
            page = page.where(_TABLE.c.at >= after.astimezone(UTC).isoformat())
        if noting is not None:
            page = page.where(~_QUIET | sa.or_(*(_TABLE.c.notes.contains(f'"{name}":') for name in noting)))
        with _engine().connect() as connection:
            found = connection.execute(page.order_by(_TABLE.c.sequence).limit(_PAGE)).mappings().all()
        yield from map(_row, found)
        if len(found) < _PAGE:
            return
        since = found[-1]["sequence"]


def decisions_on(problem: str, test_set: str) -> int:
    """How many retrains this held-out set, by its sha256, has decided already."""
    said = _TABLE.c.facts.contains(f'"{test_set}"')
    query = sa.select(sa.func.count()).select_from(_TABLE).where(_TABLE.c.problem == problem, said)
    with _engine().connect() as connection:
        return int(connection.execute(query).scalar_one())


def problems() -> list[str]:
    """Every problem that has a row."""
    with _engine().connect() as connection:
        return sorted(connection.execute(sa.select(_TABLE.c.problem).distinct()).scalars())


def identity() -> str:
    """Which ledger this is: made with its tables, and the same wherever it is opened from, copied to or restored."""
    with _engine().connect() as connection:
        return str(connection.execute(sa.text("SELECT id FROM ledger_identity")).scalar_one())


def verify(problem: str) -> int:
    """Number of rows, when each follows from the one before; else one error that names the first that does not."""
    prior, count, stage = "0" * 64, 0, None
    for row in rows(problem):
        count += 1
        facts = row.facts
        for broken, what in _faults(row, prior, count, stage):
            if broken:
                raise BrokenLedgerError(
                    f"row {facts['sequence']} of {problem!r} {what}. The ledger was changed after it was written; "
                    "restore it from a backup, and do not promote until then."
                )
        prior, stage = row.hash, facts["stage"]
    return count


def _faults(row: Row, prior: str, count: int, stage: str | None) -> list[tuple[bool, str]]:
    facts = row.facts
    return [
        (facts["sequence"] != count, f"stands where row {count} should"),
        (
            any(facts.get(name) != value for name, value in row.columns.items()),
            "stands under another problem, number, time or stage than its facts",
        ),
        (chained(prior, facts) != row.hash, "does not hash to what it says"),
        (chained(row.hash, row.notes) != row.notes_hash, "has notes that were changed"),
        *_illegal(facts, stage),
    ]


def _illegal(facts: dict[str, Any], stage: str | None) -> list[tuple[bool, str]]:
    """What no row may do, given the stage that the row before ended in."""
    before, after = facts["before"], facts["stage"]
    arrows: dict[Any, Any] = NEXT.get(before, {})
    # A request or a change of rules moves nothing; an adopted model is what COLD waits for.
    target = {"turn": arrows.get(facts["arrow"]), "adopt": "HEALTHY"}.get(facts["kind"], before)
    return [
        (stage is not None and before != stage, f"begins in {before}, but the row before ended in {stage}"),
        (target != after, f"goes from {before} to {after} on {facts['arrow']}, which is no arrow"),
        (after != "COLD" and not facts["champion"], "has no champion"),
    ]


def update(problem: str, change: Callable[[State], Entry]) -> State:
    """Append what `change` makes of the newest state, and read again when somebody was faster."""
    for _ in range(20):
        state = state_of(problem)
        try:
            return append(state, change(state))
        except LostRaceError:
            continue
    raise LostRaceError(problem, state.sequence + 1)


def _engine() -> sa.Engine:
    return open_database(Settings().ledger, "ledger")


def _row(found: Any) -> Row:
    columns = {name: found[name] for name in ("problem", "sequence", "at", "kind", "stage", "arrow")}
    try:
        return Row(json.loads(found["facts"]), found["hash"], json.loads(found["notes"]), found["notes_hash"], columns)
    except json.JSONDecodeError:
        raise BrokenLedgerError(
            f"row {found['sequence']} of {found['problem']!r} is no JSON. The ledger was changed after it was written; "
            "restore it from a backup, and do not promote until then."
        ) from None
