"""What do the rows of the prediction log show of two models? The evidence of every stage of a rollout, by gate."""

from collections.abc import Callable
from datetime import datetime
from functools import partial

import numpy as np
import pandas as pd

from flows.trial import keys_of
from flows.turn import Turn
from schemas.framing import CostLoss, MatrixLoss
from schemas.stage import Stage
from schemas.verdict import Verdict
from tasks import gates, predictions, scoring

__all__ = [
    "AS_CHALLENGER",
    "assigned",
    "errors_by_arm",
    "errors_side_by_side",
    "logged",
    "loss_of",
    "matured_rows",
    "ratio_held",
    "same_evidence",
    "scored_beside",
    "shifts",
    "sides",
    "slow_by_arm",
]


_LATENCIES = 100  # fewer say nothing about a hundredth of them


def logged(turn: Turn, stage: Stage) -> pd.DataFrame:
    """What this rollout logged since the stage began, labels not needed: the fast clock."""
    assert turn.state.since is not None
    return logged_in(turn, stage, since=turn.state.since)


def logged_in(turn: Turn, stage: Stage, *, since: datetime | None = None) -> pd.DataFrame:
    """What this rollout logged in a stage, whether or not that stage is over."""
    state = turn.state
    began = since or state.tried
    assert began is not None
    return predictions.cohort(
        turn.problem,
        since=began,
        now=turn.now,
        rollout=state.rollout,
        stages=(str(stage),),
        matured=False,
        with_labels=False,
    )


def matured_rows(turn: Turn, *stages: Stage, at: datetime | None = None) -> pd.DataFrame:
    """What this rollout logged in these stages and is mature `at` that time, with its label or none: the slow clock."""
    state = turn.state
    assert state.tried is not None
    return predictions.cohort(
        turn.problem, since=state.tried, now=at or turn.now, rollout=state.rollout, stages=tuple(map(str, stages))
    )


# In probation the new champion is the one on trial, so it takes the challenger's side of the guardrail.
AS_CHALLENGER = {"own_error": "rival_error", "other_error": "champion_error"}


def sides(rows: pd.DataFrame, own: str, other: str) -> pd.DataFrame:
    """The columns of one side as `own_*`, of the other as `other_*`."""
    parts = ("score", "decision", "error")
    names = {f"{own}_{p}": f"own_{p}" for p in parts} | {f"{other}_{p}": f"other_{p}" for p in parts}
    return rows[
        ["event_time", "entity", "label", *names] if "label" in rows else ["event_time", "entity", *names]
    ].rename(columns=names)


def errors_side_by_side(turn: Turn, rows: pd.DataFrame) -> Verdict:
    """Both scored every row: of the entities that met an error from one alone, which one was it?"""
    one_alone = rows["rival_error"].notna() ^ rows["champion_error"].notna()
    firsts = rows[one_alone].drop_duplicates("entity")
    hits = firsts["rival_error"].notna().astype(float)
    plan = turn.problem.rollout
    return gates.error_guardrail(
        hits, np.full(len(hits), 0.5), ratio=plan.error_ratio, alpha=plan.alpha, arms="scoring side by side"
    )


def assigned(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows that could have fallen to either arm. Where the challenger could not answer, as once a gateway's breaker has
    tripped, all are the champion's, and say nothing about arms."""
    return rows[rows["probability"] > 0]


def ratio_held(turn: Turn, firsts: pd.DataFrame) -> Verdict:
    firsts = assigned(firsts)
    in_challenger = firsts["role"] == "challenger"
    return gates.shares_held(in_challenger, firsts["probability"], alpha=turn.problem.rollout.alpha)


def errors_by_arm(turn: Turn, rows: pd.DataFrame) -> Verdict:
    """Each request had one answerer: given an error, which arm was it, and with which probability?"""
    rows = assigned(rows)
    challengers = rows["role"] == "challenger"
    erred = np.where(challengers, rows["rival_error"].notna(), rows["champion_error"].notna())
    firsts = rows[erred.astype(bool)].drop_duplicates("entity")
    plan = turn.problem.rollout
    hits = (firsts["role"] == "challenger").astype(float)
    return gates.error_guardrail(
        hits,
        firsts["probability"],
        ratio=plan.error_ratio,
        alpha=plan.alpha,
        arms=f"which answered {challengers.mean() if len(rows) else 0:.1%} of requests",
    )


def scored_beside(turn: Turn, rows: pd.DataFrame) -> tuple[pd.DataFrame, Verdict]:
    """The rows that the model beside was asked about, and whether enough were: a gateway drops what it cannot keep up with."""
    asked = rows["rival_decision"].notna() | rows["rival_error"].notna()
    limit = turn.problem.serving.shadow_dropped
    return rows[asked], gates.mirror_complete(int((~asked).sum()), len(rows), limit=limit)


def slow_by_arm(turn: Turn, rows: pd.DataFrame) -> Verdict | None:
    """Of the answers that took too long, which arm gave them? None where nobody measured, as when turns score batches."""
    before = logged_in(turn, Stage.SHADOW)["latency_ms"].dropna()
    if len(before) < _LATENCIES:
        return None
    plan, framing = turn.problem.rollout, turn.problem.framing
    limit = max(float(before.quantile(0.99)), framing.latency_budget.total_seconds() * 1e3)
    rows = assigned(rows)
    firsts = rows[rows["latency_ms"] > limit].drop_duplicates("entity")
    hits = (firsts["role"] == "challenger").astype(float)
    return gates.latency_guardrail(
        hits, firsts["probability"], ratio=plan.slow_ratio, alpha=plan.alpha, arms=f"over {limit:.0f} ms"
    )


def loss_of(turn: Turn, rows: pd.DataFrame, side: str) -> np.ndarray:
    """Loss a row of one side. Where a model raised there is no score: that row counts as wholly wrong."""
    framing = turn.problem.framing
    said = scoring.logged(rows[f"{side}_score"], rows[f"{side}_decision"], framing)
    loss = scoring.row_loss(said, rows["label"].to_numpy(dtype=float), framing)
    return np.where(np.isnan(said.decision), 1.0, loss)


def same_evidence(turn: Turn, matured: pd.DataFrame) -> list[Verdict]:
    """Do these rows speak about these two models, and was none of them trained on by either?"""
    state, problem = turn.state, turn.problem
    assert state.champion is not None
    assert state.challenger is not None
    if matured.empty:
        return []
    times = matured.rename(columns={"event_time": problem.framing.event_time})
    roles = {"champion": state.champion, "challenger": state.challenger}
    pair = gates.same_pair(
        matured["champion"],
        matured["rival"],
        champion=state.champion.sha256,
        challenger=state.challenger.sha256,
        newer={role: _newer(matured, model.trained_until) for role, model in roles.items()},
    )

    def overlap() -> Verdict:
        return gates.no_overlap(matured["key"], {role: keys_of(problem, m, times) for role, m in roles.items()})

    return [pair, gates.closed("no overlap", overlap)]


def _newer(rows: pd.DataFrame, trained_until: datetime | None) -> bool:
    return trained_until is None or bool((rows["event_time"] >= pd.Timestamp(trained_until)).all())


def shifts(turn: Turn, decisions: pd.Series) -> list[Callable[[], Verdict]]:
    """Does the challenger decide on live requests as often for each class as on held-out rows? A probability that is
    squared has no decisions whose share could shift."""
    plan, framing, challenger = turn.problem.rollout, turn.problem.framing, turn.state.challenger
    assert challenger is not None
    if not isinstance(framing.loss, CostLoss | MatrixLoss) or plan.prediction_shift is None:
        return []
    shares = (
        {"positives": 1.0} if framing.task == "binary" else {f"share of {c}": i for i, c in enumerate(framing.classes)}
    )
    return [
        partial(
            gates.prediction_shift,
            int((decisions == decided).sum()),
            len(decisions),
            held_out=challenger.held_out.get(name, 0.0),
            factor=plan.prediction_shift,
            alpha=plan.alpha / len(shares),
            what=name,
        )
        for name, decided in shares.items()
        # A class that it never decided for on held-out rows has no limits to hold.
        if framing.task == "binary" or challenger.held_out.get(name, 0.0) > 0
    ]
