"""Was this retrain worth it? What the offline gate promised, against what matured labels showed of both models afterwards."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pandas as pd

from flows.arms import loss_of, matured_rows, sides
from flows.turn import Turn
from schemas.problem import load_problem
from schemas.rows import Model
from schemas.stage import Stage
from schemas.verdict import Interval, Outcome
from tasks import ledger
from tasks.stats import fixed_interval, rank_correlation, sign_agreement
from tasks.transitions import Decision

__all__ = ["Worth", "with_worth", "worth_lines", "worths"]

log = logging.getLogger("perennial")
_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Worth:
    """One rollout: what a row of it was to gain over the champion then, and what it gained."""

    at: str
    rollout: int
    promoted: bool
    predicted: float | None  # by the offline gate, on held-out rows
    realised: Interval  # on matured rows that both models scored
    rows: int
    newer_days: float | None  # by how much the newer model's training rows are newer; None where the older was a rule


def with_worth(turn: Turn, decision: Decision) -> Decision:
    """The decision that ends a comparison, with what it was worth as evidence and in a sentence; others as they are."""
    ended = decision.verdict.outcome is Outcome.FAIL or turn.state.stage is Stage.PROBATION
    if not ended or decision.verdict.outcome is Outcome.WAIT:
        return decision
    try:
        found = _measured(turn)
    except Exception:  # what a retrain was worth decides nothing: a stage ends without it
        log.exception("%s: what the retrain was worth could not be measured", turn.name)
        return decision
    if not found:
        return decision
    verdict = replace(decision.verdict, evidence={**decision.verdict.evidence, **found})
    return replace(decision, verdict=verdict, notes={**decision.notes, "worth": _said(found)})


def _measured(turn: Turn) -> dict[str, float | int | str | None]:
    """The gain of the newer model over the older one on matured rows that both scored; empty where two days of rows have
    not matured: rows of a day move together, and one day shows nothing."""
    newer, older = _pair(turn)
    mature = matured_rows(turn, Stage.SHADOW, Stage.CANARY, Stage.AB, Stage.PROBATION)
    rows = mature[mature["label"].notna()]
    if newer is None or older is None or rows.empty:
        return {}
    first = (rows["champion"] == newer.sha256) & (rows["rival"] == older.sha256)
    second = (rows["champion"] == older.sha256) & (rows["rival"] == newer.sha256)
    paired = pd.concat([sides(rows[first], "champion", "rival"), sides(rows[second], "rival", "champion")])
    paired = paired[paired["own_decision"].notna() & paired["other_decision"].notna()]
    whose = paired["entity"] if turn.problem.framing.entity else paired["event_time"].dt.floor("D")
    if whose.nunique() < 2:
        return {}
    gain = loss_of(turn, paired, "other") - loss_of(turn, paired, "own")
    low, mean, high = fixed_interval(gain, alpha=turn.problem.rollout.alpha, clusters=whose.to_numpy())
    found: dict[str, float | int | str | None] = {"worth.low": low, "worth.gain": mean, "worth.high": high}
    found |= {"worth.rows": len(paired), "worth.predicted": _predicted(turn)}
    learned = not newer.name.startswith(
        "recalibrated "
    )  # a re-mapping sees newer rows and learns nothing else from them
    if (
        learned
        and older.trained
        and older.trained_until
        and newer.trained_until
        and newer.trained_until > older.trained_until
    ):
        found["worth.newer_days"] = (newer.trained_until - older.trained_until) / _DAY
    return found


def _pair(turn: Turn) -> tuple[Model | None, Model | None]:
    """The newer model and the older one, in that order."""
    state = turn.state
    if state.stage is Stage.PROBATION:
        return state.champion, state.previous
    return state.challenger, state.champion


def _predicted(turn: Turn) -> float | None:
    """What the offline gate measured of this rollout's challenger against the champion, a row."""
    for row in ledger.rows(turn.name):
        facts = row.facts
        if facts["rollout"] == turn.state.rollout and facts["before"] == Stage.RETRAIN and facts["arrow"] == "PASS":
            said = facts["statistics"]
            return next((said[key] for key in said if key.endswith(" to champion.gain")), None)
    return None


def _said(found: dict[str, Any]) -> str:
    realised = Interval(found["worth.low"], found["worth.gain"], found["worth.high"])
    promised = found["worth.predicted"]
    before = "nothing was promised" if promised is None else f"{promised:+.4f} a row was promised"
    return f"{before}, {realised} came on {found['worth.rows']:,} matured rows that both scored"


def worths(problem: str) -> list[Worth]:
    """Every rollout whose models were compared on matured rows, oldest first."""
    found = []
    for row in ledger.rows(problem):
        facts, said = row.facts, row.facts["statistics"]
        if facts["kind"] != "turn" or "worth.gain" not in said:
            continue
        promoted = facts["before"] == Stage.PROBATION and facts["arrow"] == Outcome.PASS
        realised = Interval(said["worth.low"], said["worth.gain"], said["worth.high"])
        days, predicted = said.get("worth.newer_days"), said["worth.predicted"]
        found.append(Worth(facts["at"], facts["rollout"], promoted, predicted, realised, said["worth.rows"], days))
    return found


def worth_lines(problem: str) -> Iterator[str]:
    """Predicted against realised gains, a line a rollout, and how far the one can be trusted to tell the other."""
    known = worths(load_problem(problem).name)
    if not known:
        yield f"{problem}: no challenger has been compared with its champion on two days of matured rows"
        return
    yield f"{'ended':<11} {'rollout':>7}  {'promised':>9}  {'came, a row':<29} {'rows':>8}"
    for one in known:
        promised = "–" if one.predicted is None else f"{one.predicted:+.4f}"
        end = "promoted" if one.promoted else "refused or taken back"
        yield f"{one.at[:10]:<11} {one.rollout:>7}  {promised:>9}  {one.realised!s:<29} {one.rows:>8,}  {end}"
    yield trust(known)


def trust(known: list[Worth]) -> str:
    """What the offline gate's figures were worth so far, with how many rollouts say so."""
    pairs = [(one.predicted, one.realised.estimate) for one in known if one.predicted is not None]
    predicted, realised = [p for p, _ in pairs], [r for _, r in pairs]
    agreeing, n = sign_agreement(predicted, realised)
    order = rank_correlation(predicted, realised)
    ranked = f"rank correlation {order:+.2f}" if order == order else "too few for a rank correlation"
    mean = sum(realised) / n if n else 0.0
    came = f"; {mean:+.4f} a row came for {sum(predicted) / n:+.4f} promised" if n else ""
    return f"the sign came as promised in {agreeing} of {n} rollouts, {ranked} (n = {len(pairs)}){came}"
