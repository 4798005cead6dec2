"""What served when, and why; and is the ledger whole? Reading only, without the orchestrator."""

from collections.abc import Iterator
from typing import Any

from schemas.problem import load_problem
from schemas.risks import open_risks
from tasks import ledger
from tasks.goals import aim

__all__ = ["history_figures", "history_lines", "verify"]

_FACTS = ("at", "sequence", "kind", "before", "stage", "arrow", "gate", "outcome", "share", "rollout")


def history_lines(said: dict[str, Any]) -> Iterator[str]:
    """What is wanted and what nobody watches, then one line a row that changed something, for a terminal."""
    if said["goal"]:
        yield said["goal"]
    for risk, why in said["open_risks"].items():
        yield f"open risk, which nothing watches: {risk} ({why})"
    for row in said["rows"]:
        serving = f"v{row['champion']['version']}" if row["champion"] else "–"
        yield (
            f"{row['at'][:16]}  #{row['sequence']:<4} {row['before']:>9} → {row['stage']:<9} {row['arrow']:<6} "
            f"serving {serving:<4} {'; '.join(row[what] for what in ('reason', 'goal', 'worth') if row[what])}"
        )


def history_figures(problem: str) -> dict[str, Any]:
    """What served when, and why, by the names that rows have in the ledger."""
    known = load_problem(problem)
    return {
        "problem": problem,
        "goal": aim(known.framing),
        "open_risks": open_risks(known),
        "rows": [_said(row) for row in ledger.rows(problem) if _moved(row.facts)],
    }


def _moved(facts: dict[str, Any]) -> bool:
    next_share = facts["kind"] == "turn" and facts["share_since"] == facts["at"]
    return bool(next_share or facts["before"] != facts["stage"] or facts["arrow"] != "WAIT" or facts["kind"] != "turn")


def _said(row: ledger.Row) -> dict[str, Any]:
    champion = row.facts["champion"] and row.facts["champion"] | {"version": row.notes["versions"]["champion"]}
    return (
        {name: row.facts[name] for name in _FACTS}
        | {"champion": champion}
        | {name: row.notes.get(name, "") for name in ("reason", "goal", "worth")}
    )


def verify(problems: list[str] | None = None) -> dict[str, int]:
    """Rows verified, by problem; an error names the first row that does not follow from the one before it."""
    begun = ledger.problems()
    for name in problems or ():
        if name not in begun:  # one whose file is gone has its rows still; one that nobody knows has nothing to prove
            load_problem(name)
    return {name: ledger.verify(name) for name in problems or begun}
