"""How does the model on trial stand? Rows, errors and latencies by model, the paired evidence, and the labels: the log, for people."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from threading import Lock
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np
import pandas as pd

from deployments.gateway.drawing import picture
from schemas.framing import Framing
from schemas.plans import Promotion
from schemas.problem import Problem
from schemas.route import Route, Served
from schemas.stage import Stage
from tasks import labels, predictions, scoring
from tasks.drawing.words import missing, percent, signed, span, table
from tasks.stats import RunningAverage

if TYPE_CHECKING:
    from deployments.gateway.page import View
    from deployments.gateway.signals import Signals

__all__ = ["KEEP", "Evidence", "Known", "Tally", "coverage", "evidence", "evidence_of", "labelled", "read", "tally_of"]

T = TypeVar("T")

KEEP = 10.0  # seconds for which what was read is shown again
_AT_MOST = 50_000  # rows that one look reads: it shares the machine with the answers
_BUSY = 1 / 20  # of the time at most goes into reading: a long log is looked at less often
_NEWEST = 1_000  # rows that latencies are of
_POINTS = 300  # the plot is some 700 pixels wide

# Which rows pair, by stage: as the gates of flows/rollout.py take them. Between both, those of shadow and what came since.
_STAGES = {
    Stage.SHADOW: ("SHADOW",),
    Stage.CANARY: ("SHADOW", "CANARY"),
    Stage.AB: ("SHADOW", "CANARY", "AB"),
    Stage.PROBATION: ("CANARY", "AB", "PROBATION"),
}


@dataclass(frozen=True)
class Known(Generic[T]):
    """What was read, or the type of the error that kept us from it."""

    value: T | None
    away: str = ""

    @classmethod
    def closed(cls, make: Callable[[], T]) -> "Known[T]":
        try:
            return cls(make())
        except Exception as error:  # its text may quote the rows it was about
            return cls(None, type(error).__name__)


_KNOWN: dict[tuple[str, str], tuple[float, Any, Known[Any]]] = {}
_NOTHING: tuple[float, Any, Known[Any]] = (0.0, None, Known(None, "NotReadYet"))
_ONE_AT_A_TIME = Lock()


def read(key: tuple[str, str], about: object, make: Callable[[], T]) -> Known[T]:
    """What `make` gives, read once for all who ask within `KEEP` seconds `about` the same; an error is kept like a value."""
    until, of, known = _KNOWN.get(key, _NOTHING)
    if of == about and time.monotonic() < until:
        return known
    # While somebody reads, others are shown what was there before: a storm of refreshes keeps no threads waiting.
    if not _ONE_AT_A_TIME.acquire(timeout=0 if of == about else 2):
        return known if of == about else _NOTHING[2]
    try:
        until, of, known = _KNOWN.get(key, _NOTHING)
        if of != about or time.monotonic() >= until:
            began = time.monotonic()
            known = Known.closed(make)
            ended = time.monotonic()
            _KNOWN[key] = ended + max(KEEP, (ended - began) / _BUSY), about, known
        return known
    finally:
        _ONE_AT_A_TIME.release()


@dataclass(frozen=True)
class Tally:
    """What was answered in this rollout. A model goes by its sha256; a rule that stood in, by its role."""

    rows: int
    cut: bool  # there are more than `_AT_MOST`, and these are the newest
    answered: dict[str, int]
    errors: dict[str, int]  # whether or not it was the one to answer
    latency: dict[str, tuple[float, float]]  # p50 and p99 in ms
    to_pair: int  # rows of this stage that the model beside has to score as well
    paired: int  # and did


@dataclass(frozen=True)
class Evidence:
    """The mean gain after the rows so far, with its confidence sequence: a point is (rows, low, mean, high)."""

    points: tuple[tuple[float, float, float, float], ...]
    rows: int
    cut: bool  # there are more than `_AT_MOST` rows, and these are of the newest


def tally_of(problem: Problem, route: Route, *, since: datetime | None, now: datetime) -> Tally:
    """Rows by who answered them, a key counted once. `since`: when the rollout began."""
    first = since or datetime(1970, 1, 1, tzinfo=UTC)
    start = _newest_from(problem, first, now)
    rows = predictions.cohort(problem, since=start, now=now, rollout=route.rollout, matured=False, with_labels=False)
    who, here = _who_answered(rows, route), rows[rows["stage"] == str(route.stage)]
    if route.stage in (Stage.CANARY, Stage.AB):
        here = here[here["role"] == "challenger"]
    errors = pd.concat([rows.loc[rows[f"{side}_error"].notna(), side] for side in ("champion", "rival")])
    timed = rows["latency_ms"].astype(float).tail(_NEWEST).dropna().groupby(who)
    return Tally(
        rows=len(rows),
        cut=start != first,
        answered={str(name): int(n) for name, n in who.value_counts().items()},
        errors={str(name): int(n) for name, n in errors.value_counts().items()},
        latency={str(name): (float(ms.quantile(0.5)), float(ms.quantile(0.99))) for name, ms in timed},
        to_pair=len(here),
        paired=int((_asked_about(here, "champion") & _asked_about(here, "rival")).sum()),
    )


def _who_answered(rows: pd.DataFrame, route: Route) -> pd.Series:
    """Where the challenger gave no answer the champion did; where that gave none, somebody else whose role is named."""
    own = rows["role"].isin(["champion", "challenger"])
    who = rows["champion"].where(own, rows["role"])
    who = who.mask((rows["role"] == "challenger") & rows["rival_decision"].notna(), rows["rival"])
    return who.replace({"previous": route.previous.sha256}) if route.previous else who


def _newest_from(problem: Problem, since: datetime, until: datetime) -> datetime:
    """`since`, or the later moment from which on at most `_AT_MOST` rows are logged, and at least half as many."""
    late, early, start = until, since, since
    for _ in range(50):  # half a century, halved to a microsecond
        rows = sum(predictions.answered(problem, since=start, until=until))
        if rows <= _AT_MOST and (start == since or rows >= _AT_MOST / 2):
            return start
        late, early = (late, start) if rows > _AT_MOST else (start, early)
        start = early + (late - early) / 2
    return late


def on_trial(route: Route) -> tuple[Served, Served] | None:
    """The model that served before, and the one that is on trial; None while none is."""
    old, new = (route.champion, route.challenger)
    if route.stage is Stage.PROBATION:
        old, new = (route.previous, route.champion)  # type: ignore[assignment]
    return (old, new) if old is not None and new is not None and route.stage in _STAGES else None


def evidence_of(problem: Problem, route: Route, *, since: datetime, now: datetime) -> Evidence:
    """Matured, labelled rows that both models scored, in prediction order, as the gates judge them."""
    pair = on_trial(route)
    assert pair is not None, "there is evidence while a model is on trial"
    start = _newest_from(problem, since, now - problem.framing.maturity)
    rows = predictions.cohort(problem, since=start, now=now, rollout=route.rollout, stages=_STAGES[route.stage])
    rows = rows[_asked_about(rows, "champion") & _asked_about(rows, "rival") & rows["label"].notna()]
    gain = _gain(rows, pair[0], problem.framing, forgiving=route.stage is Stage.PROBATION)
    return Evidence(_path(gain, problem.rollout.alpha), len(gain), start != since)


def _asked_about(rows: pd.DataFrame, side: str) -> pd.Series:
    return rows[f"{side}_decision"].notna() | rows[f"{side}_error"].notna()


def _gain(rows: pd.DataFrame, old: Served, framing: Framing, *, forgiving: bool) -> np.ndarray:
    """Loss of the model that served before, minus that of the one on trial, a row."""
    champion, rival = (_loss(rows, side, framing) for side in ("champion", "rival"))
    before = (rows["champion"] == old.sha256).to_numpy()
    # In probation, where the previous champion gives no score it speaks neither for nor against the new one.
    silent = np.where(before, rows["champion_decision"].isna(), rows["rival_decision"].isna())
    return np.where(silent & forgiving, 0.0, np.where(before, champion - rival, rival - champion))


def _loss(rows: pd.DataFrame, side: str, framing: Framing) -> np.ndarray:
    """As the gates see it: a row on which the model raised counts as wholly wrong."""
    said = scoring.logged(rows[f"{side}_score"], rows[f"{side}_decision"], framing)
    loss = scoring.row_loss(said, rows["label"].to_numpy(dtype=float), framing)
    return np.where(np.isnan(said.decision), 1.0, loss)


def _path(gain: np.ndarray, alpha: float) -> tuple[tuple[float, float, float, float], ...]:
    seen, points = RunningAverage(), []
    for part in np.array_split(gain, min(len(gain), _POINTS)) if len(gain) else ():
        seen = seen.update(part)
        points.append((seen.n, *seen.interval(alpha)))
    return tuple(points)


def evidence(view: "View") -> str:
    """The paired difference of losses as a plot, or why there is none yet."""
    route, since = view.route, view.began
    if route is None or on_trial(route) is None:
        return "<p>No model is on trial, so there is nothing to compare.</p>"
    if since is None and view.known.away:
        return missing("the evidence: the ledger says when the rollout began, and it cannot be read", view.known.away)
    if since is None:
        return "<p>The ledger speaks of another rollout than the route; the gateway follows it soon.</p>"
    known = view.read("evidence", lambda: evidence_of(view.problem, route, since=since, now=view.now))
    if known.value is None:
        return missing("the evidence: the prediction log cannot be read", known.away)
    if not known.value.points:
        return _none_yet(view, route)
    old, new = ("previous", "new champion") if route.stage is Stage.PROBATION else ("champion", "challenger")
    axis = f"loss of the {old} − loss of the {new} (loss a row); above zero the {new} is better"
    told = _told(view, route, known.value)
    svg = picture(known.value, margin=view.problem.framing.margin, axis=axis, told=told)
    return f'<figure>{svg}<figcaption class="small">{escape(told)}</figcaption></figure>'


def _none_yet(view: "View", route: Route) -> str:
    young, known = span(view.problem.framing.maturity.total_seconds()), view.tally(route).value
    so_far = f" So far {known.paired:,} rows of {route.stage} are scored by both." if known else ""
    return (
        f"<p>No labelled rows that both models scored and that are older than {young}: "
        f"labels decide, and they are not there yet.{so_far}</p>"
    )


def _told(view: "View", route: Route, evidence: Evidence) -> str:
    """The picture in words, and what is asked of it."""
    _, low, mean, high = evidence.points[-1]
    said = f"Gain {signed(mean)} [{signed(low)}, {signed(high)}] a row over "
    if evidence.cut:
        return said + f"the newest {evidence.rows:,} rows; the gate judges all of them, and has another interval."
    said += f"{evidence.rows:,} rows; each end of the band holds at every look at once, "
    said += f"at level {view.problem.rollout.alpha:g}. "
    return said + _asked(view, route)


def _asked(view: "View", route: Route) -> str:
    margin = f"the margin, {signed(-view.problem.framing.margin, 4).rstrip('0')}"
    if route.stage is Stage.PROBATION:
        return f"The new champion fails once the whole band is under {margin}."
    if route.stage is not Stage.SHADOW:
        return "SHADOW judged this; now errors, assignment and traffic decide, and in AB the business effect."
    if view.state is None:
        return ""
    non_inferior = view.state.promotion is Promotion.NON_INFERIORITY
    return f"The challenger passes when the whole band is above {margin if non_inferior else 'zero'}."


def coverage(view: "View") -> str:
    """How many of the answered rows the model beside has scored."""
    route = view.route
    if route is None or on_trial(route) is None:
        return "<p>No model scores beside the answers.</p>"
    known = view.tally(route)
    if known.value is None:
        return missing("the coverage: the prediction log cannot be read", known.away)
    found, limit = known.value, view.problem.serving.shadow_dropped
    without = found.to_pair - found.paired
    share = without / found.to_pair if found.to_pair else 0.0
    whose = "by the challenger " if route.answers_a_share else ""
    judged = route.stage is Stage.SHADOW
    kind = ' class="bad"' if judged and share > limit else ""
    bound = f" (at most {percent(limit)})" if judged else ""
    return (
        f"<dl><dt>rows answered {whose}in {route.stage}</dt><dd>{found.to_pair:,}</dd>"
        f"<dt>scored by the other model too</dt><dd>{found.paired:,}</dd>"
        f"<dt>not scored{bound}</dt><dd{kind}>{without:,} ({percent(share)})</dd>"
        f"<dt>dropped by this gateway to keep up</dt><dd>{_dropped(view.signals):,.0f}</dd>"
        f"<dt>waiting in this gateway now</dt><dd>{view.worker.mirror.waiting:,}</dd></dl>"
    )


def _dropped(signals: "Signals") -> float:
    samples = (sample for metric in signals.shadow_dropped.collect() for sample in metric.samples)
    return sum(sample.value for sample in samples if sample.name.endswith("_total"))


def labelled(view: "View") -> str:
    """How many of the answered rows have their label, and how late it came."""
    known = view.read("labels", lambda: labels.coverage(view.problem, now=view.now))
    if known.value is None:
        return missing("the coverage: the prediction log cannot be read", known.away)
    orphans = known.value.get("orphans", {}).get("rows", 0.0)
    lines = [_of_role(role, of) for role, of in sorted(known.value.items()) if role != "orphans"]
    rows = (
        table(("answered by", "rows", "labelled", "mean lag"), lines, numeric=1)
        if lines
        else "<p>No row is logged.</p>"
    )
    return f'{rows}<p class="small">Of the whole log, the lag of matured rows. Labels of keys that nobody asked about: {orphans:,.0f}.</p>'


def _of_role(role: str, of: dict[str, float]) -> list[str]:
    lag = "–" if np.isnan(of["lag_days"]) else span(86_400 * of["lag_days"])
    share = of["labelled"] / of["rows"] if of["rows"] else 0.0
    return [role, f"{of['rows']:,.0f}", f"{of['labelled']:,.0f} ({percent(share)})", lag]
