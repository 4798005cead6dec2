"""What can be asked of the loop?"""

from datetime import timedelta

from flows.border import GOES_ON
from flows.commands.said import STANDS, AddCommand, Args, Done, days, stands
from schemas.plans import Reason
from schemas.rows import State

__all__ = ["add"]


def _retrain(args: Args) -> Done:
    from flows import operations

    state = operations.ask(
        args.problem,
        kind="retrain",
        note=args.reason or "a person asked",
        actor=args.actor,
        reason=Reason(args.cause),
        window_days=args.days,
    )
    return _queued(state)


def _revert(args: Args) -> Done:
    from flows import operations

    state = operations.ask(args.problem, kind="revert", note=args.reason or "a person asked", actor=args.actor)
    return _queued(state)


def _queued(state: State) -> Done:
    print(f"asked, as row {state.sequence}; {state.problem} is {state.stage}, and its next HEALTHY turn acts on it")
    return Done(stands(state))


def _approve(args: Args) -> Done:
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
    return Done(stands(state))


def _pause(args: Args) -> Done:
    from flows import operations

    span = timedelta(days=args.days) if args.days else None
    state = operations.pause(args.problem, note=args.reason, actor=args.actor, span=span)
    until = f" until {state.paused.until:%Y-%m-%d %H:%M} UTC" if state.paused and state.paused.until else ""
    print(f"paused{until}, as row {state.sequence}; {args.problem} is {state.stage}, and nothing of it goes forward")
    return Done(stands(state))


def _resume(args: Args) -> Done:
    from flows import operations

    state = operations.resume(args.problem, note=args.reason, actor=args.actor)
    print(f"resumed, as row {state.sequence}; {args.problem} is {state.stage}, and its next turn goes on")
    return Done(stands(state))


def _retire(args: Args) -> Done:
    from flows import orphans

    state = orphans.retire(args.problem, note=args.reason, actor=args.actor)
    print(f"ended, as row {state.sequence}; {args.problem} is {state.stage}, and {state.champion} stays its champion")
    return Done(stands(state))


def _operator(args: Args) -> Done:
    # What every command is about stands under one name: here it is a person.
    from tasks import operators

    if args.dismiss:
        operators.dismiss(args.problem)
        print(f"the token of {args.problem} proves nothing any longer")
        return Done({"operator": args.problem, "token": None})
    token = operators.appoint(args.problem)
    print(f"the token of {args.problem}, shown only here; give it as PERENNIAL_OPERATOR_TOKEN:")
    if not args.json:  # with it the words go to standard error, which is kept where nobody expects a secret
        print(token)
    return Done({"operator": args.problem, "token": token})


def _adopt(args: Args) -> Done:
    from flows import operations

    state = operations.adopt(args.problem, args.model, actor=args.actor)
    print(f"{state.champion} serves {args.problem}")
    return Done(stands(state))


def _turn(args: Args) -> Done:
    from flows import operations
    from tasks import ledger

    print(operations.turn_once(args.problem))
    return Done(stands(ledger.state_of(args.problem)))


def add(command: AddCommand) -> None:
    """Its commands, with their arguments."""
    retrain = command("retrain", _retrain, "ask for a retrain", says=STANDS)
    retrain.add_argument("--days", type=days(3650), help="train on the last so many; by default as the recipe says")
    retrain.add_argument(
        "--cause",
        choices=(str(Reason.PERSON), str(Reason.FORCED)),
        default=str(Reason.PERSON),
        help="a person's challenger has to be better than the champion, a forced replacement no worse",
    )
    revert = command("revert", _revert, "restore the previous champion", says=STANDS)
    approve = command("approve", _approve, "approve the stage that waits for a person", says=STANDS)
    approve.add_argument("--reject", action="store_true", help="send its challenger away instead")
    pause = command("pause", _pause, "let nothing of a problem go forward", says=STANDS)
    pause.add_argument("--days", type=days(365), help="for so long; by default until somebody resumes")
    resume = command("resume", _resume, "end a pause", says=STANDS)
    retire = command("retire", _retire, "end the rollout of a problem whose file is gone", says=STANDS)
    for asking in (retrain, revert, approve):
        asking.add_argument("--reason", default="", help="why; it stands in the ledger for good")
    for asking in (pause, resume, retire):
        asking.add_argument("--reason", required=True, help="why; it stands in the ledger for good")
    operator = command(
        "operator",
        _operator,
        "a token that proves a name",
        says=("operator", "token"),
        problem={"metavar": "NAME", "help": "whose it is"},
    )
    operator.add_argument("--dismiss", action="store_true", help="end it instead")
    adopt = command("adopt", _adopt, "start from a model of yours", says=STANDS)
    adopt.add_argument("model", help="a .skops file, a folder that holds model.skops, or an MLflow URI")
    for asking in (retrain, revert, approve, pause, resume, retire, adopt):
        asking.add_argument("--actor", default="", help="who asks or answers; by default whoever runs this")
    command("turn", _turn, "turn the crank once, now", says=STANDS).set_defaults(stopped=GOES_ON)
