"""Perennial from a shell: `python -m flows COMMAND`. What each command does is in flows.commands."""

import argparse
import sys

from flows.border import Parser, adding, command_line

__all__ = ["main"]


def main(arguments: list[str] | None = None) -> int:
    """Run one command; 0 done, 1 refused with one clear sentence, 2 wrong usage, 130 stopped by Ctrl-C."""
    return command_line(_parser, arguments)


def _parser() -> argparse.ArgumentParser:
    from flows.commands import GROUPS  # it takes a second, in which a person may think better of it

    parser = Parser(prog="python -m flows", description="Perennial, by hand.")
    command = adding(parser)
    for group in GROUPS:
        group.add(command)
    return parser


if __name__ == "__main__":
    sys.exit(main())
