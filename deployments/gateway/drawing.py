"""How does the status page look? Its style sheet, its tables, its plot, and how moments and numbers are written."""

import math
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from deployments.gateway.evidence import Evidence

__all__ = ["STYLE", "missing", "moment", "percent", "picture", "signed", "span", "table"]

# The plot, in the units of its own view: the whole, and what stands around the frame.
_WIDE, _HIGH, _LEFT, _RIGHT, _TOP, _BOTTOM = 720, 320, 58, 60, 30, 46
_END, _FLOOR = _WIDE - _RIGHT, _HIGH - _BOTTOM


def picture(evidence: "Evidence", *, margin: float, axis: str, told: str) -> str:
    """The running mean in its confidence sequence, as SVG. `axis` names the gain, and `told` says what is to be seen."""
    low, high = _window(evidence, margin)

    def x(rows: float) -> float:
        return _LEFT + (_END - _LEFT) * rows / evidence.rows

    def y(gain: float) -> float:
        return _TOP + (_FLOOR - _TOP) * (high - gain) / (high - low)

    def line(values: Iterable[tuple[float, float]]) -> str:
        return " ".join(f"{x(rows):.1f},{y(gain):.1f}" for rows, gain in values)

    lows = [(rows, point) for rows, point, _, _ in evidence.points]
    means = [(rows, point) for rows, _, point, _ in evidence.points]
    highs = [(rows, point) for rows, _, _, point in evidence.points]
    return f"""<svg viewBox="0 0 {_WIDE} {_HIGH}" role="img" aria-labelledby="plot-title plot-told">
<title id="plot-title">Running mean of the paired difference of losses, with its confidence sequence</title>
<desc id="plot-told">{escape(told)}</desc>
<clipPath id="frame"><rect x="{_LEFT}" y="{_TOP}" width="{_END - _LEFT}" height="{_FLOOR - _TOP}"/></clipPath>
<text x="{_LEFT}" y="16">{escape(axis)}</text>
{_levels(y, low, high)}{_counts(x, evidence.rows)}
<text x="{_END}" y="{_HIGH - 6}" text-anchor="end">rows matured, labelled and scored by both, in the order of prediction</text>
<g clip-path="url(#frame)">
<polygon class="band" points="{line(highs)} {line(lows[::-1])}"/>
<polyline class="edge" points="{line(highs)}"/><polyline class="edge" points="{line(lows)}"/>
{_across("zero", y(0))}{_across("margin", y(-margin))}
<polyline class="mean" points="{line(means)}"/>
</g>
<circle class="now" cx="{_END}" cy="{y(means[-1][1]):.1f}" r="4"/>
<text class="of-margin" x="{_END + 9}" y="{y(-margin) + 4:.1f}">margin</text>
</svg>"""


def _window(evidence: "Evidence", margin: float) -> tuple[float, float]:
    """Which gains the plot shows: zero, the margin, and the band as it is now. Its wide beginning is cut off."""
    _, low, _, high = evidence.points[-1]
    later = [mean for rows, _, mean, _ in evidence.points if rows >= evidence.rows / 20]
    least, most = min(-margin, low, *later), max(0.0, high, *later)
    room = 0.18 * (most - least)
    return max(-1.05, least - room), min(1.05, most + room)


def _levels(y: Callable[[float], float], low: float, high: float) -> str:
    values, digits = ticks(low, high, 5)
    return "".join(
        f'{_across("grid", y(v))}<text x="{_LEFT - 8}" y="{y(v) + 4:.1f}" text-anchor="end">{signed(v, digits)}</text>'
        for v in values
    )


def _counts(x: Callable[[float], float], rows: int) -> str:
    values = [v for v in ticks(0, rows, 6)[0] if v == round(v)]
    return "".join(
        f'<line class="tick" x1="{x(v):.1f}" x2="{x(v):.1f}" y1="{_FLOOR}" y2="{_FLOOR + 5}"/>'
        f'<text x="{x(v):.1f}" y="{_FLOOR + 18}" text-anchor="middle">{v:,.0f}</text>'
        for v in values
    )


def _across(what: str, level: float) -> str:
    return f'<line class="{what}" x1="{_LEFT}" x2="{_END}" y1="{level:.1f}" y2="{level:.1f}"/>'


def ticks(low: float, high: float, about: int) -> tuple[list[float], int]:
    """Round numbers within [`low`, `high`], some `about` of them, and the decimals that they need.

    >>> ticks(-0.031, 0.012, 4)
    ([-0.02, 0.0], 2)
    >>> ticks(0, 1_164, 6)
    ([0.0, 200.0, 400.0, 600.0, 800.0, 1000.0], 0)
    """
    raw = (high - low) / about
    ten = 10.0 ** math.floor(math.log10(raw))
    step = next(ten * k for k in (1, 2, 5, 10) if ten * k >= raw)
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    return [round(k * step, digits) + 0.0 for k in range(math.ceil(low / step), math.floor(high / step) + 1)], digits


def table(heads: Sequence[str], lines: Iterable[Sequence[str]], *, numeric: int) -> str:
    """A table whose columns from `numeric` on are numbers. Every cell is escaped."""
    head = "".join(f'<th scope="col"{_aligned(i, numeric)}>{escape(name)}</th>' for i, name in enumerate(heads))
    body = "".join(f"<tr>{_row(line, numeric)}</tr>" for line in lines)
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _row(line: Sequence[str], numeric: int) -> str:
    cells = (f"<td{_aligned(i, numeric)}>{escape(text)}</td>" for i, text in enumerate(line) if i)
    return f'<th scope="row">{escape(line[0])}</th>' + "".join(cells)


def _aligned(position: int, numeric: int) -> str:
    return ' class="n"' if position >= numeric else ""


def missing(what: str, away: str) -> str:
    """What is not there, and the type of the error that took it."""
    return f'<p class="missing"><b>Missing:</b> {what} ({escape(away)}).</p>'


def moment(at: datetime) -> str:
    """A time element, in UTC to the minute."""
    return f'<time datetime="{at.isoformat()}">{at.astimezone(UTC):%Y-%m-%d %H:%M}</time>'


def span(seconds: float) -> str:
    """A duration as people say it, in the largest unit of which there are two.

    >>> span(42.3), span(3 * 3600), span(86_400), span(14 * 86_400)
    ('42 s', '3 h', '24 h', '14 days')
    """
    for unit, size in (("days", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def percent(share: float) -> str:
    """Three digits of a share, as 25 % or 0.25 %.

    >>> percent(0.25), percent(1 / 3)
    ('25 %', '33.3 %')
    """
    return f"{100 * share:.3g} %"


def signed(value: float, digits: int = 4) -> str:
    """A difference with its sign, and without one where it rounds to nothing.

    >>> signed(-0.02, 2), signed(0.0, 2)
    ('−0.02', '0.00')
    """
    rounded = round(value, digits)
    return f"{rounded:+.{digits}f}".replace("-", "−") if rounded else f"{0:.{digits}f}"


STYLE = """
:root { color-scheme: light dark; --paper: #fff; --ink: #1c2126; --quiet: #57606a; --rule: #d5dbe1; --soft: #f5f7f9;
  --blue: #0b5cad; --band: #0b5cad26; --good: #11632e; --bad: #a5121f; --wait: #73500a; --amber: #b45309; }
@media (prefers-color-scheme: dark) { :root { --paper: #101418; --ink: #e4e8ec; --quiet: #9ba6b1; --rule: #2d353d;
  --soft: #181e24; --blue: #6cb2ff; --band: #6cb2ff2e; --good: #5fd38d; --bad: #ff8b8b; --wait: #e2b84c; --amber: #f0a04b; } }
*, ::before, ::after { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.4rem 1.5rem 2rem; max-width: 74rem; background: var(--paper); color: var(--ink);
  font: 15px/1.45 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
header { display: flex; flex-wrap: wrap; align-items: baseline; gap: .2rem 1rem; }
h1 { font-size: 1.5rem; margin: 0; letter-spacing: -.01em; }
h2 { font-size: .82rem; margin: 0 0 .5rem; color: var(--quiet); font-weight: 600; }
p { margin: 0 0 .5rem; } header p { margin: 0; color: var(--quiet); }
.state { font-size: 1.12rem; margin: .7rem 0 1rem; } .state b { color: var(--blue); } section { margin: 0 0 1.5rem; } .small { font-size: .84rem; color: var(--quiet); }
.wrong, .note { border: 1px solid; border-left-width: 5px; border-radius: 4px; padding: .55rem .9rem; margin-bottom: 1rem; }
.wrong { border-color: var(--bad); } .note { border-color: var(--amber); } .wrong h2 { color: var(--bad); }
.wrong ul, .note ul { margin: 0; padding-left: 1.1rem; overflow-wrap: anywhere; } .wrong h2, .note h2 { margin-bottom: .15rem; }
.missing { border-left: 3px solid var(--amber); padding: .15rem 0 .15rem .6rem; } .bad { color: var(--bad); font-weight: 600; }
.line { display: flex; list-style: none; margin: 1.3rem 0 1.6rem; padding: 0; font-size: .8rem; color: var(--quiet); }
.line li { flex: 1; position: relative; text-align: center; padding-top: 1.5rem; }
.line li::before { content: ""; position: absolute; top: calc(.5rem - 1px); left: -50%; width: 100%; border-top: 2px solid var(--rule); }
.line li:first-child::before { display: none; }
.line li::after { content: ""; position: absolute; top: .1rem; left: calc(50% - .4rem); width: .8rem; height: .8rem; z-index: 1;
  border-radius: 50%; background: var(--paper); border: 2px solid var(--quiet); }
.line [aria-current] { color: var(--ink); font-weight: 700; }
.line [aria-current]::after { background: var(--blue); border-color: var(--blue); box-shadow: 0 0 0 4px var(--band); }
.wide { overflow-x: auto; } table { border-collapse: collapse; width: 100%; margin-bottom: .5rem; }
th, td { text-align: left; padding: .34rem .8rem .34rem 0; border-bottom: 1px solid var(--rule); vertical-align: top; font-weight: 400; }
thead th { color: var(--quiet); font-size: .8rem; white-space: nowrap; } tbody th { font-weight: 600; }
.n, dd { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; } th:last-child, td:last-child { padding-right: 0; }
.beside { display: grid; grid-template-columns: minmax(0, 2.1fr) minmax(0, 1fr); gap: 0 2.2rem; }
@media (max-width: 56rem) { .beside { grid-template-columns: minmax(0, 1fr); } }
dl { display: grid; grid-template-columns: 1fr auto; margin: 0 0 1.1rem; }
dt, dd { margin: 0; padding: .3rem 0; border-bottom: 1px solid var(--rule); } dd { padding-left: 1rem; }
.verdicts td { white-space: nowrap; padding-right: 1.4rem; } .verdicts td:last-child { white-space: normal; overflow-wrap: anywhere; width: 100%; min-width: 20rem; }
.PASS, .FAIL, .WAIT { font-size: .84rem; } .PASS { color: var(--good); } .FAIL { color: var(--bad); } .WAIT { color: var(--wait); }
figure { margin: 0; } svg { display: block; width: 100%; height: auto; margin-bottom: .4rem; } svg text { font-size: 11.5px; fill: var(--quiet); }
.grid { stroke: var(--rule); stroke-width: .7; } .tick { stroke: var(--quiet); } .band { fill: var(--band); }
.edge, .mean { fill: none; stroke: var(--blue); } .edge { stroke-width: .8; } .mean { stroke-width: 2.2; stroke-linejoin: round; }
.now { fill: var(--blue); } .zero { stroke: var(--ink); stroke-width: 1.2; } .margin { stroke: var(--amber); stroke-width: 1.4; stroke-dasharray: 6 4; }
svg .of-margin { fill: var(--amber); }
footer { display: flex; flex-wrap: wrap; gap: .2rem 1.6rem; border-top: 1px solid var(--rule); padding-top: .7rem; font-size: .84rem; color: var(--quiet); }
a { color: var(--blue); }
"""
