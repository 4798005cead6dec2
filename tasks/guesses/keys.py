"""Which column identifies a row, and whose rows repeat?"""

from collections.abc import Collection, Mapping

from tasks.guesses.facts import Column
from tasks.guesses.words import IDS, PERSONS, bare, tokens

_SURE = frozenset({"id", "uuid", "guid", "key", "code", "tailnum", "ids"})
_ENDING_IN_ID = frozenset(
    {"paid", "bid", "humid", "grid", "valid", "covid", "solid", "acid", "mid", "hybrid", "liquid"}
)

__all__ = ["entity_of", "is_id", "key_of"]


def key_of(columns: Mapping[str, Column], *, asked: str | None = None, but: Collection[str] = ()) -> Column | None:
    """A column without gaps whose values are all different: one named like a key first; None where it has to be made."""
    if asked is not None:
        return next((c for name, c in columns.items() if bare(name) == bare(asked)), None)
    fit = [
        c
        for name, c in columns.items()
        if name not in but
        and c.missing == 0
        and c.distinct == c.rows
        and c.kind in ("number", "text")
        # A measurement may be all different by chance; a key is a word or a whole number.
        and (c.kind == "text" or c.whole)
        and c.length < 80
    ]
    named = [
        c
        for c in fit
        if is_id(c.name) or c.name == next(iter(columns)) or bare(c.name) in {"instant", "index", "no", "rowid"}
    ]
    return named[0] if named else None


def entity_of(columns: Mapping[str, Column], *, asked: str | None = None, but: Collection[str] = ()) -> Column | None:
    """Who repeats: named like an id, with at least 30 values, each with more than one row in the mean."""
    if asked is not None:
        return next((c for name, c in columns.items() if bare(name) == bare(asked)), None)
    fit = [c for name, c in columns.items() if name not in but and is_id(name) and _repeats(c)]
    # A person rather than a place: people are who an arm has to be the same for.
    return max(fit, key=lambda c: (bool(set(tokens(c.name)) & PERSONS), c.distinct), default=None)


def _repeats(column: Column) -> bool:
    return (
        column.kind in ("number", "text")
        and column.missing < 0.01
        and 30 <= column.distinct < 0.9 * column.rows
        and column.length < 60
        and (column.kind == "text" or column.low is None or column.low >= 0)
    )


def is_id(name: str) -> bool:
    """Is it named like an identifier?

    >>> is_id("PatientId"), is_id("unit_price"), is_id("nr_employed")
    (True, False, False)
    """
    words = tokens(name)
    if not words:
        return False
    last, rest = words[-1], set(words[:-1])
    if last in _SURE or (last in {"number", "no", "num", "nr"} and (rest & IDS or not rest)):
        return True
    return (len(words) == 1 and last in IDS) or (last.endswith("id") and last not in _ENDING_IN_ID)
