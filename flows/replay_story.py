"""What do people see of a replay in the Prefect UI? A bar while it runs, and what came of it: its life, and what it was worth."""

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import ArtifactCreate

from flows.artifacts import cell, key_of, unharmed
from flows.life import as_image, life_so_far
from flows.progress import Bar
from schemas.problem import Problem
from tasks import ledger
from tasks.drawing.life import draw_life

__all__ = ["result", "tell", "watched"]

log = logging.getLogger("perennial")


def watched(problem: Problem, rows: Iterable[ledger.Row], *, start: datetime, end: datetime) -> Iterator[ledger.Row]:
    """The rows as they come, with a bar that moves with their moments."""
    bar = Bar(
        key_of("replay-progress", problem.name), f"A replay of {problem.name} from {start:%Y-%m-%d} to {end:%Y-%m-%d}."
    )
    whole, turns, said = max(end - start, timedelta(seconds=1)), 0, ""
    for row in rows:
        at = datetime.fromisoformat(row.facts["at"])
        turns += row.facts["kind"] == "turn"
        said = f"{turns} turns of {problem.name}, to {at:%Y-%m-%d} of {end:%Y-%m-%d}; it is {row.facts['stage']}."
        bar.move((at - start) / whole, said)
        yield row
    bar.move(1.0, f"Done: {said}" if said else "Done: there was no turn left to take.")


def tell(problem: Problem, *, lines: Sequence[str] = (), happened: Mapping[str, bool] | None = None) -> None:
    """Leave what came of it as an artifact; with the API away it is said in the log, and the replay was still done."""
    with unharmed(f"the replay of {problem.name} is done, and not shown"):
        text = result(problem, lines=lines, happened=happened or {})
        with get_client(sync_client=True) as client:
            client.create_artifact(
                ArtifactCreate(
                    key=key_of("replay", problem.name), type="markdown", data=text, description=_headline(text)
                )
            )


def result(problem: Problem, *, lines: Sequence[str], happened: Mapping[str, bool]) -> str:
    """As Markdown: how many turns, the life, what was to happen and whether it did, and the lines that a terminal shows."""
    life = life_so_far(problem)
    if life is None:
        return f"## {problem.name}: a replay without a turn\n"
    promoted = sum(mark.kind == "promoted" for mark in life.marks)
    back = sum(mark.kind == "rolled back" for mark in life.marks)
    parts = [
        f"## {problem.name}: a replay of {life.turns} turns, {promoted} promotions, {back} rolled back",
        f"From {life.start:%Y-%m-%d} to {life.end:%Y-%m-%d}; it is {life.bands[-1].stage} at the end.",
        as_image(draw_life(life), f"{problem.name}: the life that was replayed"),
        "\n".join(["| what was to happen | did it? |", "|---|---|", *(_row(*one) for one in happened.items())])
        if happened
        else "",
        "\n".join(["```text", *lines, "```"]) if lines else "",
        "\n".join(["| when | what | why |", "|---|---|---|"])
        + "".join(f"\n| {mark.at:%Y-%m-%d} | {cell(mark.what)} | {cell(mark.why)} |" for mark in life.marks),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _row(what: str, did: bool) -> str:
    return f"| {cell(what)} | {'yes' if did else '**no**'} |"


def _headline(text: str) -> str:
    return text.splitlines()[0].removeprefix("## ")
