"""What can a table without a time prove? That a recipe passes the offline gate; nothing about a rollout, which takes days."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from flows.border import Done
from schemas.problem import Problem
from schemas.stage import Stage
from schemas.verdict import Outcome
from tasks import ledger, windows
from tasks.figures import keep

__all__ = ["judge_once"]

_TURNS = 3  # what serves first, that a trained model is wanted, and the offline gate


def judge_once(problem: Problem, crank: Callable[[str, datetime], Any]) -> Done:
    """Take the turns up to the offline gate, and say plainly where a replay of this table ends. Its code is 0 when it was
    accepted."""
    print(
        f"{problem.name}: this table has no time, so a rollout cannot be replayed over it: there is no order in which its\n"
        "rows were asked, and no day after which a label was known. What can be judged is one recipe, on rows held out by hash.\n"
    )
    taken = windows.bounds(problem)[1] + problem.framing.maturity
    judged = _judged(problem)
    for turn in range(1, _TURNS + 1):
        if judged is None:
            crank(problem.name, max(taken, ledger.state_of(problem.name).at or taken) + timedelta(hours=turn))
            judged = _judged(problem)
    return _said(problem, judged)


def _judged(problem: Problem) -> ledger.Row | None:
    """The newest row in which a challenger was judged."""
    rows = [row for row in ledger.rows(problem.name) if row.facts["before"] == Stage.RETRAIN and "gates" in row.notes]
    return rows[-1] if rows else None


def _said(problem: Problem, row: ledger.Row | None) -> Done:
    if row is None:
        *_, last = ledger.rows(problem.name)
        print(f"no challenger was judged: {last.notes['reason']}")
        return Done({"problem": problem.name, "accepted": False, "reason": last.notes["reason"]}, 1)
    accepted = row.facts["outcome"] == Outcome.PASS
    for gate, outcome, reason in row.notes["gates"]:
        print(f"  {outcome:<5} {gate:<22} {reason}")
    test, held_out = row.notes["metrics"]["test"], row.notes["held_out"]
    metric = problem.framing.metric
    print(
        f"\n{metric} {test.get(metric, float('nan')):.4f} on {held_out['rows']:,} held-out rows in {held_out['folds']} fold(s)"
    )
    print(f"offline gate: {'accepted' if accepted else 'refused'}: {row.notes['reason']}")
    figures = {
        "problem": problem.name,
        "accepted": accepted,
        "reason": row.notes["reason"],
        "metric": metric,
        "rows": held_out["rows"],
        **{f"test_{k}": v for k, v in test.items()},
    }
    print(f"the same figures: {keep(f'loop-{problem.name}', figures)}")
    if accepted:
        print(
            f"here a replay ends. The challenger waits in {Stage.SHADOW} for live requests, which have a time: "
            f"make serve PROBLEM={problem.name}"
        )
    return Done(figures, 0 if accepted else 1)
