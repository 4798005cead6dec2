"""How are many rows scored at once, each of them once? A window of the problem's table, or a file, through the route that answers
its requests.

The route is read from the ledger once and written down before the first part: all of a request is answered under it, after a
retry or a kill too, whatever the loop decides meanwhile. A row that was answered before, by a turn, a gateway or another
request, keeps that answer, and the output says whose it is; a turn does not answer again what a request of many rows answered.
"""

import json
import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any

from prefect import flow

from flows import scoring_story as story
from flows.guard import of_this_clone
from flows.lock import only_start
from flows.operations import ProblemName
from flows.score_request import Asked, Output, RequestId, Rows, checked, inputs_of, refuse_unless_empty, staged
from flows.score_result import manifest, still_there
from flows.scored_part import logged, score_part
from flows.workers import Place, Run, finished, workers
from schemas.errors import PerennialError
from schemas.problem import Problem, load_problem
from schemas.route import Route
from schemas.settings import Settings
from tasks import batches, journal, ledger, parts
from tasks.batches import Batch

__all__ = ["score", "scored"]

_RETRIES = 3

Show = Callable[[int, int, int], None]  # parts done, of so many, rows


class OtherInputsError(PerennialError, ValueError):
    def __init__(self, problem: str, request: str, asked: dict[str, Any], begun: dict[str, Any]) -> None:
        what = ", ".join(f"{k} {begun[k]!r} and not {asked[k]!r}" for k in begun if begun[k] != asked.get(k))
        super().__init__(
            f"request {request!r} of {problem!r} was begun with {what}. One request has one answer: give these rows a "
            "request id of their own."
        )


@flow(name="score", flow_run_name="score {problem} {request}")
def score(
    problem: ProblemName,
    request: RequestId,
    rows: Rows,
    output: Output = Output(),  # noqa: B008  (frozen default that the form shows)
) -> str:
    """Score a window of the problem's table, or a file, through the route that answers its requests: each row once, in parts
    that are retried.

    Args:
        problem: Whose route answers.
        request: Its name, of letters, digits, dots, dashes and underscores. Started again under it, it goes on where it was,
            and one that is finished does nothing.
        rows: Those of a file, or of a window of the problem's table.
        output: Where the answers go.
    """
    of_this_clone()
    path, folder = rows.path and Path(rows.path), output.folder and Path(output.folder)
    asked = Asked(request, rows.since, rows.until, path or None, folder or None, output.part_rows)
    bar = story.begin_progress(problem, request)
    result = scored(problem, asked, show=partial(story.show_progress, bar))
    story.tell(result)
    return story.said(result)


def scored(problem: str, asked: Asked, *, show: Show = lambda done, of, rows: None) -> dict[str, Any]:
    """The flow without Prefect: the manifest of the request, once every row of it has its answer."""
    known = load_problem(problem)
    asked = checked(asked)
    with only_start(problem, asked.request):
        inputs = inputs_of(known, asked)
        begun = batches.find(known, asked.request)
        if begun is not None and begun.inputs != inputs:
            raise OtherInputsError(problem, asked.request, inputs, begun.inputs)
        folder = Settings().root / "requests" / problem / asked.request
        if begun is not None and begun.result is not None:
            shutil.rmtree(folder, ignore_errors=True)  # killed between its end and its tidying
            return still_there(begun)
        began = time.monotonic()
        if begun is None:
            refuse_unless_empty(asked.folder(problem))
        route = _route(known) if begun is None else begun.route
        files = staged(known, asked, folder, inputs)
        batch = begun or batches.pin(known, asked.request, inputs=inputs, route=route, at=datetime.now(UTC))
        if batch.inputs != inputs:  # another machine began it meanwhile
            raise OtherInputsError(problem, asked.request, inputs, batch.inputs)
        notes = _all_parts(known, batch, files, show)
        result = manifest(known, batch, notes, seconds=time.monotonic() - began)
        parts.put_text(Path(result["output"]) / "_manifest.json", json.dumps(result, indent=2) + "\n")
        batches.close(batch, result, at=datetime.now(UTC))
        shutil.rmtree(folder)
    return result


def _route(problem: Problem) -> dict[str, Any]:
    """The route of all parts, as the ledger says now; and until when a model that scores may have seen rows."""
    state = ledger.state_of(problem.name)
    if state.champion is not None and state.challenger is not None:
        tripped = {one.model for one in journal.trips(problem, state.rollout)}
        if state.challenger.sha256 in tripped:  # a gateway took it off the answers; the next turn rolls it back
            state = replace(state, share=0.0)
    route = Route.of(state)
    if route is None:
        raise PerennialError(
            f"nothing serves {problem.name!r} yet. Take its first turn: python -m flows turn {problem.name}"
        )
    models = [state.champion, state.challenger, state.previous if route.rival else None]
    until = [one.trained_until for one in models if one is not None and one.trained_until is not None]
    return {
        "route": json.loads(route.to_json()),
        "seen_until": max(until).isoformat() if until else None,
        "ledger": {"sequence": state.sequence, "hash": state.hash},
    }


def _all_parts(problem: Problem, batch: Batch, staged: list[Path], show: Show) -> list[dict[str, Any]]:
    """The notes of every part, in order, once each is in the log and in the output."""
    jobs = [_job(problem, batch, number, rows) for number, rows in enumerate(staged)]
    notes = {job["part"]: parts.notes_of(Path(job["output"])) for job in jobs if Path(job["output"]).exists()}
    waiting = [job for job in jobs if job["part"] not in notes]
    show(len(notes), len(jobs), sum(one["rows"] for one in notes.values()))
    settings = Settings()
    if len(waiting) < 2:  # another process is not started for one part
        settings = settings.model_copy(update={"dask": None, "workers": 1})
    with workers(settings) as place:
        named = finished(
            _Logged(place, problem, batch),
            score_part,
            waiting,
            name=lambda job: f"part {job['part'] + 1} of {len(jobs)}",
            kind="part",
            retries=_RETRIES,
        )
        for job, answer in named:
            if isinstance(answer, Exception):
                raise answer
            notes[job["part"]] = answer
            show(len(notes), len(jobs), sum(one["rows"] for one in notes.values()))
    return [notes[number] for number in range(len(jobs))]


def _job(problem: Problem, batch: Batch, number: int, rows: Path) -> dict[str, Any]:
    return {
        "problem": problem.name,
        "request": batch.request,
        "part": number,
        "rows": str(rows),
        "scored": str(rows.with_name(f"scored-{number:05d}.parquet")),
        "output": str(Path(batch.inputs["output"]) / f"part-{number:05d}.parquet"),
        "route": json.dumps(batch.route["route"]),
        "seen_until": batch.route["seen_until"],
    }


class _Logged:
    """A place whose jobs are logged here, one after another, once they are scored there."""

    def __init__(self, place: Place, problem: Problem, batch: Batch) -> None:
        self.slots = place.slots
        self._place, self._problem, self._batch, self._one = place, problem, batch, Lock()

    def run(self, function: Run, job: dict[str, Any]) -> dict[str, Any]:
        self._place.run(function, job)
        with self._one:
            return logged(self._problem, self._batch, job)

    def stop(self) -> None:
        self._place.stop()
