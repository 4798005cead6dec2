"""Does the champion still do what it did when it was accepted? From labels that matured."""

import numpy as np
import pandas as pd

from flows.acceptance import requirements_kept
from flows.selective import judged
from flows.turn import Turn, seed_of
from flows.window import champion_of, closed_window
from schemas.verdict import Outcome, Verdict, combine
from tasks import gates, predictions, scoring

__all__ = ["decayed"]


def decayed(turn: Turn) -> Verdict | None:
    """The decay of the champion's loss, and what is required of it after deployment, as one verdict."""
    problem, plan, champion = turn.problem, turn.problem.monitoring, champion_of(turn)
    if closed_window(turn) is None or not champion.trained:
        return None
    until = turn.now - problem.framing.maturity
    rows = predictions.cohort(problem, since=until - plan.decay_window, now=turn.now)
    rows = rows[rows["champion"] == champion.sha256]
    there = len(rows)
    rows, complete = judged(problem, rows)
    if there and complete.outcome is not Outcome.PASS:
        return Verdict("decay", complete.outcome, f"decay is not judged: {complete.reason}", complete.evidence)
    rows = rows[rows["label"].notna()]
    answered = rows[rows["role"] == "champion"]
    kept = requirements_kept(
        problem, answered, "champion", alpha=plan.decay_alpha, days=plan.decay_blocks, seed=seed_of(turn)
    )
    loss = [_decay(turn, rows)] if "loss" in champion.held_out else []
    verdicts = [*loss, *kept]
    return combine("decay", verdicts) if kept else next(iter(verdicts), None)


def _decay(turn: Turn, rows: pd.DataFrame) -> Verdict:
    """The champion's loss on matured rows it answered, a value a day, against what it showed when it was accepted."""
    framing, plan = turn.problem.framing, turn.problem.monitoring
    said = scoring.logged(rows["champion_score"], rows["champion_decision"], framing)
    loss = np.nan_to_num(scoring.row_loss(said, rows["label"].to_numpy(dtype=float), framing), nan=1.0)
    daily = pd.Series(loss).groupby(rows["event_time"].dt.floor("D").to_numpy()).mean()
    return gates.decay(
        daily.to_list(),
        held_out=champion_of(turn).held_out["loss"],
        tolerance=plan.decay_tolerance,
        alpha=plan.decay_alpha,
        at_least=plan.decay_blocks,
    )
