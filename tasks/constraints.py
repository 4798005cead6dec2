"""Which constraint keeps a model from being better? What was measured, turned into rooms: what each would gain if it were gone."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from schemas.diagnosis import Constraint, Room, Slice

__all__ = ["Evidence", "rooms"]

Span = tuple[float, float, float]  # low, estimate, high

# Of one column, from which on it is thought to have been filled in with the label: the draft's screen uses the same.
_TELLS = 0.985
_FEW_ROWS, _TELLS_FEW = 500, 0.999
_TOO_GOOD, _ALONE = 0.8, 0.8  # a model that leaves a fifth of the naive loss, and owes it to one column
_COPIED = 0.05  # of the judged rows, that were fitted as well


@dataclass(frozen=True)
class Evidence:
    """What was measured of one run. Losses and gains a row; a span is (low, estimate, high); None: not measured."""

    floor: float  # the smallest gain that matters
    loss: Span  # on judged rows
    naive: float | None  # loss of the best answer that is the same for every row
    gap: Span  # loss beside less loss on fitted rows
    mismatch: Span  # loss on judged rows less loss beside
    rows: int  # fitted
    judged: int
    more: Span | None = None  # gain of more capacity
    more_name: str = "more capacity"
    less: Span | None = None  # gain of less capacity
    data: Span | None = None  # gain of four times the rows
    thousand: Span | None = None  # gain of 1,000 more
    labels: Span | None = None  # loss that wrong labels cost
    wrong_share: Span | None = None
    slices: tuple[Slice, ...] = ()
    alone: tuple[tuple[str, float], ...] = ()  # what a column says of the label by itself, the most first
    measure: str = "AUC"
    owed: tuple[str, float] | None = None  # the column worth most, and what is lost without it
    copied: float = 0.0
    copies: int = 0
    saved: float = 0.0
    shuffled: Span | None = None  # what a model of shuffled labels gains over the naive answer
    seeds: Span | None = None  # gain of the mean of all seeds' scores
    seed_sd: float = 0.0
    edge: tuple[str, ...] = ()
    target: float | None = None  # loss still to be gained to the goal


def rooms(found: Evidence) -> tuple[Room, ...]:
    """Every constraint that was looked at, the one to work on first. What invalidates sizes comes before them: a leak, and
    then a judged part that is unlike the fitted one. Of the others the widest that is shown; what binds no one comes last."""
    sizes = sorted(_sizes(found), key=lambda room: (not room.binds, room.constraint is Constraint.SEEDS, -room.gain[1]))
    leak = _leak(found)
    first = [leak] if leak.binds else []
    rest = [] if leak.binds else [leak]
    return (*first, *_closed(found, sizes), *rest)


def _closed(found: Evidence, sizes: list[Room]) -> list[Room]:
    """The rooms in order, with the two that say why nothing is shown before those that are not shown."""
    shown, hidden = [r for r in sizes if r.binds], [r for r in sizes if not r.binds]
    last = [_too_few(found, hidden), _ceiling(found, hidden)]
    if shown:
        return [*shown, *hidden, *(replace(room, binds=False) for room in last)]
    return [*(room for room in last if room.binds), *hidden, *(room for room in last if not room.binds)]


def _sizes(found: Evidence) -> Iterator[Room]:
    if found.more is not None:
        yield _bias(found, found.more)
    if found.less is not None:
        yield _variance(found, found.less)
    if found.data is not None:
        yield _data(found, found.data)
    if found.labels is not None:
        yield _labels(found, found.labels)
    yield _mismatch(found)
    if found.slices:
        yield _slice(found, found.slices[0])
    if found.seeds is not None:
        yield _seeds(found, found.seeds)
    if found.edge:
        names = ", ".join(found.edge)
        says = f"the search ended at the edge of {names}: what lies beyond was not tried"
        yield Room(
            Constraint.SEARCH,
            (0.0, found.floor, 2 * found.floor),
            True,
            says,
            f"widen the range of {names}, and search on",
        )


def _leak(found: Evidence) -> Room:
    """A fault and no size: its gain is the loss that the figures hide."""
    signs = list(_signs(found))
    hidden = found.owed[1] if found.owed is not None else found.saved * found.copied
    hides = (0.0, max(hidden, 0.0), max(hidden, 0.0))
    if signs:
        return Room(
            Constraint.LEAK,
            hides,
            True,
            "; ".join(signs),
            "find out when this is known; take it out of the recipe, or the copies out of the rows, and measure again before anything else",
        )
    top = f": the most telling is {found.alone[0][0]}, {found.measure} {found.alone[0][1]:.3f}" if found.alone else ""
    says = f"no column says the label by itself{top}; {found.copies:,} judged rows were fitted too"
    return Room(Constraint.LEAK, (0.0, 0.0, 0.0), False, says, "nothing")


def _signs(found: Evidence) -> Iterator[str]:
    tells = _TELLS if found.rows >= _FEW_ROWS else _TELLS_FEW
    for name, value in found.alone:
        if value >= tells:
            yield f"{name} alone says the label with {found.measure} {value:.3f}, from {tells:g} on that is too good to be true"
    if found.owed is not None and found.naive:
        name, worth = found.owed
        gained = found.naive - found.loss[1]
        if gained >= _TOO_GOOD * found.naive and worth >= _ALONE * gained:
            yield f"the model leaves {found.loss[1]:.4f} of a naive loss of {found.naive:.4f}, and without {name} it loses {worth:.4f} of that again"
    if found.copied >= _COPIED and found.saved > 0:
        yield f"{found.copies:,} judged rows ({found.copied:.0%}) were fitted too, with all features and the label, and lose {found.saved:.4f} less a row"
    if found.shuffled is not None and found.shuffled[0] > found.floor:
        yield f"fitted on shuffled labels the recipe still beats the naive answer by {_of(found.shuffled)}"


# What to do where one binds, unless what was found says more.
_ADVICE: Mapping[Constraint, str] = {
    Constraint.BIAS: "a family that bends, more capacity, less regularisation, or interactions",
    Constraint.VARIANCE: "less capacity, more regularisation, averaged models, or fewer features",
    Constraint.DATA: "collect and label more rows, or fit on a longer window",
    Constraint.NOISE: "have the most suspected rows labelled again, and mend how labels are made; no model that reads only these columns goes below this",
    Constraint.MISMATCH: "look at what changed between fitted and judged rows; newer rows, a shorter window or weights by age",
    Constraint.SEEDS: "more seeds before anything is believed; averaged models, or a steadier family",
    Constraint.TEST: "judge on more rows: a longer judged part, more folds, or more labels",
    Constraint.CEILING: "stop here, or bring in what no column says yet",
}


def _room(
    found: Evidence, constraint: Constraint, gain: Span, says: str, *, binds: bool | None = None, advice: str = ""
) -> Room:
    """It binds where it is shown to gain more than the floor, unless `binds` says otherwise."""
    shown = gain[0] > found.floor if binds is None else binds
    return Room(constraint, gain, shown, says, advice or _ADVICE[constraint])


def _bias(found: Evidence, gain: Span) -> Room:
    says = f"{found.more_name} gains {_of(gain)} a row on the same rows; the gap between fitted rows and those beside is {_of(found.gap)}"
    return _room(found, Constraint.BIAS, gain, says)


def _variance(found: Evidence, gain: Span) -> Room:
    """Shown by less capacity, or likely by it and shown by the mean of seeds: two signs that agree."""
    seeds = found.seeds or (0.0, 0.0, 0.0)
    agree = gain[1] > found.floor and seeds[0] > found.floor
    says = f"less capacity gains {_of(gain)} a row on the same rows; the gap between fitted rows and those beside is {_of(found.gap)}"
    says += f", and the mean of all seeds' scores gains {_of(seeds)}" if agree else ""
    return _room(found, Constraint.VARIANCE, gain, says, binds=gain[0] > found.floor or agree)


def _data(found: Evidence, gain: Span) -> Room:
    """What less capacity gives for nothing is not asked of people, nor what right labels would: only the rest is."""
    free = max(found.less[1], 0.0) if found.less is not None else 0.0
    free += found.labels[1] if found.labels is not None and found.labels[0] > found.floor else 0.0
    left = (gain[0] - free, gain[1] - free, gain[2] - free)
    says = f"four times the {found.rows:,} fitted rows would gain {_of(gain)} a row"
    says += f", of which {free:.4f} is had by less capacity or right labels" if free else ""
    if found.thousand is not None:
        says += f"; 1,000 more rows would give {found.thousand[0]:+.4f} to {found.thousand[2]:+.4f}"
    return _room(found, Constraint.DATA, left, says)


def _labels(found: Evidence, gain: Span) -> Room:
    share = found.wrong_share or (0.0, 0.0, 0.0)
    says = f"{share[1]:.1%} of the labels look wrong ({share[0]:.1%} to {share[2]:.1%}), which costs {_of(gain)} a row"
    return _room(found, Constraint.NOISE, gain, says)


def _mismatch(found: Evidence) -> Room:
    gap = found.mismatch
    says = f"judged rows lose {_of(gap)} more a row than rows beside the fitted ones"
    return _room(found, Constraint.MISMATCH, gap, says)


def _slice(found: Evidence, worst: Slice) -> Room:
    share = worst.rows / max(1, found.judged)
    gain = (worst.excess[0] * share, worst.excess[1] * share, worst.excess[2] * share)
    says = f"{worst.rows:,} rows ({share:.0%}) where {worst.name} lose {_of(worst.excess)} a row beyond the others, {worst.share:.0%} of all loss"
    return _room(
        found,
        Constraint.SLICE,
        gain,
        says,
        advice=f"look at the errors where {worst.name}: are its rows there, labelled, and described by the features?",
    )


def _seeds(found: Evidence, gain: Span) -> Room:
    free = max(found.less[1], 0.0) if found.less is not None else 0.0
    left = (gain[0] - free, gain[1] - free, gain[2] - free)
    says = f"the mean of all seeds' scores gains {_of(gain)} a row over one seed's; the loss of a seed varies by {found.seed_sd:.4f}"
    shown = left[0] > found.floor and found.seed_sd > found.floor
    return _room(found, Constraint.SEEDS, left, says, binds=shown)


def _too_few(found: Evidence, hidden: list[Room]) -> Room:
    """Nothing is shown, and something that matters could be there."""
    possible = [
        room for room in hidden if room.gain[2] > _REACHES * found.floor and room.gain[1] > _LIKELY * found.floor
    ]
    half = (found.loss[2] - found.loss[0]) / 2
    widest = max(possible, key=lambda room: room.gain[1], default=None)
    says = f"the loss of {found.judged:,} rows is known to ±{half:.4f}, and gains from {found.floor:.4f} on matter"
    if widest is not None:
        says += f": {widest.constraint} could be worth {_of(widest.gain)}, and is not shown"
    gain = widest.gain if widest is not None else (0.0, 0.0, 0.0)
    return _room(found, Constraint.TEST, gain, says, binds=widest is not None)


_LIKELY, _REACHES = 2.0, 4.0  # floors that an estimate and its high end come to before more rows are asked for


def _ceiling(found: Evidence, hidden: list[Room]) -> Room:
    most = max(hidden, key=lambda room: room.gain[2], default=None)
    says = f"nothing that was looked at gains more than {found.floor:.4f} a row for sure"
    says += f"; the most that any could is {most.constraint}, {_of(most.gain)}" if most is not None else ""
    seen = {"bias": found.more, "variance": found.less, "data": found.data, "labels": found.labels}
    unseen = [name for name, span in seen.items() if span is None]
    says += f"; {', '.join(unseen)} could not be looked at for so little" if unseen else ""
    high = most.gain[2] if most is not None else 0.0
    return _room(found, Constraint.CEILING, (0.0, 0.0, max(high, 0.0)), says, binds=True)


def _of(span: Span) -> str:
    return f"{span[1]:+.4f} [{span[0]:+.4f}, {span[2]:+.4f}]"
