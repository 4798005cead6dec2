"""What is kept of an experiment, and for how long? Its frozen rows, row losses and pages go; what came of it stays in the database.

A night at the same moment of the same table freezes its rows and fits anew. Nothing goes while a night could be gone on with, nor
of the newest night, nor rows that the ledger names.
"""

import json
import logging
from collections.abc import Collection, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from flows.job import diagnosis_file
from flows.lock import only_one
from schemas.errors import PerennialError, told
from schemas.night import Night
from schemas.problem import Problem
from schemas.settings import Settings
from tasks import experiments, ledger, snapshots

__all__ = ["Forgotten", "forgotten", "forgotten_after_a_night"]

log = logging.getLogger("perennial")


@dataclass(frozen=True)
class Forgotten:
    """Files that were removed, and their bytes; or why none was."""

    files: int = 0
    size: int = 0
    kept: str = ""


def forgotten(problem: Problem, *, now: datetime) -> Forgotten:
    """Remove what is older than the plan's `keep_experiments`, unless a night of the problem runs."""
    with ExitStack() as stack:
        try:
            stack.enter_context(only_one(problem.name))
        except PerennialError as error:
            return Forgotten(kept=told(error))
        return _forgotten(problem, now)


def forgotten_after_a_night(problem: Problem, *, now: datetime) -> None:
    """The same where a night has just ended and holds the lock: where one runs every night, no other moment is free."""
    try:
        _forgotten(problem, now)
    except Exception as error:  # what stays too long is no reason for a night to fail that is over
        log.warning("%s: files of old experiments stay: %s", problem.name, told(error))


def _forgotten(problem: Problem, now: datetime) -> Forgotten:
    if (night := experiments.unfinished(problem.name)) is not None:
        return Forgotten(
            kept=f"the night that began at {night.began:%Y-%m-%d %H:%M} UTC has not ended, and can be gone on with"
        )
    before = now - problem.improvement.keep_experiments
    jobs, newest = experiments.jobs(problem.name), _of_newest_night(problem.name)
    stays = {job.rows for job in jobs if job.id in newest}
    past = {job.id for job in experiments.jobs(problem.name, before=before)}
    old = [job for job in jobs if job.id in past and job.rows not in stays]
    # Rows are shared: they go with the last experiment on them, and never while a model that was recorded learned from them.
    rows = {job.rows for job in old} - {job.rows for job in jobs if job not in old}
    rows -= _named_by_ledger(problem.name, rows)
    files = [snapshots.place(problem.name, one) for one in sorted(rows)]
    files += [diagnosis_file(job).with_suffix(kind) for job in old for kind in (".parquet", ".json", ".html")]
    return _removed([*files, *_pages(problem.name, before)])


def _of_newest_night(problem: str) -> set[str]:
    """Ids of the experiments that the newest night rests on: the next one, and whoever asks what is left to try, begin there."""
    row = experiments.newest(problem)
    if row is None:
        return set()
    night = Night.from_json(row.body)
    tried = {id_ for step in night.steps for id_ in (step.job, step.parent, step.became)}
    return {night.start, night.winner} | tried


def _named_by_ledger(problem: str, rows: Collection[str]) -> set[str]:
    if not rows:
        return set()
    said = (json.dumps([row.facts, row.notes], default=str) for row in ledger.rows(problem))
    return {one for text in said for one in rows if one in text}


def _pages(problem: str, before: datetime) -> Iterator[Path]:
    """What no experiment of a night is named by: reports of nights, diagnoses of retrains but the newest, and the figures of
    simple models, which are fitted anew where they are wanted. MLflow keeps the first two."""
    folder = Settings().root / "experiments" / problem
    retrains = sorted(folder.glob("retrain-*"), key=_written)
    newest = {retrains[-1].stem} if retrains else set()
    for file in sorted([*retrains, *folder.glob("night-*.html"), *folder.glob("simple-*.json")]):
        if file.stem not in newest and _written(file) < before.timestamp():
            yield file


def _written(file: Path) -> float:
    return file.stat().st_mtime


def _removed(files: Iterable[Path]) -> Forgotten:
    there = [file for file in files if file.exists()]
    size = sum(file.stat().st_size for file in there)
    for file in there:
        file.unlink()
    return Forgotten(len(there), size)
