"""What do people read about a window? The only module that knows Evidently, imported when a report is made."""

import json
import os
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from schemas.settings import Settings

__all__ = ["Report", "make_report", "recall", "remember"]

_SAMPLE = 5_000  # rows of each window in a plot; the verdict rests on all of them
_METHOD = "perennial"


@dataclass(frozen=True)
class Report:
    """One closed window's report on disk, and the columns its tests call drifted."""

    html: Path
    json: Path
    failed: list[str]


def make_report(
    problem: str,
    name: str,
    current: pd.DataFrame,
    reference: pd.DataFrame,
    *,
    distances: Mapping[str, float],
    limits: Mapping[str, float],
    seed: int,
) -> Report:
    """Save one Evidently report of `current` against `reference`, whose tests carry our own distances and limits.

    Evidently's default verdict is not calibrated (no drift at all, 100 rows: an alarm every time), so it draws, and each
    column's registered test compares the distance that was computed from all rows with the limit from the problem's own windows.
    """
    folder = Settings().root / "reports" / problem
    folder.mkdir(parents=True, exist_ok=True)
    # Evidently dies of a column without a value or of another type, and skips what it cannot type: name them all.
    usable = [c for c in limits if current[c].notna().any() and reference[c].notna().any()]
    numeric = [c for c in usable if pd.api.types.is_numeric_dtype(reference[c])]
    text = [c for c in usable if c not in numeric]
    frames = [_bounded(frame, usable, text, seed) for frame in (current, reference)]
    html, as_json = folder / f"{name}.html", folder / f"{name}.json"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns on import and about its own internals
        snapshot = _run(frames[0], frames[1], numeric, text, distances, limits)
        # A Path writes nothing and raises nothing: str.
        snapshot.save_html(str(html))
        snapshot.save_json(str(as_json))
        tests = snapshot.dict()["tests"]
    failed = [
        c
        for c, test in zip(usable, tests, strict=True)
        if str(getattr(test["status"], "value", test["status"])) == "FAIL"
    ]
    return Report(html, as_json, failed)


def recall(problem: str, name: str) -> dict[str, Any] | None:
    """Something this problem's monitoring remembered under `name`."""
    path = _memory(problem, name)
    return json.loads(path.read_text()) if path.exists() else None


def remember(problem: str, name: str, content: Mapping[str, Any]) -> None:
    """Keep JSON under `name`, whole or not at all."""
    path = _memory(problem, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    partial.write_text(json.dumps(content))
    partial.replace(path)


def _memory(problem: str, name: str) -> Path:
    return Settings().root / "profiles" / problem / f"{name}.json"


def _bounded(frame: pd.DataFrame, columns: list[str], text: list[str], seed: int) -> pd.DataFrame:
    part = frame[columns].sample(n=min(_SAMPLE, len(frame)), random_state=seed).reset_index(drop=True)
    return part.astype(dict.fromkeys(text, object))


def _run(
    current: pd.DataFrame,
    reference: pd.DataFrame,
    numeric: list[str],
    text: list[str],
    distances: Mapping[str, float],
    limits: Mapping[str, float],
) -> Any:
    os.environ.setdefault("DO_NOT_TRACK", "1")
    from evidently import DataDefinition, Dataset
    from evidently import Report as EvidentlyReport
    from evidently.legacy.calculations.stattests import StatTest, register_stattest
    from evidently.legacy.core import ColumnType
    from evidently.metrics import ValueDrift

    def judged(reference_column: pd.Series, _current: pd.Series, _kind: Any, threshold: float) -> tuple[float, bool]:
        value = distances[str(reference_column.name)]
        return value, value > threshold

    test = StatTest(
        name=_METHOD,
        display_name="distance of all rows, limit from the problem's own windows",
        allowed_feature_types=[ColumnType.Numerical, ColumnType.Categorical],
    )
    register_stattest(test, default_impl=judged)
    definition = DataDefinition(numerical_columns=numeric, categorical_columns=text)
    metrics = [ValueDrift(column=c, method=_METHOD, threshold=limits[c]) for c in limits if c in {*numeric, *text}]
    return EvidentlyReport(metrics, include_tests=True).run(
        Dataset.from_pandas(current, data_definition=definition),
        Dataset.from_pandas(reference, data_definition=definition),
    )
