"""What was answered to each request, by whom, and what turned out to be true? Both append-only."""

import json
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from schemas.problem import Problem
from schemas.rows import SCORED, State
from schemas.settings import Settings
from tasks.database import open_database
from tasks.scoring import Answers, class_indices

__all__ = ["BACKFILL", "answered", "as_logged", "cohort", "decided", "log", "log_labels", "served"]

# The stage of rows from before a model that scored them was done with training: answered, and no evidence about anything.
BACKFILL = "BACKFILL"
# What verdicts are made of; the rest is for people.
_JUDGED = [
    "key",
    "event_time",
    "entity",
    "stage",
    "role",
    "probability",
    "champion",
    "champion_score",
    "champion_decision",
    "champion_error",
    "rival",
    "rival_score",
    "rival_decision",
    "rival_error",
    "latency_ms",
    "answer_decision",
    "propensity",
    "explored",
]
_UNDRAWN: dict[str, Any] = {"propensity": sa.literal(1.0), "explored": sa.false()}
_PREDICTIONS = sa.table("predictions", *(sa.column(name) for name in (*SCORED, "request")))
_LABELS = sa.table("labels", *(sa.column(name) for name in ("problem", "key", "label", "known_at")))


def log(problem: Problem, state: State, frame: pd.DataFrame, answers: Answers) -> int:
    """Log one scored batch in one transaction; a row that is there already stays as it is. Returns rows given."""
    columns = as_logged(problem, state, frame, answers)
    return _insert(_PREDICTIONS, [dict(zip(SCORED, row, strict=True)) for row in zip(*columns.values(), strict=True)])


def as_logged(problem: Problem, state: State, frame: pd.DataFrame, answers: Answers) -> dict[str, list[Any]]:
    """One scored batch as the log keeps it: its columns, in the order of SCORED."""
    rival = state.challenger or (state.previous if answers.rival is not None else None)
    framing, n = problem.framing, len(frame)
    none = [None] * n
    columns: dict[str, list[Any]] = {
        "problem": [problem.name] * n,
        "key": frame[framing.key].astype(str).tolist(),
        "event_time": _microseconds(frame[framing.event_time]),
        "entity": frame[framing.entity or framing.key].astype(str).tolist(),
        "rollout": [state.rollout] * n,
        "epoch": [state.epoch] * n,
        "stage": [str(state.stage)] * n,
        "role": np.where(answers.by_rival, "challenger", "champion").tolist(),
        "probability": [answers.probability] * n,
        "champion": [state.champion.sha256 if state.champion else ""] * n,
        "rival": [rival.sha256 if rival else None] * n,
        "champion_score": _scalar(answers.champion.score),
        "champion_decision": _nullable(answers.champion.decision),
        "champion_error": answers.champion.errors.tolist(),
        "rival_score": _scalar(answers.rival.score) if answers.rival else none,
        "rival_decision": _nullable(answers.rival.decision) if answers.rival else none,
        "rival_error": answers.rival.errors.tolist() if answers.rival else none,
        "answer_score": _scalar(answers.score),
        "answer_decision": _nullable(answers.decision),
        "latency_ms": none,
        "champion_scores": _lists(answers.champion.score),
        "rival_scores": _lists(answers.rival.score) if answers.rival else none,
        "answer_scores": _lists(answers.score),
        "propensity": [1.0] * n if answers.propensity is None else answers.propensity.tolist(),
        "explored": [False] * n if answers.explored is None else answers.explored.tolist(),
    }
    return {name: columns[name] for name in SCORED}


def log_labels(problem: Problem, labels: pd.DataFrame) -> int:
    """Log labels (columns key, label, known_at) with the time each became known. Returns rows logged: a label that is none
    of the framing's classes is left out, and its row counts among those without a label."""
    numbers = class_indices(labels["label"], problem.framing)
    known = ~np.isnan(numbers)
    labels = labels[known]
    values = zip(
        labels["key"].astype(str),
        numbers[known].tolist(),
        _microseconds(labels["known_at"]),
        strict=True,
    )
    return _insert(_LABELS, [{"problem": problem.name, "key": k, "label": y, "known_at": t} for k, y, t in values])


def cohort(
    problem: Problem,
    *,
    since: datetime,
    now: datetime,
    rollout: int | None = None,
    stages: tuple[str, ...] = (),
    matured: bool = True,
    with_labels: bool = True,
    before: datetime | None = None,
) -> pd.DataFrame:
    """Logged rows from `since` on, in prediction order, with the label known at `now` (nan where none is).

    `matured` keeps rows older than the maturity window only: rows labelled so far are a biased sample, since which
    labels come early depends on what they are. `before` leaves out later rows, and no label.
    """
    until = now - problem.framing.maturity if matured else now
    until = until if before is None else min(until, before)
    wanted = sa.select(*(_stored(problem, name) for name in _JUDGED)).where(
        _PREDICTIONS.c.problem == problem.name,
        _PREDICTIONS.c.event_time >= _moment(since),
        _PREDICTIONS.c.event_time < _moment(until),
    )
    if rollout is not None:
        wanted = wanted.where(_PREDICTIONS.c.rollout == rollout)
    if stages:
        wanted = wanted.where(_PREDICTIONS.c.stage.in_(stages))
    else:
        wanted = wanted.where(_PREDICTIONS.c.stage != BACKFILL)
    # A client may ask about one key several times; its first answer is the one that the label judges.
    wanted = wanted.order_by(_PREDICTIONS.c.event_time, _PREDICTIONS.c.key, _PREDICTIONS.c.request)
    with _engine().connect() as connection:
        rows = pd.DataFrame(connection.execute(wanted).all(), columns=_JUDGED)
    rows = _read(problem, rows.drop_duplicates("key", ignore_index=True))
    rows = rows.assign(event_time=pd.to_datetime(rows["event_time"], unit="us", utc=True))
    if not with_labels:
        return rows
    return rows.assign(label=rows["key"].map(_labels(problem, since=since, now=now)).astype(float))


def decided(problem: Problem, *, since: datetime, until: datetime) -> pd.DataFrame:
    """How each request of the time was decided, by key (the index): columns answer_decision, propensity, explored, stage."""
    wanted = ("key", "answer_decision", "propensity", "explored", "stage")
    query = sa.select(*(_stored(problem, name) for name in wanted)).where(
        _PREDICTIONS.c.problem == problem.name,
        _PREDICTIONS.c.event_time >= _moment(since),
        _PREDICTIONS.c.event_time < _moment(until),
    )
    query = query.order_by(_PREDICTIONS.c.event_time, _PREDICTIONS.c.key, _PREDICTIONS.c.request)
    with _engine().connect() as connection:
        rows = pd.DataFrame(connection.execute(query).all(), columns=list(wanted))
    return _read(problem, rows.drop_duplicates("key")).set_index("key")


def served(problem: Problem, *, since: datetime, until: datetime) -> pd.DataFrame:
    """Every answered row of the time: columns key, event_time, champion, answer_score, answer_decision."""
    wanted = ("key", "event_time", "champion", "answer_score", "answer_decision")
    columns = [_stored(problem, name) for name in wanted]
    query = sa.select(*columns).where(
        _PREDICTIONS.c.problem == problem.name,
        _PREDICTIONS.c.event_time >= _moment(since),
        _PREDICTIONS.c.event_time < _moment(until),
    )
    with _engine().connect() as connection:
        rows = pd.DataFrame(connection.execute(query.order_by(_PREDICTIONS.c.event_time)).all())
    rows = _read(problem, rows)
    return rows.assign(event_time=pd.to_datetime(rows["event_time"], unit="us", utc=True)) if len(rows) else rows


def answered(problem: Problem, *, since: datetime, until: datetime) -> tuple[int, int]:
    """Rows logged in the time by event time: how many got an answer, and how many got none."""
    query = sa.select(sa.func.count(), sa.func.count(_PREDICTIONS.c.answer_decision)).where(
        _PREDICTIONS.c.problem == problem.name,
        _PREDICTIONS.c.event_time >= _moment(since),
        _PREDICTIONS.c.event_time < _moment(until),
    )
    with _engine().connect() as connection:
        rows, finite = connection.execute(query).one()
    return int(finite), int(rows - finite)


def _labels(problem: Problem, *, since: datetime, now: datetime) -> pd.Series:
    """The newest label of each key that was known before `now`."""
    # A label is known after its event, so none of the wanted rows was labelled before `since`.
    query = (
        sa.select(_LABELS.c.key, _LABELS.c.label)
        .where(
            _LABELS.c.problem == problem.name,
            _LABELS.c.known_at >= _moment(since),
            _LABELS.c.known_at < _moment(now),
        )
        .order_by(_LABELS.c.known_at)
    )
    with _engine().connect() as connection:
        found = connection.execute(query).tuples().all()
    return pd.Series(dict(found), dtype=float)


def _insert(table: sa.TableClause, rows: list[dict[str, Any]]) -> int:
    if not rows:
        return 0
    engine = _engine()
    dialect = postgresql if engine.dialect.name == "postgresql" else sqlite
    # A row that is there already stays; a breach of any other rule is an error on both engines.
    statement = dialect.insert(table).on_conflict_do_nothing()
    with engine.begin() as connection:
        connection.execute(statement, rows)
    return len(rows)


def _engine() -> sa.Engine:
    return open_database(Settings().log, "log")


def _moment(value: datetime) -> int:
    return round(value.timestamp() * 1_000_000)


def _microseconds(times: pd.Series) -> list[int]:
    naive = times.dt.tz_convert("UTC").dt.tz_localize(None).astype("datetime64[us]")
    return [int(value) for value in naive.astype("int64")]


def _scalar(score: np.ndarray) -> list[float | None]:
    """A score a row; of several classes the probability of the likeliest, and all of them beside it."""
    return _nullable(score if score.ndim == 1 else score.max(axis=1))


def _stored(problem: Problem, name: str) -> sa.ColumnElement[Any]:
    """The column behind `name`: of several classes a score is the list of them. Nothing said of a draw: there was none."""
    if name in _UNDRAWN:
        return sa.func.coalesce(_PREDICTIONS.c[name], _UNDRAWN[name]).label(name)
    if problem.framing.task == "multiclass" and name.endswith("_score"):
        return _PREDICTIONS.c[f"{name}s"].label(name)
    return _PREDICTIONS.c[name]


def _read(problem: Problem, rows: pd.DataFrame) -> pd.DataFrame:
    """Lists of scores as arrays, and what SQLite keeps as 0 and 1 as the truth it is."""
    if "explored" in rows:
        rows = rows.assign(explored=rows["explored"].astype(bool))
    if problem.framing.task != "multiclass":
        return rows
    scores = [name for name in rows if name.endswith("_score")]
    return rows.assign(**{name: rows[name].map(_list, na_action="ignore") for name in scores})


def _lists(score: np.ndarray) -> list[str | None]:
    if score.ndim == 1:
        return [None] * len(score)
    return [None if np.isnan(row).any() else json.dumps(row.tolist()) for row in score]


def _list(text: str) -> np.ndarray:
    return np.array(json.loads(text))


def _nullable(values: np.ndarray) -> list[float | None]:
    return [None if v != v else v for v in values.tolist()]
