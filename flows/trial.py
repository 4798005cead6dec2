"""One recipe tried: fitted, judged on held-out rows, and, if it may go on, refitted on everything labelled and logged."""

import logging
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cached_property, partial
from typing import Any

import pandas as pd

from flows.acceptance import goal_measured
from flows.case import Case
from flows.held_out import described
from flows.judging import judge, verdict_of
from flows.selective import Chosen
from flows.turn import Turn, seed_of
from schemas.errors import told
from schemas.plans import Gate, Promotion
from schemas.problem import Problem
from schemas.recipe import Recipe, difference
from schemas.rows import Model
from schemas.settings import Settings
from schemas.trusted import trusted_for
from schemas.verdict import Outcome, Verdict
from tasks import gates, ledger, registry, scoring, snapshots, training
from tasks.folded import fold_by_fold
from tasks.modelfile import AlteredModelError
from tasks.probe import probe
from tasks.splits import Split, pooled
from tasks.transitions import Decision

__all__ = ["Trial", "keys_of", "tried"]

log = logging.getLogger("perennial")
_GOLDEN_ROWS = 50


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
        """The labelled rows that the recipe's window reaches, held-out ones and all: what the challenger is refitted on."""
        window, time = self.recipe.window, self.labelled[self.problem.framing.event_time]
        return self.labelled if window is None else self.labelled[time >= self.until - window]

    @cached_property
    def parts(self) -> Split:
        """What is judged on, and what nobody judges: of several folds, theirs together."""
        return pooled(self.problem.framing, self.folds)

    def fitted(self, recipe: Recipe) -> Any:
        """A recipe fitted on the training rows, its operating point frozen on the validation rows; fold by fold."""
        fit = partial(training.fit_and_freeze, recipe, self.problem.framing, weights=self.weights)
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
            weights=self.weights,
        )


def tried(trial: Trial) -> Decision:
    """The recipe's verdict; and where a simpler one is no worse, that one's."""
    problem = trial.problem
    notes: dict[str, Any] = {"run": trial.run, "link": registry.run_link(problem, trial.run)}
    try:
        model = trial.fitted(trial.recipe)
        measured = _measured(trial, model)
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
    snapshot, challenger = snapshots.freeze(problem.name, trial.everything), None
    if verdict_of(verdicts).outcome is Outcome.PASS:
        measured["test"] |= goal_measured(case)
        challenger, served = _logged(trial, refitted, measured["test"], snapshot.sha256)
        verdicts |= {Gate.SERVEABILITY: served} if served is not None else {}
    verdict = verdict_of(verdicts)
    _describe(trial, training.frozen_threshold(model), measured, verdict, snapshot)
    notes |= {"snapshot": str(snapshot.path), "metrics": measured}
    notes["held_out"] = described(trial.turn, case.parts.test, sha256=case.test_set, folds=len(trial.folds))
    notes["gates"] = [*trial.before, *([v.gate, str(v.outcome), v.reason] for v in verdicts.values())]
    if verdict.outcome is not Outcome.PASS:
        return Decision(verdict, notes=notes)
    return Decision(verdict, model=challenger, snapshot=snapshot.sha256, notes=notes)


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


def _seen(trial: Trial) -> pd.Series:
    """Keys of the rows that the challenger was fitted on before it judged them: of each fold, its own."""
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


def _logged(
    trial: Trial, model: Any, held_out: Mapping[str, float], snapshot: str
) -> tuple[Model | None, Verdict | None]:
    """The refitted model as a registered version, and whether the one that was logged can be served; what cannot be
    logged is refused even where the plan does not ask."""
    problem, everything = trial.problem, trial.everything
    try:
        challenger = registry.register(
            problem,
            model,
            name=trial.recipe.family,
            example=everything[list(trial.recipe.features)].head(30),
            run_id=trial.run,
            why=str(trial.turn.state.why or ""),
            trained_from=everything[problem.framing.event_time].min().to_pydatetime(),
            trained_until=trial.until,
            held_out={name: float(f"{value:.12g}") for name, value in held_out.items() if value == value},
            snapshot=snapshot,
        )
    except AlteredModelError as error:
        return None, Verdict(Gate.SERVEABILITY, Outcome.FAIL, f"it cannot be logged: {error}")
    if Gate.SERVEABILITY not in problem.retraining.gates:
        return challenger, None
    return challenger, gates.closed(Gate.SERVEABILITY, lambda: _serveable(trial, challenger, model))


def _serveable(trial: Trial, challenger: Model, model: Any) -> Verdict:
    """The logged model in a process of its own, against the one that was trained here."""
    problem, plan, framing = trial.problem, trial.problem.retraining, trial.problem.framing
    golden = trial.everything[list(trial.recipe.features)].tail(_GOLDEN_ROWS)
    found = probe(
        registry.model_file(problem, challenger),
        trusted_for(problem.heuristic),
        golden,
        scoring.score(model, golden, framing),
        framing,
    )
    # A replay says the same on every machine: there, times and memory are shown and do not decide.
    live = trial.turn.live
    limits = gates.Limits(
        load_seconds=plan.load_at_most.total_seconds() if live else math.inf,
        latency_ms=framing.latency_budget / timedelta(milliseconds=1) if live else math.inf,
        memory_mb=plan.memory_mb if live else math.inf,
        size_mb=plan.model_mb,
    )
    return gates.serveable(found, limits)


def _describe(
    trial: Trial,
    threshold: float | None,
    measured: Mapping[str, Mapping[str, float]],
    verdict: Verdict,
    snapshot: snapshots.Snapshot,
) -> None:
    """What the MLflow run says of this challenger."""
    recipe, state = trial.recipe, trial.turn.state
    params = {"family": recipe.family, "features": ",".join(recipe.features), "seed": seed_of(trial.turn)}
    params |= {"threshold": threshold, **recipe.parameters}
    metrics = {f"{part}_{name}": value for part, values in measured.items() for name, value in values.items()}
    tags = {"snapshot": snapshot.sha256, "why": str(state.why)}
    tags |= {"outcome": str(verdict.outcome), "reason": verdict.reason[:4000]}
    tags |= {"recipe": recipe.model_dump_json()}
    tags |= {"recipe_change": str(difference(trial.problem.recipe, recipe))[:4000]}
    registry.describe(params, metrics, tags, [snapshot.path])
