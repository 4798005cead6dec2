"""Who answers each request, and what do both models say to it? One bad row never spoils its batch."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from schemas.framing import AbsoluteLoss, CostLoss, Framing
from schemas.stage import Stage
from tasks.routing import in_challenger_arm

__all__ = ["Answers", "Outputs", "Scores", "answer", "outputs", "row_loss", "score", "threshold_of"]


@dataclass(frozen=True)
class Scores:
    """A model's output a row, shape (n,): `score` is a probability or a prediction, `decision` what it does with it."""

    score: np.ndarray
    decision: np.ndarray


@dataclass(frozen=True)
class Outputs:
    """One model's outputs, shape (n,); nan where it was not asked or raised. `errors` has the exception's type there."""

    score: np.ndarray
    decision: np.ndarray
    errors: np.ndarray


@dataclass(frozen=True)
class Answers:
    """What went out (`answer_*`), and what each model said."""

    champion: Outputs
    rival: Outputs | None
    by_rival: np.ndarray  # True where the rival was to answer
    probability: float
    score: np.ndarray
    decision: np.ndarray


def score(model: Any, frame: pd.DataFrame, framing: Framing) -> Scores:
    """Scores and decisions of `frame`, shape (n_rows,) each. A model is shown the columns it was fitted on."""
    if (names := getattr(model, "feature_names_in_", None)) is not None:
        frame = frame[list(names)]
    if framing.task == "regression":
        predicted = np.asarray(model.predict(frame), dtype=float)
        return Scores(predicted, predicted)
    probability = np.asarray(model.predict_proba(frame), dtype=float)[:, 1]
    return Scores(probability, (probability >= threshold_of(model)).astype(float))


def threshold_of(model: Any) -> float:
    """The operating point a classifier carries; 0.5 where none was chosen."""
    return float(getattr(model, "threshold", 0.5))


def row_loss(scores: Scores, labels: np.ndarray, framing: Framing) -> np.ndarray:
    """Loss a row, shape (n,), in [0, 1], lower is better. nan where the label or the score is missing."""
    y = np.asarray(labels, dtype=float)
    match framing.loss:
        case CostLoss(miss=miss, false_alarm=false_alarm):
            loss = np.where(y >= 0.5, miss * (scores.decision < 0.5), false_alarm * (scores.decision >= 0.5))
        case AbsoluteLoss(bound=bound):
            loss = np.minimum(np.abs(scores.score - y) / bound, 1.0)
        case _:
            loss = (scores.score - y) ** 2
    # A decision that was never made is below every threshold: without this it would cost nothing.
    return np.where(np.isnan(y) | np.isnan(scores.score), np.nan, loss)


def outputs(model: Any, frame: pd.DataFrame, framing: Framing) -> Outputs:
    """Score all rows at once; where that raises, halve until the rows that raise stand alone."""
    n = len(frame)
    result = Outputs(np.full(n, np.nan), np.full(n, np.nan), np.full(n, None, dtype=object))
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
    invalid = ~np.isfinite(result.score) & (result.errors == None)  # noqa: E711  (element by element)
    result.errors[invalid] = "NotFinite"
    result.score[invalid] = result.decision[invalid] = np.nan  # an infinite score is no score
    return result


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
    failed = ~np.isfinite(by_champion.score) if stage is Stage.PROBATION else np.zeros(n, dtype=bool)
    use_rival = (by_rival | failed) & np.isfinite(said.score)
    return Answers(
        by_champion,
        said,
        by_rival,
        share if routed else 0.0,
        np.where(use_rival, said.score, by_champion.score),
        np.where(use_rival, said.decision, by_champion.decision),
    )


def _spread(part: np.ndarray, where: np.ndarray) -> np.ndarray:
    whole = np.full(where.size, None if part.dtype == object else np.nan, dtype=part.dtype)
    whole[where] = part
    return whole
