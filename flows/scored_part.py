"""What happens to one part of a request of many rows: where it runs, and in the flow's own process, which alone writes to the log?

A worker reads the part's rows, holds them to the contract, scores them under the request's route, and leaves a file. The flow's
process logs them, reads back what stands in the log, and writes that as the output's part: SQLite has one writer, and a worker
of another machine has no way to it; and what is given out is what is logged, to the bit. Each step is done again harmlessly,
and the next begins only when the one before is durable: killed anywhere, the part goes on from there.
"""

import json
from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from flows.turn import answers_of, serving
from schemas.errors import PerennialError
from schemas.framing import Framing
from schemas.problem import Problem, load_problem
from schemas.route import Route, Served
from schemas.rows import SCORED, Model, State
from tasks import batches, contracts, parts, predictions, registry
from tasks.answerers import answerers
from tasks.batches import Batch
from tasks.request_file import FAULT

__all__ = ["OUTPUT", "logged", "score_part"]

_TEXTS = ("problem", "key", "entity", "stage", "role", "champion", "rival", "version")
_WHOLE = ("event_time", "rollout", "epoch")
_ENDS = ("_error", "_scores")


def _kind(name: str) -> pa.DataType:
    if name in _TEXTS or name.endswith(_ENDS):
        return pa.string()
    if name in _WHOLE:
        return pa.int64()
    return pa.bool_() if name == "explored" else pa.float64()


_LOGGED = pa.schema([(name, _kind(name)) for name in (*SCORED, "version")])

# What a row of the output says. The same in every part, also where a column is null throughout.
OUTPUT = pa.schema(
    [
        ("key", pa.string()),
        ("score", pa.float64()),  # a probability or a prediction; of several classes that of the likeliest
        ("scores", pa.list_(pa.float64())),  # of several classes, in the framing's order
        ("decision", pa.float64()),  # 0 or 1, a class's index, or the prediction; null: nobody could answer
        ("class", pa.string()),  # of several classes: the name of the one decided for
        ("explored", pa.bool_()),  # the decision was drawn, as the plan's exploration asks
        ("version", pa.string()),  # MLflow's, of the model that answered
        ("model", pa.string()),  # its sha256
        ("role", pa.string()),  # champion, challenger, previous, heuristic, nobody
        ("stage", pa.string()),  # under which it was answered; BACKFILL: a model had seen rows of that time
        ("epoch", pa.int64()),  # of the route
        ("request", pa.string()),  # this one
        ("answered_by", pa.string()),  # this request, or who answered the row before: another, a turn, a gateway
    ]
)


def score_part(job: dict[str, Any]) -> dict[str, Any]:
    """One part where it runs: from its rows to a file of what both models say of each. Nothing is logged here."""
    scored = Path(job["scored"])
    if not scored.exists():
        problem = load_problem(job["problem"])
        frame = parts.read_frame(Path(job["rows"]))
        fault = frame.pop(FAULT)
        checked = contracts.check(problem, frame[fault.isna()])
        bad = pd.concat(
            [
                frame[fault.notna()].assign(reason=fault[fault.notna()].to_numpy()),
                checked.bad.assign(reason=checked.reasons.to_numpy()),
            ],
            ignore_index=True,
        )
        kept = contracts.quarantine_part(problem, bad, request=job["request"], part=job["part"])
        counts = Counter(fault.dropna().tolist()) + Counter(checked.counts)
        parts.put(scored, _scored(problem, job, checked.valid), {"faults": counts, "bad": len(bad), "kept": kept})
    return job


def _scored(problem: Problem, job: dict[str, Any], rows: pd.DataFrame) -> pa.Table:
    """The rows as the log is to keep them."""
    route = Route.from_json(job["route"])
    state = _state(route)
    champion, rival = serving(problem, state)
    columns = predictions.as_logged(problem, state, rows, answers_of(problem, state, rows, champion, rival))
    if job["seen_until"]:
        # A model may have been trained on rows of that time: they are answered, and judge nobody.
        seen = rows[problem.framing.event_time] < datetime.fromisoformat(job["seen_until"])
        columns["stage"] = np.where(seen, predictions.BACKFILL, columns["stage"]).tolist()
    versions = {one.sha256: one.version for one in (route.champion, route.rival) if one is not None}
    told = answerers(pd.DataFrame({name: columns[name] for name in _ANSWERED}, dtype=object))
    columns["version"] = [versions.get(model) for model in told["model"]]
    return pa.table({name: columns[name] for name in _LOGGED.names}, schema=_LOGGED)


_ANSWERED = ("role", "champion", "rival", "champion_decision", "rival_decision", "answer_decision")


def _state(route: Route) -> State:
    """As much of the ledger's state as answering needs."""

    def model(served: Served | None) -> Model | None:
        return Model(served.sha256, served.version, served.name) if served else None

    return State(
        route.problem,
        stage=route.stage,
        share=route.share,
        rollout=route.rollout,
        epoch=route.epoch,
        champion=model(route.champion),
        challenger=model(route.challenger),
        previous=model(route.previous),
    )


def logged(problem: Problem, batch: Batch, job: dict[str, Any]) -> dict[str, Any]:
    """Log a scored part, and write the output's part from what stands in the log then. Returns its notes."""
    scored, output = Path(job["scored"]), Path(job["output"])
    standing = batches.log_part(batch, parts.read(scored).to_pylist())
    table = _told(problem, batch, standing, Route.from_json(job["route"]))
    notes = parts.notes_of(scored) | {"request": batch.request, "part": job["part"], "rows": len(table)}
    parts.put(output, table, notes | {"by": _counted(table)})
    scored.unlink()
    return parts.notes_of(output)


def _told(problem: Problem, batch: Batch, rows: pd.DataFrame, route: Route) -> pa.Table:
    """What stands in the log, as whoever asked reads it."""
    told = answerers(rows)
    versions: dict[str, str | None] = {
        one.sha256: one.version for one in (route.champion, route.rival) if one is not None
    }
    for model in set(told["model"].dropna()) - set(versions):  # a row that was answered before, under another route
        versions[model] = _version(problem, model)
    by = rows["asked"].where(rows["asked"].notna(), np.where(rows["request"] == 0, "a turn", "a gateway"))
    multiclass = problem.framing.task == "multiclass"
    columns = {
        "key": rows["key"],
        "score": rows["answer_score"],
        "scores": [_list(text) for text in rows["answer_scores"]],
        "decision": rows["answer_decision"],
        "class": _classes(rows["answer_decision"], problem.framing) if multiclass else [None] * len(rows),
        "explored": [bool(flag) for flag in rows["explored"]],
        "version": [own or versions.get(model) for own, model in zip(rows["version"], told["model"], strict=True)],
        "model": told["model"],
        "role": told["role"],
        "stage": rows["stage"],
        "epoch": rows["epoch"],
        "request": [batch.request] * len(rows),
        "answered_by": by,
    }
    return pa.table({name: pa.array(_plain(columns[name]), OUTPUT.field(name).type) for name in OUTPUT.names}, OUTPUT)


def _plain(values: Any) -> list[Any]:
    """A list with None for what is missing."""
    return [None if isinstance(value, float) and value != value else value for value in values]


def _list(text: str | None) -> list[float] | None:
    return json.loads(text) if isinstance(text, str) else None


def _classes(decisions: pd.Series, framing: Framing) -> list[str | None]:
    return [None if one is None or one != one else str(framing.classes[int(one)]) for one in decisions]


def _version(problem: Problem, model: str) -> str | None:
    try:
        return registry.by_content(problem, model).version
    except PerennialError:  # it was deleted since; what it answered stands
        return None


def _counted(table: pa.Table) -> list[dict[str, Any]]:
    """How many rows each model answered in each role, and at whose request."""
    by = ["version", "model", "role", "stage", "answered_by"]
    counted = table.group_by(by).aggregate([([], "count_all")]).to_pylist()
    return sorted(counted, key=lambda row: [str(row[name]) for name in by])
