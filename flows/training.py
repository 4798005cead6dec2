"""COLD and RETRAIN: what serves first, and does a new challenger deserve a shadow?"""

import logging
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd

from flows.turn import Turn, seed_of
from schemas.framing import CostLoss
from schemas.plans import Promotion
from schemas.problem import Problem
from schemas.recipe import Recipe, difference
from schemas.rows import Model
from schemas.settings import Settings
from schemas.verdict import Outcome, Verdict, combine
from tasks import contracts, gates, registry, scoring, snapshots, training, windows
from tasks.transitions import Decision

__all__ = ["first_champion", "make_challenger"]

log = logging.getLogger("perennial")


def first_champion(turn: Turn) -> Decision:
    """COLD: register the problem's heuristic, or the naive baseline, as version 1. There is always something to serve."""
    problem, now = turn.problem, turn.now
    rows = windows.read_window(problem, now - problem.monitoring.reference, now, as_of=now)
    if rows.empty:
        return Decision(
            Verdict(
                "first champion",
                Outcome.FAIL,
                f"no rows in the {_days(problem.monitoring.reference)} before {now:%Y-%m-%d}",
            )
        )
    checked, fault = _checked(problem, rows)
    if checked is None or fault:
        return Decision(fault or Verdict("contract", Outcome.FAIL, "data fault"))
    example = checked.valid[_inputs(problem)].head(5)
    until: datetime | None = None
    if problem.heuristic is not None:
        model, name = problem.heuristic.fit(), "heuristic"
    else:
        # Rows labelled so far are a biased sample; matured ones are not. What it was fitted on, nobody is judged on.
        until = now - problem.framing.maturity
        matured = checked.valid[checked.valid[problem.framing.event_time] < until].dropna(
            subset=[problem.framing.target]
        )
        if matured.empty or (problem.framing.task == "binary" and matured[problem.framing.target].nunique() < 2):
            said = f"the naive baseline needs matured labels of both kinds, and {len(matured)} matured rows do not hold them"
            return Decision(Verdict("first champion", Outcome.FAIL, said, {"rows": len(matured)}))
        model, name = training.naive_baseline(problem.framing, matured, problem.recipe.features), "naive baseline"
    with registry.training_run(problem, key=_run_key(turn)) as run:
        registry.describe({"family": name}, {}, {}, [])
        registered = registry.register(problem, model, name=name, example=example, run_id=run, trained_until=until)
    verdict = Verdict(
        "first champion", Outcome.PASS, f"the {name} serves until a trained model beats it", {"rows": len(rows)}
    )
    return Decision(verdict, model=registered, notes={"run": run})


def make_challenger(turn: Turn) -> Decision:
    """RETRAIN: data, training, gates on held-out rows; then the recipe refitted on everything labelled is the challenger."""
    problem, state = turn.problem, turn.state
    recipe = recipe_for(turn)
    until = turn.now - problem.framing.maturity
    rows = windows.read_window(problem, until - _reach(turn, recipe), until, as_of=turn.now)
    checked, fault = _checked(problem, rows)
    if checked is None or fault:
        return Decision(fault or Verdict("contract", Outcome.FAIL, "data fault"))
    labelled = checked.valid.dropna(subset=[problem.framing.target])
    parts = training.split(
        problem.framing,
        labelled,
        until=until,
        plan=problem.retraining,
        window=recipe.window,
        disjoint_from=_champion(turn).trained_until,
    )
    short = _too_few(problem, parts)
    if short:
        return Decision(
            gates.at_deadline(short, now=turn.now, deadline=(state.since or turn.now) + problem.retraining.patience)
        )
    with registry.training_run(problem, key=_run_key(turn)) as run:
        return _judged(turn, recipe, parts, labelled, until, run)


def _run_key(turn: Turn) -> str:
    """One run a try. The moment is in it: a later try at the same row reads other data, and is another run."""
    return f"{turn.name}/{turn.state.sequence + 1}/{turn.now:%Y%m%dT%H%M%S}"


def recipe_for(turn: Turn) -> Recipe:
    """The problem's recipe, with what the request asked for."""
    order = turn.state.order
    recipe = Recipe.model_validate(order.recipe) if order and order.recipe else turn.problem.recipe
    if order and order.window_days:
        recipe = recipe.model_copy(update={"window": timedelta(days=order.window_days)})
    return recipe


def _judged(
    turn: Turn, recipe: Recipe, parts: training.Split, labelled: pd.DataFrame, until: datetime, run: str
) -> Decision:
    problem, framing = turn.problem, turn.problem.framing
    seed, threads = seed_of(turn), Settings().threads
    everything = labelled if recipe.window is None else labelled[labelled[framing.event_time] >= until - recipe.window]
    try:
        model, threshold, measured = _trained(problem, recipe, parts, seed, threads)
        refitted = training.fit(recipe, framing, everything, seed=seed, threads=threads, threshold=threshold)
    except (
        Exception
    ) as error:  # whatever raises in a fit is a fault of this recipe on these rows: it is refused, and says why
        said = f"training raised {type(error).__name__}: {str(error)[:200]}"
        return Decision(
            Verdict("training", Outcome.FAIL, said), notes={"run": run, "link": registry.run_link(problem, run)}
        )
    verdict = _offline(turn, recipe, model, parts, measured["test"])
    snapshot = snapshots.freeze(problem.name, everything)
    params = {
        "family": recipe.family,
        "features": ",".join(recipe.features),
        "seed": seed,
        "threshold": threshold,
        **recipe.parameters,
    }
    metrics = {f"{part}_{name}": value for part, values in measured.items() for name, value in values.items()}
    tags = {
        "snapshot": snapshot.sha256,
        "why": str(turn.state.why),
        "outcome": str(verdict.outcome),
        "reason": verdict.reason[:4000],
    }
    tags |= {"recipe": recipe.model_dump_json(), "recipe_change": str(difference(problem.recipe, recipe))[:4000]}
    registry.describe(params, metrics, tags, [snapshot.path])
    notes = {"run": run, "link": registry.run_link(problem, run), "snapshot": str(snapshot.path), "metrics": measured}
    if verdict.outcome is not Outcome.PASS:
        return Decision(verdict, notes=notes)
    held_out = {k: float(f"{v:.12g}") for k, v in measured["test"].items() if v == v and not k.startswith("loss of")}
    challenger = registry.register(
        problem,
        refitted,
        name=recipe.family,
        example=everything[list(recipe.features)].head(5),
        run_id=run,
        why=str(turn.state.why or ""),
        trained_from=everything[framing.event_time].min().to_pydatetime(),
        trained_until=until,
        held_out=held_out,
        tags={"snapshot": snapshot.sha256},
    )
    return Decision(verdict, model=challenger, snapshot=snapshot.sha256, notes=notes)


def _trained(
    problem: Problem, recipe: Recipe, parts: training.Split, seed: int, threads: int
) -> tuple[Any, float | None, dict[str, dict[str, float]]]:
    """The model the gate judges, its threshold, and its metrics on each part; on the test also the loss of each slice."""
    framing, features = problem.framing, list(recipe.features)
    model = training.fit(recipe, framing, parts.train, seed=seed, threads=threads)
    threshold = _threshold(problem, model, parts.validation)
    if threshold is not None:
        labels = parts.train[framing.target].astype(int)
        model = training.with_threshold(model, threshold, parts.train[features], labels)
    measured = {}
    for name, part in (("train", parts.train), ("validation", parts.validation), ("test", parts.test)):
        measured[name] = training.measure(scoring.score(model, part, framing), part[framing.target].to_numpy(), framing)
    for column in framing.slices:
        for value, part in parts.test.groupby(column, observed=True):
            said = scoring.row_loss(scoring.score(model, part, framing), part[framing.target].to_numpy(), framing)
            measured["test"][f"loss of {column} {value}"] = float(said.mean())
    return model, threshold, measured


def _offline(turn: Turn, recipe: Recipe, model: Any, parts: training.Split, measured: dict[str, float]) -> Verdict:
    """Requirements, numerical health, the constant and the champion: on the same held-out rows, trained on by none."""
    problem, framing, plan = turn.problem, turn.problem.framing, turn.problem.retraining
    labels = parts.test[framing.target].to_numpy(dtype=float)
    naive = training.naive_baseline(framing, parts.train, recipe.features)

    def loss(of: Any) -> np.ndarray:
        said = scoring.outputs(of, parts.test, framing)
        return scoring.row_loss(scoring.Scores(said.score, said.decision), labels, framing)

    def paired(rival: Any, against: str, promotion: Promotion) -> Verdict:
        return gates.paired_offline(
            loss(rival),
            loss(model),
            promotion=promotion,
            margin=framing.margin,
            alpha=plan.alpha,
            at_least=plan.test_rows,
            against=against,
        )

    def constant() -> Verdict:
        # The first model must beat what needs no thought. A later one replaces a model that did, and which the market may
        # have made worse than a constant: there, waiting for a significant lead over it would keep the worse one.
        if not _champion(turn).trained:
            return paired(naive, "constant", Promotion.SUPERIORITY)
        return gates.not_shown_worse(
            loss(naive), loss(model), alpha=plan.alpha, at_least=plan.test_rows, against="constant"
        )

    promotion = turn.state.promotion or Promotion.SUPERIORITY
    checks = {
        "numerical health": lambda: gates.finite(scoring.score(model, parts.test, framing).score),
        "offline sanity against constant": constant,
        f"offline {promotion} to champion": lambda: paired(
            registry.load(problem, _champion(turn)), "champion", promotion
        ),
    }
    verdicts = [gates.closed(name, check) for name, check in checks.items()]
    verdicts += [gates.requirement(wanted, measured) for wanted in framing.requirements]
    for verdict in verdicts:
        log.info("%s: %s %s", problem.name, verdict.outcome, verdict.reason)
    # What a held-out set cannot show now it will not show later: here waiting is refusing.
    whole = combine("offline", verdicts)
    if whole.outcome is Outcome.WAIT:
        return Verdict("offline", Outcome.FAIL, f"missing evidence: {whole.reason}", whole.evidence)
    if whole.outcome is Outcome.PASS:
        return Verdict("offline", Outcome.PASS, verdicts[2].reason, whole.evidence)
    return whole


def _threshold(problem: Problem, model: Any, validation: pd.DataFrame) -> float | None:
    """The operating point, frozen on validation rows; None for a regression."""
    framing = problem.framing
    if framing.task == "regression":
        return None
    if not isinstance(framing.loss, CostLoss):
        return 0.5
    scores = scoring.score(model, validation, framing).score
    return training.best_threshold(scores, validation[framing.target].to_numpy(dtype=float), framing.loss)


def _too_few(problem: Problem, parts: training.Split) -> Verdict | None:
    plan = problem.retraining
    for name, part, needed in (
        ("training", parts.train, plan.train_rows),
        ("validation", parts.validation, 1),
        ("held-out", parts.test, plan.test_rows),
    ):
        if len(part) < needed:
            evidence: dict[str, float | int | str | None] = {"rows": len(part), "needed": needed}
            return Verdict(
                "enough rows",
                Outcome.WAIT,
                f"{len(part)} {name} rows that are matured and new to both models, {needed} are needed",
                evidence,
            )
    return None


def _reach(turn: Turn, recipe: Recipe) -> timedelta:
    """How far back rows are read. A recipe without a window takes all there is."""
    problem, plan = turn.problem, turn.problem.retraining
    until = turn.now - problem.framing.maturity
    if recipe.window is None:
        return until - windows.bounds(problem)[0]
    test = plan.test
    if trained_until := _champion(turn).trained_until:
        test = min(test, max(until - trained_until, timedelta(0)))
    return recipe.window + plan.validation + test


def _champion(turn: Turn) -> Model:
    assert turn.state.champion is not None, "RETRAIN is reached from HEALTHY, where a champion serves"
    return turn.state.champion


def _checked(problem: Problem, rows: pd.DataFrame) -> tuple[contracts.Checked | None, Verdict | None]:
    """The rows held to the contract, and the fault if there is one; a table that breaks it as a whole is one too."""
    try:
        checked = contracts.check(problem, rows)
    except contracts.BrokenContractError as error:
        return None, Verdict("contract", Outcome.FAIL, f"data fault: {error}")
    return checked, _data_fault(problem, checked)


def _data_fault(problem: Problem, checked: contracts.Checked) -> Verdict | None:
    limit = problem.monitoring.bad_share
    if checked.rows and checked.bad_share <= limit:
        return None
    if not checked.rows:
        return Verdict("contract", Outcome.FAIL, "there is not one row in the window", {"rows": 0})
    worst = sorted(checked.counts.items(), key=lambda item: -item[1])[:3]
    broken = ", ".join(f"{what} ({count:,} rows)" for what, count in worst)
    reason = f"data fault: {checked.bad_share:.1%} of {checked.rows:,} rows break the contract, {limit:.1%} is the limit: {broken}"
    return Verdict("contract", Outcome.FAIL, reason, {"rows": checked.rows, "bad": len(checked.bad)})


def _inputs(problem: Problem) -> list[str]:
    """What a request may carry: everything but the label, its time, and what is filled in with it."""
    framing = problem.framing
    late = {framing.target, framing.label_time, *problem.source.filled_at}
    return [c for c in problem.contract.columns if c not in late]


def _days(span: timedelta) -> str:
    return f"{span / timedelta(days=1):.0f} days"
