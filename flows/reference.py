"""What was the champion trained on, and how did the problem's own windows look beside it? Counted once, and remembered."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd

from flows.counting import counted, slices_of, with_scores
from flows.turn import Turn, seed_of
from flows.window import reference_span
from schemas.plans import Reason
from schemas.problem import Problem
from schemas.rows import Model
from schemas.stage import Stage
from tasks import contracts, ledger, monitoring, registry, runs, scoring, windows
from tasks.effects import effects
from tasks.held_against import Reference, Window, window_from_json, window_to_json
from tasks.profiles import Column, freeze_profile, merged, profile_from_json, profile_to_json, watched

__all__ = ["Past", "freeze", "keep", "past_of", "regime_of"]

_FORMAT = 2  # of what is stored; what an earlier one wrote is made anew from the same rows
_MOST = 400  # windows that are remembered, and blocks; the newest
_BINNED_ROWS, _SCORED_ROWS, _EFFECT_ROWS = 200_000, 50_000, 2_000  # that bins, scores' bins and effects are found on
log = logging.getLogger("perennial")

Stored = dict[str, Any]


class Past:
    """What is remembered of one champion: its frozen reference, and the problem's own windows outside its training rows."""

    def __init__(self, turn: Turn, model: Model, stored: Stored) -> None:
        self.turn, self.model, self.stored = turn, model, stored
        frozen = stored["reference"]
        self.start, self.until = (datetime.fromisoformat(frozen[name]) for name in ("from", "until"))
        blocks = [window_from_json(start, one) for start, one in sorted(frozen["blocks"].items())]
        self.reference = Reference(profile_from_json(frozen["columns"]), blocks, frozen["effects"])

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
            found = counted(turn.problem, self.reference.columns, self._champion(), first, n, span=span)
            for at in (first + place * span for place in range(n)):
                known[at.isoformat()] = window_to_json(Window(at, found.get(at, {})))
            self.save()
        self.stored["windows"] = {one.isoformat(): known[one.isoformat()] for one in wanted}
        kept = [window_from_json(at, one) for at, one in self.stored["windows"].items()]
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
    if stored is None or not _fits(problem, stored.get("reference", {})):
        frozen = runs.read_profile(problem, model)
        if frozen is None or not _fits(problem, frozen):
            frozen = freeze(turn, model, registry.load(problem, model))
            runs.keep_profile(problem, model, frozen)
        stored = {"reference": frozen, "windows": {}}
        monitoring.remember(problem.name, model.sha256, stored)
    return Past(turn, model, stored)


def _fits(problem: Problem, frozen: Stored) -> bool:
    """Written in today's format, and with blocks as long as the plan's windows are."""
    return frozen.get("format") == _FORMAT and frozen["window"] == problem.monitoring.window.total_seconds()


def keep(turn: Turn, model: Model, estimator: Any) -> None:
    """Freeze what a new challenger was trained on, and store it with its run. A challenger is not refused for it: what could
    not be frozen now is tried again when its first window closes."""
    try:
        frozen = freeze(turn, model, estimator)
        runs.keep_profile(turn.problem, model, frozen)
        stored = {"reference": frozen, "windows": {}}
        monitoring.remember(turn.problem.name, model.sha256, stored)
    except Exception:
        log.exception("the reference of %s could not be frozen", model)


def freeze(turn: Turn, model: Model, estimator: Any) -> Stored:
    """The reference of `model` as JSON: bins and counts of features, scores, labels and slices over its training rows (of a
    rule, over the weeks before it began to serve), the same by blocks of a window's length, and the effect of each feature."""
    problem, plan = turn.problem, turn.problem.monitoring
    start, until = _span(turn, model)
    known = min(until + problem.framing.maturity, turn.now)  # no label is used before it was known
    sample, _ = windows.read_sample(problem, start, until, as_of=known, at_most=_BINNED_ROWS)
    rows = contracts.check(problem, sample).valid
    columns, labels = _binned(turn, estimator, rows)
    n = max((until - start) // plan.window, 0)
    first = until - n * plan.window
    # The rows before the oldest whole block are no block, and of the reference: one more window, which the start cuts.
    blocks = counted(problem, columns, estimator, first - plan.window, n + 1, span=plan.window, since=start)
    whole = merged(blocks.values())
    newest = {at: counts for at, counts in blocks.items() if at >= max(first, until - _MOST * plan.window)}
    columns = {
        name: replace(column, counts=whole.get(name, column.counts)) for name, column in columns.items()
    } | labels
    features = [name for name, column in columns.items() if column.kind == "feature"]
    rng = np.random.default_rng(seed_of(turn))
    effect = effects(estimator, _some(turn, rows, _EFFECT_ROWS), problem.framing, features, rng=rng)
    regime = regime_of(problem, before=known)
    return {
        "format": _FORMAT,
        "window": plan.window.total_seconds(),
        "from": start.isoformat(),
        "until": until.isoformat(),
        "regime": regime.isoformat() if regime else None,
        "effects": {name: float(f"{value:.12g}") for name, value in effect.items()},
        "columns": profile_to_json(columns),
        "blocks": {at.isoformat(): window_to_json(Window(at, counts)) for at, counts in newest.items()},
    }


def _binned(turn: Turn, estimator: Any, rows: pd.DataFrame) -> tuple[dict[str, Column], dict[str, Column]]:
    """Frozen bins of features, scores and slices, and of labels, with the counts of these rows."""
    problem = turn.problem
    scored = with_scores(problem, estimator, _some(turn, rows, _SCORED_ROWS))
    scores = [name for name in scored if name == "score" or name.startswith("score ")]
    columns = freeze_profile(
        rows, watched(rows, list(getattr(estimator, "feature_names_in_", problem.recipe.features)))
    )
    columns |= freeze_profile(scored, scores, kind="score")
    columns |= slices_of(problem, scored, columns)
    label = pd.DataFrame({"label": scoring.class_indices(rows[problem.framing.target], problem.framing)})
    return columns, freeze_profile(label, ["label"], kind="label")


def regime_of(problem: Problem, *, before: datetime) -> datetime | None:
    """When the world last changed so that a retrain was called for: the first window that moved, as the ledger has it."""
    found = None
    for row in ledger.rows(problem.name):
        called = row.facts["before"] == str(Stage.HEALTHY) and row.facts["arrow"] == "FAIL"
        if called and row.facts["why"] == str(Reason.DRIFT) and datetime.fromisoformat(row.facts["at"]) <= before:
            said = row.notes.get("moved_since")
            found = (
                datetime.fromisoformat(said)
                if said
                else datetime.fromisoformat(row.facts["at"]) - problem.monitoring.window
            )
    return found


def _span(turn: Turn, model: Model) -> tuple[datetime, datetime]:
    """Whole seconds: windows are counted to the second."""
    start, until = reference_span(turn, model)
    return start.replace(microsecond=0), until.replace(microsecond=0)


def _some(turn: Turn, rows: pd.DataFrame, n: int) -> pd.DataFrame:
    return rows.sample(n=min(len(rows), n), random_state=seed_of(turn))


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
