"""How does one number go with another? Bands, lines and points over two axes, as SVG that is as wide as its page.

Lines lie in a view that stretches with the page; points and letters are placed in percent, and do not stretch.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

from tasks.drawing.scales import Scale, ticks
from tasks.drawing.words import shown

__all__ = ["Plot", "short"]

Points = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Plot:
    """Two axes, on which marks are made. The marks are text: what is drawn first lies below."""

    x: Scale
    y: Scale

    def line(self, points: Points, kind: str) -> str:
        return f'<polyline class="{kind}" points="{self._places(points)}"/>'

    def band(self, lows: Points, highs: Points, kind: str) -> str:
        return f'<polygon class="{kind}" points="{self._places([*highs, *reversed(lows)])}"/>'

    def dots(self, points: Points, kind: str, told: Sequence[str] = ()) -> str:
        titles = [f"<title>{escape(one)}</title>" for one in told] or [""] * len(points)
        return "".join(
            f'<circle class="{kind}" cx="{self.x.at(x):.2f}%" cy="{100 - self.y.at(y):.2f}%" r="4">{title}</circle>'
            for (x, y), title in zip(points, titles, strict=True)
        )

    def whiskers(self, spans: Iterable[tuple[float, float, float]], kind: str) -> str:
        """Each as (x, low, high)."""
        return "".join(
            f'<line class="{kind}" x1="{self.x.at(x):.2f}%" x2="{self.x.at(x):.2f}%" '
            f'y1="{100 - self.y.at(low):.2f}%" y2="{100 - self.y.at(high):.2f}%"/>'
            for x, low, high in spans
        )

    def columns(self, heights: Iterable[tuple[float, float]], kind: str) -> str:
        """Each as (x, share of a fifth of the height): how many rows lie there."""
        return "".join(
            f'<rect class="{kind}" x="{self.x.at(x):.2f}%" y="{100 - 20 * share:.2f}%" width="6" height="{20 * share:.2f}%" '
            'transform="translate(-3)"/>'
            for x, share in heights
        )

    def name(self, x: float, y: float, name: str, kind: str) -> str:
        """A name beside the last point of a line that does not go to the end."""
        return f'<text class="{kind}" x="{self.x.at(x):.2f}%" dx="9" y="{100 - self.y.at(y):.2f}%" dy="4">{escape(name)}</text>'

    def labels(self, at: Sequence[tuple[float, str, str]], *, apart: float = 8.0) -> str:
        """Names at the right end, as (y, name, class), moved from each other where they would lie on one another."""
        placed = sorted((100 - self.y.at(y), name, kind) for y, name, kind in at)
        texts, last = [], -apart
        for place, name, kind in placed:
            last = max(place, last + apart)
            texts.append(f'<text class="{kind}" x="100%" dx="10" y="{last:.2f}%" dy="4">{escape(name)}</text>')
        return "".join(texts)

    def figure(
        self,
        title: str,
        told: str,
        *,
        stretched: str = "",
        fixed: str = "",
        at: Sequence[tuple[float, str]] | None = None,
        axis: str = "",
        height: int = 230,
        wide: bool = False,
    ) -> str:
        """The whole picture. `stretched` holds lines and bands, `fixed` what keeps its shape; `at` names the places on the
        horizontal axis where round numbers would not do; `told` says what is to be seen to those who do not see it."""
        across = (
            at if at is not None else [(v, shown(v, ticks(self.x.low, self.x.high, 5)[1])) for v in self._round(self.x)]
        )
        digits = ticks(self.y.low, self.y.high, 6)[1]
        return (
            f'<figure class="plot{" named" if wide else ""}"><figcaption>{escape(title)}</figcaption>'
            f'<svg class="frame" style="height:{height}px" role="img" aria-label="{escape(told)}">'
            + "".join(self._level(value, shown(value, digits)) for value in self._round(self.y, 6))
            + "".join(self._place(value, name) for value, name in across)
            + f'<svg viewBox="0 0 100 100" preserveAspectRatio="none" width="100%" height="100%">{stretched}</svg>{fixed}</svg>'
            f'<p class="says">{escape(axis)}</p></figure>'
        )

    def _places(self, points: Iterable[tuple[float, float]]) -> str:
        return " ".join(f"{self.x.at(x):.2f},{100 - self.y.at(y):.2f}" for x, y in points)

    def _round(self, scale: Scale, about: int = 5) -> list[float]:
        return ticks(scale.low, scale.high, about)[0]

    def _level(self, value: float, text: str) -> str:
        y = f"{100 - self.y.at(value):.2f}%"
        return f'<line class="grid" x1="0" x2="100%" y1="{y}" y2="{y}"/><text x="-8" y="{y}" dy="4" text-anchor="end">{text}</text>'

    def _place(self, value: float, text: str) -> str:
        x = f"{self.x.at(value):.2f}%"
        return (
            f'<line class="tick" x1="{x}" x2="{x}" y1="100%" y2="100%" transform="translate(0 5)"/>'
            f'<text x="{x}" y="100%" dy="18" text-anchor="middle">{escape(text)}</text>'
        )


def short(rows: float) -> str:
    """A count where there is little room.

    >>> short(850), short(1_500), short(60_000), short(2_500_000)
    ('850', '1.5k', '60k', '2.5M')
    """
    for unit, size in (("M", 1e6), ("k", 1e3)):
        if rows >= size:
            return f"{rows / size:.3g}{unit}"
    return f"{rows:.0f}"
