"""What is to be predicted, as which task, and how sure is that?"""

from collections.abc import Mapping
from dataclasses import dataclass

from schemas.errors import PerennialError
from tasks.guesses.facts import Column, Task
from tasks.guesses.words import EVENTS, IDS, PERSONAL, TARGET_WORDS, TARGETS, bare, tokens

__all__ = ["NoTargetError", "Target", "target_of"]

_YES = (
    "yes",
    "y",
    "true",
    "t",
    "1",
    "1.0",
    "positive",
    "pos",
    "bad",
    "default",
    "fraud",
    "churned",
    "up",
    "won",
    "success",
    "ja",
    "oui",
    "si",
    "sí",
    "sim",
    "tak",
)
_CLASSES = 20
_NAMED_CLASSES = frozenset(
    {
        "class",
        "label",
        "type",
        "category",
        "status",
        "species",
        "grade",
        "level",
        "segment",
        "diagnosis",
        "group",
        "state",
        "cover",
        "kind",
    }
)


class NoTargetError(PerennialError, ValueError):
    """No column of the table can be a target."""


@dataclass(frozen=True)
class Target:
    name: str
    task: Task
    classes: tuple[str | int, ...]  # of a multiclass target
    positive: str | None  # of a binary target that is not 0 and 1 already: what becomes 1
    code: str  # Ibis code; `{0}` is the column as read and converted
    says: str
    others: tuple[str, ...]  # runners-up, best first


def target_of(columns: Mapping[str, Column], *, asked: str | None = None) -> Target:
    """The column that looks most like a target, by its name, its values and its place among the others."""
    if asked is not None:
        found = next((name for name in columns if name == asked), None) or next(
            (name for name in columns if bare(name) == bare(asked)), None
        )
        if found is None:
            raise NoTargetError(f"TARGET={asked} is none of the table's columns: {', '.join(columns)}")
        return _as_target(columns[found], "said by TARGET=", ())
    scored = sorted(
        ((_points(column, place, len(columns)), -place, name) for place, (name, column) in enumerate(columns.items())),
        reverse=True,
    )
    likely = [(points, name) for points, _, name in scored if points > 0 and _possible(columns[name])]
    if not likely:
        raise NoTargetError(
            "no column looks like a target. Say which one it is: make problem NAME=... DATA=... TARGET=column"
        )
    best, name = likely[0]
    others = tuple(other for points, other in likely[1:4] if points > best / 3)
    return _as_target(columns[name], _reasons(columns, name), others)


def _possible(column: Column) -> bool:
    if column.kind == "time" or column.distinct < 2 or column.missing > 0.6:
        return False
    return column.kind != "text" or column.distinct <= _CLASSES


def _points(column: Column, place: int, width: int) -> float:
    if not _possible(column):
        return -1.0
    words, name = set(tokens(column.name)), bare(column.name)
    points = 0.2
    if name in TARGETS:
        points += 5 if name in {"target", "label", "class", "y"} or column.distinct > 2 or column.kind == "text" else 4
    elif words & TARGET_WORDS:
        points += 2.5
    if place == width - 1:
        points += 2
    elif place == 0 and column.kind == "number" and not column.whole:
        points += 1.5  # a measurement that stands first is often what the others explain
    if column.distinct == 2:
        points += 1 + (words & {"is", "has", "was", "will", "did"} != set()) * 0.5
    elif column.kind == "text":
        points += 0.3
    if name in TARGETS and column.kind == "number" and column.distinct > 50:
        points += 0.5
    unlike = words & (IDS - {"number"}) and column.distinct > _CLASSES
    unlike = unlike or words & PERSONAL or (words & EVENTS and column.distinct > 2 and not words & TARGET_WORDS)
    unlike = unlike or (column.kind == "number" and column.whole and column.distinct > 0.98 * column.rows)
    return points - (4 if unlike else 0)


def _reasons(columns: Mapping[str, Column], name: str) -> str:
    said = [f'named "{name}"'] if bare(name) in TARGETS or set(tokens(name)) & TARGET_WORDS else []
    said += ["the last column"] if name == list(columns)[-1] else []
    return ", ".join(said) or "by its values"


def _as_target(column: Column, why: str, others: tuple[str, ...]) -> Target:
    values = [value for value, _ in column.top]
    if column.distinct < 2:
        raise NoTargetError(
            f"column {column.name!r} has {column.distinct} value: there is nothing to predict. Choose another TARGET=."
        )
    if column.kind == "time":
        raise NoTargetError(
            f"column {column.name!r} holds times: predict how long it takes, as a number, and name that TARGET=."
        )
    if column.distinct == 2:
        return _binary(column, why, others)
    if column.kind == "text" and column.distinct > _CLASSES:
        raise NoTargetError(
            f"column {column.name!r} holds {column.distinct} different words: over {_CLASSES} are no classes. Choose another TARGET=."
        )
    if column.kind == "text" or _codes(column):
        classes: tuple[str | int, ...] = (
            tuple(sorted(values)) if column.kind == "text" else tuple(sorted(int(float(v)) for v in values))
        )
        says = f"{why}; {len(classes)} values"
        return Target(
            column.name,
            "multiclass",
            classes,
            None,
            "{0}" if column.kind == "text" else '{0}.cast("float64")',
            says,
            others,
        )
    says = f"{why}; a number with {column.distinct:,} values, median {column.median:g}"
    return Target(column.name, "regression", (), None, '{0}.cast("float64")', says, others)


def _binary(column: Column, why: str, others: tuple[str, ...]) -> Target:
    (often, n_often), (seldom, n_seldom) = column.top[0], column.top[1]
    total = n_often + n_seldom
    if column.kind == "flag" or {float(v) for v in (often, seldom) if _number(v)} == {0.0, 1.0}:
        ones = n_often if often.lower() in ("1", "1.0", "true") else n_seldom
        says = f"{why}; 2 values, {100 * ones / total:.1f} % ones"
        return Target(column.name, "binary", (), None, '{0}.cast("float64")', says, others)
    yes = [value for value in (often, seldom) if value.strip().lower() in _YES]
    positive = yes[0] if len(yes) == 1 else seldom
    share = (n_often if positive == often else n_seldom) / total
    says = f"{why}; 2 values, {positive!r} becomes 1: {100 * share:.1f} %"
    literal = positive if column.kind == "text" else float(positive)
    return Target(column.name, "binary", (), positive, f'({{0}} == {_quoted(literal)}).cast("float64")', says, others)


def _quoted(value: str | float) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"' if isinstance(value, str) else repr(value)


def _number(value: str) -> bool:
    try:
        float(value)
    except ValueError:
        return False
    return True


def _codes(column: Column) -> bool:
    """Whole numbers that stand for classes: few, without a gap from 0 or 1 on, and named like classes."""
    if not column.whole or column.distinct > 12 or column.low is None or column.high is None:
        return False
    dense = column.high - column.low + 1 == column.distinct
    return dense and column.low in (0.0, 1.0) and bool(set(tokens(column.name)) & (_NAMED_CLASSES | {"target", "y"}))
