"""What do commands share? How they print, keep their figures and are given a table."""

import argparse
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from flows.border import AddCommand, Args, Done
from schemas.problem import Problem, load_problem
from schemas.rows import State, plain
from tasks.figures import keep

__all__ = ["STANDS", "AddCommand", "Args", "Done", "days", "kept", "kept_as", "moment", "say", "stands", "with_data"]

# Where a problem stands, in the ledger's own words.
STANDS = ("problem", "sequence", "at", "stage", "share", "rollout", "champion", "challenger", "request", "paused")


def say(lines: Iterable[str]) -> None:
    for line in lines:
        print(line)


def stands(state: State) -> dict[str, Any]:
    """A state for scripts, by the names it has in the ledger."""
    return {name: plain(_fields(getattr(state, name))) for name in STANDS}


def _fields(value: Any) -> Any:
    return dict(vars(value)) if hasattr(value, "__dataclass_fields__") else value


def kept(command: str, problem: str, figures: dict[str, Any], code: int = 0) -> Done:
    return kept_as(f"{command}-{problem}", {"problem": problem} | figures, code)


def kept_as(name: str, figures: dict[str, Any], code: int = 0) -> Done:
    """Keep the figures for scripts. Where they cannot be written, what was asked has been answered all the same."""
    try:
        print(f"the same as data: {keep(name, figures)}")
    except OSError as error:
        print(f"not kept as data: {error.filename} cannot be written ({error.strerror})")
    return Done(figures, code)


def moment(text: str) -> datetime:
    """A moment as a person types it, with its zone.

    >>> moment("2026-01-31T00:00Z").isoformat()
    '2026-01-31T00:00:00+00:00'
    """
    try:
        said = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no moment: write one as 2026-01-31T00:00Z") from None
    if said.tzinfo is None:
        example = f"{said:%Y-%m-%dT%H:%M}Z"
        raise argparse.ArgumentTypeError(
            f"{text!r} names no zone, and could mean any of 24 moments: write {example} for UTC"
        )
    return said


def days(at_most: float) -> Any:
    """What reads a number of days above 0 and up to `at_most`."""

    def read(text: str) -> float:
        try:
            said = float(text)
        except ValueError:
            said = 0.0
        if not 0 < said <= at_most:
            raise argparse.ArgumentTypeError(f"{text!r} is no number of days above 0 and up to {at_most:g}")
        return said

    return read


def with_data(args: Args) -> Problem:
    """The problem, over the table that was named."""
    problem = load_problem(args.problem)
    if args.data:
        from tasks import windows

        windows.link(problem, args.data)
    return problem
