"""How does a challenger that passed become a version that can be served, and what does its MLflow run say of it?"""

import json
import math
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pandas as pd

from flows.recipes import origin
from flows.turn import seed_of
from schemas.plans import Gate
from schemas.recipe import difference
from schemas.rows import Model
from schemas.settings import Settings
from schemas.verdict import Outcome, Verdict
from tasks import gates, registry, runs, scoring
from tasks.modelfile import AlteredModelError, trusted_in
from tasks.probe import probe

if TYPE_CHECKING:
    from flows.trial import Trial

__all__ = ["describe", "logged"]

_GOLDEN_ROWS = 50


def logged(trial: "Trial", model: Any, held_out: Mapping[str, float]) -> tuple[Model | None, Verdict | None]:
    """The refitted model as a registered version, and whether the one that was logged can be served; what cannot be
    logged is refused even where the plan does not ask."""
    problem, everything = trial.problem, trial.everything
    try:
        challenger = registry.register(
            problem,
            model,
            name=_named(trial),
            example=everything[trial.columns].head(30),
            run_id=trial.run,
            why=str(trial.turn.state.why or ""),
            trained_from=_trained_from(trial),
            trained_until=trial.until,
            held_out={name: float(f"{value:.12g}") for name, value in held_out.items() if value == value},
            snapshot=trial.known_rows,
            base="" if trial.recipe.start == "anew" else trial.champion.sha256,
        )
    except AlteredModelError as error:
        return None, Verdict(Gate.SERVEABILITY, Outcome.FAIL, f"it cannot be logged: {error}")
    if Gate.SERVEABILITY not in problem.retraining.gates:
        return challenger, None
    return challenger, gates.closed(Gate.SERVEABILITY, lambda: _serveable(trial, challenger, model))


def _named(trial: "Trial") -> str:
    """What people call the challenger; a correction replaces an earlier one, and so does its name."""
    if trial.recipe.start != "recalibrated":
        return trial.recipe.estimator.rpartition(":")[2] if trial.recipe.estimator else trial.recipe.family
    name = trial.champion.name
    return name if name.startswith("recalibrated ") else f"recalibrated {name}"


def _trained_from(trial: "Trial") -> datetime | None:
    if trial.recipe.start != "anew":
        return trial.champion.trained_from
    first: pd.Timestamp = trial.everything[trial.problem.framing.event_time].min()
    return first.to_pydatetime()


def _serveable(trial: "Trial", challenger: Model, model: Any) -> Verdict:
    """The logged model in a process of its own, against the one that was trained here."""
    problem, plan, framing = trial.problem, trial.problem.retraining, trial.problem.framing
    golden = trial.everything[trial.columns].tail(_GOLDEN_ROWS)
    file = registry.model_file(problem, challenger)
    found = probe(
        file,
        trusted_in(file, problem),
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


def describe(
    trial: "Trial",
    threshold: float | None,
    measured: Mapping[str, Mapping[str, float]],
    verdict: Verdict,
    challenger: Model | None,
) -> None:
    """What the MLflow run says of this challenger, and all that `flows.reproduction` makes it anew from."""
    recipe, state, weighed = trial.recipe, trial.turn.state, trial.weighed
    params = {"family": recipe.family, "features": ",".join(recipe.features), "seed": seed_of(trial.turn)}
    params |= {"threshold": threshold, "start": recipe.start, **recipe.parameters}
    metrics = {f"{part}_{name}": value for part, values in measured.items() for name, value in values.items()}
    tags = {"snapshot": trial.frozen.sha256, "fitted_on": trial.fitted_on.sha256, "why": str(state.why)}
    # Beside the parameters, which people read and a recipe may name like these: the arguments of the refit as they were.
    refit = {"seed": seed_of(trial.turn), "threads": Settings().threads, "threshold": threshold}
    tags |= {"refit": json.dumps(refit)} | ({"weights": weighed.sha256} if weighed else {})
    tags |= {"rules": trial.problem.rules()} | ({"model": challenger.sha256} if challenger else {})
    tags |= {"outcome": str(verdict.outcome), "reason": verdict.reason[:4000]}
    tags |= {"recipe": recipe.model_dump_json()}
    tags |= {} if recipe.start == "anew" else {"base": trial.champion.sha256}
    tags |= origin(trial.turn)
    tags |= {"recipe_change": str(difference(trial.problem.recipe, recipe))[:4000]}
    files = {one.path for one in (trial.frozen, trial.fitted_on, weighed) if one}
    runs.describe(params, metrics, tags, sorted(files))
