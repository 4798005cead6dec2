"""COLD and RETRAIN: what serves first, and does a new challenger deserve a shadow?"""

import re
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import pandas as pd

from flows.incident import ACTOR
from flows.progress import bar, ended
from flows.reach import chosen, offered
from flows.recipes import by_experiments, incumbent
from flows.selective import Chosen, labels_chosen
from flows.taint import faulty_training, without_faulty
from flows.trial import Trial, tried
from flows.trust import training_trusted
from flows.turn import Turn
from schemas.errors import PerennialError
from schemas.problem import Problem
from schemas.recipe import Recipe
from schemas.rows import Model
from schemas.verdict import Outcome, Verdict
from tasks import cleaning, contracts, engine_contracts, gates, registry, runs, snapshots, splits, training, windows
from tasks.probe import warm
from tasks.transitions import Decision

__all__ = ["Given", "data_fault", "first_champion", "make_challenger", "rows_for", "without_copies"]


def first_champion(turn: Turn) -> Decision:
    """COLD: register the problem's heuristic, or the naive baseline, as version 1. There is always something to serve."""
    problem, now = turn.problem, turn.now
    rows, _ = windows.read_sample(problem, now - problem.monitoring.reference, now, as_of=now)
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
    example = checked.valid[list(problem.asked)].head(30)
    until: datetime | None = None
    snapshot = ""
    if problem.heuristic is not None:
        model, name = problem.heuristic.fit(), "heuristic"
    else:
        # Rows labelled so far are a biased sample; matured ones are not. What it was fitted on, nobody is judged on.
        until = now - problem.framing.maturity
        matured = checked.valid[checked.valid[problem.framing.event_time] < until].dropna(
            subset=[problem.framing.target]
        )
        if matured.empty or (problem.framing.task != "regression" and matured[problem.framing.target].nunique() < 2):
            said = f"the naive baseline needs matured labels of both kinds, and {len(matured)} matured rows do not hold them"
            return Decision(Verdict("first champion", Outcome.FAIL, said, {"rows": len(matured)}))
        if problem.framing.timeless:  # no moment parts what it was fitted on from what judges: its rows are kept
            matured = splits.held_back(problem, matured)
            snapshot = snapshots.freeze(problem.name, matured).sha256
        model, name = training.naive_baseline(problem.framing, matured, problem.recipe.features), "naive baseline"
    with runs.training_run(problem, key=_run_key(turn)) as run:
        runs.describe({"family": name}, {}, {}, [])
        registered = registry.register(
            problem, model, name=name, example=example, run_id=run, trained_until=until, snapshot=snapshot
        )
    verdict = Verdict(
        "first champion", Outcome.PASS, f"the {name} serves until a trained model beats it", {"rows": len(rows)}
    )
    return Decision(verdict, model=registered, notes={"run": run})


_PLAIN = re.compile(r"[^\w. -]")  # what MLflow does not take in the name of a metric


@dataclass(frozen=True)
class Given:
    """What a recipe is given: rows that were labelled by now and matured, in folds; `copies` went before the split."""

    recipe: Recipe
    folds: tuple[splits.Split, ...]
    labelled: pd.DataFrame
    until: datetime
    copies: int = 0
    window: dict[str, Any] = field(default_factory=dict)  # which training window was chosen, on which evidence
    chosen: Chosen | None = None  # where labels are seen of some decisions only


def make_challenger(turn: Turn) -> Decision:
    """RETRAIN: data, training, gates on held-out rows; then the recipe refitted on everything labelled is the challenger."""
    with bar("training", turn.name, f"{turn.name}: reading and checking the rows to learn from"):
        return ended(_made(turn))


def _made(turn: Turn) -> Decision:
    problem, state = turn.problem, turn.state
    given = rows_for(turn)
    if isinstance(given, Decision):
        return given
    if short := _too_few(problem, given.recipe, splits.pooled(problem.framing, given.folds)):
        return Decision(
            gates.at_deadline(short, now=turn.now, deadline=(state.since or turn.now) + problem.retraining.patience)
        )
    warm()
    with runs.training_run(problem, key=_run_key(turn)) as run:
        if given.window:
            losses = {f"window_loss {_PLAIN.sub('', name)}": loss for name, loss in given.window["losses"].items()}
            runs.describe({"window": given.window["chosen"]}, losses, {"window": given.window["reason"]}, [])
        trial = Trial(turn, given.recipe, given.folds, given.labelled, given.until, run, chosen=given.chosen)
        decision = tried(trial)
    beside: dict[str, Any] = {"copies": given.copies} if given.copies else {}
    beside |= {"training_window": given.window} if given.window else {}
    beside |= {"selective": given.chosen.notes} if given.chosen else {}
    return replace(decision, notes={**decision.notes, **beside}) if beside else decision


def rows_for(turn: Turn) -> Given | Decision:
    """The rows that the recipe is trained and judged on, or why there are none."""
    problem = turn.problem
    recipe = recipe_for(turn)
    if cannot := _cannot_start(turn, recipe):
        return cannot
    until = turn.now - problem.framing.maturity
    choices = offered(turn, recipe)
    start = until - max(_reach(turn, one) for one in choices.values())
    rows, share = windows.read_sample(problem, start, until, as_of=turn.now)
    checked, fault = _checked(problem, rows)
    if checked is not None and not fault:
        fault = _fault_of_all(problem, start, until, turn.now) if share < 1 else _untrusted(problem, until)
        fault = fault or faulty_training(turn, until)
    if checked is None or fault:
        return Decision(fault or Verdict("contract", Outcome.FAIL, "data fault"))
    labelled = checked.valid.dropna(subset=[problem.framing.target])
    labelled, copies = without_copies(problem, without_faulty(turn, labelled))
    weighed = labels_chosen(problem, checked.valid, labelled, since=start, until=until)
    if isinstance(weighed, Verdict):
        patience = (turn.state.since or turn.now) + problem.retraining.patience
        return Decision(gates.at_deadline(weighed, now=turn.now, deadline=patience))
    if weighed is not None:  # what is made from the champion knows no weights: it learns from the rows drawn at random
        labelled = weighed.labelled if recipe.start == "anew" else weighed.labelled[weighed.may_judge]
    parts = {
        name: (one, folds_for(turn, one, _since_change(turn, name, one, labelled, until), until))
        for name, one in choices.items()
    }
    choice = chosen(turn, parts, weighed)
    folds = parts[choice.name][1]
    folds = folds if weighed is None else weighed.judging(folds)
    return Given(choice.recipe, folds, labelled, until, copies, choice.noted(), weighed)


def _since_change(turn: Turn, name: str, recipe: Recipe, labelled: pd.DataFrame, until: datetime) -> pd.DataFrame:
    """The labelled rows, of a window since a change those since then: other windows reach back from the rows that are judged
    on, and this one would reach beyond the change by as much."""
    order = turn.state.order
    ordered = order is not None and order.actor == ACTOR and order.window_days is not None
    if recipe.window is None or not (ordered or name.startswith("since the change")):
        return labelled
    return labelled[labelled[turn.problem.framing.event_time] >= until - recipe.window]


def folds_for(turn: Turn, recipe: Recipe, labelled: pd.DataFrame, until: datetime) -> tuple[splits.Split, ...]:
    """The labelled rows in folds, by what the recipe starts from. What experiments found is judged by the rows that none of
    them saw, be they few: folds would ask the rows by which it was chosen."""
    problem, trained_until = turn.problem, _champion(turn).trained_until
    if by_experiments(turn.state.order):
        problem = replace(problem, data=problem.data.model_copy(update={"fold_below": 0}))
    if recipe.start == "anew":
        return splits.folds(problem, labelled, until=until, window=recipe.window, disjoint_from=trained_until)
    assert trained_until is not None, "asked before rows were read"
    rules: dict[str, Any] = {"plan": problem.retraining, "embargo": splits.embargo_of(problem)}
    since = _new_since(recipe, trained_until, until)
    return (splits.unseen(problem.framing, labelled, since=since, until=until, **rules),)


def _new_since(recipe: Recipe, trained_until: datetime, until: datetime) -> datetime:
    """From when on rows are new to the champion, and of a re-mapping within the recipe's window: what scores mean now is
    not what they meant before a change. An update leaves no row out, or it would forget what lies between."""
    if recipe.start != "recalibrated" or recipe.window is None:
        return trained_until
    return max(trained_until, until - recipe.window)


def _cannot_start(turn: Turn, recipe: Recipe) -> Decision | None:
    """Why nothing can be made from this champion; None where it can, or the recipe starts anew."""
    champion = _champion(turn)
    if recipe.start == "anew":
        return None
    if turn.problem.framing.timeless:
        why = "a table without a time has no rows that are newer than it"
    elif not champion.trained:
        why = "it is a rule or a baseline, and has learned nothing to go on from"
    elif champion.trained_until is None:
        why = "nobody knows until when it was trained"
    else:
        return None
    said = f"no challenger can be {recipe.start} from the champion, {champion}: {why}; ask for one that is trained anew"
    return Decision(Verdict("training", Outcome.FAIL, said))


def without_copies(problem: Problem, labelled: pd.DataFrame) -> tuple[pd.DataFrame, int]:
    """Rows that equal another one in everything but the key were written twice: they count once, or metrics are inflated."""
    if problem.retraining.copies == "keep":
        return labelled, 0
    return cleaning.without_copies(labelled, [name for name in labelled if name != problem.framing.key])


def _run_key(turn: Turn) -> str:
    """One run a try. The moment is in it: a later try at the same row reads other data, and is another run."""
    return f"{turn.name}/{turn.state.sequence + 1}/{turn.now:%Y%m%dT%H%M%S}"


def recipe_for(turn: Turn) -> Recipe:
    """The problem's recipe or what experiments found, with what the request asked for."""
    order = turn.state.order
    asked = Recipe.model_validate(order.recipe) if order and order.recipe else None
    recipe = asked or incumbent(turn.problem, turn.state.champion)
    if order and order.window_days:
        recipe = recipe.model_copy(update={"window": timedelta(days=order.window_days)})
    return recipe


def _too_few(problem: Problem, recipe: Recipe, parts: splits.Split) -> Verdict | None:
    plan = problem.retraining
    for name, part, needed in (
        ("training", parts.train, plan.train_rows if recipe.start == "anew" else plan.start_rows),
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
    until, trained_until = turn.now - problem.framing.maturity, _champion(turn).trained_until
    if recipe.start != "anew" and trained_until:
        return max(until - _new_since(recipe, trained_until, until), timedelta(0))
    if recipe.window is None:
        return until - windows.bounds(problem)[0]
    test = plan.test
    if trained_until:
        test = min(test, max(until - trained_until, timedelta(0)))
    return recipe.window + plan.validation + splits.embargo_of(problem) + test


def _champion(turn: Turn) -> Model:
    assert turn.state.champion is not None, "RETRAIN is reached from HEALTHY, where a champion serves"
    return turn.state.champion


def _checked(problem: Problem, rows: pd.DataFrame) -> tuple[contracts.Checked | None, Verdict | None]:
    """The rows held to the contract, and the fault if there is one; a table that breaks it as a whole is one too."""
    try:
        checked = contracts.check(problem, rows)
    except contracts.BrokenContractError as error:
        return None, Verdict("contract", Outcome.FAIL, f"data fault: {error}")
    return checked, data_fault(problem, checked)


def _fault_of_all(problem: Problem, start: datetime, until: datetime, now: datetime) -> Verdict | None:
    """The fault of a window of which pandas holds a part: all of its rows are held to the contract where they are."""
    try:
        checked = engine_contracts.check_table(problem, windows.window_table(problem, start, until, as_of=now))
    except PerennialError as error:
        return Verdict("contract", Outcome.FAIL, f"data fault: {error}")
    return data_fault(problem, checked) or _untrusted(problem, until)


def _untrusted(problem: Problem, until: datetime) -> Verdict | None:
    """The fault that no contract sees in a row: half of a column gone, a day that came twice."""
    verdict = gates.closed("data", lambda: training_trusted(problem, until=until))
    if verdict.outcome is not Outcome.FAIL:
        return None
    return replace(verdict, reason=f"data fault: {verdict.reason}")


def data_fault(problem: Problem, checked: contracts.Checked | engine_contracts.TableChecked) -> Verdict | None:
    limit = problem.monitoring.bad_share
    if checked.rows and checked.bad_share <= limit:
        return None
    if not checked.rows:
        reason = "not one row of the table falls into the window that is trained on; bring the table up to date, or train further back"
        return Verdict("contract", Outcome.FAIL, reason, {"rows": 0})
    worst = sorted(checked.counts.items(), key=lambda item: -item[1])[:3]
    broken = ", ".join(f"{what} ({count:,} rows)" for what, count in worst)
    reason = f"data fault: {checked.bad_share:.1%} of {checked.rows:,} rows break the contract, {limit:.1%} is the limit: {broken}"
    return Verdict("contract", Outcome.FAIL, reason, {"rows": checked.rows, "bad": checked.bad_rows})


def _days(span: timedelta) -> str:
    return f"{span / timedelta(days=1):.0f} days"
