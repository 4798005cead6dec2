"""How is a problem's life drawn? Stages as bands, champions, what happened, and quality against its limit, over one axis of time.

A picture of a fixed size on a ground of its own: it stands in Prefect's pages, which are light or dark, as an image, and takes no
style from them.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from html import escape

from schemas.life import Band, Life, Mark, MarkKind, Reign
from schemas.stage import Stage
from tasks.drawing.scales import Scale, around, ticks
from tasks.drawing.words import shown

__all__ = ["WIDTH", "draw_life"]

WIDTH = 960
_LEFT, _RIGHT = 84, WIDTH - 56
_LETTER = 6.3  # px of a letter, about

# The colours of Okabe and Ito, pale where a stage is the rule and full where the challenger answers.
_STAGES = {
    Stage.COLD: ("#e3e6e9", "#1c2126"),
    Stage.HEALTHY: ("#d5ebe1", "#1c2126"),
    Stage.RETRAIN: ("#e69f00", "#1c2126"),
    Stage.SHADOW: ("#cfe6f7", "#1c2126"),
    Stage.CANARY: ("#56b4e9", "#1c2126"),
    Stage.AB: ("#0072b2", "#ffffff"),
    Stage.PROBATION: ("#ecc9dc", "#1c2126"),
}
_MARKS: dict[MarkKind, tuple[str, str]] = {  # colour, and a path around (0, 0)
    "drift": ("#d55e00", "M0 -5.5L5.5 4.5H-5.5Z"),
    "fault": ("#b45309", "M0 -6L6 0L0 6L-6 0Z"),
    "retrain": ("#0072b2", "M-4.5 -4.5H4.5V4.5H-4.5Z"),
    "promoted": ("#009e73", "M-5 5L5 0L-5 -5Z"),
    "rolled back": ("#a5121f", "M5 5L-5 0L5 -5Z"),
    "rejected": ("#a5121f", "M-5 -3L-3 -5L0 -2L3 -5L5 -3L2 0L5 3L3 5L0 2L-3 5L-5 3L-2 0Z"),
    "request": ("#57606a", "M0 -4.5A4.5 4.5 0 1 1 0 4.5A4.5 4.5 0 1 1 0 -4.5Z"),
    "approval": ("#009e73", "M-5 0L-3 -2L-1 0L4 -5L6 -3L-1 4Z"),
}
_STYLE = (
    "text{font:11px system-ui,-apple-system,'Segoe UI',Roboto,'DejaVu Sans',sans-serif;fill:#1c2126}"
    ".q{fill:#57606a}.t{font-size:13px;font-weight:600}.g{stroke:#d5dbe1;stroke-width:1}"
    ".w{stroke:#0072b2;stroke-opacity:.45;stroke-width:2}.l{fill:none;stroke:#0072b2;stroke-width:1.6}.p{fill:#0072b2}"
    ".x{stroke:#a5121f;stroke-width:1.3;stroke-dasharray:4 3}"
)


@dataclass(frozen=True)
class _Axis:
    """From moments to px."""

    start: datetime
    end: datetime

    def at(self, moment: datetime) -> float:
        whole = (self.end - self.start) / timedelta(seconds=1) or 1.0
        return _LEFT + (_RIGHT - _LEFT) * min(1.0, max(0.0, ((moment - self.start) / timedelta(seconds=1)) / whole))


def draw_life(life: Life, *, quality: bool = True) -> str:
    """The picture as SVG; without `quality`, or without any figure, the stages, champions and marks alone."""
    # What has only just begun still needs a width.
    axis = _Axis(life.start, max(life.end, life.start + timedelta(hours=1)))
    y, parts = 30.0, [_title(life)]
    lanes: list[tuple[str, Callable[[float], tuple[str, float]]]] = [
        ("stage", lambda top: (_bands(life.bands, axis, top), 26)),
        ("champion", lambda top: (_reigns(life.reigns, axis, top), 22)),
        ("events", lambda top: _marks(life.marks, axis, top)),
    ]
    if quality and life.quality:
        lanes.append(("loss a row", lambda top: (_quality(life, axis, top, 84), 84)))
    for name, lane in lanes:
        drawn, height = lane(y)
        parts += [_text(_LEFT - 8, y + min(height, 26) / 2 + 4, name, "q", anchor="end"), drawn]
        y += height + 9
    parts += [_dates(axis, y), *_legend(life, y + 38, quality=quality)]
    height = y + 68
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height:.0f}" viewBox="0 0 {WIDTH} {height:.0f}" '
        f'role="img" aria-label="{escape(_told(life))}"><style>{_STYLE}</style>'
        f'<rect width="{WIDTH}" height="{height:.0f}" rx="8" fill="#ffffff"/>{"".join(parts)}</svg>'
    )


def _told(life: Life) -> str:
    promoted = sum(mark.kind == "promoted" for mark in life.marks)
    return (
        f"{life.problem} from {life.start:%Y-%m-%d} to {life.end:%Y-%m-%d}: {life.turns} turns, {promoted} promotions, "
        f"{life.bands[-1].stage} at the end"
    )


def _title(life: Life) -> str:
    said = f"{life.turns} turns, {life.start:%Y-%m-%d} to {life.end:%Y-%m-%d}"
    return _text(_LEFT, 19, life.problem, "t") + _text(_RIGHT, 19, said, "q", anchor="end")


def _bands(bands: Sequence[Band], axis: _Axis, top: float) -> str:
    drawn = []
    for band in bands:
        left, right = axis.at(band.start), max(axis.at(band.end), axis.at(band.start) + 1.5)
        fill, ink = _STAGES[band.stage]
        share = f" {band.share:.0%}" if band.stage is Stage.CANARY and band.share else ""
        told = f"{band.stage}{share}, {band.start:%Y-%m-%d} to {band.end:%Y-%m-%d}"
        drawn.append(_box(left, top, right - left, 26, fill, told))
        drawn.append(_fitting(left, right, top + 17, (f"{band.stage}{share}", str(band.stage)), ink))
    return "".join(drawn)


def _reigns(reigns: Sequence[Reign], axis: _Axis, top: float) -> str:
    drawn = []
    for place, reign in enumerate(reigns):
        left, right = axis.at(reign.start), max(axis.at(reign.end), axis.at(reign.start) + 1.5)
        told = f"version {reign.version} ({reign.name}), {reign.start:%Y-%m-%d} to {reign.end:%Y-%m-%d}"
        drawn.append(_box(left, top, right - left, 22, "#e9edf1" if place % 2 else "#d5dbe1", told))
        drawn.append(
            _fitting(left, right, top + 15, (f"v{reign.version} {reign.name}", f"v{reign.version}"), "#1c2126")
        )
    return "".join(drawn)


def _marks(marks: Sequence[Mark], axis: _Axis, top: float) -> tuple[str, float]:
    """Those too near to one another lie below; how high all of them are."""
    ends: list[float] = []
    drawn = []
    for mark in marks:
        x = axis.at(mark.at)
        free = [lane for lane, end in enumerate(ends) if end + 12 <= x]
        lane = free[0] if free else min(len(ends), 3)
        ends[lane : lane + 1] = [x]
        colour, path = _MARKS[mark.kind]
        told = f"<title>{escape(f'{mark.at:%Y-%m-%d} {mark.what}')}</title>"
        drawn.append(
            f'<path d="{path}" fill="{colour}" transform="translate({x:.1f} {top + 11 + 14 * lane:.1f})">{told}</path>'
        )
    return "".join(drawn), max(22.0, 8 + 14.0 * len(ends))


def _quality(life: Life, axis: _Axis, top: float, height: float) -> str:
    """Each cohort's loss at its end with its interval, and of each champion the loss that it was accepted with."""
    limits = dict(life.limits)
    held = [limits[one.model] for one in life.reigns if one.model in limits]
    values = [v for one in life.quality for v in (one.low, one.value, one.high) if v is not None]
    scale = around([*values, *held], zero=True)
    levels, digits = ticks(scale.low, scale.high, 3)
    drawn = [_level(_y(scale, level, top, height), shown(level, digits)) for level in levels]
    for reign in life.reigns:
        if reign.model in limits:
            y = _y(scale, limits[reign.model], top, height)
            drawn.append(
                f'<line class="x" x1="{axis.at(reign.start):.1f}" x2="{axis.at(reign.end):.1f}" y1="{y:.1f}" y2="{y:.1f}"/>'
            )
    points = [(axis.at(one.end), one) for one in life.quality]
    for x, one in points:
        if one.low is not None and one.high is not None:
            low, high = _y(scale, one.low, top, height), _y(scale, one.high, top, height)
            drawn.append(f'<line class="w" x1="{x:.1f}" x2="{x:.1f}" y1="{low:.1f}" y2="{high:.1f}"/>')
    for model in dict.fromkeys(one.model for _, one in points):
        line = " ".join(f"{x:.1f},{_y(scale, one.value, top, height):.1f}" for x, one in points if one.model == model)
        drawn.append(f'<polyline class="l" points="{line}"/>')
    drawn += [
        f'<circle class="p" cx="{x:.1f}" cy="{_y(scale, one.value, top, height):.1f}" r="2.8"><title>'
        f"{escape(f'{one.end:%Y-%m-%d} {one.interval}')}</title></circle>"
        for x, one in points
    ]
    return "".join(drawn)


def _y(scale: Scale, value: float, top: float, height: float) -> float:
    return top + height * (1 - scale.at(value) / 100)


def _level(y: float, said: str) -> str:
    return f'<line class="g" x1="{_LEFT}" x2="{_RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>' + _text(
        _RIGHT + 6, y + 4, said, "q"
    )


def _dates(axis: _Axis, y: float) -> str:
    drawn = [f'<line class="g" x1="{_LEFT}" x2="{_RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>']
    for moment, said in _moments(axis.start, axis.end):
        x = axis.at(moment)
        drawn.append(f'<line class="g" x1="{x:.1f}" x2="{x:.1f}" y1="{y:.1f}" y2="{y + 4:.1f}"/>')
        drawn.append(_text(x, y + 16, said, "q", anchor="middle"))
    return "".join(drawn)


def _moments(start: datetime, end: datetime) -> Iterator[tuple[datetime, str]]:
    """Some six round moments, each as it is written: months where there are many days, hours where there are few."""
    days = (end - start) / timedelta(days=1)
    if days > 50:
        months = max(1, round(days / 30.4 / 7))
        number = start.year * 12 + start.month
        for month in range(number + 1, end.year * 12 + end.month + 1, months):
            year, of_year = divmod(month - 1, 12)
            moment = datetime(year, of_year + 1, 1, tzinfo=UTC)
            yield moment, f"{moment:%b %Y}"
        return
    step = next((n for n in (1, 2, 7) if days / n <= 8), 7) if days > 3 else 0
    if step:
        first = start.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        for n in range(0, int(days) + 2, step):
            if start <= (moment := first + timedelta(days=n)) <= end:
                yield moment, f"{moment:%d %b}"
        return
    for n in range(6):
        moment = start + n / 5 * (end - start)
        yield moment, f"{moment:%d %b %H:%M}" if days > 0.5 else f"{moment:%H:%M}"


def _legend(life: Life, y: float, *, quality: bool) -> Iterator[str]:
    """What the colours and the marks that are there mean: a line of each."""
    x = float(_LEFT)
    for stage in [stage for stage in Stage if any(band.stage is stage for band in life.bands)]:
        yield _box(x, y - 9, 11, 11, _STAGES[stage][0], str(stage)) + _text(x + 16, y, str(stage), "q")
        x += 34 + 7.4 * len(stage)
    if quality and life.quality and any(reign.model in dict(life.limits) for reign in life.reigns):
        yield f'<line class="x" x1="{x + 8}" x2="{x + 30}" y1="{y - 4}" y2="{y - 4}"/>'
        yield _text(x + 35, y, "its loss when it was accepted", "q")
    x, y = float(_LEFT), y + 18
    for kind in [kind for kind in _MARKS if any(mark.kind == kind for mark in life.marks)]:
        colour, path = _MARKS[kind]
        yield f'<path d="{path}" fill="{colour}" transform="translate({x + 5.5:.1f} {y - 4:.1f})"/>'
        yield _text(x + 16, y, kind, "q")
        x += 34 + 6.4 * len(kind)


def _box(x: float, y: float, width: float, height: float, fill: str, told: str) -> str:
    return f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" fill="{fill}"><title>{escape(told)}</title></rect>'


def _fitting(left: float, right: float, y: float, names: Iterable[str], ink: str) -> str:
    """The first of the names that fits between."""
    name = next((one for one in names if _LETTER * 1.12 * len(one) + 6 <= right - left), "")
    middle = (left + right) / 2
    return (
        f'<text x="{middle:.1f}" y="{y:.1f}" text-anchor="middle" style="fill:{ink}">{escape(name)}</text>'
        if name
        else ""
    )


def _text(x: float, y: float, said: str, kind: str, *, anchor: str = "start") -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(said)}</text>'
