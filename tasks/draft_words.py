"""The turns of phrase that all parts of a draft share."""

from datetime import timedelta

from tasks.guesses.facts import Column
from tasks.guesses.proposal import Proposal

__all__ = ["days_of", "delay_says", "one_line", "span_name", "whole"]


def days_of(span: timedelta) -> str:
    """A duration in days, or in hours where it is shorter than one."""
    days = span / timedelta(days=1)
    return f"{days:.3g} days" if abs(days) >= 1 else f"{24 * days:.2g} hours"


def delay_says(p: Proposal) -> str:
    if p.delay is None or p.known is None:
        return f"assumed {days_of(p.assumed)} after the event: no column says when a label came"
    early = f"; {100 * p.delay.negative:.1f} % are before the event" if p.delay.negative > 0 else ""
    return (
        f"{' and '.join(p.known.columns)}, a row's own delay: median {days_of(p.delay.median)}, 95 % within {days_of(p.delay.q95)}, "
        f"longest {days_of(p.delay.longest)}{early}"
    )


def one_line(text: str) -> str:
    return " ".join(text.split())


def span_name(column: str) -> str:
    return f"days_to_{column}"


def whole(column: Column) -> bool:
    return column.kind == "number" and column.whole and column.missing == 0
