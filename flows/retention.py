"""What is kept of requests, for how long, and how does an entity's part of it go? The plan's retention, and erasure by hand."""

import json
import os
import secrets
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from prefect import flow
from prefect.artifacts import create_markdown_artifact

from flows.artifacts import key_of
from flows.asking import user
from flows.guard import of_this_clone
from flows.old_experiments import forgotten
from flows.operations import ProblemName
from flows.reports import tidied
from schemas.errors import PerennialError
from schemas.problem import load_problem
from schemas.settings import Settings
from schemas.stage import Stage
from tasks import erasure, ledger, windows
from tasks.erasure import Erased
from tasks.retention import Archived, archive, settle

__all__ = ["Erasure", "erase", "retention"]


@flow(name="retention", flow_run_name="retention {problem}")
def retention(problem: ProblemName, now: datetime | None = None) -> str:
    """Delete features, archive answers and labels, and remove reports and files of experiments that are older than the plan of
    `problem` keeps them.

    Args:
        problem: Whose plan says how long.
        now: The moment it counts back from; empty is the present.
    """
    of_this_clone()
    known = load_problem(problem)
    moment = windows.aware(now or datetime.now(UTC), "now")
    archived = archive(known, now=moment, open_rollout=_open_rollout(problem))
    # Every turn that closes a window removes what is over by then; where none does any more, this is who comes.
    reports = sum(one.whole for one in tidied(known, now=moment))
    said = (
        f"{archived.features:,} rows of features deleted; {archived.answers:,} answers and {archived.labels:,} labels "
        f"archived in {len(archived.files):,} files"
    )
    said += f"; {reports:,} reports removed" if reports else ""
    experiments = forgotten(known, now=moment)
    said += f"; {experiments.files:,} files of experiments removed" if experiments.files else ""
    said += f"; no file of an experiment: {experiments.kept.rstrip('.')}" if experiments.kept else ""
    create_markdown_artifact(
        key=key_of("retention", problem),
        markdown=_markdown(problem, moment, archived, said),
        description=said,
    )
    return said


@dataclass(frozen=True)
class Erasure:
    """What was erased; and a receipt that is written nowhere else: with it and the entity, the line of the record is
    recognised, and without it nobody can find out by trying whom a line is about."""

    erased: Erased
    receipt: str


# No flow: Prefect keeps the parameters of a run, and the entity would stand among them.
def erase(problem: str, entity: str, *, reason: str, actor: str = "", now: datetime | None = None) -> Erasure:
    """Erase one entity from log, archive and quarantine, and record that it was done, by whom and why."""
    known = load_problem(problem)
    if not reason.strip():
        raise PerennialError(f'an erasure from {problem!r} says why, and no reason was given: --reason "...".')
    moment = windows.aware(now or datetime.now(UTC), "now")
    settle(known)
    erased, receipt = erasure.erase(known, entity), secrets.token_hex(16)
    _record(
        {
            "at": moment.isoformat(),
            "problem": problem,
            "actor": actor or user(),
            "reason": reason,
            "entity": sha256(f"{receipt}\n{entity}".encode()).hexdigest(),
            **asdict(erased),
        }
    )
    return Erasure(erased, receipt)


def _open_rollout(problem: str) -> int:
    """The first rollout that may still need its rows: the one under way, or the next, should it begin meanwhile."""
    state = ledger.state_of(problem)
    return state.rollout + 1 if state.stage is Stage.HEALTHY else state.rollout


def _markdown(problem: str, moment: datetime, archived: Archived, said: str) -> str:
    plan = load_problem(problem).serving
    lines = [
        f"## {problem}: kept as planned at {moment:%Y-%m-%d %H:%M} UTC",
        f"{said}. Features are kept for {plan.keep_features.days} days, answers and labels for {plan.keep_answers.days}; "
        "a rollout under way keeps all of its rows.",
        "",
        "| what went | rows |",
        "|---|---:|",
        f"| features, deleted | {archived.features:,} |",
        f"| answers, archived | {archived.answers:,} |",
        f"| labels, archived | {archived.labels:,} |",
        f"| client ids, counts and trips, deleted | {archived.beside:,} |",
    ]
    if archived.files:
        lines += ["", "Files, each read back before its rows were deleted:", ""]
        lines += [f"- `{file}`" for file in archived.files]
    return "\n".join(lines) + "\n"


def _record(line: dict[str, Any]) -> None:
    """One line more, durable when it returns; never the entity itself."""
    path = Settings().root / "erasures.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as out:
        out.write(json.dumps(line) + "\n")
        out.flush()
        os.fsync(out.fileno())
