"""What do the pages of experiments have in common? Sections that say when they were not looked at, tiles, and items."""

from collections.abc import Iterable
from html import escape

__all__ = ["UNSEEN", "items", "section", "tag", "tiles"]

UNSEEN = '<p class="unseen">Not looked at.</p>'


def section(title: str, body: str, *, lead: str = "") -> str:
    """A part of the page; an empty body says that it was not looked at. `title` and `lead` are text, `body` is HTML."""
    about = f'<p class="lead">{escape(lead)}</p>' if lead and body else ""
    return f'<section aria-label="{escape(title)}"><h2>{escape(title)}</h2>\n{about}{body or UNSEEN}\n</section>\n'


def tiles(said: Iterable[tuple[str, str, str]]) -> str:
    """Figures at the top, each as (name, HTML of the figure, what it is, as text)."""
    each = (
        f"<div><dt>{escape(name)}</dt><dd>{value}<small>{escape(about)}</small></dd></div>"
        for name, value, about in said
    )
    return f'<dl class="tiles">{"".join(each)}</dl>\n'


def items(said: Iterable[str]) -> str:
    """Sentences as a list; empty where there are none."""
    lines = "".join(f"<li>{escape(one)}</li>" for one in said)
    return f'<ul class="plain">{lines}</ul>' if lines else ""


def tag(text: str, kind: str = "") -> str:
    return f'<span class="tag {kind}">{escape(text)}</span>'
