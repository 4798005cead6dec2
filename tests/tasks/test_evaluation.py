"""Do held-out rows show what is there: a metric with its interval, a weak slice, a group, a broken behaviour?"""

import math
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score

from schemas.framing import (
    AbsoluteLoss,
    BrierLoss,
    CostLoss,
    Direction,
    Fairness,
    Framing,
    Invariance,
    MatrixLoss,
    MinimumFunction,
    Requirement,
)
from tasks import evaluation
from tasks.scoring import Scores
from tasks.stats import Calibration, calibration

BANDS = ("low", "mid", "high")
EVEN = MatrixLoss(costs=((0.0, 0.5, 1.0), (0.5, 0.0, 0.5), (1.0, 0.5, 0.0)))
TASKS = {
    "binary": {"task": "binary", "loss": CostLoss(false_alarm=0.1)},
    "multiclass": {"task": "multiclass", "classes": BANDS, "loss": BrierLoss()},
    "regression": {"task": "regression", "loss": AbsoluteLoss(bound=10.0)},
}


def framing(task: str, **changes) -> Framing:
    said = {"objective": "", "key": "id", "entity": None, "event_time": "at", "target": "y", "label_time": "y_at"}
    said |= {"maturity": timedelta(days=1), "margin": 0.01, "tolerated_harm": 0.01, "metric": "roc_auc"}
    return Framing(**(said | TASKS[task] | changes))


def needs(metric: str, **more) -> Requirement:
    return Requirement(metric=metric, reason="", **({"at_least": 0.0} | more))


def scored(task: str, n: int = 600, *, seed: int = 1) -> tuple[Scores, np.ndarray]:
    """Scores with something in them, and the labels they are about."""
    rng = np.random.default_rng(seed)
    if task == "regression":
        y = rng.normal(size=n) * 5
        said = y + rng.normal(size=n)
        return Scores(said, said), y
    if task == "binary":
        y = (rng.random(n) < 0.3).astype(float)
        p = 1 / (1 + np.exp(-(2 * y - 1.5 + rng.normal(size=n))))
        return Scores(p, (p >= 0.5).astype(float)), y
    y = rng.integers(0, 3, size=n)
    raw = np.exp(rng.normal(size=(n, 3)) + 1.5 * np.eye(3)[y])
    p = raw / raw.sum(axis=1, keepdims=True)
    return Scores(p, p.argmax(axis=1).astype(float)), y.astype(float)


def intervals(wanted, task, *, thresholds=None, blocks=None, n=600, seed=1, alpha=0.05, **changes):
    said, y = scored(task, n)
    return evaluation.metric_intervals(
        wanted,
        framing(task, **changes),
        said,
        y,
        thresholds=thresholds or {},
        blocks=np.arange(n) if blocks is None else blocks,
        alpha=alpha,
        seed=seed,
    )


# Metrics.

FIGURES = {
    ("binary", "roc_auc"): lambda s, y: roc_auc_score(y, s.score),
    ("binary", "average_precision"): lambda s, y: average_precision_score(y, s.score),
    ("binary", "recall"): lambda s, y: s.decision[y == 1].mean(),
    ("binary", "precision"): lambda s, y: y[s.decision == 1].mean(),
    ("binary", "accuracy"): lambda s, y: (s.decision == y).mean(),
    ("binary", "loss"): lambda s, y: np.where(y == 1, 1 - s.decision, 0.1 * s.decision).mean(),
    ("multiclass", "roc_auc"): lambda s, y: roc_auc_score(y, s.score, multi_class="ovr", average="macro"),
    ("multiclass", "accuracy"): lambda s, y: (s.decision == y).mean(),
    ("multiclass", "loss"): lambda s, y: ((s.score - np.eye(3)[y.astype(int)]) ** 2).sum(axis=1).mean() / 2,
    ("regression", "mae"): lambda s, y: np.abs(s.score - y).mean(),
    ("regression", "loss"): lambda s, y: np.minimum(np.abs(s.score - y) / 10, 1).mean(),
}


@pytest.mark.parametrize("task, metric", FIGURES)
def test_a_metric_is_the_figure_that_others_compute_with_an_interval_around_it(task, metric):
    wanted = needs(metric)
    low, estimate, high = intervals([wanted], task)[wanted.name]
    assert estimate == pytest.approx(FIGURES[task, metric](*scored(task)))
    assert low < estimate < high
    assert high - low < 0.5 * max(1.0, estimate)


def test_an_operating_point_is_judged_at_its_frozen_threshold_for_recall_and_for_precision():
    said, y = scored("binary")
    points = [needs("recall", at_precision=p) for p in (0.5, 0.8)]
    found = intervals(
        [*points, needs("recall")], "binary", thresholds={p.name: t for p, t in zip(points, (0.3, 0.6), strict=True)}
    )
    assert set(found) == {*(p.name for p in points), *(f"precision of {p.name}" for p in points), "recall"}
    for point, threshold in zip(points, (0.3, 0.6), strict=True):
        chosen = said.score >= threshold
        assert found[point.name][1] == pytest.approx(chosen[y == 1].mean())
        assert found[f"precision of {point.name}"][1] == pytest.approx(y[chosen].mean())
    assert found["recall"][1] == pytest.approx(said.decision[y == 1].mean())


def test_an_operating_point_that_no_row_reaches_has_no_recall_and_no_precision():
    point = needs("recall", at_precision=0.99)
    found = intervals([point], "binary", thresholds={point.name: math.inf})
    assert found[point.name][1] == 0.0
    assert math.isnan(found[f"precision of {point.name}"][1])


def test_an_operating_point_whose_threshold_nobody_chose_raises_and_is_not_passed_over():
    with pytest.raises(KeyError):
        intervals([needs("recall", at_precision=0.5)], "binary")


def test_equal_seeds_give_equal_intervals_whichever_else_is_asked():
    auc, accuracy = needs("roc_auc"), needs("accuracy")
    alone = intervals([auc], "binary")["roc_auc"]
    assert intervals([accuracy, auc], "binary")["roc_auc"] == alone
    assert intervals([auc], "binary", seed=2)["roc_auc"] != alone


def test_rows_of_one_block_are_one_piece_of_evidence():
    said, y = scored("binary", 60)
    tenfold = Scores(np.repeat(said.score, 10), np.repeat(said.decision, 10))
    kept = {"thresholds": {}, "alpha": 0.05, "seed": 1}
    widths = {}
    for name, blocks in (("rows", np.arange(600)), ("blocks", np.repeat(np.arange(60), 10))):
        found = evaluation.metric_intervals(
            [needs("roc_auc")], framing("binary"), tenfold, np.repeat(y, 10), blocks=blocks, **kept
        )
        widths[name] = found["roc_auc"][2] - found["roc_auc"][0]
    assert widths["blocks"] > 2 * widths["rows"]


def test_labels_of_one_class_leave_a_metric_undefined():
    said, y = scored("binary")
    found = evaluation.metric_intervals(
        [needs("roc_auc")],
        framing("binary"),
        said,
        np.zeros_like(y),
        thresholds={},
        blocks=np.arange(600),
        alpha=0.05,
        seed=1,
    )
    assert np.isnan(found["roc_auc"]).all()


def test_a_handful_of_blocks_gives_no_interval_which_a_gate_reads_as_missing():
    wanted = [needs("roc_auc"), needs("recall", at_precision=0.5)]
    said = {"thresholds": {wanted[1].name: 0.5}, "n": 240}
    for blocks in (1, 2, 4):
        assert intervals(wanted, "binary", blocks=np.arange(240) % blocks, **said) == {}
    names = {"roc_auc", "recall at precision 0.5", "precision of recall at precision 0.5"}
    assert set(intervals(wanted, "binary", blocks=np.arange(240) % 5, **said)) == names


def test_rows_of_few_people_are_few_however_many_there_are():
    assert intervals([needs("roc_auc")], "binary", blocks=np.resize(["ana", "ben"], 600)) == {}


# Weak slices.


def table(n: int, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "amount": rng.gamma(2.0, 50.0, size=n),
            "hour": rng.integers(0, 24, size=n),
            "channel": rng.choice(["online", "shop", "phone"], size=n),
            "noise": rng.normal(size=n),
        }
    )


@pytest.mark.parametrize(
    "planted, said",
    [
        (lambda t: t["channel"] == "phone", "channel is phone"),
        (lambda t: t["amount"] > 150, "amount > 1"),
        (lambda t: (t["channel"] == "online") & (t["hour"] >= 12), "hour > "),
        (lambda t: t["hour"] <= 5, "hour <= 5.5"),
    ],
)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_planted_slice_is_found_and_said_in_words(planted, said, seed):
    rows = table(4_000, seed)
    inside = planted(rows).to_numpy()
    rng = np.random.default_rng(seed)
    excess = np.where(inside, 0.3, -0.05) + 0.1 * rng.normal(size=len(rows))
    found = evaluation.excess_slices(excess, rows, list(rows), at_least=100, seed=seed)
    name, positions = next(iter(found.items()))
    assert said in name
    assert inside[positions].mean() > 0.9
    assert excess[positions].mean() > 0.2


def test_a_slice_that_is_left_out_is_said_as_what_it_is_not():
    rows = table(4_000, 4)
    excess = np.where(rows["channel"] == "phone", -0.3, 0.1)
    found = evaluation.excess_slices(excess, rows, ["channel"], at_least=100, seed=1)
    assert all("channel is not phone" in name for name in found)


@settings(max_examples=30)
@given(st.integers(0, 1_000))
def test_slices_are_found_on_one_half_of_the_rows_and_given_on_the_other(seed):
    rows = table(1_000, seed)
    excess = np.random.default_rng(seed).normal(size=len(rows))
    found = evaluation.excess_slices(excess, rows, list(rows), at_least=50, seed=seed)
    given_ = [set(positions.tolist()) for positions in found.values()]
    assert len(found) <= 3
    assert sum(map(len, given_)) == len(set().union(*given_)), "no row in two slices"
    # Whatever stands in the half that is given changes nothing of what is found.
    judged = np.zeros(len(rows), dtype=bool)
    judged[list(set().union(*given_))] = True
    other = np.where(judged, 1_000.0, excess)
    again = evaluation.excess_slices(other, rows, list(rows), at_least=50, seed=seed)
    assert list(again) == list(found)
    for name, positions in found.items():
        np.testing.assert_array_equal(again[name], positions)


def test_what_was_searched_for_among_noise_is_no_excess_on_the_other_half():
    """The worst leaf looks bad where it was searched; where it is judged its mean is what it is: nothing."""
    means = []
    for seed in range(60):
        rows = table(1_000, seed)
        excess = np.random.default_rng(1_000 + seed).normal(size=len(rows))
        found = evaluation.excess_slices(excess, rows, list(rows), at_least=50, seed=seed)
        means += [excess[positions].mean() for positions in list(found.values())[:1]]
    assert len(means) > 50
    assert abs(np.mean(means)) < 0.06  # each has a standard error of about .1


@pytest.mark.parametrize("excess", [-1.0, 0.0], ids=["nothing loses", "nothing differs"])
def test_where_no_slice_loses_none_is_given(excess):
    rows = table(1_000, 1)
    assert evaluation.excess_slices(np.full(1_000, excess), rows, list(rows), at_least=100, seed=1) == {}


@pytest.mark.parametrize("n, searched", [(0, False), (1, False), (150, False), (399, False), (400, True)])
def test_a_half_too_small_to_be_cut_in_two_is_not_searched_and_that_is_no_answer(n, searched):
    rows = table(n, 1)
    found = evaluation.excess_slices(np.full(n, -1.0), rows, list(rows), at_least=100, seed=1)
    assert found == ({} if searched else None)


def test_an_entity_is_searched_or_judged_and_never_both():
    """What is known of a person from the half that was searched would be known again in the half that is judged."""
    n = 2_000
    rows, entity = table(n, 3), np.arange(n) // 8
    excess = np.where(entity % 2 == 0, 1.0, -0.5)
    found = evaluation.excess_slices(np.ones(n), rows, list(rows), at_least=100, seed=1, entity=entity)
    (judged,) = found.values()
    inside, outside = set(entity[judged]), set(np.delete(entity, judged))
    assert list(found) == ["all rows"]
    assert inside.isdisjoint(outside)
    assert len(inside) == len(outside) == 125
    # Names of people part them as numbers do.
    named = evaluation.excess_slices(excess, rows, list(rows), at_least=100, seed=1, entity=entity.astype(str))
    assert named is not None


def test_one_person_alone_cannot_be_parted():
    rows = table(1_000, 1)
    alone = np.zeros(1_000)
    assert evaluation.excess_slices(np.ones(1_000), rows, list(rows), at_least=100, seed=1, entity=alone) is None


def test_a_slice_that_is_everything_is_called_so():
    rows = table(1_000, 1)
    found = evaluation.excess_slices(np.ones(1_000), rows, list(rows), at_least=100, seed=1)
    assert list(found) == ["all rows"]
    assert 400 < len(found["all rows"]) < 600


def test_a_missing_number_is_a_value_like_another():
    rows = table(2_000, 1)
    rows.loc[::4, "amount"] = np.nan
    found = evaluation.excess_slices(np.where(rows["amount"].isna(), 1.0, -0.5), rows, list(rows), at_least=100, seed=1)
    (positions,) = found.values()
    assert (positions % 4 == 0).all()


def test_a_loss_that_is_no_number_raises_and_is_not_averaged_away():
    rows = table(1_000, 1)
    with pytest.raises(ValueError, match="NaN"):
        evaluation.excess_slices(np.where(rows.index == 3, np.nan, 1.0), rows, list(rows), at_least=50, seed=2)


# Groups.


@pytest.mark.parametrize("task", TASKS)
def test_a_loss_by_group_is_the_rows_own(task):
    said, y = scored(task)
    group = np.resize(["a", "b", "b"], 600)
    wanted = Fairness(column="g", measure="loss", tolerance=0.1)
    found = evaluation.group_values(wanted, pd.DataFrame({"g": group}), said, y, framing(task))
    whole = intervals([needs("loss")], task)["loss"][1]
    assert {name: len(values) for name, values in found.items()} == {"a": 200, "b": 400}
    assert np.concatenate(list(found.values())).mean() == pytest.approx(whole)


def test_rates_are_of_decisions_and_a_true_positive_rate_is_of_the_positives_alone():
    frame = pd.DataFrame({"g": [1, 1, 1, 2, 2, 2]})
    said = Scores(np.full(6, 0.5), np.array([1.0, 0.0, 1.0, 0.0, 0.0, 1.0]))
    y = np.array([1.0, 1.0, 0.0, 0.0, 1.0, 0.0])
    for measure, expected in (
        ("selection rate", {"1": [1, 0, 1], "2": [0, 0, 1]}),
        ("true positive rate", {"1": [1, 0], "2": [0]}),
    ):
        wanted = Fairness(column="g", measure=measure, tolerance=0.1)
        found = evaluation.group_values(wanted, frame, said, y, framing("binary"))
        assert {name: values.tolist() for name, values in found.items()} == expected


def test_who_belongs_to_no_group_is_a_group():
    frame = pd.DataFrame({"g": ["a", None, "a", None]})
    wanted = Fairness(column="g", measure="selection rate", tolerance=0.1)
    found = evaluation.group_values(wanted, frame, Scores(np.zeros(4), np.arange(4.0)), np.zeros(4), framing("binary"))
    assert sorted(len(values) for values in found.values()) == [2, 2]


# Behaviour.


class Rule:
    """Says what `rule(frame)` gives: a probability, a prediction, or a probability a class."""

    classes_ = np.array(BANDS, dtype=object)

    def __init__(self, rule):
        self.rule = rule

    def predict(self, frame):
        return self.rule(frame)

    def predict_proba(self, frame):
        said = np.asarray(self.rule(frame), dtype=float)
        return said if said.ndim == 2 else np.column_stack([1 - said, said])


def rises(frame):
    return frame["x"].to_numpy(dtype=float) / 100


def bands(frame):
    """High from 50 on, else low."""
    high = np.clip(rises(frame), 0, 1)
    return np.column_stack([1 - high, np.zeros(len(frame)), high])


ASKED = pd.DataFrame({"x": np.arange(100.0), "g": "a"})


def kept(task, rule, check, rows=ASKED, **changes):
    (found,) = evaluation.behaviour_kept(Rule(rule), rows, framing(task, behaviours=(check,), **changes)).values()
    return found.broken, found.rows, found.tolerated_share


@pytest.mark.parametrize(
    "task, rule, check, broken",
    [
        ("binary", rises, Invariance(column="g", values=("b",)), 0),
        ("binary", rises, Invariance(column="x", values=(10.0,)), 50),
        ("binary", rises, Invariance(column="x", values=(90.0,)), 50),
        ("binary", rises, Invariance(column="x", values=(10.0, 90.0)), 100),  # any of the values
        ("multiclass", bands, Invariance(column="g", values=("b",)), 0),
        ("multiclass", bands, Invariance(column="x", values=(10.0,)), 49),
        ("regression", rises, Invariance(column="g", values=("b",)), 0),
        ("regression", rises, Invariance(column="x", values=(50.5,)), 80),  # from the margin of .1 on it is another one
        ("binary", rises, Direction(column="x", by=5.0, moves="up"), 0),
        ("binary", rises, Direction(column="x", by=5.0, moves="down"), 100),
        ("binary", rises, Direction(column="x", by=-5.0, moves="down"), 0),
        ("binary", rises, Direction(column="x", by=1.0, moves="down", slack=0.02), 0),
        ("multiclass", bands, Direction(column="x", by=-10.0, moves="up", slack=0.0), 99),
        ("multiclass", bands, Direction(column="x", by=10.0, moves="up"), 0),
        ("regression", rises, Direction(column="x", by=5.0, moves="down"), 100),
        ("regression", rises, Direction(column="x", by=5.0, moves="up"), 0),
        ("binary", rises, MinimumFunction(name="m", values={"x": 90.0}, decision=1.0), 0),
        ("binary", rises, MinimumFunction(name="m", values={"x": 90.0}, decision=0.0), 100),
        ("binary", rises, MinimumFunction(name="m", values={"g": "b"}, decision=1.0), 50),
        ("multiclass", bands, MinimumFunction(name="m", values={"x": 90.0}, decision=2.0), 0),
        ("multiclass", bands, MinimumFunction(name="m", values={"x": 90.0}, decision=1.0), 100),
        ("regression", rises, MinimumFunction(name="m", values={"x": 90.0}, decision=0.95), 0),
        ("regression", rises, MinimumFunction(name="m", values={"x": 90.0}, decision=0.75), 100),
    ],
)
def test_each_kind_of_behaviour_counts_the_rows_that_break_it(task, rule, check, broken):
    assert kept(task, rule, check) == (broken, 100, check.tolerated_share)


def test_a_decision_by_least_expected_cost_is_what_must_not_change():
    """Of three classes the middle one is decided for where nobody is sure: the score moves, the decision does not."""
    nearly = pd.DataFrame({"x": np.linspace(40, 60, 100), "g": "a"})
    check = Invariance(column="x", values=(50.0,))
    assert kept("multiclass", bands, check, nearly)[0] > 30
    assert (
        kept(
            "multiclass",
            bands,
            check,
            nearly,
            loss=EVEN.model_copy(update={"costs": ((0.0, 0.1, 1.0), (0.5, 0.0, 0.5), (1.0, 0.1, 0.0))}),
        )[0]
        == 0
    )


def test_at_most_five_hundred_rows_are_asked_spread_over_all():
    rows = pd.DataFrame({"x": np.arange(100_000.0) / 1_000, "g": "a"})
    broken, asked, _ = kept("binary", rises, Invariance(column="x", values=(10.0,)), rows)
    assert asked == 500
    assert broken == 250


def test_checks_are_named_after_what_they_ask_and_none_is_asked_where_none_is_declared():
    checks = (
        Invariance(column="g", values=("b",)),
        Direction(column="x", by=5.0, moves="up"),
        Direction(column="x", by=-5.0, moves="down"),
        MinimumFunction(name="a clear case", values={"x": 90.0}, decision=1.0),
    )
    found = evaluation.behaviour_kept(Rule(rises), ASKED, framing("binary", behaviours=checks))
    assert list(found) == [
        "invariance to g b",
        "x +5 moves the score up",
        "x -5 moves the score down",
        "a clear case",
    ]
    assert evaluation.behaviour_kept(Rule(rises), ASKED, framing("binary")) == {}


def test_no_row_is_no_answer():
    assert kept("binary", rises, Invariance(column="g", values=("b",)), ASKED.head(0))[:2] == (0, 0)


@pytest.mark.parametrize(
    "task, check",
    [
        ("binary", Direction(column="x", by=1_000.0, moves="up")),
        ("regression", Invariance(column="x", values=(1_000.0,))),
        ("regression", MinimumFunction(name="m", values={"x": 1_000.0}, decision=1.0)),
    ],
)
def test_a_model_that_has_no_answer_to_a_changed_row_breaks_the_behaviour(task, check):
    def gives_up(frame):
        return np.where(frame["x"] >= 1_000, np.nan, rises(frame))

    assert kept(task, gives_up, check)[0] == 100


def test_two_checks_on_one_column_are_both_asked():
    checks = (
        Invariance(column="x", values=(10.0,)),
        Invariance(column="x", values=(float("50.5"),), tolerated_share=0.9),
    )
    found = evaluation.behaviour_kept(Rule(rises), ASKED, framing("binary", behaviours=checks))
    assert len(found) == 2


# Calibration.


def test_of_two_classes_it_is_that_of_the_probability():
    said, y = scored("binary")
    assert evaluation.calibration_of(said, y, framing("binary")) == calibration(said.score, y)


def test_a_regression_is_measured_in_units_of_its_bound():
    said, y = scored("regression")
    off = Scores(said.score + 2.0, said.decision)
    found = evaluation.calibration_of(off, y, framing("regression"))
    assert found.error == pytest.approx(2.0 / 10.0, rel=0.1)
    assert found.p_value < 1e-6
    assert found.error == pytest.approx(calibration(off.score, y).error / 10)
    assert evaluation.calibration_of(
        off, y, framing("regression", loss=AbsoluteLoss(bound=20.0))
    ).error == pytest.approx(found.error / 2)


def drawn(n: int, seed: int, *, wrong: float = 0.0) -> tuple[Scores, np.ndarray]:
    """Outcomes drawn from the probabilities that are said, the last class's said too high by `wrong`."""
    rng = np.random.default_rng(seed)
    p = rng.dirichlet([2.0, 2.0, 2.0], size=n)
    y = np.array([rng.choice(3, p=row) for row in p], dtype=float)
    said = p + wrong * np.array([-0.5, -0.5, 1.0])
    return Scores(said, said.argmax(axis=1).astype(float)), y


def each_class(said: Scores, y: np.ndarray) -> list:
    return [calibration(said.score[:, k], (y == k).astype(float)) for k in range(3)]


def test_of_several_classes_the_worst_one_counts():
    said, y = drawn(3_000, 1, wrong=0.2)
    found = evaluation.calibration_of(said, y, framing("multiclass"))
    assert found.error == max(one.error for one in each_class(said, y)) == pytest.approx(0.2, abs=0.03)
    assert found.p_value < 1e-6
    assert found.rows == 3_000


def test_the_worst_of_several_calibrated_classes_is_rejected_no_more_often_than_its_level():
    p_values = [evaluation.calibration_of(*drawn(300, seed), framing("multiclass")).p_value for seed in range(150)]
    assert np.mean(np.array(p_values) < 0.05) < 0.09
    assert max(p_values) <= 1.0


def test_the_worst_class_pays_for_all_that_were_looked_at():
    said, y = drawn(300, 4)
    found = evaluation.calibration_of(said, y, framing("multiclass"))
    each = each_class(said, y)
    worst = max(each, key=lambda one: one.error)
    assert all(3 * one.p_value >= 0.05 for one in each), "where none is shown, the worst is the one that is off by most"
    assert found.p_value == min(1.0, 3 * worst.p_value)


def test_a_class_that_is_off_by_more_and_not_surely_hides_none_that_is(monkeypatch):
    """A rare class may lie far off by chance, beside a frequent one that is off for certain."""
    stated = [
        Calibration(0.08, 1.0, 1e-9, 500, ()),
        Calibration(0.3, 1.0, 0.9, 500, ()),
        Calibration(0.1, 1.0, 0.01, 500, ()),
    ]
    said, y = drawn(300, 4)

    def at(alpha: float) -> Calibration:
        left = iter(stated)
        monkeypatch.setattr(evaluation, "calibration", lambda *_: next(left))
        return evaluation.calibration_of(said, y, framing("multiclass"), alpha=alpha)

    assert (at(0.05).error, at(0.05).p_value) == (0.1, pytest.approx(0.03))  # of the two that are shown
    assert at(0.03).error == 0.08  # three times .01 is not under .03
    assert at(1e-12).error == 0.3  # none is shown
