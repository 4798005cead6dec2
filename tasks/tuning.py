"""Which parameters of a recipe lose least on rows that its fits have not seen, and is the search itself what holds it back?

A study lives in memory and not in a file: equal arguments give an equal search, so that after a kill it is run again, in
seconds to minutes, and there is no second truth beside the ledger's to keep.
"""

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from schemas.errors import PerennialError, told
from schemas.framing import Framing
from schemas.recipe import Recipe
from schemas.search import Choice, End, Range, Search
from tasks import training
from tasks.inner_folds import inner_folds
from tasks.scoring import class_indices, row_loss, score
from tasks.splits import Split
from tasks.stats import paired_bootstrap, weighted_mean

if TYPE_CHECKING:
    import optuna

__all__ = ["Trial", "Tuned", "nested", "tuned"]

_NEAR = 0.10  # of a range, on its own scale: from here on a value is at the end
_INSIDE = 0.30  # of the range away from the end: what a value there is held against
_TRIALS_A_PARAMETER = 3  # fewer whole trials than this attribute nothing


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
class Tuned:
    """What a search found. `recipe` is the one it was given where no trial lost less: tuning makes nothing worse that it
    has measured. The losses are those of the search, and flatter what won it: they are no estimate of anything."""

    recipe: Recipe
    before: Trial
    trials: tuple[Trial, ...]
    best: Trial
    at_edge: Mapping[str, End] | None  # None: the deadline came before it was asked
    importance: Mapping[str, float]  # shares of the loss's variance that sum to 1; empty: too few trials to tell
    stopped: bool = False  # by the deadline, before all trials were done

    @property
    def pruned(self) -> int:
        return sum(trial.outcome == "pruned" for trial in self.trials)

    @property
    def gain(self) -> float:
        """Loss a row that the search took away on its own rows."""
        assert self.before.loss is not None, "a recipe that cannot be fitted is refused"
        assert self.best.loss is not None, "what won was judged on every fold"
        return self.before.loss - self.best.loss


def nested(
    recipe: Recipe, framing: Framing, parts: Sequence[Split], search: Search, *, seed: int, **how: Any
) -> tuple[Tuned, ...]:
    """For each outer split a search in its training rows alone: whoever scores its other rows with that search's recipe
    judges the tuning too, by rows that it never saw. The remaining arguments are those of `tuned`."""
    return tuple(tuned(recipe, framing, part.train, search, seed=seed, **how) for part in parts)


def tuned(
    recipe: Recipe,
    framing: Framing,
    rows: pd.DataFrame,
    search: Search,
    *,
    seed: int,
    embargo: timedelta | None = None,
    apart: bool = False,
    threads: int = 1,
    deadline: Callable[[], bool] | None = None,
) -> Tuned:
    """The recipe with the parameters that lose least on inner folds of `rows`; equal arguments give an equal search.

    `embargo` and `apart` are those of `inner_folds`. `deadline` says True once there is no time for a further fold.
    """
    if recipe.start != "anew":
        raise PerennialError(f"a recipe that is {recipe.start} from the champion has the champion's parameters: none to tune.")
    bench = _Bench(
        recipe, framing, inner_folds(framing, rows, search.inner_folds, embargo=embargo, apart=apart), seed, threads
    )
    before = bench.judged({})
    if before.loss is None:
        raise PerennialError(f"the recipe to tune cannot be fitted as it is: {before.why}. Mend it first.")
    study = _study(search, seed)
    trials, stopped = _searched(bench, study, search, deadline or (lambda: False))
    best = min((trial for trial in (before, *trials) if trial.loss is not None), key=_loss)
    stopped = stopped or bool(deadline and deadline())
    return Tuned(
        recipe=bench.with_parameters(best.parameters),
        before=replace(before, rows=()),
        trials=tuple(replace(trial, rows=()) for trial in trials),
        best=replace(best, rows=()),
        at_edge=None if stopped else _at_edge(bench, best, search),
        importance=_importance(study, search, seed),
        stopped=stopped,
    )


@dataclass(frozen=True)
class _Bench:
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


def _loss(trial: Trial) -> float:
    assert trial.loss is not None, "only whole trials are compared"
    return trial.loss


def _searched(
    bench: _Bench, study: "optuna.Study", search: Search, deadline: Callable[[], bool]
) -> tuple[list[Trial], bool]:
    """The trials in the order they were asked, and whether the deadline ended them."""
    from optuna.trial import TrialState

    said = {"complete": TrialState.COMPLETE, "pruned": TrialState.PRUNED, "failed": TrialState.FAIL}
    spaces, trials, known = _distributions(search), list[Trial](), dict[str, Trial]()
    for _ in range(min(search.trials, search.grid_size) if search.sampler == "grid" else search.trials):
        if deadline():
            return trials, True
        asked = study.ask(spaces)
        parameters = {name: _allowed(search.space[name], value) for name, value in asked.params.items()}

        def prune(done: int, loss: float, asked: "optuna.Trial" = asked) -> bool:
            asked.report(loss, done)
            return asked.should_prune()

        # What was asked before has its answer: whole numbers and choices come back.
        trial = known.get(repr(parameters)) or bench.judged(parameters, prune)
        known[repr(parameters)] = trial
        study.tell(asked, trial.loss, state=said[trial.outcome])
        trials.append(trial)
    return trials, False


def _study(search: Search, seed: int) -> "optuna.Study":
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    samplers: dict[str, Callable[[], Any]] = {
        # A third of the trials look around before it goes where they were good; parameters are drawn together, since a
        # small learning rate is good with many trees and bad with few.
        "tpe": lambda: optuna.samplers.TPESampler(
            seed=seed, multivariate=True, n_startup_trials=max(2, min(10, search.trials // 3))
        ),
        "random": lambda: optuna.samplers.RandomSampler(seed=seed),
        "grid": lambda: optuna.samplers.GridSampler(search.grid(), seed=seed),
    }
    pruners: dict[str, Callable[[], Any]] = {
        "median": lambda: optuna.pruners.MedianPruner(n_startup_trials=5),
        "halving": lambda: optuna.pruners.SuccessiveHalvingPruner(min_resource=1, reduction_factor=2),
        "none": optuna.pruners.NopPruner,
    }
    return optuna.create_study(sampler=samplers[search.sampler](), pruner=pruners[search.pruner]())


def _distributions(search: Search) -> dict[str, Any]:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    def of(space: Range | Choice) -> Any:
        if isinstance(space, Choice):
            return CategoricalDistribution(space.values)
        if space.integer:
            return IntDistribution(int(space.low), int(space.high), log=space.log, step=int(space.step or 1))
        return FloatDistribution(space.low, space.high, log=space.log, step=space.step)

    return {name: of(space) for name, space in search.space.items()}


def _allowed(space: Range | Choice, value: Any) -> Any:
    return space.allowed(value) if isinstance(space, Range) else value


def _at_edge(bench: _Bench, best: Trial, search: Search) -> dict[str, End]:
    """Parameters whose best value lies at an end of their range and is better there than inside, each with its end.

    A value that happens to lie there says nothing: one that does not matter lies near an end in a fifth of searches. So it
    alone is moved inside, on the same folds and rows, and only where that costs loss is it the end that holds it.
    """
    found: dict[str, End] = {}
    given = {**bench.recipe.parameters, **best.parameters}
    for name, space in search.space.items():
        end = _end_of(space, given.get(name))
        if end is None:
            continue
        assert isinstance(space, Range), "a choice has no ends"
        moved = bench.judged({**best.parameters, name: space.at(_INSIDE if end == "low" else 1 - _INSIDE)})
        if moved.loss is not None and _loses_more(bench, moved, best):
            found[name] = end
    return found


def _end_of(space: Range | Choice, value: Any) -> End | None:
    if isinstance(space, Choice) or not isinstance(value, int | float) or (space.log and value <= 0):
        return None
    at = space.position(value)
    end: End | None = "low" if at <= _NEAR else "high" if at >= 1 - _NEAR else None
    return None if end in space.limits else end


def _loses_more(bench: _Bench, one: Trial, other: Trial) -> bool:
    """Is the mean paired difference surely above zero, over entities where they repeat?"""
    tests = pd.concat([part.test for part in bench.folds])
    entity = bench.framing.entity
    low, _, _ = paired_bootstrap(
        weighted_mean,
        np.concatenate(other.rows),
        np.concatenate(one.rows),
        np.zeros(len(tests)),
        blocks=None if entity is None else tests[entity].to_numpy(),
        rng=np.random.default_rng(bench.seed),
    )
    return low > 0


def _importance(study: "optuna.Study", search: Search, seed: int) -> dict[str, float]:
    """The share of the variance of whole trials' losses that each parameter explains by itself (fANOVA, Hutter, Hoos and
    Leyton-Brown, 2014), largest first."""
    from optuna.importance import FanovaImportanceEvaluator, get_param_importances
    from optuna.trial import TrialState

    losses = [trial.value for trial in study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))]
    if len(losses) < _TRIALS_A_PARAMETER * len(search.space) or len(set(losses)) < 2:
        return {}
    return dict(get_param_importances(study, evaluator=FanovaImportanceEvaluator(seed=seed)))
