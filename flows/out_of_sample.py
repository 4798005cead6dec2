"""What did models say of the rows that they were not fitted on? Every such row once, over folds and seeds."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from flows.experiment import Fit
from schemas.experiment import Part
from tasks import development, scoring
from tasks.scoring import Scores
from tasks.stats import fixed_interval
from tasks.stats.sequences import cluster_totals

__all__ = ["Unseen", "clusters_of", "fit_luck", "mean_loss", "mismatch_of", "seeds_gain", "unseen_of"]

_ALPHA = 0.05  # of each end; that a gain exceeds the floor as well makes a false alarm far rarer
Span = tuple[float, float, float]


@dataclass(frozen=True)
class Unseen:
    """Rows that at least one model was not fitted on, beside what was fitted or judging. `score`, `loss`: means over the
    models that were asked; `judged`: True where the row judges a fold."""

    fit: Fit  # the newest fold's first: what each is an example of
    rows: pd.DataFrame
    score: np.ndarray
    loss: np.ndarray
    label: np.ndarray
    judged: np.ndarray

    cluster: np.ndarray  # of each row, shape (n,), as all intervals count it

    def only(self, kept: np.ndarray) -> "Unseen":
        """The rows where `kept`, shape (n,), is True."""
        at = np.flatnonzero(kept)
        return Unseen(
            self.fit,
            self.rows.iloc[at],
            self.score[at],
            self.loss[at],
            self.label[at],
            self.judged[at],
            self.cluster[at],
        )


def unseen_of(fits: Sequence[Fit], whose: pd.Series) -> Unseen:
    """Near and judged rows of all fits. Scores of classes are averaged as probabilities, predictions as numbers."""
    names_of: tuple[Part, ...] = ("near", "judged")
    parts = [(fit, part) for fit in fits for part in names_of]
    index = np.concatenate([fit.rows[part].index for fit, part in parts])
    names, at = np.unique(index, return_inverse=True)
    times = np.bincount(at).astype(float)

    def mean(values: np.ndarray) -> np.ndarray:
        columns = values.reshape(len(values), -1).T
        summed = np.column_stack([np.bincount(at, weights=one) for one in columns]) / times[:, None]
        return summed[:, 0] if values.ndim == 1 else summed

    loss = mean(np.concatenate([fit.loss[part] for fit, part in parts]))
    score = mean(np.concatenate([fit.scores[part].score for fit, part in parts]))
    label = mean(np.concatenate([fit.labels[part] for fit, part in parts]))
    judged = np.isin(names, np.concatenate([fit.rows["judged"].index for fit in fits]))
    rows = _once([fit.rows[part] for fit, part in parts]).loc[names]
    return Unseen(fits[0], rows, score, loss, label, judged, whose.loc[names].to_numpy())


def clusters_of(fits: Sequence[Fit]) -> pd.Series:
    """A number for the cluster of each row that a fit has seen or was judged on, by index."""
    rows = _once([part for fit in fits for part in vars(fit.parts).values()])
    return pd.Series(pd.factorize(development.clusters(fits[0].problem, rows))[0], index=rows.index)


def _once(frames: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Each row once, by its index; what came before is not copied again."""
    fresh = ~frames[0].index.append([frame.index for frame in frames[1:]]).duplicated()
    ends = np.cumsum([len(frame) for frame in frames])[:-1]
    return pd.concat([frame[new] for frame, new in zip(frames, np.split(fresh, ends), strict=True) if new.any()])


def mean_loss(fits: Sequence[Fit], part: Part, whose: pd.Series) -> Span:
    """(low, mean, high) of the loss a row of one part, over rows; seeds and folds are averaged."""
    loss = np.concatenate([fit.loss[part] for fit in fits])
    index = np.concatenate([fit.rows[part].index for fit in fits])
    return fixed_interval(loss, alpha=_ALPHA, clusters=whose.loc[index].to_numpy())


def mismatch_of(fits: Sequence[Fit], whose: pd.Series) -> Span:
    """(low, mean, high) by how much more a row loses that judges than one that lies beside the fitted rows."""
    parts: tuple[tuple[Part, int], ...] = (("judged", 1), ("near", -1))
    asked = [(fit, part, sign) for fit in fits for part, sign in parts]
    pieces = [sign * _influence(fit.loss[part]) / len(fits) for fit, part, sign in asked]
    index = np.concatenate([fit.rows[part].index for fit, part, _ in asked])
    mean = float(np.mean([fit.loss["judged"].mean() - fit.loss["near"].mean() for fit in fits]))
    pulls = cluster_totals(np.concatenate(pieces), whose.loc[index].to_numpy())
    half = _reach(pulls)
    return mean - half, mean, mean + half


def _influence(loss: np.ndarray) -> np.ndarray:
    return (loss - loss.mean()) / len(loss)


def _reach(pulls: np.ndarray) -> float:
    """Half an interval, from what each cluster pulls the estimate by."""
    from scipy.stats import t

    size = len(pulls)
    if size < 2:
        return float("inf")
    return float(t.ppf(1 - _ALPHA, size - 1)) * float(np.sqrt(size / (size - 1) * (pulls @ pulls)))


def fit_luck(fits: Sequence[Fit], whose: pd.Series) -> float:
    """Standard deviation of a fit's loss over all rows that could be asked, between seeds: of the differences between seeds,
    what their rows do not explain. An interval over rows knows the rest."""
    found = []
    for fold in sorted({fit.fold for fit in fits}):
        same = [fit for fit in fits if fit.fold == fold]
        cluster = whose.loc[same[0].rows["judged"].index].to_numpy()
        for one, other in itertools.combinations(same, 2):
            apart = one.loss["judged"] - other.loss["judged"]
            pulls = cluster_totals(_influence(apart), cluster)
            found.append(float(apart.mean()) ** 2 - float(pulls @ pulls))
    return math.sqrt(max(0.0, float(np.mean(found))) / 2) if found else 0.0


def seeds_gain(fits: Sequence[Fit], whose: pd.Series) -> Span | None:
    """(low, mean, high) of what the mean score of all seeds gains over one seed's, on judged rows; None with one seed."""
    framing, folds = fits[0].problem.framing, sorted({fit.fold for fit in fits})
    gains, index = [], []
    for fold in folds:
        same = [fit for fit in fits if fit.fold == fold]
        if len(same) < 2:
            return None
        score = np.asarray(np.mean([fit.scores["judged"].score for fit in same], axis=0))
        voted = np.median([fit.scores["judged"].decision for fit in same], axis=0)
        decision = score if framing.task == "regression" else np.asarray(np.round(voted))
        together = scoring.row_loss(Scores(score, decision), same[0].labels["judged"], framing)
        gains.append(np.mean([fit.loss["judged"] for fit in same], axis=0) - together)
        index.append(same[0].rows["judged"].index)
    return fixed_interval(np.concatenate(gains), alpha=_ALPHA, clusters=whose.loc[np.concatenate(index)].to_numpy())
