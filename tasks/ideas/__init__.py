"""What could be tried next? The backlog that a diagnosis, a contract and the rows suggest, each item one change to the recipe."""

from collections.abc import Callable, Iterator

from schemas.diagnosis import Diagnosis
from schemas.idea import Idea
from schemas.problem import Problem
from schemas.recipe import Recipe
from tasks.ideas import estimators, features, scores, training_rows
from tasks.ideas.case import Case
from tasks.ideas.facts import Column, Facts, facts_of, unexplained
from tasks.ideas.requests import requests

__all__ = ["Column", "Facts", "facts_of", "ideas_for", "unexplained"]

# In the order in which one looks: data and features, the family, its capacity and regularisation, rows, scores, tuning.
_MAKERS: tuple[Callable[[Case], Iterator[Idea]], ...] = (
    features.unused,
    features.dropped,
    features.encoded,
    features.paired,
    estimators.families,
    estimators.looser,
    estimators.stricter,
    training_rows.windows,
    training_rows.cleaned,
    training_rows.resampled,
    scores.weighted,
    scores.rescored,
    scores.thresholds,
    estimators.searched,
    requests,
)


def ideas_for(problem: Problem, recipe: Recipe, diagnosis: Diagnosis | None, *, facts: Facts) -> list[Idea]:
    """The backlog for `recipe`: every item one change that fits it and makes another recipe, or a request to people. Each
    says which constraints it mends, its chance and gain as `diagnosis` of that recipe sees them, and its cost."""
    case = Case(problem, recipe, diagnosis, facts)
    made = (idea for maker in _MAKERS for idea in maker(case))
    named = {idea.name: idea for idea in made if not idea.change or _changes(idea, recipe)}
    return list(named.values())


def _changes(idea: Idea, recipe: Recipe) -> bool:
    try:
        return idea.applied(recipe) != recipe
    except ValueError:  # it asks of a column what this recipe cannot do with it
        return False
