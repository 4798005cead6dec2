"""How are figures drawn against their limits? A row each, the limit of all of them one line, and the good side always the right.

Each row has a scale of its own, as euros and losses have none in common: what the picture shows is the side, and how clearly.
"""

from collections.abc import Sequence
from html import escape

from tasks.drawing.life import WIDTH
from tasks.drawing.words import bounds, shown
from tasks.margins import Margin

__all__ = ["draw_margins"]

_LEFT, _RIGHT, _ROW = 330, 640, 24
_COLOURS = {"clear": "#0072b2", "unclear": "#e69f00", "beyond": "#d55e00"}
_WORDS = {"clear": "clear of its limit", "unclear": "not told apart from it", "beyond": "beyond its limit"}
_STYLE = (
    "text{font:12px system-ui,-apple-system,'Segoe UI',Roboto,'DejaVu Sans',sans-serif;fill:#1c2126}"
    ".q{fill:#57606a;font-size:11px}.z{stroke:#1c2126;stroke-width:1.4}"
)


def draw_margins(margins: Sequence[Margin], *, at_most: int = 12, reach: float | None = None) -> str:
    """The picture as SVG, as wide as a life's: those that are beyond their limits first, then the doubtful, then the rest.
    What is of one unit may share one scale, which goes to `reach` on either side of the limit."""
    order = ("beyond", "unclear", "clear")
    rows = sorted(margins, key=lambda one: order.index(one.side))[:at_most]
    bottom = 14 + _ROW * len(rows)
    middle = (_LEFT + _RIGHT) / 2
    height = bottom + 30
    kinds = [side for side in reversed(order) if any(one.side == side for one in rows)]
    key = "".join(
        f'<circle cx="{24 + 150 * place}" cy="{height - 14}" r="4.5" fill="{_COLOURS[side]}"/>'
        f'<text class="q" x="{34 + 150 * place}" y="{height - 10}">{_WORDS[side]}</text>'
        for place, side in enumerate(kinds)
    )
    said = "; ".join(f"{one.name} {_WORDS[one.side]}" for one in rows)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}" role="img" '
        f'aria-label="{escape(said)}"><style>{_STYLE}</style><rect width="{WIDTH}" height="{height}" rx="8" fill="#ffffff"/>'
        + "".join(_row(one, 14 + _ROW * (place + 0.5), reach or _reach(one)) for place, one in enumerate(rows))
        + f'<line class="z" x1="{middle}" x2="{middle}" y1="10" y2="{bottom + 2}"/>{key}'
        f'<text class="q" x="{middle}" y="{height - 10}" text-anchor="middle">← worse · limit · better →</text></svg>'
    )


def _row(margin: Margin, y: float, reach: float) -> str:
    low, value, high = margin.ends
    half = (_RIGHT - _LEFT) / 2
    x = [(_LEFT + _RIGHT) / 2 + half * end / reach for end in (low, value, high)]
    colour = _COLOURS[margin.side]
    return (
        f'<text x="{_LEFT - 14}" y="{y + 4}" text-anchor="end">{escape(_short(margin.name))}</text>'
        f'<line x1="{_LEFT}" x2="{_RIGHT}" y1="{y}" y2="{y}" stroke="#e3e6e9"/>'
        f'<line x1="{x[0]:.1f}" x2="{x[2]:.1f}" y1="{y}" y2="{y}" stroke="{colour}" stroke-width="5" stroke-opacity=".5" '
        f'stroke-linecap="round"/><circle cx="{x[1]:.1f}" cy="{y}" r="5" fill="{colour}"/>'
        f'<text x="{_RIGHT + 14}" y="{y + 4}">{escape(_told(margin))}</text>'
    )


def _reach(margin: Margin) -> float:
    # A figure without an interval is as far as it is beside its limit: 0.102 of at most 0.1 lies at the line.
    return max(*map(abs, margin.ends), abs(margin.limit)) * 1.12 or 1.0


def _told(margin: Margin) -> str:
    limit = f"{'at least' if margin.higher_is_better else 'at most'} {shown(margin.limit)}"
    if margin.low is None or margin.high is None:
        return f"{shown(margin.value)}, {limit}"
    low, value, high = bounds((margin.low, margin.value, margin.high))
    return f"{value} [{low}, {high}], {limit}"


def _short(name: str) -> str:
    return name if len(name) <= 46 else f"{name[:45]}…"
