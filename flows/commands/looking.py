"""What is there to be looked at?"""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from flows.commands.said import AddCommand, Args, kept, moment, say, with_data
from schemas.problem import load_problem
from tasks.figures import keep

__all__ = ["add"]


def _doctor(args: Args) -> int:
    from flows.doctor import doctor

    lines, must = doctor(args.problem)
    say(lines)
    return 1 if must else 0


def _history(args: Args) -> None:
    from flows.history import history

    say(history(args.problem))


def _timeline(args: Args) -> None:
    from flows.life import write_life

    print(write_life(args.problem, args.out))


def _verify(args: Args) -> None:
    from flows.history import verify

    verified = verify([args.problem] if args.problem else None)
    keep("verify", {"rows": verified})
    if args.json:
        print(json.dumps(verified))
        return
    say(f"{name}: {rows} rows, each follows from the one before" for name, rows in verified.items())
    if not verified:
        print("no ledger yet: no problem has taken a turn")


def _quality(args: Args) -> None:
    from flows.quality_screen import quality_history

    say(quality_history(args.problem))


def _worth(args: Args) -> None:
    from flows.worth import worth_lines

    say(worth_lines(args.problem))


def _contract(args: Args) -> None:
    from flows.contract import contract_report

    say(contract_report(args.problem))


def _labels(args: Args) -> None:
    from flows.labels_report import look
    from flows.labels_screen import data_of, screen

    problem = with_data(args)
    report = look(problem, args.now)
    say(screen(problem, report))
    kept("labels", problem.name, data_of(report))


def _staleness(args: Args) -> None:
    from flows.staleness import lines, staleness

    problem = with_data(args)
    found = staleness(problem)
    say(lines(problem, found))
    kept("staleness", problem.name, found.data())


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
    say(lines)
    kept("feedback", args.problem, data)


def _drills(args: Args) -> int:
    from flows import operations
    from flows.drills import run_drills
    from tasks import windows

    problem = with_data(args)
    if not windows.available(problem) and problem.source.simulate is not None:
        print(f"simulating the table of {problem.name} ...", flush=True)
        operations.fetch(problem.name)

    def show(one: dict[str, Any]) -> None:
        mark = "right" if one["right"] else "WRONG"
        print(f"  {mark}  {one['name']:<46} {one['got']:<5} {one['reason'].splitlines()[0][:110]}", flush=True)

    figures = run_drills(args.problem, show=show)
    print(f"{figures['right']} of {len(figures['drills'])} drills right on {args.problem}")
    return 0 if figures["wrong"] == 0 else 1


def add(command: AddCommand) -> None:
    """Its commands, with their arguments."""
    command("doctor", _doctor, "what to fix before the first turn")
    command("history", _history, "what served when, and why")
    drawn = command(
        "timeline", _timeline, "its life as a picture: stages, champions, drift, retrains, rollbacks, quality"
    )
    drawn.add_argument("--out", type=Path, help="a file that ends in .svg or .html; timelines/PROBLEM.html by default")
    command("verify", _verify, "prove that the ledger is whole", nargs="?").add_argument("--json", action="store_true")
    command("quality", _quality, "what each cohort showed, and how late labels revised it")
    command("worth", _worth, "what each retrain promised, and what came")
    command("contract", _contract, "what the working file's contract would change, and refuse")
    labels = command("labels", _labels, "what the labels are worth: copies, contradictions, noise, delays")
    labels.add_argument("--now", type=moment, help="as the table stood then, with a zone")
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
    feedback.add_argument("--now", type=moment, help="as the log stood then, with a zone")
