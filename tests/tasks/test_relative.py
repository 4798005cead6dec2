"""Does a model that learns a ratio predict beyond what it saw, and survive being saved?"""

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from schemas.errors import PerennialError
from schemas.recipe import Recipe
from tasks import modelfile, training
from tests.flows import made
from tests.tasks.test_recalibration import BINARY, NUMBER, rows

RECIPE = Recipe(features=("level", "x"), relative_to="level", parameters={"max_iter": 60})


def grown(n: int, *, level: float, seed: int) -> pd.DataFrame:
    """A target that is its level, and half as much again where x is above zero."""
    rng, table = np.random.default_rng(seed), rows(n, seed=seed)
    column = level * rng.uniform(0.5, 1.5, size=n)
    return table.assign(level=column, y=column * np.where(table["x"] > 0, 1.5, 1.0))


def test_predictions_grow_with_the_level_where_plain_trees_stop():
    known, later = grown(2_000, level=10, seed=1), grown(500, level=100, seed=2)
    relative = training.fit(RECIPE, NUMBER, known, seed=1)
    plain = training.fit(RECIPE.model_copy(update={"relative_to": None}), NUMBER, known, seed=1)
    error = [np.abs(m.predict(later[["level", "x"]]) - later["y"]).mean() for m in (relative, plain)]
    assert error[0] < 15
    assert error[1] > 80


def test_a_missing_level_is_the_usual_one_and_none_is_divided_by_zero():
    known = grown(2_000, level=10, seed=3)
    known.loc[:20, "level"] = 0.0
    model = training.fit(RECIPE, NUMBER, known, seed=1)
    said = model.predict(pd.DataFrame({"level": [np.nan, 0.0, 10.0], "x": [-1.0, -1.0, -1.0]}))
    assert np.isfinite(said).all()
    assert said[0] == pytest.approx(known["level"].median(), rel=0.2)
    assert 0 < said[1] < 20


def test_it_is_saved_and_loaded_and_weighs_by_age(tmp_path, monkeypatch):
    from datetime import timedelta

    import skops.io

    monkeypatch.setenv("PERENNIAL_HOME", str(tmp_path))
    known = grown(500, level=10, seed=4)
    model = training.fit(RECIPE.model_copy(update={"half_life": timedelta(days=1)}), NUMBER, known, seed=1)
    modelfile.content_of(model, made.PROBLEM)
    skops.io.dump(model, tmp_path / "model.skops")
    loaded = modelfile.load_file(tmp_path / "model.skops", made.PROBLEM)
    assert np.array_equal(loaded.predict(known[["level", "x"]]), model.predict(known[["level", "x"]]))


def test_only_a_number_is_relative_and_only_to_a_feature():
    with pytest.raises(ValidationError, match="none of its features"):
        Recipe(features=("x",), relative_to="level")
    with pytest.raises(PerennialError, match="only a number"):
        training.fit(
            RECIPE.model_copy(update={"features": ("level", "x")}), BINARY, grown(300, level=1, seed=5), seed=1
        )
    with pytest.raises(ValueError, match="no training row"):
        training.fit(RECIPE, NUMBER, grown(300, level=1, seed=6).assign(level=np.nan), seed=1)
