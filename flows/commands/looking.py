"""What is there to be looked at?"""

from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from flows.border import GOES_ON
from flows.commands.said import AddCommand, Args, Done, kept, moment, say, with_data
from schemas.problem import load_problem
from tasks.figures import keep

__all__ = ["add"]

_LABELS = (
    *("problem", "classes", "now", "start", "rows", "read", "labelled", "mature", "mature_labelled", "impossible"),
    *("copies", "near", "apart", "shared", "conflicts", "noise", "no_noise", "agreements", "revised", "delays"),
    *("maturity", "early", "first"),
)


def _doctor(args: Args) -> Done:
    from flows.doctor import doctor

    lines, figures = doctor(args.problem)
    say(lines)
    return Done(figures, 0 if figures["ready"] else 1)


def _history(args: Args) -> Done:
    from flows.history import history_figures, history_lines

    said = history_figures(args.problem)
    say(history_lines(said))
    return Done(said)


def _timeline(args: Args) -> Done:
    from flows.life import write_life

    written = write_life(args.problem, args.out)
    print(written)
    return Done({"problem": args.problem, "file": written})


def _verify(args: Args) -> Done:
    from flows.history import verify

    figures = {"rows": verify([args.problem] if args.problem else None)}
    keep("verify", figures)
    say(f"{name}: {rows} rows, each follows from the one before" for name, rows in figures["rows"].items())
    if not figures["rows"]:
        print("no ledger yet: no problem has taken a turn")
    return Done(figures)


def _quality(args: Args) -> Done:
    from flows.quality_screen import quality_history
    from tasks import quality_log

    say(quality_history(args.problem))
    figures = quality_log.figures(load_problem(args.problem))
    return Done({"problem": args.problem, "figures": [asdict(one) for one in figures]})


def _worth(args: Args) -> Done:
    from flows.worth import worth_lines, worths

    say(worth_lines(args.problem))
    return Done({"problem": args.problem, "rollouts": [asdict(one) for one in worths(args.problem)]})


def _contract(args: Args) -> Done:
    from flows.contract import contract_figures, contract_lines

    said = contract_figures(args.problem)
    say(contract_lines(said))
    return Done(said)


def _labels(args: Args) -> Done:
    from flows.labels_report import look
    from flows.labels_screen import data_of, screen

    problem = with_data(args)
    report = look(problem, args.now)
    say(screen(problem, report))
    return kept("labels", problem.name, data_of(report))


def _staleness(args: Args) -> Done:
    from flows.staleness import lines, staleness

    problem = with_data(args)
    found = staleness(problem)
    say(lines(problem, found))
    return kept("staleness", problem.name, found.data())


def _skew(args: Args) -> Done:
    from flows.skew import skew
    from schemas.verdict import Outcome

    until = datetime.now(UTC)
    verdict = skew(load_problem(args.problem), until - timedelta(days=args.days), until)
    if verdict is None:
        reason = f"no request of {args.problem} of the last {args.days:g} days was logged with its features"
        print(reason)
        return Done({"problem": args.problem, "outcome": None, "reason": reason, "evidence": {}})
    print(f"{verdict.outcome}: {verdict.reason}")
    figures = {"problem": args.problem, **{name: vars(verdict)[name] for name in ("outcome", "reason", "evidence")}}
    return Done(figures, 1 if verdict.outcome is Outcome.FAIL else 0)


def _feedback(args: Args) -> Done:
    from flows.feedback import report

    lines, data = report(load_problem(args.problem), args.now or datetime.now(UTC), timedelta(days=args.days))
    say(lines)
    return kept("feedback", args.problem, data)


def _replay(args: Args) -> Done:
    from flows.replaying import replay_history

    said = replay_history(load_problem(args.problem).name, days=args.days, name=args.name)
    print(said)
    return Done({"problem": args.problem, "name": args.name, "said": said})


def _drills(args: Args) -> Done:
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

    figures = run_drills(args.problem, args.now, show=show)
    print(f"{figures['right']} of {len(figures['drills'])} drills right on {args.problem}")
    return Done(figures, 1 if figures["wrong"] else 0)


def add(command: AddCommand) -> None:
    """Its commands, with their arguments."""
    looked = ("shape", "labels", "worth", "contract", "parts", "features", "left")
    doctor = ("problem", "ready", "must", "findings", "could_not_look", *looked)
    command("doctor", _doctor, "what to fix before the first turn", says=doctor)
    command("history", _history, "what served when, and why", says=("problem", "goal", "open_risks", "rows"))
    drawn = command(
        "timeline",
        _timeline,
        "its life as a picture: stages, champions, drift, retrains, rollbacks, quality",
        says=("problem", "file"),
    )
    drawn.add_argument("--out", type=Path, help="a file that ends in .svg or .html; timelines/PROBLEM.html by default")
    one = {"nargs": "?", "help": "its name; all of them by default"}
    command("verify", _verify, "prove that the ledger is whole", says=("rows",), problem=one)
    about = "what each cohort showed, and how late labels revised it"
    command("quality", _quality, about, says=("problem", "figures"))
    command("worth", _worth, "what each retrain promised, and what came", says=("problem", "rollouts"))
    command(
        "contract",
        _contract,
        "what the working file's contract would change, and refuse",
        says=("problem", "recorded", "working", "known", "changes", "table", "not_asked", "windows"),
    )
    _of_a_table(command)
    skew = command(
        "skew",
        _skew,
        "are the features that clients send those of the table?",
        says=("problem", "outcome", "reason", "evidence"),
    )
    skew.add_argument("--days", type=float, default=7.0, help="how far back requests are looked at")
    about = "what a model's own decisions make of its data"
    feedback = command("feedback", _feedback, about, says=("problem", "said"))
    feedback.add_argument("--days", type=float, default=28.0, help="how far back matured rows are looked at")
    feedback.add_argument("--now", type=moment, help="as the log stood then, with a zone")
    about = "turn the crank through the table's past, in a home of its own beside the live loop"
    replay = command("replay", _replay, about, says=("problem", "name", "said"))
    replay.set_defaults(stopped=GOES_ON)
    replay.add_argument("--days", type=int, default=90, help="the last so many of the table")
    replay.add_argument("--name", default="latest", help="its own; one that was cut off is gone on with under it")


def _of_a_table(command: AddCommand) -> None:
    """Those that are asked of a table, be it a copy, at a moment of it."""
    about = "what the labels are worth: copies, contradictions, noise, delays"
    labels = command("labels", _labels, about, says=_LABELS)
    about = "how fast models lose with age, and after how long renewing pays"
    ageing = command("staleness", _staleness, about, says=("problem", "growth", "weeks", "margin", "pays_after_weeks"))
    about, into = (
        "plant faults, and require the verdict that must follow",
        {"nargs": "?", "default": "fraud", "help": "its name"},
    )
    drills = command("drills", _drills, about, says=("problem", "right", "wrong", "drills"), problem=into)
    for over_a_table in (labels, ageing, drills):
        over_a_table.add_argument("--data", type=Path, help="your copy of the problem's table")
    for then in (labels, drills):
        then.add_argument("--now", type=moment, help="as the table stood then, with a zone")
