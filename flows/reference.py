"""What was the champion trained on, and how did the problem's own windows look beside it? Counted once, and remembered."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd

from flows.turn import Turn, seed_of
from schemas.plans import Reason
from schemas.problem import Problem
from schemas.rows import Model
from schemas.stage import Stage
from tasks import contracts, engine_contracts, ledger, monitoring, registry, scoring, windows
from tasks.drifting import Reference, Window, window_from_json, window_to_json
from tasks.effects import effects
from tasks.engine_profiles import profile_windows
from tasks.engine_rules import UntranslatableError
from tasks.profiles import Column, Profile, count_frame, freeze_profile, merged, profile_from_json, profile_to_json, watched

__all__ = ["Past", "freeze", "keep", "past_of", "regime_of"]

_FORMAT = 2  # of what is stored; what an earlier one wrote is made anew from the same rows
_MOST = 400  # windows that are remembered, and blocks; the newest
_SCORED_ROWS = 3_000  # of a window that the champion scores anew: a share of them is known to one in fifty
_EFFECT_ROWS = 2_000
_SLICES, _SLICE_SHARE = 8, 0.05  # values of a declared column that are watched, and the share of rows they have at least
log = logging.getLogger("perennial")

Stored = dict[str, Any]


class Past:
    """What is remembered of one champion: its frozen reference, and the problem's own windows outside its training rows."""

    def __init__(self, turn: Turn, model: Model, stored: Stored) -> None:
        self.turn, self.model, self.stored = turn, model, stored
        frozen = stored["reference"]
        self.start, self.until = (datetime.fromisoformat(frozen[name]) for name in ("from", "until"))
        blocks = [window_from_json(start, one) for start, one in sorted(frozen["blocks"].items())]
        # Rows older than the oldest whole block count as rows of the reference, and as no window.
        columns = profile_from_json(frozen["columns"])
        self.reference = Reference(columns, blocks, frozen["effects"])

    def windows_before(self, start: datetime) -> tuple[list[Window], Window]:
        """The own windows before the one that began at `start`, in order, and that one; counted where they are not yet.

        Before the training rows they reach back as far as the plan's history, and no further than the last change of the
        world that the loop acted on: what was usual before it is not now. After them they tile the time up to `start`.
        """
        turn, span = self.turn, self.turn.problem.monitoring.window
        early, after = self._early(), _tiled(self.until, start, span)
        wanted = [*early, *after, start][-_MOST:]
        known = self.stored["windows"]
        for first, n in _runs([one for one in wanted if one.isoformat() not in known], span):
            found = counted(turn.problem, self.reference.columns, self._champion(), first, n)
            for at in (first + place * span for place in range(n)):
                known[at.isoformat()] = window_to_json(Window(at, found.get(at, {})))
            self.save()
        kept = [window_from_json(one.isoformat(), known[one.isoformat()]) for one in wanted]
        return kept[:-1], kept[-1]

    def unjudged(self, own: Sequence[Window]) -> list[int]:
        """Places of the windows after the training rows that nobody has judged yet."""
        known = self.stored["windows"]
        return [
            place
            for place, window in enumerate(own)
            if window.start >= self.until and not known[window.start.isoformat()].get("judged")
        ]

    def judged(self, window: Window) -> None:
        """Remember what was found of a window; the same window is judged the same again."""
        self.stored["windows"][window.start.isoformat()] = window_to_json(window) | {"judged": True}

    def save(self) -> None:
        monitoring.remember(self.turn.problem.name, self.model.sha256, self.stored)

    def _early(self) -> list[datetime]:
        plan, regime = self.turn.problem.monitoring, self.stored["reference"]["regime"]
        oldest = max(self.start - plan.history, windows.bounds(self.turn.problem)[0])
        oldest = max(oldest, datetime.fromisoformat(regime)) if regime else oldest
        return _tiled(oldest, self.start, plan.window)

    def _champion(self) -> Any:
        return registry.load(self.turn.problem, self.model)


def past_of(turn: Turn, model: Model) -> Past:
    """What is remembered of `model`: on disk here, or with its MLflow run, or made anew from its rows."""
    problem = turn.problem
    stored = monitoring.recall(problem.name, model.sha256)
    if stored is None or stored.get("format") != _FORMAT:
        frozen = registry.read_profile(problem, model)
        if frozen is None or frozen.get("format") != _FORMAT:
            frozen = freeze(turn, model, registry.load(problem, model))
            registry.keep_profile(problem, model, frozen)
        stored = {"format": _FORMAT, "reference": frozen, "windows": {}}
        monitoring.remember(problem.name, model.sha256, stored)
    return Past(turn, model, stored)


def keep(turn: Turn, model: Model, estimator: Any) -> None:
    """Freeze what a new challenger was trained on, and store it with its run. A challenger is not refused for it: what could
    not be frozen now is tried again when its first window closes."""
    try:
        frozen = freeze(turn, model, estimator)
        registry.keep_profile(turn.problem, model, frozen)
        stored = {"format": _FORMAT, "reference": frozen, "windows": {}}
        monitoring.remember(turn.problem.name, model.sha256, stored)
    except Exception:
        log.exception("the reference of %s could not be frozen", model)


def freeze(turn: Turn, model: Model, estimator: Any) -> Stored:
    """The reference of `model` as JSON: bins and counts of features, scores, labels and slices over its training rows (of a
    rule, over the weeks before it began to serve), the same by blocks of a window's length, and the effect of each feature."""
    problem, plan = turn.problem, turn.problem.monitoring
    start, until = _span(turn, model)
    known = until + problem.framing.maturity
    sample, _ = windows.read_sample(problem, start, until, as_of=known, at_most=_MOST * _SCORED_ROWS)
    rows = contracts.check(problem, sample).valid
    features = watched(rows, problem.recipe.features)
    scored = _with_scores(problem, estimator, rows.sample(n=min(len(rows), 60_000), random_state=seed_of(turn)))
    columns: dict[str, Column] = freeze_profile(rows, features)
    columns |= freeze_profile(scored, [name for name in scored if name.startswith("score")], kind="score")
    columns |= _slices(problem, scored, columns)
    label = pd.DataFrame({"label": scoring.class_indices(rows[problem.framing.target], problem.framing)})
    labels = freeze_profile(label, ["label"], kind="label")
    n = min(max((until - start) // plan.window, 0), _MOST)
    counts = counted(problem, columns, estimator, until - n * plan.window, n)
    if until - n * plan.window > start:
        counts[start] = _rest(problem, columns, estimator, start, until - n * plan.window)
    whole = merged(counts.values())
    columns = {name: replace(column, counts=whole.get(name, column.counts)) for name, column in columns.items()} | labels
    blocks = {at.isoformat(): window_to_json(Window(at, one)) for at, one in counts.items() if at != start or start == until - n * plan.window}
    few = rows.sample(n=min(len(rows), _EFFECT_ROWS), random_state=seed_of(turn))
    effect = effects(estimator, few, problem.framing, features, rng=np.random.default_rng(seed_of(turn)))
    regime = regime_of(problem, before=known)
    return {
        "format": _FORMAT,
        "from": start.isoformat(),
        "until": until.isoformat(),
        "regime": regime.isoformat() if regime else None,
        "effects": {name: float(f"{value:.12g}") for name, value in effect.items()},
        "columns": profile_to_json(columns),
        "blocks": blocks,
    }


def regime_of(problem: Problem, *, before: datetime) -> datetime | None:
    """When the world last changed so that a retrain was called for: the first window that moved, as the ledger has it."""
    found = None
    for row in ledger.rows(problem.name):
        called = row.facts["before"] == str(Stage.HEALTHY) and row.facts["arrow"] == "FAIL"
        if called and row.facts["why"] == str(Reason.DRIFT) and datetime.fromisoformat(row.facts["at"]) <= before:
            said = row.notes.get("moved_since")
            found = datetime.fromisoformat(said) if said else datetime.fromisoformat(row.facts["at"]) - problem.monitoring.window
    return found


def counted(
    problem: Problem, columns: Profile, champion: Any, first: datetime, n: int
) -> dict[datetime, dict[str, np.ndarray]]:
    """Counts of the `n` windows from `first` on, by their beginning: features of all their valid rows in the engine, scores of
    a part of them, the same each time. A window without a row is left out."""
    span = problem.monitoring.window
    if not n:
        return {}
    features = {name: column for name, column in columns.items() if column.kind == "feature"}
    table = windows.window_table(problem, first, first + n * span, as_of=first)
    try:
        valid = engine_contracts.check_table(problem, table).valid
        found = profile_windows(valid, problem.framing.event_time, features, origin=first, span=span)
    except UntranslatableError:  # one window may fit into a frame where all of them do not
        found = {}
        for at in (first + place * span for place in range(n)):
            rows = contracts.check(problem, windows.read_sample(problem, at, at + span, as_of=at)[0]).valid
            found |= {at: count_frame(features, rows)} if len(rows) else {}
    for at, rows in _sampled(problem, first, n):
        scores = count_frame(_scores_of(columns), _with_scores(problem, champion, rows, columns))
        found.setdefault(at, {}).update({name: _given(columns[name], counts) for name, counts in scores.items()})
    return found


def _span(turn: Turn, model: Model) -> tuple[datetime, datetime]:
    """Whole seconds: windows are counted to the second."""
    until = model.trained_until or turn.state.since or turn.now
    start = model.trained_from if model.trained_from and model.trained_until else until - turn.problem.monitoring.reference
    return start.replace(microsecond=0), until.replace(microsecond=0)


def _rest(problem: Problem, columns: Profile, champion: Any, start: datetime, end: datetime) -> dict[str, np.ndarray]:
    """Counts of the rows that are older than the oldest whole block."""
    longer = replace(problem, monitoring=problem.monitoring.model_copy(update={"window": end - start}))
    return counted(longer, columns, champion, start, 1).get(start, {})


def _sampled(problem: Problem, first: datetime, n: int) -> Iterable[tuple[datetime, pd.DataFrame]]:
    """The valid rows of a sample of the windows, window by window."""
    span, time = problem.monitoring.window, problem.framing.event_time
    rows, _ = windows.read_sample(problem, first, first + n * span, as_of=first, at_most=n * _SCORED_ROWS)
    valid = contracts.check(problem, rows).valid
    for place, part in valid.groupby((valid[time] - pd.Timestamp(first)) // span):
        yield first + int(place) * span, part


def _with_scores(
    problem: Problem, champion: Any, rows: pd.DataFrame, columns: Profile | None = None
) -> pd.DataFrame:
    """The rows' scores as columns: "score", or of classes "score CLASS"; the declared columns; and of the slices that
    `columns` has the score of their rows, of the likeliest class where there are several."""
    score = scoring.outputs(champion, rows, problem.framing).score
    plain = {"score": score} if score.ndim == 1 else {
        f"score {name}": score[:, at] for at, name in enumerate(problem.framing.classes)
    }
    frame = pd.DataFrame(plain).assign(likeliest=score if score.ndim == 1 else score.max(axis=1))
    frame = frame.assign(**{name: rows[name].astype(str).to_numpy() for name in _declared(problem)})
    slices = [name for name, column in (columns or {}).items() if column.kind == "slice"]
    found = {name: frame["likeliest"].where(frame[_column(name)] == _value(name)) for name in slices}
    return frame.assign(**found)


def _declared(problem: Problem) -> list[str]:
    """Columns whose values a report may show."""
    return [name for name in problem.framing.slices if name not in problem.personal]


def _slices(problem: Problem, scored: pd.DataFrame, columns: Mapping[str, Column]) -> dict[str, Column]:
    """The scores within the largest slices of each declared column."""
    found = {}
    for name in _declared(problem):
        shares = scored[name].value_counts(normalize=True).sort_index().sort_values(ascending=False, kind="stable")
        for value in shares[shares >= _SLICE_SHARE].index[:_SLICES]:
            inside = pd.DataFrame({f"slice {name}={value}": scored["likeliest"][scored[name] == value]})
            found |= freeze_profile(inside, list(inside), kind="slice")
    return found


def _column(name: str) -> str:
    return name.removeprefix("slice ").partition("=")[0]


def _value(name: str) -> str:
    return name.partition("=")[2]


def _scores_of(columns: Profile) -> dict[str, Column]:
    return {name: column for name, column in columns.items() if column.kind in ("score", "slice")}


def _given(column: Column, counts: np.ndarray) -> np.ndarray:
    """Rows of other slices are no missing scores of this one."""
    return np.append(counts[:-1], 0) if column.kind == "slice" else counts


def _tiled(start: datetime, end: datetime, span: timedelta) -> list[datetime]:
    """Beginnings of the windows that fit between the two, the last one up to `end`."""
    n = min(max((end - start) // span, 0), _MOST)
    return [end - place * span for place in range(n, 0, -1)]


def _runs(starts: Sequence[datetime], span: timedelta) -> list[tuple[datetime, int]]:
    """Windows that follow each other, as the first of them and how many."""
    runs: list[tuple[datetime, int]] = []
    for start in starts:
        if runs and runs[-1][0] + runs[-1][1] * span == start:
            runs[-1] = (runs[-1][0], runs[-1][1] + 1)
        else:
            runs.append((start, 1))
    return runs
