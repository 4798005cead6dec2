"""How much does a recipe lose with other parameters, inner fold after inner fold?"""

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from schemas.errors import PerennialError, told
from schemas.framing import Framing
from schemas.recipe import Recipe
from tasks import training
from tasks.scoring import class_indices, row_loss, score
from tasks.splits import Split

__all__ = ["Bench", "Trial"]


@dataclass(frozen=True)
class Trial:
    """One set of parameters on the inner folds. `loss` is a row, lower is better, and None unless every fold was judged."""

    parameters: Mapping[str, Any]
    outcome: Literal["complete", "pruned", "failed"]
    folds: tuple[float, ...]
    loss: float | None = None
    why: str = ""
    rows: tuple[np.ndarray, ...] = field(default=(), compare=False, repr=False)  # losses, shape (n_judged,), by fold


@dataclass(frozen=True)
class Bench:
    """What every trial of one search shares."""

    recipe: Recipe
    framing: Framing
    folds: tuple[Split, ...]
    seed: int
    threads: int

    def with_parameters(self, parameters: Mapping[str, Any]) -> Recipe:
        return self.recipe.model_copy(update={"parameters": {**self.recipe.parameters, **parameters}})

    def judged(self, parameters: Mapping[str, Any], prune: Callable[[int, float], bool] | None = None) -> Trial:
        """Fold after fold, until `prune(folds so far, mean loss so far)` has seen enough."""
        recipe, rows = self.with_parameters(parameters), list[np.ndarray]()
        for done, part in enumerate(self.folds, start=1):
            try:
                rows.append(self._losses(recipe, part))
            except Exception as error:  # parameters that cannot be fitted are no better ones, and the search goes on
                return Trial(parameters, "failed", _means(rows), why=told(error))
            if prune and done < len(self.folds) and prune(done, float(np.concatenate(rows).mean())):
                return Trial(parameters, "pruned", _means(rows))
        return Trial(parameters, "complete", _means(rows), float(np.concatenate(rows).mean()), rows=tuple(rows))

    def _losses(self, recipe: Recipe, part: Split) -> np.ndarray:
        with warnings.catch_warnings():
            # Parameters with which a solver does not settle show it in their loss.
            warnings.filterwarnings("ignore", message="Maximum number of iteration reached")
            model = training.fit_and_freeze(recipe, self.framing, part, seed=self.seed, threads=self.threads)
        labels = class_indices(part.test[self.framing.target], self.framing)
        losses = row_loss(score(model, part.test, self.framing), labels, self.framing)
        if np.isnan(losses).any():
            raise PerennialError(f"{int(np.isnan(losses).sum())} of {len(losses)} rows have no score.")
        return losses


def _means(rows: Sequence[np.ndarray]) -> tuple[float, ...]:
    return tuple(float(losses.mean()) for losses in rows)
