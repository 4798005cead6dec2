"""Who answers each request, and what do both models say to it? One bad row never spoils its batch."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from schemas.framing import AbsoluteLoss, BrierLoss, CostLoss, CostMatrix, Framing, LogLoss, MatrixLoss
from schemas.stage import Stage
from tasks.routing import in_challenger_arm

__all__ = [
    "Answers",
    "Outputs",
    "Scores",
    "answer",
    "class_indices",
    "clipped_share",
    "decided",
    "logged",
    "outputs",
    "row_cost",
    "row_loss",
    "score",
    "threshold_of",
]


@dataclass(frozen=True)
class Scores:
    """A model's output a row. `score` is a probability or a prediction, shape (n,), or of k classes their probabilities,
    shape (n, k); `decision`, shape (n,), is what it does with it: 0 or 1, a class's index, or the prediction."""

    score: np.ndarray
    decision: np.ndarray


@dataclass(frozen=True)
class Outputs:
    """One model's outputs, shaped as in `Scores`; nan where it was not asked or raised. `errors` has the exception's type."""

    score: np.ndarray
    decision: np.ndarray
    errors: np.ndarray


@dataclass(frozen=True)
class Answers:
    """What went out (`score`, `decision`), and what each model said."""

    champion: Outputs
    rival: Outputs | None
    by_rival: np.ndarray  # True where the rival was to answer
    probability: float
    score: np.ndarray
    decision: np.ndarray
    propensity: np.ndarray | None = (
        None  # shape (n,): how likely the decision that went out was; None: 1, as the model's
    )
    explored: np.ndarray | None = None  # shape (n,): True where it was drawn; None: nowhere


def class_indices(target: pd.Series | np.ndarray, framing: Framing) -> np.ndarray:
    """The label as scores and losses know it, shape (n,): of classes their index, else the number; nan where missing."""
    if framing.task != "multiclass":
        return np.asarray(target, dtype=float)
    index = {str(name): float(position) for position, name in enumerate(framing.classes)}
    return np.array([index.get(_class_name(value), np.nan) for value in np.asarray(target, dtype=object)], dtype=float)


def _class_name(value: Any) -> str:
    """A whole number that came back from a column with nulls is 2.0, and means class 2."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def score(model: Any, frame: pd.DataFrame, framing: Framing) -> Scores:
    """Scores and decisions of `frame`. A model is shown the columns it was fitted on."""
    if (names := getattr(model, "feature_names_in_", None)) is not None:
        frame = frame[list(names)]
    if framing.task == "regression":
        predicted = np.asarray(model.predict(frame), dtype=float)
        return Scores(predicted, predicted)
    probability = np.asarray(model.predict_proba(frame), dtype=float)
    if framing.task == "binary":
        positive = probability[:, 1]
        # A score that is no number is below every threshold, and no decision.
        return Scores(positive, np.where(np.isnan(positive), np.nan, positive >= threshold_of(model)))
    # A class that training did not see has no column of its own.
    known = class_indices(np.asarray(model.classes_, dtype=object), framing).astype(int)
    whole = np.zeros((len(frame), framing.n_classes))
    whole[:, known] = probability
    return Scores(whole, np.where(_a_row(np.isnan(whole), np.any), np.nan, decided(whole, framing)))


def decided(probability: np.ndarray, framing: Framing) -> np.ndarray:
    """The class with the least expected cost, or, without a matrix, the likeliest."""
    if isinstance(framing.loss, MatrixLoss):
        return np.argmin(probability @ np.array(framing.loss.costs), axis=1).astype(float)
    return np.argmax(probability, axis=1).astype(float)


def threshold_of(model: Any) -> float:
    """The operating point a classifier carries; 0.5 where none was chosen."""
    return float(getattr(model, "threshold", 0.5))


def row_loss(scores: Scores, labels: np.ndarray, framing: Framing) -> np.ndarray:
    """Loss a row, shape (n,), in [0, 1], lower is better. nan where the label or the score is missing.

    `labels` are as `class_indices` gives them.
    """
    y = np.asarray(labels, dtype=float)
    missing = np.isnan(y) | _a_row(np.isnan(scores.score), np.any)
    match framing.loss:
        case CostLoss(miss=miss, false_alarm=false_alarm):
            loss = np.where(y >= 0.5, miss * (scores.decision < 0.5), false_alarm * (scores.decision >= 0.5))
        case MatrixLoss(costs=costs):
            loss = _looked_up(costs, y, scores.decision)
        case AbsoluteLoss() | LogLoss():
            loss = np.minimum(_unbounded(scores, y, framing), 1.0)
        case BrierLoss():
            loss = _brier(scores.score, y)
    # A decision that was never made is below every threshold: without this it would cost nothing.
    return np.where(missing, np.nan, loss)


def logged(score: pd.Series, decision: pd.Series, framing: Framing) -> Scores:
    """Scores as they come back from the prediction log; of several classes a list a row, nan where there is none."""
    decided = decision.to_numpy(dtype=float)
    if framing.task != "multiclass":
        return Scores(score.to_numpy(dtype=float), decided)
    whole = np.full((len(score), framing.n_classes), np.nan)
    for position, said in enumerate(score):
        if isinstance(said, np.ndarray):
            whole[position] = said
    return Scores(whole, decided)


def clipped_share(scores: Scores, labels: np.ndarray, framing: Framing) -> float:
    """Share of rows whose loss exceeds the bound that the framing states, and is clipped there; 0 for bounded losses."""
    if not isinstance(framing.loss, AbsoluteLoss | LogLoss) or len(labels) == 0:
        return 0.0
    return float(np.mean(_unbounded(scores, np.asarray(labels, dtype=float), framing) > 1))


def row_cost(scores: Scores, labels: np.ndarray, costs: CostMatrix) -> np.ndarray:
    """What each decision cost, shape (n,), in the framing's currency. nan where the label or the score is missing."""
    y = np.asarray(labels, dtype=float)
    return np.where(np.isnan(y) | np.isnan(scores.decision), np.nan, _looked_up(costs.costs, y, scores.decision))


def _unbounded(scores: Scores, y: np.ndarray, framing: Framing) -> np.ndarray:
    """The loss in units of its bound, before it is clipped there."""
    if isinstance(framing.loss, AbsoluteLoss):
        return np.abs(scores.score - y) / framing.loss.bound
    assert isinstance(framing.loss, LogLoss), "other losses are bounded"
    with np.errstate(divide="ignore"):
        return -np.log(_of_truth(scores.score, y)) / framing.loss.bound


def _of_truth(score: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The probability given to what turned out to be true."""
    if score.ndim == 1:
        return np.where(y >= 0.5, score, 1 - score)
    return score[np.arange(len(y)), np.nan_to_num(y).astype(int)]


def _brier(score: np.ndarray, y: np.ndarray) -> np.ndarray:
    if score.ndim == 1:
        return (score - y) ** 2
    truth = np.eye(score.shape[1])[np.nan_to_num(y).astype(int)]
    return ((score - truth) ** 2).sum(axis=1) / 2


def _looked_up(costs: tuple[tuple[float, ...], ...], truth: np.ndarray, decision: np.ndarray) -> np.ndarray:
    return np.array(costs)[np.nan_to_num(truth).astype(int), np.nan_to_num(decision).astype(int)]


def outputs(model: Any, frame: pd.DataFrame, framing: Framing) -> Outputs:
    """Score all rows at once; where that raises, halve until the rows that raise stand alone."""
    n = len(frame)
    shape = (n, framing.n_classes) if framing.task == "multiclass" else (n,)
    result = Outputs(np.full(shape, np.nan), np.full(n, np.nan), np.full(n, None, dtype=object))
    spans = [(0, n)] if n else []
    while spans:
        start, end = spans.pop()
        try:
            scores = score(model, frame.iloc[start:end], framing)
            result.score[start:end], result.decision[start:end] = scores.score, scores.decision
        except Exception as error:  # whatever a model raises is evidence against it, and no reason to stop answering
            if end - start == 1:
                result.errors[start] = type(error).__name__
            else:
                middle = (start + end) // 2
                spans += [(start, middle), (middle, end)]
    invalid = ~_scored(result.score) & (result.errors == None)  # noqa: E711  (element by element)
    result.errors[invalid] = "NotFinite"
    result.score[invalid] = result.decision[invalid] = np.nan  # an infinite score is no score
    return result


def _scored(score: np.ndarray) -> np.ndarray:
    """True a row, shape (n,), where the model gave an answer."""
    return _a_row(np.isfinite(score), np.all)


def _a_row(flags: np.ndarray, whole: Callable[..., Any]) -> np.ndarray:
    """One flag a row, shape (n,), also of scores that have a column a class."""
    return np.asarray(whole(flags, axis=tuple(range(1, flags.ndim))))


def answer(
    frame: pd.DataFrame,
    framing: Framing,
    *,
    champion: Any,
    rival: Any | None,
    stage: Stage,
    share: float,
    key: str,
) -> Answers:
    """Route and score a batch. The champion scores every row, since only then do the arms pair; in CANARY and AB the
    challenger scores the rows it answers, in SHADOW and PROBATION the rival scores all and answers none."""
    n = len(frame)
    by_champion = outputs(champion, frame, framing)
    by_rival = np.zeros(n, dtype=bool)
    if rival is None:
        return Answers(by_champion, None, by_rival, 0.0, by_champion.score, by_champion.decision)
    routed = stage in (Stage.CANARY, Stage.AB)
    if routed:
        by_rival = in_challenger_arm(frame[framing.entity or framing.key], key=key, share=share)
        asked = outputs(rival, frame[by_rival], framing)
        said = Outputs(*(_spread(part, by_rival) for part in (asked.score, asked.decision, asked.errors)))
    else:
        said = outputs(rival, frame, framing)
    # Where the challenger raised, the champion answers: its user never notices. In probation the previous champion
    # stands in for the new one in the same way; a challenger in shadow never does.
    failed = ~_scored(by_champion.score) if stage is Stage.PROBATION else np.zeros(n, dtype=bool)
    use_rival = (by_rival | failed) & _scored(said.score)
    wide = use_rival[:, None] if by_champion.score.ndim == 2 else use_rival
    return Answers(
        by_champion,
        said,
        by_rival,
        share if routed else 0.0,
        np.where(wide, said.score, by_champion.score),
        np.where(use_rival, said.decision, by_champion.decision),
    )


def _spread(part: np.ndarray, where: np.ndarray) -> np.ndarray:
    shape = (where.size, *part.shape[1:])
    whole = np.full(shape, None if part.dtype == object else np.nan, dtype=part.dtype)
    whole[where] = part
    return whole
