"""One report a closed window: Evidently draws, and its registered tests carry the verdict that the ledger holds."""

import json
import logging
import math
import os
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from schemas.framing import Framing
from schemas.settings import Settings
from schemas.verdict import Outcome
from tasks.monitoring.frames import Drawable, drawable, shown
from tasks.monitoring.memory import written
from tasks.monitoring.page import head, settings_of, summary
from tasks.monitoring.realised import realised
from tasks.monitoring.window import Judged, Matured, Window

__all__ = ["Report", "folder_of", "make_report"]

log = logging.getLogger("perennial")

_SAMPLE = 5_000  # rows of each window in a plot; the verdict rests on all of them
_DRAWN = 24  # columns with plots of their own, 60 KB and a tenth of a second each: those furthest beyond their limit


@dataclass(frozen=True)
class Report:
    """One closed window's report on disk, and what its tests say, read back from Evidently: the verdict's, and by name."""

    html: Path
    json: Path
    outcome: Outcome
    outcomes: dict[str, Outcome]
    undrawn: dict[str, str]

    @property
    def failed(self) -> list[str]:
        return [name for name, outcome in self.outcomes.items() if outcome is Outcome.FAIL]


def make_report(
    window: Window,
    current: pd.DataFrame,
    reference: pd.DataFrame,
    *,
    columns: Iterable[str],
    framing: Framing | None = None,
    matured: Matured | None = None,
    rows: tuple[int, int] | None = None,
    personal: Iterable[str] = (),
    description: str = "",
    seed: int,
) -> Report:
    """Save one Evidently report of `window` as HTML, as JSON, and as a snapshot for Evidently's own UI.

    Evidently's default verdict is not calibrated (no drift at all, 100 rows: an alarm every time), so it draws, and each
    registered test says what the verdict said of that name. `current` and `reference` may be samples of the `rows` that there
    are of each; `columns` are drawn, and a column that cannot be is named with its reason. What Evidently cannot draw at all costs its plots and never the report.
    """
    for name, value in Settings().silence.items():
        os.environ.setdefault(name, value)
    judged, hidden = window.judged(), set(personal)
    wanted = _furthest(judged, columns)
    drawn = drawable(current, reference, wanted, rows=_SAMPLE, seed=seed, personal=hidden)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns on import and about its own internals
        main, drawn = _columns(window, judged, drawn)
        table = summary(current, reference, [name for name in wanted if name not in hidden])
        read = (len(current), len(reference))
        front = [*head(window, judged, drawn, rows=rows or read, read=read), *table]
        snapshot = _merged(window, front, main, *realised(framing, matured, seed=seed))
        return _saved(window, judged, drawn, snapshot, description)


def folder_of(problem: str) -> Path:
    return Settings().root / "reports" / problem


def _furthest(judged: list[Judged], columns: Iterable[str]) -> list[str]:
    """The columns to draw: judged ones by how far they moved, then the others."""
    known = list(dict.fromkeys(columns))
    order = [one.name for one in judged if one.name in set(known)]
    return [*order, *(name for name in known if name not in set(order))][:_DRAWN]


def _columns(window: Window, judged: list[Judged], drawn: Drawable) -> tuple[Any, Drawable]:
    """The verdict's tests with the columns' plots, and what was drawn; without any plot where Evidently raises over them."""
    try:
        return _run(window, judged, drawn), drawn
    except Exception as error:
        # Its message may quote values of a table; what stands in a report is the kind of error.
        log.warning("%s: the columns cannot be drawn: %s", window.title, type(error).__name__)
        gone = dict.fromkeys([*drawn.numeric, *drawn.text], f"Evidently raised {type(error).__name__}")
        nothing = Drawable(drawn.current[[]], drawn.reference[[]], [], [], {**drawn.undrawn, **gone})
        return _run(window, judged, nothing), nothing


def _run(window: Window, judged: list[Judged], drawn: Drawable) -> Any:
    from evidently import DataDefinition, Dataset
    from evidently import Report as EvidentlyReport
    from evidently.presets.dataset_stats import DatasetStats

    from tasks.monitoring.judged import carry, metrics_of

    carry({one.name: one.distance for one in judged})
    metrics, names = metrics_of(window.verdict, judged), [*drawn.numeric, *drawn.text]
    frames, numeric = [drawn.current, drawn.reference], drawn.numeric
    if names:
        metrics.append(DatasetStats(include_tests=False))
    else:  # it wants a column
        frames, numeric = [pd.DataFrame({"no column": [0.0]})] * 2, ["no column"]
    # Its auto-typing skips uint8, Int64, boolean and pyarrow columns without a word: name them all.
    definition = DataDefinition(numerical_columns=numeric, categorical_columns=drawn.text)
    # The current window first.
    return EvidentlyReport(metrics).run(*(Dataset.from_pandas(frame, data_definition=definition) for frame in frames))


def _merged(window: Window, front: list[Any], main: Any, heading: list[Any], quality: list[Any]) -> Any:
    """One snapshot of several: Evidently computes each on one table, and the matured rows are another."""
    from evidently.core.report import Snapshot
    from evidently.core.serialization import ReportModel, SnapshotModel

    models = [part.to_snapshot_model() for part in (main, *quality)]
    drawn = [model.widgets for model in models]
    results = {name: result for model in models for name, result in model.metric_results.items()}
    for result in results.values():
        result.widget = []  # the page has them already, and twice is twice the size
        for test in result.tests:
            test.bound_test = None  # whoever opens the snapshot needs no class of ours
    return Snapshot.load_model(
        SnapshotModel(
            report=ReportModel(items=[]),
            name=window.title,
            timestamp=window.end,
            metadata=dict(settings_of(window)),
            tags=[window.problem, str(window.verdict.outcome)],
            metric_results=results,
            top_level_metrics=[name for model in models for name in model.top_level_metrics],
            widgets=[*front, *drawn[0], *heading, *(widget for widgets in drawn[1:] for widget in widgets)],
            tests_widgets=models[0].tests_widgets,
        )
    )


def _saved(window: Window, judged: list[Judged], drawn: Drawable, snapshot: Any, description: str) -> Report:
    from tasks.monitoring.judged import OUTCOMES
    from tasks.monitoring.workspace import add

    folder = folder_of(window.problem)
    # Its save_html and save_json write nothing to a Path and say nothing; written whole or not at all, by ourselves.
    page = snapshot.get_html_str(as_iframe=False).replace("<head>", f"<head><title>{shown(window.title)}</title>", 1)
    html = written(folder / f"{window.name}.html", page)
    content = json.loads(snapshot.json())
    moments = {"start": window.start.isoformat(), "end": window.end.isoformat()}
    about: dict[str, Any] = {**settings_of(window), **moments, "undrawn": drawn.undrawn}
    as_json = written(folder / f"{window.name}.json", json.dumps(_finite({"about": about, **content})))
    add(window, snapshot, description=description)
    tests = [OUTCOMES[str(getattr(test["status"], "value", test["status"]))] for test in content["tests"]]
    names = [one.name for one in judged]
    return Report(html, as_json, tests[0], dict(zip(names, tests[1:], strict=True)), drawn.undrawn)


def _finite(content: Any) -> Any:
    """What no number is, is null: nan is no JSON."""
    if isinstance(content, dict):
        return {key: _finite(value) for key, value in content.items()}
    if isinstance(content, list):
        return [_finite(value) for value in content]
    return None if isinstance(content, float) and not math.isfinite(content) else content
