"""How much does the champion lose where experiments do not look: on the rows it was accepted on, and live?"""

from datetime import datetime

from schemas.problem import Problem
from tasks import ledger, quality_log

__all__ = ["known_levels"]


def known_levels(problem: Problem, *, now: datetime) -> dict[str, float]:
    """Loss a row under `test` (what the offline gate measured, once) and `live` (the newest matured cohort's); what nobody
    measured is left out. Nothing is asked of held-out rows here: the gate's own figure is read."""
    champion = ledger.state_of(problem.name).champion
    if champion is None:
        return {}
    found = {"test": champion.held_out["loss"]} if "loss" in champion.held_out else {}
    realised = quality_log.figures(problem, kinds=["realised"], metrics=["loss"], until=now)
    live = [figure.value for figure in realised if figure.model == champion.sha256]
    return found | ({"live": live[-1]} if live else {})
