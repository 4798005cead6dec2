"""How is a label report shown on one screen, and as data?"""

import math
from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from flows.labels_report import LabelReport
from schemas.problem import Problem
from tasks.maturity import Measured

__all__ = ["data_of", "screen"]

_BARS = " ▁▂▃▄▅▆▇█"
_WIDTH = 32
_SHOWN = 8  # suspects on the screen; the file has more
_POINTS = 100  # of a curve in the file


def screen(problem: Problem, report: LabelReport) -> Iterator[str]:
    """The lines of one screen: what there is, what it is worth, and what to do first."""
    sampled = f", {report.read:.1%} of them read" if report.read < 1 else ""
    yield f"{report.problem}: labels of {report.start:%Y-%m-%d} to {report.now:%Y-%m-%d %H:%M} UTC"
    yield f"  rows          {report.rows:>11,}{sampled}"
    yield f"  labelled      {report.labelled:>11,}  {_of(report.labelled, report.rows)}; {_matured(report)}"
    yield f"  equal rows    {report.copies.copies:>11,}  {report.copies.share:.2%}, in everything but {problem.framing.key}"
    yield f"  near-copies   {report.near.copies:>11,}  {report.near.share:.2%} in features and label{_across(report)}"
    yield f"  contradictions{report.conflicts.conflicting:>11,}  {_contradicted(report)}"
    yield from _noise(report)
    yield from (_agreement(one) for one in report.agreements)
    if report.revised:
        yield f"  revised       {report.revised:>11,}  labels of the prediction log were changed later"
    yield from _delays(problem, report)
    yield "what to do first:"
    yield from (f"  {number}. {said}" for number, said in enumerate(report.first, start=1))


def data_of(report: LabelReport) -> dict[str, Any]:
    """The report as JSON can carry it: nothing undefined, curves thinned, no row but by its key."""
    held = asdict(report)
    held["delays"] = [_measured(one) for one in report.delays]
    found: dict[str, Any] = _plain(held)
    return found


def _matured(report: LabelReport) -> str:
    if not report.mature:
        return "none is matured yet"
    lost = report.mature - report.mature_labelled
    return f"of {report.mature:,} matured rows {lost:,} lack theirs"


def _across(report: LabelReport) -> str:
    shared = ", ".join(f"{s.rows:,} of {s.newer} in {s.older}" for s in report.shared if s.rows)
    return f"; {shared}" if shared else "; none across train, validation and test" if report.shared else ""


def _contradicted(report: LabelReport) -> str:
    found = report.conflicts
    if not found.conflicting:
        return "no row has a twin in features with another label"
    if report.classes:
        return f"{found.share:.2%} have a twin with another label: no model errs less than {found.floor:.2%}"
    spread = f", twins differ by {found.spread:.3g}" if math.isfinite(found.spread) else ""
    return f"{found.share:.2%} have a twin with another label: no mean error under {found.floor:.3g}{spread}"


def _noise(report: LabelReport) -> Iterator[str]:
    noise = report.noise
    if noise is None:
        yield f"  label noise           ?  {report.no_noise}"
        return
    if math.isfinite(noise.rate):
        overlap = ", so most of it is classes that overlap" if noise.overlaps else ""
        yield (
            f"  label noise   {noise.rate:>11.2%}  at most, of {noise.rows:,} rows, and {noise.surest:.2%} of the surest tenth"
            f"{overlap}: {noise.accuracy_ends}"
        )
        yield "    by class    " + ", ".join(f"{name} {rate:.1%}" for name, rate in noise.by_class.items())
    else:
        yield f"  far off       {noise.outlying:>11,}  of {noise.rows:,} labels, over six robust standard deviations"
    yield "    look first  " + ", ".join(f"{s.key} ({s.loss:.3g})" for s in noise.suspects[:_SHOWN])


def _agreement(one: Any) -> str:
    return (
        f"  kappa         {one.kappa:>11.2f}  [{one.low:.2f}, {one.high:.2f}] of {one.between} on {one.rows:,} rows: they agree "
        f"on {one.agreed:.1%}, accuracy ends near {one.ceiling:.1%}"
    )


def _delays(problem: Problem, report: LabelReport) -> Iterator[str]:
    if not report.delays:
        yield f"  delays: {report.maturity.reason}"
        return
    maturity = problem.framing.maturity / timedelta(days=1)
    span = max(maturity, min(report.delays[0].longest, 2 * maturity))
    head = f"delays in days, 0 to {span:.3g}"
    yield f"  {head:<{_WIDTH + 26}}{'median':>8}{'95 %':>8}{'99 %':>8}{'longest':>9}"
    for one in report.delays:
        bar = "".join(_BARS[_height(one, span * step / _WIDTH)] for step in range(1, _WIDTH + 1))
        figures = "".join(f"{_number(x):>8}" for x in (one.median, one.p95, one.p99))
        yield f"    {one.group[:22]:<22}{bar}{figures}{_number(one.longest):>9}"
    yield f"  maturity {maturity:g} d: {report.maturity.outcome}, {report.maturity.reason}"


def _height(one: Measured, age: float) -> int:
    known = one.curve.at(age)[1]
    return 0 if math.isnan(known) else math.floor(known * (len(_BARS) - 1) + 1e-9)


def _number(value: float) -> str:
    return "?" if math.isnan(value) else f"{value:.3g}"


def _of(part: int, whole: int) -> str:
    return f"{part / whole:.1%}" if whole else "0.0%"


def _measured(one: Measured) -> dict[str, Any]:
    thinned = np.unique(np.linspace(0, len(one.curve.delay) - 1, _POINTS).astype(int))
    names = ("delay", "known", "low", "high")
    curve = {name: [float(v) for v in getattr(one.curve, name)[thinned]] for name in names}
    return {name: value for name, value in vars(one).items() if name != "curve"} | {"curve": curve}


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(name): _plain(held) for name, held in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(held) for held in value]
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, datetime):
        return value.isoformat()
    return value
