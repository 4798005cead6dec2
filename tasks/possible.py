"""Can a person's idea be tried on this problem at all, and does it fit the recipe in place now?"""

from collections.abc import Iterable
from typing import Any

from pydantic import ValidationError

from schemas.errors import PerennialError
from schemas.problem import Problem
from schemas.recipe import FAMILIES, Recipe
from schemas.refused import RefusedError, findings
from schemas.wishes import Wish
from tasks.estimators import parameter_names

__all__ = ["check", "never", "not_yet"]


def never(wish: Wish, problem: Problem) -> str:
    """Why no recipe of this problem can be changed so: a value that no recipe has, a column that no request holds, a
    parameter that the estimator does not take. Empty where one can."""
    try:
        changed = _changed(wish, problem.recipe)
    except ValidationError as error:
        # What is said of no one field says that fields do not go together: with those of another recipe they may.
        return findings(error) if any(one["loc"] for one in error.errors()) else _columns(wish.change, problem)
    return _columns(wish.change, problem) or _parameters(wish.change, changed, problem)


def not_yet(wish: Wish, recipe: Recipe) -> str:
    """Why this recipe cannot be changed so, though another may; empty where it can."""
    try:
        changed = _changed(wish, recipe)
    except ValidationError as error:
        return findings(error)
    return "the recipe in place is so already" if changed == recipe else ""


def _changed(wish: Wish, recipe: Recipe) -> Recipe:
    return wish.idea(impact=0.0).applied(recipe)


def _columns(change: dict[str, Any], problem: Problem) -> str:
    read = list(_read(change))
    unknown = [name for name in dict.fromkeys(read) if name not in problem.asked]
    if not unknown:
        return ""
    said = ", ".join(map(repr, unknown))
    return f"it reads {said}, and a request of {problem.name!r} holds {', '.join(problem.asked)}"


def _read(change: dict[str, Any]) -> Iterable[str]:
    yield from change.get("features") or ()
    yield from change.get("encodings") or {}
    for pair in change.get("interactions") or ():
        yield from pair
    if change.get("relative_to") is not None:
        yield change["relative_to"]


def _parameters(change: dict[str, Any], changed: Recipe, problem: Problem) -> str:
    """Where no family is named, another may be in place by then: what any of them takes may be said."""
    try:
        own = parameter_names(changed, problem.framing)
    except PerennialError as error:
        return str(error).rstrip(".")
    named = {"family", "estimator"} & set(change)
    others = [] if named else [one for one in FAMILIES if one != "own"]
    taken = {name for family in others for name in parameter_names(_of(family, changed), problem.framing)} | set(own)
    unknown = [f"{name}={value!r}" for name, value in (change.get("parameters") or {}).items() if name not in taken]
    return f"{changed.family} takes no {', '.join(unknown)}; it takes {', '.join(own)}" if unknown else ""


def _of(family: str, recipe: Recipe) -> Recipe:
    return recipe.model_copy(update={"family": family, "estimator": None, "parameters": {}})


def check(wishes: Iterable[Wish], problem: Problem) -> None:
    """Refuse the first that can never be tried."""
    for wish in wishes:
        if why := never(wish, problem):
            raise RefusedError(
                f"the idea {wish.name!r} can never be tried on {problem.name!r}: {why}. Say it otherwise; nothing was written."
            )
