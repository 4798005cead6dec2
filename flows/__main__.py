"""What can be asked and done from a shell? Each command is one function here, and one of flows.operations or of a report."""

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from schemas.errors import PerennialError
from schemas.problem import Problem, load_problem
from tasks.figures import keep

__all__ = ["main"]

Args = argparse.Namespace
Command = Callable[
    [Args], int | None
]  # the exit code; None is 0. Prefect and scikit-learn are imported by those that need them


def main(arguments: list[str] | None = None) -> int:
    """Run one command; 0 done, 1 refused with one clear sentence, 2 wrong usage."""
    args = _parser().parse_args(arguments)
    try:
        return args.run(args) or 0
    except PerennialError as error:
        print(f"perennial: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:  # whoever read has read enough, as `make history | head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _say(lines: Iterable[str]) -> None:
    for line in lines:
        print(line)


def _kept(command: str, problem: str, figures: dict[str, Any]) -> None:
    print(f"the same as data: {keep(f'{command}-{problem}', figures)}")


def _with_data(args: Args) -> Problem:
    """The problem, over the table that was named."""
    problem = load_problem(args.problem)
    if args.data:
        from tasks import windows

        windows.link(problem, args.data)
    return problem


# What is looked at.


def _doctor(args: Args) -> int:
    from flows.doctor import doctor

    lines, must = doctor(args.problem)
    _say(lines)
    return 1 if must else 0


def _history(args: Args) -> None:
    from flows.history import history

    _say(history(args.problem))


def _verify(args: Args) -> None:
    from flows.history import verify

    verified = verify([args.problem] if args.problem else None)
    keep("verify", {"rows": verified})
    if args.json:
        print(json.dumps(verified))
        return
    _say(f"{name}: {rows} rows, each follows from the one before" for name, rows in verified.items())
    if not verified:
        print("no ledger yet: no problem has taken a turn")


def _quality(args: Args) -> None:
    from flows.quality_screen import quality_history

    _say(quality_history(args.problem))


def _worth(args: Args) -> None:
    from flows.worth import worth_lines

    _say(worth_lines(args.problem))


def _contract(args: Args) -> None:
    from flows.contract import contract_report

    _say(contract_report(args.problem))


def _labels(args: Args) -> None:
    from flows.labels_report import look
    from flows.labels_screen import data_of, screen

    problem = _with_data(args)
    report = look(problem, args.now)
    _say(screen(problem, report))
    _kept("labels", problem.name, data_of(report))


def _staleness(args: Args) -> None:
    from flows.staleness import lines, staleness

    problem = _with_data(args)
    found = staleness(problem)
    _say(lines(problem, found))
    _kept("staleness", problem.name, found.data())


def _skew(args: Args) -> int:
    from flows.skew import skew
    from schemas.verdict import Outcome

    until = datetime.now(UTC)
    verdict = skew(load_problem(args.problem), until - timedelta(days=args.days), until)
    if verdict is None:
        print(f"no request of {args.problem} of the last {args.days:g} days was logged with its features")
        return 0
    print(f"{verdict.outcome}: {verdict.reason}")
    return 1 if verdict.outcome is Outcome.FAIL else 0


def _feedback(args: Args) -> None:
    from flows.feedback import report

    lines, data = report(load_problem(args.problem), args.now or datetime.now(UTC), timedelta(days=args.days))
    _say(lines)
    _kept("feedback", args.problem, data)


def _drills(args: Args) -> int:
    from flows import operations
    from flows.drills import run_drills
    from tasks import windows

    problem = _with_data(args)
    if not windows.available(problem) and problem.source.simulate is not None:
        print(f"simulating the table of {problem.name} ...", flush=True)
        operations.fetch(problem.name)

    def show(one: dict[str, Any]) -> None:
        mark = "right" if one["right"] else "WRONG"
        print(f"  {mark}  {one['name']:<46} {one['got']:<5} {one['reason'].splitlines()[0][:110]}", flush=True)

    figures = run_drills(args.problem, show=show)
    print(f"{figures['right']} of {len(figures['drills'])} drills right on {args.problem}")
    return 0 if figures["wrong"] == 0 else 1


# What is asked of the loop.


def _ask(args: Args) -> None:
    from flows import operations

    state = operations.ask(args.problem, kind=args.command, note=args.reason or "a person asked")
    print(f"asked, as row {state.sequence}; {args.problem} is {state.stage}, and its next HEALTHY turn acts on it")


def _approve(args: Args) -> None:
    from flows import operations

    state = operations.approve(args.problem, note=args.reason or "no note", actor=args.actor)
    print(f"approved, as row {state.sequence}; the next turn of {args.problem} goes on")


def _adopt(args: Args) -> None:
    from flows import operations

    print(f"{operations.adopt(args.problem, args.model).champion} serves {args.problem}")


def _turn(args: Args) -> None:
    from flows import operations

    print(operations.turn_once(args.problem))


# What is brought and kept.


def _data(args: Args) -> None:
    from flows import operations

    print(f"written to {operations.fetch(args.problem)}")


def _draft(args: Args) -> None:
    from flows.drafting import draft_problem
    from tasks.guesses.facts import Hints

    hints = Hints(target=args.target, time=args.time, entity=args.entity, key=args.key)
    print(draft_problem(args.problem, args.data, table=args.table, hints=hints, overwrite=args.force).summary)


def _archive(args: Args) -> None:
    from flows.retention import retention

    print(retention(load_problem(args.problem).name))


def _erase(args: Args) -> None:
    from flows.retention import erase

    name = load_problem(args.problem).name
    entity = sys.stdin.readline().rstrip("\r\n") if args.entity == "-" else args.entity
    done = erase(name, entity, reason=args.reason)
    erased = done.erased
    print(
        f"{erased.answers} answers, {erased.labels} labels and {erased.archived} archived rows no longer say whom they are about; "
        f"{erased.features} rows of features, {erased.client_ids} client ids and {erased.quarantined} rows in quarantine are deleted"
    )
    _say(f"not altered, since a model is named by the hash of its rows: {snapshot}" for snapshot in erased.snapshots)
    print(f"recorded in erasures.jsonl; the receipt, shown only here: {done.receipt}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m flows", description="Perennial, by hand.")
    commands = parser.add_subparsers(dest="command", required=True)

    def command(name: str, run: Command, about: str, **problem: Any) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=about)
        added.set_defaults(run=run)
        added.add_argument("problem", **problem)
        return added

    for group in (_looking, _asking, _keeping):
        group(command)
    return parser


def _looking(command: Callable[..., argparse.ArgumentParser]) -> None:
    command("doctor", _doctor, "what to fix before the first turn")
    command("history", _history, "what served when, and why")
    command("verify", _verify, "prove that the ledger is whole", nargs="?").add_argument("--json", action="store_true")
    command("quality", _quality, "what each cohort showed, and how late labels revised it")
    command("worth", _worth, "what each retrain promised, and what came")
    command("contract", _contract, "what the working file's contract would change, and refuse")
    labels = command("labels", _labels, "what the labels are worth: copies, contradictions, noise, delays")
    labels.add_argument("--now", type=datetime.fromisoformat, help="as the table stood then, with a zone")
    ageing = command("staleness", _staleness, "how fast models lose with age, and after how long renewing pays")
    drills = command(
        "drills", _drills, "plant faults, and require the verdict that must follow", nargs="?", default="fraud"
    )
    for over_a_table in (labels, ageing, drills):
        over_a_table.add_argument("--data", type=Path, help="your copy of the problem's table")
    skew = command("skew", _skew, "are the features that clients send those of the table?")
    skew.add_argument("--days", type=float, default=7.0, help="how far back requests are looked at")
    feedback = command("feedback", _feedback, "what a model's own decisions make of its data")
    feedback.add_argument("--days", type=float, default=28.0, help="how far back matured rows are looked at")
    feedback.add_argument("--now", type=datetime.fromisoformat, help="as the log stood then, with a zone")


def _asking(command: Callable[..., argparse.ArgumentParser]) -> None:
    command("retrain", _ask, "ask for a retrain").add_argument("--reason", default="")
    command("revert", _ask, "restore the previous champion").add_argument("--reason", default="")
    approve = command("approve", _approve, "approve the stage that waits for a person")
    approve.add_argument("--reason", default="")
    approve.add_argument("--actor", default="", help="who approves; by default whoever runs this")
    adopt = command("adopt", _adopt, "start from a model of yours")
    adopt.add_argument("model", help="a .skops file, a folder that holds model.skops, or an MLflow URI")
    command("turn", _turn, "turn the crank once, now")


def _keeping(command: Callable[..., argparse.ArgumentParser]) -> None:
    command("data", _data, "fetch a public table")
    drafting = command(
        "problem",
        _draft,
        "write a first draft of a problem from a table",
        help="its name: the file schemas/problems/NAME.py",
    )
    drafting.add_argument("data", help="a CSV or Parquet file, a glob, or a database URL")
    drafting.add_argument("--table", help="the table's name, where DATA is a database URL")
    for hint in ("target", "time", "entity", "key"):
        drafting.add_argument(f"--{hint}", help="the column, where the guess would be another")
    drafting.add_argument("--force", action="store_true", help="overwrite a file that is there")
    command("archive", _archive, "keep requests only as long as the plan says")
    erase = command("erase", _erase, "remove one entity from log, archive and quarantine")
    erase.add_argument("--entity", required=True, help="as the log writes it; - reads it from standard input")
    erase.add_argument("--reason", required=True)


if __name__ == "__main__":
    sys.exit(main())
