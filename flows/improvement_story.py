"""What do people see of the experiment loop in the Prefect UI? Its progress while it runs, its steps as a table, its report."""

from typing import Any

from prefect.artifacts import (
    create_link_artifact,
    create_markdown_artifact,
    create_table_artifact,
)

from flows.artifacts import key_of, unharmed
from flows.life import as_image
from flows.progress import Bar
from schemas.night import Called, Night, Step
from tasks.drawing.margins import draw_margins
from tasks.drawing.words import is_page, percent, shown
from tasks.margins import Margin

__all__ = ["begin_progress", "link_page", "markdown", "progress", "show_progress", "table", "tell"]


def begin_progress(problem: str) -> Bar:
    """A bar in the UI that `show_progress` moves."""
    return Bar(key_of("experiments", problem), f"Experiments on {problem}: none has run yet.")


def show_progress(bar: Bar, night: Night) -> None:
    """Move the bar to the limit that is nearest, and say how things stand."""
    bar.move(progress(night), _so_far(night))


def progress(night: Night) -> float:
    """How near the night is to the limit that ends it first, in [0, 1]."""
    if night.ended:
        return 1.0
    return min(1.0, max((one.used / one.of for one in night.spent if one.of), default=0.0))


def _so_far(night: Night) -> str:
    counted = ", ".join(f"{sum(step.called is called for step in night.steps)} {called}" for called in Called)
    last = f" The last: {night.steps[-1].idea.name}, {night.steps[-1].called}." if night.steps else ""
    ended = f" Stopped: {night.stopped}." if night.ended else ""
    return f"{len(night.steps)} experiments on {night.problem}: {counted}.{last}{ended}"


def tell(night: Night) -> None:
    """Leave the night's report and its steps as artifacts."""
    with unharmed(f"the night of {night.problem} is over, and not shown"):
        create_markdown_artifact(
            key=key_of("night", night.problem), markdown=markdown(night), description=_so_far(night)
        )
        create_table_artifact(key=key_of("steps", night.problem), table=table(night), description=_so_far(night))


def link_page(problem: str, what: str, page: str) -> None:
    """One click from the UI to a page; `what` is a word, as night or diagnosis."""
    with unharmed(f"the page of {problem} is written, and not linked"):
        create_link_artifact(key=key_of(f"{what}-page", problem), link=page, link_text=f"{problem}: {what}")


def table(night: Night) -> list[dict[str, Any]]:
    """One row a step, in order, as Prefect shows tables."""
    return [
        {
            "step": place,
            "change": step.idea.name,
            "on": night.name_of(step.parent),
            "tier": step.tier,
            "foreseen": percent(step.predicted_chance),
            "gain": str(step.gain) if step.gain else "–",
            "called": str(step.called),
            "why": step.why,
        }
        for place, step in enumerate(night.steps, start=1)
    ]


def markdown(night: Night) -> str:
    """The night on one screen: the winner, why it ended, the steps, what to do next and what not to bother with."""
    lines = [f"## {night.problem}: a night of {len(night.steps)} experiments", "", _won(night)]
    lines += [_text(night.handed)] if night.handed else []
    lines += ["", drawn] if (drawn := _gains(night)) else []
    lines += ["", f"**Why it stopped:** {_text(night.stopped)}." if night.stopped else "It still runs.", ""]
    spent = [f"{shown(one.used)} {_text(one.what)}" + (f" of {shown(one.of)}" if one.of else "") for one in night.spent]
    lines += [f"Spent: {', '.join(spent)}."] if spent else []
    if night.brier is not None:
        lines += [f"Brier score of the predictions: {night.brier:.3f} (always saying a half gets 0.25)."]
    if night.opportunity:
        lines += [f"The opportunity: {_text(night.opportunity)}"]
    if night.steps:
        lines += ["", "| | change | on | tier | foreseen | gain | called |", "|---:|---|---|---|---:|---:|---|"]
        lines += [_row(night, place, step) for place, step in enumerate(night.steps, start=1)]
    for title, said in _lists(night).items():
        lines += ["", f"**{title}**", "", *(f"- {_text(one)}" for one in said)] if said else []
    links = [f"[{_text(name)}]({where})" for name, where in night.links.items() if is_page(where)]
    lines += ["", " · ".join(links)] if links else []
    return "\n".join(lines) + "\n"


def _gains(night: Night) -> str:
    """What each experiment gained over its parent, with its interval, against no gain at all."""
    found = [
        Margin(step.idea.name, step.gain.estimate, 0.0, True, step.gain.low, step.gain.high)
        for step in night.steps
        if step.gain
    ]
    reach = 1.12 * max((abs(end) for one in found for end in one.ends), default=0.0)
    return as_image(draw_margins(found, at_most=20, reach=reach), "what each experiment gained") if found else ""


def _won(night: Night) -> str:
    if not night.winner or night.gain is None:
        return "Nothing was shown to be better than what was there."
    return f"**{_text(night.won)}** won: {night.gain} of loss a row saved over the start."


def _row(night: Night, place: int, step: Step) -> str:
    gain = str(step.gain) if step.gain else "–"
    called = f"**{step.called}**" if step.called is Called.GAIN else str(step.called)
    on, chance = _text(night.name_of(step.parent)), percent(step.predicted_chance)
    return f"| {place} | {_text(step.idea.name)} | {on} | {_text(step.tier)} | {chance} | {gain} | {called} |"


def _lists(night: Night) -> dict[str, list[str]]:
    return {
        "What was learned": list(night.learned),
        "What was decided on the way": list(night.decisions),
        "What to do next": [f"{idea.name}: {idea.about}" for idea in night.next],
        "What people are asked for": [f"{idea.name}: {idea.about}" for idea in night.requests],
        "What not to bother with": [f"{one.idea.name}: {one.why}" for one in night.skipped],
    }


def _text(said: str) -> str:
    """One line that ends no cell, and holds no markup: names come from data and from people."""
    return " ".join(said.split()).replace("|", "/").replace("<", "&lt;").replace("[", "(").replace("]", ")")
