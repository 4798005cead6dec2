"""Faults of a model: it learned nothing, says the opposite, fails a group, or cannot be served."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
import pandera.pandas as pa
from sklearn.compose import make_column_transformer
from sklearn.ensemble import ExtraTreesClassifier, ExtraTreesRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OrdinalEncoder

from flows.drills.world import Drill, Faulty, World, in_units
from flows.judging import judge, verdict_of
from schemas.framing import CostMatrix, Fairness, Invariance
from schemas.plans import Gate
from schemas.problem import Problem
from schemas.verdict import Outcome, Verdict
from tasks import gates, scoring
from tasks.modelfile import trusted_in
from tasks.probe import probe

__all__ = ["DRILLS"]

_FAIL, _PASS = Outcome.FAIL, Outcome.PASS


def _sound(world: World) -> Verdict:
    """Gates that always say no would pass every other drill: this one has to be let through by all of them."""
    plan = world.problem.retraining
    asked = tuple(gate for gate in plan.gates if gate is not Gate.SERVEABILITY)
    problem = replace(world.problem, retraining=plan.model_copy(update={"gates": asked}))
    said = judge(replace(world.case, problem=problem))
    served = {Gate.SERVEABILITY: _served(world, world.challenger, latency=timedelta(minutes=1), size_mb=4_000)}
    return verdict_of(said | served)


def _shuffled_labels(world: World) -> Verdict:
    target = world.problem.framing.target
    rows = world.parts.train.assign(**{target: world.rng.permutation(world.parts.train[target].to_numpy())})
    # Of a recipe that is relative to a column, the column knows without labels what no shuffling takes from it.
    return world.judged(Gate.CONSTANT, challenger=world.trained(rows, relative_to=None))


def _constant_model(world: World) -> Verdict:
    return world.judged(Gate.NUMERICAL_HEALTH, challenger=world.naive)


def _flipped_cost(_world: World) -> Verdict:
    try:
        CostMatrix(costs=((0.0, -3.0), (-150.0, 0.0)), tolerated=0.1)
    except ValueError as refusal:
        return Verdict("costs", _FAIL, str(refusal))
    return Verdict("costs", _PASS, "a matrix in which errors are gains was taken")


def _costliest_threshold(world: World) -> Verdict:
    """The cost's sign was flipped where the threshold was chosen: it acts on all but the most suspicious rows."""
    flipped = Faulty(world.challenger, lambda said, _: 1 - said)
    flipped.threshold = 1 - scoring.threshold_of(world.challenger)
    return world.judged(Gate.BUSINESS_VALUE, framing=_priced(world.problem), challenger=flipped)


def _priced(problem: Problem) -> dict[str, Any]:
    """A price on errors, where the framing names none."""
    framing = problem.framing
    return {} if framing.costs or framing.money_per_loss else {"money_per_loss": 100.0}


def _collapsed_slice(world: World) -> Verdict:
    """Sound everywhere but above the third quartile of one feature, where it says the opposite of what is true."""
    name, test, framing = _numeric(world), world.parts.test, world.problem.framing
    cut = float(test[name].quantile(0.75))
    label = scoring.class_indices(test[framing.target], framing)

    def wrong(said: np.ndarray, rows: pd.DataFrame) -> np.ndarray:
        truth = label[test.index.get_indexer(rows.index)]
        if said.ndim == 2:
            # What a model says has its columns in its own order of classes.
            order = scoring.class_indices(np.asarray(world.challenger.classes_, dtype=object), framing).astype(int)
            other = np.eye(framing.n_classes)[(truth.astype(int) + 1) % framing.n_classes]
            return _where(rows[name] > cut, other[:, order], said)
        return _where(rows[name] > cut, 1 - truth if framing.task == "binary" else _opposite(world, truth), said)

    sound = world.challenger
    return world.judged(Gate.WEAK_SLICES, challenger=Faulty(world.challenger, wrong), champion=lambda: sound)


def _flipped_direction(world: World) -> Verdict:
    flipped = Faulty(world.challenger, lambda said, _: _opposite(world, said))
    return world.judged(Gate.CONSTANT, challenger=flipped)


def _nan_scores(world: World) -> Verdict:
    def one_in_a_hundred(said: np.ndarray, _: pd.DataFrame) -> np.ndarray:
        return np.where(_where(pd.Series(np.arange(len(said)) % 100 == 0), said * 0 + 1, said * 0) > 0, np.nan, said)

    return world.judged(Gate.NUMERICAL_HEALTH, challenger=Faulty(world.challenger, one_in_a_hundred))


def _miscalibrated(world: World) -> Verdict:
    """In the same order, and far from what comes true."""
    framing = world.problem.framing
    shift = in_units(world.problem, 3 * framing.calibration_tolerance)

    def wrong(said: np.ndarray, _: pd.DataFrame) -> np.ndarray:
        if framing.task == "regression":
            return said + shift
        if said.ndim == 2:
            # Towards one class, by twice what is tolerated and more.
            sure = np.zeros_like(said)
            sure[:, 0] = 1.0
            return said + (sure - said) * min(0.9, 4 * shift)
        return said * (1 - min(0.9, 2 * shift)) + min(0.9, 2 * shift)

    return world.judged(Gate.CALIBRATION, challenger=Faulty(world.challenger, wrong))


def _category(problem: Problem, rows: pd.DataFrame) -> str | None:
    """A column of few values, to part people by."""
    wanted = [*problem.framing.slices, *problem.recipe.features]
    few = [name for name in wanted if 2 <= rows[name].nunique() <= 7]
    return next((n for n in few if rows[n].value_counts().nsmallest(1).iloc[0] >= problem.retraining.slice_rows), None)


def _unfair(world: World) -> Verdict:
    """It is sound for one group and says the opposite for another."""
    test = world.parts.test
    column = _category(world.problem, test)
    if column is None:
        # No column of groups that are large enough: halves by a number will do.
        column = "half"
        halves = {"half": np.where(test[_numeric(world)] > test[_numeric(world)].median(), "high", "low")}
        test = test.assign(**halves)
        contract = world.problem.contract.add_columns({"half": pa.Column(str)})
        world = replace(world, problem=replace(world.problem, contract=contract))
    group = test[column].iloc[0]
    member = dict(zip(test.index, test[column] == group, strict=True))

    def partial_to(said: np.ndarray, rows: pd.DataFrame) -> np.ndarray:
        return _where(pd.Series([member[i] for i in rows.index]), _opposite(world, said), said)

    binary = world.problem.framing.task == "binary"
    wanted = Fairness(column=column, measure="selection rate" if binary else "loss", tolerance=0.1)
    return world.judged(
        Gate.FAIRNESS,
        framing={"fairness": (wanted,)},
        parts=replace(world.parts, test=test),
        challenger=Faulty(world.challenger, partial_to),
    )


def _broken_behaviour(world: World) -> Verdict:
    """A declared invariance, and a model that answers the other way when that column is touched."""
    name = _numeric(world)
    touched = float(world.parts.test[name].max()) + 1.0
    fragile = Faulty(world.challenger, lambda said, rows: _where(rows[name] == touched, _opposite(world, said), said))
    wanted = Invariance(column=name, values=(touched,))
    return world.judged(Gate.BEHAVIOUR, framing={"behaviours": (wanted,)}, challenger=fragile)


def _simpler_as_good(world: World) -> Verdict:
    # Two unseen units stand on each side of every interval: this is what the rows at hand can show.
    entity = world.problem.framing.entity
    units = len(world.parts.test) if entity is None else world.parts.test[entity].nunique()
    margin = max(world.problem.framing.simpler_within, 16 / units)
    return world.judged(
        Gate.SIMPLICITY, framing={"simplicity_margin": margin}, simpler=lambda: {"linear": world.challenger}
    )


def _numeric(world: World) -> str:
    """A feature that can be cut in two, with the most distinct values."""
    names = [n for n in world.problem.recipe.features if pd.api.types.is_numeric_dtype(world.parts.test[n])]
    return max(names, key=lambda name: world.parts.test[name].nunique())


def _opposite(world: World, said: np.ndarray) -> np.ndarray:
    if world.problem.framing.task != "regression":
        return said[:, ::-1] if said.ndim == 2 else 1 - said
    # Above what is usual becomes as far below it.
    centre = float(world.parts.train[world.problem.framing.target].median())
    return 2 * centre - said


def _where(rows: pd.Series, this: np.ndarray, other: np.ndarray) -> np.ndarray:
    mask = rows.to_numpy()
    return np.where(mask[:, None] if this.ndim == 2 else mask, this, other)


def _forest(world: World, *, trees: int, depth: int | None) -> Any:
    """A real model that is slow, or large."""
    framing, rows = world.problem.framing, world.parts.train.head(3_000)
    features = list(world.problem.recipe.features)
    text = [name for name in features if not pd.api.types.is_numeric_dtype(rows[name])]
    encoded = make_column_transformer(
        (OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1), text), remainder="passthrough"
    )
    kind = ExtraTreesRegressor if framing.task == "regression" else ExtraTreesClassifier
    target = rows[framing.target]
    y = target.astype(float) if framing.task == "regression" else target.map(str)
    y = target.astype(int) if framing.task == "binary" else y
    return make_pipeline(encoded, kind(trees, max_depth=depth, random_state=world.seed)).fit(rows[features], y)


def _served(world: World, model: Any, *, latency: timedelta, size_mb: float) -> Verdict:
    """The real probe, in a real process of its own."""
    import skops.io

    framing = world.problem.framing
    golden = world.parts.test[list(world.problem.recipe.features)].head(20)
    with TemporaryDirectory() as folder:
        file = Path(folder) / "model.skops"
        skops.io.dump(model, file)
        said = scoring.score(model, golden, framing)
        found = probe(file, trusted_in(file, world.problem), golden, said, framing)
        limits = gates.Limits(60, latency / timedelta(milliseconds=1), 4_000, size_mb)
        return gates.serveable(found, limits)


def _slow_model(world: World) -> Verdict:
    return _served(world, _forest(world, trees=150, depth=2), latency=timedelta(milliseconds=5), size_mb=4_000)


def _huge_model(world: World) -> Verdict:
    return _served(world, _forest(world, trees=20, depth=None), latency=timedelta(minutes=1), size_mb=0.05)


DRILLS = [
    Drill("a sound challenger", _PASS, _sound, "is better than the champion"),
    Drill("shuffled labels", _FAIL, _shuffled_labels, "not shown to be better than the constant"),
    Drill("constant model", _FAIL, _constant_model, "are the same"),
    Drill("sign-flipped cost", _FAIL, _flipped_cost, "a flipped sign"),
    Drill(
        "threshold chosen with the cost's sign flipped",
        _FAIL,
        _costliest_threshold,
        "costs more than deciding all alike",
        applies=lambda problem: problem.framing.task == "binary",
    ),
    Drill("collapsed slice", _FAIL, _collapsed_slice, "worse than the champion"),
    Drill("flipped score direction", _FAIL, _flipped_direction, "not shown to be better than the constant"),
    Drill("NaN scores", _FAIL, _nan_scores, "not finite"),
    Drill("mis-calibrated scores", _FAIL, _miscalibrated, "not calibrated"),
    Drill("unfair between groups", _FAIL, _unfair, "is tolerated"),
    Drill("broken behaviour", _FAIL, _broken_behaviour, "broken: invariance"),
    Drill("a simpler model is as good", _FAIL, _simpler_as_good, "is simpler and no more than"),
    Drill("slow model", _FAIL, _slow_model, "one row takes"),
    Drill("huge model", _FAIL, _huge_model, "its file has"),
]
