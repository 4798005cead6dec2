"""What stands at the head of a report, in words and tables that are read at a glance?"""

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from schemas.verdict import Outcome
from tasks.monitoring.frames import Drawable, shown
from tasks.monitoring.window import Judged, Window

__all__ = ["figure", "head", "settings_of", "summary"]

_MEANS = {
    Outcome.PASS: "No alarm",
    Outcome.FAIL: "Alarm: this window is not like the reference",
    Outcome.WAIT: "Not judged: this window neither passes nor fails",
}


def head(
    window: Window, judged: list[Judged], drawn: Drawable, *, rows: tuple[int, int], read: tuple[int, int]
) -> list[Any]:
    """The verdict, what was judged, and on what the rest of the page rests: `rows` there are of the window and of the
    reference, and those of them that were read."""
    from evidently.legacy.renderers.html_widgets import CounterData, counter, table_data, text_widget

    verdict = window.verdict
    counters = [
        CounterData("verdict", str(verdict.outcome)),
        CounterData("rows in the window", f"{rows[0]:,}"),
        CounterData("rows in the reference", f"{rows[1]:,}"),
        CounterData("names outside their limit", str(sum(one.share > 1 for one in judged))),
    ]
    table = [
        (shown(one.name), figure(one.distance), figure(one.limit), figure(one.share), one.outcome, one.said)
        for one in judged
    ]
    return [
        counter(title="", counters=[CounterData(_MEANS[verdict.outcome], shown(f"{window.problem}, {window.span}"))]),
        counter(title="", counters=counters),
        text_widget(title="", text="\n\n".join(_said(window, drawn, read))),
        table_data(
            title="What was judged, furthest beyond its limit first",
            column_names=["name", "distance", "limit", "in units of its limit", "outcome", "which means"],
            data=table,
        ),
    ]


def _said(window: Window, drawn: Drawable, read: tuple[int, int]) -> list[str]:
    """Paragraphs: why, what the numbers are, which rows are drawn, and what is not."""
    shares = [len(drawn.current), len(drawn.reference)]
    reason = shown(window.verdict.reason)
    parts = [
        f"**{reason[:1].upper()}{reason[1:]}.**",
        f"Champion: {window.model}." if window.model else "",
        "Distances compare the whole window with the whole reference (0 is alike, 1 is apart); limits come from "
        "this problem's own windows. Outcomes are the ledger's, and no test of Evidently's decides anything here.",
        f"Read for this page: {read[0]:,} valid rows of the window and {read[1]:,} of the reference. Of these the plots show "
        f"{shares[0]:,} and {shares[1]:,}, drawn at random with a fixed seed and in their order.",
    ]
    undrawn = [f"{shown(name)} ({shown(why)})" for name, why in drawn.undrawn.items()]
    return [part for part in [*parts, f"Not drawn: {', '.join(undrawn)}." if undrawn else ""] if part]


def summary(current: pd.DataFrame, reference: pd.DataFrame, columns: list[str]) -> list[Any]:
    """Every column now and in the reference, from the rows given."""
    from evidently.legacy.renderers.html_widgets import table_data

    header = [
        "column",
        "type",
        "missing",
        "before",
        "mean or most frequent",
        "before",
        "least",
        "before",
        "most",
        "before",
    ]
    data = []
    for name in columns:
        pairs = zip(_row(current, name), _row(reference, name), strict=True)
        kind = current[name].dtype if name in current else "not there"
        data.append([shown(name), shown(str(kind)), *(value for pair in pairs for value in pair)])
    return [table_data(title="Data summary of the rows read, beside the reference", column_names=header, data=data)]


def _row(frame: pd.DataFrame, name: str) -> tuple[str, str, str, str]:
    """Share missing; mean, least and most of a number; the most frequent value of anything else."""
    if name not in frame or frame.empty:
        return ("–", "–", "–", "–")
    column = frame[name]
    missing, known = f"{column.isna().mean():.1%}", column.dropna()
    if known.empty:
        return (missing, "–", "–", "–")
    if pd.api.types.is_numeric_dtype(column.dtype):
        values = known.to_numpy(dtype=float)
        return (missing, figure(values.mean()), figure(values.min()), figure(values.max()))
    often = known.astype(str).value_counts()
    return (missing, shown(f"{often.index[0]} ({often.iloc[0] / len(known):.0%})"), "–", "–")


def figure(value: float) -> str:
    """Four digits, or that nobody knows."""
    return f"{value:.4g}" if math.isfinite(value) else "unknown"


def settings_of(window: Window) -> Mapping[str, str]:
    """What Evidently's UI filters by."""
    return {
        "problem": window.problem,
        "window": window.span,
        "verdict": str(window.verdict.outcome),
        "model": window.model,
        "reason": shown(window.verdict.reason),
    }
