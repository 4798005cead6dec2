"""What is to be expected of rows without labels, if the relation between inputs and label has not changed; and has it?"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from schemas.framing import Framing
from tasks.cohorts import counted, scored
from tasks.scoring import Scores
from tasks.stats import calibrated, calibration, effective_rows, expected_auc, expected_ratio

__all__ = ["CONDITION", "Expected", "expected"]

CONDITION = "if the relation between inputs and label has not changed"
_FEW_ROWS, _FEW_OF_A_CLASS = 200, 20  # labelled rows that a score's meaning is learned from
_BEYOND = 0.01  # share of scores outside those that were labelled
_ALPHA = 0.01  # of the test whether the relation still holds
_BINS = 10


@dataclass(frozen=True)
class Expected:
    """The figures to expect, and every reason to doubt them; valid where there is none."""

    values: dict[str, float]
    rows: int
    doubts: tuple[str, ...]

    @property
    def valid(self) -> bool:
        return bool(self.values) and not self.doubts


def expected(known: pd.DataFrame, now: pd.DataFrame, framing: Framing, *, newest: pd.Timedelta) -> Expected:
    """Figures to expect of the rows `now` (score, decision), from `known` ones (event_time, score, decision, label) that
    matured and that the model was not trained on. Whether the relation still holds is asked of the `newest` of them."""
    known, now = known[known["decision"].notna()], now[now["decision"].notna()]
    if len(known) < 2 or now.empty:
        return Expected({}, len(now), ("no labelled rows that the model was not trained on",))
    doubts = [*_too_few(known, framing), *_unsupported(known, now, framing), *_changed(known, framing, newest)]
    return Expected(_figures(known, now, framing), len(now), tuple(doubts))


def _figures(known: pd.DataFrame, now: pd.DataFrame, framing: Framing) -> dict[str, float]:
    said = scored(now, framing)
    if framing.task == "regression":
        return {name: float(values.mean()) for name, values in _by_score(known, said.score, framing).items()}
    probability = _probability(known, said, framing)
    ratios = _if_each_class(said, framing)
    found = {name: expected_ratio(above, below, probability) for name, (above, below) in ratios.items()}
    if framing.task == "binary":
        found["roc_auc"] = expected_auc(said.score, probability[:, 1])
    return {name: value for name, value in found.items() if np.isfinite(value)}


def _probability(known: pd.DataFrame, said: Scores, framing: Framing) -> np.ndarray:
    """How probable each class is, shape (n, k), by what the scores of labelled rows turned out to mean."""
    before, y = scored(known, framing), known["label"].to_numpy(dtype=float)
    if framing.task == "binary":
        positive = calibrated(before.score, y).at(said.score)
        return np.column_stack([1 - positive, positive])
    each = [calibrated(before.score[:, k], y == k).at(said.score[:, k]) for k in range(framing.n_classes)]
    whole = np.column_stack(each)
    return whole / np.maximum(whole.sum(axis=1, keepdims=True), 1e-12)


def _if_each_class(said: Scores, framing: Framing) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """What each row would count for each figure if its class were the first, the second ...: two arrays of shape (n, k)."""
    n = len(said.decision)
    cases = [counted(said, np.full(n, float(k)), framing) for k in range(framing.n_classes)]
    return {
        name: (np.column_stack([c[name][0] for c in cases]), np.column_stack([c[name][1] for c in cases]))
        for name in cases[0]
    }


def _by_score(known: pd.DataFrame, score: np.ndarray, framing: Framing) -> dict[str, np.ndarray]:
    """A regression's loss and error to expect at each score: their means over labelled rows of like predictions."""
    before = scored(known, framing)
    edges = np.unique(np.quantile(before.score, np.linspace(0, 1, _BINS + 1)[1:-1]))
    place, there = np.searchsorted(edges, before.score), np.searchsorted(edges, score)
    rows = np.maximum(np.bincount(place, minlength=edges.size + 1), 1)
    values = counted(before, known["label"].to_numpy(dtype=float), framing)
    return {
        name: (np.bincount(place, weights=v, minlength=edges.size + 1) / rows)[there] for name, (v, _) in values.items()
    }


def _too_few(known: pd.DataFrame, framing: Framing) -> list[str]:
    if len(known) < _FEW_ROWS:
        return [f"its scores are calibrated on {len(known)} labelled rows, {_FEW_ROWS} are needed"]
    if framing.task == "regression":
        return []
    rows = np.bincount(known["label"].astype(int), minlength=framing.n_classes)
    if rows.min() < _FEW_OF_A_CLASS:
        return [f"its scores are calibrated on {rows.min()} rows of a class, {_FEW_OF_A_CLASS} are needed"]
    return []


def _unsupported(known: pd.DataFrame, now: pd.DataFrame, framing: Framing) -> list[str]:
    """Are scores asked about that no labelled row speaks for?"""
    before, said = scored(known, framing).score, scored(now, framing).score
    columns = range(before.shape[1]) if before.ndim == 2 else [slice(None)]
    found = [
        effective_rows(before[:, c] if before.ndim == 2 else before, said[:, c] if said.ndim == 2 else said)
        for c in columns
    ]
    rows, beyond = min(one[0] for one in found), max(one[1] for one in found)
    if beyond > _BEYOND:
        return [f"{beyond:.1%} of the scores lie beyond those of all labelled rows"]
    if rows < min(_FEW_ROWS, len(known) / 2):
        return [f"where the scores lie now, the labelled rows are worth {rows:.0f}"]
    return []


def _changed(known: pd.DataFrame, framing: Framing, newest: pd.Timedelta) -> list[str]:
    """Does what was learned of the older labelled rows hold for the newest: beyond chance, and by more than the framing
    thinks nothing of? Where rows of one day move together chance is underrated, and doubt is what errs on the safe side."""
    fresh = known["event_time"] > known["event_time"].max() - newest
    older, later = known[~fresh], known[fresh]
    if min(len(older), len(later)) < _FEW_ROWS:
        return ["whether the relation still holds is not known: too few labelled rows are older or newer"]
    wanted, real = _expected_loss(older, later, framing), _loss(later, framing)
    gap = float((real - wanted).mean())
    p_value, error = _off(older, later, framing) if framing.task != "regression" else (_two_sided(real - wanted), 0.0)
    if p_value < _ALPHA and (abs(gap) > framing.margin or error > framing.calibration_tolerance):
        return [
            f"the relation has changed: the newest labelled rows lost {gap:+.4f} a row against what the older ones let "
            f"expect, by chance they are so far off with p = {p_value:.1g}"
        ]
    return []


def _off(older: pd.DataFrame, later: pd.DataFrame, framing: Framing) -> tuple[float, float]:
    """How surprising the labels of later rows are for probabilities learned of older ones, and how far off they lie; of
    several classes the most surprising, paid for all of them."""
    from scipy.stats import chi2

    probability, y = _probability(older, scored(later, framing), framing), later["label"].to_numpy(dtype=float)
    classes = [1] if framing.task == "binary" else range(framing.n_classes)
    tested = [calibration(probability[:, k], y == k) for k in classes]
    # What was learned is itself uncertain, as much as that many more rows would make it.
    scale = 1 + len(later) / len(older)
    p_values = [float(chi2.sf(one.chi2 / scale, len(one.bins))) for one in tested]
    worst = int(np.argmin(p_values))
    return min(1.0, p_values[worst] * len(tested)), tested[worst].error


def _two_sided(values: np.ndarray) -> float:
    from scipy.stats import ttest_1samp

    return float(ttest_1samp(values, 0.0).pvalue)


def _loss(rows: pd.DataFrame, framing: Framing) -> np.ndarray:
    return counted(scored(rows, framing), rows["label"].to_numpy(dtype=float), framing)["loss"][0]


def _expected_loss(older: pd.DataFrame, later: pd.DataFrame, framing: Framing) -> np.ndarray:
    said = scored(later, framing)
    if framing.task == "regression":
        return _by_score(older, said.score, framing)["loss"]
    probability = _probability(older, said, framing)
    above = _if_each_class(said, framing)["loss"][0]
    return np.asarray((probability * above).sum(axis=1))
