"""What do commands share? How they print, keep their figures and are given a table."""

import argparse
from collections.abc import Callable, Iterable
from typing import Any

from schemas.problem import Problem, load_problem
from tasks.figures import keep

__all__ = ["AddCommand", "Args", "kept", "kept_as", "say", "with_data"]

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


def with_data(args: Args) -> Problem:
    """The problem, over the table that was named."""
    problem = load_problem(args.problem)
    if args.data:
        from tasks import windows

        windows.link(problem, args.data)
    return problem
