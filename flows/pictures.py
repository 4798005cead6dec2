"""What does the model do, as numbers to plot? Calibration, loss over time, confusion, of the judged rows."""

import numpy as np
import pandas as pd

from flows.out_of_sample import Unseen
from schemas.diagnosis import Bars
from schemas.framing import Framing
from tasks import scoring
from tasks.stats import fixed_interval

__all__ = ["calibration_bars", "confusion", "loss_over_time"]

_BINS = 10
_FEWEST = 10  # rows of a bin
_ALPHA = 0.05


def calibration_bars(found: Unseen) -> Bars | None:
    """What came, by what was said, in tenths of the judged rows. Of several classes the probability of the likeliest, and how
    often it came."""
    score, label = found.score, found.label
    if score.ndim == 2:
        label = (score.argmax(axis=1) == label).astype(float)
        score = score.max(axis=1)
    return _binned(score, label, found.cluster)


def _binned(at: np.ndarray, values: np.ndarray, cluster: np.ndarray) -> Bars | None:
    if len(at) < _FEWEST:
        return None
    edges = np.unique(np.quantile(at, np.linspace(0, 1, _BINS + 1)[1:-1]))
    code = np.searchsorted(edges, at)
    kept = [code == k for k in range(len(edges) + 1) if (code == k).sum() >= _FEWEST]
    return Bars(
        at=tuple(float(at[one].mean()) for one in kept),
        values=tuple(_span(values[one], cluster[one]) for one in kept),
        rows=tuple(int(one.sum()) for one in kept),
    )


def loss_over_time(found: Unseen) -> Bars | None:
    """Loss a row in tenths of the judged time; `at` in days since the first judged row. None where rows have no time."""
    framing = found.fit.problem.framing
    if framing.timeless or len(found.loss) < _FEWEST:
        return None
    time = found.rows[framing.event_time]
    days = ((time - time.min()) / pd.Timedelta(days=1)).to_numpy(dtype=float)
    code = np.minimum((days / max(days.max(), 1e-9) * _BINS).astype(int), _BINS - 1)
    kept = [code == k for k in range(_BINS) if (code == k).sum() >= _FEWEST]
    return Bars(
        at=tuple(float(days[one].mean()) for one in kept),
        values=tuple(_span(found.loss[one], found.cluster[one]) for one in kept),
        rows=tuple(int(one.sum()) for one in kept),
        labels=tuple(f"{time[one].min():%Y-%m-%d}" for one in kept),
    )


def confusion(found: Unseen) -> tuple[tuple[tuple[int, ...], ...], tuple[str, ...]]:
    """Rows truth, columns decision, in the framing's order of classes; empty for a number."""
    framing = found.fit.problem.framing
    if framing.task == "regression":
        return (), ()
    k = framing.n_classes
    classes = tuple(map(str, framing.classes)) if framing.task == "multiclass" else ("0", "1")
    known = np.isfinite(found.label)
    code = found.label[known].astype(int) * k + decided(found.score[known], framing, found).astype(int)
    counts = np.bincount(code, minlength=k * k).reshape(k, k)
    return tuple(tuple(map(int, row)) for row in counts), classes


def decided(score: np.ndarray, framing: Framing, found: Unseen) -> np.ndarray:
    """What the newest fit would decide on such scores, shape (n,)."""
    if framing.task == "regression":
        return score
    if framing.task == "binary":
        return (score >= scoring.threshold_of(found.fit.model)).astype(float)
    return scoring.decided(score, framing)


def _span(values: np.ndarray, cluster: np.ndarray) -> tuple[float, float, float]:
    if len(np.unique(cluster)) < 2:
        return (float(values.mean()),) * 3
    return fixed_interval(values, alpha=_ALPHA, clusters=cluster)
