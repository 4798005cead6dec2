"""Is a framing that would let everything pass, or that says something its task has no room for, refused when it is written?"""

import dataclasses
import math
from datetime import timedelta

import pandera.pandas as pa
import pytest
from pydantic import ValidationError

from schemas.framing import (
    AbsoluteLoss,
    BrierLoss,
    CostLoss,
    CostMatrix,
    Direction,
    Fairness,
    Framing,
    Goal,
    Invariance,
    Level,
    LogLoss,
    MatrixLoss,
    MinimumFunction,
    Requirement,
)
from schemas.problem import load_problem

BANDS = ("low", "mid", "high")
EVEN = ((0.0, 1.0, 1.0), (1.0, 0.0, 1.0), (1.0, 1.0, 0.0))
TASKS = {
    "binary": {"task": "binary", "loss": CostLoss(false_alarm=0.1)},
    "multiclass": {"task": "multiclass", "classes": BANDS, "loss": BrierLoss()},
    "regression": {"task": "regression", "loss": AbsoluteLoss(bound=10.0)},
}


def framing(task: str, **changes) -> Framing:
    said = {"objective": "tests pass", "key": "id", "entity": None, "event_time": "at", "target": "y"}
    said |= {"label_time": "y_at", "maturity": timedelta(days=1), "margin": 0.01, "tolerated_harm": 0.01}
    return Framing(**(said | {"metric": "roc_auc"} | TASKS[task] | changes))


@pytest.mark.parametrize("task", TASKS)
def test_each_task_has_a_framing_that_survives_json(task):
    one = framing(task, behaviours=(Invariance(column="x", values=(1.0, "a")),))
    assert Framing.model_validate_json(one.model_dump_json()) == one


# A flipped sign.


@pytest.mark.parametrize(
    "costs",
    [
        ((0.0, -3.0), (-150.0, 0.0)),
        ((0.0, -3.0), (150.0, 0.0)),
        ((0.0, 3.0), (-150.0, 0.0)),
        ((0.0, -3.0), (-150.0, 20.0)),  # gains written as positive, and then all of it negated
        ((5.0, 3.0), (150.0, 0.0)),  # what is right costs more than what is wrong
        tuple(tuple(-cost for cost in row) for row in EVEN),
    ],
)
@pytest.mark.parametrize(
    "kind", [lambda costs: CostMatrix(costs=costs, tolerated=1.0), lambda costs: MatrixLoss(costs=costs)]
)
def test_a_cost_matrix_with_a_flipped_sign_is_refused_with_a_sentence_that_says_so(costs, kind):
    with pytest.raises(ValidationError, match="an error cheaper than the right decision is a flipped sign"):
        kind(costs)


def test_the_sentence_names_the_truth_the_decision_and_both_costs():
    with pytest.raises(ValidationError, match=r"under truth 1 deciding 0 costs -150.0 and being right costs 0.0"):
        CostMatrix(costs=((0.0, 3.0), (-150.0, 0.0)), tolerated=1.0)


def test_gains_may_be_negative_where_being_right_is_the_cheapest():
    matrix = CostMatrix(costs=((-1.0, 3.0), (150.0, -20.0)), tolerated=0.0)
    assert framing("binary", costs=matrix).costs == matrix


@pytest.mark.parametrize(
    "costs", [(), ((0.0,),), ((0.0, 1.0),), ((0.0, 1.0), (1.0,)), ((0.0, 1.0), (1.0, 0.0), (1.0, 1.0))]
)
def test_a_cost_matrix_has_a_row_and_a_column_a_class(costs):
    with pytest.raises(ValidationError, match="one row and one column a class"):
        CostMatrix(costs=costs, tolerated=1.0)


@pytest.mark.parametrize("costs", [((0.0, 0.0), (0.0, 0.0)), ((0.5, 0.5), (0.25, 0.25))])
@pytest.mark.parametrize(
    "kind", [lambda costs: CostMatrix(costs=costs, tolerated=1.0), lambda costs: MatrixLoss(costs=costs)]
)
def test_a_cost_matrix_in_which_no_error_costs_anything_is_refused(costs, kind):
    with pytest.raises(ValidationError, match="no error costs more than the right decision: any model would do"):
        kind(costs)
    one_way = ((costs[0][0], costs[0][1] + 0.25), costs[1])
    assert kind(one_way).costs == one_way  # one error that costs something is enough


def test_a_matrix_that_is_a_loss_stays_within_its_bound():
    with pytest.raises(ValidationError, match=r"lies in \[0, 1\]"):
        MatrixLoss(costs=((0.0, 1.5), (1.0, 0.0)))


@pytest.mark.parametrize(
    "task, changes",
    [
        ("binary", {"costs": CostMatrix(costs=EVEN, tolerated=1.0)}),
        ("multiclass", {"costs": CostMatrix(costs=((0.0, 1.0), (1.0, 0.0)), tolerated=1.0)}),
        ("multiclass", {"loss": MatrixLoss(costs=((0.0, 1.0), (1.0, 0.0)))}),
        ("multiclass", {"loss": MatrixLoss(costs=EVEN), "classes": (*BANDS, "huge")}),
    ],
)
def test_a_matrix_has_the_size_of_the_classes(task, changes):
    with pytest.raises(ValidationError, match=r"\d classes need a cost matrix of that size, got \d rows"):
        framing(task, **changes)


def test_a_regression_has_no_classes_to_price():
    with pytest.raises(ValidationError, match="a regression is priced by money_per_loss"):
        framing("regression", costs=CostMatrix(costs=((0.0, 1.0), (1.0, 0.0)), tolerated=1.0))


# A limit that is no number lets everything pass.


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize(
    "make",
    [
        lambda v: Requirement(metric="roc_auc", at_least=v, reason=""),
        lambda v: Requirement(metric="mae", at_most=v, reason=""),
        lambda v: Requirement(metric="recall", at_least=0.1, at_precision=v, reason=""),
        lambda v: Fairness(column="x", measure="loss", tolerance=v),
        lambda v: CostLoss(false_alarm=v),
        lambda v: CostLoss(miss=v, false_alarm=0.1),
        lambda v: LogLoss(bound=v),
        lambda v: AbsoluteLoss(bound=v),
        lambda v: MatrixLoss(costs=((0.0, v), (1.0, 0.0))),
        lambda v: CostMatrix(costs=((0.0, 1.0), (v, 0.0)), tolerated=1.0),
        lambda v: CostMatrix(costs=((0.0, 1.0), (1.0, 0.0)), tolerated=v),
        lambda v: Invariance(column="x", values=(1.0,), tolerated_share=v),
        lambda v: Invariance(column="x", values=(v,)),
        lambda v: Direction(column="x", by=v, moves="up"),
        lambda v: Direction(column="x", by=1.0, moves="up", slack=v),
        lambda v: MinimumFunction(name="x", values={"x": 1.0}, decision=v),
        lambda v: MinimumFunction(name="x", values={"x": v}, decision=1.0),
        *(
            lambda v, name=name: framing("binary", **{name: v})
            for name in ("margin", "tolerated_harm", "money_per_loss", "calibration_tolerance", "simplicity_margin")
        ),
        lambda v: framing("binary", latency_quantile=v),
    ],
)
def test_a_limit_that_is_no_number_is_refused(make, value):
    with pytest.raises(ValidationError):
        make(value)


@pytest.mark.parametrize("name", ["margin", "tolerated_harm", "calibration_tolerance", "simplicity_margin"])
@pytest.mark.parametrize("value", [0.0, -0.01])
def test_a_margin_is_above_zero(name, value):
    with pytest.raises(ValidationError, match="greater than 0"):
        framing("binary", **{name: value})


# What a requirement may say.


def test_a_requirement_without_a_limit_is_refused():
    with pytest.raises(ValidationError, match="needs at_least or at_most; without both it always passes"):
        Requirement(metric="roc_auc", reason="")


@pytest.mark.parametrize("metric", ["average_precision", "roc_auc", "mae", "precision", "accuracy", "loss"])
def test_an_operating_point_states_the_recall_at_a_precision_and_nothing_else(metric):
    with pytest.raises(ValidationError, match=f"an operating point states the recall at a precision, not the {metric}"):
        Requirement(metric=metric, at_least=0.1, at_precision=0.5, reason="")


@pytest.mark.parametrize("precision", [0.0, 1.0, -0.1, 1.1])
def test_a_precision_lies_strictly_between_nothing_and_all(precision):
    with pytest.raises(ValidationError):
        Requirement(metric="recall", at_least=0.1, at_precision=precision, reason="")


def test_an_operating_point_is_another_requirement_than_the_plain_recall():
    plain = Requirement(metric="recall", at_least=0.1, reason="")
    points = [plain.model_copy(update={"at_precision": p}) for p in (0.5, 0.25)]
    assert [r.name for r in (plain, *points)] == ["recall", "recall at precision 0.5", "recall at precision 0.25"]


@pytest.mark.parametrize("task", ["multiclass", "regression"])
@pytest.mark.parametrize(
    "changes",
    [
        {"fairness": (Fairness(column="x", measure="selection rate", tolerance=0.1),)},
        {"fairness": (Fairness(column="x", measure="true positive rate", tolerance=0.1),)},
        {"requirements": (Requirement(metric="recall", at_least=0.1, at_precision=0.5, reason=""),)},
        *(
            {"requirements": (Requirement(metric=metric, at_least=0.1, reason=""),)}
            for metric in ("recall", "precision", "average_precision")
        ),
    ],
)
def test_what_needs_a_positive_class_is_refused_where_there_is_none(task, changes):
    with pytest.raises(ValidationError, match=f"needs a positive class, and the problem is {task}"):
        framing(task, **changes)
    assert framing("binary", **changes)


@pytest.mark.parametrize("task", TASKS)
def test_a_gap_between_losses_is_fair_to_ask_of_every_task(task):
    assert framing(task, fairness=(Fairness(column="x", measure="loss", tolerance=0.1),)).fairness


# Classes.


@pytest.mark.parametrize(
    "task, classes",
    [
        ("binary", BANDS),
        ("regression", BANDS),
        ("multiclass", ()),
        ("multiclass", ("low",)),
        ("multiclass", ("low", "high")),
        ("multiclass", ("low", "high", "low")),
        ("multiclass", (1, 2, 1, 3)),
    ],
)
def test_only_a_multiclass_problem_names_classes_three_or_more_and_each_once(task, classes):
    with pytest.raises(
        ValidationError, match="a multiclass problem names three or more different classes, others none"
    ):
        framing(task, classes=classes)


def test_two_classes_that_a_table_cannot_tell_apart_are_refused():
    with pytest.raises(ValidationError, match="different classes"):
        framing("multiclass", classes=(1, "1", 2))


@pytest.mark.parametrize("task, n", [("binary", 2), ("multiclass", 3), ("regression", 0)])
def test_the_number_of_classes_follows_the_task(task, n):
    assert framing(task).n_classes == n


@pytest.mark.parametrize(
    "task, loss",
    [
        ("binary", MatrixLoss(costs=((0.0, 1.0), (1.0, 0.0)))),
        ("binary", AbsoluteLoss(bound=1.0)),
        ("multiclass", CostLoss(false_alarm=0.1)),
        ("multiclass", AbsoluteLoss(bound=1.0)),
        ("regression", LogLoss()),
        ("regression", BrierLoss()),
        ("regression", CostLoss(false_alarm=0.1)),
    ],
)
def test_a_loss_that_does_not_fit_the_task_is_refused_by_name(task, loss):
    with pytest.raises(ValidationError, match=f"a {task} problem takes a loss of kind .*, not '{loss.kind}'"):
        framing(task, loss=loss)


def test_a_word_that_nobody_reads_is_refused():
    with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
        framing("binary", margn=0.1)


# Checks that are declared and never asked.


@pytest.mark.parametrize("task", TASKS)
def test_a_simpler_model_may_cost_the_margin_where_nothing_else_is_said(task):
    assert framing(task).simpler_within == 0.01
    assert framing(task, simplicity_margin=0.5).simpler_within == 0.5


def auc(**limits) -> Requirement:
    return Requirement(metric="roc_auc", reason="one of two", **limits)


@pytest.mark.parametrize(
    "limits, asks",
    [
        ({"at_least": 0.9}, "roc_auc at least 0.9"),
        ({"at_most": 0.999}, "roc_auc at most 0.999"),
        ({"at_least": 0.0, "at_most": 0.0}, "roc_auc at least 0 and at most 0"),  # a limit of zero is a limit
    ],
)
def test_a_requirement_is_told_from_another_on_the_same_metric_by_its_limits(limits, asks):
    assert auc(**limits).asks == asks


@pytest.mark.parametrize(
    "field, checks",
    [
        ("requirements", (auc(at_least=0.9), auc(at_most=0.999))),
        ("requirements", (auc(at_least=0.5), auc(at_least=0.6))),
        ("behaviours", (Invariance(column="x", values=(1.0,)), Invariance(column="x", values=(2.0,)))),
        ("behaviours", (Direction(column="x", by=1.0, moves="up"), Direction(column="x", by=-1.0, moves="down"))),
        (
            "fairness",
            (
                Fairness(column="x", measure="loss", tolerance=0.1),
                Fairness(column="x", measure="selection rate", tolerance=0.1),
                Fairness(column="z", measure="loss", tolerance=0.1),
            ),
        ),
    ],
)
def test_checks_that_ask_different_things_stand_beside_each_other(field, checks):
    assert getattr(framing("binary", **{field: checks}), field) == checks


@pytest.mark.parametrize(
    "field, checks",
    [
        ("requirements", (auc(at_least=0.9), auc(at_least=0.9))),
        (
            "fairness",
            (
                Fairness(column="x", measure="loss", tolerance=0.1),
                Fairness(column="x", measure="loss", tolerance=0.2),
            ),
        ),
        (
            "behaviours",
            (
                Invariance(column="x", values=(1.0,), tolerated_share=0.9),
                Invariance(column="x", values=(1.0,), tolerated_share=0.0),
            ),
        ),
        (
            "behaviours",
            (
                Direction(column="x", by=1.0, moves="up", slack=9.0),
                Direction(column="x", by=1.0, moves="up"),
            ),
        ),
        (
            "behaviours",
            (
                MinimumFunction(name="m", values={"x": 1.0}, decision=1.0),
                MinimumFunction(name="m", values={"x": 2.0}, decision=0.0),
            ),
        ),
    ],
)
def test_two_checks_of_one_name_are_refused_for_one_would_hide_the_other(field, checks):
    with pytest.raises(ValidationError, match="declared twice, so that one would hide the other"):
        framing("binary", **{field: checks})
    assert framing("binary", **{field: checks[:1]})


@pytest.mark.parametrize(
    "check",
    [
        Invariance(column="amuont", values=(1.0,)),
        Direction(column="amuont", by=1.0, moves="up"),
        MinimumFunction(name="m", values={"amuont": 1.0}, decision=0.0),
        Fairness(column="chanel", measure="loss", tolerance=0.1),
    ],
)
def test_a_check_on_a_column_that_the_contract_lacks_is_refused(check):
    fraud = load_problem("fraud")
    field = "fairness" if isinstance(check, Fairness) else "behaviours"
    with pytest.raises(ValueError, match="names columns its contract lacks"):
        dataclasses.replace(fraud, framing=fraud.framing.model_copy(update={field: (check,)}))
    assert isinstance(fraud.contract, pa.DataFrameSchema)


def test_annotators_of_numbers_are_refused():
    with pytest.raises(ValueError, match="annotators agree on classes"):
        framing("regression", annotators=("second",))


def test_annotators_labels_are_no_part_of_a_request():
    fraud = load_problem("fraud")
    asked = fraud.framing.model_copy(update={"annotators": ("channel",)})
    with pytest.raises(ValueError, match="channel"):
        dataclasses.replace(fraud, framing=asked)
    later = fraud.framing.model_copy(update={"annotators": ("review_score",)})
    assert dataclasses.replace(fraud, framing=later).framing.annotators == ("review_score",)


# By how much, from where, and what holds after deployment.


def level(metric: str = "roc_auc", value: float = 0.7) -> Level:
    return Level(who="rule", metric=metric, value=value, source="last year")


@pytest.mark.parametrize(
    "said, refused",
    [
        ({"metric": "roc_auc", "at_least": 0.8}, None),
        ({"metric": "mae", "at_most": 9.0}, None),
        ({"metric": "loss", "by": 0.1}, None),
        ({"metric": "roc_auc"}, "one of at_least, at_most and by, got none of them"),
        ({"metric": "roc_auc", "at_least": 0.8, "by": 0.1}, "got at_least, by"),
        ({"metric": "mae", "at_least": 9.0}, "of mae less is better: its goal is at_most"),
        ({"metric": "roc_auc", "at_most": 0.8}, "of roc_auc more is better: its goal is at_least"),
        ({"metric": "roc_auc", "by": 0.0}, "greater than 0"),
        ({"metric": "roc_auc", "by": -0.1}, "greater than 0"),
        ({"metric": "roc_auc", "at_least": math.nan}, "finite"),
        ({"metric": "roc_auc", "at_least": 0.8, "reason": ""}, "at least 1 character"),
    ],
)
def test_a_goal_says_one_thing_in_the_direction_that_is_better(said, refused):
    make = {"reason": "worth it"} | said
    if refused is None:
        assert Goal(**make)
        return
    with pytest.raises(ValidationError, match=refused):
        Goal(**make)


@pytest.mark.parametrize(
    "goal, today, reached_at",
    [
        (Goal(metric="roc_auc", at_least=0.8, reason="x"), None, 0.8),
        (Goal(metric="mae", at_most=9.0, reason="x"), level("mae", 20.0), 9.0),
        (Goal(metric="roc_auc", by=0.1, reason="x"), level(), 0.8),
        (Goal(metric="mae", by=5.0, reason="x"), level("mae", 20.0), 15.0),  # less is better
    ],
)
def test_a_goal_is_a_limit_and_by_so_much_counts_from_todays_level(goal, today, reached_at):
    assert goal.value(today) == pytest.approx(reached_at)


@pytest.mark.parametrize("today", [None, level("accuracy")])
def test_a_goal_by_so_much_needs_a_level_of_the_same_metric(today):
    with pytest.raises(ValidationError, match=r"a goal of roc_auc by 0.1 needs a level of roc_auc to count from"):
        framing("binary", goal=Goal(metric="roc_auc", by=0.1, reason="x"), level=today)


@pytest.mark.parametrize(
    "task, metric", [("binary", "mae"), ("multiclass", "average_precision"), ("regression", "roc_auc")]
)
@pytest.mark.parametrize("what", ["goal", "level"])
def test_a_goal_and_a_level_name_a_metric_that_the_task_has(task, metric, what):
    limit = {"at_most": 1.0} if metric == "mae" else {"at_least": 0.5}
    said = {"goal": Goal(metric=metric, reason="x", **limit), "level": level(metric)}
    with pytest.raises(ValidationError, match=f"a {task} problem has no {metric}, which its {what} names"):
        framing(task, **{what: said[what]})


def test_a_level_says_where_it_comes_from():
    with pytest.raises(ValidationError, match="source"):
        Level(who="human", metric="roc_auc", value=0.8, source="")


@pytest.mark.parametrize("when, before, after", [("before", True, False), ("after", False, True), ("both", True, True)])
def test_a_requirement_holds_before_deployment_after_it_or_both(when, before, after):
    wanted = Requirement(metric="roc_auc", at_least=0.6, when=when, reason="")
    assert (wanted.before, wanted.after) == (before, after)
    assert Requirement(metric="roc_auc", at_least=0.6, reason="").when == "before"


@pytest.mark.parametrize("when", ["after", "both"])
def test_an_operating_point_has_no_threshold_of_its_own_on_live_rows(when):
    with pytest.raises(ValidationError, match="its threshold is frozen on validation rows"):
        Requirement(metric="recall", at_least=0.1, at_precision=0.5, when=when, reason="")


def test_how_much_must_be_explained_is_one_of_three():
    assert framing("binary").explainability == "none"
    with pytest.raises(ValidationError, match="explainability"):
        framing("binary", explainability="somewhat")
