"""What do a few cheap refits show? Fewer rows, more capacity, less, a feature of noise, shuffled labels; within a budget."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from flows.experiment import Fit
from schemas.diagnosis import Curve
from schemas.experiment import Part
from schemas.recipe import Recipe
from schemas.settings import Settings
from tasks import capacity, development, scoring, training
from tasks.scoring import Scores
from tasks.splits import Split
from tasks.stats import Law, fixed_interval, power_law
from tasks.stats.sequences import cluster_totals

__all__ = [
    "LARGEST",
    "Budget",
    "Ground",
    "Refit",
    "Refits",
    "gain_of",
    "gain_over_fits",
    "ground_of",
    "law_of",
    "refit",
]

LARGEST = 0.5  # of the fitted rows, in a refit: the other half then judges
_ALPHA = 0.05  # of each end; that a gain exceeds the floor as well makes a false alarm far rarer
_SHARED = 20
_TRAIN = 400  # fitted rows that are scored again
_LUCK = 1.645  # standard deviations, at the level of an end
_GATHERING, _A_FEATURE, _A_ROW = 1.2, 0.06, 2e-4  # work of what is asked of the fits themselves
_JUDGED = 2_500  # rows that judge the refits: a paired difference of a thousandth a row shows there
Span = tuple[float, float, float]


class Budget:
    """Work that may still be spent, in the unit of `tasks.capacity.work`; counted, so that equal inputs run equal probes."""

    def __init__(self, fits: Sequence[Fit], share: float) -> None:
        recipe, rows = fits[0].recipe, len(fits[0].parts.train)
        whole = sum(capacity.work(recipe, len(fit.parts.train)) + 3 * capacity.SCORING for fit in fits)
        self.left = share * whole - _GATHERING - _A_FEATURE * len(recipe.features) - _A_ROW * rows

    def takes(self, work: float) -> bool:
        """Whether so much is left; then it is spent."""
        if work > self.left:
            return False
        self.left -= work
        return True


@dataclass(frozen=True)
class Ground:
    """On which rows refits are fitted, and which all of them are asked about: those that the largest was not fitted on."""

    fit: Fit
    place: np.ndarray  # of each row that `fit` was fitted on, in (0, 1]: tasks.development.ranked
    asked: pd.DataFrame
    whose: pd.Series

    @cached_property
    def cluster(self) -> np.ndarray:
        return self.whose.loc[self.asked.index].to_numpy()

    def part(self, share: float) -> pd.DataFrame:
        return self.fit.parts.train[self.place <= share]


@dataclass(frozen=True)
class Refit:
    """A recipe fitted on a part of the newest fold's rows; `loss` and `scores` are those of the rows asked about."""

    recipe: Recipe
    rows: int
    model: Any
    scores: Scores
    loss: np.ndarray
    train_loss: float


@dataclass(frozen=True)
class Refits:
    """What was refitted: parts of the rows by their share, and, on the largest part, more and less capacity with what they
    gain there."""

    ground: Ground
    parts: dict[float, Refit] = field(default_factory=dict)
    more: tuple[Refit, Span] | None = None
    less: tuple[Refit, Span] | None = None


def ground_of(fit: Fit, whose: pd.Series) -> Ground:
    pool = fit.parts.train
    place = development.ranked(fit.problem, pool, whose.loc[pool.index].astype(str))
    asked = pd.concat([pool[place > LARGEST], fit.parts.validation, fit.parts.test])
    return Ground(fit, place, asked.sample(n=min(len(asked), _JUDGED), random_state=0).sort_index(), whose)


def refit(ground: Ground, recipe: Recipe, share: float) -> Refit:
    """`recipe` on a share of what was fitted."""
    fit, framing = ground.fit, ground.fit.problem.framing
    train = ground.part(share)
    parts = Split(train, fit.parts.validation, fit.parts.test)
    model = training.fit_and_freeze(recipe, framing, parts, seed=fit.seed, threads=Settings().threads)
    both = pd.concat([ground.asked, train.iloc[:: max(1, len(train) // _TRAIN)]])
    said = scoring.score(model, both, framing)
    loss = scoring.row_loss(said, scoring.class_indices(both[framing.target], framing), framing)
    n = len(ground.asked)
    return Refit(recipe, len(train), model, Scores(said.score[:n], said.decision[:n]), loss[:n], float(loss[n:].mean()))


def gain_of(ground: Ground, base: Refit, other: Refit, *, fit_sd: float) -> Span:
    """(low, mean, high) of what one refit gains over another on the same rows. A fit's own luck counts as well: two fits of
    one recipe differ by it. What they share, their rows, cancels half of its variance."""
    low, mean, high = fixed_interval(base.loss - other.loss, alpha=_ALPHA, clusters=ground.cluster)
    luck = _LUCK * fit_sd
    return mean - float(np.hypot(mean - low, luck)), mean, mean + float(np.hypot(high - mean, luck))


def gain_over_fits(ground: Ground, fits: Sequence[Fit], other: Refit, *, fit_sd: float) -> Span | None:
    """The same over the fits themselves, on the rows that they were not fitted on either: what a refit on half of the rows
    gains over them it gains for sure."""
    whole = _whole(fits).reindex(ground.asked.index).to_numpy()
    shared = np.isfinite(whole)
    if shared.sum() < _SHARED:
        return None
    gain = whole[shared] - other.loss[shared]
    low, mean, high = fixed_interval(gain, alpha=_ALPHA, clusters=ground.cluster[shared])
    return mean - float(np.hypot(mean - low, _LUCK * fit_sd)), mean, mean + float(np.hypot(high - mean, _LUCK * fit_sd))


def law_of(fits: Sequence[Fit], refits: Refits, *, fit_sd: float, seed: int) -> tuple[Law, Curve] | None:
    """The learning curve, and its law; None with fewer than two parts."""
    found = _points(fits, refits)
    if found is None:
        return None
    sizes, loss, pulls = found
    luck = fit_sd**2 * sizes[-1] / np.array(sizes)  # a fit's own luck is larger on fewer rows
    covariance = len(pulls) / (len(pulls) - 1) * pulls.T @ pulls + np.diag(luck)
    law = power_law(sizes, loss, covariance, rng=np.random.default_rng(seed))
    full = float(np.mean([fit.loss["train"].mean() for fit in _newest(fits)]))
    train = [refits.parts[share].train_loss for share in sorted(refits.parts)] + [full]
    more = {str(n): law.gain(n, alpha=_ALPHA) for n in (sizes[-1] + 1_000, 2 * sizes[-1], 4 * sizes[-1])}
    return law, Curve(tuple(sizes), tuple(train), tuple(map(float, loss)), more, law.least(alpha=_ALPHA))


def _points(fits: Sequence[Fit], refits: Refits) -> tuple[list[int], np.ndarray, np.ndarray] | None:
    """Training rows, mean loss at each, shape (k,), and what each cluster pulls them by, shape (clusters, k).

    The whole fits are known on fewer of the rows than the refits: of them the difference from the largest refit is taken on
    the rows they share, which is surer than their mean."""
    parts = [refits.parts[share] for share in sorted(refits.parts)]
    if len({one.rows for one in parts}) < max(2, len(parts)):
        return None
    loss = np.column_stack([one.loss for one in parts])
    whole = _whole(fits).reindex(refits.ground.asked.index).to_numpy()
    shared = np.isfinite(whole)
    if shared.sum() < _SHARED:
        return None
    gain = np.where(shared, loss[:, -1] - np.where(shared, whole, 0.0), 0.0)
    step = gain.sum() / shared.sum()
    mean = loss.mean(axis=0)
    pulls = (loss - mean) / len(loss)
    last = pulls[:, -1] - np.where(shared, gain - step, 0.0) / shared.sum()
    cluster = refits.ground.cluster
    totals = np.column_stack([cluster_totals(one, cluster) for one in (*pulls.T, last)])
    rows = int(np.mean([len(fit.parts.train) for fit in _newest(fits)]))
    return [*(one.rows for one in parts), rows], np.append(mean, mean[-1] - step), totals


def _whole(fits: Sequence[Fit]) -> pd.Series:
    """Loss of each row that some fit of the newest fold was not fitted on, by its index."""
    unseen: tuple[Part, ...] = ("near", "judged")
    said = [pd.Series(fit.loss[part], index=fit.rows[part].index) for fit in _newest(fits) for part in unseen]
    return pd.concat(said).groupby(level=0).mean()


def _newest(fits: Sequence[Fit]) -> list[Fit]:
    return [fit for fit in fits if fit.fold == 0]
