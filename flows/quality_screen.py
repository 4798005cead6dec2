"""How is quality shown: a table in a turn's artifact, and the history of every figure with its revisions?"""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import groupby
from typing import TYPE_CHECKING, Any

from schemas.figure import Figure, FigureKind
from schemas.problem import load_problem
from tasks import quality_log
from tasks.expected import CONDITION

if TYPE_CHECKING:
    from flows.quality import Quality

__all__ = ["noted", "quality_history", "table"]

_COLUMNS: tuple[FigureKind, ...] = ("realised", "partly matured", "expected")


def noted(
    quality: "Quality", figures: Sequence[Figure], said: Sequence[str], *, now: datetime, champion: str
) -> dict[str, Any]:
    """What stands beside the turn's ledger row: the newest figures by metric and kind, and sentences."""
    newest = {kind: _newest([one for one in figures if one.kind == kind], champion) for kind in _COLUMNS}
    metrics = list(dict.fromkeys(name for of_kind in newest.values() for name in of_kind))
    about = {kind: _about(kind, list(of_kind.values())) for kind, of_kind in newest.items() if of_kind}
    rows = [[m, *(_cell(newest[k].get(m)) for k in _COLUMNS)] for m in metrics]
    return {"as_of": now.isoformat(), "about": about, "rows": rows, "said": [*_sentences(quality), *said]}


def _newest(figures: Sequence[Figure], champion: str) -> dict[str, Figure]:
    """The figures of the newest cohort that has any: the champion's, or of whoever was it before."""
    mine = [one for one in figures if one.model == champion] or figures
    end = max((one.end for one in mine), default=None)
    return {one.metric: one for one in mine if one.end == end}


def _cell(figure: Figure | None) -> str:
    if figure is None:
        return "–"
    doubted = figure.kind == "expected" and figure.note != CONDITION
    return f"{figure.interval} (not valid)" if doubted else figure.interval


def _about(kind: FigureKind, figures: list[Figure]) -> str:
    one = figures[0]
    span = f"{one.start:%Y-%m-%d} to {one.end:%Y-%m-%d}, {one.rows:,} rows"
    if kind == "realised":
        return f"realised: matured rows of {span}" + (f"; {one.note}" if one.note else "")
    if kind == "partly matured":
        return f"partly matured: what {span} will show once matured, as far as is known now; {one.note}"
    doubted = "" if one.note == CONDITION else f"; {one.note}"
    return f"expected: {span}, no label needed, {CONDITION}{doubted}"


def _sentences(quality: "Quality") -> Iterator[str]:
    if quality.prior is not None:
        yield f"{quality.prior[0]:.2%} of the newest matured rows are positive, {quality.prior[1]:.2%} when it was accepted"
    if quality.calibration_p is not None and quality.calibration_gap is not None:
        yield (
            f"their labels lie {quality.calibration_gap:+.4g} off the scores on average, calibrated scores would lie as far "
            f"off with p = {quality.calibration_p:.2g}"
        )
    if quality.labels_late is not None:
        yield f"{quality.labels_late:.0%} of the labels that are due by now have come"


def table(quality: dict[str, Any]) -> list[str]:
    """The notes as lines of Markdown."""
    lines = ["", f"| quality, as of {quality['as_of'][:16]} | realised | partly matured | expected without labels |"]
    lines += ["|---|---:|---:|---:|"]
    lines += [f"| {' | '.join(row)} |" for row in quality["rows"]]
    lines += ["", *(f"- {said[0].upper()}{said[1:]}." for said in (*quality["about"].values(), *quality["said"]))]
    return lines if quality["rows"] or quality["said"] else []


def quality_history(name: str) -> Iterator[str]:
    """Every figure of every cohort with its revisions, oldest cohort first."""
    problem = load_problem(name)
    kept = quality_log.figures(problem)
    if not kept:
        yield f"no figures of {name} yet: they are kept whenever a monitoring window closes"
        return
    for (start, end), of_cohort in groupby(kept, key=lambda one: (one.start, one.end)):
        figures = list(of_cohort)
        yield f"{start:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M}"
        for kind in (*_COLUMNS, "served"):
            mine = [one for one in figures if one.kind == kind]
            for metric, model in dict.fromkeys((one.metric, one.model) for one in mine):
                yield from _revisions([one for one in mine if (one.metric, one.model) == (metric, model)])


def _revisions(said: list[Figure]) -> Iterator[str]:
    """What was said first, and each time that became something else."""
    for number, one in enumerate(said):
        assert one.known_at is not None
        late = (one.known_at - one.end) / timedelta(days=1)
        what = f"{one.kind}, {one.metric}" if number == 0 else "  revised"
        note = f"  ({one.note})" if one.note else ""
        yield (
            f"  {what:<34} {one.interval:<30} {one.rows:>9,} rows  model {one.model[:8]}  "
            f"known {one.known_at:%Y-%m-%d %H:%M} ({late:+.1f} d){note}"
        )
