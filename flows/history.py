"""What served when, and why; and is the ledger whole? Reading only, without the orchestrator."""

from collections.abc import Iterator

from schemas.problem import load_problem
from schemas.risks import open_risks
from tasks import ledger
from tasks.goals import aim

__all__ = ["history", "verify"]


def history(problem: str) -> Iterator[str]:
    """What served when, and why: what is wanted and what nobody watches, then one line a row that changed something."""
    known = load_problem(problem)
    if aim(known.framing):
        yield aim(known.framing)
    for risk, why in open_risks(known).items():
        yield f"open risk, which nothing watches: {risk} ({why})"
    for row in ledger.rows(problem):
        facts, notes = row.facts, row.notes
        next_share = facts["kind"] == "turn" and facts["share_since"] == facts["at"]
        moved = next_share or facts["before"] != facts["stage"] or facts["arrow"] != "WAIT" or facts["kind"] != "turn"
        if not moved:
            continue
        serving = f"v{notes['versions']['champion']}" if "champion" in notes["versions"] else "–"
        yield (
            f"{facts['at'][:16]}  #{facts['sequence']:<4} {facts['before']:>9} → {facts['stage']:<9} {facts['arrow']:<6} "
            f"serving {serving:<4} {notes['reason']}{'; ' + notes['goal'] if 'goal' in notes else ''}"
            f"{'; ' + notes['worth'] if 'worth' in notes else ''}"
        )


def verify(problems: list[str] | None = None) -> dict[str, int]:
    """Rows verified, by problem; an error names the first row that does not follow from the one before it."""
    return {name: ledger.verify(name) for name in problems or ledger.problems()}
