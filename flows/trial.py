"""One recipe tried: fitted, judged on held-out rows, and, if it may go on, refitted on everything labelled and logged."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property, partial
from typing import Any

import pandas as pd

from flows import reference
from flows.acceptance import goal_measured
from flows.case import Case
from flows.challenger import describe, logged
from flows.held_out import described
from flows.judging import judge, verdict_of
from flows.progress import reached
from flows.selective import Chosen
from flows.trained import diagnosed
from flows.turn import Turn, seed_of
from schemas.errors import told
from schemas.plans import Gate, Promotion
from schemas.problem import Problem
from schemas.recipe import Recipe
from schemas.rows import Model
from schemas.settings import Settings
from schemas.verdict import Outcome, Verdict
from tasks import ledger, registry, runs, scoring, snapshots, training
from tasks.folded import fold_by_fold
from tasks.splits import Split, pooled
from tasks.transitions import Decision

__all__ = ["Trial", "keys_of", "tried"]

log = logging.getLogger("perennial")


@dataclass(frozen=True)
class Trial:
    """What is tried, on which rows, in which MLflow run."""

    turn: Turn
    recipe: Recipe
    folds: tuple[Split, ...]
    labelled: pd.DataFrame
    until: datetime
    run: str
    before: list[list[str]] = field(default_factory=list)  # what the gates said of a recipe that a simpler one replaced
    chosen: Chosen | None = None  # where labels are seen of some decisions only

    @property
    def problem(self) -> Problem:
        return self.turn.problem

    @property
    def weights(self) -> pd.Series | None:
        return self.chosen.weights if self.chosen else None

    @property
    def champion(self) -> Model:
        assert self.turn.state.champion is not None, "RETRAIN is reached from HEALTHY, where a champion serves"
        return self.turn.state.champion

    @cached_property
    def everything(self) -> pd.DataFrame:
        """The labelled rows that the recipe's window reaches, held-out ones and all: what the challenger is refitted on;
        of one that is made from the champion, those that the champion was not trained on."""
        window, time = self.recipe.window, self.labelled[self.problem.framing.event_time]
        if window is None or self.recipe.start != "anew":
            return self.labelled
        return self.labelled[time >= self.until - window]

    @cached_property
    def parts(self) -> Split:
        """What is judged on, and what nobody judges: of several folds, theirs together."""
        return pooled(self.problem.framing, self.folds)

    @cached_property
    def base(self) -> Any:
        """The champion, where the challenger is made from it."""
        return None if self.recipe.start == "anew" else registry.load(self.problem, self.champion)

    @cached_property
    def columns(self) -> list[str]:
        """What the challenger reads: of one that is made from the champion, what the champion reads."""
        return list(getattr(self.base, "feature_names_in_", self.recipe.features))

    def fitted(self, recipe: Recipe) -> Any:
        """A recipe fitted on the training rows, its operating point frozen on the validation rows; fold by fold."""
        framing = self.problem.framing
        fit = partial(training.fit_and_freeze, recipe, framing, champion=self.base, weights=self.weights)
        return self.each(lambda part: fit(part, seed=seed_of(self.turn), threads=Settings().threads))

    def each(self, fit: Callable[[Split], Any]) -> Any:
        return fold_by_fold(self.problem.framing.key, self.folds, fit)

    def refitted(self, model: Any) -> Any:
        """The recipe fitted on everything labelled, with the operating point of `model`."""
        return training.fit(
            self.recipe,
            self.problem.framing,
            self.everything,
            seed=seed_of(self.turn),
            threads=Settings().threads,
            threshold=training.frozen_threshold(model),
            champion=self.base,
            weights=self.weights,
        )

    @cached_property
    def frozen(self) -> snapshots.Snapshot:
        """Every row that the challenger was trained on; of one that is made from the champion, the champion's too."""
        name, key, base = self.problem.name, self.problem.framing.key, self.champion.snapshot
        if self.recipe.start == "anew" or not base:
            return snapshots.freeze(name, self.everything)
        return snapshots.freeze(name, snapshots.joined(name, base, self.everything, key=key))

    @cached_property
    def fitted_on(self) -> snapshots.Snapshot:
        """The rows that the challenger's own fit saw; of one that is made from the champion, without the champion's."""
        return self.frozen if self.recipe.start == "anew" else snapshots.freeze(self.problem.name, self.everything)

    @cached_property
    def weighed(self) -> snapshots.Snapshot | None:
        """How much each of those rows counts, in their order; None where all count alike."""
        if self.weights is None:
            return None
        key = self.problem.framing.key
        frame = self.everything[[key]].assign(weight=self.weights.loc[self.everything.index])
        return snapshots.freeze(self.problem.name, frame)

    @property
    def known_rows(self) -> str:
        """The sha256 by which the challenger names its rows. What the champion was trained on before anybody froze it is
        in no file: then it names none, and all rows up to its newest count as seen."""
        return "" if self.recipe.start != "anew" and not self.champion.snapshot else self.frozen.sha256


def tried(trial: Trial) -> Decision:
    """The recipe's verdict; and where a simpler one is no worse, that one's."""
    problem = trial.problem
    notes: dict[str, Any] = {"run": trial.run, "link": runs.run_link(problem, trial.run)}
    try:
        reached(0.15, f"fitting {_called(trial.recipe)} on {len(trial.parts.train):,} rows")
        model = trial.fitted(trial.recipe)
        reached(0.45, f"measuring it on {len(trial.parts.test):,} held-out rows")
        measured = _measured(trial, model)
        reached(0.5, f"refitting {_called(trial.recipe)} on everything labelled, {len(trial.everything):,} rows")
        refitted = trial.refitted(model)
    except (
        Exception
    ) as error:  # whatever raises in a fit is a fault of this recipe on these rows: it is refused, and says why
        said = f"training raised {told(error)}"
        return Decision(Verdict("training", Outcome.FAIL, said), notes=notes)
    case = _case(trial, model)
    verdicts = judge(case)
    taken = _simpler(trial, verdicts)
    if taken is not None:
        log.info("%s: %s", problem.name, verdicts[Gate.SIMPLICITY].reason)
        before = [[f"{trial.recipe.family}: {v.gate}", str(v.outcome), v.reason] for v in verdicts.values()]
        return tried(replace(trial, recipe=taken, before=[*trial.before, *before]))
    snapshot, challenger = trial.frozen, None
    if verdict_of(verdicts).outcome is Outcome.PASS:
        measured["test"] |= goal_measured(case)
        reached(0.85, "every gate passed: registering it, and scoring with it in a fresh process")
        challenger, served = logged(trial, refitted, measured["test"])
        if challenger is not None:
            reference.keep(trial.turn, challenger, refitted)
        verdicts |= {Gate.SERVEABILITY: served} if served is not None else {}
    verdict = verdict_of(verdicts)
    reached(0.95, f"{verdict.outcome}: writing down what was found")
    describe(trial, training.frozen_threshold(model), measured, verdict, challenger)
    notes |= {"snapshot": str(snapshot.path), "metrics": measured}
    notes |= diagnosed(trial, model, measured)
    notes["held_out"] = described(trial.turn, case.parts.test, sha256=case.test_set, folds=len(trial.folds))
    notes["gates"] = [*trial.before, *([v.gate, str(v.outcome), v.reason] for v in verdicts.values())]
    if verdict.outcome is not Outcome.PASS:
        return Decision(verdict, notes=notes)
    return Decision(verdict, model=challenger, snapshot=snapshot.sha256, notes=notes)


def _called(recipe: Recipe) -> str:
    return recipe.estimator.rpartition(":")[2] if recipe.estimator else recipe.family


def _simpler(trial: Trial, verdicts: Mapping[str, Verdict]) -> Recipe | None:
    """The simpler recipe that is as good, if that is all there is against this one.

    So a simpler challenger is promoted only where both pass, and looking at the same rows twice costs no error rate.
    """
    simplicity = verdicts.get(Gate.SIMPLICITY)
    others = [verdict for gate, verdict in verdicts.items() if gate != Gate.SIMPLICITY]
    if simplicity is None or any(verdict.outcome is not Outcome.PASS for verdict in others):
        return None
    take = simplicity.evidence.get("take")
    return next((recipe for recipe in trial.recipe.simpler() if recipe.family == take), None)


def keys_of(problem: Problem, model: Model, evaluated: pd.DataFrame) -> Any:
    """Row keys that `model` was trained on: those of its snapshot; none where it was trained on nothing, or only on rows
    before the evaluated ones; None where nobody knows."""
    if model.snapshot:
        return snapshots.keys(problem.name, model.snapshot, problem.framing.key)
    if model.trained_until is None:
        return None if model.trained else []
    return [] if (evaluated[problem.framing.event_time] >= model.trained_until).all() else None


def _case(trial: Trial, model: Any) -> Case:
    problem, parts, champion = trial.problem, trial.parts, trial.champion
    test_set = snapshots.freeze(problem.name, parts.test).sha256

    def trained_on() -> dict[str, Any]:
        return {"challenger": _seen(trial), "champion": keys_of(problem, champion, parts.test)}

    return Case(
        problem=problem,
        recipe=trial.recipe,
        parts=parts if trial.chosen is None else trial.chosen.judged(parts),
        challenger=model,
        naive=trial.each(
            lambda part: training.naive_baseline(
                problem.framing, part.train, trial.recipe.features, weights=trial.weights
            )
        ),
        simpler=lambda: {recipe.family: trial.fitted(recipe) for recipe in trial.recipe.simpler()},
        champion=lambda: registry.load(problem, champion),
        champion_trained=champion.trained,
        promotion=trial.turn.state.promotion or Promotion.SUPERIORITY,
        test_set=test_set,
        uses=ledger.decisions_on(problem.name, test_set),
        trained_on=trained_on,
        seed=seed_of(trial.turn),
    )


def _seen(trial: Trial) -> Any:
    """Keys of the rows that the challenger was fitted on before it judged them, of each fold its own, and of the champion's
    where it is made from it; None where nobody knows those."""
    own = _fitted_on(trial)
    if trial.recipe.start == "anew":
        return own
    before = keys_of(trial.problem, trial.champion, trial.parts.test)
    return None if before is None else pd.concat([own, pd.Series(before, dtype=object).astype(str)])


def _fitted_on(trial: Trial) -> pd.Series:
    key = trial.problem.framing.key
    own = [pd.concat([part.train, part.validation])[key] for part in trial.folds]
    if len(own) > 1:
        judged = [keys[keys.isin(part.test[key])] for keys, part in zip(own, trial.folds, strict=True)]
        own = [pd.concat([trial.parts.train, trial.parts.validation])[key], *judged]
    return pd.concat(own).astype(str)


def _measured(trial: Trial, model: Any) -> dict[str, dict[str, float]]:
    """The metrics on each part."""
    framing, parts = trial.problem.framing, trial.parts
    return {
        name: training.measure(scoring.score(model, part, framing), part[framing.target].to_numpy(), framing)
        for name, part in (("train", parts.train), ("validation", parts.validation), ("test", parts.test))
    }
