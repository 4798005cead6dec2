"""What can be asked and done from a shell? Each command is one function of flows.operations."""

import argparse
import json
import os
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from schemas.errors import PerennialError
from tasks.figures import keep

__all__ = ["main"]


def main(arguments: list[str] | None = None) -> int:
    """Run one command; 0 done, 1 refused with one clear sentence, 2 wrong usage."""
    args = _parser().parse_args(arguments)
    try:
        return _run(args)
    except PerennialError as error:
        print(f"perennial: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:  # whoever read has read enough, as `make history | head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _run(args: argparse.Namespace) -> int:
    if args.command in ("history", "verify"):
        return _read(args)
    if args.command in ("archive", "erase"):
        return _keep_less(args)
    if args.command == "problem":
        return _draft(args)
    if args.command == "labels":
        return _labels(args)
    if args.command == "doctor":
        return _doctor(args)
    if args.command == "worth":
        from flows.worth import worth_lines

        for line in worth_lines(args.problem):
            print(line)
        return 0
    if args.command == "staleness":
        return _staleness(args)
    if args.command == "skew":
        return _skew(args)
    if args.command == "feedback":
        return _feedback(args)
    if args.command == "quality":
        from flows.quality_screen import quality_history

        for line in quality_history(args.problem):
            print(line)
        return 0
    if args.command == "contract":
        from flows.contract import contract_report

        for line in contract_report(args.problem):
            print(line)
        return 0
    from flows import operations  # brings Prefect and scikit-learn with it, which reading does not need

    match args.command:
        case "retrain" | "revert":
            state = operations.ask(args.problem, kind=args.command, note=args.reason or "a person asked")
            print(
                f"asked, as row {state.sequence}; {args.problem} is {state.stage}, and its next HEALTHY turn acts on it"
            )
        case "approve":
            state = operations.approve(args.problem, note=args.reason or "no note", actor=args.actor)
            print(f"approved, as row {state.sequence}; the next turn of {args.problem} goes on")
        case "adopt":
            state = operations.adopt(args.problem, args.model)
            print(f"{state.champion} serves {args.problem}")
        case "turn":
            print(operations.turn_once(args.problem))
        case "drills":
            return _drills(args)
        case "data":
            print(f"written to {operations.fetch(args.problem)}")
    return 0


def _draft(args: argparse.Namespace) -> int:
    from flows.drafting import draft_problem
    from tasks.guesses.facts import Hints

    hints = Hints(target=args.target, time=args.time, entity=args.entity, key=args.key)
    done = draft_problem(args.problem, args.data, table=args.table, hints=hints, overwrite=args.force)
    print(done.summary)
    return 0


def _doctor(args: argparse.Namespace) -> int:
    from flows.doctor import doctor

    lines, must = doctor(args.problem)
    print("\n".join(lines))
    return 1 if must else 0


def _keep_less(args: argparse.Namespace) -> int:
    from flows import retention
    from schemas.problem import load_problem

    name = load_problem(args.problem).name
    if args.command == "archive":
        print(retention.retention(name))
        return 0
    entity = sys.stdin.readline().rstrip("\r\n") if args.entity == "-" else args.entity
    done = retention.erase(name, entity, reason=args.reason)
    erased = done.erased
    print(
        f"{erased.answers} answers, {erased.labels} labels and {erased.archived} archived rows no longer say whom they are about; "
        f"{erased.features} rows of features, {erased.client_ids} client ids and {erased.quarantined} rows in quarantine are deleted"
    )
    for snapshot in erased.snapshots:
        print(f"not altered, since a model is named by the hash of its rows: {snapshot}")
    print(f"recorded in erasures.jsonl; the receipt, shown only here: {done.receipt}")
    return 0


def _labels(args: argparse.Namespace) -> int:
    from flows.labels_report import look
    from flows.labels_screen import data_of, screen
    from schemas.problem import load_problem
    from tasks import windows

    problem = load_problem(args.problem)
    if args.data:
        windows.link(problem, args.data)
    report = look(problem, args.now)
    for line in screen(problem, report):
        print(line)
    print(f"the same as data: {keep(f'labels-{problem.name}', data_of(report))}")
    return 0


def _staleness(args: argparse.Namespace) -> int:
    from flows.staleness import lines, staleness
    from schemas.problem import load_problem
    from tasks import windows

    problem = load_problem(args.problem)
    if args.data:
        windows.link(problem, args.data)
    found = staleness(problem)
    for line in lines(problem, found):
        print(line)
    print(f"the same as data: {keep(f'staleness-{problem.name}', found.data())}")
    return 0


def _skew(args: argparse.Namespace) -> int:
    from flows.skew import skew
    from schemas.problem import load_problem
    from schemas.verdict import Outcome

    until = datetime.now(UTC)
    verdict = skew(load_problem(args.problem), until - timedelta(days=args.days), until)
    if verdict is None:
        print(f"no request of {args.problem} of the last {args.days:g} days was logged with its features")
        return 0
    print(f"{verdict.outcome}: {verdict.reason}")
    return 1 if verdict.outcome is Outcome.FAIL else 0


def _feedback(args: argparse.Namespace) -> int:
    from flows.feedback import report
    from schemas.problem import load_problem

    lines, data = report(load_problem(args.problem), args.now or datetime.now(UTC), timedelta(days=args.days))
    print("\n".join(lines))
    print(f"the same as data: {keep(f'feedback-{args.problem}', data)}")
    return 0


def _drills(args: argparse.Namespace) -> int:
    from flows import operations
    from flows.drills import run_drills
    from schemas.problem import load_problem
    from tasks import windows

    problem = load_problem(args.problem)
    if args.data:
        windows.link(problem, args.data)
    if not windows.available(problem) and problem.source.simulate is not None:
        print(f"simulating the table of {problem.name} ...", flush=True)
        operations.fetch(problem.name)

    def show(one: dict[str, Any]) -> None:
        mark = "right" if one["right"] else "WRONG"
        print(f"  {mark}  {one['name']:<46} {one['got']:<5} {one['reason'].splitlines()[0][:110]}", flush=True)

    figures = run_drills(args.problem, show=show)
    print(f"{figures['right']} of {len(figures['drills'])} drills right on {args.problem}")
    return 0 if figures["wrong"] == 0 else 1


def _read(args: argparse.Namespace) -> int:
    from flows.history import history, verify

    if args.command == "history":
        for line in history(args.problem):
            print(line)
        return 0
    verified = verify([args.problem] if args.problem else None)
    keep("verify", {"rows": verified})
    if args.json:
        print(json.dumps(verified))
        return 0
    for name, rows in verified.items():
        print(f"{name}: {rows} rows, each follows from the one before")
    if not verified:
        print("no ledger yet: no problem has taken a turn")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m flows", description="Perennial, by hand.")
    commands = parser.add_subparsers(dest="command", required=True)
    for name, about in (
        ("doctor", "what to fix before the first turn"),
        ("history", "what served when, and why"),
        ("worth", "what each retrain promised, and what came"),
        ("turn", "turn the crank once, now"),
        ("quality", "what each cohort showed, and how late labels revised it"),
        ("contract", "what the working file's contract would change, and refuse"),
        ("data", "fetch a public table"),
        ("archive", "keep requests only as long as the plan says"),
    ):
        commands.add_parser(name, help=about).add_argument("problem")
    skew = commands.add_parser("skew", help="are the features that clients send those of the table?")
    skew.add_argument("problem")
    skew.add_argument("--days", type=float, default=7.0, help="how far back requests are looked at")
    feedback = commands.add_parser("feedback", help="what a model's own decisions make of its data")
    feedback.add_argument("problem")
    feedback.add_argument("--days", type=float, default=28.0, help="how far back matured rows are looked at")
    feedback.add_argument("--now", type=datetime.fromisoformat, help="as the log stood then, with a zone")
    drills = commands.add_parser("drills", help="plant faults, and require the verdict that must follow")
    drills.add_argument("problem", nargs="?", default="fraud")
    drills.add_argument("--data", type=Path, help="your copy of the problem's table")
    drafting = commands.add_parser("problem", help="write a first draft of a problem from a table")
    drafting.add_argument("problem", help="its name: the file schemas/problems/NAME.py")
    drafting.add_argument("data", help="a CSV or Parquet file, a glob, or a database URL")
    drafting.add_argument("--table", help="the table's name, where DATA is a database URL")
    for hint in ("target", "time", "entity", "key"):
        drafting.add_argument(f"--{hint}", help="the column, where the guess would be another")
    drafting.add_argument("--force", action="store_true", help="overwrite a file that is there")
    labels = commands.add_parser("labels", help="what the labels are worth: copies, contradictions, noise, delays")
    labels.add_argument("problem")
    labels.add_argument("--data", type=Path, help="your copy of the problem's table")
    labels.add_argument("--now", type=datetime.fromisoformat, help="as the table stood then, with a zone")
    ageing = commands.add_parser("staleness", help="how fast models lose with age, and after how long renewing pays")
    ageing.add_argument("problem")
    ageing.add_argument("--data", type=Path, help="your copy of the problem's table")
    verify = commands.add_parser("verify", help="prove that the ledger is whole")
    verify.add_argument("problem", nargs="?")
    verify.add_argument("--json", action="store_true")
    for name, about in (("retrain", "ask for a retrain"), ("revert", "restore the previous champion")):
        asking = commands.add_parser(name, help=about)
        asking.add_argument("problem")
        asking.add_argument("--reason", default="")
    erase = commands.add_parser("erase", help="remove one entity from log, archive and quarantine")
    erase.add_argument("problem")
    erase.add_argument("--entity", required=True, help="as the log writes it; - reads it from standard input")
    erase.add_argument("--reason", required=True)
    approve = commands.add_parser("approve", help="approve the stage that waits for a person")
    approve.add_argument("problem")
    approve.add_argument("--reason", default="")
    approve.add_argument("--actor", default="", help="who approves; by default whoever runs this")
    adopt = commands.add_parser("adopt", help="start from a model of yours")
    adopt.add_argument("problem")
    adopt.add_argument("model", help="a .skops file, a folder that holds model.skops, or an MLflow URI")
    return parser


if __name__ == "__main__":
    sys.exit(main())
