"""What do commands share? How they print, keep their figures and are given a table."""

import argparse
from collections.abc import Callable, Iterable
from typing import Any

from schemas.problem import Problem, load_problem
from tasks.figures import keep

__all__ = ["AddCommand", "Args", "kept", "say", "with_data"]

Args = argparse.Namespace
AddCommand = Callable[..., argparse.ArgumentParser]


def say(lines: Iterable[str]) -> None:
    for line in lines:
        print(line)


def kept(command: str, problem: str, figures: dict[str, Any]) -> None:
    print(f"the same as data: {keep(f'{command}-{problem}', figures)}")


def with_data(args: Args) -> Problem:
    """The problem, over the table that was named."""
    problem = load_problem(args.problem)
    if args.data:
        from tasks import windows

        windows.link(problem, args.data)
    return problem
