"""What can be tried?"""

import argparse
import math
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from flows.border import GOES_ON
from flows.commands.said import AddCommand, Args, Done, kept, kept_as, moment, say, with_data
from schemas.errors import PerennialError
from schemas.problem import load_problem
from schemas.refused import refused

__all__ = ["add"]

_NIGHT = (
    *("problem", "began", "ended", "start", "steps", "baselines", "opportunity", "spent", "stopped", "decisions"),
    *("learned", "next", "skipped", "requests", "winner", "gain", "handed", "again", "links"),
)
_DIAGNOSIS = (
    *(
        "problem",
        "experiment",
        "family",
        "loss",
        "spans",
        "metric",
        "metrics",
        "seed_sd",
        "baselines",
        "rooms",
        "checks",
    ),
    *("curve", "calibration", "over_time", "confusion", "classes", "slices", "effects", "wrong", "probes"),
    *("opportunity", "seconds", "of_seconds", "next", "page"),
)
_REPRODUCED = (
    *("run", "problem", "model", "rows", "same_content", "largest", "decisions", "tolerance", "commit", "versions"),
    *("rules_changed", "equal"),
)


def _improve(args: Args) -> Done:
    from flows.improvement import Budget, spent_night
    from flows.night_told import said_of, summary

    problem = with_data(args)
    with refused(
        "what the night may spend", "Say another number, or leave it to the problem's plan.", name="--{}".format
    ):
        budget = Budget(experiments=args.experiments, hours=args.hours, money=args.money)
        budget.within(problem.improvement)
    seen, began = 0, datetime.now(UTC)

    def show(night: Any) -> None:
        nonlocal seen
        if not seen and night.steps and night.began < began:
            print(f"goes on with the night that began at {night.began:%Y-%m-%d %H:%M} UTC, on the rows it began with")
        say(said_of(step) for step in night.steps[seen:])
        seen = len(night.steps)
        sys.stdout.flush()

    night = spent_night(problem.name, budget=budget, hand_over=args.hand_over, anew=args.anew, now=args.now, show=show)
    say(summary(night))
    return kept("improve", problem.name, night.to_json())


def _diagnose(args: Args) -> Done:
    from flows.improvement import advised
    from flows.night_told import advice

    problem = with_data(args)
    view, page, won = advised(problem.name, now=args.now)
    say(advice(view, page, won))
    best_first = [
        {"name": one.idea.name, "quadrant": str(one.quadrant), "chance": one.chance.mean, "impact": one.idea.impact}
        for one in view.backlog
    ]
    return kept("diagnose", problem.name, view.diagnosis.to_json() | {"next": best_first, "page": page.as_uri()})


def _backlog(args: Args) -> Done:
    from flows.night_told import backlog_lines
    from flows.present_ideas import present, refuse, waiting_lines
    from schemas.wishes import Wish, Wishes
    from tasks import backlog

    problem = load_problem(args.problem)
    then = 'Say it as {"name": "read it", "change": {"features": ["a", "b"]}}; nothing was written.'
    with refused("what --add says", then, model=Wish):
        added = tuple(Wish.model_validate_json(text) for text in args.add)
    with refused("what was said of the backlog", "Say one of the two; nothing was written.", model=Wishes):
        said = Wishes(added=added, veto=tuple(args.veto), first=tuple(args.first))
    now = present(problem)
    if said != Wishes() or args.forget:
        refuse(said, now)
        backlog.change(problem.name, lambda before: _forgotten(before, args.forget, problem.name).and_then(said))
    say(backlog_lines(problem.name))
    wishes = backlog.read(problem.name)
    say(waiting_lines(wishes, now))
    ideas = [idea.to_json() for idea in now.ideas]
    return Done({"problem": problem.name, "wishes": wishes.model_dump(mode="json"), "ideas": ideas})


def _forgotten(wishes: Any, names: list[str], problem: str) -> Any:
    unknown = [name for name in names if name not in wishes.names]
    if unknown:
        known = ", ".join(map(repr, wishes.names)) or "nothing"
        raise PerennialError(
            f"nothing is said of {', '.join(map(repr, unknown))} in the backlog of {problem!r}, so that nothing of it can be "
            f"forgotten: people's word is on {known}. Name one of these; nothing was written."
        )
    return wishes.without(*names)


def _errors(args: Args) -> Done:
    from flows import errors

    if args.tag:
        key, tag = args.tag
        print(f"tagged in {errors.add_tag(args.problem, key, tag)}")
        return Done({"problem": args.problem} | errors.data(args.problem))
    say(errors.lines(args.problem))
    return kept("errors", args.problem, errors.data(args.problem))


def _reproduce(args: Args) -> Done:
    from flows.reproduction import lines, reproduce

    found = reproduce(args.problem)
    say(lines(found))
    return kept_as("reproduce", found.data(), 0 if found.equal else 1)


def _number(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise argparse.ArgumentTypeError(f"{text!r} is no number")
    return number


def add(command: AddCommand) -> None:
    """Its commands, with their arguments."""
    about = "a night of experiments: diagnose, choose one change, run it, learn from it"
    improve = command("improve", _improve, about, says=_NIGHT)
    improve.add_argument("--experiments", type=int, help="try at most so many ideas")
    improve.add_argument("--hours", type=_number, help="run at most so long, pauses left out")
    improve.add_argument("--money", type=_number, help="spend at most so much, in the problem's currency")
    improve.add_argument("--anew", action="store_true", help="drop a night that was cut off, and begin another")
    improve.add_argument(
        "--hand-over", action=argparse.BooleanOptionalAction, default=None, help="ask for the winner as a retrain"
    )
    about = "what keeps the recipe in place from being better, and what to try next"
    diagnose = command("diagnose", _diagnose, about, says=_DIAGNOSIS)
    for looking in (improve, diagnose):
        looking.set_defaults(stopped=GOES_ON)
        looking.add_argument("--data", type=Path, help="your copy of the problem's table")
        looking.add_argument("--now", type=moment, help="as the table stood then, with a zone")
    about = "which rows the newest experiment got wrong, by tag and slice"
    mistakes = command("errors", _errors, about, says=("problem", "sheet", "kinds"))
    mistakes.add_argument("--tag", nargs=2, metavar=("KEY", "TAG"), help="say of one row what is wrong with it")
    about = "what could be tried next; add to it, veto, reorder"
    backlog = command("backlog", _backlog, about, says=("problem", "wishes", "ideas"))
    backlog.add_argument("--veto", action="append", default=[], metavar="NAME", help="never run this idea")
    backlog.add_argument("--first", action="append", default=[], metavar="NAME", help="run this idea next")
    backlog.add_argument("--add", action="append", default=[], metavar="JSON", help='{"name": ..., "change": {...}}')
    backlog.add_argument("--forget", action="append", default=[], metavar="NAME", help="take back what was said of it")
    command(
        "reproduce",
        _reproduce,
        "rebuild a run's model, and prove it equal",
        says=_REPRODUCED,
        problem={"metavar": "run", "help": "its MLflow id"},
    )
