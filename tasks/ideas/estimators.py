"""Which other family, and how much more or less should the model be able to follow?"""

from collections.abc import Iterator
from typing import Any, get_args

from schemas import recipe as recipes
from schemas.diagnosis import Constraint
from schemas.idea import Idea, Kind
from schemas.search import default_search
from tasks.ideas.case import Case
from tasks.stats.association import NOTHING, Association

__all__ = ["families", "looser", "searched", "stricter"]

_UP = (Constraint.BIAS,)
_DOWN = (Constraint.VARIANCE, Constraint.DATA, Constraint.NOISE, Constraint.SEEDS)
_STRAIGHT = ("linear", "sgd")
_BY_ROW = 20_000  # rows from which on fitting row by row saves time
_FEW = 500
_SHOWN = 3.0  # deviations above chance
_WORK = {"forest": 2.0, "linear": 0.3, "sgd": 0.3, "tree": 0.3}  # against boosting

Step = tuple[str, dict[str, Any], float]  # what is done, the parameters, and the odds against others of its kind


def families(case: Case) -> Iterator[Idea]:
    """Every other family, at its own defaults."""
    now = case.recipe.family
    curved = _curved(case) if now in _STRAIGHT else None
    # That there is a bend is not yet that this family follows it: less sure than the one column or pair that shows it.
    unsure = 0.6 if curved is not None and curved is not NOTHING else 1.0
    skipped = {"constant", "own", now} | ({"linear", "sgd"} if now in _STRAIGHT else set())
    if case.facts.rows < _BY_ROW:
        skipped.add("sgd")
    for family in get_args(recipes.Family):
        if family in skipped:
            continue
        yield case.idea(
            Kind.FAMILY,
            f"fit {family}",
            _about(family),
            mends=_mended(now, family),
            seen=curved,
            odds=unsure * _odds(case, family),
            work=_WORK.get(family, 1.0),
            family=family,
            parameters={},
            estimator=None,
        )


def _about(family: str) -> str:
    return {
        "linear": "A straight line has little to overfit with, and goes on beyond what training saw.",
        "sgd": "A straight line found row by row: for tables that do not fit at once.",
        "tree": "One tree follows steps and what depends on each other, and can be read as a whole.",
        "forest": "Many trees over drawn rows: steps and interactions, with less variance than one tree.",
        "boosting": "Trees that each mend what those before left: what depends on each other is found by itself.",
        "neighbours": "Rows alike have labels alike, whatever the shape.",
    }[family]


def _mended(now: str, family: str) -> tuple[Constraint, ...]:
    """More flexible mends bias, less so variance; a forest is less of a gamble than a tree or boosting."""
    order = ("linear", "sgd", "tree", "neighbours", "forest", "boosting")
    if now not in order:
        return _UP
    if family == "linear":
        return (*_DOWN, Constraint.MISMATCH)
    if now in ("boosting", "tree", "neighbours") and family == "forest":
        return (*_DOWN, *_UP)
    return _UP if order.index(family) > order.index(now) else _DOWN


def _odds(case: Case, family: str) -> float:
    """Of tables, boosting wins most often and a forest next; on few rows it is the other way round."""
    few = case.facts.rows < _FEW
    return {"boosting": 1.0 if few else 1.3, "forest": 1.3 if few else 1.1, "linear": 1.3 if few else 0.7}.get(
        family, 0.3
    )


def _curved(case: Case) -> Association | None:
    """What columns that a straight line reads still explain of what it leaves: bends and interactions."""
    used = [case.facts.columns.get(name) for name in case.recipe.features]
    found = [column.explains for column in used if column is not None and column.explains is not None]
    found += list(case.facts.pairs.values())
    if not found:
        return None
    most = max(found, key=lambda one: one.z)
    # The best of many looks is no bend yet.
    share = min(sum(one.share for one in found if one.z > _SHOWN), 1.0)
    return Association(share, min(most.z, _SHOWN + 1)) if most.z > _SHOWN + 1 else NOTHING


def looser(case: Case) -> Iterator[Idea]:
    """The same family, able to follow more."""
    for says, parameters, odds in _steps(case, up=True):
        about = f"The model could follow more than it may: {says}."
        change = _given(case, parameters)
        yield case.idea(
            Kind.CAPACITY, says, about, mends=_UP, odds=odds, work=_size(parameters, case), parameters=change
        )


def stricter(case: Case) -> Iterator[Idea]:
    """The same family, held to what many rows say."""
    for says, parameters, odds in _steps(case, up=False):
        about = f"The model follows what the next rows do not repeat: {says}."
        change = _given(case, parameters)
        yield case.idea(Kind.REGULARISATION, says, about, mends=_DOWN, odds=odds, parameters=change)


def _given(case: Case, parameters: dict[str, Any]) -> dict[str, Any]:
    return case.recipe.parameters | parameters


def _size(parameters: dict[str, Any], case: Case) -> float:
    before = {"max_iter": 100, "n_estimators": 100} | case.recipe.parameters
    more = [parameters[name] / before[name] for name in ("max_iter", "n_estimators") if name in parameters]
    return float(max([1.0, *more]))


def _steps(case: Case, *, up: bool) -> list[Step]:
    now, classes = case.recipe.parameters, case.problem.framing.task != "regression"
    match case.recipe.family, up:
        case "boosting", True:
            trees, leaves = now.get("max_iter", 100), now.get("max_leaf_nodes", 31) or 31
            more = [(f"{3 * trees} trees", {"max_iter": 3 * trees}, 1.0)]
            return [*more, (f"{3 * leaves} leaves a tree", {"max_leaf_nodes": 3 * leaves}, 0.7)]
        case "boosting", False:
            return _boosting_down(now)
        case "linear", _:
            return _linear(now, classes, up)
        case "sgd", _:
            alpha = now.get("alpha", 1e-4) * (0.1 if up else 10.0)
            return [(f"a penalty of {alpha:g}", {"alpha": alpha}, 1.0)]
        case "tree", _:
            return _tree(now, up)
        case "forest", True:
            return [("leaves of one row", {"min_samples_leaf": 1}, 1.0)] if now.get("min_samples_leaf", 5) > 1 else []
        case "forest", False:
            leaf = 4 * now.get("min_samples_leaf", 5)
            return [(f"leaves of {leaf} rows", {"min_samples_leaf": leaf}, 1.0)]
        case "neighbours", _:
            near = now.get("n_neighbors", 25)
            count = max(1, near // 3) if up else 3 * near
            return [(f"{count} neighbours", {"n_neighbors": count}, 1.0)] if count != near else []
    return []


def _boosting_down(now: dict[str, Any]) -> list[Step]:
    rate, trees = now.get("learning_rate", 0.1), now.get("max_iter", 100)
    leaves, rows = now.get("max_leaf_nodes", 31) or 31, now.get("min_samples_leaf", 20)
    steps: list[Step] = []
    if leaves > 3:
        fewer = max(3, leaves // 4)
        steps.append((f"{fewer} leaves a tree", {"max_leaf_nodes": fewer}, 1.5))
    if rate * trees > 2:
        slower = round(rate / 4, 4)
        steps.append((f"a learning rate of {slower:g}", {"learning_rate": slower}, 1.2))
    steps.append((f"leaves of {4 * rows} rows", {"min_samples_leaf": 4 * rows}, 1.0))
    penalty = max(10.0, 10 * now.get("l2_regularization", 0.0))
    return [*steps, (f"a penalty of {penalty:g}", {"l2_regularization": penalty}, 0.6)]


def _linear(now: dict[str, Any], classes: bool, up: bool) -> list[Step]:
    name, usual = ("C", 1.0) if classes else ("alpha", 1.0)
    # C is the inverse of the penalty, alpha the penalty itself.
    more = 30.0 if up == classes else 1 / 30.0
    value = float(f"{now.get(name, usual) * more:.2g}")
    odds = 0.5 if up and now.get(name, usual) == usual else 1.2
    return [(f"{name} = {value:g}", {name: value}, odds)]


def _tree(now: dict[str, Any], up: bool) -> list[Step]:
    depth, leaf = now.get("max_depth", 5), now.get("min_samples_leaf", 20)
    if up:
        return [(f"a depth of {2 * depth}", {"max_depth": 2 * depth}, 1.0)] if depth else []
    shallower = max(2, depth // 2) if depth else 5
    leaves = max(20, 4 * leaf)
    return [
        (f"a depth of {shallower}", {"max_depth": shallower}, 1.0),
        (f"leaves of {leaves} rows", {"min_samples_leaf": leaves}, 1.0),
    ]


def searched(case: Case) -> Iterator[Idea]:
    """Its parameters searched, where the house can."""
    search = default_search(case.recipe, task=case.problem.framing.task, rows=case.facts.rows)
    if search is not None:
        yield case.idea(
            Kind.TUNE,
            f"search {', '.join(search.space)}",
            "The parameters were said and not found; on inner folds of the training rows they can be.",
            mends=(Constraint.SEARCH, Constraint.VARIANCE, Constraint.BIAS),
            work=float(search.trials * search.inner_folds),
            search=search.model_dump(mode="json"),
        )
