"""What do the rates and the power look like? One picture a chapter, as PNG bytes."""

import io
from collections.abc import Sequence
from itertools import groupby
from typing import Any

import numpy as np

from tests.proofs.evidence.failures import Failure
from tests.proofs.evidence.rates import Power, Rate

__all__ = ["picture_of_errors_seen", "picture_of_failures", "picture_of_promotions", "picture_of_rates"]

# Okabe and Ito's colours, told apart with any colour vision.
KEEPS, BREAKS, OPEN, LINE = "#0072B2", "#D55E00", "#777777", "#333333"
SERIES = {"Betting": "#E69F00", "RunningAverage": "#0072B2"}
RATIO_COLOURS = ["#56B4E9", "#0072B2", "#009E73", "#E69F00", "#D55E00"]


def picture_of_rates(rates: Sequence[Rate]) -> bytes:
    """A column a test and claim, a line a case: the rate with its bounds, against alpha. Axis in square roots."""
    columns = list(dict.fromkeys((rate.test, rate.claim) for rate in rates))
    cases = list(dict.fromkeys(rate.case for rate in rates))
    high = max(4 * rates[0].alpha, *(rate.upper for rate in rates))
    figure, axes = _figure(1, len(columns), (3.6 + 1.75 * len(columns), 1.5 + 0.27 * len(cases)), sharey=True)
    for axis, column in zip(axes, columns, strict=True):
        own = [rate for rate in rates if (rate.test, rate.claim) == column]
        for rate in own:
            _dot(axis, rate, cases.index(rate.case))
        naive = all(rate.naive for rate in own)
        _rate_axis(axis, rates[0].alpha, high)
        axis.set_title(_title(*column, naive, columns), fontsize=8, color=OPEN if naive else "black", loc="left")
        axis.set_ylim(len(cases) - 0.4, -0.6)
        axis.set_yticks(range(len(cases)), cases, fontsize=8)
        axis.tick_params(axis="y", length=0)
    figure.supxlabel(
        "share of runs in which the test is wrong at any look\n"
        f"bar: 97.5 % bounds, dashed: alpha {rates[0].alpha:g}; "
        "blue: at most alpha, orange: over it, grey: open",
        fontsize=8,
    )
    return _png(figure)


def picture_of_promotions(powers: Sequence[Power]) -> bytes:
    """One panel a situation: share of runs promoted against rows; the planned rows are marked."""
    curves = [power for power in powers if power.what == "promoted"]
    panels = [(case, list(group)) for case, group in groupby(curves, key=lambda power: power.case)]
    figure, axes = _figure(1, len(panels), (3.6 * len(panels), 3.3), sharey=True)
    for axis, (case, group) in zip(axes, panels, strict=True):
        for place, power in enumerate(group):
            colour = SERIES[power.test]
            axis.plot(np.array(power.units) / 1e3, power.rates, color=colour, linewidth=1.8)
            _plan(axis, power, colour, scale=1e3, said=f"{power.test}: {power.planned:,.0f} planned", place=place)
        axis.set_title(case, fontsize=9, loc="left")
        axis.set_xlabel("rows that both models scored (thousands)", fontsize=8)
    axes[0].set_ylabel("share of runs promoted so far", fontsize=8)
    return _png(figure)


def picture_of_errors_seen(powers: Sequence[Power]) -> bytes:
    """Share of runs stopped against errors of both arms, a curve a ratio; the planned errors are marked."""
    curves = [power for power in powers if power.what == "stopped"]
    figure, (axis,) = _figure(1, 1, (7.5, 3.8))
    for power, colour in zip(curves, RATIO_COLOURS, strict=True):
        axis.plot(power.units, power.rates, color=colour, linewidth=1.8)
        axis.plot(power.planned, power.at_plan / power.runs, "o", color=colour, markersize=6)
        ratio = power.case.split()[1]
        said = f"{ratio} times\n{power.planned:,.0f} planned"
        axis.annotate(
            said, (power.planned, 1.01), fontsize=8, color=colour, ha="center", va="bottom", annotation_clip=False
        )
    axis.set_xscale("log")
    axis.set_xticks([1, 10, 100, 1_000], ["1", "10", "100", "1,000"])
    _share_axis(axis)
    axis.set_xlabel("errors of both arms together, the challenger on a 5 % share", fontsize=8)
    axis.set_ylabel("share of runs stopped so far", fontsize=8)
    return _png(figure)


def picture_of_failures(failures: Sequence[Failure]) -> bytes:
    """A line a construction: from what the naive test does to what ours does."""
    figure, (axis,) = _figure(1, 1, (8.2, 0.9 + 0.6 * len(failures)))
    for line, failure in enumerate(failures):
        ours, naive = failure.ours.rate, failure.naive.rate
        axis.plot([ours, naive], [line, line], color="#cccccc", linewidth=2, zorder=1)
        for rate, colour, test, above in (
            (ours, KEEPS, failure.ours.test, True),
            (naive, BREAKS, failure.naive.test, False),
        ):
            axis.plot(rate, line, "o", color=colour, markersize=7, clip_on=False)
            axis.annotate(
                f"{test}: {rate:.3f}",
                (rate, line),
                (0, 7 if above else -14),
                textcoords="offset points",
                fontsize=7.5,
                color=colour,
                ha="left" if above or rate < 0.4 else "right",
            )
    _rate_axis(axis, failures[0].ours.alpha, 1.0)
    axis.set_yticks(range(len(failures)), [failure.what for failure in failures], fontsize=8)
    axis.set_ylim(len(failures) - 0.5, -0.7)
    axis.tick_params(axis="y", length=0)
    axis.set_xlabel("share of runs in which two equal models are told apart. Dashed: alpha 0.05", fontsize=8)
    return _png(figure)


def _title(test: str, claim: str, naive: bool, columns: Sequence[tuple[str, str]]) -> str:
    several = len({claim for _, claim in columns}) > 1
    parts = [test.replace(", ", ",\n", 1), *([f"on {claim}"] if several else [])]
    return "\n".join([*parts, *(["(naive)"] if naive else [])])


def _dot(axis: Any, rate: Rate, line: int) -> None:
    colour = KEEPS if rate.holds else BREAKS if rate.fails else OPEN
    axis.plot([rate.lower, rate.upper], [line, line], color=colour, linewidth=1.2)
    axis.plot(rate.rate, line, "o", color=colour, markersize=4.5, clip_on=False)


def _rate_axis(axis: Any, alpha: float, high: float) -> None:
    """From 0, in square roots so that .05 and 1 both have room; the promised alpha is the line."""
    axis.set_xscale("function", functions=(lambda x: np.sqrt(np.maximum(x, 0)), np.square))
    high = 1.0 if high > 0.4 else high
    axis.set_xlim(0, high)
    ticks = [x for x in (0, alpha, 5 * alpha, 1) if x <= high]
    axis.set_xticks(ticks, [f"{x:g}" for x in ticks], fontsize=8)
    axis.minorticks_off()
    axis.axvline(alpha, color=LINE, linewidth=0.8, linestyle=(0, (4, 3)), zorder=0)


def _share_axis(axis: Any) -> None:
    axis.set_ylim(0, 1.0)
    axis.set_yticks([0, 0.2, 0.4, 0.6, 0.8, 1], ["0", "20 %", "40 %", "60 %", "80 %", "100 %"], fontsize=8)
    axis.axhline(0.8, color=LINE, linewidth=0.8, linestyle=(0, (4, 3)), zorder=0)
    axis.tick_params(axis="x", labelsize=8)


def _plan(axis: Any, power: Power, colour: str, *, scale: float, said: str, place: int) -> None:
    axis.plot(power.planned / scale, power.at_plan / power.runs, "o", color=colour, markersize=6)
    _share_axis(axis)
    axis.set_xlim(left=0)
    axis.annotate(said, (0.97, 0.06 + 0.09 * place), xycoords="axes fraction", fontsize=8, color=colour, ha="right")


def _figure(rows: int, columns: int, size: tuple[float, float], **options: Any) -> tuple[Any, Any]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(rows, columns, squeeze=False, **options)[0]
    for axis in axes:
        axis.spines[["top", "right", "left"]].set_visible(False)
    return figure, axes


def _png(figure: Any) -> bytes:
    out = io.BytesIO()
    figure.savefig(out, format="png", dpi=130)
    return out.getvalue()
