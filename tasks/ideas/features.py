"""Which columns could the model read besides, which could it do without, and how else could it read them?"""

from collections.abc import Iterator
from typing import Any

from schemas.diagnosis import Constraint
from schemas.idea import Idea, Kind
from tasks.ideas.case import Case
from tasks.ideas.facts import Column
from tasks.stats.association import NOTHING

__all__ = ["dropped", "encoded", "paired", "unused"]

_MENDS = (Constraint.BIAS, Constraint.SLICE, Constraint.CEILING)
_MANY = 20  # categories from which on a column each is too many
_PAIRS = 3
_SPARSE = 0.5  # missing so often, a column is re-sourced or left out
_HALVED = 0.5  # odds of what has something against it


def unused(case: Case) -> Iterator[Idea]:
    """Every column that a request may hold and the recipe does not read; the framing's key is none."""
    framing = case.problem.framing
    for column in case.facts.columns.values():
        apart = column.name == framing.entity and case.problem.data.entities != "shared"
        if column.name in case.recipe.features or column.distinct < 2 or apart:
            continue
        says, odds = _against(case, column)
        read: dict[str, Any] = (
            {"encodings": case.recipe.encodings | {column.name: "text"}} if column.holds == "text" else {}
        )
        yield case.idea(
            Kind.FEATURES,
            f"read {column.name}",
            f"A request holds {column.name}, and the model does not read it{says}.",
            mends=_MENDS,
            seen=column.explains,
            odds=odds,
            features=[*case.recipe.features, column.name],
            **read,
        )


def _against(case: Case, column: Column) -> tuple[str, float]:
    said, odds = [], 1.0
    if column.name in case.problem.personal:
        said.append("it is personal: ask who answers for it first")
    if column.missing > _SPARSE:
        said.append(f"it is missing in {column.missing:.0%} of the rows")
    if column.name == case.problem.framing.event_time:
        said.append("its trend ends where training rows end, its hours and weekdays do not")
    if column.name == case.problem.framing.entity:
        said.append("it knows only those it has met")
    odds = _HALVED ** len(said)
    return (f"; {', and '.join(said)}" if said else ""), odds


def dropped(case: Case) -> Iterator[Idea]:
    """All features at once that are worth no more than one of noise; and all that are not shown to be worth more."""
    effects = case.diagnosis.effects if case.diagnosis else ()
    idle = {one.feature for one in effects if one.gain[1] <= max(one.noise, 0.0)}
    unshown = {one.feature for one in effects if one.gain[0] <= max(one.noise, 0.0)}
    yield from _without(case, idle, "idle", "worth no more than noise, and each is fitted to", 0.5)
    if unshown > idle:
        yield from _without(case, unshown, "doubtful", "not shown to be worth more than noise", 0.4)


def _without(case: Case, gone: set[str], called: str, says: str, odds: float) -> Iterator[Idea]:
    """`odds` are below 1: what this model has no use for another could use."""
    kept = [name for name in case.recipe.features if name not in gone or name == case.recipe.relative_to]
    left = [name for name in case.recipe.features if name not in kept]
    if not kept or not left:
        return
    several = len(left) > 1
    yield case.idea(
        Kind.FEATURES,
        f"leave out {len(left)} {called} feature{'s' if several else ''}",
        f"{', '.join(left)} {'are' if several else 'is'} {says}.",
        mends=(Constraint.VARIANCE, Constraint.DATA, Constraint.LEAK),
        odds=odds,
        features=kept,
        encodings={name: how for name, how in case.recipe.encodings.items() if name in kept},
        interactions=[list(pair) for pair in case.recipe.interactions if set(pair) <= set(kept)],
    )


def encoded(case: Case) -> Iterator[Idea]:
    """Columns that the model reads, read in another way."""
    for name in case.recipe.features:
        column = case.facts.columns.get(name)
        if column is None or column.holds not in ("category", "text"):
            continue
        ways = ["text"] if column.holds == "text" else _ways(case, column)
        for how in ways:
            if case.recipe.encodings.get(name) != how:
                yield _read_as(case, column, how)
    yield from _more_words(case)


def _ways(case: Case, column: Column) -> list[str]:
    if column.distinct >= _MANY:
        return ["target", "frequency"]
    return [] if case.recipe.family in ("linear", "sgd") else ["one-hot"]


def _read_as(case: Case, column: Column, how: str) -> Idea:
    says = {
        "text": "its words say more than the whole text, which hardly comes twice",
        "target": "the mean of the target says what a code for each of so many cannot",
        "frequency": "how common a category is may say more than which it is",
        "one-hot": "a column for each category needs no order among them",
    }[how]
    odds = {"text": 2.0, "target": 1.0, "frequency": 0.3, "one-hot": 0.3}[how]
    return case.idea(
        Kind.ENCODING,
        f"read {column.name} as {how}",
        f"{column.name} has {column.distinct} values: {says}.",
        mends=(Constraint.BIAS, Constraint.VARIANCE) if how == "target" else (Constraint.BIAS,),
        seen=column.explains,
        odds=odds,
        encodings=case.recipe.encodings | {column.name: how},
    )


def _more_words(case: Case) -> Iterator[Idea]:
    texts = [name for name, how in case.recipe.encodings.items() if how == "text"]
    if not texts:
        return
    words = case.recipe.vocabulary
    says = f"of {', '.join(texts)} the {words} most frequent words are read"
    mends = (Constraint.BIAS,)
    yield case.idea(Kind.ENCODING, f"read {4 * words} words", says, mends=mends, odds=0.5, vocabulary=4 * words)
    if case.recipe.ngrams == 1:
        says = f"of {', '.join(texts)} single words are read, and some mean something together"
        yield case.idea(Kind.ENCODING, "read pairs of words", says, mends=mends, odds=0.5, ngrams=2)


def paired(case: Case) -> Iterator[Idea]:
    """The strongest pairs that the recipe does not combine yet; by what is left unexplained, or by the features' effects."""
    known = {frozenset(pair) for pair in case.recipe.interactions}
    pairs = [pair for pair in case.facts.pairs if frozenset(pair) not in known] or _by_effect(case, known)
    for one, other in pairs[:_PAIRS]:
        yield case.idea(
            Kind.INTERACTIONS,
            f"combine {one} and {other}",
            f"What {one} means may depend on {other}: the two as one more column.",
            mends=(Constraint.BIAS, Constraint.SLICE),
            seen=case.facts.pairs.get((one, other), NOTHING) if case.facts.pairs else None,
            odds=_pairing(case),
            interactions=[list(pair) for pair in (*case.recipe.interactions, (one, other))],
        )


def _pairing(case: Case) -> float:
    """A straight line finds no pair. Trees find most by themselves: first they are let, and what they then leave is shown."""
    if case.recipe.family in ("linear", "sgd"):
        return 1.0
    rooms = case.diagnosis.rooms if case.diagnosis else ()
    return 0.15 if any(room.binds and room.constraint is Constraint.BIAS for room in rooms) else 0.5


def _by_effect(case: Case, known: set[frozenset[str]]) -> list[tuple[str, str]]:
    effects = sorted(case.diagnosis.effects if case.diagnosis else (), key=lambda one: -one.gain[1])
    columns = case.facts.columns
    strong = [columns[one.feature] for one in effects if one.feature in columns][:_PAIRS]
    return [
        (one.name, other.name)
        for i, one in enumerate(strong)
        for other in strong[i + 1 :]
        if one.holds == other.holds in ("number", "category") and frozenset((one.name, other.name)) not in known
    ]
