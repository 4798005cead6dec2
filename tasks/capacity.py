"""What would the same recipe be with more capacity, or with less? And what does fitting it cost?"""

from collections.abc import Mapping
from typing import Any

from schemas.recipe import Recipe

__all__ = ["SCORING", "greedy", "less", "more", "work"]

_BOOSTING: Mapping[str, Any] = {"max_iter": 100, "max_leaf_nodes": 31, "learning_rate": 0.1, "min_samples_leaf": 20}
_BENDS: Mapping[str, Any] = {"max_iter": 40, "max_leaf_nodes": 10, "min_samples_leaf": 10, "learning_rate": 0.15}
_TREES = 100  # of a forest, unless it says otherwise
SCORING = 0.25  # of a part, in the unit of `work`


def more(recipe: Recipe) -> Recipe:
    """The recipe with more capacity, or less held back: where it is better, the recipe is biased. What is not boosting
    becomes it: nothing else of a linear model bends."""
    if recipe.family == "constant":
        return _other(recipe, "linear", {})
    if recipe.family != "boosting":
        return _other(recipe, "boosting", _BENDS)
    said = {**_BOOSTING, **recipe.parameters}
    leaves = _leaves(said)
    wider: dict[str, Any] = {
        "max_iter": max(2 * said["max_iter"], 40),
        "max_leaf_nodes": min(max(2 * leaves, 12), max(leaves, 96)),
        "learning_rate": max(said["learning_rate"], 0.1),
        "min_samples_leaf": max(1, min(said["min_samples_leaf"] // 2, 20)),
    }
    wider |= {"max_depth": None} if "max_depth" in said else {}
    wider |= {"l2_regularization": said["l2_regularization"] / 10} if "l2_regularization" in said else {}
    return _with(recipe, wider)


def less(recipe: Recipe) -> Recipe | None:
    """The recipe with less capacity, or more held back: where it is better, the recipe fits noise. None where there is none."""
    said = recipe.parameters
    match str(recipe.family):
        case "boosting":
            return _with(recipe, _held({**_BOOSTING, **said}))
        case "linear":
            # scikit-learn's classifier is held back by 1 / C, its regression by alpha; at their defaults both are 1.
            held = {name: value * said[name] for name, value in (("C", 0.05), ("alpha", 20.0)) if name in said}
            return _with(recipe, held) if held else None
        case "sgd":
            return _with(recipe, {"alpha": 20 * said.get("alpha", 1e-4)})
        case "tree" | "forest":
            return _with(recipe, {"min_samples_leaf": max(4 * said.get("min_samples_leaf", 1), 20)})
        case "neighbours":
            return _with(recipe, {"n_neighbors": 4 * said.get("n_neighbors", 5)})
    return None


def _held(said: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "max_iter": max(10, said["max_iter"] // 2),
        "max_leaf_nodes": max(2, min(_leaves(said) // 4, 8)),
        "learning_rate": min(said["learning_rate"], 0.1),
        "min_samples_leaf": max(2 * said["min_samples_leaf"], 20),
    }


def greedy(recipe: Recipe) -> Recipe:
    """The recipe with nothing held back that keeps it from knowing a few rows by heart; how far it learns (rounds, rates, its
    form) stays its own."""
    if recipe.family == "boosting":
        return _with(recipe, {"min_samples_leaf": 1})
    return _with(recipe, {"min_samples_leaf": 1}) if "min_samples_leaf" in recipe.parameters else recipe


def work(recipe: Recipe, rows: int) -> float:
    """How long a fit takes, roughly, in the time that encoding and checking a small table take: 1 is a fit that does little
    else. Counted and not timed, so that the same probes run on every machine."""
    said = {**_BOOSTING, **recipe.parameters}
    cells = rows * len(recipe.features)
    encoded = 1 + 6e-6 * cells
    match str(recipe.family):
        case "boosting":
            grown = min(_leaves(said), max(2, rows // max(1, said["min_samples_leaf"])))
            return encoded + said["max_iter"] * (0.009 + 0.001 * grown + 2.5e-7 * cells)
        case "forest":
            return encoded + recipe.parameters.get("n_estimators", _TREES) * (0.015 + 1e-6 * cells)
    return encoded


def _leaves(said: Mapping[str, Any]) -> int:
    return int(said["max_leaf_nodes"] or _BOOSTING["max_leaf_nodes"])


def _with(recipe: Recipe, parameters: Mapping[str, Any]) -> Recipe:
    return recipe.model_copy(update={"parameters": {**recipe.parameters, **parameters}})


def _other(recipe: Recipe, family: str, parameters: Mapping[str, Any]) -> Recipe:
    return recipe.model_copy(update={"family": family, "parameters": dict(parameters)})
