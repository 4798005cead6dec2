"""How is a problem begun, and its data brought and kept?"""

import sys
from dataclasses import asdict

from flows.commands.said import AddCommand, Args, Done, moment, say
from schemas.problem import load_problem

__all__ = ["add"]


def _data(args: Args) -> Done:
    from flows import operations

    written = operations.fetch(args.problem)
    print(f"written to {written}")
    return Done({"problem": args.problem, "file": written})


def _draft(args: Args) -> Done:
    from flows.drafting import draft_problem
    from tasks.guesses.facts import Hints

    hints = Hints(target=args.target, time=args.time, entity=args.entity, key=args.key)
    drafted = draft_problem(args.problem, args.data, table=args.table, hints=hints, overwrite=args.force)
    print(drafted.summary)
    return Done({"problem": args.problem, "file": drafted.path, "summary": drafted.summary.splitlines()})


def _archive(args: Args) -> Done:
    from flows.guard import watched
    from flows.retention import retention

    with watched():
        said = retention(load_problem(args.problem).name, now=args.now)
    print(said)
    return Done({"problem": args.problem, "said": said})


def _erase(args: Args) -> Done:
    from flows.retention import erase

    name = load_problem(args.problem).name
    entity = sys.stdin.readline().rstrip("\r\n") if args.entity == "-" else args.entity
    done = erase(name, entity, reason=args.reason)
    erased = done.erased
    print(
        f"{erased.answers} answers, {erased.labels} labels and {erased.archived} archived rows no longer say whom they are about; "
        f"{erased.features} rows of features, {erased.client_ids} client ids and {erased.quarantined} rows in quarantine are deleted"
    )
    say(f"not altered, since a model is named by the hash of its rows: {snapshot}" for snapshot in erased.snapshots)
    shown = "in the document" if args.json else done.receipt  # standard error is kept where nobody expects a secret
    print(f"recorded in erasures.jsonl; the receipt, shown only here: {shown}")
    return Done({"problem": name, "erased": asdict(erased), "receipt": done.receipt})


def add(command: AddCommand) -> None:
    """Its commands, with their arguments."""
    command("data", _data, "fetch a public table", says=("problem", "file"))
    drafting = command(
        "problem",
        _draft,
        "write a first draft of a problem from a table",
        says=("problem", "file", "summary"),
        problem={"help": "its name: the file schemas/problems/NAME.py"},
    )
    drafting.add_argument("data", help="a CSV or Parquet file, a glob, or a database URL")
    drafting.add_argument("--table", help="the table's name, where DATA is a database URL")
    for hint in ("target", "time", "entity", "key"):
        drafting.add_argument(f"--{hint}", help="the column, where the guess would be another")
    drafting.add_argument("--force", action="store_true", help="overwrite a file that is there")
    archive = command("archive", _archive, "keep requests only as long as the plan says", says=("problem", "said"))
    archive.add_argument("--now", type=moment, help="the moment that it counts back from, with a zone")
    erase = command(
        "erase", _erase, "remove one entity from log, archive and quarantine", says=("problem", "erased", "receipt")
    )
    erase.add_argument("--entity", required=True, help="as the log writes it; - reads it from standard input")
    erase.add_argument("--reason", required=True, help="why; it is recorded, and the entity is not")
