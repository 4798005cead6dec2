"""How are many rows scored at once, each of them once? A window of the problem's table, or a file, through the route that answers
its requests.

The route is read from the ledger once and written down before the first part: all of a request is answered under it, after a
retry or a kill too, whatever the loop decides meanwhile. A row that was answered before, by a turn, a gateway or another
request, keeps that answer, and the output says whose it is; a turn does not answer again what a request of many rows answered.
"""

import json
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from hashlib import sha256
from pathlib import Path
from threading import Lock
from typing import Annotated, Any

import pandas as pd
from prefect import flow
from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from flows import scoring_story as story
from flows.guard import of_this_clone
from flows.lock import only_start
from flows.operations import ProblemName
from flows.scored_part import logged, score_part
from flows.workers import Place, Run, finished, workers
from schemas.errors import PerennialError
from schemas.problem import Problem, load_problem
from schemas.route import Route
from schemas.settings import Settings
from tasks import batches, journal, ledger, parts, windows
from tasks.batches import Batch
from tasks.request_file import Firsts, requests_in

__all__ = ["Asked", "Output", "Rows", "score", "scored"]

PART_ROWS = 50_000  # some 30 MB of a file, and two seconds of a log that has one writer
_RETRIES = 3

RequestId = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,79}$")]


class Rows(BaseModel):
    """Which rows to score: those of a file, or of a window of the problem's table."""

    path: str | None = Field(
        default=None,
        title="File",
        description="CSV or Parquet with the columns of a request, where the flow runs. Empty for a window.",
    )
    since: datetime | None = Field(
        default=None, title="Since", description="Rows of the table from this moment on, with a zone. Empty for a file."
    )
    until: datetime | None = Field(
        default=None, title="Until", description="Rows before this moment, with a zone; not in the future."
    )


class Output(BaseModel):
    """Where the answers go."""

    folder: str | None = Field(
        default=None,
        title="Folder",
        description="An empty one, for Parquet parts and _manifest.json. Empty: scored/PROBLEM/REQUEST under PERENNIAL_HOME.",
    )
    part_rows: int = Field(
        default=PART_ROWS,
        ge=10,
        le=1_000_000,
        title="Rows of a part",
        description="So many are in memory at a time, and tried again together.",
    )


Show = Callable[[int, int, int], None]  # parts done, of so many, rows


class OtherInputsError(PerennialError, ValueError):
    def __init__(self, problem: str, request: str, asked: dict[str, Any], begun: dict[str, Any]) -> None:
        what = ", ".join(f"{k} {begun[k]!r} and not {asked[k]!r}" for k in begun if begun[k] != asked.get(k))
        super().__init__(
            f"request {request!r} of {problem!r} was begun with {what}. One request has one answer: give these rows a "
            "request id of their own."
        )


@dataclass(frozen=True)
class Asked:
    """Which rows to score, under which name, and where the output goes."""

    request: str
    since: datetime | None = None
    until: datetime | None = None
    path: Path | None = None
    output: Path | None = None
    part_rows: int = PART_ROWS

    def folder(self, problem: str) -> Path:
        return (self.output or Settings().root / "scored" / problem / self.request).expanduser().absolute()


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
    asked = _checked(asked)
    with only_start(problem, asked.request):
        inputs = _inputs(known, asked)
        begun = batches.find(known, asked.request)
        if begun is not None and begun.inputs != inputs:
            raise OtherInputsError(problem, asked.request, inputs, begun.inputs)
        folder = Settings().root / "requests" / problem / asked.request
        if begun is not None and begun.result is not None:
            shutil.rmtree(folder, ignore_errors=True)  # killed between its end and its tidying
            return _still_there(begun)
        began = time.monotonic()
        if begun is None:
            _refuse_unless_empty(asked.folder(problem))
        route = _route(known) if begun is None else begun.route
        staged = _staged(known, asked, folder, inputs)
        batch = begun or batches.pin(known, asked.request, inputs=inputs, route=route, at=datetime.now(UTC))
        if batch.inputs != inputs:  # another machine began it meanwhile
            raise OtherInputsError(problem, asked.request, inputs, batch.inputs)
        notes = _all_parts(known, batch, staged, show)
        result = _manifest(known, batch, notes, seconds=time.monotonic() - began)
        parts.put_text(Path(result["output"]) / "_manifest.json", json.dumps(result, indent=2) + "\n")
        batches.close(batch, result, at=datetime.now(UTC))
        shutil.rmtree(folder)
    return result


def _checked(asked: Asked) -> Asked:
    """One kind of rows, and moments that mean one thing."""
    try:
        TypeAdapter(RequestId).validate_python(asked.request)
    except ValidationError:
        raise PerennialError(
            f"{asked.request!r} is no request id: give 1 to 80 letters, digits, dots, dashes or underscores."
        ) from None
    if asked.path is not None and (asked.since or asked.until):
        raise PerennialError("a request has rows of a file or of a window: give a file, or since and until.")
    if asked.path is not None:
        return asked
    if asked.since is None or asked.until is None:
        raise PerennialError("a request says which rows: give a file, or since and until, both with a zone.")
    since, until = windows.aware(asked.since, "since"), windows.aware(asked.until, "until")
    if not since < until <= datetime.now(UTC):
        raise PerennialError(
            f"the window {since.isoformat()} to {until.isoformat()} holds no past: since is before until, and until is not "
            "in the future, whose requests nobody has made yet."
        )
    return replace(asked, since=since, until=until)


def _inputs(problem: Problem, asked: Asked) -> dict[str, Any]:
    """What was asked, by content: a file by its bytes, wherever it lies."""
    if asked.path is None:
        assert asked.since is not None
        assert asked.until is not None
        rows = {"since": asked.since.isoformat(), "until": asked.until.isoformat()}
    elif asked.path.is_file():
        rows = {"file": parts.digest(asked.path)}
    else:
        raise PerennialError(f"there is no file {asked.path}. Give the path of a CSV or Parquet file of requests.")
    return {"file": None, "since": None, "until": None, **rows, "output": str(asked.folder(problem.name))}


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


def _refuse_unless_empty(folder: Path) -> None:
    there = [path.name for path in folder.iterdir() if not path.name.startswith(".")] if folder.is_dir() else []
    if there or (folder.exists() and not folder.is_dir()):
        raise PerennialError(
            f"the output folder {folder} is not empty ({', '.join(sorted(there)[:3]) or 'it is a file'}): one folder holds the "
            "output of one request. Name another."
        )


def _staged(problem: Problem, asked: Asked, folder: Path, inputs: dict[str, Any]) -> list[Path]:
    """The request's rows as files, a part each. They are frozen before the first is scored: a table that grows, or a file that
    is replaced, changes no part that is done again. They go when the request is finished."""
    plan = folder / "plan.json"
    if not plan.exists() or json.loads(plan.read_text())["inputs"] != inputs:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True, mode=0o700)
        # Staged before and lost since: parts may be cut otherwise now. What was answered stands in the log, and is told again.
        for part in asked.folder(problem.name).glob("part-*.parquet"):
            part.unlink()
        names = []
        for number, frame in enumerate(_frames(problem, asked)):
            names.append(f"rows-{number:05d}.parquet")
            parts.put_frame(folder / names[-1], frame, {"rows": len(frame)})
        if not names:
            what = asked.path or f"the window {asked.since} to {asked.until} of {problem.name!r}"
            raise PerennialError(f"{what} holds no row. Name one that does.")
        parts.put_text(plan, json.dumps({"inputs": inputs, "parts": names}))
    return [folder / name for name in json.loads(plan.read_text())["parts"]]


def _frames(problem: Problem, asked: Asked) -> Iterator[pd.DataFrame]:
    """The rows as each stood when it was requested, a part at a time."""
    rows = min(asked.part_rows, problem.data.frame_rows)
    if asked.path is not None:
        yield from requests_in(problem, asked.path, rows=rows)
        return
    assert asked.since is not None
    assert asked.until is not None
    firsts = Firsts(problem, windows.repeated(problem, asked.since, asked.until))
    for start, end in windows.slices(problem, asked.since, asked.until, at_most=rows):
        yield firsts.marked(windows.read_requests(problem, start, end))


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


def _manifest(problem: Problem, batch: Batch, notes: list[dict[str, Any]], *, seconds: float) -> dict[str, Any]:
    """What came of the request."""
    output = Path(batch.inputs["output"])
    files = [output / f"part-{number:05d}.parquet" for number in range(len(notes))]
    digests = [parts.digest(file) for file in files]
    by: Counter[tuple[tuple[str, Any], ...]] = Counter()
    faults: Counter[str] = Counter()
    for one in notes:
        faults.update(one["faults"])
        for group in one["by"]:
            by[tuple((name, value) for name, value in sorted(group.items()) if name != "count_all")] += group[
                "count_all"
            ]
    groups = sorted(({**dict(key), "rows": rows} for key, rows in by.items()), key=lambda group: -int(group["rows"]))
    bad = sum(one["bad"] for one in notes)
    told = sum(one["rows"] for one in notes)
    return {
        "problem": problem.name,
        "request": batch.request,
        "rows": told + bad,
        "scored": told,
        "unanswered": sum(group["rows"] for group in groups if group["role"] == "nobody"),
        "answered_before": sum(group["rows"] for group in groups if group["answered_by"] != batch.request),
        "quarantined": bad,
        "faults": dict(faults.most_common()),
        "quarantine": [one["kept"] for one in notes if one["kept"]],
        "by": groups,
        "output": str(output),
        "parts": [
            {"file": file.name, "rows": one["rows"], "sha256": digest}
            for file, one, digest in zip(files, notes, digests, strict=True)
        ],
        "sha256": sha256("\n".join(digests).encode()).hexdigest(),
        **batch.route,
        "inputs": batch.inputs,
        "began": batch.began.isoformat(),
        "seconds": round(seconds, 3),
    }


def _still_there(batch: Batch) -> dict[str, Any]:
    """The result of a finished request, if what it names is still there."""
    assert batch.result is not None
    output = Path(batch.result["output"])
    gone = [one["file"] for one in batch.result["parts"] if not (output / one["file"]).exists()]
    if gone:
        raise PerennialError(
            f"request {batch.request!r} of {batch.problem!r} was finished, and {gone[0]} of its output in {output} is gone. Its "
            "answers stand in the log: ask for the same rows under another request id, and they are written anew."
        )
    return batch.result
