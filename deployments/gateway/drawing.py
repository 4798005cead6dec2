"""How does the status page look? Its own part of the style sheet, and its plot."""

from collections.abc import Callable, Iterable
from html import escape
from typing import TYPE_CHECKING

from tasks.drawing import look
from tasks.drawing.scales import ticks
from tasks.drawing.words import signed

if TYPE_CHECKING:
    from deployments.gateway.evidence import Evidence

__all__ = ["STYLE", "picture"]

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


STYLE = (
    look.STYLE
    + """
.state { font-size: 1.12rem; margin: .7rem 0 1rem; } .state b { color: var(--blue); }
.line { display: flex; list-style: none; margin: 1.3rem 0 1.6rem; padding: 0; font-size: .8rem; color: var(--quiet); }
.line li { flex: 1; position: relative; text-align: center; padding-top: 1.5rem; }
.line li::before { content: ""; position: absolute; top: calc(.5rem - 1px); left: -50%; width: 100%; border-top: 2px solid var(--rule); }
.line li:first-child::before { display: none; }
.line li::after { content: ""; position: absolute; top: .1rem; left: calc(50% - .4rem); width: .8rem; height: .8rem; z-index: 1;
  border-radius: 50%; background: var(--paper); border: 2px solid var(--quiet); }
.line [aria-current] { color: var(--ink); font-weight: 700; }
.line [aria-current]::after { background: var(--blue); border-color: var(--blue); box-shadow: 0 0 0 4px var(--band); }
.verdicts td { white-space: nowrap; padding-right: 1.4rem; } .verdicts td:last-child { white-space: normal; overflow-wrap: anywhere; width: 100%; min-width: 20rem; }
.PASS, .FAIL, .WAIT { font-size: .84rem; } .PASS { color: var(--good); } .FAIL { color: var(--bad); } .WAIT { color: var(--wait); }
figure { margin: 0; } svg { display: block; width: 100%; height: auto; margin-bottom: .4rem; } svg text { font-size: 11.5px; fill: var(--quiet); }
.grid { stroke: var(--rule); stroke-width: .7; } .tick { stroke: var(--quiet); } .band { fill: var(--band); }
.edge, .mean { fill: none; stroke: var(--blue); } .edge { stroke-width: .8; } .mean { stroke-width: 2.2; stroke-linejoin: round; }
.now { fill: var(--blue); } .zero { stroke: var(--ink); stroke-width: 1.2; } .margin { stroke: var(--amber); stroke-width: 1.4; stroke-dasharray: 6 4; }
svg .of-margin { fill: var(--amber); }
"""
)
