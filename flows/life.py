"""What has become of a problem so far? Its life as a picture: for a turn's artifact, as a file, and from a shell."""

from base64 import b64encode
from datetime import datetime, timedelta
from html import escape
from pathlib import Path

from schemas.errors import PerennialError
from schemas.life import Life
from schemas.problem import Problem, load_problem
from schemas.settings import Settings
from tasks import ledger, quality_log
from tasks.drawing.life import draw_life
from tasks.drawing.look import STYLE, whole
from tasks.drawing.words import table
from tasks.figures import whole as write_whole
from tasks.life import life_of

__all__ = ["as_image", "life_file", "life_so_far", "of_a_year", "page", "write_life"]

_MOST = 1_000  # rows: two years of daily turns, ten days of four an hour
_STYLE = STYLE + "svg { width: 100%; height: auto; } figure { margin: 0 0 1.4rem; } tbody th { white-space: nowrap; }"


def life_so_far(problem: Problem, *, since: datetime | None = None, newest: int | None = None) -> Life | None:
    """The life from the ledger's first row, or from `since` on, or of its `newest` rows; None before the first turn."""
    first = max(0, ledger.state_of(problem.name).sequence - newest) if newest else 0
    entries = [row.entry for row in ledger.rows(problem.name, since=first, after=since)]
    if not entries:
        return None
    figures = quality_log.figures(problem, kinds=("realised",), metrics=("loss",), since=entries[0].state.at)
    return life_of(entries, figures)


def of_a_year(problem: Problem, now: datetime) -> Life | None:
    """What a turn's artifact shows: more than a year is too much for one look. Every turn reads it and keeps a picture of it: where
    one comes each quarter of an hour, a year is 35,000 rows, three seconds and a third of a megabyte a turn."""
    return life_so_far(problem, since=now - timedelta(days=400), newest=_MOST)


def as_image(svg: str, said: str) -> str:
    """A picture as Markdown that needs no file and no server: Prefect's pages show it, old and new ones alike."""
    return f"![{said}](data:image/svg+xml;base64,{b64encode(svg.encode()).decode()})"


def life_file(name: str) -> Path:
    return Settings().root / "timelines" / f"{name}.html"


def write_life(name: str, out: Path | None = None) -> Path:
    """The whole life as a page, or as the picture alone where `out` ends in .svg; where it was written."""
    problem = load_problem(name)
    life = life_so_far(problem)
    if life is None:
        raise PerennialError(
            f"{name!r} has not begun: there is no life to draw. Let it take its first turn (python -m flows turn {name})."
        )
    file = out or life_file(name)
    if file.suffix not in (".svg", ".html"):
        raise PerennialError(
            f"a timeline is written as .svg or .html, and {str(file)!r} ends in neither. Name one: --out {name}.svg"
        )
    write_whole(file, draw_life(life) if file.suffix == ".svg" else page(life, problem))
    return file


def page(life: Life, problem: Problem) -> str:
    """The picture, and under it what happened in words, the newest first."""
    heads = ("when", "what", "why")
    lines = [(f"{mark.at:%Y-%m-%d %H:%M}", mark.what, mark.why) for mark in reversed(life.marks)]
    body = (
        f"<header><h1>{escape(life.problem)}</h1><p>{escape(problem.statement)}</p></header>"
        f"<figure>{draw_life(life)}</figure>"
        f"<section><h2>What happened</h2>{table(heads, lines, numeric=len(heads))}</section>"
        f"<footer><span>{life.turns} turns</span><span>{life.bands[-1].stage} since "
        f"{life.bands[-1].start:%Y-%m-%d %H:%M} UTC</span></footer>"
    )
    return whole(f"{life.problem}: its life so far", body, style=_STYLE)
