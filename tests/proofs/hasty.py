"""Which tables of others start badly under a hasty recipe? Those that scikit-learn brings along, and the two public ones."""

import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from schemas.plans.improvement import Tier
from schemas.problem import load_problem
from schemas.recipe import Recipe
from tasks import windows
from tests.proofs.worlds import START, TIME, World, features_of, problem_of

__all__ = ["bundled", "real"]


def bundled() -> Iterator[World]:
    """scikit-learn's own tables, each with a recipe that somebody in a hurry would write."""
    from sklearn import datasets

    tier = Tier(name="full", share=1, folds=4, seeds=1)
    cancer = _table(datasets.load_breast_cancer())
    few = ["mean_smoothness", "mean_symmetry", "texture_error", "mean_fractal_dimension"]
    start = {"family": "linear", "features": few}
    some = [name for name in cancer if name.startswith("worst") or name in (*few, "y")]
    best = {"features": [*few, "worst_perimeter"]}
    yield _bundle("breast_cancer", cancer[some], {"start": start}, (best,), tier)

    diabetes = _table(datasets.load_diabetes())
    start = {
        "family": "boosting",
        "features": features_of(diabetes),
        "parameters": {"max_iter": 60, "learning_rate": 0.4},
    }
    best = {"family": "linear", "parameters": {}}
    yield _bundle("diabetes", diabetes, {"start": start, "task": "regression"}, (best,), tier)

    wine = _table(datasets.load_wine(), classes=True)
    used = ["ash", "magnesium", "nonflavanoid_phenols", "malic_acid"]
    said = {"start": {"family": "linear", "features": used}, "task": "multiclass"}
    yield _bundle(
        "wine", wine, said, ({"features": [*used, "proline"]}, {"features": [*used, "proline", "flavanoids"]}), tier
    )

    digits = _table(datasets.load_digits()).iloc[:900]
    digits["y"] = digits["y"].isin([3, 5, 8]).astype(float)
    start = {"family": "tree", "features": features_of(digits)}
    yield _bundle("digits", digits, {"start": start}, ({"family": "forest", "parameters": {}},), tier)


REAL = {
    "electricity": ("electricity/electricity.csv", ["nswdemand", "vicdemand"], ["nswprice"]),
    "bikes": ("bike_sharing/hour.csv", ["temp", "hum"], ["hr"]),
}


def real() -> Iterator[World | str]:
    """The two public tables, their newest hours alone, where PERENNIAL_DATA names a folder that has them; else why not."""
    for name, (file, used, more) in REAL.items():
        path = Path(os.environ.get("PERENNIAL_DATA", "")) / file
        if not path.is_file():
            yield f"{name} is skipped: PERENNIAL_DATA names no folder with {file}"
            continue
        problem = load_problem(name)
        windows.link(problem, path)
        last = windows.bounds(problem)[1]
        rows = windows.read_window(problem, last - timedelta(days=75), last, as_of=last + timedelta(days=30))
        start = {"family": "linear", "features": used}
        best = {"features": [*used, *more]}
        changes = (best, best | {"family": "boosting"})
        hasty = replace(problem, name=f"{name}_hasty", recipe=Recipe.model_validate(start))
        yield World(
            hasty,
            rows[rows[problem.framing.target].notna()].reset_index(drop=True),
            changes,
            Tier(name="full", share=1, folds=2, seeds=1),
        )


def _table(bunch: Any, *, classes: bool = False) -> pd.DataFrame:
    names = [str(name).replace(" ", "_").replace("/", "_") for name in bunch.feature_names]
    frame = pd.DataFrame(np.asarray(bunch.data, dtype=float), columns=names)
    target = [f"class {value}" for value in bunch.target] if classes else np.asarray(bunch.target, dtype=float)
    return frame.assign(y=pd.Series(target, dtype=str if classes else float))


def _bundle(
    name: str, frame: pd.DataFrame, said: dict[str, Any], best: tuple[dict[str, Any], ...], tier: Tier
) -> World:
    moment = pd.Series([pd.Timestamp(START)] * len(frame)).astype(TIME)
    rows = frame.reset_index(drop=True).assign(id=np.arange(len(frame)), at=moment, known=moment)
    return World(problem_of(name, frame, timeless=True, **said), rows, best, tier)
