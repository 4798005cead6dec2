"""How good was the champion on rows whose labels came? Evidently's classification or regression quality, of matured rows."""

import logging
from typing import Any

import numpy as np
import pandas as pd

from schemas.framing import Framing
from tasks.monitoring.window import Matured

__all__ = ["realised"]

log = logging.getLogger("perennial")

_ROWS = 10_000  # of matured rows that are drawn: a regression's plots take five seconds for 50,000
_LABEL, _DECISION = "the label", "the decision"  # no class and no score is called so
_LEAST = 30  # labelled rows under which no curve says anything


def realised(framing: Framing | None, matured: Matured | None, *, seed: int) -> tuple[list[Any], list[Any]]:
    """Widgets that say which rows these are, and Evidently's snapshots of them. Nothing where no rows are given; what
    Evidently cannot compute is left out, and the words say so."""
    if framing is None or matured is None:
        return [], []
    usable = np.isfinite(matured.label) & np.isfinite(matured.decision) & np.isfinite(_rowwise(matured.score))
    unlabelled = int(np.isnan(matured.label).sum())
    said = [
        f"Requests from {matured.since:%Y-%m-%d} to {matured.until:%Y-%m-%d} that the champion answered, old enough for their "
        f"labels to have come: {len(matured.label):,}, of which {unlabelled:,} have none and are left out."
    ]
    if usable.sum() < _LEAST:
        said.append(f"{int(usable.sum())} have a label and an answer; {_LEAST} are needed to draw anything.")
        return _heading(said), []
    table = _table(framing, matured, usable)
    if len(table) > _ROWS:
        said.append(f"Measured here are {_ROWS:,} of them, drawn at random; the ledger's figures are of all.")
        table = table.sample(n=_ROWS, random_state=seed).sort_index().reset_index(drop=True)
    parts = []
    for what, metrics, definition in _wanted(framing, table, said):
        try:
            parts.append(_run(table, metrics, definition))
        except Exception as error:
            log.warning("%s of matured rows cannot be drawn: %s", what, type(error).__name__)
            said.append(f"{what.capitalize()} cannot be drawn: Evidently raised {type(error).__name__}.")
    return _heading(said), parts


def _heading(said: list[str]) -> list[Any]:
    from evidently.legacy.renderers.html_widgets import text_widget

    return [text_widget(title="Quality on matured rows", text=" ".join(said))]


def _rowwise(score: np.ndarray) -> np.ndarray:
    """One value a row, nan where any of its scores is."""
    return score if score.ndim == 1 else score.sum(axis=1)


def _table(framing: Framing, matured: Matured, usable: np.ndarray) -> pd.DataFrame:
    """The label, the decision, and scores: one, or one a class under the class's name."""
    label, decision, score = matured.label[usable], matured.decision[usable], matured.score[usable]
    match framing.task:
        case "regression":
            return pd.DataFrame({_LABEL: label, _DECISION: decision})
        case "binary":
            return pd.DataFrame({_LABEL: label.astype(int), _DECISION: decision.astype(int), "score": score})
        case "multiclass":
            names = np.array([str(name) for name in framing.classes], dtype=object)
            scores = {str(name): score[:, index] for index, name in enumerate(names)}
            return pd.DataFrame({_LABEL: names[label.astype(int)], _DECISION: names[decision.astype(int)], **scores})


def _wanted(framing: Framing, table: pd.DataFrame, said: list[str]) -> list[tuple[str, list[Any], dict[str, Any]]]:
    """What is measured, by which of Evidently's metrics, under which definition of the table.

    Given scores, Evidently decides at 0.5 and leaves the model's own decisions aside: decisions and scores are two tasks.
    """
    from evidently import BinaryClassification, MulticlassClassification, Regression
    from evidently.metrics import LogLoss, RocAuc
    from evidently.presets import ClassificationQuality, ClassificationQualityByLabel, RegressionQuality

    if framing.task == "regression":
        plots = RegressionQuality(pred_actual_plot=True, error_distr=True, include_tests=False)
        return [("quality", [plots], {"regression": [Regression(target=_LABEL, prediction=_DECISION)]})]
    kind: Any = BinaryClassification if framing.task == "binary" else MulticlassClassification
    decided: list[Any] = [ClassificationQuality(conf_matrix=True, include_tests=False)]
    if framing.task == "multiclass":
        decided.append(ClassificationQualityByLabel())  # told to include no test, it raises; it has none of its own
    decisions = {"classification": [kind(target=_LABEL, prediction_labels=_DECISION)]}
    if table[_LABEL].nunique() < framing.n_classes:
        said.append("Not every class is among these labels, so that no ROC curve is defined.")
        return [("quality of decisions", decided, decisions)]
    scores: Any = "score" if framing.task == "binary" else [str(name) for name in framing.classes]
    scored = {"classification": [kind(target=_LABEL, prediction_probas=scores)]}
    curves = [RocAuc(roc_curve=True), LogLoss()]
    return [("quality of decisions", decided, decisions), ("quality of scores", curves, scored)]


def _run(table: pd.DataFrame, metrics: list[Any], definition: dict[str, Any]) -> Any:
    from evidently import DataDefinition, Dataset, Report

    typed = DataDefinition(numerical_columns=[], categorical_columns=[], **definition)
    return Report(metrics).run(Dataset.from_pandas(table, data_definition=typed), None)
