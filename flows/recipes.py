"""Which recipe is a problem trained by? The file's; or one that experiments found, once it serves and until the file changes."""

from hashlib import sha256

from flows.turn import Turn
from schemas.plans import Reason
from schemas.problem import Problem
from schemas.recipe import Recipe
from schemas.rows import Model, Request
from tasks import runs

__all__ = ["by_experiments", "incumbent", "origin"]


def incumbent(problem: Problem, champion: Model | None) -> Recipe:
    """What a retrain trains by where nobody orders another: a drift must not bring back a recipe that was found to be worse."""
    if champion is None or not champion.trained:
        return problem.recipe
    said = runs.tags_of(problem, champion)
    if "trains_by" not in said or said.get("file_recipe") != _named(problem.recipe):
        return problem.recipe
    return Recipe.model_validate_json(said["trains_by"])


def by_experiments(order: Request | None) -> bool:
    """Whether this retrain tries what experiments found."""
    return order is not None and order.reason is Reason.EXPERIMENTS


def origin(turn: Turn) -> dict[str, str]:
    """Tags by which `incumbent` knows what comes after this challenger, should it serve. What triage orders, a shorter window
    or a re-mapping, is for once."""
    problem, order = turn.problem, turn.state.order
    if order is not None and order.recipe is not None and by_experiments(order):
        after = Recipe.model_validate(order.recipe)
    else:
        after = incumbent(problem, turn.state.champion)
    return {"file_recipe": _named(problem.recipe), "trains_by": after.model_dump_json()}


def _named(recipe: Recipe) -> str:
    return sha256(recipe.model_dump_json().encode()).hexdigest()
