"""What can be asked of the loop?"""

from flows.commands.said import AddCommand, Args

__all__ = ["add"]


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


def add(command: AddCommand) -> None:
    """Its commands, with their arguments."""
    command("retrain", _ask, "ask for a retrain").add_argument("--reason", default="")
    command("revert", _ask, "restore the previous champion").add_argument("--reason", default="")
    approve = command("approve", _approve, "approve the stage that waits for a person")
    approve.add_argument("--reason", default="")
    approve.add_argument("--actor", default="", help="who approves; by default whoever runs this")
    adopt = command("adopt", _adopt, "start from a model of yours")
    adopt.add_argument("model", help="a .skops file, a folder that holds model.skops, or an MLflow URI")
    command("turn", _turn, "turn the crank once, now")
