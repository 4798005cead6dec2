"""Which model's output goes out for each row, and who stands in where it gave none?"""

import time

import numpy as np

from deployments.gateway.serving import Scorer, Serving
from schemas.framing import Framing
from tasks.door import Admitted, Door

__all__ = ["Answer", "Side"]


class Side:
    """One model's outputs for a batch; nan and no error where it was not asked."""

    def __init__(self, n: int, framing: Framing) -> None:
        shape = (n, framing.n_classes) if framing.task == "multiclass" else (n,)
        self.score, self.decision = np.full(shape, np.nan), np.full(n, np.nan)
        self.errors = np.full(n, None, dtype=object)
        self.asked = np.zeros(n, dtype=bool)
        self.seconds = 0.0  # that the call took

    def ask(self, scorer: Scorer, admitted: Admitted, rows: np.ndarray | None, door: Door) -> None:
        """Score `rows` (positions; None: all), and time it."""
        began = time.perf_counter()
        said = scorer(admitted, rows, door)
        self.seconds = time.perf_counter() - began
        if rows is None:
            self.score, self.decision, self.errors = said.score, said.decision, said.errors
            self.asked = np.ones(len(self.asked), dtype=bool)
        else:
            self.score[rows], self.decision[rows], self.errors[rows] = said.score, said.decision, said.errors
            self.asked[rows] = True

    def failed(self) -> np.ndarray:
        """True where it was asked and gave no answer."""
        return self.asked & np.isnan(self.decision)


class Answer:
    """What goes out: the assigned model's answer, or of whoever stands in where it gave none."""

    def __init__(self, champion: Side, rival: Side, by_rival: np.ndarray, serving: Serving) -> None:
        use = by_rival & ~rival.failed()
        n = len(use)
        self.asked_rival = rival.asked
        if use.any():
            self.score = np.where(use[:, None] if champion.score.ndim == 2 else use, rival.score, champion.score)
            self.decision = np.where(use, rival.decision, champion.decision)
        else:
            self.score, self.decision = champion.score, champion.decision
        self.missing = np.isnan(self.decision)
        # Where the plan explores: how likely each decision was, and which were drawn.
        self.propensity: np.ndarray | None = None
        self.explored: np.ndarray | None = None
        # What each row's answer cost: of the two arms in one batch, neither is charged with the other's call.
        self.seconds = champion.asked * champion.seconds + rival.asked * rival.seconds
        own = serving.champion.served.version
        self.roles, self.versions = ["champion"] * n, [own] * n
        if use.any():
            other = serving.rival.served.version if serving.rival else own
            for i in np.flatnonzero(use):
                self.roles[i], self.versions[i] = "challenger", other

    def fall_back(self, admitted: Admitted, serving: Serving) -> None:
        """The champion gave no answer to some rows: the previous one, or the rule, stands in, and says so."""
        self.score, self.decision = self.score.copy(), self.decision.copy()
        for scorer in serving.fallbacks:
            rows = np.flatnonzero(self.missing)
            if not len(rows):
                return
            began = time.perf_counter()
            said = scorer(admitted, rows, serving.door)
            self.seconds[rows] += time.perf_counter() - began
            good = np.isfinite(said.decision)
            self.score[rows[good]], self.decision[rows[good]] = said.score[good], said.decision[good]
            for i in rows[good]:
                self.roles[i], self.versions[i] = _stand_in(scorer), scorer.served.version
            self.missing = np.isnan(self.decision)


def _stand_in(scorer: Scorer) -> str:
    return "heuristic" if scorer.served.name == "heuristic" else "previous"
