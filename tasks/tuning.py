"""Which parameters of a recipe lose least on rows that its fits have not seen, and is the search itself what holds it back?

A study lives in memory and not in a file: equal arguments give an equal search, so that after a kill it is run again, in
seconds to minutes, and there is no second truth beside the ledger's to keep.
"""

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from schemas.errors import PerennialError
from schemas.framing import Framing
from schemas.recipe import Recipe
from schemas.search import Choice, End, Range, Search
from tasks.inner_folds import inner_folds
from tasks.splits import Split
from tasks.stats import paired_bootstrap, weighted_mean
from tasks.trials import Bench, Trial

if TYPE_CHECKING:
    import optuna

__all__ = ["Tuned", "nested", "tuned"]

_NEAR = 0.20  # of a range, on its own scale: with the best value so near to an end, the end is asked about
_INSIDE = 0.30  # of the range away from the end: what the end is held against
# Of the framing's margin: what the end has to gain. Less is a pattern in the rows and nothing to widen a search for; more
# would miss a range that is decades off, where each decade is worth little.
_MATTERS = 0.02
_TREES = 16  # of the forest that shares out the variance of some 30 losses
_TRIALS_A_PARAMETER = 3  # fewer whole trials than this attribute nothing


@dataclass(frozen=True)
class Tuned:
    """What a search found. `recipe` is the one it was given where no trial lost less: tuning makes nothing worse that it
    has measured. The losses are those of the search, and flatter what won it: they are no estimate of anything."""

    recipe: Recipe
    before: Trial
    trials: tuple[Trial, ...]
    best: Trial
    at_edge: Mapping[str, End] | None  # of the best trial; None: there is none, or no time was left to ask
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
        raise PerennialError(
            f"a recipe that is {recipe.start} from the champion has the champion's parameters: none to tune."
        )
    bench = Bench(
        recipe, framing, inner_folds(framing, rows, search.inner_folds, embargo=embargo, apart=apart), seed, threads
    )
    before = bench.judged({})
    if before.loss is None:
        raise PerennialError(f"the recipe to tune cannot be fitted as it is: {before.why}. Mend it first.")
    study = _study(search, seed)
    trials, stopped = _searched(bench, study, search, deadline or (lambda: False))
    whole = [trial for trial in trials if trial.loss is not None]
    best = min((before, *whole), key=_loss)
    stopped = stopped or bool(deadline and deadline())
    return Tuned(
        recipe=bench.with_parameters(best.parameters),
        before=replace(before, rows=()),
        trials=tuple(replace(trial, rows=()) for trial in trials),
        best=replace(best, rows=()),
        # Of the best trial, also where the recipe as it was beat them all: that may be why.
        at_edge=_at_edge(bench, min(whole, key=_loss), search) if whole and not stopped else None,
        importance=_importance(study, search, seed),
        stopped=stopped,
    )


def _loss(trial: Trial) -> float:
    assert trial.loss is not None, "only whole trials are compared"
    return trial.loss


def _searched(
    bench: Bench, study: "optuna.Study", search: Search, deadline: Callable[[], bool]
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
        "grid": lambda: optuna.samplers.RandomSampler(seed=seed),  # draws nothing: every point is told to it
    }
    pruners: dict[str, Callable[[], Any]] = {
        "median": lambda: optuna.pruners.MedianPruner(n_startup_trials=5),
        "halving": lambda: optuna.pruners.SuccessiveHalvingPruner(min_resource=1, reduction_factor=2),
        "none": optuna.pruners.NopPruner,
    }
    study = optuna.create_study(sampler=samplers[search.sampler](), pruner=pruners[search.pruner]())
    for point in _grid(search, seed) if search.sampler == "grid" else []:
        study.enqueue_trial(point)
    return study


def _grid(search: Search, seed: int) -> list[dict[str, Any]]:
    """Its points in no order, so that a deadline does not end them in a corner."""
    of = search.grid()
    points = [dict(zip(of, values, strict=True)) for values in itertools.product(*of.values())]
    return [points[i] for i in np.random.default_rng(seed).permutation(len(points))]


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


def _at_edge(bench: Bench, best: Trial, search: Search) -> dict[str, End]:
    """Parameters whose best value lies near an end of their range and that lose less at the end than inside, by end.

    Lying near says nothing: a parameter that does not matter does so in two of five searches. So two values that no search
    chose, the end's and one inside, are tried with the best ones of the others, on the same folds and rows: where inside
    surely loses more, and the end not surely more than the best, beyond the end there may be better.
    """
    found: dict[str, End] = {}
    for name, space in search.space.items():
        end = _end_near(space, best.parameters[name])
        if end is None:
            continue
        assert isinstance(space, Range), "a choice has no ends"
        ends, inside = (0.0, _INSIDE) if end == "low" else (1.0, 1 - _INSIDE)
        there, back = (bench.judged({**best.parameters, name: space.at(at)}) for at in (ends, inside))
        if _loses_more(bench, back, there) and not _loses_more(bench, there, best):
            found[name] = end
    return found


def _end_near(space: Range | Choice, value: Any) -> End | None:
    if isinstance(space, Choice):
        return None
    at = space.position(value)
    end: End | None = "low" if at <= _NEAR else "high" if at >= 1 - _NEAR else None
    return None if end in space.limits else end


def _loses_more(bench: Bench, one: Trial, other: Trial) -> bool:
    """Is the mean paired difference of two trials surely above zero, over entities where they repeat, and large enough to
    matter? Not where one failed."""
    if one.loss is None or other.loss is None:
        return False
    tests = pd.concat([part.test for part in bench.folds])
    entity = bench.framing.entity
    low, difference, _ = paired_bootstrap(
        weighted_mean,
        np.concatenate(other.rows),
        np.concatenate(one.rows),
        np.zeros(len(tests)),
        blocks=None if entity is None else tests[entity].to_numpy(),
        rng=np.random.default_rng(bench.seed),
    )
    return low > 0 and difference >= _MATTERS * bench.framing.margin


def _importance(study: "optuna.Study", search: Search, seed: int) -> dict[str, float]:
    """The share of the variance of whole trials' losses that each parameter explains by itself (fANOVA, Hutter, Hoos and
    Leyton-Brown, 2014), largest first."""
    from optuna.importance import FanovaImportanceEvaluator, get_param_importances
    from optuna.trial import TrialState

    losses = [trial.value for trial in study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))]
    if len(losses) < _TRIALS_A_PARAMETER * len(search.space):
        return {}
    try:
        found = get_param_importances(study, evaluator=FanovaImportanceEvaluator(n_trees=_TREES, seed=seed))
    except RuntimeError:  # its trees find no variance: the losses are all but equal
        return {}
    return {name: float(share) for name, share in found.items()}
