"""SHADOW, CANARY, AB and PROBATION: may the challenger come one step closer to serving?"""

from datetime import datetime, timedelta

import numpy as np
import pandas as pd

from flows.trial import keys_of
from flows.turn import Turn
from schemas.framing import CostLoss, MatrixLoss
from schemas.plans import Promotion
from schemas.stage import Stage
from schemas.verdict import Outcome, Verdict, combine
from tasks import gates, predictions, scoring
from tasks.stats import smallest_difference
from tasks.transitions import Decision

__all__ = ["ab_test", "canary", "probation", "shadow"]

_DAY = timedelta(days=1)


def shadow(turn: Turn) -> Decision:
    """SHADOW: both score the same requests. Guardrails may stop it today; only matured labels let it pass."""
    problem, plan, state = turn.problem, turn.problem.rollout, turn.state
    assert state.since is not None
    assert state.challenger is not None
    since, maturity = state.since, problem.framing.maturity
    rows = predictions.cohort(
        problem, since=since, now=turn.now, rollout=state.rollout, stages=("SHADOW",), matured=False
    )
    matured = rows[(rows["event_time"] < turn.now - maturity) & rows["label"].notna()]
    verdicts = [
        _errors_side_by_side(turn, rows),
        gates.paired_sequential(
            _loss(turn, matured, "champion"),
            _loss(turn, matured, "rival"),
            promotion=state.promotion or Promotion.SUPERIORITY,
            margin=problem.framing.margin,
            alpha=plan.alpha,
            enough=turn.now - since >= plan.shadow_at_least + maturity,
            test=plan.paired_test,
        ),
        *_same_evidence(turn, matured),
    ]
    verdicts += _shifts(turn, rows["rival_decision"].dropna())
    verdict = gates.at_deadline(
        combine("shadow", verdicts), now=turn.now, deadline=since + plan.shadow_at_most + maturity
    )
    if verdict.outcome is Outcome.PASS:
        verdict = Verdict("shadow", Outcome.PASS, verdicts[1].reason + _money(turn, matured), verdict.evidence)
    return Decision(verdict)


def canary(turn: Turn) -> Decision:
    """CANARY: the challenger answers a share. Operations are judged here: errors, assignment, traffic."""
    plan, state = turn.problem.rollout, turn.state
    assert state.since is not None
    assert state.share_since is not None
    rows = _logged(turn, Stage.CANARY)
    here = rows[rows["event_time"] >= pd.Timestamp(state.share_since)]
    firsts = here.drop_duplicates("entity")
    answered = here[here["role"] == "challenger"]
    traffic = gates.enough_traffic(
        requests=len(answered),
        entities=answered["entity"].nunique(),
        elapsed=turn.now - state.share_since,
        at_least=plan.share_at_least,
        requests_needed=plan.share_requests,
        entities_needed=plan.share_entities,
    )
    guards = [
        _errors_by_arm(turn, rows),
        gates.shares_held(firsts["role"] == "challenger", firsts["probability"], alpha=plan.alpha),
    ]
    verdict = combine("canary", [*guards, traffic])
    larger = [share for share in plan.shares if share > state.share]
    if combine("guards", guards).outcome is Outcome.PASS and larger:
        if traffic.outcome is Outcome.PASS:
            said = f"{state.share:.0%} is sound ({traffic.reason}); on to {larger[0]:.0%}"
            return Decision(Verdict("canary", Outcome.WAIT, said, verdict.evidence), share=larger[0])
        if _too_thin(turn, here):
            said = f"{state.share:.0%} is skipped: its expected requests fall short of {plan.share_requests}; on to {larger[0]:.0%}"
            return Decision(Verdict("canary", Outcome.WAIT, said, verdict.evidence), share=larger[0])
    verdict = gates.at_deadline(verdict, now=turn.now, deadline=state.since + plan.canary_at_most)
    if verdict.outcome is Outcome.PASS:
        verdict = Verdict(
            "canary",
            Outcome.PASS,
            f"{state.share:.0%} is sound: {traffic.reason}, {guards[0].reason}",
            verdict.evidence,
        )
    passed = verdict.outcome is Outcome.PASS
    # The stage that follows may skip itself; then no request is answered at half and half meanwhile.
    return Decision(verdict, share=state.share if passed and _skipped(turn, turn.now) else None)


def ab_test(turn: Turn) -> Decision:
    """AB: half and half, for the business effect; skipped where the plan waives it or the traffic cannot show it."""
    problem, plan, state = turn.problem, turn.problem.rollout, turn.state
    assert state.since is not None
    fresh = _logged(turn, Stage.AB)
    errors = _errors_by_arm(turn, fresh)
    skipped = _skipped(turn, state.since)
    if skipped:
        return Decision(errors if errors.outcome is Outcome.FAIL else skipped)
    assert plan.ab_at_least is not None, "a plan without an A/B stage skips it"
    rows = _matured(turn, Stage.AB)
    mine = (rows["role"] == "challenger").to_numpy()
    deadline = state.since + plan.ab_at_most + problem.framing.maturity
    effect = gates.business_effect(
        np.where(mine, _loss(turn, rows, "rival"), _loss(turn, rows, "champion")),
        mine,
        rows["probability"],
        entity=rows["entity"] if problem.framing.entity else None,
        tolerated_harm=problem.framing.tolerated_harm,
        alpha=plan.alpha,
        enough=turn.now - state.since >= plan.ab_at_least,
        last_look=turn.now >= deadline,
        no_harm_suffices=plan.ab_no_harm_suffices,
    )
    firsts = fresh.drop_duplicates("entity")
    guards = [errors]
    if len(firsts):
        guards.append(gates.shares_held(firsts["role"] == "challenger", firsts["probability"], alpha=plan.alpha))
    verdict = combine("business effect", [*guards, effect])
    return Decision(gates.at_deadline(verdict, now=turn.now, deadline=deadline))


def probation(turn: Turn) -> Decision:
    """PROBATION: the new champion serves all; the previous one scores in its shadow and comes back if it was better."""
    problem, plan, state = turn.problem, turn.problem.rollout, turn.state
    assert state.since is not None
    assert state.champion is not None
    # Rows it answered since its first canary share: their labels mature while it is on probation.
    rows = _matured(turn, Stage.CANARY, Stage.AB, Stage.PROBATION)
    serving = rows["champion"] == state.champion.sha256
    own = pd.concat(
        [
            _sides(rows[serving], "champion", "rival"),
            _sides(rows[~serving & (rows["role"] == "challenger")], "rival", "champion"),
        ]
    )
    own = own.sort_values("event_time", kind="stable")
    slow = gates.no_worse_live(
        _loss(turn, own, "other"),
        _loss(turn, own, "own"),
        margin=problem.framing.margin,
        alpha=plan.alpha,
        enough=turn.now - state.since >= plan.probation,
        at_least=plan.probation_rows,
    )
    fresh = _logged(turn, Stage.PROBATION)
    errors = _errors_side_by_side(turn, _sides(fresh, "champion", "rival").rename(columns=_AS_CHALLENGER))
    verdict = combine("probation", [errors, slow])
    verdict = gates.at_deadline(verdict, now=turn.now, deadline=state.since + plan.probation_at_most)
    if verdict.outcome is Outcome.PASS:
        verdict = Verdict("probation", Outcome.PASS, slow.reason, verdict.evidence)
    return Decision(verdict)


def _logged(turn: Turn, stage: Stage) -> pd.DataFrame:
    """What this rollout logged since the stage began, labels not needed: the fast clock."""
    state = turn.state
    assert state.since is not None
    return predictions.cohort(
        turn.problem,
        since=state.since,
        now=turn.now,
        rollout=state.rollout,
        stages=(str(stage),),
        matured=False,
        with_labels=False,
    )


def _matured(turn: Turn, *stages: Stage, at: datetime | None = None) -> pd.DataFrame:
    """What this rollout logged in these stages and is mature and labelled `at` that time: the slow clock."""
    state = turn.state
    assert state.tried is not None
    rows = predictions.cohort(
        turn.problem, since=state.tried, now=at or turn.now, rollout=state.rollout, stages=tuple(map(str, stages))
    )
    return rows[rows["label"].notna()]


# In probation the new champion is the one on trial, so it takes the challenger's side of the guardrail.
_AS_CHALLENGER = {"own_error": "rival_error", "other_error": "champion_error"}


def _sides(rows: pd.DataFrame, own: str, other: str) -> pd.DataFrame:
    """The columns of one side as `own_*`, of the other as `other_*`."""
    parts = ("score", "decision", "error")
    names = {f"{own}_{p}": f"own_{p}" for p in parts} | {f"{other}_{p}": f"other_{p}" for p in parts}
    return rows[
        ["event_time", "entity", "label", *names] if "label" in rows else ["event_time", "entity", *names]
    ].rename(columns=names)


def _errors_side_by_side(turn: Turn, rows: pd.DataFrame) -> Verdict:
    """Both scored every row: of the entities that met an error from one alone, which one was it?"""
    one_alone = rows["rival_error"].notna() ^ rows["champion_error"].notna()
    firsts = rows[one_alone].drop_duplicates("entity")
    hits = firsts["rival_error"].notna().astype(float)
    plan = turn.problem.rollout
    return gates.error_guardrail(
        hits, np.full(len(hits), 0.5), ratio=plan.error_ratio, alpha=plan.alpha, arms="scoring side by side"
    )


def _errors_by_arm(turn: Turn, rows: pd.DataFrame) -> Verdict:
    """Each request had one answerer: given an error, which arm was it, and with which probability?"""
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


def _loss(turn: Turn, rows: pd.DataFrame, side: str) -> np.ndarray:
    """Loss a row of one side. Where a model raised there is no score: that row counts as wholly wrong."""
    framing = turn.problem.framing
    said = scoring.logged(rows[f"{side}_score"], rows[f"{side}_decision"], framing)
    loss = scoring.row_loss(said, rows["label"].to_numpy(dtype=float), framing)
    return np.where(np.isnan(said.decision), 1.0, loss)


def _same_evidence(turn: Turn, matured: pd.DataFrame) -> list[Verdict]:
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


def _shifts(turn: Turn, decisions: pd.Series) -> list[Verdict]:
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
        gates.prediction_shift(
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


def _too_thin(turn: Turn, here: pd.DataFrame) -> bool:
    """Would this share, at the traffic seen so far, fall short of its requests even at the canary's deadline?"""
    state, plan = turn.state, turn.problem.rollout
    assert state.share_since is not None
    elapsed = turn.now - state.share_since
    if elapsed < _DAY:
        return False
    expected = len(here) / (elapsed / _DAY) * (plan.canary_at_most / _DAY) * state.share
    return expected < plan.share_requests


def _skipped(turn: Turn, at: datetime) -> Verdict | None:
    """Why there is no A/B stage: the plan waives it, or the smallest difference its traffic can show exceeds the harm
    that the framing tolerates. Asked as of `at`, when the stage begins, so that it is answered the same each turn."""
    problem, plan = turn.problem, turn.problem.rollout
    if plan.ab_at_least is None:
        return Verdict("business effect", Outcome.PASS, f"no A/B, by the plan: {plan.ab_waiver}")
    rows = _matured(turn, Stage.SHADOW, at=at)
    if len(rows) < 2:
        return None
    days = max((rows["event_time"].max() - rows["event_time"].min()) / _DAY, 1.0)
    n_per_arm = len(rows) / days * (plan.ab_at_most / _DAY) / 2
    shown = smallest_difference(float(np.var(_loss(turn, rows, "rival"))), n_per_arm=n_per_arm, alpha=plan.alpha)
    if shown <= problem.framing.tolerated_harm:
        return None
    said = f"A/B skipped: {n_per_arm:,.0f} rows an arm by its deadline show differences from {shown:.4f} on, the harm tolerated is {problem.framing.tolerated_harm}"
    evidence = {"smallest_difference": shown, "tolerated_harm": problem.framing.tolerated_harm}
    return Verdict("business effect", Outcome.PASS, said, evidence)


def _money(turn: Turn, matured: pd.DataFrame) -> str:
    gain = float(np.mean(_loss(turn, matured, "champion") - _loss(turn, matured, "rival")))
    priced = turn.problem.framing.in_money(gain, rows=1_000_000)
    return f", {priced}" if priced else ""
