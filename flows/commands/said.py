"""What do commands share? How they print, keep their figures and are given a table."""

import argparse
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from schemas.problem import Problem, load_problem
from tasks.figures import keep

__all__ = ["AddCommand", "Args", "kept", "kept_as", "moment", "say", "with_data"]

Args = argparse.Namespace
AddCommand = Callable[..., argparse.ArgumentParser]


def say(lines: Iterable[str]) -> None:
    for line in lines:
        print(line)


def kept(command: str, problem: str, figures: dict[str, Any]) -> None:
    kept_as(f"{command}-{problem}", figures)


def kept_as(name: str, figures: dict[str, Any]) -> None:
    """Keep the figures for scripts. Where they cannot be written, what was asked has been answered all the same."""
    try:
        print(f"the same as data: {keep(name, figures)}")
    except OSError as error:
        print(f"not kept as data: {error.filename} cannot be written ({error.strerror})")


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


def with_data(args: Args) -> Problem:
    """The problem, over the table that was named."""
    problem = load_problem(args.problem)
    if args.data:
        from tasks import windows

        windows.link(problem, args.data)
    return problem
