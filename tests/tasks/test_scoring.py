"""Does one bad row stand alone, and does everybody get an answer from whom they should?"""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.framing import AbsoluteLoss, BrierLoss, CostLoss
from schemas.stage import Stage
from tasks.routing import in_challenger_arm
from tasks.scoring import Scores, answer, outputs, row_loss, score


class Fragile:
    """Answers x, and raises for a batch that holds a row it cannot take."""

    threshold = 0.5

    def __init__(self, raises: frozenset[int] = frozenset(), shift: float = 0.0) -> None:
        self.raises, self.shift = raises, shift

    def predict_proba(self, frame: pd.DataFrame) -> np.ndarray:
        if self.raises & set(frame["id"]):
            raise LookupError("a category nobody has seen")
        p = frame["x"].to_numpy(dtype=float) + self.shift
        return np.column_stack([1 - p, p])


@pytest.fixture(scope="session")
def framing(toy):
    return toy.framing


def _frame(n: int) -> pd.DataFrame:
    return pd.DataFrame({"id": np.arange(n), "customer": np.arange(n), "x": np.linspace(0.1, 0.8, n)})


def _answer(framing, stage, *, share=0.5, n=200, champion=None, rival=None):
    frame = _frame(n)
    answers = answer(frame, framing, champion=champion or Fragile(), rival=rival, stage=stage, share=share, key="toy/1")
    return frame, answers


@given(st.integers(0, 40), st.data())
def test_the_rows_that_raise_stand_alone(framing, n, data):
    bad = data.draw(st.sets(st.integers(0, max(n - 1, 0)))) if n else set()
    said = outputs(Fragile(frozenset(bad)), _frame(n), framing)
    alone = np.isin(np.arange(n), list(bad))
    assert (said.errors[alone] == "LookupError").all()
    assert all(error is None for error in said.errors[~alone])
    assert np.isnan(said.score[alone]).all()
    assert np.isnan(said.decision[alone]).all()
    np.testing.assert_array_equal(said.score[~alone], _frame(n)["x"].to_numpy()[~alone])


@pytest.mark.parametrize("broken", [np.nan, np.inf, -np.inf])
def test_a_score_that_is_no_number_is_an_error_and_no_answer(framing, broken):
    frame = _frame(4).assign(x=[0.2, broken, 0.6, 0.7])
    said = outputs(Fragile(), frame, framing)
    assert said.errors.tolist() == [None, "NotFinite", None, None]
    assert np.isnan([said.score[1], said.decision[1]]).all()


def test_decisions_follow_the_models_own_threshold(framing):
    model = Fragile()
    model.threshold = 0.45
    scores = score(model, _frame(8), framing)
    np.testing.assert_array_equal(scores.decision, scores.score >= 0.45)


@pytest.mark.parametrize("stage", [Stage.HEALTHY, Stage.RETRAIN])
def test_without_a_rival_the_champion_answers(framing, stage):
    frame, answers = _answer(framing, stage)
    assert answers.rival is None
    assert not answers.by_rival.any()
    assert answers.probability == 0.0
    np.testing.assert_array_equal(answers.score, frame["x"])


@pytest.mark.parametrize("stage", [Stage.SHADOW, Stage.PROBATION])
def test_in_shadow_the_rival_scores_every_row_and_answers_none(framing, stage):
    frame, answers = _answer(framing, stage, rival=Fragile(shift=0.1))
    np.testing.assert_array_equal(answers.score, frame["x"])
    np.testing.assert_allclose(answers.rival.score, frame["x"] + 0.1)
    assert not answers.by_rival.any()
    assert answers.probability == 0.0


@pytest.mark.parametrize("stage, share", [(Stage.CANARY, 0.05), (Stage.CANARY, 0.25), (Stage.AB, 0.5)])
def test_routed_rows_are_answered_by_the_challenger_and_the_champion_scores_all(framing, stage, share):
    frame, answers = _answer(framing, stage, share=share, rival=Fragile(shift=0.1))
    arm = in_challenger_arm(frame["customer"], key="toy/1", share=share)
    np.testing.assert_array_equal(answers.by_rival, arm)
    np.testing.assert_allclose(answers.score, frame["x"] + 0.1 * arm)
    np.testing.assert_array_equal(answers.champion.score, frame["x"])
    assert np.isnan(answers.rival.score[~arm]).all()  # nobody asked it
    assert answers.probability == share


@pytest.mark.parametrize("broken", ["raises", "not finite"])
def test_where_the_challenger_fails_the_champion_answers_and_the_failure_is_kept(framing, broken):
    everyone = frozenset(range(200))
    rival = Fragile(everyone) if broken == "raises" else Fragile(shift=np.nan)
    frame, answers = _answer(framing, Stage.CANARY, rival=rival)
    np.testing.assert_array_equal(answers.score, frame["x"])
    assert answers.by_rival.any()
    assert set(answers.rival.errors[answers.by_rival]) == {"LookupError" if broken == "raises" else "NotFinite"}
    assert all(error is None for error in answers.rival.errors[~answers.by_rival])


def test_where_the_champion_fails_there_is_no_answer_and_none_is_invented(framing):
    _, answers = _answer(framing, Stage.HEALTHY, n=5, champion=Fragile(frozenset({2})))
    assert np.isnan(answers.score).tolist() == np.isnan(answers.decision).tolist() == [False, False, True, False, False]


@pytest.mark.parametrize("stage", [Stage.HEALTHY, Stage.SHADOW, Stage.CANARY])
def test_an_empty_batch_is_answered_with_nothing(framing, stage):
    _, answers = _answer(framing, stage, n=0, rival=None if stage is Stage.HEALTHY else Fragile())
    assert answers.score.shape == answers.decision.shape == (0,)


@pytest.mark.parametrize(
    "loss, said, decided, label, expected",
    [
        (CostLoss(miss=1.0, false_alarm=0.1), 0.9, 1.0, 1.0, 0.0),
        (CostLoss(miss=1.0, false_alarm=0.1), 0.1, 0.0, 1.0, 1.0),
        (CostLoss(miss=1.0, false_alarm=0.1), 0.9, 1.0, 0.0, 0.1),
        (CostLoss(miss=1.0, false_alarm=0.1), 0.1, 0.0, 0.0, 0.0),
        (BrierLoss(), 0.8, 1.0, 1.0, 0.04),
        (BrierLoss(), 0.8, 1.0, 0.0, 0.64),
        (AbsoluteLoss(bound=10.0), 7.0, 7.0, 2.0, 0.5),
        (AbsoluteLoss(bound=10.0), 700.0, 700.0, 2.0, 1.0),
    ],
)
def test_each_loss_prices_a_row(framing, loss, said, decided, label, expected):
    framing = framing.model_copy(update={"loss": loss})
    assert row_loss(Scores(np.array([said]), np.array([decided])), np.array([label]), framing) == pytest.approx(
        expected
    )


@pytest.mark.parametrize("loss", [CostLoss(false_alarm=0.1), BrierLoss(), AbsoluteLoss(bound=1.0)])
@pytest.mark.parametrize("said, label", [(0.5, np.nan), (np.nan, 1.0), (np.nan, 0.0), (np.nan, np.nan)])
def test_a_row_without_label_or_score_has_no_loss(framing, loss, said, label):
    framing = framing.model_copy(update={"loss": loss})
    assert np.isnan(row_loss(Scores(np.array([said]), np.array([said])), np.array([label]), framing)).all()
