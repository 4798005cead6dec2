"""Which rows judged a challenger, why are they others than last time, and are they like what is asked now?"""

from typing import Any

import pandas as pd

from flows.turn import Turn
from schemas.errors import told
from tasks import contracts, ledger, profiles, windows
from tasks.splits import why_changed

__all__ = ["described", "likeness"]


def described(turn: Turn, test: pd.DataFrame, *, sha256: str, folds: int) -> dict[str, Any]:
    """For the ledger's notes: the held-out rows by content and span, why they changed, and how like live traffic they are."""
    problem = turn.problem
    time = test[problem.framing.event_time]
    now = {"sha256": sha256, "from": time.min().isoformat(), "until": time.max().isoformat()}
    before = [row.notes["held_out"] for row in ledger.rows(problem.name) if "held_out" in row.notes]
    said = now | {"rows": len(time), "folds": folds, "reason": why_changed(before[-1] if before else None, now)}
    return said if problem.framing.timeless else said | likeness(turn, test)


def likeness(turn: Turn, test: pd.DataFrame) -> dict[str, Any]:
    """How far the newest requests lie from the held-out rows, in [0, 1], for the feature that is farthest; and a sentence.

    It judges nothing: after a drift the newest rows are what a challenger is for, and the labelled ones are older.
    """
    problem, plan = turn.problem, turn.problem.monitoring
    start = turn.now - plan.window
    try:
        live = contracts.check(problem, windows.read_sample(problem, start, turn.now, as_of=start)[0]).valid
        found = profiles.distances(profiles.freeze_profile(test, problem.recipe.features), live)
    except Exception as error:  # no reason to refuse a challenger, and none to keep quiet
        return {"likeness": f"held-out rows could not be compared with live requests: {told(error)}"}
    known = {name: distance for name, distance in found.items() if distance == distance}
    if live.empty or not known:
        return {"likeness": "there are no live requests to compare the held-out rows with"}
    name = max(known, key=lambda feature: known[feature])
    like = "are like" if known[name] <= plan.effect_floor else "are not like"
    sentence = (
        f"the held-out rows {like} the {len(live):,} requests since {start:%Y-%m-%d}: farthest is {name}, {known[name]:.2f} "
        f"of at most 1; from {plan.effect_floor:g} on a difference counts"
    )
    return {"farthest": name, "distance": float(f"{known[name]:.12g}"), "likeness": sentence}
