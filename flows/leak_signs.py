"""Does something tell the label that a request could not? Columns that say it alone, rows that are judged and fitted."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from flows.experiment import Fit
from schemas.diagnosis import Effect
from tasks import scoring
from tasks.stats import fixed_interval
from tasks.suspects import alone

__all__ = ["LeakSigns", "effects_of", "leak_signs"]

_ROWS = 2_000
_COPIES = 5_000  # scored rows of all shuffles together
_SHUFFLED = 300
_ALPHA = 0.05
_DISTINCT = 0.4  # of the fitted rows, that differ from each other: under it rows are alike by nature


@dataclass(frozen=True)
class LeakSigns:
    """`alone`: what each feature says of the label by itself (area under the curve, or share of variance); `copied`: share
    of judged rows that were fitted too, with the same label; `saved`: loss a row less that those lose."""

    alone: dict[str, float]
    measure: str
    copied: float
    copies: int
    saved: float


def leak_signs(fits: Sequence[Fit], *, seed: int) -> LeakSigns:
    fit = fits[0]
    framing, features = fit.problem.framing, fit.recipe.features
    part = fit.parts.train.sample(n=min(_ROWS, len(fit.parts.train)), random_state=seed)
    target = scoring.class_indices(part[framing.target], framing)
    found = alone(part, features, target, classes=framing.n_classes, seed=seed)
    copied, copies, saved = _copied(fit)
    said = {name: value for name, value in found.items() if value == value}
    return LeakSigns(said, "R²" if framing.task == "regression" else "AUC", copied, copies, saved)


def _copied(fit: Fit) -> tuple[float, int, float]:
    """Judged rows with the very features and label of a fitted row. Where most rows have a twin anyway, none is counted."""
    features, target = list(fit.recipe.features), fit.problem.framing.target

    def hashed(part: pd.DataFrame) -> pd.DataFrame:
        return pd.DataFrame(
            {"row": pd.util.hash_pandas_object(part[features], index=False), "label": part[target].array}
        )

    train, judged = hashed(fit.parts.train), hashed(fit.parts.test)
    if train["row"].nunique() < _DISTINCT * len(train):
        return 0.0, 0, 0.0
    same = judged["row"].isin(train["row"]).to_numpy()
    if same.any():
        twins = pd.MultiIndex.from_frame(train[train["row"].isin(judged["row"])])
        same = pd.MultiIndex.from_frame(judged).isin(twins)
    if not same.any() or same.all():
        return float(same.mean()), int(same.sum()), 0.0
    loss = fit.loss["judged"]
    return float(same.mean()), int(same.sum()), float(loss[~same].mean() - loss[same].mean())


def effects_of(fit: Fit, *, noise: float | None, seed: int, only: Sequence[str] | None = None) -> tuple[Effect, ...]:
    """What each feature is worth to the model, the most first; all shuffles are scored at once. `noise`: the bar;
    None: half the interval of the one that is worth least, which is what so few rows cannot tell from nothing."""
    framing, read = fit.problem.framing, list(fit.recipe.features)
    features = read if only is None else list(only)
    per = max(50, min(_SHUFFLED, _COPIES // max(1, len(features))))
    rows = fit.rows["judged"]
    at = np.sort(np.random.default_rng(seed).permutation(len(rows))[:per])
    part, rng = rows.iloc[at], np.random.default_rng(seed + 1)
    said = scoring.score(fit.model, _shuffled(part[read], features, rng), framing)
    label = np.tile(fit.labels["judged"][at], len(features))
    loss = scoring.row_loss(said, label, framing).reshape(len(features), len(part))
    gains = loss - fit.loss["judged"][at]
    spans = sorted(
        ((_span(gain), name) for name, gain in zip(features, gains, strict=True)), key=lambda one: -one[0][1]
    )
    least = spans[-1][0]
    bar = (least[2] - least[0]) / 2 if noise is None else noise
    return tuple(Effect(name, span, bar) for span, name in spans)


def _shuffled(part: pd.DataFrame, features: Sequence[str], rng: np.random.Generator) -> pd.DataFrame:
    """A copy of the rows for each feature, in turn, in which that feature is shuffled."""
    n = len(part)
    order = {name: rng.permutation(n) for name in features}
    straight = np.tile(np.arange(n), len(features))

    def rows_of(name: str) -> np.ndarray:
        if name not in order:
            return straight
        start = list(order).index(name) * n
        return np.concatenate([straight[:start], order[name], straight[start + n :]])

    # take keeps the column's type, which an array of a categorical or a text would not
    return pd.DataFrame({name: part[name].take(rows_of(name)).array for name in part})


def _span(gain: np.ndarray) -> tuple[float, float, float]:
    return fixed_interval(gain, alpha=_ALPHA) if len(gain) > 1 else (float(gain.mean()),) * 3
