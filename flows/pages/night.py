"""What does a person read in the morning? The night of experiments on one page: what was tried, what moved, what to do next."""

from collections.abc import Sequence
from html import escape

from flows.pages.parts import items, section, tag, tiles
from flows.pages.style import STYLE
from schemas.idea import Idea
from schemas.night import Called, Night, Skipped, Spent, Step
from tasks.drawing.look import whole
from tasks.drawing.strips import Mark, Row, strips
from tasks.drawing.words import is_page, moment, number, percent, shown, span

__all__ = ["night_report"]

_KINDS = {Called.GAIN: "c-judged", Called.NOISE: "c-base", Called.WORSE: "c-binds", Called.FAILED: "c-binds"}


def night_report(night: Night) -> str:
    """The whole page: a single file, which fetches nothing and runs nothing."""
    body = (
        _header(night),
        "<main>\n",
        _headline(night),
        _figures(night),
        section(
            "What was tried",
            _forest(night),
            lead="The gain over its parent of each experiment, in order, with its interval. The short dotted line is what was hoped for.",
        ),
        section("What moved", _moved(night)),
        '<div class="pair">',
        section("What was learned", _learned(night)),
        section("What was decided on the way", items(night.decisions)),
        section("What to do next", _ideas(night.next), lead="The best first."),
        section("What people are asked for", _ideas(night.requests)),
        "</div>",
        section("What not to bother with", _skipped(night.skipped)),
        section("Where the baselines stand", _baselines(night)),
        section("Every experiment", _table(night)),
        "</main>\n",
        _footer(night),
    )
    return whole(f"{night.problem}: a night of experiments", "".join(body), style=STYLE)


def _header(night: Night) -> str:
    ended = f"to {moment(night.ended)} UTC" if night.ended else "UTC, and it still runs"
    return f"<header><h1>{escape(night.problem)}</h1><p>A night of experiments, {moment(night.began)} {ended}</p></header>\n"


def _headline(night: Night) -> str:
    if night.winner and night.gain:
        name = escape(night.won)
        said = f"<b>{name}</b> won: {number((night.gain.low, night.gain.estimate, night.gain.high), sign=True)} of loss a row saved over the start."
    else:
        said = f"Nothing was shown to be better than what was there, in {len(night.steps)} experiments."
    stopped = f"<p><b>Why it stopped:</b> {escape(night.stopped)}</p>" if night.stopped else "<p>It still runs.</p>"
    handed = f"<p>{escape(night.handed)}</p>" if night.handed else ""
    handed += f"<p>To make the winner again: <code>{escape(night.again)}</code></p>" if night.again else ""
    return f'<div class="head{" free" if night.winner else ""}"><p class="says">{said}</p>{handed}{stopped}</div>\n'


def _figures(night: Night) -> str:
    counted = [f"{sum(step.called is called for step in night.steps)} {called}" for called in Called]
    said = [("Experiments", number(float(len(night.steps))), ", ".join(counted))]
    said += [
        (f"Spent: {one.what}", f"{number(one.used)}{_meter(one)}", _limit(one))
        for one in night.spent
        if one.what != "experiments" or one.of
    ]
    if night.brier is not None:
        said += [
            ("Brier score of the predictions", number(night.brier), "0 foresees all; always saying a half gets 0.25")
        ]
    return tiles(said)


def _limit(spent: Spent) -> str:
    return f"of {shown(spent.of)}" if spent.of is not None else "no limit"


def _meter(spent: Spent) -> str:
    if not spent.of:
        return ""
    return f'<div class="meter" aria-hidden="true"><i style="width:{min(100.0, 100 * spent.used / spent.of):.0f}%"></i></div>'


def _forest(night: Night) -> str:
    rows = [_drawn(night, place, step) for place, step in enumerate(night.steps, start=1)]
    return (
        strips(rows, axis="loss a row that was saved; right of zero is better", signs=True, kind="tall") if rows else ""
    )


def _drawn(night: Night, place: int, step: Step) -> Row:
    on = f"on {escape(night.name_of(step.parent))}, {escape(step.tier)}, foreseen {percent(step.predicted_chance)}"
    name = f"{place}. {escape(step.idea.name)} {tag(str(step.called), str(step.called))}<small>{on}</small>"
    if step.gain is None:
        return Row(name, None, _KINDS[step.called], "–")
    gain = (step.gain.low, step.gain.estimate, step.gain.high)
    hoped = (Mark(step.predicted_gain, "expected"),) if step.predicted_gain else ()
    return Row(name, gain, _KINDS[step.called], number(gain, sign=True), hoped)


def _moved(night: Night) -> str:
    said = "".join(
        f"<li><b>{escape(step.idea.name)}</b>, on {escape(night.name_of(step.parent))}: "
        f"{number((step.gain.low, step.gain.estimate, step.gain.high), sign=True)}. {escape(step.idea.about)}</li>"
        for step in night.shown
        if step.gain
    )
    return f'<ul class="plain">{said}</ul>' if said else "<p>Nothing beyond noise.</p>"


def _learned(night: Night) -> str:
    settled = [step for step in night.steps if step.settled]
    brier = ""
    if settled:
        hoped = sum(step.predicted_chance for step in settled)
        brier = (
            f"<p>Of {len(settled)} experiments {shown(hoped)} were foreseen to gain, and {len(night.shown)} did.</p>"
        )
    return items(night.learned) + brier


def _ideas(ideas: Sequence[Idea]) -> str:
    each = "".join(
        f"<li><b>{escape(one.name)}</b> {tag(str(one.kind))} {escape(one.about)}{_hoped(one)}</li>" for one in ideas
    )
    return f'<ul class="plain">{each}</ul>' if each else "<p>Nothing.</p>"


def _hoped(idea: Idea) -> str:
    return f" <small>{percent(idea.chance)} to gain {shown(idea.impact)}</small>" if idea.impact else ""


def _skipped(skipped: Sequence[Skipped]) -> str:
    each = "".join(
        f"<li><b>{escape(one.idea.name)}</b> {tag(str(one.quadrant))} {escape(one.why)}</li>" for one in skipped
    )
    return f'<ul class="plain">{each}</ul>' if each else "<p>Nothing was set aside.</p>"


def _baselines(night: Night) -> str:
    known = sorted((one for one in night.baselines if one.loss), key=lambda one: -one.loss[1] if one.loss else 0.0)
    rows = [Row(escape(one.name), one.loss, "c-base", number(one.loss)) for one in known if one.loss]
    said = f"<p>{escape(night.opportunity)}</p>" if night.opportunity else ""
    return said + (strips(rows, axis="loss a row, lower is better", kind="tall") if rows else "")


def _table(night: Night) -> str:
    heads = (
        ("", ""),
        ("change", ""),
        ("parent", ""),
        ("tier", ""),
        ("foreseen", "n"),
        ("gain", "n"),
        ("seconds", "n"),
        ("why this, then", ""),
    )
    head = "".join(f'<th scope="col" class="{kind}">{name}</th>' for name, kind in heads)
    rows = "".join(_line(night, place, step) for place, step in enumerate(night.steps, start=1))
    return (
        f'<div class="wide"><table class="sheet"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'
        if rows
        else ""
    )


def _line(night: Night, place: int, step: Step) -> str:
    gain = number((step.gain.low, step.gain.estimate, step.gain.high), sign=True) if step.gain else "–"
    raised = step.result.error if step.result else ""
    error = f'<p class="missing"><b>The fit raised</b> {escape(raised)}</p>' if raised else ""
    return (
        f'<tr><td class="n">{place}</td><th scope="row">{escape(step.idea.name)}<br>{tag(str(step.called), str(step.called))}{tag(str(step.quadrant))}</th>'
        f"<td>{escape(night.name_of(step.parent))}</td><td>{escape(step.tier)}</td>"
        f'<td class="n">{percent(step.predicted_chance)}<br><small>{shown(step.predicted_gain)}</small></td><td class="n">{gain}</td>'
        f'<td class="n">{number(step.seconds)}</td><td>{escape(step.why)}{error}<div class="values">{escape(_changed(step.idea))}</div></td></tr>'
    )


def _changed(idea: Idea) -> str:
    return "; ".join(f"{name} = {value}" for name, value in idea.change.items())


def _footer(night: Night) -> str:
    links = "".join(
        f'<span><a href="{escape(where)}">{escape(name)}</a></span>'
        for name, where in night.links.items()
        if is_page(where)
    )
    took = f"<span>{span((night.ended - night.began).total_seconds())}</span>" if night.ended else ""
    return f"<footer><span>{escape(night.problem)}</span>{took}{links}</footer>"
