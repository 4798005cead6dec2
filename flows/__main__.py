"""Perennial from a shell: `python -m flows COMMAND`. What each command does is in flows.commands."""

import argparse
import os
import sys
from collections.abc import Callable
from typing import Any

from flows.commands import GROUPS
from schemas.errors import PerennialError
from schemas.settings import Settings

__all__ = ["main"]

# The exit code; None is 0. Prefect and scikit-learn are imported by those that need them.
Command = Callable[[argparse.Namespace], int | None]


def main(arguments: list[str] | None = None) -> int:
    """Run one command; 0 done, 1 refused with one clear sentence, 2 wrong usage."""
    args = _parser().parse_args(arguments)
    try:
        for name, value in Settings().silence.items():  # before any library is imported that would tell its maker
            os.environ.setdefault(name, value)
        return args.run(args) or 0
    except PerennialError as error:
        print(f"perennial: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:  # whoever read has read enough, as `make history | head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m flows", description="Perennial, by hand.")
    commands = parser.add_subparsers(dest="command", required=True)

    def command(name: str, run: Command, about: str, **problem: Any) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=about)
        added.set_defaults(run=run)
        added.add_argument("problem", **problem)
        return added

    for group in GROUPS:
        group.add(command)
    return parser


if __name__ == "__main__":
    sys.exit(main())
