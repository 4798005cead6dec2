"""Perennial from a shell: `python -m flows COMMAND`. What each command does is in flows.commands."""

import argparse
import os
import sys
from collections.abc import Callable
from typing import Any

from flows.border import exit_code
from schemas.settings import Settings
from tasks.home import makeable

__all__ = ["main"]

# The exit code; None is 0. Prefect and scikit-learn are imported by those that need them.
Command = Callable[[argparse.Namespace], int | None]


def main(arguments: list[str] | None = None) -> int:
    """Run one command; 0 done, 1 refused with one clear sentence, 2 wrong usage, 130 stopped by Ctrl-C."""
    args = argparse.Namespace(stopped="stopped")

    def run() -> int | None:
        for name, value in Settings().silence.items():  # before any library is imported that would tell its maker
            os.environ.setdefault(name, value)
        _parser().parse_args(arguments, args)
        makeable()
        code: int | None = args.run(args)
        return code

    return exit_code(run, stopped=lambda: args.stopped)


def _parser() -> argparse.ArgumentParser:
    from flows.commands import GROUPS  # it takes a second, in which a person may think better of it

    parser = argparse.ArgumentParser(prog="python -m flows", description="Perennial, by hand.")
    commands = parser.add_subparsers(dest="command", required=True)

    def command(name: str, run: Command, about: str, **problem: Any) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=about)
        added.set_defaults(run=run, stopped="stopped")
        added.add_argument("problem", **problem)
        return added

    for group in GROUPS:
        group.add(command)
    return parser


if __name__ == "__main__":
    sys.exit(main())
