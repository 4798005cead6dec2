"""Can the recipe learn at all, and only what is there? A tiny batch, shuffled labels, a feature of noise."""

from dataclasses import dataclass

import numpy as np

from flows.experiment import Fit
from flows.leak_signs import effects_of
from flows.refits import Budget, Ground
from flows.weak_slices import naive_losses
from schemas.errors import PerennialError
from schemas.recipe import Recipe
from schemas.settings import Settings
from tasks import capacity, scoring, training
from tasks.splits import Split
from tasks.stats import fixed_interval

__all__ = ["Probed", "probed"]

_TINY = 24  # rows that any recipe should know by heart
_SHUFFLED = 0.125
_NOISE = 0.25
_ALPHA = 0.05
_NAME = "noise"
Span = tuple[float, float, float]


@dataclass(frozen=True)
class Probed:
    """`tiny`: loss of a tiny batch that was fitted and its naive loss; `shuffled`: what a model of shuffled labels gains over
    the naive answer; `noise`: what a feature of noise is worth. None: not tried."""

    tiny: tuple[float, float] | None = None
    shuffled: Span | None = None
    noise: float | None = None


def probed(ground: Ground, purse: Budget, *, seed: int) -> Probed:
    """What the budget still buys, the cheapest first."""
    recipe, n = ground.fit.recipe, len(ground.fit.parts.train)

    def paid(rows: float) -> bool:
        return purse.takes(capacity.work(recipe, int(rows)) + capacity.SCORING)

    try:
        return Probed(
            _tiny(ground.fit, seed=seed) if paid(_TINY) else None,
            _shuffled(ground, seed=seed) if paid(_SHUFFLED * n) else None,
            _noise(ground, seed=seed) if paid(_NOISE * n) else None,
        )
    except (PerennialError, ValueError):  # so few rows hold one class, or fewer than the recipe needs
        return Probed()


def _tiny(fit: Fit, *, seed: int) -> tuple[float, float] | None:
    """Half of the rows from each end of the target, so that both classes are there, fitted with nothing held back."""
    framing = fit.problem.framing
    rows = fit.parts.train.sample(n=min(len(fit.parts.train), 500), random_state=seed)
    ordered = rows.assign(order=scoring.class_indices(rows[framing.target], framing)).sort_values(
        "order", kind="stable"
    )
    batch = ordered.iloc[np.r_[0 : _TINY // 2, len(ordered) - _TINY // 2 : len(ordered)]].drop(columns="order")
    recipe = capacity.greedy(fit.recipe)
    model = training.fit_and_freeze(recipe, framing, Split(batch, batch, batch), seed=seed, threads=Settings().threads)
    label = scoring.class_indices(batch[framing.target], framing)
    loss = scoring.row_loss(scoring.score(model, batch, framing), label, framing)
    return float(loss.mean()), float(naive_losses(label, framing).mean())


def _shuffled(ground: Ground, *, seed: int) -> Span:
    fit, framing = ground.fit, ground.fit.problem.framing
    train, rng = ground.part(_SHUFFLED), np.random.default_rng(seed)
    mixed = train.assign(
        **{framing.target: train[framing.target].take(rng.permutation(len(train))).set_axis(train.index)}
    )
    parts = Split(mixed, fit.parts.validation, fit.parts.test)
    model = training.fit_and_freeze(fit.recipe, framing, parts, seed=fit.seed, threads=Settings().threads)
    asked = fit.parts.test.iloc[:1_000]
    label = scoring.class_indices(asked[framing.target], framing)
    loss = scoring.row_loss(scoring.score(model, asked, framing), label, framing)
    return fixed_interval(
        naive_losses(label, framing) - loss, alpha=_ALPHA, clusters=ground.whose.loc[asked.index].to_numpy()
    )


def _noise(ground: Ground, *, seed: int) -> float:
    """A column that says nothing, among the others, on a quarter of the rows: what shuffling it costs, at most."""
    fit, rng = ground.fit, np.random.default_rng([seed, 1])
    name = next(one for one in (_NAME, *(f"{_NAME}{i}" for i in range(99))) if one not in fit.parts.train)
    recipe: Recipe = fit.recipe.model_copy(update={"features": (*fit.recipe.features, name)})

    def with_noise(rows: Split) -> Split:
        return Split(*(part.assign(**{name: rng.normal(size=len(part))}) for part in vars(rows).values()))

    parts = with_noise(Split(ground.part(_NOISE), fit.parts.validation, fit.parts.test))
    model = training.fit_and_freeze(recipe, fit.problem.framing, parts, seed=fit.seed, threads=Settings().threads)
    noisy = Fit(fit.problem, recipe, fit.fold, fit.seed, model, parts, 0.0)
    found = effects_of(noisy, noise=None, seed=seed, only=(name,))
    return max(0.0, found[0].gain[2])
