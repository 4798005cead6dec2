"""Can what came in be trusted? A fault in the data holds the loop: retraining on it makes things worse."""

from typing import Any

from flows.trust import requests_trusted
from flows.turn import Turn, gateway_answers
from flows.window import closed_window, unless_it_raises
from schemas.verdict import Outcome, Verdict
from tasks import windows

__all__ = ["requests_fault", "skewed"]

_NOTED = ("missing ", "unseen ")  # shares of rows that a verdict on the data tells, and that are no fault


def requests_fault(turn: Turn, notes: dict[str, Any]) -> Verdict | None:
    """Requests that break the contract: hold. Retraining on faulty data makes things worse."""
    limit = turn.problem.monitoring.bad_share
    if turn.bad_share <= limit:
        return unless_it_raises("data", lambda: _untrusted(turn, notes))
    broken = ", ".join(f"{what} ({n:,})" for what, n in sorted(turn.faults.items(), key=lambda item: -item[1])[:3])
    evidence: dict[str, float | int | str | None] = {"bad_share": turn.bad_share}
    return Verdict(
        "contract",
        Outcome.WAIT,
        f"data fault, holding: {turn.bad_share:.1%} of requests are in quarantine: {broken}",
        evidence,
    )


def skewed(turn: Turn, notes: dict[str, Any]) -> Verdict | None:
    """Requests whose features are not those of the table: a model trained on the table would be asked with others as well."""
    window = closed_window(turn)
    if window is None or turn.problem.serving.answered_by != "gateway":
        return None
    from flows.skew import skew

    verdict = unless_it_raises("skew", lambda: skew(turn.problem, *window))
    if verdict is not None:
        notes["skew"] = verdict.reason
    return verdict


def _untrusted(turn: Turn, notes: dict[str, Any]) -> Verdict | None:
    """Rows that came late, twice, or with half of a column gone: hold; what is less is noted. Requests that a gateway
    answered are in no table."""
    problem, last = turn.problem, turn.state.turned
    if last is None or not windows.available(problem) or gateway_answers(turn):
        return None
    verdict = requests_trusted(problem, since=last, now=turn.now, closed=closed_window(turn))
    shares = {what.partition(".")[2]: share for what, share in verdict.evidence.items()}
    noted = [f"{what} in {share:.1%} of the rows" for what, share in shares.items() if what.startswith(_NOTED)]
    notes |= {"noted": ", ".join(noted)} if noted else {}
    if verdict.outcome is not Outcome.FAIL:
        return None
    return Verdict("data", Outcome.WAIT, f"data fault, holding: {verdict.reason}", verdict.evidence)
