"""How much of the loss is labels that are wrong? From scores of rows that no model was fitted on."""

from dataclasses import dataclass

import numpy as np

from schemas.framing import Framing
from tasks import scoring
from tasks.scoring import Scores
from tasks.stats import fixed_interval, flipped_share, label_noise

__all__ = ["LabelRoom", "label_room", "suspicion"]

_FAR = 4.0  # robust standard deviations: of normal errors, one in 16,000
_ALPHA = 0.05  # of each end; that a gain exceeds the floor as well makes a false alarm far rarer
Span = tuple[float, float, float]
_NONE = (0.0, 0.0, 0.0)


@dataclass(frozen=True)
class LabelRoom:
    """`share`: of the labels that are wrong; `gain`: loss a row that they cost; `beyond_doubt`: mean loss of the rows whose
    label no model doubts."""

    share: Span
    gain: Span
    beyond_doubt: float
    doubted: int


def label_room(
    score: np.ndarray, label: np.ndarray, loss: np.ndarray, framing: Framing, cluster: np.ndarray
) -> LabelRoom | None:
    """None where there are too few rows, or one class. All arrays have shape (n,); of several classes `score` (n, k)."""
    known = np.isfinite(label) & np.isfinite(loss)
    score, label, loss, cluster = score[known], label[known], loss[known], cluster[known]
    if len(label) < 100 or (framing.task != "regression" and len(np.unique(label)) < 2):
        return None
    suspect = suspicion(score, label, framing) >= 1
    doubt = float(loss[~suspect].mean()) if (~suspect).any() else float("nan")
    if framing.task == "regression":
        share, gain = _far_off(suspect, loss, cluster)
    elif framing.task == "binary":
        share = flipped_share(score, label, alpha=_ALPHA)
        gain = _of_flips(share, score, framing)
    else:
        share, gain = _of_the_surest(score, label, framing)
    return LabelRoom(share, gain, doubt, int(suspect.sum()))


def suspicion(score: np.ndarray, label: np.ndarray, framing: Framing) -> np.ndarray:
    """How unlikely each label is, shape (n,), from 1 on suspected: of classes confident learning's, of numbers errors of more
    than 4 robust standard deviations."""
    if framing.task == "regression":
        error = np.abs(score - label)
        return error / (1.4826 * float(np.median(error)) or 1.0) / _FAR
    probability = score if score.ndim == 2 else np.column_stack([1 - score, score])
    y = label.astype(int)
    return np.where(label_noise(probability, y).suspect, 1.0, 1 - probability[np.arange(len(y)), y])


def _far_off(suspect: np.ndarray, loss: np.ndarray, cluster: np.ndarray) -> tuple[Span, Span]:
    usual = float(loss[~suspect].mean()) if (~suspect).any() else 0.0
    share = fixed_interval(suspect.astype(float), alpha=_ALPHA, clusters=cluster)
    return share, fixed_interval(np.where(suspect, loss - usual, 0.0), alpha=_ALPHA, clusters=cluster)


def _of_flips(share: Span, score: np.ndarray, framing: Framing) -> Span:
    """What flips cost a model that knows of them: its expected loss on labels with flips, less that on the right ones."""
    low, middle, high = (_cost(f, score, framing) for f in share)
    return low, middle, high


def _cost(share: float, score: np.ndarray, framing: Framing) -> float:
    if not share > 0:
        return 0.0
    flipped = np.clip(score, share, 1 - share)
    right = (flipped - share) / (1 - 2 * share)
    return float(np.mean(_expected(flipped, framing) - _expected(right, framing)))


def _expected(p: np.ndarray, framing: Framing) -> np.ndarray:
    """Loss a row, shape (n,), of saying p where it is so."""
    said = Scores(p, (p >= 0.5).astype(float))
    zero, one = (scoring.row_loss(said, np.full(len(p), float(k)), framing) for k in (0, 1))
    return (1 - p) * zero + p * one


def _of_the_surest(score: np.ndarray, label: np.ndarray, framing: Framing) -> tuple[Span, Span]:
    """Of several classes, the errors among the surest tenth, where they are as many as elsewhere."""
    found = label_noise(score, label.astype(int))
    if found.surest < found.rate / 3:
        return _NONE, _NONE
    surest = np.argsort(-score.max(axis=1), kind="stable")[: max(20, len(label) // 10)]
    wrong = (score[surest].argmax(axis=1) != label[surest]).astype(float)
    low, mean, high = fixed_interval(wrong, alpha=_ALPHA)
    low, high = max(low, 0.0), min(high, 1.0)
    k = framing.n_classes
    said = Scores(np.eye(k)[:1].repeat(k, axis=0), np.zeros(k))
    cost = float(np.mean(scoring.row_loss(said, np.arange(k, dtype=float), framing)[1:]))
    return (low, mean, high), (low * cost, mean * cost, high * cost)
