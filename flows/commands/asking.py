"""What can be asked of the loop?"""

import argparse
from datetime import timedelta

from flows.border import GOES_ON
from flows.commands.said import AddCommand, Args

__all__ = ["add"]


def _ask(args: Args) -> None:
    from flows import operations

    state = operations.ask(args.problem, kind=args.command, note=args.reason or "a person asked")
    print(f"asked, as row {state.sequence}; {args.problem} is {state.stage}, and its next HEALTHY turn acts on it")


def _approve(args: Args) -> None:
    from flows import operations

    state = operations.approve(
        args.problem,
        note=args.reason or "no note",
        actor=args.actor,
        answer="reject" if args.reject else "approve",
    )
    what = "rejected" if args.reject else "approved"
    then = "ends its rollout" if args.reject else "goes on"
    print(f"{what}, as row {state.sequence}; the next turn of {args.problem} {then}")


def _pause(args: Args) -> None:
    from flows import operations

    span = timedelta(days=args.days) if args.days else None
    state = operations.pause(args.problem, note=args.reason, actor=args.actor, span=span)
    until = f" until {state.paused.until:%Y-%m-%d %H:%M} UTC" if state.paused and state.paused.until else ""
    print(f"paused{until}, as row {state.sequence}; {args.problem} is {state.stage}, and nothing of it goes forward")


def _resume(args: Args) -> None:
    from flows import operations

    state = operations.resume(args.problem, note=args.reason, actor=args.actor)
    print(f"resumed, as row {state.sequence}; {args.problem} is {state.stage}, and its next turn goes on")


def _retire(args: Args) -> None:
    from flows import orphans

    state = orphans.retire(args.problem, note=args.reason, actor=args.actor)
    print(f"ended, as row {state.sequence}; {args.problem} is {state.stage}, and {state.champion} stays its champion")


def _operator(args: Args) -> None:
    # What every command is about stands under one name: here it is a person.
    from tasks import operators

    if args.dismiss:
        operators.dismiss(args.problem)
        print(f"the token of {args.problem} proves nothing any longer")
        return
    token = operators.appoint(args.problem)
    print(f"the token of {args.problem}, shown only here; give it as PERENNIAL_OPERATOR_TOKEN:\n{token}")


def _adopt(args: Args) -> None:
    from flows import operations

    print(f"{operations.adopt(args.problem, args.model).champion} serves {args.problem}")


def _turn(args: Args) -> None:
    from flows import operations

    print(operations.turn_once(args.problem))


def _days(text: str) -> float:
    try:
        days = float(text)
    except ValueError:
        days = 0.0
    if not 0 < days <= 365:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of days above 0 and up to 365")
    return days


def add(command: AddCommand) -> None:
    """Its commands, with their arguments."""
    command("retrain", _ask, "ask for a retrain").add_argument("--reason", default="")
    command("revert", _ask, "restore the previous champion").add_argument("--reason", default="")
    approve = command("approve", _approve, "approve the stage that waits for a person")
    approve.add_argument("--reason", default="")
    approve.add_argument("--actor", default="", help="who answers; by default whoever runs this")
    approve.add_argument("--reject", action="store_true", help="send its challenger away instead")
    for name, run, about in (
        ("pause", _pause, "let nothing of a problem go forward"),
        ("resume", _resume, "end a pause"),
    ):
        added = command(name, run, about)
        added.add_argument("--reason", required=True)
        added.add_argument("--actor", default="", help="who asks; by default whoever runs this")
        if run is _pause:
            added.add_argument("--days", type=_days, help="for so long; by default until somebody resumes")
    retire = command("retire", _retire, "end the rollout of a problem whose file is gone")
    retire.add_argument("--reason", required=True)
    retire.add_argument("--actor", default="", help="who asks; by default whoever runs this")
    operator = command("operator", _operator, "a token that proves a name", metavar="NAME")
    operator.add_argument("--dismiss", action="store_true", help="end it instead")
    adopt = command("adopt", _adopt, "start from a model of yours")
    adopt.add_argument("model", help="a .skops file, a folder that holds model.skops, or an MLflow URI")
    command("turn", _turn, "turn the crank once, now").set_defaults(stopped=GOES_ON)
