"""How is the advice told on one screen? What the table is, what to fix first, and whether the first turn can be taken."""

import textwrap
from collections.abc import Collection, Iterator, Sequence

from tasks.advice.facts import Facts
from tasks.advice.findings import Finding, Severity
from tasks.advice.table import days_of

__all__ = ["screen"]

_WIDTH = 118
_MOST = {Severity.MUST: 6, Severity.SHOULD: 6, Severity.NOTE: 5}  # two lines each: one screen


def screen(facts: Facts, findings: Sequence[Finding], *, checks: Collection[str]) -> Iterator[str]:
    """Lines: a header, the findings in order with their next steps, what is fine, and what comes next."""
    yield from _wrapped(_header(facts), _WIDTH, subsequent_indent="  ")
    number = 0
    for severity in Severity:
        found = [finding for finding in findings if finding.severity is severity]
        if found:
            yield f"{severity}:"
        for finding in found[: _MOST[severity]]:
            number += 1
            yield from _told(finding, number)
        if len(found) > _MOST[severity]:
            yield f"    and {len(found) - _MOST[severity]} more, in figures/doctor-{facts.problem.name}.json"
    must = sum(finding.severity is Severity.MUST for finding in findings)
    wanting = {finding.check for finding in findings if finding.severity is not Severity.NOTE}
    fine = [check for check in checks if check not in wanting and check != "looked at"]
    if fine and not must:  # what rests on something broken was not looked at, or says nothing
        yield from _wrapped(f"nothing to fix: {', '.join(fine)}", _WIDTH, subsequent_indent="  ")
    yield f"{must} to fix first" if must else f"ready for the first turn: make loop PROBLEM={facts.problem.name}"


def _header(facts: Facts) -> str:
    framing, shape = facts.problem.framing, facts.shape
    said = f"{facts.problem.name}: {framing.task} ({framing.target})"
    if shape is None:
        return f"{said}, its table could not be read"
    if shape.first is None or shape.last is None:
        return f"{said}, {shape.rows:,} rows, none with an event time"
    said += f", {shape.rows:,} rows"
    if framing.timeless:
        return f"{said} without a time of their own, taken {shape.last:%Y-%m-%d}"
    said += (
        f", {shape.first:%Y-%m-%d} to {shape.last:%Y-%m-%d} ({days_of(shape.span)}, {shape.rows_a_day:,.0f} rows a day)"
    )
    found = facts.labels
    if found is not None and found.median is not None and found.most is not None:
        whose = f" of {found.slowest}" if found.slowest else ""
        said += f"; labels{whose} take {days_of(found.median)}, 99 % come within {days_of(found.most)}"
    return said


def _wrapped(text: str, width: int, *, initial_indent: str = "", subsequent_indent: str = "") -> list[str]:
    """Lines of `text`, where a number keeps its per cent."""
    whole = text.replace(" %", "\u00a0%")
    lines = textwrap.wrap(
        whole, width, initial_indent=initial_indent, subsequent_indent=subsequent_indent, break_on_hyphens=False
    )
    return [line.replace("\u00a0", " ") for line in lines]


def _told(finding: Finding, number: int) -> Iterator[str]:
    said = f"{finding.what}: {finding.evidence}" if finding.evidence else finding.what
    yield from _wrapped(said, _WIDTH, initial_indent=f"{number:>3} ", subsequent_indent="    ")
    if finding.next_step:
        step = f"→ {finding.next_step}"
        yield from _wrapped(step, _WIDTH, initial_indent="    ", subsequent_indent="      ")
