"""SHADOW, CANARY, AB and PROBATION: may the challenger come one step closer to serving?"""

from datetime import datetime, timedelta

import numpy as np
import pandas as pd

from flows.acceptance import FEWEST_DAYS, requirements_kept
from flows.arms import (
    AS_CHALLENGER,
    assigned,
    errors_by_arm,
    errors_side_by_side,
    logged,
    loss_of,
    matured_rows,
    ratio_held,
    same_evidence,
    scored_beside,
    shifts,
    sides,
    slow_by_arm,
)
from flows.selective import judged
from flows.turn import Turn, seed_of
from flows.worth import with_worth
from schemas.plans import Promotion
from schemas.stage import Stage
from schemas.verdict import Outcome, Verdict, combine
from tasks import gates, predictions
from tasks.stats import rows_for_unpaired
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
    rows, mirrored = scored_beside(turn, rows)
    mature, complete = judged(problem, rows[rows["event_time"] < turn.now - maturity])
    matured = mature[mature["label"].notna()]

    def paired() -> Verdict:
        return gates.paired_sequential(
            loss_of(turn, matured, "champion"),
            loss_of(turn, matured, "rival"),
            promotion=state.promotion or Promotion.SUPERIORITY,
            margin=problem.framing.margin,
            alpha=plan.alpha,
            enough=turn.now - since >= plan.shadow_at_least + maturity,
            test=plan.paired_test,
        )

    verdicts = [
        gates.closed("error guardrail", lambda: errors_side_by_side(turn, rows)),
        gates.closed("paired loss", paired),
        complete,
        mirrored,
        *same_evidence(turn, matured),
        *(gates.closed("prediction shift", check) for check in shifts(turn, rows["rival_decision"].dropna())),
    ]
    verdict = gates.at_deadline(
        combine("shadow", verdicts), now=turn.now, deadline=since + plan.shadow_at_most + maturity
    )
    if verdict.outcome is Outcome.PASS:
        verdict = Verdict("shadow", Outcome.PASS, verdicts[1].reason + _money(turn, matured), verdict.evidence)
    return with_worth(turn, Decision(verdict))


def canary(turn: Turn) -> Decision:
    """CANARY: the challenger answers a share. Operations are judged here: errors, assignment, traffic."""
    plan, state = turn.problem.rollout, turn.state
    assert state.since is not None
    assert state.share_since is not None
    rows = logged(turn, Stage.CANARY)
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
        gates.closed("error guardrail", lambda: errors_by_arm(turn, rows)),
        gates.closed("sample ratio", lambda: ratio_held(turn, firsts)),
    ]
    slow = slow_by_arm(turn, rows)
    guards += [slow] if slow else []
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
    fresh = logged(turn, Stage.AB)
    errors = gates.closed("error guardrail", lambda: errors_by_arm(turn, fresh))
    skipped = _skipped(turn, state.since)
    if skipped:
        return Decision(errors if errors.outcome is Outcome.FAIL else skipped)
    assert plan.ab_at_least is not None, "a plan without an A/B stage skips it"
    mature, complete = judged(problem, matured_rows(turn, Stage.AB))
    rows = assigned(mature[mature["label"].notna()])
    mine = (rows["role"] == "challenger").to_numpy()
    deadline = state.since + plan.ab_at_most + problem.framing.maturity
    enough = turn.now - state.since >= plan.ab_at_least

    def effect() -> Verdict:
        return gates.business_effect(
            np.where(mine, loss_of(turn, rows, "rival"), loss_of(turn, rows, "champion")),
            mine,
            rows["probability"],
            entity=rows["entity"] if problem.framing.entity else None,
            tolerated_harm=problem.framing.tolerated_harm,
            alpha=plan.alpha,
            enough=enough,
            last_look=turn.now >= deadline,
            no_harm_suffices=plan.ab_no_harm_suffices,
        )

    firsts = fresh.drop_duplicates("entity")
    slow = slow_by_arm(turn, fresh)
    guards = [errors, complete, *([slow] if slow else [])]
    if len(firsts):
        guards.append(gates.closed("sample ratio", lambda: ratio_held(turn, firsts)))
    verdict = combine("business effect", [*guards, gates.closed("business effect", effect)])
    return Decision(gates.at_deadline(verdict, now=turn.now, deadline=deadline))


def probation(turn: Turn) -> Decision:
    """PROBATION: the new champion serves all; the previous one scores in its shadow and comes back if it was better."""
    problem, plan, state = turn.problem, turn.problem.rollout, turn.state
    assert state.since is not None
    assert state.champion is not None
    # Rows it answered since its first canary share: their labels mature while it is on probation.
    mature, complete = judged(problem, matured_rows(turn, Stage.CANARY, Stage.AB, Stage.PROBATION))
    rows = mature[mature["label"].notna()]
    serving = rows["champion"] == state.champion.sha256
    own = pd.concat(
        [
            sides(rows[serving], "champion", "rival"),
            sides(rows[~serving & (rows["role"] == "challenger")], "rival", "champion"),
        ]
    )
    own = own.sort_values("event_time", kind="stable")
    enough = turn.now - state.since >= plan.probation
    mine = loss_of(turn, own, "own")

    def no_worse() -> Verdict:
        return gates.no_worse_live(
            # Where the previous champion gives no score it speaks neither for nor against the new one.
            np.where(own["other_decision"].isna(), mine, loss_of(turn, own, "other")),
            mine,
            margin=problem.framing.margin,
            alpha=plan.alpha,
            enough=enough,
            at_least=plan.probation_rows,
        )

    fresh = logged(turn, Stage.PROBATION)
    slow = gates.closed("probation", no_worse)
    as_challenger = sides(fresh, "champion", "rival").rename(columns=AS_CHALLENGER)
    errors = gates.closed("error guardrail", lambda: errors_side_by_side(turn, as_challenger))
    verdict = combine("probation", [errors, slow, complete, *_kept(turn, own, enough=enough)])
    verdict = gates.at_deadline(verdict, now=turn.now, deadline=state.since + plan.probation_at_most)
    if verdict.outcome is Outcome.PASS:
        verdict = Verdict("probation", Outcome.PASS, slow.reason, verdict.evidence)
    return with_worth(turn, Decision(verdict))


def _kept(turn: Turn, own: pd.DataFrame, *, enough: bool) -> list[Verdict]:
    """What is required after deployment, on the rows that the new champion answered. Asked once the probation has lasted:
    an interval that is right for one look is wrong for one a day, and a harm meanwhile is the paired test's to see."""
    problem = turn.problem
    if not enough:
        asked = [wanted for wanted in problem.framing.requirements if wanted.after]
        said = "what is required after deployment is asked at the end of the probation"
        return [Verdict("live requirements", Outcome.WAIT, said)] if asked else []
    alpha = problem.monitoring.decay_alpha
    return requirements_kept(problem, own, "own", alpha=alpha, days=FEWEST_DAYS, seed=seed_of(turn))


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
    """Why there is no A/B stage: the plan waives it, or its traffic until the deadline is too little to show the harm
    that the framing tolerates. Asked as of `at`, when the stage begins, so that it is answered the same each turn."""
    problem, plan = turn.problem, turn.problem.rollout
    if plan.ab_at_least is None:
        return Verdict("business effect", Outcome.PASS, f"no A/B, by the plan: {plan.ab_waiver}")
    rows = judged(problem, matured_rows(turn, Stage.SHADOW, at=at))[0].dropna(subset=["label"])
    if len(rows) < 2:
        return None
    days = max((rows["event_time"].max() - rows["event_time"].min()) / _DAY, 1.0)
    expected, harm = len(rows) / days * (plan.ab_at_most / _DAY), problem.framing.tolerated_harm
    needed = rows_for_unpaired(harm, variance=float(np.var(loss_of(turn, rows, "rival"))), share=0.5, alpha=plan.alpha)
    if needed <= expected:
        return None
    said = f"A/B skipped: a harm of {harm} a row shows in {needed:,.0f} rows, and its deadline brings {expected:,.0f}"
    evidence = {"rows_needed": needed, "rows_expected": expected, "tolerated_harm": harm}
    return Verdict("business effect", Outcome.PASS, said, evidence)


def _money(turn: Turn, matured: pd.DataFrame) -> str:
    gain = float(np.mean(loss_of(turn, matured, "champion") - loss_of(turn, matured, "rival")))
    priced = turn.problem.framing.in_money(gain, rows=1_000_000)
    return f", {priced}" if priced else ""
