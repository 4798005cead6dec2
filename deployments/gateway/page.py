"""What does a person see who opens the gateway? Stage, versions, shares, the evidence so far, the last verdicts."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from html import escape
from importlib.metadata import version as installed
from typing import TYPE_CHECKING, TypeVar

from deployments.gateway.drawing import STYLE
from deployments.gateway.evidence import KEEP, Known, Tally, coverage, evidence, labelled, read, tally_of
from schemas.problem import Problem
from schemas.route import Route, Served
from schemas.rows import State
from schemas.settings import Settings
from schemas.stage import Stage
from tasks import ledger
from tasks.drawing.look import POLICY
from tasks.drawing.words import missing, moment, percent, span, table

if TYPE_CHECKING:
    from deployments.gateway.follower import Follower
    from deployments.gateway.serving import Serving
    from deployments.gateway.signals import Signals
    from deployments.gateway.worker import Worker

__all__ = ["View", "render"]

_VERDICTS = 8

T = TypeVar("T")


@dataclass(frozen=True)
class View:
    """What one rendering speaks of."""

    problem: Problem
    serving: "Serving | None"
    worker: "Worker"
    follower: "Follower"
    signals: "Signals"
    now: datetime
    databases: tuple[str, str]

    @property
    def route(self) -> Route | None:
        return self.serving.route if self.serving else None

    @property
    def known(self) -> Known[State]:
        return self.read("state", lambda: ledger.state_of(self.problem.name))

    @property
    def state(self) -> State | None:
        """The ledger's newest state, where it speaks of the rollout that is served."""
        found = self.known.value
        return found if found and self.route and found.rollout == self.route.rollout else None

    @property
    def began(self) -> datetime | None:
        """When this rollout did."""
        return self.state.tried if self.state else None

    @property
    def tripped(self) -> bool:
        return self.route is not None and self.worker.breaker.tripped(self.route) is not None

    def read(self, what: str, make: Callable[[], T]) -> Known[T]:
        return read((self.problem.name, what), (self.databases, self.route), make)

    def tally(self, route: Route) -> Known[Tally]:
        since = self.began
        return self.read("tally", lambda: tally_of(self.problem, route, since=since, now=self.now))


def render(problem: Problem, worker: "Worker", follower: "Follower", signals: "Signals") -> str:
    """The whole page. What cannot be read is said in its place, and the rest is there all the same."""
    settings = Settings()
    databases = (settings.ledger, settings.log)
    view = View(problem, worker.serving, worker, follower, signals, datetime.now(UTC), databases)
    stage = view.route.stage if view.route else Stage.COLD
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="refresh" content="10">
<meta http-equiv="Content-Security-Policy" content="{POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
<title>{escape(problem.name)}: {stage}</title>
<style>{STYLE}</style>
</head>
<body>
<header><h1>{escape(problem.name)}</h1><p>{escape(problem.statement)}</p></header>
<main>
{_closed("State", _state, view)}
{_closed("What is wrong", _wrong, view)}
{_line(stage)}
{_section("Models", _models, view)}
<div class="beside">
{_section("Evidence so far", evidence, view)}
<div>
{_section("Scored beside the answers", coverage, view)}
{_section("Labels", labelled, view)}
</div>
</div>
{_section("Last verdicts", _verdicts, view)}
</main>
{_closed("Foot", _foot, view)}
</body>
</html>
"""


def _section(title: str, make: Callable[[View], str], view: View) -> str:
    return f'<section aria-label="{title}"><h2>{title}</h2>\n{_closed(title, make, view)}\n</section>'


def _closed(what: str, make: Callable[[View], str], view: View) -> str:
    """One part; a defect of its own is named in its place."""
    made = Known.closed(lambda: make(view))
    return made.value if made.value is not None else missing(f"{what.lower()} cannot be shown", made.away)


def _state(view: View) -> str:
    route, state = view.route, view.state
    if route is None:
        return '<p class="state"><b>COLD</b>: no model is loaded, and no request is answered yet.</p>'
    since = ""
    if state and state.epoch == route.epoch:
        began = (state.share_since if route.answers_a_share else None) or state.since
        since = f"; since {moment(began)} UTC ({span((view.now - began).total_seconds())})" if began else ""
    return f'<p class="state"><b>{route.stage}</b>: {escape(_who_answers(view, route))}{since}.</p>'


def _who_answers(view: View, route: Route) -> str:
    champion, rival = _named(route.champion), _named(route.rival)
    if view.tripped:
        return f"{champion} answers everything, since the breaker took {rival} off"
    if view.serving and view.serving.rival_failed:
        return f"{champion} answers everything, since {rival} could not be loaded"
    if route.answers_a_share:
        unit = "entities" if view.problem.framing.entity else "rows"
        return f"{rival} answers {percent(route.share)} of the {unit}, {champion} the rest"
    beside = {
        Stage.RETRAIN: " while a challenger is trained and judged",
        Stage.SHADOW: f"; {rival} scores the same rows, and answers none",
        Stage.PROBATION: f", on probation; {rival} scores the same rows, and comes back if it was better",
    }
    return f"{champion} answers everything{beside.get(route.stage, '')}"


def _named(served: Served | None) -> str:
    return f"version {served.version} ({served.name})" if served else "the one before"


def _wrong(view: View) -> str:
    boxes = (
        ("wrong", "What is wrong", list(_faults(view))),
        ("note", "Checked beside the answers, and not at the door", view.serving.door.listed if view.serving else ()),
    )
    return "".join(
        f'<section class="{kind}" aria-label="{title}"><h2>{title}</h2><ul>{_items(said)}</ul></section>'
        for kind, title, said in boxes
        if said
    )


def _items(said: "list[str] | tuple[str, ...]") -> str:
    return "".join(f"<li>{escape(one)}</li>" for one in said)


def _faults(view: View) -> Iterator[str]:
    if view.follower.says:
        yield f"Route: {view.follower.says}"
    if view.signals.log_says:
        refuses = view.problem.serving.log_away == "refuse"
        meanwhile = "requests are refused meanwhile" if refuses else "answers are kept in a local file meanwhile"
        yield f"Log: {view.signals.log_says}, for {span(view.signals.lag())}; {meanwhile}, by the plan"
    if files := len(view.worker.spill.files()):
        yield f"Log: answers wait to be brought into it ({files} {'file' if files == 1 else 'files'})"
    if view.route and (trip := view.worker.breaker.tripped(view.route)):
        yield f"Breaker: it took {_named(view.route.challenger)} off at {trip.at:%Y-%m-%d %H:%M:%S} UTC: {trip.reason}"
    if view.serving and view.serving.rival_failed:
        yield f"Loading: {_named(view.serving.route.rival)} is not in memory: {view.serving.rival_failed}"


def _line(here: Stage) -> str:
    marked = {here: ' aria-current="step"'}
    stops = "".join(f"<li{marked.get(stage, '')}>{stage}</li>" for stage in Stage)
    return f'<ol class="line" aria-label="The stages, with the present one marked">{stops}</ol>'


def _models(view: View) -> str:
    route = view.route
    if route is None:
        return "<p>None is loaded.</p>"
    known = view.tally(route)
    share = route.share if route.answers_a_share and not view.tripped else 0.0
    roles = (("champion", route.champion, 1 - share), ("challenger", route.challenger, share))
    lines = [_model(*role, known.value) for role in (*roles, ("previous", route.previous, 0.0))]
    heads = ("role", "version", "name", "sha256", "share", "rows answered", "errors", "p50", "p99")
    return table(heads, [*lines, *_others(route, known.value)], numeric=4) + _about(route, known)


def _about(route: Route, known: Known[Tally]) -> str:
    if known.value is None:
        return missing("rows, errors and latencies: the prediction log cannot be read", known.away)
    newest = "the newest " if known.value.cut else ""
    return (
        f'<p class="small">Rows that all gateways answered in rollout {route.rollout}: {newest}{known.value.rows:,}, a key '
        "counted once. Errors are rows on which the model raised, whoever answered. Latency of the newest 1,000.</p>"
    )


def _model(role: str, served: Served | None, share: float, tally: Tally | None) -> list[str]:
    if served is None:
        return [role, *["–"] * 8]
    told = [role, served.version, served.name, served.sha256[:12], percent(share)]
    counts = [f"{of.get(served.sha256, 0):,}" for of in (tally.answered, tally.errors)] if tally else ["–", "–"]
    return [*told, *counts, *_latency(tally, served.sha256)]


def _others(route: Route, tally: Tally | None) -> Iterator[list[str]]:
    """Who else answered in this rollout: a rule that stood in, or a model that was sent home."""
    known = {served.sha256 for served in (route.champion, route.challenger, route.previous) if served}
    for who, rows in sorted(tally.answered.items()) if tally else ():
        if who not in known:
            yield ["other", "–", who[:12], "–", "–", f"{rows:,}", "–", *_latency(tally, who)]


def _latency(tally: Tally | None, who: str) -> list[str]:
    return [f"{ms:.3g} ms" for ms in tally.latency[who]] if tally and who in tally.latency else ["–", "–"]


def _verdicts(view: View) -> str:
    name = view.problem.name
    known = view.read("verdicts", lambda: list(ledger.rows(name, since=ledger.state_of(name).sequence - _VERDICTS)))
    if known.value is None:
        return missing("the ledger cannot be read", known.away)
    if not known.value:
        return "<p>The ledger has no row of this problem yet.</p>"
    heads = "".join(f'<th scope="col">{head}</th>' for head in ("when (UTC)", "stage", "outcome", "reason"))
    lines = "".join(_verdict(row) for row in reversed(known.value))
    return (
        f'<div class="wide"><table class="verdicts"><thead><tr>{heads}</tr></thead><tbody>{lines}</tbody></table></div>'
    )


def _verdict(row: ledger.Row) -> str:
    said = {name: escape(str(row.facts[name])) for name in ("before", "stage", "outcome", "gate")}
    step = said["stage"] if said["before"] == said["stage"] else f"<b>{said['before']} → {said['stage']}</b>"
    reason = escape(str(row.notes.get("reason", "")))
    return (
        f"<tr><td>{moment(datetime.fromisoformat(row.facts['at']))}</td><td>{step}</td>"
        f'<td><b class="{said["outcome"]}">{said["outcome"]}</b></td><td><b>{said["gate"]}</b>: {reason}</td></tr>'
    )


def _foot(view: View) -> str:
    epoch = f"route epoch {view.route.epoch}" if view.route else "no route"
    age = span(time.monotonic() - view.follower.confirmed)
    confirmed = (
        f"confirmed by the registry {age} ago" if view.follower.confirmed else "not confirmed by the registry yet"
    )
    return (
        f"<footer><span>{epoch}, {confirmed}</span><span>gateway {escape(_installed())}</span>"
        '<span><a href="/metrics">/metrics</a></span><span><a href="/openapi.json">/openapi.json</a></span>'
        f"<span>{view.now:%Y-%m-%d %H:%M:%S} UTC; what is read is at least {KEEP:g} s apart</span></footer>"
    )


@cache
def _installed() -> str:
    return installed("perennial")
