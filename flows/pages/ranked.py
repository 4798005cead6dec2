"""What stands in a row, and by how much? Levels of loss, rooms, slices and features, each with its interval."""

from collections.abc import Sequence
from html import escape

from schemas.diagnosis import Diagnosis, Effect, Room, Slice, Span
from tasks.drawing.strips import Mark, Row, strips
from tasks.drawing.words import bounds, number, percent, shown, signed

__all__ = ["effects", "ladder", "rooms", "slices"]

_PARTS = {
    "train": "rows it was fitted on",
    "near": "rows beside them, unseen",
    "judged": "later rows: what counts",
    "live": "requests with labels",
}
_LEVELS = {"target": "target", "best known": "best"}
_SLICES, _EFFECTS = 12, 20


def ladder(diagnosis: Diagnosis) -> str:
    """Losses by part, the baselines with the worst first, target and best known as lines across."""
    parts = [
        Row(
            _named(name, about + _beside(diagnosis, name)),
            _span(diagnosis, name),
            f"c-{name}",
            number(_span(diagnosis, name)),
        )
        for name, about in _PARTS.items()
        if name in diagnosis.loss
    ]
    others = sorted((one for one in diagnosis.baselines if one.loss), key=lambda one: -one.loss[1] if one.loss else 0.0)
    base = [
        Row(_named(one.name, "trained" if one.trained else ""), one.loss, "c-base", number(one.loss))
        for one in others
        if one.loss
    ]
    if not parts:
        return ""
    marks = [
        Mark(diagnosis.loss[name], kind, f"{name} {bounds(_span(diagnosis, name))[1]}")
        for name, kind in _LEVELS.items()
        if name in diagnosis.loss
    ]
    return strips([*base, *parts], axis="loss a row, lower is better", marks=marks, kind="ladder tall")


def _beside(diagnosis: Diagnosis, part: str) -> str:
    """By how much the loss is higher than that of the part before, which is what the next section explains; the metric."""
    known = [name for name in _PARTS if name in diagnosis.loss]
    before = known[: known.index(part)][-1:]
    said = [f"{signed(diagnosis.loss[part] - diagnosis.loss[name])} over {name}" for name in before]
    said += [f"{diagnosis.metric} {shown(diagnosis.metrics[part])}"] if part in diagnosis.metrics else []
    return "".join(f"; {one}" for one in said)


def _span(diagnosis: Diagnosis, part: str) -> Span:
    loss = diagnosis.loss[part]
    return diagnosis.spans.get(part, (loss, loss, loss))


def rooms(found: Sequence[Room]) -> str:
    """What each constraint leaves to be had, as they come: the widest that binds first."""
    rows = []
    for place, room in enumerate(found):
        kind = ("c-binds" if place == 0 else "c-judged") if room.binds else "c-base"
        name = f"{escape(str(room.constraint))}<small>{escape(room.says)}</small>"
        rows.append(
            Row(name, room.gain, kind, f"{number(room.gain)}{'' if room.binds else '<small>not shown</small>'}")
        )
    return strips(rows, axis="loss a row that would be gained", bars=True, kind="tall") if rows else ""


def slices(found: Sequence[Slice]) -> str:
    """The weakest first."""
    rows = [
        Row(
            _named(one.name, f"{one.rows:,} rows, {percent(one.share)} of the loss"),
            one.excess,
            "c-binds" if one.excess[0] > 0 else "c-base",
            number(one.excess, sign=True),
        )
        for one in sorted(found, key=lambda one: -one.excess[1])[:_SLICES]
    ]
    return (
        strips(rows, axis="loss a row beyond that of the other rows", signs=True) + _more(found, _SLICES)
        if rows
        else ""
    )


def effects(found: Sequence[Effect]) -> str:
    """What is worth most first, under the bar of noise."""
    ranked = sorted(found, key=lambda one: -one.gain[1])
    bar = max((one.noise for one in found), default=0.0)
    rows = [
        Row(
            _named(one.feature),
            one.gain,
            "c-judged" if one.gain[0] > one.noise else "c-base",
            number(one.gain, sign=True),
        )
        for one in ranked[:_EFFECTS]
    ]
    marks = [Mark(bar, "noise", "a feature of noise")]
    return (
        strips(rows, axis="loss a row that it saves", marks=marks, bars=True) + _more(found, _EFFECTS) if rows else ""
    )


def _named(name: str, about: str = "") -> str:
    return escape(name) + (f"<small>{escape(about)}</small>" if about else "")


def _more(found: Sequence[object], shown: int) -> str:
    return f'<p class="says">And {len(found) - shown} more.</p>' if len(found) > shown else ""
