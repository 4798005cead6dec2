"""Windows, frames and matured rows that tests of the report draw from."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd

from schemas.framing import AbsoluteLoss, Framing, LogLoss
from schemas.verdict import Outcome, Verdict
from tasks import monitoring
from tasks.monitoring import Matured, Report, Window

MONDAY = datetime(2024, 3, 4, tzinfo=UTC)
WEEK = timedelta(days=7)
COLUMNS = ("near", "far", "kind")
REASONS = {
    Outcome.PASS: "no column moved",
    Outcome.FAIL: "moved: far by 0.50 (limit 0.20)",
    Outcome.WAIT: "blind: 3 calibration windows support no false-alarm rate under 25%",
}


def frame(n: int = 300, *, shift: float = 0.0, seed: int = 1) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "near": rng.normal(size=n),
            "far": rng.normal(size=n) + shift,
            "kind": pd.Series(rng.choice(["a", "b"], size=n), dtype=str),
        }
    )


def window(outcome: Outcome = Outcome.FAIL, *, week: int = 0, reason: str = "", **distances: float) -> Window:
    measured = {"near": 0.1, "far": 0.5 if outcome is Outcome.FAIL else 0.1, "kind": 0.1} | distances
    start = MONDAY + week * WEEK
    verdict = Verdict("drift", outcome, reason or REASONS[outcome])
    return Window("toy", start, start + WEEK, verdict, measured, dict.fromkeys(measured, 0.2), "version 2 (boosting)")


def made(of: Window, current: pd.DataFrame | None = None, reference: pd.DataFrame | None = None, **said: Any) -> Report:
    current = frame(seed=2) if current is None else current
    reference = frame() if reference is None else reference
    return monitoring.make_report(of, current, reference, **{"columns": list(COLUMNS), "seed": 1, **said})


def content(report: Report) -> dict[str, Any]:
    """What it saved, as any JSON reader has it: no nan."""
    return json.loads(report.json.read_text(), parse_constant=lambda name: 1 / 0)


def measured(report: Report) -> dict[str, Any]:
    """Evidently's own figures, by the name of its metric."""
    return {metric["metric_name"].partition("(")[0]: metric["value"] for metric in content(report)["metrics"]}


def framing(task: str) -> Framing:
    classes = ("low", "mid", "high") if task == "multiclass" else ()
    loss = AbsoluteLoss(bound=1.0) if task == "regression" else LogLoss()
    metric = "mae" if task == "regression" else "loss"
    return Framing(
        task=task,
        classes=classes,
        objective="tests pass",
        key="id",
        entity=None,
        event_time="at",
        target="y",
        label_time="y_at",
        maturity=WEEK,
        loss=loss,
        margin=0.1,
        tolerated_harm=0.1,
        metric=metric,
    )


def matured(task: str, n: int = 400, *, unlabelled: int = 40, seed: int = 3) -> Matured:
    """Answers whose decision is not the likelier class: a model of ours decides by what errors cost."""
    rng = np.random.default_rng(seed)
    match task:
        case "regression":
            label = rng.normal(size=n)
            score = decision = label + 0.5 * rng.normal(size=n)
        case "binary":
            label = (rng.uniform(size=n) < 0.2).astype(float)
            score = np.clip(rng.beta(2, 8, size=n) + 0.2 * label, 0, 1)
            decision = (score > 0.3).astype(float)
        case _:
            score = rng.dirichlet([1, 1, 1], size=n)
            label = np.array([rng.choice(3, p=p) for p in score], dtype=float)
            decision = np.where(score[:, 2] > 0.2, 2, score.argmax(axis=1)).astype(float)
    label[:unlabelled] = np.nan
    return Matured(score, decision, label, MONDAY - 4 * WEEK, MONDAY - WEEK)
