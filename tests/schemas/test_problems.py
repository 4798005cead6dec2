"""Does every problem in schemas/problems keep the same rules? A file dropped in is found and held to them."""

import dataclasses
import os
import re
import subprocess
import sys
from datetime import timedelta

import numpy as np
import pandas as pd
import pandera.pandas as pa
import pytest

from schemas.columns import about
from schemas.errors import PerennialError
from schemas.framing import BrierLoss, CostLoss, Framing
from schemas.problem import Problem, UnknownProblemError, known_problems, load_problem
from schemas.trusted import trusted_for


@pytest.fixture(params=known_problems())
def problem(request) -> Problem:
    return load_problem(request.param)


@pytest.fixture(params=[name for name in known_problems() if load_problem(name).heuristic is not None])
def ruled(request) -> Problem:
    """One that a rule serves first; the others start from the naive baseline."""
    return load_problem(request.param)


def _late(problem: Problem) -> set[str]:
    return set(problem.late)


def _example(problem: Problem) -> pd.DataFrame:
    """Three rows that the contract's own numeric bounds allow."""
    columns = {}
    for name, column in problem.contract.columns.items():
        kind = str(column.dtype)
        allowed = [value for c in column.checks for value in c.statistics.get("allowed_values", [])]
        lowest = [c.statistics["min_value"] for c in column.checks if "min_value" in c.statistics]
        if kind.startswith("datetime64"):
            columns[name] = pd.Series(pd.date_range("2024-01-01", periods=3, tz="UTC")).astype("datetime64[us, UTC]")
        elif allowed:
            columns[name] = pd.Series([sorted(allowed)[0]] * 3).astype(kind)
        else:
            columns[name] = pd.Series([max([1, *lowest])] * 3).astype(kind)
    key = problem.framing.key
    return pd.DataFrame(columns).assign(**{key: np.arange(1, 4)})


def test_it_is_named_like_its_file(problem):
    assert problem.name in known_problems()
    assert re.fullmatch(r"[a-z][a-z0-9_]*", problem.name)  # a table, an MLflow model and a Prefect limit carry it
    assert len(problem.name) <= 60


def test_its_framing_names_columns_of_its_contract(problem):
    framing = problem.framing
    named = {framing.key, framing.event_time, framing.target, framing.label_time, *framing.slices}
    named |= {framing.entity} - {None}
    assert named <= set(problem.contract.columns)


def test_its_features_are_known_when_a_request_comes(problem):
    features = set(problem.recipe.features)
    assert features
    assert features <= set(problem.contract.columns)
    assert not features & (_late(problem) | {problem.framing.key, problem.framing.event_time})


def test_what_is_filled_in_late_may_be_missing(problem):
    assert all(problem.contract.columns[name].nullable for name in _late(problem))


def test_its_times_have_a_zone(problem):
    for name in (problem.framing.event_time, problem.framing.label_time):
        assert str(problem.contract.columns[name].dtype).endswith("UTC]")


def test_labels_mature_and_evidence_can_be_gathered(problem):
    assert problem.framing.maturity > timedelta(0)
    plan = problem.rollout
    assert plan.shadow_at_least <= plan.shadow_at_most
    assert plan.probation <= plan.probation_at_most
    assert plan.share_at_least * len(plan.shares) <= plan.canary_at_most
    assert plan.ab_at_least is None or plan.ab_at_least <= plan.ab_at_most
    # A label of the first probation day matures before the deadline.
    assert plan.probation_at_most > problem.framing.maturity


def test_every_requirement_can_be_broken(problem):
    for wanted in problem.framing.requirements:
        assert (wanted.at_least is None) != (wanted.at_most is None)


def test_its_contract_accepts_a_row_it_describes(problem):
    problem.contract.validate(_example(problem), lazy=True)


def test_its_heuristic_answers_every_row_with_a_finite_score(ruled):
    frame = _example(ruled)
    late = dict.fromkeys(_late(ruled), np.nan)
    model = ruled.heuristic.fit()
    if ruled.framing.task == "regression":
        assert np.isfinite(model.predict(frame.assign(**late))).all()
        return
    probability = model.predict_proba(frame.assign(**late))
    assert probability.shape == (3, 2)
    assert probability.sum(axis=1) == pytest.approx(1)
    assert ((probability >= 0) & (probability <= 1)).all()


def test_its_heuristic_survives_saving_and_loading(ruled, tmp_path):
    import skops.io

    path, frame, model = tmp_path / "model.skops", _example(ruled), ruled.heuristic.fit()
    skops.io.dump(model, path)
    loaded = skops.io.load(path, trusted=trusted_for(ruled.heuristic))
    np.testing.assert_array_equal(loaded.predict(frame), model.predict(frame))


def _with_column(problem: Problem, name: str, column: pa.Column) -> Problem:
    columns = dict(problem.contract.columns) | {name: column}
    return dataclasses.replace(problem, contract=pa.DataFrameSchema(columns))


def test_the_rules_change_when_a_check_a_type_or_a_null_does(problem):
    key = problem.framing.key
    rules = [problem.rules()]
    for column in (
        pa.Column("int64", pa.Check.ge(-5)),
        pa.Column("int64", pa.Check.ge(-6)),
        pa.Column("int64", pa.Check.gt(-6)),
        pa.Column("int64", [pa.Check.gt(-6), pa.Check.le(9)]),
        pa.Column("float64", pa.Check.gt(-6)),
        pa.Column("float64", pa.Check.gt(-6), nullable=True),
    ):
        rules.append(_with_column(problem, key, column).rules())
    assert len(set(rules)) == len(rules)


def test_the_rules_change_when_the_framing_does(problem):
    framing = problem.framing.model_copy(update={"margin": problem.framing.margin * 2})
    assert dataclasses.replace(problem, framing=framing).rules() != problem.rules()


def test_the_rules_do_not_change_with_the_plan(problem):
    assert dataclasses.replace(problem, schedule="1 1 1 1 1").rules() == problem.rules()


def test_another_process_reads_the_same_rules():
    code = "from schemas.problem import *; print([load_problem(n).rules() for n in known_problems()])"
    assert _python(code, PYTHONHASHSEED="1") == str([load_problem(n).rules() for n in known_problems()])


def test_an_unknown_name_is_answered_with_the_known_ones_and_the_next_step():
    with pytest.raises(UnknownProblemError) as error:
        load_problem("nonsense")
    text = str(error.value)
    assert "'nonsense'" in text
    assert all(name in text for name in known_problems())
    assert "schemas/problems/nonsense.py" in text
    assert isinstance(error.value, PerennialError)


def test_a_file_with_a_leading_underscore_is_no_problem():
    assert not [name for name in known_problems() if name.startswith("_")]
    with pytest.raises(UnknownProblemError):
        load_problem("_fraud_simulator")


@pytest.mark.parametrize("field", ["key", "event_time", "target", "label_time", "entity"])
def test_a_problem_that_names_a_column_its_contract_lacks_is_refused(field):
    fraud = load_problem("fraud")
    framing = fraud.framing.model_copy(update={field: "ghost"})
    with pytest.raises(ValueError, match="'fraud' names columns its contract lacks: ghost"):
        dataclasses.replace(fraud, framing=framing)


def _with(problem: Problem, name: str, **said) -> Problem:
    """The problem with something else said about one column."""
    column = pa.Column("float64", nullable=True, metadata=about(**said))
    return dataclasses.replace(problem, contract=problem.contract.add_columns({name: column}))


def test_a_late_column_whose_time_the_contract_lacks_is_refused():
    with pytest.raises(ValueError, match="lacks: ghost"):
        _with(load_problem("fraud"), "review_score", known="with delay", known_at="ghost")


def test_a_recipe_that_is_trained_on_what_no_request_holds_is_refused():
    with pytest.raises(ValueError, match="'fraud' is trained on amount, which a request cannot hold"):
        _with(load_problem("fraud"), "amount", known="with the label")


@pytest.mark.parametrize(
    "said, filled, delays",
    [
        ({}, {}, {}),
        ({"known": "with the label"}, {"late": "fraud_known_at"}, {}),
        ({"known": "with delay", "known_at": "paid_at"}, {"late": "paid_at"}, {}),
        ({"known": "with delay", "delay": timedelta(days=2)}, {}, {"late": timedelta(days=2)}),
    ],
)
def test_the_contract_says_when_a_column_is_known(said, filled, delays):
    fraud = load_problem("fraud")
    problem = _with(
        dataclasses.replace(fraud, recipe=fraud.recipe.model_copy(update={"features": ("amount",)})), "late", **said
    )
    assert problem.filled_at == {"review_score": "fraud_known_at"} | filled
    assert problem.delays == delays
    assert ("late" in problem.asked) == (not filled and not delays)


@pytest.mark.parametrize(
    "said",
    [
        {"known": "with delay"},
        {"known": "with delay", "known_at": "x", "delay": timedelta(days=1)},
        {"known": "with delay", "delay": timedelta(0)},
        {"known_at": "x"},
        {"known": "with the label", "delay": timedelta(days=1)},
    ],
)
def test_a_delay_is_said_once_and_only_where_there_is_one(said):
    with pytest.raises(ValueError, match=r"with delay|is none"):
        about(**said)


def test_when_a_column_is_known_belongs_to_the_rules_and_its_owner_does_not():
    fraud = load_problem("fraud")
    assert _with(fraud, "review_score", known="with the label", owner="others").rules() == fraud.rules()
    assert _with(fraud, "review_score", known="with delay", delay=timedelta(days=1)).rules() != fraud.rules()


@pytest.mark.parametrize("task, loss", [("regression", BrierLoss()), ("regression", CostLoss(false_alarm=0.1))])
def test_a_loss_that_does_not_fit_the_task_is_refused(task, loss):
    content = load_problem("fraud").framing.model_dump() | {"task": task, "loss": loss}
    with pytest.raises(ValueError, match="takes a loss of kind"):
        Framing.model_validate(content)


def test_schemas_import_no_orchestrator_tracker_report_or_database():
    code = """
import sys, schemas, pkgutil, importlib
for module in pkgutil.walk_packages(schemas.__path__, "schemas."):
    importlib.import_module(module.name)
print(sorted({"prefect", "mlflow", "evidently", "sqlalchemy"} & set(sys.modules)))
"""
    assert _python(code) == "[]"


def _python(code: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | environment, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()
