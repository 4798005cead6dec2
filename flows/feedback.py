"""What do the model's own decisions make of the data it is judged and trained on? Drawn decisions are what shows it."""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd

from flows.selective import chances
from flows.turn import Turn
from flows.window import champion_of, closed_window, valid_rows
from schemas.errors import told
from schemas.problem import Problem
from schemas.rows import Model
from tasks import ledger, predictions, scoring, served, snapshots, windows
from tasks.stats import MadeByDecisions, corrected_mean, made_by_decisions, selection_gap

__all__ = ["Loop", "feedback", "loop_of", "report"]

_ALPHA = 0.025  # each end: 95 % between them
_FEWEST = 10  # drawn rows under which a mean of theirs says nothing
_LEVELS = 10  # of a category, its most frequent ones
_ROWS = 50_000  # of a window whose features are looked at
OVERRIDE = "OVERRIDE"  # rows that an operator routed


@dataclass(frozen=True)
class Loop:
    """The loop in one window, in sentences and as numbers."""

    said: list[str] = field(default_factory=list)
    numbers: dict[str, Any] = field(default_factory=dict)


def feedback(turn: Turn) -> dict[str, Any]:
    """The notes of a closed window: `feedback` with what was said and its numbers. Empty where no window closed, and where
    nothing is explored and every row gets its label: then nothing can be told, or nothing need be. Never raises."""
    problem, window = turn.problem, closed_window(turn)
    if window is None or not (problem.serving.explore or problem.framing.labelled_when is not None):
        return {}
    span = max(problem.monitoring.decay_window, problem.monitoring.window)
    try:
        loop = loop_of(problem, champion_of(turn), window, now=turn.now, span=span)
    except Exception as error:
        return {"feedback": {"said": f"the loop could not be measured: {told(error)}"}}
    return {"feedback": {"said": "; ".join(loop.said), **loop.numbers}}


def report(problem: Problem, now: datetime, span: timedelta) -> tuple[list[str], dict[str, Any]]:
    """The screen's lines and their numbers: matured rows of the newest `span`, features of the newest window."""
    now = windows.aware(now, "now")
    state = ledger.state_of(problem.name)
    if not problem.serving.explore and problem.framing.labelled_when is None:
        said = (
            f"{problem.name} explores nothing: what its model's decisions make of its data cannot be told apart from what the "
            "world does. ServingPlan(explore=0.02) draws a fiftieth of the decisions."
        )
        return [said], {"said": [said]}
    window = (now - problem.monitoring.window, now)
    loop = loop_of(problem, state.champion, window, now=now, span=span)
    return loop.said, {"said": loop.said, **loop.numbers}


def loop_of(
    problem: Problem, champion: Model | None, window: tuple[datetime, datetime], *, now: datetime, span: timedelta
) -> Loop:
    """Labels of the newest matured `span`, scores and features of the `window`: where a decision was drawn, and elsewhere."""
    loop = Loop()
    until = now - problem.framing.maturity
    matured = _evidence(predictions.cohort(problem, since=until - span, now=now))
    newest = _evidence(predictions.cohort(problem, since=window[0], now=window[1], matured=False, with_labels=False))
    _count(problem, loop, newest)
    reference = _reference(problem, champion)
    if problem.framing.labelled_when is not None:
        _selection(problem, loop, matured)
    else:
        _outcome(problem, loop, matured, reference)
    _price(problem, loop, matured)
    _inputs(problem, loop, newest, reference, window)
    return loop


def _evidence(rows: pd.DataFrame) -> pd.DataFrame:
    """What was decided by the plan, and not by an operator's hand nor by nobody."""
    return rows[(rows["stage"] != OVERRIDE) & rows["answer_decision"].notna()]


def _count(problem: Problem, loop: Loop, rows: pd.DataFrame) -> None:
    """How many were drawn, against how many should have been: whether the draw itself is sound."""
    drawn = int(rows["explored"].sum())
    loop.numbers.update(rows=len(rows), explored=drawn, expected=round(problem.serving.explore * len(rows), 1))
    loop.said.append(f"{drawn:,} of {len(rows):,} decisions were drawn ({problem.serving.explore:.1%} by the plan)")


def _selection(problem: Problem, loop: Loop, rows: pd.DataFrame) -> None:
    """Labels that only some decisions show: what taking labelled rows for all is wrong by."""
    when = problem.framing.labelled_when
    chance, decision = chances(problem, rows), rows["champion_decision"].to_numpy(dtype=float)
    labelled = (
        rows["label"].notna().to_numpy() & (rows["answer_decision"] == problem.framing.labelled_decision).to_numpy()
    )
    if not labelled.any() or problem.framing.task != "binary":
        loop.said.append(f"labels are seen of rows decided {when!r} alone, and {int(labelled.sum()):,} have matured")
        return
    kwargs: dict[str, Any] = {
        "decision": np.nan_to_num(decision, nan=-1.0),
        "clusters": _clusters(problem, rows),
        "alpha": _ALPHA,
    }
    label = rows["label"].to_numpy(dtype=float)
    found = corrected_mean(label, labelled, chance, **kwargs)
    gap = selection_gap(label, labelled, chance, **kwargs)
    naive = float(label[labelled].mean())
    loop.numbers["label"] = {
        "labelled": naive,
        "corrected": [found.low, found.estimate, found.high],
        "gap": list(gap),
        "effective": found.effective,
        "unsupported": found.unsupported,
    }
    loop.said.append(
        f"positives are {naive:.2%} of the {found.labelled:,} labelled rows and {found.estimate:.2%} [{found.low:.2%}, "
        f"{found.high:.2%}] of all {found.rows:,}: {_points(gap)} is what the model let be seen"
    )
    if found.unsupported > problem.rollout.unlabelled:
        loop.said.append(
            f"{found.unsupported:.0%} of the rows had no chance of a label: of them nothing is known, and the interval allows "
            "for anything"
        )


def _outcome(problem: Problem, loop: Loop, rows: pd.DataFrame, reference: pd.DataFrame | None) -> None:
    """Every row gets its label: what the decisions do to it, and how much of its change since training that is."""
    rows, target = rows[rows["label"].notna()], problem.framing.target
    drawn = rows["explored"].to_numpy(dtype=bool)
    if min(drawn.sum(), (~drawn).sum()) < _FEWEST or problem.framing.task == "multiclass":
        loop.said.append(f"{int(drawn.sum()):,} drawn rows have matured, too few to tell what decisions do to labels")
        return
    before = None
    if reference is not None and target in reference:
        before = scoring.class_indices(reference[target].dropna(), problem.framing)
    label = rows["label"].to_numpy(dtype=float)
    found = _compared(problem, rows, label, before, alpha=_ALPHA)
    loop.numbers["label"] = _as_numbers(found)
    loop.said.append(
        f"the mean label is {found.decided:.4g} where the model decided and {found.held_back:.4g} where "
        f"decisions were drawn: {_signed(found.effect)} is its own work{_of_change(found)}"
    )


def _price(problem: Problem, loop: Loop, rows: pd.DataFrame) -> None:
    """What the drawn decisions cost: loss a drawn row over what the model's own decision would have had."""
    rows = rows[rows["explored"].astype(bool) & rows["label"].notna() & rows["champion_decision"].notna()]
    if rows.empty or problem.framing.loss.kind not in ("cost", "matrix"):
        return
    label, framing = rows["label"].to_numpy(dtype=float), problem.framing
    score = rows["champion_score"]
    out, own = (
        scoring.row_loss(scoring.logged(score, rows[name], framing), label, framing).sum()
        for name in ("answer_decision", "champion_decision")
    )
    loop.numbers["price"] = float(out - own)
    loop.said.append(f"the {len(rows):,} drawn decisions cost {out - own:+.2f} in losses against the model's own")


def _inputs(
    problem: Problem,
    loop: Loop,
    rows: pd.DataFrame,
    reference: pd.DataFrame | None,
    window: tuple[datetime, datetime],
) -> None:
    """Scores and features where decisions were drawn, and elsewhere, in standard deviations; by the smallest p that counts."""
    drawn = rows["explored"].to_numpy(dtype=bool)
    if min(drawn.sum(), (~drawn).sum()) < _FEWEST:
        return
    columns = _numeric(_features(problem, rows, window), reference, problem.personal)
    if problem.framing.task != "multiclass":
        columns["score"] = (rows["champion_score"].to_numpy(dtype=float), None)
    alpha = _ALPHA / max(len(columns), 1)
    moved: dict[str, MadeByDecisions] = {}
    for name, (values, before) in columns.items():
        whole = np.isfinite(values)
        if min((drawn & whole).sum(), (~drawn & whole).sum()) < _FEWEST or np.ptp(values[whole]) == 0:
            continue
        scale = float(values[whole].std())
        found = _compared(
            problem, rows[whole], values[whole] / scale, None if before is None else before / scale, alpha=alpha
        )
        if name == "score":
            loop.numbers["score"] = _as_numbers(found)
        if found.effect[0] > 0 or found.effect[2] < 0:
            moved[name] = found
    loop.numbers["moved"] = {name: _as_numbers(found) for name, found in moved.items()}
    loop.numbers["looked at"] = len(columns)
    if not moved:
        loop.said.append(f"none of {len(columns)} features and scores is moved by the model's decisions beyond chance")
        return
    worst = max(moved, key=lambda name: abs(moved[name].effect[1]))
    loop.said.append(
        f"the model's decisions move {', '.join(sorted(moved))}; {worst} most, by "
        f"{_signed(moved[worst].effect)} standard deviations{_of_change(moved[worst])}"
    )


def _compared(
    problem: Problem, rows: pd.DataFrame, values: np.ndarray, before: np.ndarray | None, *, alpha: float
) -> MadeByDecisions:
    drawn, whose = rows["explored"].to_numpy(dtype=bool), _clusters(problem, rows)
    return made_by_decisions(
        values[~drawn],
        values[drawn],
        before if before is not None and len(before) > 1 else None,
        alpha=alpha,
        decided_by=None if whose is None else whose[~drawn],
        held_back_by=None if whose is None else whose[drawn],
    )


def _clusters(problem: Problem, rows: pd.DataFrame) -> np.ndarray | None:
    """Whose row each is, where entities are drawn as a whole or repeat: their rows are one piece of evidence."""
    return None if problem.framing.entity is None else rows["entity"].to_numpy()


def _reference(problem: Problem, champion: Model | None) -> pd.DataFrame | None:
    """What the champion was trained on; None of a rule, or where its file is gone."""
    if champion is None or not champion.snapshot:
        return None
    framing = problem.framing
    return snapshots.columns(problem.name, champion.snapshot, [framing.target, *problem.recipe.features])


def _features(problem: Problem, rows: pd.DataFrame, window: tuple[datetime, datetime]) -> pd.DataFrame:
    """The recipe's features of the rows, in their order; nan where a row's are not known."""
    if problem.serving.answered_by == "gateway":
        asked = served.served_features(problem, *window, n=_ROWS).rename(columns={"served_key": "key"})
    else:
        asked = valid_rows(problem, *window)
        asked = asked.assign(key=asked[problem.framing.key].astype(str))
    names = [name for name in problem.recipe.features if name in asked]
    return asked.drop_duplicates("key").set_index("key")[names].reindex(rows["key"].astype(str))


def _numeric(
    asked: pd.DataFrame, reference: pd.DataFrame | None, personal: Collection[str]
) -> dict[str, tuple[np.ndarray, np.ndarray | None]]:
    """Each feature as numbers, with those of the reference: of a category, whether it is each of its frequent values, which
    of a personal one are not named."""
    found: dict[str, tuple[np.ndarray, np.ndarray | None]] = {}
    for name, column in asked.items():
        before = None if reference is None or name not in reference else reference[name].dropna()
        if pd.api.types.is_numeric_dtype(column):
            found[str(name)] = (column.to_numpy(dtype=float), None if before is None else before.to_numpy(dtype=float))
        elif not pd.api.types.is_datetime64_any_dtype(column):
            for place, level in enumerate(column.value_counts().index[:_LEVELS], start=1):
                is_it = np.where(column.isna(), np.nan, (column == level).to_numpy(dtype=float))
                was = None if before is None else (before == level).to_numpy(dtype=float)
                named = f"{name}, its value {place}" if name in personal else f"{name}={level}"
                found[named] = (is_it, was)
    return found


def _as_numbers(found: MadeByDecisions) -> dict[str, Any]:
    return {
        "decided": found.decided,
        "held back": found.held_back,
        "effect": list(found.effect),
        "change": list(found.change) if found.change else None,
        "share": list(found.share) if found.share else None,
    }


def _of_change(found: MadeByDecisions) -> str:
    if found.share is None or found.change is None:
        return ""
    low, share, high = found.share
    return f", {share:.0%} [{low:.0%}, {high:.0%}] of its change of {found.change[1]:+.3g} since training"


def _signed(interval: tuple[float, float, float]) -> str:
    return f"{interval[1]:+.3g} [{interval[0]:+.3g}, {interval[2]:+.3g}]"


def _points(interval: tuple[float, float, float]) -> str:
    return f"{interval[1]:+.1%} [{interval[0]:+.1%}, {interval[2]:+.1%}]"
