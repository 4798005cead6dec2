"""What does a person see of a diagnosis? One page: what binds, where the losses stand, and what each look at them found.

`page` makes it whole: a single file, which fetches nothing and runs nothing.
"""

from collections.abc import Sequence
from html import escape

from flows.pages.mistakes import mistakes
from flows.pages.parts import section, tag, tiles
from flows.pages.pictures import calibration, confusion, learning_curve, over_time
from flows.pages.ranked import effects, ladder, rooms, slices
from flows.pages.style import STYLE
from schemas.diagnosis import ORDER, Check, Diagnosis
from schemas.experiment import Gain
from tasks.drawing.look import whole
from tasks.drawing.words import number, percent, span
from tasks.mistakes import Line

__all__ = ["page"]


def page(
    diagnosis: Diagnosis, *, parent: str | None = None, gain: Gain | None = None, sheet: Sequence[Line] | None = None
) -> str:
    """The whole page. `gain` is the experiment's over `parent`, and `sheet` holds what people said of its wrong rows."""
    body = (
        _header(diagnosis, parent),
        "<main>\n",
        _headline(diagnosis),
        _figures(diagnosis, parent, gain),
        section(
            "Where it stands",
            ladder(diagnosis),
            lead="From the rows it was fitted on, over rows beside them, to the later rows that judge; and what others reach there.",
        ),
        section(
            "What keeps it back",
            rooms(diagnosis.rooms),
            lead="By how much the loss would fall if each constraint were gone, the widest that binds first.",
        ),
        '<div class="pair">',
        section(
            "In which order to look", _checks(diagnosis.checks), lead="The first that fails is to be mended first."
        ),
        section("Probes", _probes(diagnosis.probes), lead="Small experiments that answer one question each."),
        section("More rows", learning_curve(diagnosis.curve)),
        section("Does it come as it is said?", calibration(diagnosis)),
        section("Over time", over_time(diagnosis)),
        section("What is taken for what", confusion(diagnosis)),
        section(
            "Weak slices", slices(diagnosis.slices), lead="Loss a row beyond that of all other rows, with its interval."
        ),
        section(
            "What the features are worth",
            effects(diagnosis.effects),
            lead="Loss added when a feature's values are shuffled; under the bar it is worth no more than noise.",
        ),
        "</div>",
        section(
            "Rows it got wrong",
            mistakes(diagnosis.wrong, sheet),
            lead="Judged rows of the development data; the held-out test rows are never among them.",
        ),
        "</main>\n",
        _footer(diagnosis),
    )
    return whole(f"{diagnosis.problem}: what keeps it back", "".join(body), style=STYLE)


def _header(diagnosis: Diagnosis, parent: str | None) -> str:
    against = f", beside its parent {escape(parent)}" if parent else ""
    return (
        f"<header><h1>{escape(diagnosis.problem)}</h1><p>Diagnosis of experiment {escape(diagnosis.experiment)}, "
        f"family {escape(diagnosis.family)}{against}</p></header>\n"
    )


def _headline(diagnosis: Diagnosis) -> str:
    if not diagnosis.rooms:
        return '<div class="head free"><p class="says">Which constraint binds was not looked at.</p></div>\n'
    room, check = diagnosis.binding, diagnosis.first_failing
    said = str(room.constraint)
    name = f"<b>{escape(said[0].upper() + said[1:] if room.binds else said)}</b>"
    low_high = number(room.gain)
    if room.binds:
        says = f"{name} keeps it back: without it the loss would fall by {low_high} a row."
    else:
        says = (
            f"Nothing is shown to keep it back. The widest room that is possible is {name}, {low_high} of loss a row."
        )
    first = f"<p><b>Look first at {escape(check.step)}:</b> {escape(check.says)}</p>" if check else ""
    return (
        f'<div class="head{"" if room.binds else " free"}"><p class="says">{says}</p>'
        f"<p>{escape(room.says)}</p><p><b>What would mend it:</b> {escape(room.advice)}</p>{first}</div>\n"
    )


def _figures(diagnosis: Diagnosis, parent: str | None, gain: Gain | None) -> str:
    loss, metrics = diagnosis.loss, diagnosis.metrics
    judged = diagnosis.spans.get("judged", loss.get("judged", float("nan")))
    said = [("Loss on judged rows", number(judged), "a row; lower is better")]
    metric = metrics.get("judged", metrics.get(diagnosis.metric))
    if metric is not None:
        said += [(diagnosis.metric, number(metric), "on judged rows")]
    if gain is not None:
        called = "gain" if gain.shown else "worse" if gain.excluded else "noise"
        value = number((gain.low, gain.estimate, gain.high), sign=True)
        said += [
            ("Gain over its parent", f"{value}{tag(called, called)}", f"on {gain.rows:,} rows, {gain.seeds} seeds")
        ]
    said += [("Seeds alone", number(diagnosis.seed_sd), "standard deviation of the loss between seeds")]
    if {"judged", "best known"} <= set(loss):
        gap = loss["judged"] - loss["best known"]
        said += [("Gap to the best known", number(gap, sign=True), "of loss a row: the opportunity")]
    return tiles(said)


def _checks(checks: Sequence[Check]) -> str:
    """The order, with what was found; a step nobody took is there as such."""
    by_step = {check.step: check for check in checks}
    steps = [by_step.pop(step, Check(step, None, "not looked at")) for step in ORDER] + list(by_step.values())
    failed = next((check for check in steps if check.passed is False), None)
    return f'<ol class="steps">{"".join(_check(check, check is failed) for check in steps)}</ol>' if checks else ""


def _check(check: Check, first: bool) -> str:
    kind, icon, told = {True: ("yes", "✓", "passed"), False: ("no", "✗", "failed"), None: ("", "–", "not looked at")}[
        check.passed
    ]
    return (
        f'<li{" class=first" if first else ""}><span class="icon {kind}" role="img" aria-label="{told}">{icon}</span>'
        f"<span><b>{escape(check.step)}</b> {escape(check.says)}</span></li>"
    )


def _probes(probes: dict[str, str]) -> str:
    said = "".join(f"<dt>{escape(name)}</dt><dd>{escape(found)}</dd>" for name, found in probes.items())
    return f'<dl class="probes">{said}</dl>' if said else ""


def _footer(diagnosis: Diagnosis) -> str:
    cost = f"{span(diagnosis.seconds)} of diagnosing"
    if diagnosis.of_seconds:
        cost += (
            f", {percent(diagnosis.seconds / diagnosis.of_seconds)} of the {span(diagnosis.of_seconds)} its fits took"
        )
    return f"<footer><span>{escape(diagnosis.problem)}, experiment {escape(diagnosis.experiment)}</span><span>{cost}</span></footer>"
