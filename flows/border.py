"""What does a shell see of a command? A person its words and one sentence of an error; a script one JSON document; both a code."""

import argparse
import json
import math
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext, redirect_stdout
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NoReturn

from pydantic import ValidationError

from flows.machine import why_refused
from schemas.errors import PerennialError, told
from schemas.refused import findings
from schemas.rows import plain
from schemas.settings import Settings
from tasks import home, logs

__all__ = ["GOES_ON", "AddCommand", "Args", "Command", "Done", "Parser", "adding", "command_line", "exit_code"]

GOES_ON = "stopped; run it again and it goes on where it was"
_CODES = (
    "Exit codes: 0 done; 1 refused or failed, with one sentence on standard error; 2 wrong usage; 130 stopped by Ctrl-C. "
    'With --json standard output is one JSON document, that of an error {"error": "..."}; words go to standard error.'
)

_A_PROBLEM: Mapping[str, Any] = {"help": "its name"}


@dataclass(frozen=True)
class Done:
    """What a command leaves for scripts, beside the words that it has printed for people, and how it ended."""

    figures: Mapping[str, Any]
    code: int = 0


Args = argparse.Namespace
Command = Callable[[Args], Done]
AddCommand = Callable[..., argparse.ArgumentParser]


class WrongUsageError(Exception):
    """What was typed is no command of ours."""

    def __init__(self, usage: str, sentence: str) -> None:
        super().__init__(sentence)
        self.usage = usage


class Parser(argparse.ArgumentParser):
    """Says the exit codes with every help, and raises what it refuses: standard output may have to be JSON."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**({"epilog": _CODES} | given))

    def error(self, message: str) -> NoReturn:
        raise WrongUsageError(f"{self.format_usage()}{self.prog}: error: {message}", message)


def adding(parser: argparse.ArgumentParser) -> AddCommand:
    """How a command is added to `parser`: its name, what runs it, what it is about, which fields its document has, and how its
    first argument is given; None where it has none."""
    commands = parser.add_subparsers(dest="command", required=True)

    def command(
        name: str, run: Command, about: str, *, says: tuple[str, ...], problem: Mapping[str, Any] | None = _A_PROBLEM
    ) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=about, description=f"{about[0].upper()}{about[1:]}.")
        added.set_defaults(run=run, stopped="stopped", says=says, named=problem is _A_PROBLEM)
        if problem is not None:
            added.add_argument("problem", **problem)
        holds = f"print one JSON object alone: {', '.join(says)}" if says else "print an error as one JSON object"
        added.add_argument("--json", action="store_true", help=holds)
        return added

    return command


def command_line(parser: Callable[[], argparse.ArgumentParser], arguments: list[str] | None) -> int:
    """Run one command: its words are printed as it goes, or, with --json, its figures alone when it is done."""
    given = sys.argv[1:] if arguments is None else arguments
    args = Args(json="--json" in given, stopped="stopped")

    def run() -> int:
        settings = Settings()
        # Before any library is imported that would tell its maker, or write its log as it likes.
        for name, value in (settings.silence | settings.logging).items():
            os.environ.setdefault(name, value)
        parser().parse_args(given, args)
        home.makeable()
        logs.begin(settings.logs, **({"problem": args.problem} if args.named else {}))
        with _words_beside() if args.json else nullcontext():
            done: Done = args.run(args)
        if args.json:
            _document(done.figures)
        return done.code

    return exit_code(run, stopped=lambda: args.stopped, as_json=lambda: args.json)


def exit_code(
    run: Callable[[], int | None], *, stopped: Callable[[], str], as_json: Callable[[], bool] = lambda: False
) -> int:
    """What the command returned, None being 0; 1 where it was refused, 2 where it was typed wrongly, and 130 where a person
    stopped it, with one sentence each. `stopped` says, then, what is left."""

    def said(sentence: str, *, before: str = "perennial: ", code: int = 1) -> int:
        print(f"{before}{sentence}", file=sys.stderr)
        if as_json():
            _document({"error": sentence})
        return code

    try:
        return run() or 0
    except WrongUsageError as error:
        print(error.usage, file=sys.stderr)
        if as_json():
            _document({"error": str(error)})
        return 2
    except PerennialError as error:
        return said(str(error))
    except ValidationError as error:
        # Nobody said what it was read for: what is stored by a version with other rules, for the most part.
        return said(
            f"what is to be a {error.title} is none: {findings(error)}. Correct it where it is written; what an "
            "older version stored is read by that version."
        )
    except KeyboardInterrupt:
        return said(stopped(), before="\n", code=130)
    except BrokenPipeError:  # whoever read has read enough, as `make history | head` does
        _nothing_read_on()
        return 0
    except Exception as error:
        if why := why_refused(error):
            return said(why)
        if as_json():
            _document({"error": told(error)})
        raise


def _document(figures: Mapping[str, Any]) -> None:
    """All that standard output holds: figures as they are kept, and nothing that JSON has no word for."""
    print(json.dumps(_carried(dict(figures)), default=_written, allow_nan=False), flush=True)


def _carried(value: Any) -> Any:
    """Undefined numbers as text."""
    if isinstance(value, dict):
        return {key: _carried(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_carried(item) for item in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def _written(value: Any) -> Any:
    """Times and spans as the ledger carries them, numpy's numbers, paths and ids."""
    if isinstance(value, datetime | timedelta):
        return plain(value)
    return value.item() if hasattr(value, "item") else str(value)


@contextmanager
def _words_beside() -> Iterator[None]:
    """What is printed meanwhile goes to standard error, whoever prints it: a command, a library, a process that it starts."""
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)


def _nothing_read_on() -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
