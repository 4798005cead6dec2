"""What can be scored from a shell?"""

import sys
from datetime import datetime
from pathlib import Path

from flows.commands.said import AddCommand, Args, Done, kept, say
from schemas.problem import load_problem

__all__ = ["add"]


def _score(args: Args) -> Done:
    from flows.score_request import Asked
    from flows.scoring import scored
    from flows.scoring_story import lines

    def show(done: int, of: int, rows: int) -> None:
        print(f"  {done:,} of {of:,} parts, {rows:,} rows", file=sys.stderr, flush=True)

    asked = Asked(args.request or _named(args), args.since, args.until, args.file, args.out, args.part_rows)
    result = scored(load_problem(args.problem).name, asked, show=show)
    say(lines(result))
    return kept("score", args.problem, result)


def _named(args: Args) -> str:
    """A name for whoever gives none: the same rows have the same, so that the command started again goes on."""
    from tasks.parts import digest

    if args.file and args.file.is_file():
        return f"file-{digest(args.file)[:16]}"
    return "-".join(f"{moment:%Y%m%dT%H%M%S}" for moment in (args.since, args.until) if moment) or "window"


def add(command: AddCommand) -> None:
    """Its commands, with their arguments."""
    scoring = command(
        "score",
        _score,
        "score a file or a window of the table: each row once, also when killed",
        says=("the manifest of the output",),
    )
    scoring.add_argument("--file", type=Path, help="CSV or Parquet with the columns of a request")
    scoring.add_argument("--since", type=datetime.fromisoformat, help="of the problem's table, with a zone")
    scoring.add_argument("--until", type=datetime.fromisoformat, help="before this moment, with a zone")
    scoring.add_argument(
        "--request", help="its name, under which it is gone on with; by default made of the rows asked for"
    )
    scoring.add_argument(
        "--out", type=Path, help="an empty folder; by default scored/PROBLEM/REQUEST under PERENNIAL_HOME"
    )
    scoring.add_argument("--part-rows", type=int, default=50_000, help="rows in memory at a time")
